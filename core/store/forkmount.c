/* What a mount needs of a volume: its trees, the hold on it, the process that serves it.
 *
 * How containers come into one user namespace (fork_mounts_open(), one at a time in a store: "userns.lock"):
 *   1 who serves a volume that the container wants says which one it is, if any of them is served already
 *   2 else whoever serves any volume of the store does: so that a third container can have volumes of both
 *   3 else the first volume's process is started in a new one, with the store's ids */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/ns/parent.h"
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

/* Is VOLUME to be mounted through core/cow?  No: its data/ is bound. */
static struct err *is_thin(struct store *st, const char *volume, bool *ret)
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

/* --- mounts for a container ------------------------------------------------------------------- */

static struct err *start_server(struct store *st, const char *volume, int userns, int *ret_conn)
{
	_cleanup_close_ int hold = -1;
	struct cow_dirs dirs = { .n = 0 };
	struct err *e = fork_hold_volume(st, volume, &hold);

	e = e ?: fork_dirs(st, hold, &dirs);
	e = e ?: cow_start(st->cow, volume, &dirs, hold, userns, st->ids.single, ret_conn);
	fork_dirs_done(&dirs);
	return e;
}

struct start {
	struct store *st;
	const char *volume;
};

/* Still as the caller's user, who may read the volume's records. */
static struct err *start_inside(void *arg)
{
	const struct start *s = arg;
	_cleanup_close_ int conn = -1;

	return start_server(s->st, s->volume, -1, &conn);
}

static struct err *nothing(void *arg UNUSED, struct str *result UNUSED)
{
	return NULL;
}

/* In a user namespace of its own, which lives as long as it does, and its containers. */
static struct err *start_first(struct store *st, const char *volume, int parent, int *ret_conn)
{
	_cleanup_close_ int userns = -1;
	struct start s = { st, volume };
	struct err *e;

	if (parent >= 0) {
		e = parent_nest(parent, &st->ids, &userns);
		return e ?: start_server(st, volume, userns, ret_conn);
	}
	e = userns_call_from(&st->ids, start_inside, nothing, &s, NULL);

	e = e ?: cow_connect(st->cow, volume, ret_conn);
	if (!e && *ret_conn < 0)
		e = err_new(ECONNRESET, "its process has ended");
	return e;
}

/* The user namespace of any process that serves a volume, or -1. */
static int any_userns(struct store *st)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->cow);
	struct dirent *de;
	int userns = -1;

	while (d && userns < 0 && (de = readdir(d)) != NULL) {
		_cleanup_close_ int conn = -1;
		struct err *e = NULL;

		if (str_ends(de->d_name, ".sock"))
			e = cow_connect_file(st->cow, de->d_name, &conn);
		if (!e && conn >= 0)
			e = cow_serve_userns(conn, &userns);
		err_free(e); /* it is ending */
	}
	return userns;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static struct err *other_userns(const char *volume)
{
	return err_hint(err_new(0, "volume %s is in use by containers that this one cannot be joined with",
				volume),
			"containers that share a fork share a user namespace, too; --network container:... "
			"chose another one");
}

/* *USERNS is chosen, if it was not. */
static struct err *open_one(struct store *st, const char *volume, int *userns, int parent,
			    int *ret_conn, int *ret_tree)
{
	_cleanup_close_ int its = -1;
	struct err *e = NULL;

	if (*ret_conn < 0 && *userns < 0)
		*userns = any_userns(st);
	if (*ret_conn < 0)
		e = *userns < 0 ? start_first(st, volume, parent, ret_conn)
				: start_server(st, volume, *userns, ret_conn);
	e = e ?: cow_serve_userns(*ret_conn, &its);
	if (!e && *userns < 0)
		*userns = TAKE_FD(its);
	else if (!e && !same_file(*userns, its))
		e = other_userns(volume);
	return e ?: cow_serve_mount(*ret_conn, ret_tree);
}

static struct err *connect_served(struct store *st, const char *const *volumes, struct fork_mounts *f)
{
	struct err *e = NULL;

	for (size_t i = 0; i < f->n && !e; i++)
		if (volumes[i])
			e = cow_connect(st->cow, volumes[i], &f->conns[i]);
	return e;
}

static struct err *open_all(struct store *st, const char *const *volumes, int parent,
			    struct fork_mounts *f)
{
	_cleanup_close_ int lock = -1;
	struct err *e = lock_take(st->cow, "userns.lock", false, &lock);

	e = e ?: connect_served(st, volumes, f);
	for (int served = 1; served >= 0; served--) /* those that have a namespace first */
		for (size_t i = 0; i < f->n && !e; i++)
			if (volumes[i] && f->trees[i] < 0 && (f->conns[i] >= 0) >= served)
				e = err_wrap(open_one(st, volumes[i], &f->userns, parent,
						      &f->conns[i], &f->trees[i]),
					     "mounting volume %s", volumes[i]);
	return e;
}

struct err *fork_mounts_open(struct store *st, const char *const *volumes, size_t n, int userns,
			     int parent, struct fork_mounts *ret)
{
	_cleanup_free_ const char **thin = xcalloc(n + 1, sizeof(*thin));
	int64_t deadline = time_mono_ms() + TRIES_MS;
	struct err *e = NULL;
	bool any = false;

	for (size_t i = 0; i < n && !e; i++) {
		bool is = false;

		if (volumes[i])
			e = is_thin(st, volumes[i], &is);
		thin[i] = is ? volumes[i] : NULL;
		any |= is;
	}
	for (;;) {
		*ret = (struct fork_mounts){ .n = n, .userns = -1 };
		ret->trees = xmalloc((n + 1) * sizeof(int));
		ret->conns = xmalloc((n + 1) * sizeof(int));
		for (size_t i = 0; i < n; i++)
			ret->trees[i] = ret->conns[i] = -1;
		if (any && userns >= 0)
			ret->userns = fcntl(userns, F_DUPFD_CLOEXEC, 3);
		if (any)
			e = e ?: open_all(st, thin, parent, ret);
		if (!e)
			return NULL;
		fork_mounts_done(ret);
		if ((!err_is(e, ECONNRESET) && !err_is(e, EPIPE)) || time_mono_ms() > deadline)
			return e;
		err_free(e); /* one of them was just ending */
		e = NULL;
		poll(NULL, 0, RETRY_MS);
	}
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; fds && i < n; i++)
		if (fds[i] >= 0)
			close(TAKE_FD(fds[i]));
}

void fork_mounts_close_trees(struct fork_mounts *f)
{
	close_all(f->trees, f->n);
}

void fork_mounts_done(struct fork_mounts *f)
{
	close_all(f->trees, f->n);
	close_all(f->conns, f->n);
	free(f->trees);
	free(f->conns);
	if (f->n && f->userns >= 0)
		close(f->userns);
	*f = (struct fork_mounts){ .userns = -1 };
}
