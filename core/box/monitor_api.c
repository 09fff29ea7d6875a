/* Docker's API for the container itself.  How it works
 *
 *	monitor -- holds the listening socket, containers/<id>/docker.sock
 *	   +-- devbox system service --connection 3, one a connection, by exec
 *	         +-- a process a request (cmd/api/serve.c), and what that starts: the monitors of other containers
 *
 *  1 A run begins, and a mount stands for Docker's socket (apisock.h): the socket is made, once in the life of a
 *    monitor; what an earlier one has left is in nobody's way.  Further runs, by the restart policy, use it again.
 *    Init binds the file onto the mount's target as it binds any other, read-only or not: connecting writes nothing
 *    to a file system, so "ro" keeps nobody from it, as with Docker.  In there it is root's, or whose id the user has;
 *    where everybody has the user's id, it is root's all the same (apisock_admits()).
 *  2 Somebody connects: the monitor accepts, forks, and executes its own program (/proc/self/exe is that, also if there
 *    is another one under its name by now).  The child gets the connection as descriptor 3, /dev/null as 0 to 2, and
 *    the monitor's environment, which is that of the user's shell when the container was started: HOME and XDG_*,
 *    which say where the storage is, proxies, settings; DEVBOX_WITH is the container's own, its label (cmd/with.c).  Of
 *    the monitor's descriptors and blocked signals it gets nothing.  It is outside of the container's limits and
 *    namespaces, as the daemon would be.
 *  3 The connection ends, the child ends, its pidfd tells us.  Meanwhile not more than API_CONNECTIONS_MAX are served;
 *    the next ones wait in the socket's queue.  While nobody is connected there is no process.
 *  4 The container ends: so do its processes, and with them the connections.  What a request began is finished or cut
 *    as when any client hangs up.  The listener is closed with the monitor's other ones (end()); the file goes with the
 *    container's directory.
 *  kill -9 of the monitor: the listener is gone, who connects is refused; init dies, and with it the clients.  The
 *    children are nobody's, but end by themselves as in 4.
 *
 * A container that does not ask costs a pointer. */
#include "core/box/monitor_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/apisock.h"

enum { API_CONNECTIONS_MAX = 256, CONNECTION_FD = 3, SCARCE_WAIT_MS = 1000 };

struct monitor_api {
	struct source listen;
	struct monitor *m;
	struct timer again;
	unsigned connections;
};

struct connection {
	struct source src; /* its process */
	struct monitor_api *api;
};

static void connection_release(struct source *s)
{
	free(container_of(s, struct connection, src));
}

/* There is room for one more: go on accepting. */
static struct err *listen_again(struct monitor_api *api)
{
	return api->listen.fd >= 0 ? loop_mod(&api->m->loop, &api->listen, EPOLLIN) : NULL;
}

static struct err *connection_ended(struct source *s, uint32_t events UNUSED)
{
	struct monitor_api *api = container_of(s, struct connection, src)->api;
	int status;

	err_free(proc_wait(s->fd, &status)); /* how it ended is its client's affair */
	loop_del_close(&api->m->loop, s);
	api->connections--;
	return listen_again(api);
}

static struct err *scarce_no_more(struct timer *t)
{
	struct monitor_api *api = container_of(t, struct monitor_api, again);

	return api->connections < API_CONNECTIONS_MAX ? listen_again(api) : NULL;
}

NORETURN static void serve(const struct monitor_api *api, int fd)
{
	const char *with = strv_env(&api->m->b->spec.labels, LABEL_WITH);
	static char *argv[] = { "devbox", "system", "service", "--connection", "3", NULL };
	sigset_t none;

	if (dup2(fd, CONNECTION_FD) < 0 || fcntl(CONNECTION_FD, F_SETFD, 0) < 0)
		_exit(1);
	syscall(SYS_close_range, CONNECTION_FD + 1, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (with)
		setenv("DEVBOX_WITH", with, 1);
	else
		unsetenv("DEVBOX_WITH"); /* that of whoever has started the container, whose end is not its own */
	execv("/proc/self/exe", argv);
	_exit(1); /* the client sees its connection closed */
}

static struct err *connection_add(struct monitor_api *api, int fd)
{
	struct connection *c;
	struct err *e;
	pid_t pid = fork();
	int pidfd;

	if (pid == 0)
		serve(api, fd);
	if (pid < 0)
		return err_new(errno, "forking");
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		proc_kill_and_reap(pid); /* nobody would hear of its end */
		return err_new(errno, "watching a process");
	}
	c = xcalloc(1, sizeof(*c));
	c->api = api;
	c->src = (struct source){ .fd = pidfd, .ready = connection_ended, .release = connection_release };
	e = loop_add(&api->m->loop, &c->src, EPOLLIN);
	if (e) {
		proc_kill_and_reap(pid);
		close(pidfd);
		free(c);
		return e;
	}
	api->connections++;
	return NULL;
}

static struct err *api_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor_api *api = container_of(s, struct monitor_api, listen);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	bool scarce = fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;

	if (fd >= 0) {
		if (apisock_admits(&api->m->b->st->ids, fd))
			err_free(connection_add(api, fd)); /* that client sees its connection closed */
		close(fd);
	}
	if (scarce)
		timer_set(&api->again, SCARCE_WAIT_MS, 0);
	if (scarce || api->connections == API_CONNECTIONS_MAX)
		return loop_mod(&api->m->loop, s, 0); /* until one has ended, or after a while */
	return NULL;
}

struct err *monitor_api_open(struct monitor *m)
{
	struct monitor_api *api;
	struct err *e;
	int fd = -1;

	if (m->api || !apisock_wanted(&m->b->spec.mounts))
		return NULL;
	if (unlinkat(m->b->dir, APISOCK_NAME, 0) < 0 && errno != ENOENT)
		return err_new(errno, "removing an old API socket");
	e = fd_listen(m->b->dir, APISOCK_NAME, APISOCK_NAME, &fd);
	e = e ?: fd_nonblock(fd, true);
	if (e)
		return e;
	m->api = api = xcalloc(1, sizeof(*api));
	api->m = m;
	api->listen = (struct source){ .fd = fd, .ready = api_ready };
	e = timer_init(&m->loop, &api->again, scarce_no_more);
	return e ?: loop_add(&m->loop, &api->listen, EPOLLIN);
}

void monitor_api_close(struct monitor *m)
{
	if (!m->api)
		return;
	loop_del_close(&m->loop, &m->api->listen);
	timer_done(&m->loop, &m->api->again);
}

int monitor_api_fd(const struct monitor *m)
{
	return m->api ? m->api->listen.fd : -1;
}
