#include "core/box/waiter.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/fd.h"

enum { BACKLOG = 4 };

static const char *const kinds[] = { [WAITER_END] = "end", [WAITER_ATTACH] = "attach" };

/* "attach.1234": who waits is process 1234. */
static bool name_read(const char *name, enum waiter_kind *ret_kind, pid_t *ret_pid)
{
	for (enum waiter_kind k = 0; k < ARRAY_LEN(kinds); k++) {
		const char *dot = str_after(name, kinds[k]);
		uint64_t pid = 0;
		struct err *e;

		if (!dot || *dot != '.')
			continue;
		e = str_to_u64(dot + 1, 1, INT32_MAX, &pid);
		err_free(e); /* not ours, then */
		*ret_kind = k;
		*ret_pid = (pid_t)pid;
		return pid != 0;
	}
	return false;
}

static DIR *open_list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* Those that wait; what killed ones have left goes. */
static size_t count(int dir)
{
	_cleanup_dir_ DIR *d = open_list(dir);
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d)) != NULL) {
		enum waiter_kind kind;
		pid_t pid;

		if (!name_read(de->d_name, &kind, &pid))
			continue;
		if (kill(pid, 0) < 0 && errno == ESRCH)
			unlinkat(dir, de->d_name, 0);
		else
			n++;
	}
	return n;
}

static struct err *listen_at(struct waiter *w)
{
	struct sockaddr_un sun;

	w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->listener < 0)
		return err_new(errno, "making a socket");
	fd_sun(w->dir, w->name, &sun);
	unlinkat(w->dir, w->name, 0); /* of a process that had our number */
	if (bind(w->listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(w->listener, BACKLOG) < 0)
		return err_new(errno, "making a socket beside the container");
	return NULL;
}

struct err *waiter_open(const struct box *b, enum waiter_kind kind, struct waiter *ret)
{
	struct waiter w = WAITER_NONE;
	struct err *e = NULL;

	if (mkdirat(b->dir, "waiting", 0700) < 0 && errno != EEXIST)
		return err_new(errno, "waiting for container %s", b->spec.name);
	e = fd_open(b->dir, "waiting", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &w.dir);
	if (!e && count(w.dir) >= WAITERS_MAX)
		e = err_new(0, "%d others wait for it already", WAITERS_MAX);
	snprintf(w.name, sizeof(w.name), "%s.%d", kinds[kind], (int)getpid());
	e = e ?: listen_at(&w);
	if (e) {
		waiter_done(&w);
		return err_wrap(e, "waiting for container %s", b->spec.name);
	}
	*ret = w;
	return NULL;
}

struct err *waiter_accept(const struct waiter *w, int *ret_conn)
{
	*ret_conn = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	if (*ret_conn < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		return err_new(errno, "hearing of the container's start");
	return NULL;
}

void waiter_done(struct waiter *w)
{
	if (w->listener >= 0)
		unlinkat(w->dir, w->name, 0);
	if (w->listener >= 0)
		close(w->listener);
	if (w->dir >= 0)
		close(w->dir);
	*w = WAITER_NONE;
}

/* Without waiting: one whose backlog is full has heard of it. */
static int call_one(int dir, const char *name)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	fd_sun(dir, name, &sun);
	if (sock < 0 || connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		if (errno == ECONNREFUSED)
			unlinkat(dir, name, 0); /* killed */
		return -1;
	}
	return TAKE_FD(sock);
}

void waiters_call(int box_dir, void (*fn)(void *arg, enum waiter_kind kind, int conn), void *arg)
{
	_cleanup_close_ int dir =
		openat(box_dir, "waiting", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *d = dir < 0 ? NULL : open_list(dir);
	struct dirent *de;

	for (size_t n = 0; d && n < WAITERS_MAX && (de = readdir(d)) != NULL;) {
		enum waiter_kind kind;
		pid_t pid;
		int conn = name_read(de->d_name, &kind, &pid) ? call_one(dir, de->d_name) : -1;

		if (conn < 0)
			continue;
		n++;
		fn(arg, kind, conn);
	}
}
