#include "core/base/copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/base/str.h"

enum { CHUNK = 256 << 10, TICK_MS = 50 };

static struct err *copy_by_hand(int src, int dst)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(src, buf, sizeof(buf));
		struct err *e;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "reading data to copy");
		if (n == 0)
			return NULL;
		e = fd_write_all(dst, "the copy", buf, (size_t)n);
		if (e)
			return e;
	}
}

struct err *copy_bytes(int src, int dst, off_t size)
{
	if (ioctl(dst, FICLONE, src) == 0)
		return NULL;
	for (off_t done = 0; done < size;) {
		ssize_t n = copy_file_range(src, NULL, dst, NULL, (size_t)(size - done), 0);

		if (n < 0 && errno != EINTR)
			return copy_by_hand(src, dst); /* EXDEV: from an overlay, or to another kind of file system */
		if (n == 0)
			break; /* it became shorter meanwhile */
		done += n > 0 ? n : 0;
	}
	return NULL;
}

void copy_xattrs(int src, int dst)
{
	char names[4096], value[4096];
	ssize_t n = flistxattr(src, names, sizeof(names));

	for (char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		ssize_t len = str_starts(name, "user.overlay.")
				      ? -1
				      : fgetxattr(src, name, value, sizeof(value));

		if (len >= 0 && fsetxattr(dst, name, value, (size_t)len, 0) < 0)
			continue;
	}
}

static struct err *copy_owner(int dst, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* EINVAL: an id the namespace does not map; the copy then stays with the namespace's root */
	if (fchownat(dst, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 &&
	    errno != EINVAL && errno != EPERM)
		return err_new(errno, "setting the owner of %s", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(dst, *name ? name : ".", st->st_mode & 07777, 0) < 0)
		return err_new(errno, "setting the mode of %s", name);
	utimensat(dst, *name ? name : ".", times, AT_SYMLINK_NOFOLLOW);
	return NULL;
}

enum how { COPY_STILL, COPY_LIVE };

/* A page that is mapped, written and not yet cleaned is written again without a new time of modification: clean it. */
static struct err *settle(int fd, struct stat *st)
{
	if (fdatasync(fd) < 0 || fstat(fd, st) < 0)
		return err_new(errno, "looking at a file to copy");
	return NULL;
}

static struct err *copy_entry(int src, int dst, const char *name, enum how how, unsigned depth);

static struct err *copy_content(int src, int dst, enum how how, unsigned depth)
{
	_cleanup_dir_ DIR *d = fd_opendir(src);
	struct dirent *de;

	if (!d)
		return err_new(errno, "reading a directory");
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..")) {
			struct err *e = copy_entry(src, dst, de->d_name, how, depth);

			if (how == COPY_LIVE && err_is(e, ENOENT)) {
				err_free(e); /* removed meanwhile */
				continue;
			}
			if (e)
				return err_wrap(e, "copying %s", de->d_name);
		}
	return NULL;
}

static struct err *copy_entry(int src, int dst, const char *name, enum how how, unsigned depth)
{
	_cleanup_close_ int in = -1, out = -1;
	struct stat st;
	struct err *e = NULL;

	if (depth > 1000)
		return err_new(ELOOP, "nested too deeply");
	if (fstatat(src, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "looking at it");
	if (S_ISLNK(st.st_mode)) {
		_cleanup_free_ char *target = xcalloc(1, PATH_MAX);

		if (readlinkat(src, name, target, PATH_MAX - 1) < 0 ||
		    (symlinkat(target, dst, name) < 0 && errno != EEXIST))
			return err_new(errno, "copying a symbolic link");
	} else if (S_ISREG(st.st_mode)) {
		e = fd_open(src, name, O_RDONLY | O_NOFOLLOW, 0, &in);
		if (!e && how == COPY_LIVE)
			e = settle(in, &st);
		e = e ?: fd_open(dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &out);
		e = e ?: copy_bytes(in, out, st.st_size);
	} else if (S_ISDIR(st.st_mode)) {
		if (mkdirat(dst, name, 0700) < 0 && errno != EEXIST)
			return err_new(errno, "making a directory");
		e = fd_open(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &in);
		e = e ?: fd_open(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &out);
		e = e ?: copy_content(in, out, how, depth + 1);
	} else if (!S_ISFIFO(st.st_mode) || mkfifoat(dst, name, 0600) < 0) {
		return NULL; /* devices and sockets mean nothing in a copy */
	}
	e = e ?: copy_owner(dst, name, &st);
	if (!e && in >= 0) /* after chown(2), which takes file capabilities away */
		copy_xattrs(in, out);
	return e;
}

static struct err *copy_whole(int src, int dst, enum how how)
{
	struct stat st;
	struct err *e = copy_content(src, dst, how, 0);

	if (e)
		return e;
	if (fstat(src, &st) < 0)
		return err_new(errno, "looking at a directory");
	e = copy_owner(dst, "", &st);
	if (!e)
		copy_xattrs(src, dst);
	return e;
}

struct err *copy_tree(int src, int dst)
{
	return copy_whole(src, dst, COPY_STILL);
}

struct err *copy_live(int src, int dst)
{
	return copy_whole(src, dst, COPY_LIVE);
}

/* --- the second pass -------------------------------------------------------------------------- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Was SRC not written since it was copied?  Times are as coarse as a tick: what was written shortly before it was
 * copied may have been written once more with the same time. */
static bool is_same(const struct stat *src, const struct stat *dst)
{
	int64_t apart_ms = (dst->st_ctim.tv_sec - src->st_mtim.tv_sec) * 1000 +
			   (dst->st_ctim.tv_nsec - src->st_mtim.tv_nsec) / 1000000;

	return src->st_size == dst->st_size && same_time(&src->st_mtim, &dst->st_mtim) &&
	       apart_ms > TICK_MS;
}

static struct err *update_data(int src, int dst, off_t size)
{
	_cleanup_free_ char *a = xmalloc(CHUNK), *b = xmalloc(CHUNK);

	for (off_t at = 0; at < size; at += CHUNK) {
		ssize_t n = pread(src, a, CHUNK, at), m = pread(dst, b, CHUNK, at);

		if (n < 0 || m < 0)
			return err_new(errno, "comparing a copy");
		if ((m < n || memcmp(a, b, (size_t)n)) && pwrite(dst, a, (size_t)n, at) != n)
			return err_new(errno, "updating a copy");
	}
	return ftruncate(dst, size) < 0 ? err_new(errno, "updating a copy") : NULL;
}

static struct err *again(int src, int dst, unsigned depth);

/* NAME, which is in both. */
static struct err *again_entry(int src, int dst, const char *name, const struct stat *from,
			       const struct stat *to, unsigned depth)
{
	_cleanup_close_ int in = -1, out = -1;
	struct err *e = NULL;

	if (S_ISDIR(from->st_mode)) {
		e = fd_open(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &in);
		e = e ?: fd_open(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &out);
		e = e ?: again(in, out, depth + 1);
	} else if (S_ISREG(from->st_mode) && !is_same(from, to)) {
		e = fd_open(src, name, O_RDONLY | O_NOFOLLOW, 0, &in);
		e = e ?: fd_open(dst, name, O_RDWR | O_NOFOLLOW, 0, &out);
		e = e ?: update_data(in, out, from->st_size);
	}
	e = e ?: copy_owner(dst, name, from);
	if (!e && in >= 0)
		copy_xattrs(in, out);
	return e;
}

/* What is in DST and not, or as something else, in SRC. */
static struct err *remove_extra(int src, int dst)
{
	_cleanup_dir_ DIR *d = fd_opendir(dst);
	struct dirent *de;
	struct err *e = d ? NULL : err_new(errno, "reading a directory");

	while (!e && (de = readdir(d)) != NULL) {
		struct stat a, b;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(src, de->d_name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
		    fstatat(dst, de->d_name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (a.st_mode & S_IFMT) == (b.st_mode & S_IFMT) && !S_ISLNK(a.st_mode))
			continue;
		e = fd_rm_tree(dst, de->d_name);
	}
	return e;
}

static struct err *again(int src, int dst, unsigned depth)
{
	_cleanup_dir_ DIR *d = fd_opendir(src);
	struct err *e = d ? remove_extra(src, dst) : err_new(errno, "reading a directory");
	struct dirent *de;

	while (!e && (de = readdir(d)) != NULL) {
		struct stat a, b;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(src, de->d_name, &a, AT_SYMLINK_NOFOLLOW) < 0)
			return err_new(errno, "looking at %s", de->d_name);
		if (fstatat(dst, de->d_name, &b, AT_SYMLINK_NOFOLLOW) < 0)
			e = copy_entry(src, dst, de->d_name, COPY_STILL, depth + 1);
		else
			e = again_entry(src, dst, de->d_name, &a, &b, depth);
		e = err_wrap(e, "copying %s", de->d_name);
	}
	return e;
}

struct err *copy_again(int src, int dst)
{
	struct stat st;
	struct err *e = again(src, dst, 0);

	if (!e && fstat(src, &st) < 0)
		e = err_new(errno, "looking at a directory");
	return e ?: copy_owner(dst, "", &st);
}
