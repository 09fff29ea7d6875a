/* What is read and set without changing names: attributes, directories' entries, extended attributes. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/cow/fs_priv.h"

int fs_getattr(struct cow_fs *fs, uint64_t node, struct stat *ret)
{
	struct fs_node *n;
	int rc;

	fs_enter(fs);
	n = fsnode_get(fs, node);
	rc = n ? fsnode_stat(fs, n, ret) : -ESTALE;
	fs_leave(fs);
	return rc;
}

static int set_size(struct cow_fs *fs, struct fs_node *n, uint64_t size)
{
	int rc;

	if (n->type != S_IFREG)
		return -EINVAL;
	rc = fsnode_open_file(fs, n);
	if (rc < 0)
		return rc;
	rc = cow_file_truncate(n->file, size);
	fsnode_close_file(fs, n);
	return rc;
}

/* Through its path: a symbolic link has no descriptor that can be written, and fchmodat() follows none here, because
 * the kernel never asks for the mode of one. */
static int set_mode(const struct fs_node *n, mode_t mode)
{
	char path[NAME_MAX + 32];

	fsnode_path(n, path);
	return chmod(path, mode & 07777) < 0 ? -errno : 0;
}

static bool by_path(const struct fs_node *n)
{
	return n->file || n->fd >= 0;
}

static int set_owner(const struct fs_node *n, uid_t uid, gid_t gid)
{
	char path[NAME_MAX + 32];
	int rc;

	fsnode_path(n, path);
	rc = by_path(n) ? chown(path, uid, gid) : lchown(path, uid, gid);
	return rc < 0 ? -errno : 0;
}

static int set_times(const struct fs_node *n, unsigned set, const struct stat *in)
{
	struct timespec times[2] = { in->st_atim, in->st_mtim };
	char path[NAME_MAX + 32];

	if (!(set & FS_SET_ATIME))
		times[0].tv_nsec = UTIME_OMIT;
	if (!(set & FS_SET_MTIME))
		times[1].tv_nsec = UTIME_OMIT;
	fsnode_path(n, path);
	return utimensat(AT_FDCWD, path, times, by_path(n) ? 0 : AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int kill_ids(struct cow_fs *fs, const struct fs_node *n)
{
	struct stat st;
	int rc = fsnode_stat(fs, (struct fs_node *)(uintptr_t)n, &st);
	mode_t mode = st.st_mode & 07777 & ~(mode_t)S_ISUID;

	if (rc < 0 || n->type != S_IFREG)
		return rc;
	if (mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	return mode == (st.st_mode & 07777) ? 0 : set_mode(n, mode);
}

int fs_setattr(struct cow_fs *fs, uint64_t node, unsigned set, const struct stat *in, struct stat *ret)
{
	struct fs_node *n;
	int rc = 0;

	fs_enter(fs);
	n = fsnode_get(fs, node);
	if (!n || (!n->name && !by_path(n)))
		rc = -ESTALE;
	if (!rc && set & (FS_SET_UID | FS_SET_GID))
		rc = set_owner(n, set & FS_SET_UID ? in->st_uid : (uid_t)-1,
			       set & FS_SET_GID ? in->st_gid : (gid_t)-1);
	if (!rc && set & FS_SET_SIZE)
		rc = set_size(fs, n, (uint64_t)in->st_size);
	if (!rc && set & FS_SET_KILL && !(set & FS_SET_MODE))
		rc = kill_ids(fs, n);
	if (!rc && set & FS_SET_MODE) /* after the owner, which takes bits away */
		rc = set_mode(n, in->st_mode);
	if (!rc && set & (FS_SET_ATIME | FS_SET_MTIME))
		rc = set_times(n, set, in);
	rc = rc ?: fsnode_stat(fs, n, ret);
	fs_leave(fs);
	return rc;
}

int fs_readlink(struct cow_fs *fs, uint64_t node, char *buf, size_t size)
{
	struct fs_node *n;
	ssize_t len;
	int rc;

	fs_enter(fs);
	n = fsnode_get(fs, node);
	if (!n) {
		rc = -ESTALE;
	} else {
		len = n->name	   ? readlinkat(n->parent->fd, n->name, buf, size)
		      : n->fd >= 0 ? readlinkat(n->fd, "", buf, size)
				   : (errno = ESTALE, -1);
		rc = len < 0 ? -errno : (int)len;
	}
	fs_leave(fs);
	return rc;
}

int fs_statfs(struct cow_fs *fs, struct statvfs *ret)
{
	int rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = fstatvfs(fs->chain.v[0].root, ret) < 0 ? -errno : 0;
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}

/* --- directories ------------------------------------------------------------------------------ */

struct fs_dir {
	uint64_t node;
	uint64_t seals; /* how often the tree was sealed when FD was opened */
	int fd;
	uint64_t at;
};

struct raw_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

enum { RAW_SIZE = 16 << 10 };

int fs_opendir(struct cow_fs *fs, uint64_t node, struct fs_dir **ret)
{
	struct fs_node *n;
	int rc, fd = -1;

	fs_enter(fs);
	n = fsnode_dir(fs, node, &rc);
	if (n) {
		fd = openat(n->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = fd < 0 ? -errno : 0;
	}
	if (!rc) {
		struct fs_dir *d = xcalloc(1, sizeof(*d));

		*d = (struct fs_dir){ .node = node, .seals = fs->seals, .fd = fd };
		*ret = d;
	}
	fs_leave(fs);
	return rc;
}

void fs_closedir(struct fs_dir *d)
{
	close(d->fd);
	free(d);
}

static uint64_t shown_number(struct cow_fs *fs, const struct fs_node *dir, const struct raw_dirent *de)
{
	const struct stat st = { .st_ino = de->ino, .st_mode = (mode_t)DTTOIF(de->type) };
	const struct fs_node *n;
	struct cow_link l;
	uint64_t number;
	bool has;

	if (!strcmp(de->name, "."))
		return dir->number;
	if (!strcmp(de->name, ".."))
		return dir->parent ? dir->parent->number : dir->number;
	n = fsnode_by_inode(fs, de->ino);
	if (n)
		return n->number;
	err_free(cow_link_read(dir->fd, de->name, &st, &l, &has)); /* damaged: whoever opens it is told */
	number = cow_number(&fs->chain.v[0], de->ino, has ? &l : NULL);
	link_done(&l);
	return number;
}

static int reopen(struct cow_fs *fs, struct fs_dir *d, const struct fs_node *n)
{
	int fd;

	if (d->seals == fs->seals)
		return 0;
	fd = openat(n->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(d->fd);
	d->fd = fd;
	d->at = 0;
	d->seals = fs->seals;
	return 0;
}

static int read_entries(struct cow_fs *fs, struct fs_dir *d, const struct fs_node *n, uint64_t off,
			char *raw, bool (*emit)(void *, const struct fs_dirent *), void *arg)
{
	if (d->at != off && lseek(d->fd, (off_t)off, SEEK_SET) < 0)
		return -errno;
	d->at = off;
	for (;;) {
		long got = syscall(SYS_getdents64, d->fd, raw, RAW_SIZE);

		if (got <= 0)
			return got < 0 ? -errno : 0;
		for (long i = 0; i < got;) {
			const struct raw_dirent *de = (const void *)(raw + i);
			struct fs_dirent out = { shown_number(fs, n, de), (uint64_t)de->off,
						 de->type, de->name };

			if (!emit(arg, &out)) {
				/* the descriptor is ahead of what was taken: the next call seeks */
				if (lseek(d->fd, (off_t)d->at, SEEK_SET) < 0)
					return -errno;
				return 0;
			}
			d->at = (uint64_t)de->off;
			i += de->len;
		}
	}
}

int fs_readdir(struct cow_fs *fs, struct fs_dir *d, uint64_t off,
	       bool (*emit)(void *arg, const struct fs_dirent *de), void *arg)
{
	_cleanup_free_ char *raw = xmalloc(RAW_SIZE);
	struct fs_node *n;
	int rc;

	fs_enter(fs);
	n = fsnode_get(fs, d->node);
	rc = !n ? -ESTALE : n->dead ? 0 : reopen(fs, d, n);
	if (!rc && n && !n->dead)
		rc = read_entries(fs, d, n, off, raw, emit, arg);
	fs_leave(fs);
	return rc;
}

int fs_syncdir(struct cow_fs *fs, struct fs_dir *d, bool data_only)
{
	struct fs_node *n;
	int rc, fd = -1;

	fs_enter(fs);
	n = fsnode_get(fs, d->node);
	if (n)
		fd = fcntl(n->fd, F_DUPFD_CLOEXEC, 3);
	fs_leave(fs);
	if (fd < 0)
		return n ? -EMFILE : -ESTALE;
	rc = (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* --- extended attributes ---------------------------------------------------------------------- */

static bool is_ours(const char *name)
{
	return !strcmp(name, LINK_XATTR);
}

/* Calls fn with the node's path; links are not followed unless the path is a descriptor's. */
enum xattr_call { XATTR_SET, XATTR_GET, XATTR_LIST, XATTR_REMOVE };
struct xattr_args {
	const char *name;
	const void *value;
	void *buf;
	size_t size;
	int flags;
};

static ssize_t xattr_at(const struct fs_node *n, enum xattr_call call, const struct xattr_args *a)
{
	char path[NAME_MAX + 32];
	bool follow = by_path(n);
	ssize_t rc = -1;

	if (!n->name && !follow)
		return -ESTALE;
	fsnode_path(n, path);
	switch (call) {
	case XATTR_SET:
		rc = (follow ? setxattr : lsetxattr)(path, a->name, a->value, a->size, a->flags);
		break;
	case XATTR_GET:
		rc = (follow ? getxattr : lgetxattr)(path, a->name, a->buf, a->size);
		break;
	case XATTR_LIST:
		rc = (follow ? listxattr : llistxattr)(path, a->buf, a->size);
		break;
	case XATTR_REMOVE:
		rc = (follow ? removexattr : lremovexattr)(path, a->name);
		break;
	}
	return rc < 0 ? -errno : rc;
}

static ssize_t xattr_call(struct cow_fs *fs, uint64_t node, enum xattr_call call,
			  const struct xattr_args *a)
{
	struct fs_node *n;
	ssize_t rc;

	fs_enter(fs);
	n = fsnode_get(fs, node);
	rc = n ? xattr_at(n, call, a) : -ESTALE;
	fs_leave(fs);
	return rc;
}

int fs_setxattr(struct cow_fs *fs, uint64_t node, const char *name, const void *value, size_t len,
		int flags)
{
	const struct xattr_args a = { .name = name, .value = value, .size = len, .flags = flags };

	return is_ours(name) ? -EPERM : (int)xattr_call(fs, node, XATTR_SET, &a);
}

ssize_t fs_getxattr(struct cow_fs *fs, uint64_t node, const char *name, void *value, size_t size)
{
	const struct xattr_args a = { .name = name, .buf = value, .size = size };

	return is_ours(name) ? -ENODATA : xattr_call(fs, node, XATTR_GET, &a);
}

int fs_removexattr(struct cow_fs *fs, uint64_t node, const char *name)
{
	const struct xattr_args a = { .name = name };

	return is_ours(name) ? -ENODATA : (int)xattr_call(fs, node, XATTR_REMOVE, &a);
}

ssize_t fs_listxattr(struct cow_fs *fs, uint64_t node, char *list, size_t size)
{
	_cleanup_free_ char *all = xmalloc(XATTR_LIST_MAX);
	const struct xattr_args a = { .buf = all, .size = XATTR_LIST_MAX };
	ssize_t n = xattr_call(fs, node, XATTR_LIST, &a);
	size_t out = 0;

	for (const char *p = all; n > 0 && p < all + n; p += strlen(p) + 1) {
		size_t len = strlen(p) + 1;

		if (is_ours(p))
			continue;
		if (size && out + len > size)
			return -ERANGE;
		if (size)
			memcpy(list + out, p, len);
		out += len;
	}
	return n < 0 ? n : (ssize_t)out;
}
