/* core/cow/fs.h -- a thin tree as a file system: what FUSE's requests mean, without FUSE.
 *
 * Nodes are named by numbers that are never used twice; COW_ROOT is the root.  Each fs_lookup() (and whatever else
 * writes a node) is one reference, given back by fs_forget(), as FUSE counts.  Permissions are the caller's affair.
 * Results are 0 and negative errno values.  All calls may come from any thread at any time, but for cow_fs_open() and
 * cow_fs_free(); fs_seal() waits until the others are done and holds them back meanwhile.
 *
 * On the disk there is nothing but the top tree: a killed process loses nothing but what this header does not promise
 * to keep either (open files without a name). */
#ifndef CORE_COW_FS_H
#define CORE_COW_FS_H

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/cow/file.h"
#include "core/cow/tree.h"

enum { COW_ROOT = 1 };
struct cow_fs;
struct fs_node;

/* C is taken.  Its top is made ready. */
struct err *cow_fs_open(struct cow_chain *c, struct cow_fs **ret) MUST_CHECK;
void cow_fs_free(struct cow_fs *fs);

struct fs_entry {
	uint64_t node;
	struct stat st; /* the number shown is in st_ino */
};
struct fs_owner {
	uid_t uid;
	gid_t gid;
};

int fs_lookup(struct cow_fs *fs, uint64_t dir, const char *name, struct fs_entry *ret);
void fs_forget(struct cow_fs *fs, uint64_t node, uint64_t n);
int fs_getattr(struct cow_fs *fs, uint64_t node, struct stat *ret);
enum fs_set {
	FS_SET_MODE = 1,
	FS_SET_UID = 2,
	FS_SET_GID = 4,
	FS_SET_SIZE = 8,
	FS_SET_ATIME = 16, /* nanoseconds may be UTIME_NOW */
	FS_SET_MTIME = 32,
	FS_SET_KILL = 64, /* take away set-user-id and set-group-id, as the kernel would */
};
int fs_setattr(struct cow_fs *fs, uint64_t node, unsigned set, const struct stat *in, struct stat *ret);
int fs_readlink(struct cow_fs *fs, uint64_t node, char *buf, size_t size); /* the length */

int fs_mknod(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode,
	     const struct fs_owner *o, struct fs_entry *ret); /* files, fifos, sockets */
int fs_mkdir(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode,
	     const struct fs_owner *o, struct fs_entry *ret);
int fs_symlink(struct cow_fs *fs, uint64_t dir, const char *name, const char *target,
	       const struct fs_owner *o, struct fs_entry *ret);
int fs_link(struct cow_fs *fs, uint64_t node, uint64_t dir, const char *name, struct fs_entry *ret);
int fs_unlink(struct cow_fs *fs, uint64_t dir, const char *name);
int fs_rmdir(struct cow_fs *fs, uint64_t dir, const char *name);
int fs_rename(struct cow_fs *fs, uint64_t dir, const char *name, uint64_t to_dir,
	      const char *to_name, unsigned flags);

/* FLAGS of open(2): only O_TRUNC counts.  *RET is good until fs_release(). */
int fs_open(struct cow_fs *fs, uint64_t node, int flags, struct fs_node **ret);
int fs_create(struct cow_fs *fs, uint64_t dir, const char *name, mode_t mode, int flags,
	      const struct fs_owner *o, struct fs_entry *ret_entry, struct fs_node **ret);
void fs_release(struct cow_fs *fs, struct fs_node *n);
ssize_t fs_read(struct cow_fs *fs, struct fs_node *n, uint64_t off, void *buf, size_t len);
ssize_t fs_write(struct cow_fs *fs, struct fs_node *n, uint64_t off, const void *buf, size_t len,
		 bool kill);
int fs_allocate(struct cow_fs *fs, struct fs_node *n, int mode, uint64_t off, uint64_t len);
off_t fs_seek(struct cow_fs *fs, struct fs_node *n, uint64_t off, int whence);
int fs_sync(struct cow_fs *fs, struct fs_node *n, bool data_only);

struct fs_dir;
int fs_opendir(struct cow_fs *fs, uint64_t node, struct fs_dir **ret);
void fs_closedir(struct fs_dir *d);
/* Entries from position OFF on; EMIT returns false when it has no room for one.  Positions are lasting. */
struct fs_dirent {
	uint64_t number, next;
	unsigned type; /* DT_... */
	const char *name;
};
int fs_readdir(struct cow_fs *fs, struct fs_dir *d, uint64_t off,
	       bool (*emit)(void *arg, const struct fs_dirent *de), void *arg);
int fs_syncdir(struct cow_fs *fs, struct fs_dir *d, bool data_only);

int fs_statfs(struct cow_fs *fs, struct statvfs *ret);
int fs_setxattr(struct cow_fs *fs, uint64_t node, const char *name, const void *value, size_t len,
		int flags);
/* SIZE 0: the length that is needed. */
ssize_t fs_getxattr(struct cow_fs *fs, uint64_t node, const char *name, void *value, size_t size);
ssize_t fs_listxattr(struct cow_fs *fs, uint64_t node, char *list, size_t size);
int fs_removexattr(struct cow_fs *fs, uint64_t node, const char *name);

/* TOP (taken) is an empty tree; from now on it is the top, and the one that was it so far is never written again. On
 * an error nothing has changed, unless errno is EIO: then the state in memory is of no more use. */
struct err *fs_seal(struct cow_fs *fs, struct cow_tree *top) MUST_CHECK;
/* What was written before the last seal reaches the disk. */
int fs_sync_sealed(struct cow_fs *fs);

#endif
