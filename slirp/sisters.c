#include "slirp/sisters.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "slirp/dns_msg.h"

enum { BACKLOG = 128, QUERY_MAX = 4096, UDP_MIN = 512, ANCOUNT_AT = 6 };

/* A query on its way through other networks. */
struct ask {
	struct source src; /* connected to the one asked now */
	struct sisters *s;
	struct ask *next;
	struct dns_client client;
	struct strv others;
	size_t at; /* the next one */
	int64_t due_ms;
	size_t len;
	uint8_t msg[];
};

/* Somebody who asks us. */
struct asker {
	struct source src;
	struct sisters *s;
};

struct sisters {
	struct loop *loop;
	int dir;
	struct names *names;
	void (*none_knows)(void *arg, const struct dns_client *c, const uint8_t *msg, size_t len);
	void *arg;
	struct source listen;
	struct timer timer; /* runs while something is asked */
	struct ask *asks;
	size_t n_asks;
};

/* -- being asked ----------------------------------------------------------------------------------------------- */

static void asker_release(struct source *src)
{
	free(container_of(src, struct asker, src));
}

static struct err *asker_ready(struct source *src, uint32_t events UNUSED)
{
	struct asker *a = container_of(src, struct asker, src);
	uint8_t query[QUERY_MAX], answer[NAMES_UDP_MAX] = { SISTERS_NOT_MINE };
	ssize_t n = recv(src->fd, query, sizeof(query), MSG_DONTWAIT);
	size_t len = 1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0 && names_answer(a->s->names, query, (size_t)n, answer, sizeof(answer), &len) !=
			     NAMES_ANSWER)
		len = 1;
	if (len == 1)
		answer[0] = SISTERS_NOT_MINE;
	if (n > 0)
		send(src->fd, answer, len,
		     MSG_DONTWAIT | MSG_NOSIGNAL); /* it does not wait: it has its reasons */
	src->release = asker_release;
	loop_del_close(a->s->loop, src);
	return NULL;
}

static struct err *listen_ready(struct source *src, uint32_t events UNUSED)
{
	struct sisters *s = container_of(src, struct sisters, listen);
	int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct asker *a;
	struct err *e;

	if (fd < 0)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->src = (struct source){ .fd = fd, .ready = asker_ready };
	a->s = s;
	e = loop_add(s->loop, &a->src, EPOLLIN);
	if (e) {
		err_free(e); /* out of memory in the kernel: it is answered by the end of the connection */
		close(fd);
		free(a);
	}
	return NULL;
}

/* -- asking ---------------------------------------------------------------------------------------------------- */

static void ask_free(struct ask *a)
{
	strv_done(&a->others);
	free(a);
}

static void ask_release(struct source *src)
{
	ask_free(container_of(src, struct ask, src));
}

static void ask_end(struct ask *a)
{
	struct sisters *s = a->s;
	struct ask **at = &s->asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	s->n_asks--;
	if (!s->asks)
		timer_set(&s->timer, 0, 0);
	if (a->src.fd < 0) {
		ask_free(a);
		return;
	}
	a->src.release = ask_release;
	loop_del_close(s->loop, &a->src);
}

/* NAME comes from a monitor, but for a container that was given the user's home. */
static int reach(struct sisters *s, const char *name)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_close_ int dir = -1;
	_cleanup_free_ char *path = xasprintf("../%s", name);
	struct sockaddr_un sun;

	if (sock < 0 || *name == '.' || strchr(name, '/'))
		return -1;
	dir = openat(s->dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd_sun(dir, "names", &sun);
	return connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -1 : TAKE_FD(sock);
}

static struct err *answer_ready(struct source *src, uint32_t events);

/* A source keeps its number once it is in the loop, as an event of this batch may be for it: dup3(2). */
static bool put_socket(struct ask *a, int sock)
{
	struct err *e;

	if (a->src.fd < 0) {
		a->src = (struct source){ .fd = sock, .ready = answer_ready };
	} else {
		bool done = dup3(sock, a->src.fd, O_CLOEXEC) >= 0;

		close(sock);
		if (!done)
			return false;
	}
	e = loop_add(a->s->loop, &a->src, EPOLLIN);
	err_free(e); /* unheard, it times out */
	return true;
}

static void ask_next(struct ask *a)
{
	while (a->at < a->others.n) {
		int sock = reach(a->s, a->others.v[a->at++]);

		if (sock < 0)
			continue;
		if (send(sock, a->msg, a->len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)a->len) {
			close(sock);
			continue;
		}
		if (!put_socket(a, sock))
			continue;
		a->due_ms = time_mono_ms() + SISTERS_WAIT_MS;
		return;
	}
	a->s->none_knows(a->s->arg, &a->client, a->msg, a->len);
	ask_end(a);
}

/* Does it have records?  Whatever is too long for a plain datagram is left to who can cut it. */
static bool is_good(const uint8_t *msg, size_t len, const struct ask *a)
{
	return len >= DNS_HEADER_LEN && len <= UDP_MIN && dns_answers(msg, len, a->msg, a->len) &&
	       dns_rcode(msg) == DNS_NOERROR && (msg[ANCOUNT_AT] || msg[ANCOUNT_AT + 1]);
}

static struct err *answer_ready(struct source *src, uint32_t events UNUSED)
{
	struct ask *a = container_of(src, struct ask, src);
	uint8_t msg[NAMES_UDP_MAX];
	ssize_t n = recv(src->fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0 && is_good(msg, (size_t)n, a)) {
		a->client.reply(a->client.arg, a->client.key, msg, (size_t)n);
		ask_end(a);
	} else {
		ask_next(a);
	}
	return NULL;
}

static struct err *timed_out(struct timer *t)
{
	struct sisters *s = container_of(t, struct sisters, timer);
	int64_t now = time_mono_ms();

	for (struct ask *a = s->asks, *next; a; a = next) {
		next = a->next;
		if (a->due_ms <= now)
			ask_next(a);
	}
	return NULL;
}

void sisters_ask(struct sisters *s, const struct strv *others, const struct dns_client *c,
		 const uint8_t *msg, size_t len)
{
	struct ask *a;

	if (s->n_asks >= SISTERS_PENDING_MAX || len > QUERY_MAX || !dns_query_len(msg, len)) {
		s->none_knows(s->arg, c, msg, len);
		return;
	}
	a = xcalloc(1, sizeof(*a) + len);
	a->src.fd = -1;
	a->s = s;
	a->client = *c;
	strv_copy(&a->others, others);
	a->len = len;
	memcpy(a->msg, msg, len);
	a->next = s->asks;
	s->asks = a;
	if (!s->n_asks++)
		timer_set(&s->timer, SISTERS_WAIT_MS, SISTERS_WAIT_MS);
	ask_next(a);
}

/* -- making ---------------------------------------------------------------------------------------------------- */

struct err *sisters_new(struct loop *loop, int dir, struct names *names,
			void (*none_knows)(void *arg, const struct dns_client *c,
					   const uint8_t *msg, size_t len),
			void *arg, struct sisters **ret)
{
	struct sisters *s = xcalloc(1, sizeof(*s));
	struct sockaddr_un sun;
	struct err *e = NULL;

	*s = (struct sisters){
		.loop = loop, .dir = dir, .names = names, .none_knows = none_knows, .arg = arg
	};
	s->listen = (struct source){
		.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		.ready = listen_ready,
	};
	fd_sun(dir, "names", &sun);
	if (unlinkat(dir, "names", 0) < 0 && errno != ENOENT)
		e = err_new(errno, "removing an old socket");
	else if (s->listen.fd < 0 || bind(s->listen.fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
		 listen(s->listen.fd, BACKLOG) < 0)
		e = err_new(errno, "opening the socket for names");
	e = e ?: loop_add(loop, &s->listen, EPOLLIN);
	e = e ?: timer_init(loop, &s->timer, timed_out);
	if (e) {
		if (s->listen.fd >= 0)
			close(s->listen.fd);
		free(s);
		return e;
	}
	*ret = s;
	return NULL;
}

void sisters_end(struct sisters *s)
{
	if (s)
		unlinkat(s->dir, "names", 0);
}
