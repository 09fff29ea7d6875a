/* core/cow/mount.h -- mounting without privileges, and whether it can be done here. */
#ifndef CORE_COW_MOUNT_H
#define CORE_COW_MOUNT_H

#include "core/base/err.h"

/* In the user namespace that shall own the mount, before "/" changes: /dev/fuse is the host's. */
struct err *cow_fuse_open(int *ret_fd) MUST_CHECK;
/* A detached mount (mount_setattr(2), move_mount(2)) that FUSE_FD answers for.  NAME is shown as its source. */
struct err *cow_mount_make(int fuse_fd, const char *name, int *ret_tree) MUST_CHECK;

/* Do the file system of directory DIR and this kernel allow thin volumes?  Errors say why not. */
struct err *cow_possible(int dir) MUST_CHECK;

#endif
