#include "core/cow/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "core/cow/fuse.h"
#include "core/cow/map.h"
#include "core/cow/tree.h"

struct err *cow_fuse_open(int *ret_fd)
{
	return fd_open(AT_FDCWD, "/dev/fuse", O_RDWR, 0, ret_fd);
}

static int set(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

static int flag(int fs, const char *key)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0);
}

struct err *cow_mount_make(int fuse_fd, const char *name, int *ret_tree)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
	char number[16], size[16];
	int rc;

	if (fs < 0)
		return err_new(errno, "mounting volume %s", name);
	snprintf(number, sizeof(number), "%d", fuse_fd);
	snprintf(size, sizeof(size), "%d", FUSE_IO_MAX);
	rc = set(fs, "source", name);
	rc = rc ?: set(fs, "fd", number);
	rc = rc ?: set(fs, "rootmode", "40000");
	rc = rc ?: set(fs, "user_id", "0");
	rc = rc ?: set(fs, "group_id", "0");
	rc = rc ?: set(fs, "max_read", size);
	rc = rc ?: flag(fs, "default_permissions");
	rc = rc ?: flag(fs, "allow_other");
	rc = rc ?: set(fs, "subtype", "devbox");
	rc = rc ?: (int)syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	rc = rc < 0 ? rc : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (rc < 0)
		return err_new(errno, "mounting volume %s", name);
	*ret_tree = rc;
	return NULL;
}

/* A file with one written block between holes: is it seen as that? */
static struct err *check_holes(int fd)
{
	const uint64_t blocks = 256, mid = 128;
	struct map m = { 0 };
	struct err *e = NULL;

	if (ftruncate(fd, (off_t)(blocks * COW_BLOCK)) < 0 ||
	    pwrite(fd, "x", 1, (off_t)(mid * COW_BLOCK)) != 1)
		return err_new(errno, "writing a file with holes");
	e = map_load(&m, fd, blocks);
	if (!e && (map_count(&m) != 1 || !map_has(&m, mid)))
		e = err_new(0, "the file system does not tell where a file has holes");
	map_done(&m);
	/* ext4's inline_data: a short file has no blocks that could be missing */
	if (!e && (ftruncate(fd, 0) < 0 || ftruncate(fd, 100) < 0))
		e = err_new(errno, "writing a short file");
	e = e ?: map_load(&m, fd, 1);
	if (!e && map_count(&m))
		e = err_new(0, "the file system keeps short files where no hole is seen (inline_data)");
	map_done(&m);
	return e;
}

struct err *cow_possible(int dir)
{
	_cleanup_close_ int fuse = -1, file = -1;
	struct statfs s;
	struct err *e = cow_fuse_open(&fuse);

	if (e)
		return err_hint(e, "ask the administrator to load the module: modprobe fuse");
	if (fstatfs(dir, &s) < 0)
		return err_new(errno, "looking at the file system");
	if (s.f_bsize != COW_BLOCK)
		return err_new(0, "the file system's blocks have %ld bytes, not %d",
			       (long)s.f_bsize, COW_BLOCK);
	e = fd_open(dir, "probe", O_RDWR | O_CREAT | O_EXCL, 0600, &file);
	if (!e && fsetxattr(file, LINK_XATTR, "", 0, 0) < 0)
		e = err_new(errno, "the file system keeps no extended attributes");
	e = e ?: check_holes(file);
	if (file >= 0)
		unlinkat(dir, "probe", 0);
	return e;
}
