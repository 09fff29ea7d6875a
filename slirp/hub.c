/* How it works
 *
 *	monitor of a container --connect, JOIN (slirp/join.h) with its packet descriptor--> hub_member
 *	the same with the container's network namespace --> a port at the bridge (slirp/bridge.c), if that can be had
 *	hub_member --> switch_port (slirp/switch.c), names (slirp/names.c)
 *	the switch --query()--> nameserver (slirp/nameserver.c) --switch_answer()--> the switch
 *	the same, from a container on several networks --> their processes (slirp/sisters.c), then the nameserver
 *	libslirp --TCP to port 53--> unix socket "dns" --> the same nameserver
 *
 * The first monitor that finds nobody behind "ctl" takes the lock, binds "ctl" anew and forks us (core/box/
 * membership.c): connections are queued from that moment.  With the last member gone we look once more whether somebody
 * has connected, then end; who connects in just this moment sees his connection reset, and does the same again.
 *
 * If we are killed, every monitor sees its connection end, one of them forks the next of us, and all join again with
 * the same addresses and copies of the same descriptors: frames wait in the devices meanwhile, and a bridge goes on
 * forwarding.  Should a new container come before the old ones have come back, there are two bridges then, and we are
 * the way from one to the other. */
#include "slirp/hub.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "slirp/bridge.h"
#include "slirp/dns_msg.h"
#include "slirp/join.h"
#include "slirp/nameserver.h"
#include "slirp/sisters.h"
#include "slirp/stack.h"
#include "slirp/switch.h"

enum { FIRST_MS = 10000, QUIET_MS = 1000, BACKLOG = 128 };

struct hub_member {
	struct source src;
	struct hub *h;
	struct hub_member *next;
	struct switch_port *port; /* NULL until it has joined */
	char *id;
	uint8_t mac[NET_MAC_LEN];
	struct strv others;
};

struct hub_bridge {
	struct bridge *b;
	struct switch_bridge *sw;
	struct hub_bridge *next;
};

struct hub {
	const struct hub_cfg *cfg;
	struct loop loop;
	struct source listen;
	struct netswitch *sw;
	struct names *names;
	struct nameserver *ns;
	struct sisters *sisters;
	struct hub_member *members;
	struct hub_bridge *bridges;
	bool no_bridge; /* it could not be made for the containers that it was to be made for */
	struct timer first; /* somebody must come; then: it is quiet after somebody came */
	char dns_path[64];
};

/* -- members --------------------------------------------------------------------------------------------------- */

static void member_release(struct source *s)
{
	struct hub_member *m = container_of(s, struct hub_member, src);

	free(m->id);
	strv_done(&m->others);
	free(m);
}

static bool accept_all(struct hub *h);

/* The name server may have them already under another connection: a monitor that came back. */
static void leave_names(struct hub_member *m)
{
	for (const struct hub_member *o = m->h->members; o; o = o->next)
		if (o != m && o->id && !strcmp(o->id, m->id))
			return;
	names_remove(m->h->names, m->id);
}

static void leave(struct hub_member *m)
{
	struct hub *h = m->h;
	struct hub_member **at = &h->members;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (m->port) {
		switch_detach(m->port);
		leave_names(m);
	}
	m->src.release = member_release;
	loop_del_close(&h->loop, &m->src);
	if (!h->members && !accept_all(h))
		loop_stop(&h->loop);
}

static void enter_names(struct hub_member *m, const struct join *j)
{
	const struct names_member n = {
		.id = j->id, .names = (const char *const *)j->names.v, .ip = j->ip, .ip6 = j->ip6
	};

	names_add(m->h->names, &n);
	memcpy(m->mac, j->mac, sizeof(m->mac));
	strv_done(&m->others);
	strv_copy(&m->others, &j->others);
}

/* AROUND: see bridge_new(); or, if it is -1, the one in the namespace NS, which another of us has made. */
static struct err *get_bridge(struct hub *h, int around, int ns, struct hub_bridge **ret)
{
	const struct net_addrs *a = &h->cfg->addrs;
	struct hub_bridge *hb = h->bridges;
	uint8_t gateway[NET_MAC_LEN];
	struct bridge *b = NULL;
	struct switch_bridge *sw = NULL;
	int packet_fd = -1;
	struct err *e;

	if (around >= 0 && h->no_bridge)
		return err_new(0, "there can be no bridge");
	while (hb && !(around < 0 ? bridge_is(hb->b, ns) : bridge_fits(hb->b, around)))
		hb = hb->next;
	*ret = hb;
	if (hb)
		return NULL;
	stack_mac(a->gateway, gateway);
	e = around < 0 ? bridge_take(ns, a, gateway, &b, &packet_fd)
		       : bridge_new(around, a, gateway, &b, &packet_fd);
	e = e ?: switch_bridge(h->sw, packet_fd, &sw);
	if (e) {
		bridge_free(b);
		return e;
	}
	hb = xcalloc(1, sizeof(*hb));
	*hb = (struct hub_bridge){ b, sw, h->bridges };
	*ret = h->bridges = hb;
	return NULL;
}

/* It wishes for a device that leads to a bridge. */
static void offer_bridge(struct hub_member *m, const struct join *j, int ctr_ns)
{
	struct hub_bridge *hb = NULL;
	struct err *e = get_bridge(m->h, ctr_ns, -1, &hb);
	const char yes = JOIN_BRIDGED, no = JOIN_ALONE;
	struct bridge_guest guest = { .ip = j->ip, .ip6 = j->device_ip6 };
	int ns;

	memcpy(guest.mac, j->mac, sizeof(guest.mac));
	e = e ?: bridge_port(hb->b, ctr_ns, j->device, &guest);
	if (e) {
		err_free(e); /* 'devbox doctor' tells; there is the other way */
		err_free(fd_send(m->src.fd, &no, 1, NULL, 0)); /* it is gone: that is the next event */
		return;
	}
	m->port = switch_attach_behind(hb->sw, j);
	ns = bridge_ns(hb->b);
	err_free(fd_send(m->src.fd, &yes, 1, &ns, 1));
}

/* Takes over FD. */
static struct err *attach(struct hub_member *m, const struct join *j, int fd)
{
	struct hub_bridge *hb = NULL;
	struct err *e;

	if (j->kind == PACKET_BRIDGE) {
		_cleanup_close_ int ns = fd;

		if (j->device) {
			offer_bridge(m, j, ns);
			return NULL;
		}
		e = get_bridge(m->h, -1, ns, &hb);
		if (!e)
			m->port = switch_attach_behind(hb->sw, j);
		return e;
	}
	e = fd_nonblock(fd, true);
	if (e) {
		close(fd);
		return e;
	}
	return switch_attach(m->h->sw, fd, j, &m->port);
}

/* FD -1: it has joined before, other things are to be known of it. */
static struct err *join(struct hub_member *m, const struct join *j, int fd)
{
	struct err *e;

	if (m->port) {
		if (fd >= 0)
			close(fd);
		switch_update(m->port, j);
		enter_names(m, j);
		return NULL;
	}
	if (fd < 0)
		return err_new(0, "joining without a device");
	e = attach(m, j, fd);
	if (e || !m->port)
		return e;
	m->id = xstrdup(j->id);
	enter_names(m, j);
	timer_set(&m->h->first, QUIET_MS, 0);
	return NULL;
}

/* The switch wishes for a way to the container's relay: its monitor answers with one byte, and a descriptor if there is
 * one. */
static void want_relay(void *arg, struct switch_port *p)
{
	struct hub *h = arg;
	struct hub_member *m = h->members;
	const char wish = JOIN_RELAY;

	while (m && m->port != p)
		m = m->next;
	if (m && send(m->src.fd, &wish, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		switch_relay(p, -1);
}

static struct err *member_ready(struct source *s, uint32_t events UNUSED)
{
	struct hub_member *m = container_of(s, struct hub_member, src);
	_cleanup_free_ char *buf = xmalloc(JOIN_MAX);
	_cleanup_join_ struct join j = { 0 };
	size_t len, n_fds = 1;
	int fd = -1;
	struct err *e = fd_recv(s->fd, buf, JOIN_MAX, &len, &fd, &n_fds);

	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	if (!e && len == 1 && m->port) {
		switch_relay(m->port, fd);
		return NULL;
	}
	if (!e && len)
		e = join_parse(buf, len, &j);
	if (!e && len && j.id)
		e = join(m, &j, fd);
	else if (fd >= 0)
		close(fd);
	if (e || !len || !j.id) {
		err_free(e); /* nobody to tell: its monitor sees the connection end */
		leave(m);
	}
	return NULL;
}

/* True: somebody came.  Without descriptors he waits a moment, and we do not turn in circles meanwhile. */
static bool accept_all(struct hub *h)
{
	bool any = false;
	int fd;

	while ((fd = accept4(h->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct hub_member *m = xcalloc(1, sizeof(*m));
		struct err *e;

		m->src = (struct source){ .fd = fd, .ready = member_ready };
		m->h = h;
		e = loop_add(&h->loop, &m->src, EPOLLIN);
		if (e) {
			err_free(e); /* its monitor sees the connection end and tries again */
			close(fd);
			free(m);
			continue;
		}
		m->next = h->members;
		h->members = m;
		any = true;
	}
	if (errno != EAGAIN && h->members) {
		err_free(loop_mod(&h->loop, &h->listen, 0)); /* it is in the loop: cannot fail */
		timer_set(&h->first, QUIET_MS, 0);
	}
	return any;
}

static struct err *listen_ready(struct source *s, uint32_t events UNUSED)
{
	accept_all(container_of(s, struct hub, listen));
	return NULL;
}

static struct err *first_due(struct timer *t)
{
	struct hub *h = container_of(t, struct hub, first);

	if (!h->members) { /* nobody came */
		loop_stop(&h->loop);
		return NULL;
	}
	proc_trim_memory(); /* what joining needed */
	return loop_mod(&h->loop, &h->listen, EPOLLIN); /* see accept_all() */
}

/* -- names ----------------------------------------------------------------------------------------------------- */

_Static_assert((int)FRAME_UDP_HEAD <= (int)DNS_CLIENT_MAX,
	       "a client is known by the headers of its question");

static void reply(void *arg, const uint8_t head[DNS_CLIENT_MAX], const uint8_t *msg, size_t len)
{
	const struct hub *h = arg;

	switch_answer(h->sw, head, msg, len);
}

static void none_knows(void *arg, const struct dns_client *c, const uint8_t *msg, size_t len)
{
	const struct hub *h = arg;

	nameserver_query(h->ns, c, msg, len);
}

/* Is it one of our own names?  Then it is answered. */
static bool answer_own(struct hub *h, const struct dns_client *c, const uint8_t *msg, size_t len)
{
	uint8_t answer[NAMES_UDP_MAX];
	size_t n;

	if (names_answer(h->names, msg, len, answer, sizeof(answer), &n) != NAMES_ANSWER ||
	    dns_rcode(answer) != DNS_NOERROR)
		return false;
	c->reply(c->arg, c->key, answer, n);
	return true;
}

static void query(void *arg, const uint8_t head[FRAME_UDP_HEAD], const uint8_t *msg, size_t len)
{
	struct hub *h = arg;
	struct dns_client c = { .reply = reply, .arg = h };
	const struct hub_member *m = h->members;

	memcpy(c.key, head, FRAME_UDP_HEAD);
	memcpy(&c.who, head + 8, sizeof(c.who)); /* the end of the sender's hardware address */
	c.who |= 1; /* 0 is that of TCP */
	while (m && memcmp(m->mac, head + NET_MAC_LEN, NET_MAC_LEN) != 0)
		m = m->next;
	if (!m || !m->others.n)
		nameserver_query(h->ns, &c, msg, len);
	else if (!answer_own(h, &c, msg, len))
		sisters_ask(h->sisters, &m->others, &c, msg, len);
}

static struct err *listen_dns(struct hub *h)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	fd_sun(h->cfg->dir, "dns", &sun);
	memcpy(h->dns_path, sun.sun_path, sizeof(h->dns_path) - 1);
	if (unlinkat(h->cfg->dir, "dns", 0) < 0 && errno != ENOENT)
		return err_new(errno, "removing an old socket");
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, BACKLOG) < 0)
		return err_new(errno, "opening the name server's socket");
	return nameserver_listen(h->ns, TAKE_FD(fd));
}

/* -- the process ----------------------------------------------------------------------------------------------- */

static struct err *run(struct hub *h)
{
	const struct hub_cfg *cfg = h->cfg;
	struct switch_cfg sc = {
		.addrs = cfg->addrs,
		.ipv6 = cfg->ipv6,
		.internal = cfg->internal,
		.dns_socket = h->dns_path,
		.query = query,
		.want_relay = want_relay,
		.arg = h,
	};
	struct names_cfg nc = { cfg->name, cfg->addrs, cfg->ipv6, cfg->internal };
	struct err *e = loop_init(&h->loop);

	h->names = names_new(&nc);
	e = e ?: nameserver_new(&h->loop, h->names, "/etc/resolv.conf", &h->ns);
	e = e ?: listen_dns(h);
	e = e ?: sisters_new(&h->loop, cfg->dir, h->names, none_knows, h, &h->sisters);
	e = e ?: switch_new(&h->loop, &sc, &h->sw);
	e = e ?: timer_init(&h->loop, &h->first, first_due);
	h->listen = (struct source){ .fd = cfg->listen, .ready = listen_ready };
	e = e ?: loop_add(&h->loop, &h->listen, EPOLLIN);
	if (e)
		return e;
	timer_set(&h->first, FIRST_MS, 0);
	if (cfg->parent >= 0) {
		struct hub_bridge *hb = NULL;

		e = get_bridge(h, cfg->parent, -1, &hb);
		h->no_bridge = e != NULL;
		err_free(e); /* who wishes for a port hears of it */
	}
	return loop_run(&h->loop);
}

/* Two descriptors a member, and one a connection of the stack. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

void hub_main(const struct hub_cfg *cfg)
{
	struct hub *h = xcalloc(1, sizeof(*h));
	struct err *e;

	h->cfg = cfg;
	prctl(PR_SET_NAME, "devbox-network");
	proc_title_set("devbox: network %s", cfg->name);
	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	e = run(h);
	/* under the lock, so that it is nobody else's */
	unlinkat(cfg->dir, "ctl", 0);
	unlinkat(cfg->dir, "dns", 0);
	sisters_end(h->sisters);
	_exit(e ? 1 : 0);
}
