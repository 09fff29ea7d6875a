/* What a mount needs of a volume: its trees, the hold on it, the process that serves it. */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/store/forkrec.h"
#include "core/store/volume.h"

enum { TRIES_MS = 20000, RETRY_MS = 20 };

void fork_dirs_done(struct cow_dirs *d)
{
	for (size_t i = 0; i < d->n; i++)
		close(d->fd[i]);
	d->n = 0;
}

struct err *fork_dirs(struct store *st, int dir, struct cow_dirs *ret)
{
	int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	struct err *e = at < 0 ? err_new(errno, "opening a volume") : NULL;

	ret->n = 0;
	while (!e) {
		_cleanup_forkrec_ struct forkrec r = { 0 };
		size_t n = ret->n++;

		ret->fd[n] = at;
		e = forkrec_read(at, ".", &r);
		ret->depth[n] = r.depth;
		ret->thin[n] = r.thin;
		if (e || !r.thin || !*r.parent)
			break;
		if (ret->n == COW_TREES_MAX)
			e = err_new(0, "there are more than %d sealed trees below it",
				    COW_TREES_MAX - 1);
		e = e
			    ?: err_wrap(fd_open(st->sealed, r.parent, O_RDONLY | O_DIRECTORY, 0, &at),
					"a tree below the volume is missing");
	}
	if (e)
		fork_dirs_done(ret);
	return e;
}

struct err *fork_is_thin(struct store *st, const char *volume, bool *ret)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	struct err *e = forkrec_read(st->volumes, volume, &r);

	*ret = !e && r.thin;
	return err_wrap(e, "opening volume %s", volume);
}

/* Between open and lock the volume can have been sealed: then the lock is on the wrong directory. */
struct err *fork_hold_volume(struct store *st, const char *volume, int *ret_fd)
{
	for (;;) {
		_cleanup_close_ int fd = -1;
		struct stat a, b;
		struct err *e = fd_open(st->volumes, volume, O_RDONLY | O_DIRECTORY, 0, &fd);

		while (!e && flock(fd, LOCK_SH) < 0)
			if (errno != EINTR)
				e = err_new(errno, "locking it");
		if (!e &&
		    (fstat(fd, &a) < 0 || fstatat(st->volumes, volume, &b, AT_SYMLINK_NOFOLLOW) < 0))
			e = err_new(errno, "looking at it");
		if (e)
			return err_wrap(e, "opening volume %s", volume);
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
			*ret_fd = TAKE_FD(fd);
			return NULL;
		}
	}
}

void fork_wait_unused(struct store *st, const char *volume, int64_t max_ms)
{
	_cleanup_close_ int fd = openat(st->volumes, volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t deadline = time_mono_ms() + max_ms;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && time_mono_ms() < deadline)
		poll(NULL, 0, RETRY_MS);
}

struct err *fork_serve(struct store *st, const char *volume, int userns, int *ret_conn)
{
	_cleanup_close_ int hold = -1;
	struct cow_dirs dirs = { .n = 0 };
	struct err *e = cow_connect(st->cow, volume, ret_conn);

	if (e || *ret_conn >= 0)
		return e;
	e = fork_hold_volume(st, volume, &hold);
	e = e ?: fork_dirs(st, hold, &dirs);
	e = e ?: cow_start(st->cow, volume, &dirs, hold, userns, st->ids.single, ret_conn);
	fork_dirs_done(&dirs);
	return err_wrap(e, "opening volume %s", volume);
}

struct err *fork_serve_mount(struct store *st, const char *volume, int userns, int fuse_fd)
{
	int64_t deadline = time_mono_ms() + TRIES_MS;

	for (;;) {
		_cleanup_close_ int conn = -1;
		struct err *e = fork_serve(st, volume, userns, &conn);

		e = e ?: cow_serve_mount(conn, fuse_fd);
		if (!err_is(e, ECONNRESET) && !err_is(e, EPIPE))
			return err_wrap(e, "mounting volume %s", volume);
		if (time_mono_ms() > deadline)
			return err_wrap(e, "mounting volume %s", volume);
		err_free(e); /* it was just ending */
	}
}
