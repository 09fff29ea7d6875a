#include "slirp/dns.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/dns_msg.h"
#include "slirp/resolv.h"

enum {
	TRY_MS = 1500, /* then the next server is asked */
	GIVE_UP_MS = 6000, /* then the client is told */
	BAD_MS = 30000, /* a server that did not answer is asked last for so long */
	CONF_MAX = 65536,
	QUERY_MAX = 4096,
	LENGTH = 2, /* bytes in front of a message over TCP */
};

struct dns_pending {
	struct source src; /* connected to the server; fd -1 before the first was asked */
	struct dns *d;
	struct dns_pending *next;
	struct dns_client client;
	uint16_t client_id;
	bool sent; /* TCP: connected, and asked */
	uint8_t *in; /* TCP: LENGTH and the answer as far as it has come, or NULL */
	size_t in_len;
	int64_t due_ms, end_ms;
	unsigned tried; /* a bit for each of d->servers */
	size_t server; /* which now */
	unsigned generation; /* of the servers */
	size_t head, len; /* of query */
	uint8_t *query; /* behind its length */
	uint8_t wire[];
};

struct dns {
	struct loop *loop;
	const char *path;
	struct timer timer; /* at the first of the pending queries' due_ms */
	struct dns_pending *pending;
	size_t n_pending;
	struct stat seen; /* resolv.conf when it was read */
	struct resolv_server servers[RESOLV_SERVERS_MAX];
	int64_t bad_until[RESOLV_SERVERS_MAX];
	size_t n_servers;
	unsigned generation;
};

static void refresh(struct dns *d)
{
	_cleanup_free_ char *text = NULL;
	struct stat st = { 0 };
	struct err *e;

	/* Absent is a state, too: then all of ST is 0. */
	if (stat(d->path, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (d->generation && st.st_ino == d->seen.st_ino && st.st_dev == d->seen.st_dev &&
	    st.st_size == d->seen.st_size && st.st_mtim.tv_sec == d->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == d->seen.st_mtim.tv_nsec)
		return;
	e = fd_read_file(AT_FDCWD, d->path, CONF_MAX, &text, NULL);
	err_free(e); /* no file: the default, as resolv.conf(5) has it */
	d->seen = st;
	d->n_servers = resolv_servers(text, d->servers);
	memset(d->bad_until, 0, sizeof(d->bad_until));
	d->generation++;
}

static void set_timer(struct dns *d)
{
	int64_t due = 0, now = time_mono_ms();

	for (struct dns_pending *p = d->pending; p; p = p->next)
		due = !due || p->due_ms < due ? p->due_ms : due;
	timer_set(&d->timer, due > now ? due - now : due ? 1 : 0, 0);
}

static void pending_free(struct dns_pending *p)
{
	free(p->in);
	free(p);
}

static void pending_release(struct source *s)
{
	pending_free(container_of(s, struct dns_pending, src));
}

static void pending_end(struct dns_pending *p)
{
	struct dns *d = p->d;
	struct dns_pending **at;

	for (at = &d->pending; *at != p;)
		at = &(*at)->next;
	*at = p->next;
	d->n_pending--;
	if (p->src.fd < 0) {
		pending_free(p);
		return;
	}
	p->src.release = pending_release;
	loop_del_close(d->loop, &p->src);
}

static void reply(struct dns_pending *p, uint8_t *msg, size_t len)
{
	dns_set_id(msg, p->client_id);
	p->client.reply(p->client.arg, p->client.key, msg, len);
	pending_end(p);
}

static void fail(struct dns_pending *p)
{
	dns_make_error(p->query, DNS_SERVFAIL);
	reply(p, p->query, p->head);
}

/* The next server to ask: in the order of the file, those that are known to be bad after the
 * others.  False: all were. */
static bool choose(struct dns_pending *p, int64_t now)
{
	const struct dns *d = p->d;

	for (int bad = 0; bad <= 1 && p->generation == d->generation; bad++) {
		for (size_t i = 0; i < d->n_servers; i++) {
			if ((d->bad_until[i] > now) != bad || (p->tried & 1U << i))
				continue;
			p->tried |= 1U << i;
			p->server = i;
			return true;
		}
	}
	return false;
}

/* Could choose() find another one? */
static bool others_left(const struct dns_pending *p)
{
	return p->generation == p->d->generation && p->tried + 1 != 1U << p->d->n_servers;
}

static struct err *answer_ready(struct source *s, uint32_t events);

/* Ask SERVER; false if that fails at once.  The new socket takes the number of the old one: once the source was in the
 * loop, it keeps a descriptor until its end. */
static bool ask(struct dns_pending *p, const struct resolv_server *server)
{
	struct dns *d = p->d;
	int type = p->client.tcp ? SOCK_STREAM : SOCK_DGRAM;
	_cleanup_close_ int fd =
		socket(server->addr.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct err *e;

	if (fd < 0 || (connect(fd, &server->addr.sa, server->len) < 0 && errno != EINPROGRESS))
		return false;
	if (!p->client.tcp && send(fd, p->query, p->len, MSG_NOSIGNAL) < 0)
		return false;
	if (p->src.fd < 0)
		p->src.fd = TAKE_FD(fd);
	else if (dup3(fd, p->src.fd, O_CLOEXEC) < 0)
		return false;
	p->sent = !p->client.tcp;
	p->in_len = 0;
	p->src.ready = answer_ready;
	e = loop_add(d->loop, &p->src, p->sent ? EPOLLIN : EPOLLOUT);
	err_free(e); /* unheard, it times out */
	return true;
}

/* Ask the next server that takes the query, or tell the client that there is none. */
static void ask_next(struct dns_pending *p)
{
	struct dns *d = p->d;
	int64_t now = time_mono_ms();

	while (now < p->end_ms && choose(p, now)) {
		if (ask(p, &d->servers[p->server])) {
			p->due_ms = others_left(p) ? now + TRY_MS : p->end_ms;
			return;
		}
	}
	fail(p);
}

static void mark_bad(struct dns_pending *p)
{
	if (p->generation == p->d->generation)
		p->d->bad_until[p->server] = time_mono_ms() + BAD_MS;
}

static void ask_another(struct dns_pending *p)
{
	mark_bad(p);
	ask_next(p);
}

/* An answer has come; MSG may be overwritten. */
static void take_answer(struct dns_pending *p, uint8_t *msg, size_t len)
{
	enum dns_rcode rcode;

	if (!dns_answers(msg, len, p->query, p->len)) {
		if (p->client.tcp)
			ask_another(p); /* a connection has no stray answers */
		return;
	}
	rcode = dns_rcode(msg);
	if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP) && others_left(p))
		ask_next(p); /* another one may know */
	else
		reply(p, msg, len);
}

static void udp_ready(struct dns_pending *p)
{
	_cleanup_free_ uint8_t *msg = xmalloc(DNS_MSG_MAX);
	ssize_t n = recv(p->src.fd, msg, DNS_MSG_MAX, 0);

	if (n >= 0)
		take_answer(p, msg, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		ask_another(p); /* refused, unreachable */
}

/* The connection is there: the whole query fits into its buffer. */
static void tcp_send(struct dns_pending *p)
{
	ssize_t n = send(p->src.fd, p->wire, LENGTH + p->len, MSG_NOSIGNAL);
	struct err *e;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)(LENGTH + p->len)) {
		ask_another(p);
		return;
	}
	p->sent = true;
	e = loop_mod(p->d->loop, &p->src, EPOLLIN);
	err_free(e); /* an entry that exists can be changed */
}

static void tcp_receive(struct dns_pending *p)
{
	ssize_t n;
	size_t len;

	p->in = p->in ?: xmalloc(LENGTH + DNS_MSG_MAX);
	n = recv(p->src.fd, p->in + p->in_len, LENGTH + DNS_MSG_MAX - p->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ask_another(p);
		return;
	}
	p->in_len += (size_t)n;
	len = p->in_len < LENGTH ? DNS_MSG_MAX : (size_t)p->in[0] << 8 | p->in[1];
	if (p->in_len >= LENGTH + len)
		take_answer(p, p->in + LENGTH, len);
}

static struct err *answer_ready(struct source *s, uint32_t events UNUSED)
{
	struct dns_pending *p = container_of(s, struct dns_pending, src);
	struct dns *d = p->d;

	if (!p->client.tcp)
		udp_ready(p);
	else if (!p->sent)
		tcp_send(p);
	else
		tcp_receive(p);
	set_timer(d);
	return NULL;
}

static struct err *timed_out(struct timer *t)
{
	struct dns *d = container_of(t, struct dns, timer);
	int64_t now = time_mono_ms();

	for (struct dns_pending *p = d->pending, *next; p; p = next) {
		next = p->next;
		if (p->due_ms <= now)
			ask_another(p);
	}
	set_timer(d);
	return NULL;
}

/* Is there a place for a query with ID of C?  Not if it is there already, asked again out of impatience. */
static bool has_place(const struct dns *d, const struct dns_client *c, uint16_t id)
{
	size_t theirs = 0;

	if (d->n_pending >= DNS_PENDING_MAX)
		return false;
	for (const struct dns_pending *p = d->pending; p; p = p->next) {
		if (p->client.who != c->who)
			continue;
		if (p->client_id == id && p->client.tcp == c->tcp &&
		    memcmp(p->client.key, c->key, DNS_CLIENT_MAX) == 0)
			return false;
		theirs++;
	}
	return theirs < DNS_PENDING_EACH;
}

bool dns_query(struct dns *d, const struct dns_client *c, const uint8_t *msg, size_t len)
{
	size_t head = dns_query_len(msg, len);
	struct dns_pending *p;
	uint16_t id;

	if (!head || len > QUERY_MAX || !has_place(d, c, dns_id(msg)))
		return false;
	refresh(d);
	random_bytes(&id, sizeof(id));
	p = xcalloc(1, sizeof(*p) + LENGTH + len);
	p->src.fd = -1;
	p->d = d;
	p->client = *c;
	p->client_id = dns_id(msg);
	p->head = head;
	p->len = len;
	p->query = p->wire + LENGTH;
	p->wire[0] = (uint8_t)(len >> 8);
	p->wire[1] = (uint8_t)len;
	memcpy(p->query, msg, len);
	dns_set_id(p->query, id);
	p->generation = d->generation;
	p->end_ms = time_mono_ms() + GIVE_UP_MS;
	p->next = d->pending;
	d->pending = p;
	d->n_pending++;
	ask_next(p);
	set_timer(d);
	return true;
}

struct err *dns_new(struct loop *loop, const char *path, struct dns **ret)
{
	struct dns *d = xcalloc(1, sizeof(*d));
	struct err *e;

	d->loop = loop;
	d->path = path;
	e = timer_init(loop, &d->timer, timed_out);
	if (e) {
		free(d);
		return e;
	}
	*ret = d;
	return NULL;
}

static void dns_release(struct source *s)
{
	struct timer *t = container_of(s, struct timer, src);

	free(container_of(t, struct dns, timer));
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	while (d->pending)
		pending_end(d->pending);
	d->timer.src.release = dns_release;
	timer_done(d->loop, &d->timer);
}
