#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/cow/fs_priv.h"

void fs_enter(struct cow_fs *fs)
{
	pthread_rwlock_rdlock(&fs->gate);
	pthread_mutex_lock(&fs->names);
}

void fs_leave(struct cow_fs *fs)
{
	pthread_mutex_unlock(&fs->names);
	pthread_rwlock_unlock(&fs->gate);
}

/* Takes E; negative. */
static int take_errno(struct err *e)
{
	int rc = e ? -(e->errnum ?: EIO) : 0;

	/* the words of the kernel for a damaged or copied volume reach the program as "I/O error" */
	if (rc == -EUCLEAN || rc == -ESTALE)
		rc = -EIO;
	err_free(e);
	return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

static struct fs_node **id_bucket(struct cow_fs *fs, uint64_t id)
{
	return &fs->by_id[id % BUCKETS];
}

static struct fs_node **inode_bucket(struct cow_fs *fs, ino_t inode)
{
	return &fs->by_inode[inode % BUCKETS];
}

struct fs_node *fsnode_get(struct cow_fs *fs, uint64_t id)
{
	struct fs_node *n = *id_bucket(fs, id);

	while (n && n->id != id)
		n = n->next_id;
	return n;
}

struct fs_node *fsnode_by_inode(struct cow_fs *fs, ino_t inode)
{
	struct fs_node *n = *inode_bucket(fs, inode);

	while (n && n->inode != inode)
		n = n->next_inode;
	return n;
}

static void hash_inode(struct cow_fs *fs, struct fs_node *n)
{
	struct fs_node **at = inode_bucket(fs, n->inode);

	n->next_inode = *at;
	*at = n;
}

static void unhash_inode(struct cow_fs *fs, struct fs_node *n)
{
	struct fs_node **at = inode_bucket(fs, n->inode);

	while (*at && *at != n)
		at = &(*at)->next_inode;
	if (*at)
		*at = n->next_inode;
}

void fsnode_rehash(struct cow_fs *fs)
{
	memset(fs->by_inode, 0, sizeof(fs->by_inode));
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct fs_node *n = fs->by_id[i]; n; n = n->next_id)
			if (!n->dead)
				hash_inode(fs, n);
}

static struct fs_node *fsnode_new(struct cow_fs *fs, const struct stat *st)
{
	struct fs_node *n = xcalloc(1, sizeof(*n)), **at;

	n->id = ++fs->last_id;
	n->inode = st->st_ino;
	n->type = st->st_mode & S_IFMT;
	n->fd = n->new_fd = -1;
	at = id_bucket(fs, n->id);
	n->next_id = *at;
	*at = n;
	hash_inode(fs, n);
	return n;
}

static void maybe_free(struct cow_fs *fs, struct fs_node *n);

void fsnode_place(struct cow_fs *fs, struct fs_node *n, struct fs_node *parent, const char *name)
{
	struct fs_node *old = n->parent;

	if (n->parent == parent && str_eq(n->name, name))
		return;
	free(n->name);
	n->name = xstrdup(name);
	if (parent)
		parent->children++;
	n->parent = parent;
	if (name && n->type != S_IFDIR && n->fd >= 0)
		close(TAKE_FD(n->fd));
	if (old) {
		old->children--;
		maybe_free(fs, old);
	}
}

static void idle_remove(struct cow_fs *fs, struct fs_node *n)
{
	if (!n->idle)
		return;
	*(n->idle_prev ? &n->idle_prev->idle_next : &fs->idle_first) = n->idle_next;
	*(n->idle_next ? &n->idle_next->idle_prev : &fs->idle_last) = n->idle_prev;
	n->idle = false;
	n->idle_next = n->idle_prev = NULL;
	fs->n_idle--;
}

static void drop_file(struct cow_fs *fs, struct fs_node *n)
{
	idle_remove(fs, n);
	cow_file_free(TAKE_PTR(n->file));
}

static void maybe_free(struct cow_fs *fs, struct fs_node *n)
{
	while (n && n != fs->root && !n->lookups && !n->children && !n->opens) {
		struct fs_node *parent = n->parent, **at = id_bucket(fs, n->id);

		while (*at != n)
			at = &(*at)->next_id;
		*at = n->next_id;
		if (!n->dead)
			unhash_inode(fs, n);
		if (n->file)
			drop_file(fs, n);
		if (n->fd >= 0)
			close(n->fd);
		link_done(&n->link);
		free(n->name);
		free(n);
		if (parent)
			parent->children--;
		n = parent;
	}
}

void fsnode_put(struct cow_fs *fs, struct fs_node *n, uint64_t lookups)
{
	n->lookups -= lookups < n->lookups ? lookups : n->lookups;
	maybe_free(fs, n);
}

/* --- finding ---------------------------------------------------------------------------------- */

void fsnode_path(const struct fs_node *n, char buf[NAME_MAX + 32])
{
	if (n->file)
		snprintf(buf, NAME_MAX + 32, "/proc/self/fd/%d", n->file->level[0].fd);
	else if (n->fd >= 0)
		snprintf(buf, NAME_MAX + 32, "/proc/self/fd/%d", n->fd);
	else
		snprintf(buf, NAME_MAX + 32, "/proc/self/fd/%d/%s", n->parent->fd, n->name);
}

/* What the node shows in place of what the top tree has. */
static void show(const struct fs_node *n, struct stat *st)
{
	st->st_ino = n->number;
	if (n->hard && st->st_nlink > 1)
		st->st_nlink--;
	if (n->dead && n->type != S_IFDIR)
		st->st_nlink = 0;
	if (n->below && (uint64_t)st->st_blocks < cow_blocks((uint64_t)st->st_size) * 8)
		st->st_blocks = (blkcnt_t)cow_blocks((uint64_t)st->st_size) * 8;
}

int fsnode_stat(struct cow_fs *fs UNUSED, struct fs_node *n, struct stat *ret)
{
	int rc;

	if (n->file)
		rc = fstat(n->file->level[0].fd, ret);
	else if (n->fd >= 0)
		rc = fstat(n->fd, ret);
	else if (n->name)
		rc = fstatat(n->parent->fd, n->name, ret, AT_SYMLINK_NOFOLLOW);
	else
		return -ESTALE;
	if (rc < 0)
		return -errno;
	show(n, ret);
	return 0;
}

static int fsnode_fill(struct cow_fs *fs, struct fs_node *n, const struct stat *st)
{
	struct cow_link l;
	struct err *e = NULL;

	if (n->type == S_IFDIR)
		e = fd_open(n->parent->fd, n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &n->fd);
	e = e
		    ?: n->type == S_IFDIR
		       ? cow_link_read(n->fd, NULL, st, &l, &n->has_link)
		       : cow_link_read(n->parent->fd, n->name, st, &l, &n->has_link);
	if (e)
		return take_errno(e);
	n->number = cow_number(&fs->chain.v[0], n->inode, n->has_link ? &l : NULL);
	n->hard = l.flags & LINK_HARD;
	n->below = l.flags & LINK_BELOW;
	if (n->type == S_IFDIR)
		n->link = l;
	else
		link_done(&l);
	return 0;
}

int fsnode_find(struct cow_fs *fs, struct fs_node *dir, const char *name, struct fs_node **ret,
		struct stat *ret_st)
{
	struct fs_node *n;
	struct stat st;
	int rc = 0;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	n = fsnode_by_inode(fs, st.st_ino);
	if (!n) {
		n = fsnode_new(fs, &st);
		fsnode_place(fs, n, dir, name);
		rc = fsnode_fill(fs, n, &st);
	} else {
		fsnode_place(fs, n, dir, name);
	}
	if (rc < 0) {
		maybe_free(fs, n);
		return rc;
	}
	n->lookups++;
	show(n, &st);
	*ret = n;
	*ret_st = st;
	return 0;
}

int fsnode_read_dir(struct cow_fs *fs, struct fs_node *n)
{
	if (!(n->link.flags & LINK_UNREAD))
		return 0;
	return take_errno(cow_expand(&fs->chain, n->fd, &n->link));
}

struct fs_node *fsnode_dir(struct cow_fs *fs, uint64_t id, int *ret_rc)
{
	struct fs_node *n = fsnode_get(fs, id);

	*ret_rc = !n		       ? -ESTALE
		  : n->type != S_IFDIR ? -ENOTDIR
		  : n->dead	       ? -ENOENT
				       : fsnode_read_dir(fs, n);
	return *ret_rc < 0 ? NULL : n;
}

int fsnode_keep(struct fs_node *n, struct fs_node *dir, const char *name)
{
	if (n->type == S_IFDIR || n->file || n->fd >= 0 || n->parent != dir || !str_eq(n->name, name))
		return 0;
	if (!n->lookups)
		return 0;
	n->fd = openat(dir->fd, name, (n->type == S_IFREG ? O_RDONLY : O_PATH) | O_CLOEXEC | O_NOFOLLOW);
	return n->fd < 0 ? -errno : 0;
}

void fsnode_gone(struct cow_fs *fs, struct fs_node *n, struct fs_node *dir, const char *name,
		 nlink_t nlink)
{
	bool last = n->type == S_IFDIR || nlink <= 1;

	if (last && !n->dead) {
		unhash_inode(fs, n);
		n->dead = true;
	}
	if (n->parent == dir && str_eq(n->name, name))
		fsnode_place(fs, n, NULL, NULL);
	if (n->idle && !n->name) /* now the only way to it, for who found it before it went */
		idle_remove(fs, n);
	maybe_free(fs, n);
}

/* --- open files ------------------------------------------------------------------------------- */

int fsnode_open_file(struct cow_fs *fs, struct fs_node *n)
{
	char path[NAME_MAX + 32];
	struct err *e;
	int fd;

	idle_remove(fs, n);
	n->opens++;
	if (n->file)
		return 0;
	if (n->fd >= 0) { /* it has no name here: through the descriptor */
		fsnode_path(n, path);
		fd = open(path, O_RDWR | O_CLOEXEC);
	} else if (n->name) {
		fd = openat(n->parent->fd, n->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	} else {
		n->opens--;
		return -ESTALE;
	}
	if (fd < 0) {
		int rc = -errno;

		n->opens--;
		return rc;
	}
	e = cow_file_open(&fs->chain, fd, &n->file);
	if (e)
		n->opens--;
	return take_errno(e);
}

void fsnode_close_file(struct cow_fs *fs, struct fs_node *n)
{
	if (--n->opens)
		return;
	if (n->dead || !n->name) {
		if (n->fd >= 0) /* else the file is the only way to it, until the kernel forgets it */
			drop_file(fs, n);
		maybe_free(fs, n);
		return;
	}
	n->idle = true;
	n->idle_next = NULL;
	n->idle_prev = fs->idle_last;
	*(fs->idle_last ? &fs->idle_last->idle_next : &fs->idle_first) = n;
	fs->idle_last = n;
	if (++fs->n_idle > IDLE_MAX)
		drop_file(fs, fs->idle_first);
	maybe_free(fs, n);
}

/* --- the whole -------------------------------------------------------------------------------- */

struct err *cow_fs_open(struct cow_chain *c, struct cow_fs **ret)
{
	struct cow_fs *fs = xcalloc(1, sizeof(*fs));
	pthread_rwlockattr_t attr;
	struct stat st;
	struct err *e;

	fs->chain = *c;
	c->n = 0;
	pthread_rwlockattr_init(&attr);
	/* a seal must not wait for ever while requests keep coming */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&fs->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&fs->names, NULL);
	e = cow_root_init(&fs->chain);
	if (!e && fstat(fs->chain.v[0].root, &st) < 0)
		e = err_new(errno, "looking at the volume");
	if (!e) {
		struct fs_node *n = fs->root = fsnode_new(fs, &st);

		n->lookups = 1;
		n->fd = fcntl(fs->chain.v[0].root, F_DUPFD_CLOEXEC, 3);
		e = cow_link_read(n->fd, NULL, &st, &n->link, &n->has_link);
		n->number = cow_number(&fs->chain.v[0], n->inode, n->has_link ? &n->link : NULL);
	}
	if (e) {
		cow_fs_free(fs);
		return e;
	}
	*ret = fs;
	return NULL;
}

void cow_fs_free(struct cow_fs *fs)
{
	if (!fs)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct fs_node *n = fs->by_id[i], *next; n; n = next) {
			next = n->next_id;
			cow_file_free(n->file);
			if (n->fd >= 0)
				close(n->fd);
			link_done(&n->link);
			free(n->name);
			free(n);
		}
	cow_chain_done(&fs->chain);
	pthread_rwlock_destroy(&fs->gate);
	pthread_mutex_destroy(&fs->names);
	free(fs);
}
