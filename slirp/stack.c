#include "slirp/stack.h"

#include <arpa/inet.h>
#include <assert.h>
#include <libslirp.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/frame.h"
#include "slirp/nameserver.h"

/* How it works
 *
 *	container's kernel <-> packet_fd <-> stack_port -- frame_check() --> slirp_input()
 *	                                          ^------- frame_split() --- send_packet()
 *	host's kernel <------> sockets of libslirp, one stack_fd each
 *	host's resolvers <---> slirp/nameserver.c: questions to the name server's address, before libslirp sees them
 *
 * libslirp has the interface of poll(2): before each wait it is asked which of its sockets want what
 * (slirp_pollfds_fill), afterwards it asks what happened (slirp_pollfds_poll).  We keep the sockets in the loop's epoll
 * set and change an entry only when the wish changed.  A socket that is not wished for any more stays in the set until
 * it fires in vain once: most are wished for again at once.  Waits in which nothing concerned the
 * stack are not shown to it, so a busy log costs nothing here, and an idle stack sleeps.
 *
 * libslirp's clock (a global of 32 bits in milliseconds) only moves in slirp_pollfds_poll(): before frames are let in
 * after a pause it is set forward, or new flows would be born expired. */

enum {
	FRAMES_PER_WAKE = 64,
	CLOCK_FRESH_MS = 50,
	QUIET_MS = 30000, /* no traffic for so long: timers of idle connections may be late */
	QUIET_TICK_MS = 5000,
	LARGE_FRAME = 16384, /* worth giving memory back afterwards */
	GIVE_BACK_MS = 1000,
	DNS_PORT = 53,
	BUF_BYTES = (FRAME_MAX + 4095) & ~4095,
};

/* A socket of libslirp.  In the epoll set exactly if HAVE is not 0. */
struct stack_fd {
	struct source src;
	struct stack *st;
	uint32_t want, have; /* SLIRP_POLL_*: wished for in this round, in the epoll set */
	uint32_t got; /* SLIRP_POLL_*: since the last slirp_pollfds_poll() */
	unsigned round; /* when it was wished for last */
	bool fired; /* is in st->fired */
};

struct stack_port {
	struct source src;
	struct stack *st;
	struct stack_port *next;
	enum packet_kind kind;
	uint8_t mac[NET_MAC_LEN];
};

struct stack {
	struct loop *loop;
	struct loop_hook hook;
	struct stack_cfg cfg;
	Slirp *slirp;
	struct nameserver *ns;
	struct stack_port *ports;
	struct stack_fd **fds; /* by descriptor */
	size_t n_fds;
	int *fired; /* descriptors with something in GOT */
	size_t n_fired, cap_fired;
	unsigned round;
	bool active; /* something happened in this batch that libslirp must see */
	bool large; /* large frames have passed since memory was given back */
	int64_t start_ms, polled_ms, active_ms, due_ms; /* due: of libslirp's timers; -1: none */
	uint8_t *buf; /* BUF_BYTES, mapped */
};

static struct stack_fd *fd_get(struct stack *st, int fd)
{
	struct stack_fd *f;

	if ((size_t)fd >= st->n_fds) {
		size_t n = (size_t)fd + 32;

		st->fds = xrealloc(st->fds, n * sizeof(*st->fds));
		memset(st->fds + st->n_fds, 0, (n - st->n_fds) * sizeof(*st->fds));
		st->n_fds = n;
	}
	f = st->fds[fd];
	if (!f) {
		f = st->fds[fd] = xcalloc(1, sizeof(*f));
		f->src.fd = fd;
		f->st = st;
	}
	return f;
}

static struct stack_fd *fd_find(struct stack *st, int fd)
{
	return fd >= 0 && (size_t)fd < st->n_fds ? st->fds[fd] : NULL;
}

static void fd_release(struct source *s)
{
	free(container_of(s, struct stack_fd, src));
}

static void fd_forget(struct stack *st, int fd)
{
	struct stack_fd *f = fd_find(st, fd);

	if (!f)
		return;
	st->fds[fd] = NULL;
	f->src.release = fd_release;
	loop_del(st->loop, &f->src);
}

static uint32_t to_epoll(uint32_t events)
{
	return (events & SLIRP_POLL_IN ? EPOLLIN : 0) | (events & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
	       (events & SLIRP_POLL_PRI ? EPOLLPRI : 0);
}

static uint32_t from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? SLIRP_POLL_IN : 0) | (events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (events & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (events & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static struct err *fd_ready(struct source *s, uint32_t events)
{
	struct stack_fd *f = container_of(s, struct stack_fd, src);
	struct stack *st = f->st;

	if (f->round != st->round) { /* nobody waits for it: out of the set, or it would fire for ever */
		struct epoll_event none = { 0 };

		epoll_ctl(st->loop->epfd, EPOLL_CTL_DEL, s->fd, &none);
		f->have = 0;
		return NULL;
	}
	f->got |= from_epoll(events);
	if (!f->fired) {
		st->fired = xgrow(st->fired, st->n_fired, &st->cap_fired, sizeof(*st->fired));
		st->fired[st->n_fired++] = s->fd;
		f->fired = true;
	}
	st->active = true;
	return NULL;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct stack *st = opaque;
	struct stack_fd *f = fd_get(st, fd);
	struct err *e = NULL;

	f->src.ready = fd_ready;
	f->want = (uint32_t)events;
	f->round = st->round;
	if (f->want == f->have)
		return fd;
	if (f->have)
		e = loop_mod(st->loop, &f->src, to_epoll(f->want));
	else
		e = loop_add(st->loop, &f->src, to_epoll(f->want));
	/* Failing means that the kernel has no memory for it: as if nothing happened on it. */
	f->have = e ? 0 : f->want;
	err_free(e);
	return fd;
}

static int get_revents(int idx, void *opaque)
{
	struct stack_fd *f = fd_find(opaque, idx);

	return f ? (int)(f->got & (f->want | SLIRP_POLL_ERR | SLIRP_POLL_HUP)) : 0;
}

static void forget_fired(struct stack *st)
{
	for (size_t i = 0; i < st->n_fired; i++) {
		struct stack_fd *f = fd_find(st, st->fired[i]);

		if (f) {
			f->got = 0;
			f->fired = false;
		}
	}
	st->n_fired = 0;
}

/* Let libslirp see what happened; EVENTS: also on its sockets. */
static void poll_slirp(struct stack *st, bool events)
{
	st->polled_ms = time_mono_ms();
	slirp_pollfds_poll(st->slirp, !events, get_revents, st);
	if (events)
		forget_fired(st);
}

static void give_back_memory(struct stack *st)
{
	madvise(st->buf, BUF_BYTES, MADV_DONTNEED);
	malloc_trim(0);
	st->large = false;
}

static void lower(int *timeout_ms, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	if (*timeout_ms < 0 || ms < *timeout_ms)
		*timeout_ms = (int)ms;
}

static void prepare(struct loop_hook *h, int *timeout_ms)
{
	struct stack *st = container_of(h, struct stack, hook);
	int64_t now = 0;

	if (st->active) {
		uint32_t ms = UINT32_MAX;

		st->active = false;
		st->round++;
		slirp_pollfds_fill(st->slirp, &ms, add_poll, st);
		now = time_mono_ms();
		/* 1000 is its answer when no timer runs. */
		st->due_ms = ms >= 1000 ? -1 : now + (int64_t)ms;
		if (ms >= 100 && ms < 1000 && now - st->active_ms > QUIET_MS)
			st->due_ms = now + QUIET_TICK_MS;
	}
	if (st->due_ms >= 0 || st->large)
		now = now ?: time_mono_ms();
	if (st->due_ms >= 0)
		lower(timeout_ms, st->due_ms - now);
	if (st->large)
		lower(timeout_ms, st->active_ms + GIVE_BACK_MS - now);
}

static struct err *check(struct loop_hook *h)
{
	struct stack *st = container_of(h, struct stack, hook);
	int64_t now;

	if (!st->active && st->due_ms < 0 && !st->large)
		return NULL;
	now = time_mono_ms();
	if (st->active) {
		st->active_ms = now;
		poll_slirp(st, true);
	} else if (st->due_ms >= 0 && now >= st->due_ms) {
		poll_slirp(st, true);
		st->active = true; /* ask for the next wishes */
	} else if (st->large && now - st->active_ms >= GIVE_BACK_MS) {
		give_back_memory(st);
	}
	return NULL;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct stack *st = opaque;
	const uint8_t *frame = buf;

	if (len < NET_MAC_LEN)
		return -1;
	if (len > LARGE_FRAME)
		st->large = true;
	for (struct stack_port *p = st->ports; p; p = p->next) {
		struct frame_piece piece = { 0 };

		bool only = p == st->ports && !p->next, group = frame[0] & 1;

		if (!only && !group && memcmp(frame, p->mac, NET_MAC_LEN) != 0)
			continue;
		while (frame_split(frame, len, st->cfg.addrs.mtu, &piece)) {
			struct iovec iov[] = {
				{ &piece.vh, sizeof(piece.vh) },
				{ piece.head, piece.head_len },
				{ (uint8_t *)frame + piece.at, piece.len },
			};

			/* A full queue or a device that is down loses frames: TCP sends them again. */
			if (writev(p->src.fd, iov, ARRAY_LEN(iov)) < 0)
				break;
		}
	}
	return (ssize_t)len;
}

static_assert((int)FRAME_UDP_HEAD <= (int)DNS_CLIENT_MAX,
	      "a client is known by the headers of its question");

/* An answer of the name server, to the question whose frame began with HEAD. */
static void dns_reply(void *arg, const uint8_t head[DNS_CLIENT_MAX], const uint8_t *msg, size_t len)
{
	_cleanup_free_ uint8_t *frame = xmalloc(FRAME_UDP_HEAD + len);

	send_packet(frame, frame_udp_answer(head, msg, len, frame), arg);
}

/* A frame that passed the check. */
static void take_frame(struct stack *st, size_t len)
{
	struct dns_client client = { .reply = dns_reply, .arg = st };
	const uint8_t *query;
	size_t query_len;

	if (!frame_to_dns(st->buf, len, &st->cfg.addrs, DNS_PORT, client.key, &query, &query_len)) {
		slirp_input(st->slirp, st->buf, (int)len);
		return;
	}
	memcpy(&client.who, st->buf + 8, sizeof(client.who)); /* the last bytes of the sender's address */
	client.who |= 1; /* 0 is that of TCP */
	nameserver_query(st->ns, &client, query, query_len);
}

static struct err *port_ready(struct source *s, uint32_t events UNUSED)
{
	struct stack_port *p = container_of(s, struct stack_port, src);
	struct stack *st = p->st;

	if (time_mono_ms() - st->polled_ms > CLOCK_FRESH_MS)
		poll_slirp(st, false);
	for (int i = 0; i < FRAMES_PER_WAKE && s->fd >= 0; i++) {
		struct virtio_net_hdr vh;
		struct iovec iov[] = { { &vh, sizeof(vh) }, { st->buf, FRAME_MAX } };
		ssize_t n = readv(s->fd, iov, ARRAY_LEN(iov));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0 && errno == ENETDOWN)
			break; /* the container has taken its device down; that is said once */
		if (n < 0) { /* the device is gone with its namespace: the container has ended */
			struct epoll_event none = { 0 };

			epoll_ctl(st->loop->epfd, EPOLL_CTL_DEL, s->fd, &none);
			break;
		}
		st->active = true;
		n -= (ssize_t)sizeof(vh);
		if (n > LARGE_FRAME)
			st->large = true;
		if (n > 0 && frame_check(st->buf, (size_t)n, &vh, &st->cfg.addrs))
			take_frame(st, (size_t)n);
	}
	return NULL;
}

/* From 1 s on: libslirp takes time 0 for "unset", and its 32 bits shall not end before 49 days of the container. */
static int64_t clock_get_ns(void *opaque)
{
	struct stack *st = opaque;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000 + 1000 - st->start_ms) * INT64_C(1000000) + now.tv_nsec;
}

static void guest_error(const char *msg UNUSED, void *opaque UNUSED)
{
	/* The container sent nonsense; that concerns nobody. */
}

/* The only timer sends unsolicited router advertisements; the container's addresses are set by netns_setup(). */
static void *timer_new(SlirpTimerCb cb UNUSED, void *cb_opaque UNUSED, void *opaque)
{
	return opaque;
}

static void timer_free(void *t UNUSED, void *opaque UNUSED)
{
}

static void timer_mod(void *t UNUSED, int64_t expire_ms UNUSED, void *opaque UNUSED)
{
}

static void register_poll_fd(int fd, void *opaque)
{
	if (fd >= 0)
		fd_get(opaque, fd);
}

static void unregister_poll_fd(int fd, void *opaque)
{
	fd_forget(opaque, fd);
}

static void notify(void *opaque)
{
	struct stack *st = opaque;

	st->active = true;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = register_poll_fd,
	.unregister_poll_fd = unregister_poll_fd,
	.notify = notify,
};

struct err *stack_new(struct loop *loop, const struct stack_cfg *cfg, struct stack **ret)
{
	const struct net_addrs *a = &cfg->addrs;
	struct stack *st = xcalloc(1, sizeof(*st));
	SlirpConfig sc = {
		.version = 1,
		.in_enabled = true,
		.vnetwork = net_addrs_network(a),
		.vnetmask = net_addrs_mask(a),
		.vhost = a->gateway,
		.in6_enabled = cfg->ipv6,
		.vprefix_addr6 = net_addrs_network6(a),
		.vprefix_len = a->prefix6,
		.vhost6 = a->gateway6,
		.vdhcp_start = a->ip,
		.vnameserver = a->dns,
		.vnameserver6 = a->dns6,
		.if_mtu = FRAME_STACK_MTU,
		.if_mru = FRAME_STACK_MTU,
		.disable_host_loopback = !cfg->host_loopback,
	};

	struct err *e;

	st->loop = loop;
	st->cfg = *cfg;
	st->hook = (struct loop_hook){ .prepare = prepare, .check = check };
	st->start_ms = time_mono_ms() / 1000 * 1000;
	st->due_ms = -1;
	st->buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (st->buf == MAP_FAILED) {
		free(st);
		return err_new(errno, "allocating a frame buffer");
	}
	signal(SIGPIPE, SIG_IGN);
	/* The buffers of a connection (two of 128 KiB) go back to the kernel when it ends. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	e = nameserver_new(loop, NULL, "/etc/resolv.conf", &st->ns);
	if (e) {
		munmap(st->buf, BUF_BYTES);
		free(st);
		return e;
	}
	st->slirp = slirp_new(&sc, &callbacks, st);
	poll_slirp(st, false);
	loop_hook_add(loop, &st->hook);
	*ret = st;
	return NULL;
}

struct err *stack_attach(struct stack *st, int packet_fd, enum packet_kind kind,
			 const uint8_t mac[NET_MAC_LEN], struct stack_port **ret)
{
	struct stack_port *p = xcalloc(1, sizeof(*p));
	struct err *e;

	p->src = (struct source){ .fd = packet_fd, .ready = port_ready };
	p->st = st;
	p->kind = kind;
	memcpy(p->mac, mac, NET_MAC_LEN);
	e = loop_add(st->loop, &p->src, EPOLLIN);
	if (e) {
		close(packet_fd);
		free(p);
		return e;
	}
	p->next = st->ports;
	st->ports = p;
	*ret = p;
	return NULL;
}

static void port_release(struct source *s)
{
	free(container_of(s, struct stack_port, src));
}

int stack_detach(struct stack_port *p)
{
	struct stack_port **at = &p->st->ports;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->src.release = port_release;
	return loop_del(p->st->loop, &p->src);
}

void stack_free(struct stack *st)
{
	if (!st)
		return;
	while (st->ports)
		close(stack_detach(st->ports));
	nameserver_free(st->ns);
	slirp_cleanup(st->slirp);
	for (size_t fd = 0; fd < st->n_fds; fd++)
		fd_forget(st, (int)fd);
	loop_hook_del(st->loop, &st->hook);
	munmap(st->buf, BUF_BYTES);
	free(st->fds);
	free(st->fired);
	free(st);
}
