#include "slirp/relay_priv.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include "core/base/fd.h"
#include "core/base/str.h"

/* A connection
 *
 *	client <-> side[OUTER]   side[INNER] <-> server
 *
 *	           accept
 *	             |
 *	        CONNECTING -- refused --> reset the client
 *	             |  connected()
 *	           OPEN: for each direction: read -> write; what does not fit is PENDING at the side it goes to, and
 *	             |       the other side is not read meanwhile (back-pressure)
 *	             |  end of file at one side: shut down the other once its PENDING is written (half-close)
 *	             +-- both directions ended: close both
 *	             +-- an error at one side: close both, the other with a reset
 *
 * A side whose two directions have ended, and from which nothing is to be read yet, is taken out of the epoll set: it
 * would report EPOLLHUP for ever. */

enum { OUTER, INNER, SIDES };
enum {
	BULK_MIN = 16384, /* less is cheaper copied than spliced */
	HELD_MAX = 4 * 1024 * 1024, /* when so much waits for slow readers, reads are small: there may be many */
	SMALL_READ = 4096,
};

struct side {
	struct source src;
	uint32_t events; /* in the epoll set */
	bool in_set, hung_up; /* hung_up: EPOLLHUP came while nothing was watched */
	bool ended; /* end of file was read from it */
	bool shut; /* it was told the end */
	bool bulk; /* reads from it are large: spliced */
	struct relay_pipe *pipe; /* what is pending is in there, or NULL: */
	uint8_t *pending; /* in here, or NULL */
	size_t at, len; /* where in PENDING; how much waits to be written to it */
};

struct relay_conn {
	struct side side[SIDES];
	struct source leash; /* see relay_add_connection() */
	struct relay *r;
	struct relay_conn *prev, *next;
	union sock_addr peer;
	uint16_t ctr;
	struct relay_outgoing *out; /* NULL: the connection came from the host */
	bool shortened; /* with OUT */
	bool connecting, retried;
	uint8_t closing; /* sides and leash whose release() has not come yet */
};

static struct err *outer_ready(struct source *s, uint32_t events);
static struct err *inner_ready(struct source *s, uint32_t events);

static struct err *leash_ready(struct source *s, uint32_t events);

static struct relay_conn *conn_of(struct source *s)
{
	if (s->ready == leash_ready)
		return container_of(s, struct relay_conn, leash);
	if (s->ready == inner_ready)
		return container_of(s, struct relay_conn, side[INNER].src);
	return container_of(s, struct relay_conn, side[OUTER].src);
}

static void conn_free(struct relay_conn *c)
{
	free(c->out);
	free(c);
}

static void drop_pending(struct relay *r, struct side *s)
{
	if (s->pipe)
		relay_pipe_put(r, s->pipe, !s->len);
	if (s->pending)
		r->held_bytes -= s->at + s->len;
	free(s->pending);
	s->pipe = NULL;
	s->pending = NULL;
	s->len = 0;
}

static void side_release(struct source *s)
{
	struct relay_conn *c = conn_of(s);

	if (--c->closing == 0)
		conn_free(c);
}

static void conn_end(struct relay_conn *c, bool with_reset);

static struct err *leash_ready(struct source *s, uint32_t events UNUSED)
{
	struct relay_conn *c = container_of(s, struct relay_conn, leash);
	char byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0)
		conn_end(c, true);
	else
		loop_del_close(c->r->loop, s);
	return NULL;
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* End C.  RESET: what is still open is aborted, not closed. */
static void conn_end(struct relay_conn *c, bool with_reset)
{
	struct relay *r = c->r;

	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		r->conns = c->next;
	if (c->shortened)
		relay_out_unshorten(r, c->out);
	c->closing = 1; /* held here until both sides are done */
	for (int i = 0; i < SIDES; i++) {
		struct side *s = &c->side[i];

		drop_pending(r, s);
		if (s->src.fd < 0)
			continue;
		if (with_reset)
			reset(s->src.fd);
		s->src.release = side_release;
		c->closing++;
		loop_del_close(r->loop, &s->src);
	}
	if (c->leash.fd >= 0) {
		c->leash.release = side_release;
		c->closing++;
		loop_del_close(r->loop, &c->leash);
	}
	if (--c->closing == 0)
		conn_free(c);
	relay_resume(r);
}

static void leave_set(struct relay *r, struct side *s)
{
	struct epoll_event none = { 0 };

	if (s->in_set)
		epoll_ctl(r->loop->epfd, EPOLL_CTL_DEL, s->src.fd, &none);
	s->in_set = false;
}

/* What side I of C has to be watched for, from its state. */
static struct err *watch(struct relay_conn *c, int i)
{
	struct side *s = &c->side[i], *other = &c->side[1 - i];
	uint32_t events = 0;
	struct err *e = NULL;

	if (c->connecting)
		events = i == INNER ? EPOLLOUT : 0;
	else
		events = (!s->ended && !other->len ? EPOLLIN : 0) | (s->len ? EPOLLOUT : 0);
	if (!events && (s->hung_up || (s->ended && s->shut))) {
		leave_set(c->r, s);
		return NULL;
	}
	if (s->in_set && events == s->events)
		return NULL;
	e = s->in_set ? loop_mod(c->r->loop, &s->src, events) : loop_add(c->r->loop, &s->src, events);
	s->in_set = true;
	s->events = events;
	return e;
}

/* Bring the epoll set up to date; a connection that cannot be watched is ended, the relay goes on. */
static void watch_both(struct relay_conn *c)
{
	struct err *e = watch(c, OUTER);

	e = e ?: watch(c, INNER);
	if (e) {
		err_free(e);
		conn_end(c, true);
	}
}

/* Tell side I the end if its other side ended and all was written.  Returns false if that ended C. */
static bool pass_end(struct relay_conn *c, int i)
{
	struct side *s = &c->side[i], *other = &c->side[1 - i];

	if (!other->ended || s->len || s->shut)
		return true;
	if (s->ended && other->shut) {
		conn_end(c, false); /* closing tells it, too */
		return false;
	}
	shutdown(s->src.fd, SHUT_WR);
	s->shut = true;
	return true;
}

/* Keep a copy of the LEN bytes at DATA until side S takes them. */
static void keep_pending(struct relay *r, struct side *s, const uint8_t *data, size_t len)
{
	s->pending = xmemdup(data, len);
	s->at = 0;
	s->len = len;
	r->held_bytes += len;
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Write what is pending for S.  Returns false on an error of the socket. */
static bool flush(struct relay *r, struct side *s)
{
	while (s->len) {
		ssize_t n;

		if (s->pipe)
			n = splice(s->pipe->read_fd, NULL, s->src.fd, NULL, s->len, SPLICE_F_NONBLOCK);
		else
			n = send(s->src.fd, s->pending + s->at, s->len, MSG_NOSIGNAL);
		if (n < 0)
			return would_block();
		s->at += (size_t)n;
		s->len -= (size_t)n;
	}
	drop_pending(r, s);
	return true;
}

/* These move bytes from one side to the other and keep what does not fit.  They return what recv() does; errno is
 * EAGAIN or EINTR only if there was nothing to read. */
static ssize_t move_copy(struct relay *r, struct side *from, struct side *to)
{
	uint8_t *buf = relay_buf(r);
	ssize_t n = recv(from->src.fd, buf, r->held_bytes < HELD_MAX ? RELAY_BUF_BYTES : SMALL_READ, 0);
	ssize_t sent;

	if (n <= 0)
		return n;
	from->bulk = n == RELAY_BUF_BYTES;
	sent = send(to->src.fd, buf, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0 && !would_block())
		return -1;
	if (sent < n)
		keep_pending(r, to, buf + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
	return n;
}

static ssize_t move_splice(struct relay *r, struct side *from, struct side *to)
{
	struct relay_pipe *pipe = relay_pipe_get(r);
	ssize_t n;

	if (!pipe)
		return move_copy(r, from, to);
	n = splice(from->src.fd, NULL, pipe->write_fd, NULL, RELAY_PIPE_BYTES, SPLICE_F_NONBLOCK);
	if (n <= 0) {
		relay_pipe_put(r, pipe, true);
		return n;
	}
	from->bulk = n >= BULK_MIN;
	to->pipe = pipe;
	to->len = (size_t)n;
	return flush(r, to) ? n : -1;
}

/* Move bytes from side I to the other.  Returns false on an error of a socket. */
static bool pump(struct relay_conn *c, int i)
{
	struct side *from = &c->side[i], *to = &c->side[1 - i];
	ssize_t n;

	if (from->ended || to->len)
		return true;
	n = from->bulk ? move_splice(c->r, from, to) : move_copy(c->r, from, to);
	from->ended = n == 0;
	if (n > 0)
		relay_count(c->r, i == OUTER, (size_t)n);
	return n >= 0 || would_block();
}

/* To the socket that asked. */
static int out_connect(struct relay_conn *c)
{
	union sock_addr to = relay_out_addr(c->out, false);
	int fd = relay_out_socket(c->r, c->out);

	if (fd < 0)
		return errno;
	c->side[INNER].src.fd = fd;
	if (connect(fd, &to.sa, sock_addr_len(&to)) == 0)
		return 0;
	/* If its answer stays on lo, it has come within the call, only not been seen by it: ask once more. */
	if (errno == EINPROGRESS && c->shortened && connect(fd, &to.sa, sock_addr_len(&to)) == 0)
		return 0;
	return errno == EALREADY ? EINPROGRESS : errno;
}

/* Start the inner connection from SRC.  Returns 0 when it is established, EINPROGRESS, or why not. */
static int inner_connect(struct relay_conn *c, const union sock_addr *src)
{
	union sock_addr to = relay_target(c->r, src->sa.sa_family, c->ctr);
	bool any_port = false;

	for (;;) {
		_cleanup_close_ int fd = relay_socket(c->r, SOCK_STREAM, src, any_port);
		int failed;

		if (fd >= 0 && connect(fd, &to.sa, sock_addr_len(&to)) == 0) {
			c->side[INNER].src.fd = TAKE_FD(fd);
			return 0;
		}
		failed = errno;
		if (fd >= 0 && failed == EINPROGRESS) {
			/* Over lo the handshake is done within the call, only not seen by it: ask once more. */
			failed = connect(fd, &to.sa, sock_addr_len(&to)) == 0 ? 0 : errno;
			if (failed == EALREADY)
				failed = EINPROGRESS;
			if (!failed || failed == EINPROGRESS)
				c->side[INNER].src.fd = TAKE_FD(fd);
			return failed;
		}
		/* The client's port is still in use inside: another one will do. */
		if (any_port || (failed != EADDRNOTAVAIL && failed != EADDRINUSE))
			return failed;
		any_port = true;
	}
}

/* The peer has IPv6 but the server may listen on IPv4 only: then it sees the gateway. */
static int connect_somehow(struct relay_conn *c)
{
	union sock_addr src;
	int failed;

	if (c->out)
		return out_connect(c);
	src = relay_source(c->r, &c->peer);
	failed = c->retried ? ECONNREFUSED : inner_connect(c, &src);

	if (failed != ECONNREFUSED || src.sa.sa_family != AF_INET6)
		return failed;
	c->retried = true;
	src = relay_source4(c->r, &c->peer);
	return inner_connect(c, &src);
}

static void conn_start(struct relay_conn *c)
{
	int failed = connect_somehow(c);

	if (failed && failed != EINPROGRESS) {
		conn_end(c, true);
		return;
	}
	c->connecting = failed == EINPROGRESS;
	if (!c->connecting && !pump(c, OUTER)) { /* most clients have said something by now: a wait less */
		conn_end(c, true);
		return;
	}
	watch_both(c);
}

/* The inner socket has an answer.  (Over lo connect() has seen it already, unless the kernel hands packets to another
 * processor.) */
static void connected(struct relay_conn *c)
{
	struct side *s = &c->side[INNER];
	int failed = 0;
	socklen_t len = sizeof(failed);

	getsockopt(s->src.fd, SOL_SOCKET, SO_ERROR, &failed, &len);
	if (failed == ECONNREFUSED && !c->retried) {
		close(TAKE_FD(s->src.fd)); /* leaves the epoll set with it */
		s->in_set = false;
		c->retried = true;
		conn_start(c);
		return;
	}
	if (failed) {
		conn_end(c, true);
		return;
	}
	c->connecting = false;
	watch_both(c);
}

static struct err *side_ready(struct relay_conn *c, int i, uint32_t events)
{
	struct side *s = &c->side[i];

	if (c->connecting) {
		if (i == INNER)
			connected(c);
		else
			conn_end(c, true); /* the client has gone: nothing else is watched for yet */
		return NULL;
	}
	/* After a reset reading says so, and so does writing; a socket we neither read nor write tells it here. */
	if (!s->events && (events & EPOLLERR)) {
		conn_end(c, true);
		return NULL;
	}
	s->hung_up |= !s->events && (events & EPOLLHUP); /* its end, behind data that must wait */
	if (s->len && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && !flush(c->r, s)) {
		conn_end(c, true);
		return NULL;
	}
	if ((s->events & EPOLLIN) && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !pump(c, i)) {
		conn_end(c, true);
		return NULL;
	}
	if (pass_end(c, i) && pass_end(c, 1 - i))
		watch_both(c);
	return NULL;
}

static struct err *outer_ready(struct source *s, uint32_t events)
{
	return side_ready(container_of(s, struct relay_conn, side[OUTER].src), OUTER, events);
}

static struct err *inner_ready(struct source *s, uint32_t events)
{
	return side_ready(container_of(s, struct relay_conn, side[INNER].src), INNER, events);
}

static struct relay_conn *conn_new(struct relay *r, int fd, const union sock_addr *peer, uint16_t ctr)
{
	struct relay_conn *c = xcalloc(1, sizeof(*c));

	c->r = r;
	c->peer = *peer;
	c->ctr = ctr;
	c->side[OUTER].src = (struct source){ .fd = fd, .ready = outer_ready };
	c->side[INNER].src = (struct source){ .fd = -1, .ready = inner_ready };
	c->leash = (struct source){ .fd = -1, .ready = leash_ready };
	c->next = r->conns;
	if (c->next)
		c->next->prev = c;
	r->conns = c;
	return c;
}

/* One a wake: if there are more, the next wait says so together with what else has happened. */
struct err *relay_tcp_ready(struct source *s, uint32_t events UNUSED)
{
	struct relay_listener *l = container_of(s, struct relay_listener, src);
	struct relay *r = l->r;
	union sock_addr peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(s->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (relay_exhausted(errno))
			relay_pause(r);
		return NULL; /* that one has gone again: no error of the listener */
	}
	conn_start(conn_new(r, fd, &peer, l->ctr));
	return NULL;
}

struct err *relay_add_connection(struct relay *r, int fd, uint16_t ctr, int leash)
{
	union sock_addr peer;
	socklen_t len = sizeof(peer);
	struct relay_conn *c;
	struct err *e = fd_nonblock(fd, true);

	if (!e && getpeername(fd, &peer.sa, &len) < 0)
		e = err_new(errno, "a connection that was handed over");
	if (e) {
		close(fd);
		if (leash >= 0)
			close(leash);
		return e;
	}
	c = conn_new(r, fd, &peer, ctr);
	if (leash >= 0) {
		c->leash.fd = leash;
		e = loop_add(r->loop, &c->leash, EPOLLIN);
		if (e) {
			close(TAKE_FD(c->leash.fd));
			conn_end(c, true);
			return e;
		}
	}
	conn_start(c);
	return NULL;
}

struct err *relay_add_outgoing(struct relay *r, int fd, const struct relay_outgoing *o)
{
	union sock_addr nobody = { 0 };
	struct relay_conn *c;
	struct err *e = relay_out_prepare(r, o);

	if (e) {
		close(fd);
		return e;
	}
	c = conn_new(r, fd, &nobody, 0);
	c->out = xmemdup(o, sizeof(*o));
	c->retried = true; /* there is no other way to reach it */
	c->shortened = relay_out_shorten(r, c->out);
	conn_start(c);
	return NULL;
}
