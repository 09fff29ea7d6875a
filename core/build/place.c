#include "core/build/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/box/tarin.h"

/* An archive that holds more than this and BOMB_RATIO times its own size is a bomb. */
#define BOMB_FREE ((uint64_t)1 << 30)
enum { BOMB_RATIO = 100, DIR_MODE = 0755 };

struct placer {
	const struct place *p;
	char *dir_path; /* the directory used last */
	int dir;
	struct late {
		char *path;
		struct timespec mtime;
	} * late; /* times of directories: set when nothing is put into them any more */
	size_t n_late, late_cap;
};

static void placer_done(struct placer *pl)
{
	if (pl->dir >= 0)
		close(pl->dir);
	free(pl->dir_path);
	for (size_t i = 0; i < pl->n_late; i++)
		free(pl->late[i].path);
	free(pl->late);
}

/* PATH has no slash at its start.  New directories belong to who the files belong to. */
static struct err *make_dirs(const struct place *p, const char *path, bool *ret_new, int *ret_fd)
{
	_cleanup_close_ int parent = -1;
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *above = NULL;
	struct err *e;

	*ret_new = false;
	e = fd_open_in_root(p->root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, ret_fd);
	if (err_is(e, ENOTDIR))
		return err_also(NULL, e);
	if (!err_is(e, ENOENT))
		return e;
	err_free(e);
	above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	e = make_dirs(p, above, ret_new, &parent);
	if (e)
		return e;
	*ret_new = true;
	if (mkdirat(parent, slash ? slash + 1 : path, DIR_MODE) < 0) {
		/* a link to what is not there yet */
		return errno == EEXIST ? fd_mkdir_p(p->root, path, DIR_MODE, ret_fd)
				       : err_new(errno, "making directory /%s", path);
	}
	if (p->has_owner &&
	    fchownat(parent, slash ? slash + 1 : path, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "setting the owner of /%s", path);
	return fd_open_in_root(p->root, path, O_PATH | O_DIRECTORY, 0, ret_fd);
}

static struct err *locate(struct placer *pl, const char *path, int *ret_dir, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	struct err *e;
	bool new;
	int fd = -1;

	*ret_base = slash ? slash + 1 : path;
	if (!pl->dir_path || strcmp(pl->dir_path, parent)) {
		e = make_dirs(pl->p, parent, &new, &fd);
		if (e)
			return e;
		if (pl->dir >= 0)
			close(pl->dir);
		free(pl->dir_path);
		pl->dir = fd;
		pl->dir_path = TAKE_PTR(parent);
	}
	*ret_dir = pl->dir;
	return NULL;
}

static struct err *make_room(int dir, const char *base)
{
	struct stat st;

	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "looking at what is there");
	if (S_ISDIR(st.st_mode))
		return err_new(0, "cannot replace a directory with a file");
	return unlinkat(dir, base, 0) < 0 ? err_new(errno, "replacing what is there") : NULL;
}

static struct err *set_owner(const struct place *p, int dir, const char *base, uid_t uid, gid_t gid)
{
	if (p->has_owner) {
		uid = p->uid;
		gid = p->gid;
	} else if (!p->keep_owner) {
		uid = gid = 0;
	}
	if (!userns_has_uid(p->ids, uid))
		return err_new(0, "user id %u is not available here", uid);
	if (!userns_has_gid(p->ids, gid))
		return err_new(0, "group id %u is not available here", gid);
	if ((uid || gid) && fchownat(dir, base, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "setting the owner");
	return NULL;
}

static mode_t mode_of(const struct place *p, mode_t mode)
{
	return (p->mode >= 0 ? (mode_t)p->mode : mode) & 07777;
}

static void set_time(int dir, const char *base, const struct timespec *t)
{
	struct timespec ts[2] = { *t, *t };

	if (utimensat(dir, base, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* best effort: a copy without its time is a copy */
}

static struct err *write_file(struct placer *pl, int dir, const char *base,
			      const struct tree_file *f, int from)
{
	_cleanup_close_ int fd = -1;
	struct err *e = make_room(dir, base);

	e = e ?: fd_open(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
	e = e ?: copy_bytes(from, fd, (off_t)f->size);
	if (!e && pl->p->keep_owner)
		copy_xattrs(from, fd);
	e = e ?: set_owner(pl->p, dir, base, f->uid, f->gid);
	if (!e && fchmod(fd, mode_of(pl->p, f->mode)) < 0)
		e = err_new(errno, "setting the mode");
	if (!e)
		set_time(dir, base, &f->mtime);
	return e;
}

static struct err *write_dir(struct placer *pl, const char *path, const struct tree_file *f)
{
	_cleanup_close_ int fd = -1, own = -1;
	struct err *e;
	bool new;

	e = make_dirs(pl->p, path, &new, &fd);
	if (err_is(e, ENOTDIR)) {
		err_free(e);
		return err_new(0, "cannot replace a file with a directory");
	}
	if (e || (f->top && !new) || !*path)
		return e;
	e = fd_open_in_root(pl->p->root, path, O_RDONLY | O_DIRECTORY, 0, &own);
	e = e ?: set_owner(pl->p, fd, ".", f->uid, f->gid);
	if (!e && fchmod(own, mode_of(pl->p, f->mode)) < 0)
		e = err_new(errno, "setting the mode");
	pl->late = xgrow(pl->late, pl->n_late, &pl->late_cap, sizeof(*pl->late));
	pl->late[pl->n_late++] = (struct late){ xstrdup(path), f->mtime };
	return e;
}

static struct err *write_entry(struct placer *pl, const char *path, const struct tree_file *f, int from)
{
	const char *base;
	struct err *e;
	int dir;

	if (S_ISDIR(f->mode))
		return write_dir(pl, path, f);
	e = locate(pl, path, &dir, &base);
	if (e)
		return e;
	if (S_ISREG(f->mode))
		return write_file(pl, dir, base, f, from);
	e = make_room(dir, base);
	if (!e && S_ISLNK(f->mode) && symlinkat(f->link, dir, base) < 0)
		e = err_new(errno, "making a symbolic link");
	if (!e && S_ISFIFO(f->mode) && mkfifoat(dir, base, mode_of(pl->p, f->mode)) < 0)
		e = err_new(errno, "making a fifo");
	e = e ?: set_owner(pl->p, dir, base, f->uid, f->gid);
	if (!e)
		set_time(dir, base, &f->mtime);
	return e;
}

static struct err *finish(struct placer *pl)
{
	for (size_t i = pl->n_late; i-- > 0;) {
		_cleanup_close_ int fd = -1;
		struct err *e = fd_open_in_root(pl->p->root, pl->late[i].path,
						O_RDONLY | O_DIRECTORY, 0, &fd);

		if (e)
			return e;
		set_time(fd, ".", &pl->late[i].mtime);
	}
	return NULL;
}

/* Is the destination a directory, by what it is called, or because it is there? */
static bool is_dir(const struct place *p)
{
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (p->into || str_ends(p->dest, "/") || str_ends(p->dest, "/."))
		return true;
	e = fd_open_in_root(p->root, p->dest, O_PATH | O_DIRECTORY, 0, &fd);
	err_free(e); /* not there, or a file */
	return fd >= 0;
}

static char *clean_dest(const struct place *p)
{
	char *clean = str_clean_path(p->dest);

	memmove(clean, clean + 1, strlen(clean));
	return clean;
}

struct err *place_tree(const struct place *p, const struct tree *t,
		       struct err *(*open)(void *arg, size_t i, int *ret_fd), void *arg)
{
	_cleanup_free_ char *dest = clean_dest(p);
	struct placer pl = { .p = p, .dir = -1 };
	bool into = t->has_dir || is_dir(p);
	struct err *e = NULL;

	for (size_t i = 0; i < t->n && !e; i++) {
		const struct tree_file *f = &t->v[i];
		const char *name = f->path + f->under;
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *path = NULL;

		if (into)
			path = xasprintf("%s%s%s", dest, *dest && *name ? "/" : "", name);
		else
			path = xstrdup(dest);
		if (S_ISREG(f->mode))
			e = open(arg, i, &fd);
		e = e ?: err_wrap(write_entry(&pl, path, f, fd), "/%s", path);
	}
	e = e ?: finish(&pl);
	placer_done(&pl);
	return e;
}

struct err *place_file(const struct place *p, const char *name, int fd, mode_t mode,
		       const struct timespec *mtime)
{
	_cleanup_free_ char *dest = clean_dest(p), *path = NULL;
	struct placer pl = { .p = p, .dir = -1 };
	struct tree_file f = { .mode = S_IFREG | mode, .mtime = *mtime };
	struct stat st;
	struct err *e;

	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at %s", name);
	f.size = (uint64_t)st.st_size;
	path = is_dir(p) ? xasprintf("%s%s%s", dest, *dest ? "/" : "", name) : xstrdup(dest);
	e = err_wrap(write_entry(&pl, path, &f, fd), "/%s", path);
	placer_done(&pl);
	return e;
}

struct err *place_dir(const struct place *p)
{
	_cleanup_free_ char *dest = clean_dest(p);
	_cleanup_close_ int fd = -1;
	struct err *e;
	bool new;

	e = make_dirs(p, dest, &new, &fd);
	if (err_is(e, ENOTDIR)) {
		err_free(e);
		e = err_new(0, "%s is not a directory", p->dest);
	}
	return e;
}

struct err *place_archive(const struct place *p, int fd)
{
	struct tarin t = { .fd = fd,
			   .root = p->root,
			   .dest = p->dest,
			   .owner = TARIN_KEEP,
			   .ids = p->ids,
			   .fixed = p->has_owner,
			   .uid = p->uid,
			   .gid = p->gid };
	struct stat st;
	struct err *e = place_dir(p);

	if (!e && fstat(fd, &st) < 0)
		e = err_new(errno, "looking at the archive");
	if (e)
		return e;
	t.bytes_max = BOMB_FREE + BOMB_RATIO * (uint64_t)st.st_size;
	e = tarin_unpack(&t);
	return t.bytes > t.bytes_max ? err_hint(e, "RUN tar unpacks what ADD refuses") : e;
}
