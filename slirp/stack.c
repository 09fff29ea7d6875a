#include "slirp/stack.h"

#include <arpa/inet.h>
#include <libslirp.h>
#include <malloc.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <signal.h>
#include <time.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/frame.h"

/* How it works
 *
 *	slirp/switch.c -- stack_input() --> slirp_input()
 *	slirp/switch.c <----- output() ---- send_packet()
 *	host's kernel <-----> sockets of libslirp, one stack_fd each
 *
 * libslirp has the interface of poll(2): before each wait it is asked which of its sockets want what
 * (slirp_pollfds_fill), afterwards it asks what happened (slirp_pollfds_poll).  We keep the sockets in the loop's epoll
 * set and change an entry only when the wish changed.  A socket that is not wished for any more stays in the set until
 * it fires in vain once: most are wished for again at once.  Waits in which nothing concerned the
 * stack are not shown to it, so a busy log costs nothing here, and an idle stack sleeps.
 *
 * libslirp's clock (a global of 32 bits in milliseconds) only moves in slirp_pollfds_poll(): before frames are let in
 * after a pause it is set forward, or new flows would be born expired.
 *
 * Its table of hardware addresses has 16 entries; a network may have more containers.  The switch knows them all, so a
 * question of the stack ("who has 172.18.0.7?") is answered here at once and never put onto the network. */

enum {
	CLOCK_FRESH_MS = 50,
	QUIET_MS = 30000, /* no traffic for so long: timers of idle connections may be late */
	QUIET_TICK_MS = 5000,
	LARGE_FRAME = 16384, /* worth giving memory back afterwards */
	GIVE_BACK_MS = 1000,
	TRIM_MS = 10000, /* without traffic: the program's own pages go back, too */
	DNS_PORT = 53,
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

struct stack {
	struct loop *loop;
	struct loop_hook hook;
	struct stack_cfg cfg;
	Slirp *slirp;
	struct stack_fd **fds; /* by descriptor */
	size_t n_fds;
	int *fired; /* descriptors with something in GOT */
	size_t n_fired, cap_fired;
	unsigned round;
	bool active; /* something happened in this batch that libslirp must see */
	bool large; /* large frames have passed since memory was given back */
	bool used; /* something has passed since the last proc_trim_memory() */
	int64_t start_ms, polled_ms, active_ms, due_ms; /* due: of libslirp's timers; -1: none */
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
	if (st->due_ms >= 0 || st->large || st->used)
		now = now ?: time_mono_ms();
	if (st->due_ms >= 0)
		lower(timeout_ms, st->due_ms - now);
	if (st->large)
		lower(timeout_ms, st->active_ms + GIVE_BACK_MS - now);
	if (st->used)
		lower(timeout_ms, st->active_ms + TRIM_MS - now);
}

static struct err *check(struct loop_hook *h)
{
	struct stack *st = container_of(h, struct stack, hook);
	int64_t now;

	if (!st->active && st->due_ms < 0 && !st->large && !st->used)
		return NULL;
	now = time_mono_ms();
	if (st->active) {
		st->active_ms = now;
		st->used = true;
		poll_slirp(st, true);
	} else if (st->due_ms >= 0 && now >= st->due_ms) {
		poll_slirp(st, true);
		st->active = true; /* ask for the next wishes */
	} else if (st->large && now - st->active_ms >= GIVE_BACK_MS) {
		give_back_memory(st);
	} else if (st->used && now - st->active_ms >= TRIM_MS) {
		proc_trim_memory();
		st->used = false;
	}
	return NULL;
}

/* "Who has IP?" of the stack; the answer goes into its table within the call. */
static bool answer_arp(struct stack *st, const uint8_t *frame, size_t len)
{
	uint8_t reply[ETH_HLEN + sizeof(struct ether_arp)] = { 0 };
	struct ether_arp ask, arp = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
						  .ar_pro = htons(ETH_P_IP),
						  .ar_hln = ETH_ALEN,
						  .ar_pln = 4,
						  .ar_op = htons(ARPOP_REPLY) } };
	struct in_addr ip;

	if (len < sizeof(reply) || frame[12] != ETH_P_ARP >> 8 || frame[13] != (ETH_P_ARP & 0xff))
		return false;
	memcpy(&ask, frame + ETH_HLEN, sizeof(ask));
	memcpy(&ip, ask.arp_tpa, sizeof(ip));
	if (!st->cfg.find(st->cfg.arg, ip, arp.arp_sha))
		return true; /* nobody: it gives up in a second */
	memcpy(arp.arp_spa, ask.arp_tpa, sizeof(arp.arp_spa));
	memcpy(arp.arp_tha, ask.arp_sha, sizeof(arp.arp_tha));
	memcpy(arp.arp_tpa, ask.arp_spa, sizeof(arp.arp_tpa));
	memcpy(reply, ask.arp_sha, ETH_ALEN);
	memcpy(reply + ETH_ALEN, arp.arp_sha, ETH_ALEN);
	memcpy(reply + 2 * ETH_ALEN, frame + 2 * ETH_ALEN, 2);
	memcpy(reply + ETH_HLEN, &arp, sizeof(arp));
	slirp_input(st->slirp, reply, sizeof(reply));
	st->active = true; /* what waits for it is sent by the next poll */
	return true;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct stack *st = opaque;

	if (len < ETH_HLEN)
		return -1;
	if (len > LARGE_FRAME)
		st->large = true;
	if (!answer_arp(st, buf, len))
		st->cfg.output(st->cfg.arg, buf, len);
	return (ssize_t)len;
}

void stack_input(struct stack *st, const uint8_t *frame, size_t len)
{
	if (time_mono_ms() - st->polled_ms > CLOCK_FRESH_MS)
		poll_slirp(st, false);
	st->active = true;
	if (len > LARGE_FRAME)
		st->large = true;
	slirp_input(st->slirp, frame, (int)len);
}

void stack_mac(struct in_addr ip, uint8_t ret[NET_MAC_LEN])
{
	ret[0] = 0x52; /* libslirp's special_ethaddr */
	ret[1] = 0x55;
	memcpy(ret + 2, &ip, 4);
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
	struct in_addr dns = a->dns;
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
		.if_mtu = FRAME_STACK_MTU,
		.if_mru = FRAME_STACK_MTU,
	};

	st->loop = loop;
	st->cfg = *cfg;
	st->hook = (struct loop_hook){ .prepare = prepare, .check = check };
	st->start_ms = time_mono_ms() / 1000 * 1000;
	st->due_ms = -1;
	signal(SIGPIPE, SIG_IGN);
	/* The buffers of a connection (two of 128 KiB) go back to the kernel when it ends. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	st->slirp = slirp_new(&sc, &callbacks, st);
	if (cfg->dns_socket && slirp_add_unix(st->slirp, cfg->dns_socket, &dns, DNS_PORT) < 0) {
		slirp_cleanup(st->slirp);
		free(st);
		return err_new(0, "the name server's address %s is not in the network", inet_ntoa(dns));
	}
	poll_slirp(st, false);
	loop_hook_add(loop, &st->hook);
	*ret = st;
	return NULL;
}

void stack_free(struct stack *st)
{
	if (!st)
		return;
	slirp_cleanup(st->slirp);
	for (size_t fd = 0; fd < st->n_fds; fd++)
		fd_forget(st, (int)fd);
	loop_hook_del(st->loop, &st->hook);
	free(st->fds);
	free(st->fired);
	free(st);
}
