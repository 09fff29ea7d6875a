/* Hard links of a layer to files of the layers below. */
#include "registry/layer_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/fd.h"

void layer_links_done(struct layer_links *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].target);
	}
	free(l->v);
	*l = (struct layer_links){ 0 };
}

/* Directory of PATH below ROOT: a descriptor, or -1 and errno. */
static int open_parent(int root, const char *path, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	int fd = -1, rc = layer_open_below(root, parent, &fd);

	*ret_base = slash ? slash + 1 : path;
	errno = rc;
	return fd;
}

static struct err *copy_content(int from, int to, const struct stat *st)
{
	for (off_t left = st->st_size; left > 0;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_new(n ? errno : EIO, "copying");
		left -= n;
	}
	return NULL;
}

static void copy_xattrs(int from, int to)
{
	char names[4096], value[XATTR_SIZE_MAX];
	ssize_t n = flistxattr(from, names, sizeof(names));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = layer_wants_xattr(names + at)
				       ? fgetxattr(from, names + at, value, sizeof(value))
				       : -1;

		if (size >= 0 && fsetxattr(to, names + at, value, (size_t)size, 0) < 0)
			continue; /* as when it was unpacked: what cannot be set is left out */
	}
}

static struct err *copy_file(int from_dir, const char *from_base, const struct stat *st, int dir,
			     const char *base)
{
	struct timespec ts[2] = { st->st_mtim, st->st_mtim };
	_cleanup_close_ int from = -1, to = -1;
	struct err *e;

	e = fd_open(from_dir, from_base, O_RDONLY | O_NOFOLLOW, 0, &from);
	e = e ?: fd_open(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &to);
	e = e ?: copy_content(from, to, st);
	if (e)
		return e;
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return err_new(errno, "setting owner and mode");
	copy_xattrs(from, to);
	return futimens(to, ts) < 0 ? err_new(errno, "setting its time") : NULL;
}

static struct err *copy_link(int from_dir, const char *from_base, int dir, const char *base)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, from_base, target, sizeof(target) - 1);

	if (n < 0)
		return err_new(errno, "reading a link");
	target[n] = '\0';
	return symlinkat(target, dir, base) < 0 ? err_new(errno, "creating a link") : NULL;
}

static bool is_opaque(int dir)
{
	char path[40], value;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return getxattr(path, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static struct err *copy_one(int root, const int *lower, size_t n_lower, const struct layer_link *l)
{
	_cleanup_close_ int dir = -1;
	_cleanup_free_ char *parent = xstrdup(l->path);
	char *slash = strrchr(parent, '/');
	const char *base = slash ? l->path + (slash - parent) + 1 : l->path;
	struct err *e;

	if (slash)
		*slash = '\0';
	e = fd_mkdir_p(root, slash ? parent : ".", 0755, &dir);
	if (e)
		return e;
	if (faccessat(dir, base, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return NULL; /* a later entry took its place */
	for (size_t i = 0; i < n_lower; i++) {
		const char *from_base;
		_cleanup_close_ int from = open_parent(lower[i], l->target, &from_base);
		struct stat st;

		if (from < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (from < 0)
			return err_new(errno, "opening the directory of %s", l->target);
		if (fstatat(from, from_base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (is_opaque(from))
				break;
			continue;
		}
		if (S_ISREG(st.st_mode))
			return copy_file(from, from_base, &st, dir, base);
		if (S_ISLNK(st.st_mode))
			return copy_link(from, from_base, dir, base);
		break; /* a whiteout: it is gone */
	}
	return err_new(ENOENT, "a hard link to %s", l->target);
}

struct err *layer_copy_links(int root, const int *lower, size_t n_lower, const struct layer_links *links)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < links->n; i++)
		e = err_wrap(copy_one(root, lower, n_lower, &links->v[i]), "%.200s", links->v[i].path);
	return e;
}
