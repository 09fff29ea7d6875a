#include "slirp/nameserver.h"

#include <sys/socket.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/dns_msg.h"

enum {
	LENGTH = 2, /* bytes in front of a message over TCP */
	QUERY_MAX = 4096,
	OPEN_MAX = 16, /* queries of a connection without answer: then it is not read */
	OUT_MAX = 65536, /* bytes that wait for the client: likewise */
	TICK_MS = 1000,
};

struct conn {
	struct source src;
	struct nameserver *ns;
	struct conn *next;
	uint64_t serial; /* answers find it by this: it may be gone when they come */
	int64_t active_ms;
	unsigned open; /* queries without answer */
	bool ended; /* no more queries come */
	uint32_t events;
	struct str out; /* answers that the client has not taken */
	size_t in_len;
	uint8_t in[LENGTH + QUERY_MAX];
};

struct listener_source {
	struct source src;
	struct nameserver *ns;
	struct listener_source *next;
};

struct nameserver {
	struct loop *loop;
	struct names *names;
	struct dns *dns;
	struct listener_source *listeners;
	struct conn *conns;
	size_t n_conns;
	uint64_t last_serial;
	struct timer tick; /* runs while there are connections */
	uint8_t answer[NAMES_TCP_MAX];
};

void nameserver_query(struct nameserver *ns, const struct dns_client *c, const uint8_t *msg, size_t len)
{
	size_t max = c->tcp ? NAMES_TCP_MAX : NAMES_UDP_MAX, answer_len = 0;
	enum names_verdict verdict = NAMES_FORWARD;

	if (ns->names)
		verdict = names_answer(ns->names, msg, len, ns->answer, max, &answer_len);
	if (verdict == NAMES_FORWARD && !dns_query(ns->dns, c, msg, len) && c->tcp &&
	    len >= DNS_HEADER_LEN) {
		dns_refuse(msg, DNS_SERVFAIL, ns->answer); /* a connection waits, a datagram is sent again */
		answer_len = DNS_HEADER_LEN;
	}
	if (answer_len)
		c->reply(c->arg, c->key, ns->answer, answer_len);
}

static void conn_release(struct source *s)
{
	struct conn *c = container_of(s, struct conn, src);

	str_done(&c->out);
	free(c);
}

static void conn_end(struct conn *c)
{
	struct nameserver *ns = c->ns;
	struct conn **at = &ns->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (--ns->n_conns == 0)
		timer_set(&ns->tick, 0, 0);
	c->src.release = conn_release;
	loop_del_close(ns->loop, &c->src);
}

/* Give the client what it takes.  False: it is gone. */
static bool flush(struct conn *c)
{
	ssize_t n;

	if (!c->out.len)
		return true;
	n = send(c->src.fd, c->out.s, c->out.len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out.len -= (size_t)n;
	memmove(c->out.s, c->out.s + n, c->out.len);
	c->active_ms = time_mono_ms();
	return true;
}

/* Watch C for what it waits for, or end it when all is done. */
static void settle(struct conn *c)
{
	bool take = !c->ended && c->open < OPEN_MAX && c->out.len < OUT_MAX;
	uint32_t events = (take ? EPOLLIN : 0) | (c->out.len ? EPOLLOUT : 0);
	struct err *e = NULL;

	if (c->ended && !c->open && !c->out.len) {
		conn_end(c);
		return;
	}
	if (events != c->events)
		e = loop_mod(c->ns->loop, &c->src, events);
	err_free(e); /* an entry that exists can be changed */
	c->events = events;
}

/* Only adds to what waits: the caller may be in the middle of C. */
static void conn_reply(void *arg, const uint8_t key[DNS_CLIENT_MAX], const uint8_t *msg, size_t len)
{
	struct nameserver *ns = arg;
	uint8_t length[LENGTH] = { (uint8_t)(len >> 8), (uint8_t)len };
	struct conn *c = ns->conns;
	struct err *e;

	while (c && memcmp(&c->serial, key, sizeof(c->serial)) != 0)
		c = c->next;
	if (!c)
		return;
	str_addn(&c->out, length, sizeof(length));
	str_addn(&c->out, msg, len);
	c->open--;
	if (c->events & EPOLLOUT)
		return;
	c->events |= EPOLLOUT;
	e = loop_mod(ns->loop, &c->src, c->events);
	err_free(e); /* an entry that exists can be changed */
}

/* Ask what is whole among the bytes that have come.  False: the client talks nonsense. */
static bool take_queries(struct conn *c)
{
	while (c->in_len >= LENGTH && c->open < OPEN_MAX) {
		size_t len = (size_t)c->in[0] << 8 | c->in[1];
		struct dns_client client = { .reply = conn_reply, .arg = c->ns, .tcp = true };

		if (len > QUERY_MAX || len < DNS_HEADER_LEN ||
		    (c->in_len > LENGTH + 2 && c->in[LENGTH + 2] & 0x80))
			return false;
		if (c->in_len < LENGTH + len)
			return true;
		memcpy(client.key, &c->serial, sizeof(c->serial));
		c->open++;
		nameserver_query(c->ns, &client, c->in + LENGTH, len);
		c->in_len -= LENGTH + len;
		memmove(c->in, c->in + LENGTH + len, c->in_len);
	}
	return true;
}

static bool receive(struct conn *c)
{
	ssize_t n = recv(c->src.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->ended = n == 0;
	c->in_len += (size_t)n;
	c->active_ms = time_mono_ms();
	return true;
}

static struct err *conn_ready(struct source *s, uint32_t events)
{
	struct conn *c = container_of(s, struct conn, src);
	bool good = flush(c);

	if (good && !c->ended && c->in_len < sizeof(c->in) && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		good = receive(c);
	good = good && take_queries(c) && flush(c);
	if (!c->events && (events & (EPOLLERR | EPOLLHUP)))
		good = false; /* nobody is there to take an answer, and the event would come for ever */
	if (good)
		settle(c);
	else
		conn_end(c);
	return NULL;
}

static struct err *tick(struct timer *t)
{
	struct nameserver *ns = container_of(t, struct nameserver, tick);
	int64_t now = time_mono_ms();

	for (struct conn *c = ns->conns, *next; c; c = next) {
		next = c->next;
		if (now - c->active_ms > NAMESERVER_IDLE_MS)
			conn_end(c);
	}
	return NULL;
}

static void end_idlest(struct nameserver *ns)
{
	struct conn *idlest = ns->conns;

	for (struct conn *c = ns->conns; c; c = c->next)
		idlest = c->active_ms <= idlest->active_ms ? c : idlest;
	conn_end(idlest);
}

static struct err *listener_ready(struct source *s, uint32_t events UNUSED)
{
	struct nameserver *ns = container_of(s, struct listener_source, src)->ns;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;
	struct err *e;

	if (fd < 0) {
		if ((errno == EMFILE || errno == ENFILE) && ns->conns)
			end_idlest(ns);
		return NULL;
	}
	if (ns->n_conns >= NAMESERVER_CONNS)
		end_idlest(ns);
	c = xcalloc(1, sizeof(*c));
	c->src = (struct source){ .fd = fd, .ready = conn_ready };
	c->ns = ns;
	c->serial = ++ns->last_serial;
	c->active_ms = time_mono_ms();
	c->events = EPOLLIN;
	e = loop_add(ns->loop, &c->src, EPOLLIN);
	if (e) {
		err_free(e); /* no memory for it in the kernel: as if it had not come */
		close(fd);
		free(c);
		return NULL;
	}
	c->next = ns->conns;
	ns->conns = c;
	if (ns->n_conns++ == 0)
		timer_set(&ns->tick, TICK_MS, TICK_MS);
	return NULL;
}

struct err *nameserver_new(struct loop *loop, struct names *names, const char *path,
			   struct nameserver **ret)
{
	struct nameserver *ns = xcalloc(1, sizeof(*ns));
	struct err *e;

	ns->loop = loop;
	ns->names = names;
	e = dns_new(loop, path, &ns->dns);
	e = e ?: timer_init(loop, &ns->tick, tick);
	if (e) {
		dns_free(ns->dns);
		free(ns);
		return e;
	}
	*ret = ns;
	return NULL;
}

static void listener_release(struct source *s)
{
	free(container_of(s, struct listener_source, src));
}

struct err *nameserver_listen(struct nameserver *ns, int fd)
{
	struct listener_source *l = xcalloc(1, sizeof(*l));
	struct err *e;

	l->src = (struct source){ .fd = fd, .ready = listener_ready, .release = listener_release };
	l->ns = ns;
	e = loop_add(ns->loop, &l->src, EPOLLIN);
	if (e) {
		close(fd);
		free(l);
		return e;
	}
	l->next = ns->listeners;
	ns->listeners = l;
	return NULL;
}

static void nameserver_release(struct source *s)
{
	struct timer *t = container_of(s, struct timer, src);

	free(container_of(t, struct nameserver, tick));
}

void nameserver_free(struct nameserver *ns)
{
	if (!ns)
		return;
	while (ns->conns)
		conn_end(ns->conns);
	while (ns->listeners) {
		struct listener_source *l = ns->listeners;

		ns->listeners = l->next;
		loop_del_close(ns->loop, &l->src);
	}
	dns_free(ns->dns);
	ns->tick.src.release = nameserver_release;
	timer_done(ns->loop, &ns->tick);
}
