/* Names: what makes, moves and removes them.  Each call is one system call of the same meaning on the top tree, between
 * finding the directories' nodes and telling the table. */
#include "core/cow/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/cow/fs_priv.h"

int fs_lookup(struct cow_fs *fs, uint64_t dir, const char *name, struct fs_entry *ret)
{
	struct fs_node *d, *n;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	rc = d ? fsnode_find(fs, d, name, &n, &ret->st) : rc;
	if (!rc)
		ret->node = n->id;
	fs_leave(fs);
	return rc;
}

void fs_forget(struct cow_fs *fs, uint64_t node, uint64_t n)
{
	struct fs_node *found;

	fs_enter(fs);
	found = fsnode_get(fs, node);
	if (found && found != fs->root)
		fsnode_put(fs, found, n);
	fs_leave(fs);
}

/* --- making ----------------------------------------------------------------------------------- */

/* What was just made belongs to root: give it to its owner.  In a directory with set-group-id the group is right. */
static int give(struct fs_node *d, const char *name, const struct fs_owner *o)
{
	struct stat st;
	bool set_gid = fstat(d->fd, &st) == 0 && st.st_mode & S_ISGID;

	if (o->uid == 0 && (o->gid == 0 || set_gid))
		return 0;
	if (fchownat(d->fd, name, o->uid, set_gid ? (gid_t)-1 : o->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* Names that end a making: the new entry, or nothing left of it. */
static int made(struct cow_fs *fs, struct fs_node *d, const char *name, int rc, int rm_flags,
		struct fs_entry *ret)
{
	struct fs_node *n;

	rc = rc ?: fsnode_find(fs, d, name, &n, &ret->st);
	if (rc < 0)
		unlinkat(d->fd, name, rm_flags);
	else
		ret->node = n->id;
	return rc;
}

int fs_mknod(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode,
	     const struct fs_owner *o, struct fs_entry *ret)
{
	struct fs_node *d;
	int rc;

	if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EPERM;
	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	if (d && mknodat(d->fd, name, mode, 0) < 0)
		rc = -errno;
	else if (d)
		rc = made(fs, d, name, give(d, name, o), 0, ret);
	fs_leave(fs);
	return rc;
}

int fs_mkdir(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode,
	     const struct fs_owner *o, struct fs_entry *ret)
{
	struct fs_node *d;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	if (d && mkdirat(d->fd, name, mode & 07777) < 0)
		rc = -errno;
	else if (d)
		rc = made(fs, d, name, give(d, name, o), AT_REMOVEDIR, ret);
	fs_leave(fs);
	return rc;
}

int fs_symlink(struct cow_fs *fs, uint64_t dir, const char *name, const char *target,
	       const struct fs_owner *o, struct fs_entry *ret)
{
	struct fs_node *d;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	if (d && symlinkat(target, d->fd, name) < 0)
		rc = -errno;
	else if (d)
		rc = made(fs, d, name, give(d, name, o), 0, ret);
	fs_leave(fs);
	return rc;
}

int fs_link(struct cow_fs *fs, uint64_t node, uint64_t dir, const char *name, struct fs_entry *ret)
{
	char path[NAME_MAX + 32];
	struct fs_node *d, *n;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	n = fsnode_get(fs, node);
	if (d && !n)
		rc = -ESTALE;
	else if (d && n->type == S_IFDIR)
		rc = -EPERM;
	else if (d && n->dead)
		rc = -ENOENT;
	else if (d && n->name)
		rc = linkat(n->parent->fd, n->name, d->fd, name, 0) < 0 ? -errno : 0;
	else if (d) {
		fsnode_path(n, path);
		rc = linkat(AT_FDCWD, path, d->fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	}
	if (!rc) {
		rc = fsnode_find(fs, d, name, &n, &ret->st);
		ret->node = rc ? 0 : n->id;
	}
	fs_leave(fs);
	return rc;
}

/* --- removing, renaming ----------------------------------------------------------------------- */

/* The node of NAME in D if there is one, with what is needed to tell it afterwards. */
static int before_gone(struct cow_fs *fs, struct fs_node *d, const char *name, struct fs_node **ret,
		       struct stat *ret_st)
{
	if (fstatat(d->fd, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = fsnode_by_inode(fs, ret_st->st_ino);
	return *ret ? fsnode_keep(*ret, d, name) : 0;
}

int fs_unlink(struct cow_fs *fs, uint64_t dir, const char *name)
{
	struct fs_node *d, *n = NULL;
	struct stat st;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	rc = rc ?: before_gone(fs, d, name, &n, &st);
	if (!rc && unlinkat(d->fd, name, 0) < 0)
		rc = -errno;
	if (!rc && n)
		fsnode_gone(fs, n, d, name, st.st_nlink);
	fs_leave(fs);
	return rc;
}

/* An inherited directory that nobody looked at yet seems to be empty. */
static int read_before_removal(struct cow_fs *fs, struct fs_node *d, const char *name)
{
	struct stat st;
	struct fs_node *n;
	int rc = fsnode_find(fs, d, name, &n, &st);

	if (rc < 0)
		return rc;
	rc = n->type == S_IFDIR ? fsnode_read_dir(fs, n) : 0;
	fsnode_put(fs, n, 1);
	return rc;
}

int fs_rmdir(struct cow_fs *fs, uint64_t dir, const char *name)
{
	struct fs_node *d, *n = NULL;
	struct stat st;
	int rc;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	rc = rc ?: read_before_removal(fs, d, name);
	rc = rc ?: before_gone(fs, d, name, &n, &st);
	if (!rc && unlinkat(d->fd, name, AT_REMOVEDIR) < 0)
		rc = -errno;
	if (!rc && n)
		fsnode_gone(fs, n, d, name, 1);
	fs_leave(fs);
	return rc;
}

/* renameat2() in D and TO_D, with the table told. */
static int rename_in(struct cow_fs *fs, struct fs_node *d, const char *name, struct fs_node *to_d,
		     const char *to_name, unsigned flags)
{
	struct fs_node *n = NULL, *target = NULL;
	struct stat st, target_st;
	int rc, found;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	n = fsnode_by_inode(fs, st.st_ino);
	found = flags & RENAME_EXCHANGE ? 0 : read_before_removal(fs, to_d, to_name);
	if (found < 0 && found != -ENOENT)
		return found;
	found = before_gone(fs, to_d, to_name, &target, &target_st);
	rc = renameat2(d->fd, name, to_d->fd, to_name, flags) < 0 ? -errno : 0;
	if (rc < 0 || n == target)
		return rc; /* two names of one file: rename(2) leaves both */
	if (target && found == 0 && !(flags & RENAME_EXCHANGE))
		fsnode_gone(fs, target, to_d, to_name,
			    S_ISDIR(target_st.st_mode) ? 1 : target_st.st_nlink);
	if (target && flags & RENAME_EXCHANGE)
		fsnode_place(fs, target, d, name);
	if (n)
		fsnode_place(fs, n, to_d, to_name);
	return 0;
}

int fs_rename(struct cow_fs *fs, uint64_t dir, const char *name, uint64_t to_dir,
	      const char *to_name, unsigned flags)
{
	struct fs_node *d, *to_d;
	int rc;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	to_d = d ? fsnode_dir(fs, to_dir, &rc) : NULL;
	rc = rc ?: rename_in(fs, d, name, to_d, to_name, flags);
	fs_leave(fs);
	return rc;
}

/* --- open files ------------------------------------------------------------------------------- */

static int kill_ids(const struct cow_file *f)
{
	struct stat st;

	if (fstat(f->level[0].fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	st.st_mode &= ~(mode_t)S_ISUID;
	if (st.st_mode & S_IXGRP)
		st.st_mode &= ~(mode_t)S_ISGID;
	return fchmod(f->level[0].fd, st.st_mode & 07777) < 0 ? -errno : 0;
}

static int open_node(struct cow_fs *fs, struct fs_node *n, int flags, struct fs_node **ret)
{
	int rc = n->type == S_IFREG   ? fsnode_open_file(fs, n)
		 : n->type == S_IFDIR ? -EISDIR
				      : -EINVAL;

	if (!rc && flags & O_TRUNC) {
		rc = cow_file_truncate(n->file, 0);
		if (rc < 0)
			fsnode_close_file(fs, n);
	}
	if (!rc)
		*ret = n;
	return rc;
}

int fs_open(struct cow_fs *fs, uint64_t node, int flags, struct fs_node **ret)
{
	struct fs_node *n;
	int rc;

	fs_enter(fs);
	n = fsnode_get(fs, node);
	rc = n ? open_node(fs, n, flags, ret) : -ESTALE;
	fs_leave(fs);
	return rc;
}

int fs_create(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode, int flags,
	      const struct fs_owner *o, struct fs_entry *ret_entry, struct fs_node **ret)
{
	struct fs_node *d, *n;
	int rc, fd;

	fs_enter(fs);
	d = fsnode_dir(fs, dir, &rc);
	fd = d ? openat(d->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode & 07777)
	       : -1;
	if (fd >= 0) {
		close(fd);
		rc = made(fs, d, name, give(d, name, o), 0, ret_entry);
	} else if (d && errno == EEXIST && !(flags & O_EXCL)) {
		rc = fsnode_find(fs, d, name, &n, &ret_entry->st);
		ret_entry->node = rc ? 0 : n->id;
	} else if (d) {
		rc = -errno;
	}
	if (!rc) {
		n = fsnode_get(fs, ret_entry->node);
		rc = open_node(fs, n, fd >= 0 ? 0 : flags, ret);
		if (rc < 0)
			fsnode_put(fs, n, 1);
	}
	fs_leave(fs);
	return rc;
}

void fs_release(struct cow_fs *fs, struct fs_node *n)
{
	fs_enter(fs);
	fsnode_close_file(fs, n);
	fs_leave(fs);
}

ssize_t fs_read(struct cow_fs *fs, struct fs_node *n, uint64_t off, void *buf, size_t len)
{
	ssize_t rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = cow_file_read(n->file, off, buf, len);
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}

ssize_t fs_write(struct cow_fs *fs, struct fs_node *n, uint64_t off, const void *buf, size_t len,
		 bool kill)
{
	ssize_t rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = kill ? kill_ids(n->file) : 0;
	rc = rc ?: cow_file_write(n->file, off, buf, len);
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}

int fs_allocate(struct cow_fs *fs, struct fs_node *n, int mode, uint64_t off, uint64_t len)
{
	int rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = cow_file_allocate(n->file, mode, off, len);
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}

off_t fs_seek(struct cow_fs *fs, struct fs_node *n, uint64_t off, int whence)
{
	off_t rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = cow_file_seek(n->file, off, whence);
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}

int fs_sync(struct cow_fs *fs, struct fs_node *n, bool data_only)
{
	int rc;

	pthread_rwlock_rdlock(&fs->gate);
	rc = cow_file_sync(n->file, data_only);
	pthread_rwlock_unlock(&fs->gate);
	return rc;
}
