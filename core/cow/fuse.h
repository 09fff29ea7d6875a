/* core/cow/fuse.h -- answers the kernel's requests for one mount out of a cow_fs.
 *
 * What is offered: everything a database or a build asks of a local file system, but O_TMPFILE and ACLs (programs have
 * another way).  Locks are the kernel's own, per mount.  Data is written through: write(2) has returned when the top
 * tree's file has it, fsync(2) when that file is synced. */
#ifndef CORE_COW_FUSE_H
#define CORE_COW_FUSE_H

#include "core/cow/fs.h"

enum { FUSE_IO_MAX = 256 << 10 }; /* of one read or write */

struct fuse_mount {
	int fd; /* /dev/fuse, mounted */
	struct cow_fs *fs;
	unsigned valid_s; /* how long the kernel may believe what it was told of names and attributes */
};
/* Answer requests until the file system is unmounted.  Any number of threads may be in here for one mount. */
void fuse_run(struct fuse_mount *m);

#endif
