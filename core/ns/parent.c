#include "core/ns/parent.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/ns/errand.h"

enum {
	BACKLOG = 128,
	ANSWER_MS = 100, /* who was to answer may have ended just then */
	TRIES = 20, /* a busy machine: to make another one is right, but slower for all that follows */
};
#define SOCKET "parent"

/* Directly inside our own namespace: none that was made in a container. */
static bool is_below_us(int userns)
{
	_cleanup_close_ int above = ioctl(userns, NS_GET_PARENT);
	struct stat own, its;

	return above >= 0 && fstat(above, &its) == 0 && stat("/proc/self/ns/user", &own) == 0 &&
	       its.st_dev == own.st_dev && its.st_ino == own.st_ino;
}

static bool hear(int sock, struct parent *ret)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int fds[2] = { -1, -1 };
	size_t len = 0, n = 2;
	char byte;
	struct err *e = poll(&p, 1, ANSWER_MS) == 1 ? fd_recv(sock, &byte, 1, &len, fds, &n) : NULL;
	bool good = !e && len == 1 && n == 2 && is_below_us(fds[0]);

	err_free(e); /* the same as silence */
	if (good)
		*ret = (struct parent){ fds[0], fds[1] };
	for (int i = 0; i < 2 && !good; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return good;
}

/* False: there is nobody, or nobody answers. */
static bool ask(int dir, struct parent *ret)
{
	const struct timeval limit = { .tv_sec = 1 }; /* should nobody be awake to take us from the queue */
	struct sockaddr_un sun;

	fd_sun(dir, SOCKET, &sun);
	for (int i = 0; i < TRIES; i++) {
		_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		if (sock >= 0)
			setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (sock < 0 || connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0)
			return false;
		if (hear(sock, ret))
			return true;
	}
	return false;
}

/* A namespace needs a process to come into being, and none to stay.  NESTED: we are in one that has the map IDS. */
static struct err *make_userns(const struct userns_ids *ids, bool nested, int *ret)
{
	struct err *e;
	char path[64];
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0UL);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return err_hint(err_new(errno, "making a user namespace"),
				"'devbox doctor' tells what forbids it");
	snprintf(path, sizeof(path), "/proc/%ld/ns/user", pid);
	e = nested ? userns_map_nested((pid_t)pid, ids, ids) : userns_map((pid_t)pid, ids);
	e = e ?: fd_open(AT_FDCWD, path, O_RDONLY, 0, ret);
	proc_kill_and_reap((pid_t)pid);
	return e;
}

struct nest {
	const struct userns_ids *ids;
	int userns;
};

static struct err *nest(void *arg)
{
	struct nest *n = arg;

	return make_userns(n->ids, true, &n->userns);
}

struct err *parent_nest(int userns, const struct userns_ids *ids, int *ret_userns)
{
	struct nest n = { ids, -1 };
	struct err *e = errand_run(&(struct errand){
		.ns = userns,
		.kinds = CLONE_NEWUSER,
		.what = "making a user namespace inside that of the containers",
		.work = nest,
		.arg = &n,
		.fds = &n.userns,
		.n_fds = 1,
	});

	if (!e)
		*ret_userns = n.userns;
	return e;
}

static struct err *make_parent(int dir, const struct userns_ids *ids, struct parent *ret)
{
	_cleanup_close_ int userns = -1,
			    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	struct err *e = make_userns(ids, false, &userns);

	if (e)
		return e;
	fd_sun(dir, SOCKET, &sun);
	if (unlinkat(dir, SOCKET, 0) < 0 && errno != ENOENT)
		return err_new(errno, "removing an old socket");
	if (sock < 0 || bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(sock, BACKLOG) < 0)
		return err_new(errno, "opening the socket %s", SOCKET);
	*ret = (struct parent){ TAKE_FD(userns), TAKE_FD(sock) };
	return NULL;
}

struct err *parent_get(int dir, const struct userns_ids *ids, bool make, struct parent *ret)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	*ret = PARENT_NONE;
	if (ids->direct || ask(dir, ret) || !make)
		return NULL;
	e = lock_take(dir, SOCKET ".lock", false, &lock);
	if (e || ask(dir, ret)) /* somebody was faster */
		return e;
	return make_parent(dir, ids, ret);
}

void parent_answer(const struct parent *p)
{
	const int fds[] = { p->userns, p->listen };
	int sock;

	while ((sock = accept4(p->listen, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		err_free(fd_send(sock, "", 1, fds, 2)); /* it did not wait */
		close(sock);
	}
}
