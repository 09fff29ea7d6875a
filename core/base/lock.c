#include "core/base/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "core/base/fd.h"

static struct err *lock_open(int dir, const char *name, int flags, int op, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct err *e;

	e = fd_open(dir, name, O_RDWR | O_NOFOLLOW | flags, 0600, &fd);
	if (e)
		return err_wrap(e, "locking");
	while (flock(fd, op) < 0) {
		if (errno == EWOULDBLOCK) {
			*ret_fd = -1;
			return NULL;
		}
		if (errno != EINTR)
			return err_new(errno, "locking %s", name);
	}
	*ret_fd = TAKE_FD(fd);
	return NULL;
}

struct err *lock_take(int dir, const char *name, bool shared, int *ret_fd)
{
	return lock_open(dir, name, O_CREAT, shared ? LOCK_SH : LOCK_EX, ret_fd);
}

struct err *lock_try(int dir, const char *name, bool shared, int *ret_fd)
{
	return lock_open(dir, name, O_CREAT, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB, ret_fd);
}

struct err *lock_try_existing(int dir, const char *name, int *ret_fd)
{
	return lock_open(dir, name, 0, LOCK_EX | LOCK_NB, ret_fd);
}

bool lock_is_held(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
