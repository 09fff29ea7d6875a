/* How readiness is asked for: connect to the server's port from inside, at the container's own address (a temporary
 * set-up server listens on a socket file or on the loopback only); send the protocol's greeting if it wants one; judge
 * the answer.  Refused, closed or "not yet": again after RETRY_MS. */
#include "core/box/relay_proc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/loop.h"
#include "core/base/proc.h"
#include "core/ns/userns.h"
#include "slirp/relay.h"

enum { RETRY_MS = 50, ANSWER_MS = 5000, ANSWER_MAX = 4096 };

struct proc {
	const struct relay_proc *cfg;
	struct loop loop;
	struct source control;
	struct relay *relay;
	bool stay, opened;
	struct net_addrs addrs;
	struct source conn; /* of the probe */
	struct timer timer;
	unsigned char got[ANSWER_MAX];
	size_t n_got;
	bool greeted;
};

static struct err *probe_start(struct proc *p);

static struct err *probe_again(struct proc *p)
{
	loop_del_close(&p->loop, &p->conn);
	timer_set(&p->timer, RETRY_MS, 0);
	return NULL;
}

static struct err *probe_done(struct proc *p)
{
	const char ready = RELAY_READY;

	loop_del_close(&p->loop, &p->conn);
	timer_set(&p->timer, 0, 0);
	if (send(p->control.fd, &ready, 1, MSG_NOSIGNAL) < 0 || (!p->cfg->listeners->n && !p->stay))
		loop_stop(&p->loop);
	return NULL;
}

static struct err *probe_io(struct source *s, uint32_t events UNUSED)
{
	struct proc *p = container_of(s, struct proc, conn);
	ssize_t n;

	if (!p->greeted) {
		unsigned char hello[512];
		size_t len = probe_greeting(p->cfg->probe, p->cfg->env, hello, sizeof(hello));
		int failed = 0;
		socklen_t size = sizeof(failed);

		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 || failed ||
		    (len && send(s->fd, hello, len, MSG_NOSIGNAL) != (ssize_t)len))
			return probe_again(p);
		p->greeted = true;
		return loop_mod(&p->loop, s, EPOLLIN);
	}
	n = recv(s->fd, p->got + p->n_got, sizeof(p->got) - p->n_got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0)
		p->n_got += (size_t)n;
	switch (probe_feed(p->cfg->probe, p->got, p->n_got)) {
	case PROBE_READY:
		return probe_done(p);
	case PROBE_MORE:
		if (n > 0 && p->n_got < sizeof(p->got))
			return NULL;
		break;
	case PROBE_NOT_YET:
		break;
	}
	return probe_again(p);
}

static struct err *probe_start(struct proc *p)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(recipe_port(p->cfg->probe)),
		.sin_addr = p->cfg->net ? p->addrs.ip : (struct in_addr){ htonl(INADDR_LOOPBACK) },
	};
	struct err *e;

	p->conn = (struct source){
		.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		.ready = probe_io,
	};
	p->n_got = 0;
	p->greeted = false;
	if (p->conn.fd < 0)
		return err_new(errno, "making a socket for the readiness probe");
	if (connect(p->conn.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno != EINPROGRESS) {
		close(TAKE_FD(p->conn.fd));
		timer_set(&p->timer, RETRY_MS, 0);
		return NULL;
	}
	timer_set(&p->timer, ANSWER_MS, 0);
	e = loop_add(&p->loop, &p->conn, EPOLLOUT);
	return e;
}

/* Both "time to try again" and "it took too long to answer". */
static struct err *probe_timer(struct timer *t)
{
	struct proc *p = container_of(t, struct proc, timer);

	loop_del_close(&p->loop, &p->conn);
	return probe_start(p);
}

/* --- connections that others have accepted --- */

struct channel {
	struct source src;
	struct proc *p;
};

static void channel_release(struct source *s)
{
	free(container_of(s, struct channel, src));
}

/* The relay is made when it is needed: R may have been started for the probe alone. */
static struct err *need_relay(struct proc *p)
{
	struct relay_cfg rc;

	if (p->relay)
		return NULL;
	if (!p->cfg->net)
		return err_new(0, "a container without a network of its own takes no connections");
	rc = (struct relay_cfg){ p->addrs, p->cfg->net->transparent, p->cfg->net->ipv6, p->cfg->traffic };
	return relay_new(&p->loop, &rc, &p->relay);
}

static struct err *channel_ready(struct source *s, uint32_t events UNUSED)
{
	struct channel *c = container_of(s, struct channel, src);
	union {
		struct relay_handover accepted;
		struct relay_outgoing outgoing;
	} msg;
	int fds[2] = { -1, -1 };
	size_t len, n = 2;
	struct err *e = fd_recv(s->fd, &msg, sizeof(msg), &len, fds, &n);

	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	if (!e && len == sizeof(msg.accepted) && n == 2) {
		e = relay_add_connection(c->p->relay, fds[0], msg.accepted.port, fds[1]);
		err_free(e); /* it has gone again */
		return NULL;
	}
	if (!e && len == sizeof(msg.outgoing) && n == 1) {
		err_free(relay_add_outgoing(c->p->relay, fds[0], &msg.outgoing)); /* who asked has gone again */
		return NULL;
	}
	err_free(e);
	for (size_t i = 0; !e && i < n; i++)
		close(fds[i]);
	loop_del_close(&c->p->loop, s);
	return NULL;
}

static void channel_add(struct proc *p, int fd)
{
	struct channel *c = xcalloc(1, sizeof(*c));
	struct err *e = need_relay(p);

	c->p = p;
	c->src = (struct source){ .fd = fd, .ready = channel_ready, .release = channel_release };
	e = e ?: fd_nonblock(fd, true);
	e = e ?: loop_add(&p->loop, &c->src, EPOLLIN);
	if (!e) {
		relay_devices_changed(p->relay); /* a network that was joined lately brings a channel of its own */
		p->stay = true;
		return;
	}
	err_free(e); /* who holds the other end sees it closed */
	close(fd);
	free(c);
}

static struct err *open_listeners(struct proc *p)
{
	struct err *e = NULL;

	if (!p->relay || p->opened)
		return NULL;
	p->opened = true;
	for (size_t i = 0; i < p->cfg->listeners->n && !e; i++)
		e = relay_add_listener(p->relay, &p->cfg->listeners->v[i]);
	return e;
}

static struct err *control_ready(struct source *s, uint32_t events UNUSED)
{
	struct proc *p = container_of(s, struct proc, control);
	size_t len = 0, n = 1;
	int fd = -1;
	char byte;
	struct err *e = fd_recv(s->fd, &byte, 1, &len, &fd, &n);

	if (!e && len && n)
		channel_add(p, fd);
	else if (!e && len == 1 && byte == RELAY_OPEN)
		e = open_listeners(p);
	else if (e || !len)
		loop_stop(&p->loop);
	err_free(e); /* the monitor has gone */
	return NULL;
}

static struct err *run(struct proc *p)
{
	const struct relay_proc *cfg = p->cfg;
	struct err *e = NULL;

	if (cfg->init_pidfd >= 0)
		e = userns_enter(cfg->init_pidfd, CLONE_NEWUSER | CLONE_NEWNET, cfg->single, NULL);
	if (e)
		return err_wrap(e, "reaching the container's network");
	/* what runs in there must not be able to look into us */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cfg->net)
		p->addrs = *cfg->addrs;
	e = loop_init(&p->loop);
	p->control = (struct source){ .fd = cfg->control, .ready = control_ready };
	e = e ?: loop_add(&p->loop, &p->control, EPOLLIN);
	if (cfg->listeners->n && cfg->net) {
		e = e ?: need_relay(p);
		if (!cfg->hold)
			e = e ?: open_listeners(p);
	}
	if (cfg->probe) {
		e = e ?: timer_init(&p->loop, &p->timer, probe_timer);
		e = e ?: probe_start(p);
	}
	if (e)
		return e;
	proc_trim_memory();
	proc_short_slice();
	return loop_run(&p->loop);
}

void relay_proc_main(const struct relay_proc *cfg)
{
	struct proc *p = xcalloc(1, sizeof(*p));
	struct err *e;

	p->cfg = cfg;
	p->stay = cfg->stay;
	p->conn.fd = -1;
	prctl(PR_SET_NAME, "devbox-relay");
	signal(SIGPIPE, SIG_IGN);
	e = run(p);
	if (e)
		err_send(cfg->control, e);
	_exit(e ? 1 : 0);
}
