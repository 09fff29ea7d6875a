#include "core/box/monitor_priv.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/relay_proc.h"

enum { RELAY_MIN_MS = 1000 };

void monitor_relay_stop(struct monitor *m)
{
	timer_set(&m->relay_timer, 0, 0);
	loop_del_close(&m->loop, &m->relay);
	if (m->relay_pid > 0)
		proc_kill_and_reap(m->relay_pid);
	m->relay_pid = 0;
}

/* It ends by itself when there is nothing (more) to do.  With ports to serve that is a crash or a
 * kill: another one takes over the listeners, in a moment if this one did not live long. */
static struct err *relay_ended(struct monitor *m)
{
	bool again = m->phase != EXITED && (m->listeners.n || m->relay_stays);

	monitor_relay_stop(m);
	if (again)
		timer_set(&m->relay_timer,
			  time_mono_ms() - m->relay_start_ms > RELAY_MIN_MS ? 1 : RELAY_MIN_MS, 0);
	return NULL;
}

struct err *monitor_relay_again(struct timer *t)
{
	/* after an error the container goes on without ports */
	err_free(monitor_relay_start(container_of(t, struct monitor, relay_timer)));
	return NULL;
}

static void announce_ready(struct monitor *m)
{
	const char open = RELAY_OPEN;

	free(TAKE_PTR(m->b->spec.init_key)); /* only the first run sets up anything */
	if (m->relay.fd >= 0 && send(m->relay.fd, &open, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err_free(relay_ended(m)); /* always NULL */
	m->b->state.ready = true;
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: it is asked of us as well */
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached || c->wants_ready)
			monitor_send(c, CTL_READY, 0, NULL, 0, -1);
}

static void init_kept(struct initkeep *k)
{
	announce_ready(container_of(k, struct monitor, initkeep));
}

static struct err *relay_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, relay);
	char byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0 || byte != RELAY_READY)
		return relay_ended(m);
	if (m->b->spec.init_key) { /* what it has set up is remembered before anybody can change it */
		struct err *e = initkeep_start(&m->initkeep, &m->loop, m->b, recipe_port(m->recipe),
					       init_kept);

		if (!e)
			return NULL;
		err_free(e); /* not remembered */
	}
	announce_ready(m);
	return NULL;
}

/* In the relay: what is not closed here would stay open as long as it lives.  The lock would
 * outlive the monitor; the container's stdin would never end, its output never break; its first
 * process would not see that the monitor is gone. */
static void relay_close(struct monitor *m, int control)
{
	const int fds[] = { m->lock,	      m->loop.epfd,	control,	  m->sync.fd,
			    m->in.fd,	      m->out[0].src.fd, m->out[1].src.fd, m->tty_slave,
			    m->listen.fd,     m->signals.fd,	m->mnt_ns,	  m->parent.userns,
			    m->parent.listen, monitor_api_fd(m) };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; m->holds && i < m->b->spec.mounts.n; i++)
		if (m->holds[i] >= 0)
			close(m->holds[i]);
	for (struct client *c = m->clients; c; c = c->next)
		close(c->src.fd);
	boxnet_close(&m->nets);
}

/* NULL: then nothing is counted. */
static struct relay_traffic *map_traffic(void)
{
	void *p = mmap(NULL, sizeof(struct relay_traffic), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct err *monitor_relay_start(struct monitor *m)
{
	static const struct listeners none;
	struct relay_proc p = {
		.init_pidfd = m->b->spec.net == NET_HOST ? -1 : m->init.fd,
		.single = m->b->st->ids.single,
		.net = m->nets.n ? &m->nets.ns : NULL,
		.addrs = m->nets.n ? &m->nets.v[0]->addrs : NULL,
		.listeners = m->nets.n ? &m->listeners : &none,
		.probe = m->b->state.ready ? NULL : m->recipe,
		.env = &m->b->spec.env,
		.stay = m->relay_stays,
		.hold = m->b->spec.init_key && !m->b->state.ready,
	};
	int fds[2];
	pid_t pid;
	struct err *e;

	if (!p.listeners->n && !p.probe && !p.stay)
		return NULL;
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	listeners_listen(&m->listeners);
	p.traffic = m->traffic = m->traffic ?: map_traffic();
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking the port relay");
	if (pid == 0) {
		sigset_t none_blocked;

		relay_close(m, fds[0]);
		sigemptyset(&none_blocked);
		sigprocmask(SIG_SETMASK, &none_blocked, NULL);
		p.control = fds[1];
		proc_title_set("devbox: relay of %s", m->b->spec.name);
		relay_proc_main(&p);
	}
	close(fds[1]);
	m->relay_pid = pid;
	m->relay_start_ms = time_mono_ms();
	m->relay = (struct source){ .fd = fds[0], .ready = relay_ready };
	return loop_add(&m->loop, &m->relay, EPOLLIN);
}

/* A way to hand connections over to the relay. */
static struct err *open_channel(struct monitor *m, int *ret_fd)
{
	_cleanup_close_ int theirs = -1, ours = -1;
	struct err *e;
	int fds[2];

	m->relay_stays = true;
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	ours = fds[0];
	theirs = fds[1];
	e = m->relay.fd < 0 ? monitor_relay_start(m) : NULL;
	e = e ?: fd_send(m->relay.fd, "", 1, &theirs, 1);
	if (!e)
		*ret_fd = TAKE_FD(ours);
	return e;
}

void monitor_want_relay(void *arg, struct membership *ms)
{
	_cleanup_close_ int fd = -1;
	struct monitor *m = arg;

	if (m->init.fd >= 0 && m->phase != EXITED && m->nets.ns.transparent)
		err_free(open_channel(m, &fd)); /* without it the stack does it */
	membership_relay(ms, fd);
}

void monitor_relay_channel(struct client *c)
{
	_cleanup_close_ int fd = -1;
	struct monitor *m = c->m;
	struct err *e = NULL;

	if (m->phase != RUNNING || m->b->spec.net != NET_DEFAULT)
		e = err_new(0, "container %s takes no connections", m->b->spec.name);
	e = e ?: open_channel(m, &fd);

	if (e)
		monitor_fail(c, e);
	else
		monitor_send(c, CTL_OK, 0, NULL, 0, fd);
}
