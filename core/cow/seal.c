/* How a mounted tree is sealed (fs_seal), while all other calls wait:
 *   1 the new top's root is made a link to the root of the old one
 *   2 each node that has a name finds its place in the new top, parents first: their directories are taken over, open
 *     files are opened there.  Everything goes into new_... members; after a failure they are thrown away
 *   3 the nodes change over to what was found.  The old top is now the tree below.
 * A file that has no name any more stays where it is: nobody else can see it. */
#include <fcntl.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/cow/fs_priv.h"

static struct err *seat(struct cow_fs *fs, struct fs_node *n);

static struct err *seat_in(struct cow_fs *fs, struct fs_node *n, struct fs_node *dir)
{
	struct stat st;
	struct err *e = NULL;

	if (dir->new_link.flags & LINK_UNREAD)
		e = cow_expand(&fs->chain, dir->new_fd, &dir->new_link);
	if (e)
		return e;
	if (fstatat(dir->new_fd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "looking at %s", n->name);
	n->new_inode = st.st_ino;
	if (n->type == S_IFDIR) {
		e = fd_open(dir->new_fd, n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &n->new_fd);
		return e ?: cow_link_read(n->new_fd, NULL, &st, &n->new_link, &n->new_has_link);
	}
	e = cow_link_read(dir->new_fd, n->name, &st, &n->new_link, &n->new_has_link);
	if (!e && n->file)
		e = fd_open(dir->new_fd, n->name, O_RDWR | O_NOFOLLOW, 0, &n->new_fd);
	return e;
}

static struct err *seat(struct cow_fs *fs, struct fs_node *n)
{
	struct err *e;

	if (n->seated || n->dead)
		return NULL;
	if (!n->parent)
		return err_new(EBUSY, "a file is open whose name was removed and that has other names");
	e = seat(fs, n->parent);
	if (!e && n->parent->dead)
		return err_new(EUCLEAN, "a name in a directory that was removed");
	e = e ?: seat_in(fs, n, n->parent);
	n->seated = true; /* what it got is thrown away after a failure, too */
	return e;
}

static struct err *seat_root(struct cow_fs *fs)
{
	struct fs_node *n = fs->root;
	struct stat st;
	struct err *e = cow_root_init(&fs->chain);

	if (!e && fstat(fs->chain.v[0].root, &st) < 0)
		e = err_new(errno, "looking at the new tree");
	if (e)
		return e;
	n->new_fd = fcntl(fs->chain.v[0].root, F_DUPFD_CLOEXEC, 3);
	n->new_inode = st.st_ino;
	n->seated = true;
	return cow_link_read(n->new_fd, NULL, &st, &n->new_link, &n->new_has_link);
}

static void unseat(struct fs_node *n)
{
	if (n->new_fd >= 0)
		close(TAKE_FD(n->new_fd));
	link_done(&n->new_link);
	n->new_link = (struct cow_link){ 0 };
	n->seated = false;
}

static struct err *change_over(struct cow_fs *fs, struct fs_node *n)
{
	struct err *e = NULL;

	if (!n->seated)
		return NULL;
	n->inode = n->new_inode;
	n->has_link = n->new_has_link;
	n->hard = n->new_link.flags & LINK_HARD;
	n->below = n->new_link.flags & LINK_BELOW;
	if (n->type == S_IFDIR) {
		close(n->fd);
		n->fd = TAKE_FD(n->new_fd);
		link_done(&n->link);
		n->link = n->new_link;
		n->new_link = (struct cow_link){ 0 };
	} else if (n->file) {
		e = cow_file_seal(n->file, &fs->chain, TAKE_FD(n->new_fd));
	}
	unseat(n);
	return e;
}

static struct err *for_all(struct cow_fs *fs, struct err *(*fn)(struct cow_fs *, struct fs_node *))
{
	struct err *e = NULL;

	for (size_t i = 0; i < BUCKETS && !e; i++)
		for (struct fs_node *n = fs->by_id[i]; n && !e; n = n->next_id)
			e = fn(fs, n);
	return e;
}

static struct err *unseat_one(UNUSED struct cow_fs *fs, struct fs_node *n)
{
	unseat(n);
	return NULL;
}

static void push(struct cow_chain *c, const struct cow_tree *top)
{
	memmove(c->v + 1, c->v, c->n * sizeof(*c->v));
	c->v[0] = *top;
	c->n++;
}

static void pop(struct cow_chain *c)
{
	cow_tree_done(&c->v[0]);
	c->n--;
	memmove(c->v, c->v + 1, c->n * sizeof(*c->v));
}

struct err *fs_seal(struct cow_fs *fs, struct cow_tree *top)
{
	struct err *e;

	pthread_rwlock_wrlock(&fs->gate);
	if (fs->chain.n == COW_TREES_MAX) {
		pthread_rwlock_unlock(&fs->gate);
		cow_tree_done(top);
		return err_new(EMLINK, "there are %d sealed trees below this volume already",
			       COW_TREES_MAX - 1);
	}
	push(&fs->chain, top);
	e = seat_root(fs);
	e = e ?: for_all(fs, seat);
	if (e) {
		err_free(for_all(fs, unseat_one)); /* always NULL */
		pop(&fs->chain);
		pthread_rwlock_unlock(&fs->gate);
		return e;
	}
	e = for_all(fs, change_over);
	if (e)
		e->errnum = EIO;
	fsnode_rehash(fs);
	fs->seals++;
	pthread_rwlock_unlock(&fs->gate);
	return e;
}

/* A file that is kept from going away meanwhile, or NULL. */
static struct fs_node *next_dirty(struct cow_fs *fs)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct fs_node *n = fs->by_id[i]; n; n = n->next_id)
			if (n->file && cow_file_dirty_below(n->file) && fsnode_open_file(fs, n) == 0)
				return n;
	return NULL;
}

int fs_sync_sealed(struct cow_fs *fs)
{
	int rc = 0;

	for (;;) {
		struct fs_node *n;

		fs_enter(fs);
		n = next_dirty(fs);
		fs_leave(fs);
		if (!n)
			return 0;
		pthread_rwlock_rdlock(&fs->gate); /* not the names: others go on meanwhile */
		rc = cow_file_sync_below(n->file);
		pthread_rwlock_unlock(&fs->gate);
		fs_release(fs, n);
		if (rc < 0)
			return rc;
	}
}
