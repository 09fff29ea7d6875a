#include "slirp/relay_priv.h"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "slirp/netns.h"

/* How it works
 *
 *	client ---- listener (host's namespace) -- relay -- inner socket (container's namespace) -- lo -- server
 *
 * Sockets belong to the namespace they were made in, processes to the one they are in: the relay accepts on the host
 * with inherited listeners while every socket it makes belongs to the container.  Inner sockets carry the client's
 * address as their own (IP_TRANSPARENT); how the answers find back is in slirp/netns.c. */

socklen_t sock_addr_len(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

uint8_t *relay_buf(struct relay *r)
{
	r->buf_used = true;
	relay_tick_start(r);
	return r->buf;
}

static void pipe_free(struct relay *r, struct relay_pipe *p)
{
	close(p->read_fd);
	close(p->write_fd);
	free(p);
	r->n_pipes--;
}

static struct relay_pipe *pipe_new(void)
{
	struct relay_pipe *p;
	int fd[2];

	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0)
		return NULL;
	if (fcntl(fd[1], F_SETPIPE_SZ, RELAY_PIPE_BYTES) < 0) {
		close(fd[0]);
		close(fd[1]);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->read_fd = fd[0];
	p->write_fd = fd[1];
	return p;
}

struct relay_pipe *relay_pipe_get(struct relay *r)
{
	struct relay_pipe *p = r->pipes;

	r->pipes_used = true;
	if (p) {
		r->pipes = p->next;
		return p;
	}
	if (r->no_pipes || r->n_pipes >= RELAY_PIPES_MAX)
		return NULL;
	p = pipe_new();
	r->n_pipes += p != NULL;
	r->no_pipes = !p;
	relay_tick_start(r);
	return p;
}

void relay_pipe_put(struct relay *r, struct relay_pipe *p, bool empty)
{
	if (!empty) {
		pipe_free(r, p);
		return;
	}
	p->next = r->pipes;
	r->pipes = p;
}

static void pipes_done(struct relay *r)
{
	while (r->pipes) {
		struct relay_pipe *p = r->pipes;

		r->pipes = p->next;
		pipe_free(r, p);
	}
}

void relay_tick_start(struct relay *r)
{
	if (!r->ticking)
		timer_set(&r->tick, RELAY_TICK_MS, RELAY_TICK_MS);
	r->ticking = true;
}

static struct err *tick(struct timer *t)
{
	struct relay *r = container_of(t, struct relay, tick);
	bool flows = relay_udp_expire(r);

	bool used = r->buf_used || r->pipes_used;

	if (!r->buf_used)
		madvise(r->buf, RELAY_BUF_BYTES, MADV_DONTNEED);
	if (!r->pipes_used)
		pipes_done(r);
	r->buf_used = r->pipes_used = r->no_pipes = false;
	relay_resume(r);
	if (!flows && !used && !r->paused) {
		malloc_trim(0); /* of many connections that have ended */
		timer_set(t, 0, 0);
		r->ticking = false;
	}
	return NULL;
}

bool relay_exhausted(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void watch_listeners(struct relay *r, uint32_t events)
{
	for (struct relay_listener *l = r->listeners; l; l = l->next) {
		struct err *e = l->proto == PORT_TCP ? loop_mod(r->loop, &l->src, events) : NULL;

		err_free(e); /* an entry that exists can be changed */
	}
}

/* The queue of connections stays in the kernel until descriptors are free again: at the next end of a connection, or at
 * the next tick (another process may hold them). */
void relay_pause(struct relay *r)
{
	if (r->paused)
		return;
	r->paused = true;
	watch_listeners(r, 0);
	relay_tick_start(r);
}

void relay_resume(struct relay *r)
{
	if (!r->paused)
		return;
	if (r->spare_fd < 0)
		r->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r->spare_fd < 0)
		return;
	r->paused = false;
	watch_listeners(r, EPOLLIN);
}

union sock_addr relay_source4(const struct relay *r, const union sock_addr *peer)
{
	return (union sock_addr){ .v4 = { .sin_family = AF_INET,
					  .sin_addr = r->cfg.addrs.gateway,
					  .sin_port = peer->v6.sin6_port } }; /* the same place in both */
}

union sock_addr relay_source(const struct relay *r, const union sock_addr *peer)
{
	union sock_addr src = *peer;

	if (peer->sa.sa_family == AF_INET) {
		if (ntohl(peer->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
			src.v4.sin_addr = r->cfg.addrs.gateway;
		return src;
	}
	if (!r->cfg.ipv6)
		return relay_source4(r, peer);
	if (IN6_IS_ADDR_LOOPBACK(&peer->v6.sin6_addr) || IN6_IS_ADDR_LINKLOCAL(&peer->v6.sin6_addr))
		src.v6.sin6_addr = r->cfg.addrs.gateway6;
	src.v6.sin6_scope_id = 0;
	src.v6.sin6_flowinfo = 0;
	return src;
}

union sock_addr relay_target(const struct relay *r, int family, uint16_t port)
{
	union sock_addr to = { .sa.sa_family = (sa_family_t)family };

	if (family == AF_INET6) {
		to.v6.sin6_addr = r->cfg.addrs.ip6;
		to.v6.sin6_port = htons(port);
	} else {
		to.v4.sin_addr = r->cfg.addrs.ip;
		to.v4.sin_port = htons(port);
	}
	return to;
}

static bool set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

int relay_socket_open(struct relay *r, int family, int type)
{
	bool v6 = family == AF_INET6;
	_cleanup_close_ int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && r->spare_fd >= 0 && relay_exhausted(errno)) {
		close(TAKE_FD(r->spare_fd));
		fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		relay_pause(r);
	}
	if (fd < 0)
		return -1;
	if (type == SOCK_STREAM)
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* the client's writes were small for a reason */
	if (!r->cfg.transparent)
		return TAKE_FD(fd); /* the container's own address */
	if (!set_option(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1) ||
	    !set_option(fd, SOL_SOCKET, SO_MARK, NETNS_MARK))
		return -1;
	/* One client port may reach several of our ports. */
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return TAKE_FD(fd);
}

int relay_socket(struct relay *r, int type, const union sock_addr *src, bool any_port)
{
	union sock_addr from = *src;
	_cleanup_close_ int fd = relay_socket_open(r, src->sa.sa_family, type);

	if (fd < 0 || !r->cfg.transparent)
		return TAKE_FD(fd);
	if (any_port) {
		from.v6.sin6_port = 0; /* the same place in both */
		set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	}
	if (bind(fd, &from.sa, sock_addr_len(&from)) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* Answers to marked packets carry the mark: those of accepted connections, and those no socket sends (resets, ICMP).
 * Without that they would leave through the stack and never come back. */
static bool set_sysctls(bool ipv6)
{
	/* The relay ends connections first: a client's port must be usable again within the minute of TIME-WAIT. */
	netns_sysctl("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
	return netns_sysctl("/proc/sys/net/ipv4/tcp_fwmark_accept", "1") &&
	       netns_sysctl("/proc/sys/net/ipv4/fwmark_reflect", "1") &&
	       (!ipv6 || netns_sysctl("/proc/sys/net/ipv6/fwmark_reflect", "1"));
}

void relay_count(struct relay *r, bool in, size_t n)
{
	struct relay_traffic *t = r->cfg.traffic;

	if (t)
		__atomic_add_fetch(in ? &t->in : &t->out, n, __ATOMIC_RELAXED);
}

struct err *relay_new(struct loop *loop, const struct relay_cfg *cfg, struct relay **ret)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	struct rlimit files;
	struct err *e;

	r->loop = loop;
	r->cfg = *cfg;
	r->cfg.transparent &= set_sysctls(cfg->ipv6);
	e = timer_init(loop, &r->tick, tick);
	if (e) {
		free(r);
		return e;
	}
	r->buf = mmap(NULL, RELAY_BUF_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buf == MAP_FAILED)
		abort(); /* out of memory, as in xmalloc() */
	signal(SIGPIPE, SIG_IGN); /* splice() has no MSG_NOSIGNAL */
	r->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files); /* two descriptors a connection */
	}
	*ret = r;
	return NULL;
}

struct err *relay_add_listener(struct relay *r, const struct listener *from)
{
	struct relay_listener *l = xcalloc(1, sizeof(*l));
	struct err *e = NULL;

	l->src = (struct source){ .fd = from->fd,
				  .ready = from->proto == PORT_TCP ? relay_tcp_ready : relay_udp_ready };
	l->r = r;
	l->proto = from->proto;
	l->ctr = from->ctr;
	l->family = strchr(from->ip, ':') ? AF_INET6 : AF_INET;
	if (l->proto == PORT_UDP)
		e = relay_udp_listen(r, l);
	e = e ?: loop_add(r->loop, &l->src, EPOLLIN);
	if (e) {
		close(from->fd);
		free(l);
		return e;
	}
	l->next = r->listeners;
	r->listeners = l;
	return NULL;
}
