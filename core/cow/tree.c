/* How a directory is taken over (cow_expand):
 *   1 what a crash left in it is removed
 *   2 each entry below is made here: a file as a hole of the same size with a link, a directory empty with LINK_UNREAD
 *   3 the directory gets its times back
 *   4 LINK_UNREAD is taken away
 * The kernel's file system keeps that order on the disk: its journal never has a later change without the earlier
 * ones. */
#include "core/cow/tree.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "core/base/fd.h"

enum { NAMES_MAX = 65536, SECTORS = 8 };

struct err *cow_tree_open(struct cow_tree *t, int dir, unsigned depth, bool thin, bool writable)
{
	struct err *e;

	*t = (struct cow_tree){ .root = -1, .links = -1, .depth = depth, .thin = thin };
	e = fd_open(dir, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &t->root);
	if (e || !thin)
		return e;
	if (writable && mkdirat(dir, "links", 0700) < 0 && errno != EEXIST)
		return err_new(errno, "making its directory of links");
	e = fd_open(dir, "links", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &t->links);
	if (!writable && err_is(e, ENOENT)) { /* it was never mounted */
		err_free(e);
		e = NULL;
	}
	return e;
}

void cow_tree_done(struct cow_tree *t)
{
	if (t->root >= 0)
		close(TAKE_FD(t->root));
	if (t->links >= 0)
		close(TAKE_FD(t->links));
}

void cow_chain_done(struct cow_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		cow_tree_done(&c->v[i]);
	c->n = 0;
}

/* The tree of depth DEPTH, or NULL. */
static const struct cow_tree *tree_at(const struct cow_chain *c, unsigned depth)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].depth == depth)
			return &c->v[i];
	return NULL;
}

struct err *cow_open_below(const struct cow_chain *c, const struct cow_link *l, int flags, int *ret_fd)
{
	const struct cow_tree *t = tree_at(c, l->depth);
	const struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int dir, fd;

	if (!t)
		return err_new(EUCLEAN, "a sealed tree is missing");
	dir = l->flags & LINK_NAMED ? t->links : t->root;
	do
		fd = (int)syscall(SYS_openat2, dir, *l->path ? l->path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0)
		return err_new(errno, "opening %s in a sealed tree", l->path);
	*ret_fd = fd;
	return NULL;
}

uint64_t cow_number(const struct cow_tree *t, uint64_t inode, const struct cow_link *l)
{
	return l ? l->number : link_number(t->depth, inode);
}

/* "/proc/self/fd/DIR/NAME": the l*xattr() calls have no at-variant before Linux 6.13. */
static void xattr_path(int dir, const char *name, char buf[NAME_MAX + 32])
{
	snprintf(buf, NAME_MAX + 32, name ? "/proc/self/fd/%d/%s" : "/proc/self/fd/%d", dir, name);
}

struct err *cow_link_read(int dir, const char *name, const struct stat *st, struct cow_link *ret,
			  bool *ret_has)
{
	uint8_t buf[LINK_MAX];
	char path[NAME_MAX + 32];
	ssize_t n;

	*ret_has = false;
	*ret = (struct cow_link){ 0 };
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return NULL;
	xattr_path(dir, name, path);
	n = name ? lgetxattr(path, LINK_XATTR, buf, sizeof(buf))
		 : fgetxattr(dir, LINK_XATTR, buf, sizeof(buf));
	if (n < 0)
		return errno == ENODATA || errno == EOPNOTSUPP
			       ? NULL
			       : err_new(errno, "reading a link of the volume");
	if (!link_unpack(buf, (size_t)n, ret))
		return err_new(EUCLEAN, "a link of the volume is damaged");
	if (ret->self != st->st_ino) {
		link_done(ret);
		return err_new(ESTALE,
			       "this volume was copied here without devbox: holes in its files mean nothing now");
	}
	*ret_has = true;
	return NULL;
}

struct err *cow_link_write(int fd, const struct cow_link *l)
{
	uint8_t buf[LINK_MAX];

	if (fsetxattr(fd, LINK_XATTR, buf, link_pack(l, buf), 0) < 0)
		return err_new(errno, "writing a link of the volume");
	return NULL;
}

/* --- one entry -------------------------------------------------------------------------------- */

struct entry {
	const struct cow_chain *c;
	const struct cow_tree *tree; /* it comes from */
	const char *dir_path; /* of its directory, there */
	int from, to; /* the two directories */
	const char *name; /* here */
	const char *below_name; /* there */
	bool named; /* FROM is links/ of its tree */
	struct stat st;
	struct cow_link below; /* its own link, if HAS */
	bool has;
};

static struct err *give(const struct entry *en, int fd)
{
	const struct timespec times[2] = { en->st.st_atim, en->st.st_mtim };

	/* EINVAL, EPERM: an id that this namespace does not have stays with its root, as in a copy */
	if (fchownat(en->to, en->name, en->st.st_uid, en->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EINVAL && errno != EPERM)
		return err_new(errno, "setting the owner of %s", en->name);
	if (fd >= 0 && fchmod(fd, en->st.st_mode & 07777) < 0)
		return err_new(errno, "setting the mode of %s", en->name);
	if (utimensat(en->to, en->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "setting the times of %s", en->name);
	return NULL;
}

static struct err *copy_attrs(const char *from, int to)
{
	_cleanup_free_ char *names = NULL, *value = NULL;
	ssize_t n = llistxattr(from, NULL, 0);

	if (n <= 0)
		return NULL;
	names = xmalloc(NAMES_MAX);
	value = xmalloc(NAMES_MAX);
	n = llistxattr(from, names, NAMES_MAX);
	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t len;

		if (!strcmp(p, LINK_XATTR))
			continue;
		len = lgetxattr(from, p, value, NAMES_MAX);
		/* security modules' own are not ours to set */
		if (len >= 0 && fsetxattr(to, p, value, (size_t)len, 0) < 0 && str_starts(p, "user."))
			return err_new(errno, "copying the attribute %s", p);
	}
	return NULL;
}

static struct err *copy_entry_attrs(const struct entry *en, int fd)
{
	char path[NAME_MAX + 32];

	xattr_path(en->from, en->below_name, path);
	return copy_attrs(path, fd);
}

static char *path_below(const struct entry *en)
{
	if (en->named)
		return xstrdup(en->below_name);
	return *en->dir_path ? xasprintf("%s/%s", en->dir_path, en->below_name)
			     : xstrdup(en->below_name);
}

static struct err *make_dir(const struct entry *en)
{
	struct cow_link l = { .flags = LINK_UNREAD, .depth = (uint16_t)en->tree->depth };
	_cleanup_close_ int fd = -1;
	struct stat st;
	struct err *e;

	if (mkdirat(en->to, en->name, 0700) < 0)
		return err_new(errno, "making %s", en->name);
	e = fd_open(en->to, en->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);
	if (!e && fstat(fd, &st) < 0)
		e = err_new(errno, "looking at %s", en->name);
	if (e)
		return e;
	l.number = cow_number(en->tree, en->st.st_ino, en->has ? &en->below : NULL);
	l.self = st.st_ino;
	if (en->has && en->below.flags & LINK_UNREAD) { /* nothing there yet: it leads on to where something is */
		l.depth = en->below.depth;
		l.path = xstrdup(en->below.path);
	} else {
		l.path = path_below(en);
	}
	e = cow_link_write(fd, &l);
	e = e ?: copy_entry_attrs(en, fd);
	link_done(&l);
	return e ?: give(en, fd);
}

/* A file of a thin tree none of whose blocks below its limit is its own. */
static bool has_no_blocks(const struct entry *en)
{
	struct fiemap f = { .fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC };
	_cleanup_close_ int fd = -1;

	if (!en->st.st_blocks)
		return true;
	if (en->st.st_blocks > SECTORS) /* more than a block of attributes */
		return false;
	fd = openat(en->from, en->below_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && ioctl(fd, FS_IOC_FIEMAP, &f) == 0 && !f.fm_mapped_extents;
}

static void link_of_file(const struct entry *en, struct cow_link *l)
{
	l->number = cow_number(en->tree, en->st.st_ino, en->has ? &en->below : NULL);
	l->limit = (uint32_t)cow_blocks((uint64_t)en->st.st_size);
	if (!l->limit) {
		l->path = xstrdup("");
		return;
	}
	l->flags = LINK_BELOW;
	if (en->has && en->below.flags & LINK_BELOW && has_no_blocks(en)) {
		l->depth = en->below.depth;
		l->limit = en->below.limit < l->limit ? en->below.limit : l->limit;
		l->flags |= en->below.flags & LINK_NAMED;
		l->path = xstrdup(en->below.path);
	} else {
		l->depth = (uint16_t)en->tree->depth;
		l->flags |= en->named ? LINK_NAMED : 0;
		l->path = path_below(en);
	}
}

/* The file itself.  One that has several names is made once, and then found in links/. */
static struct err *make_file(const struct entry *en)
{
	struct cow_link l = { 0 };
	_cleanup_close_ int fd = -1;
	char hard[24];
	struct stat st;
	struct err *e;

	link_of_file(en, &l);
	snprintf(hard, sizeof(hard), "%llx", (unsigned long long)l.number);
	if (en->st.st_nlink > 1 && linkat(en->c->v[0].links, hard, en->to, en->name, 0) == 0) {
		link_done(&l);
		return NULL;
	}
	e = fd_open(en->to, en->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
	if (!e && ftruncate(fd, en->st.st_size) < 0)
		e = err_new(errno, "making %s", en->name);
	if (!e && fstat(fd, &st) < 0)
		e = err_new(errno, "looking at %s", en->name);
	if (!e) {
		l.self = st.st_ino;
		l.flags |= en->st.st_nlink > 1 ? LINK_HARD : 0;
		e = cow_link_write(fd, &l);
	}
	link_done(&l);
	e = e ?: copy_entry_attrs(en, fd);
	e = e ?: give(en, fd);
	if (!e && en->st.st_nlink > 1 && linkat(en->to, en->name, en->c->v[0].links, hard, 0) < 0)
		e = err_new(errno, "keeping the names of %s together", en->name);
	return e;
}

static struct err *make_symlink(const struct entry *en)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(en->from, en->name, target, sizeof(target) - 1);

	if (n < 0)
		return err_new(errno, "reading the link %s", en->name);
	target[n] = '\0';
	if (symlinkat(target, en->to, en->name) < 0)
		return err_new(errno, "making the link %s", en->name);
	return give(en, -1);
}

static struct err *make_node(const struct entry *en)
{
	if (!S_ISFIFO(en->st.st_mode) && !S_ISSOCK(en->st.st_mode))
		return NULL;
	if (mknodat(en->to, en->name, (en->st.st_mode & S_IFMT) | 0600, 0) < 0)
		return err_new(errno, "making %s", en->name);
	if (fchmodat(en->to, en->name, en->st.st_mode & 07777, 0) < 0)
		return err_new(errno, "setting the mode of %s", en->name);
	return give(en, -1);
}

/* A file with several names: a tree in between may have it under another one, and newer. */
static struct err *find_newer(struct entry *en, char hard[24])
{
	uint64_t number = cow_number(en->tree, en->st.st_ino, en->has ? &en->below : NULL);
	unsigned depth = en->tree->depth;

	snprintf(hard, 24, "%llx", (unsigned long long)number);
	for (size_t i = 1; i < en->c->n && en->c->v[i].depth > depth; i++) {
		const struct cow_tree *t = &en->c->v[i];

		if (t->links < 0 || fstatat(t->links, hard, &en->st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		en->tree = t;
		en->from = t->links;
		en->below_name = hard;
		en->named = true;
		link_done(&en->below);
		return cow_link_read(en->from, hard, &en->st, &en->below, &en->has);
	}
	return NULL;
}

static struct err *take_over(const struct entry *of)
{
	struct entry en = *of;
	struct err *e = NULL;
	char hard[24];

	en.below_name = en.name;
	if (fstatat(en.from, en.name, &en.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "looking at %s", en.name);
	if (en.tree->thin)
		e = cow_link_read(en.from, en.name, &en.st, &en.below, &en.has);
	if (!e && S_ISREG(en.st.st_mode) && en.st.st_nlink > 1)
		e = find_newer(&en, hard);
	if (!e && S_ISDIR(en.st.st_mode))
		e = make_dir(&en);
	else if (!e && S_ISREG(en.st.st_mode))
		e = make_file(&en);
	else if (!e && S_ISLNK(en.st.st_mode))
		e = make_symlink(&en);
	else if (!e)
		e = make_node(&en);
	link_done(&en.below);
	return e;
}

/* --- a directory ------------------------------------------------------------------------------ */

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static struct err *empty_dir(int dir)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	struct err *e = d ? NULL : err_new(errno, "reading a directory of the volume");
	struct dirent *de;

	while (!e && (de = readdir(d)) != NULL)
		if (!is_dot(de->d_name))
			e = fd_rm_tree(dir, de->d_name);
	return e;
}

struct err *cow_expand(const struct cow_chain *c, int dir, struct cow_link *l)
{
	struct entry en = { .c = c, .to = dir, .dir_path = l->path, .tree = tree_at(c, l->depth) };
	_cleanup_close_ int from = -1;
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	struct stat st;
	struct err *e = cow_open_below(c, l, O_RDONLY | O_DIRECTORY, &from);

	if (!e && fstat(dir, &st) < 0)
		e = err_new(errno, "looking at a directory of the volume");
	e = e ?: empty_dir(dir);
	en.from = from;
	d = e ? NULL : fd_opendir(from);
	if (!e && !d)
		e = err_new(errno, "reading a directory of a sealed tree");
	while (!e && (de = readdir(d)) != NULL) {
		if (is_dot(de->d_name))
			continue;
		en.name = de->d_name;
		e = take_over(&en);
	}
	if (!e) {
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		l->flags &= (uint8_t)~LINK_UNREAD;
		e = cow_link_write(dir, l);
		if (!e && futimens(dir, times) < 0)
			e = err_new(errno, "setting the times of a directory");
	}
	return e;
}

struct err *cow_root_init(const struct cow_chain *c)
{
	const struct cow_tree *top = &c->v[0], *next = &c->v[1];
	struct cow_link l = { 0 }, below = { 0 };
	struct timespec times[2];
	struct stat st, own;
	char path[NAME_MAX + 32];
	bool has = false;
	struct err *e;

	if (fstat(top->root, &own) < 0)
		return err_new(errno, "looking at the volume");
	e = cow_link_read(top->root, NULL, &own, &l, &has);
	link_done(&l);
	if (e || has)
		return e;
	if (c->n < 2) { /* thin from its beginning: nothing is below */
		l = (struct cow_link){ .number = cow_number(top, own.st_ino, NULL), .self = own.st_ino };
		l.path = xstrdup("");
		e = cow_link_write(top->root, &l);
		link_done(&l);
		return e;
	}
	if (fstat(next->root, &st) < 0)
		return err_new(errno, "looking at a sealed tree");
	if (next->thin)
		e = cow_link_read(next->root, NULL, &st, &below, &has);
	if (e)
		return e;
	l.flags = LINK_UNREAD;
	l.number = cow_number(next, st.st_ino, has ? &below : NULL);
	l.self = own.st_ino;
	l.depth = (uint16_t)(has && below.flags & LINK_UNREAD ? below.depth : next->depth);
	l.path = xstrdup("");
	link_done(&below);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	xattr_path(next->root, NULL, path);
	if (fchown(top->root, st.st_uid, st.st_gid) < 0 && errno != EINVAL && errno != EPERM)
		e = err_new(errno, "setting the owner of the volume");
	if (!e && fchmod(top->root, st.st_mode & 07777) < 0)
		e = err_new(errno, "setting the mode of the volume");
	/* followed here: the path names a descriptor */
	e = e ?: cow_link_write(top->root, &l);
	if (!e && futimens(top->root, times) < 0)
		e = err_new(errno, "setting the times of the volume");
	link_done(&l);
	return e;
}
