#include "slirp/relay_priv.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/netlink.h"
#include "slirp/netns.h"

/* How it works
 *
 *	peer ---- listener (host's namespace) -- flow: inner socket (container's) -- lo -- server
 *
 * One flow a peer and listener.  Its inner socket is bound to the peer's address and connected to the server.  A UDP
 * server's answer does not inherit a mark as TCP's does, so the way back is another: packets from a published port
 * (rule: udp, source port) look into a table of their own first, in which the addresses of the peers known now are
 * local.  To all others, and from all other ports, packets leave through the stack as ever. */

enum {
	UDP_BUCKETS = 256,
	UDP_PER_WAKE = 32,
	UDP_BYTES_MAX = 65536,
	CONTROL_BYTES = CMSG_SPACE(sizeof(struct in6_pktinfo)),
	LO_INDEX = 1,
};

/* An address that is local in NETNS_UDP_TABLE as long as a flow has it. */
struct udp_addr {
	struct udp_addr *next;
	union sock_addr addr; /* port 0 */
	unsigned flows;
};

struct udp_flow {
	struct source src; /* the inner socket */
	struct relay *r;
	struct relay_listener *l;
	struct udp_flow *next; /* in its bucket */
	struct udp_flow *older, *newer; /* by the last packet */
	struct udp_addr *addr; /* NULL: not transparent */
	union sock_addr peer, local; /* local: where the peer's packets arrive */
	int64_t used_ms;
	bool fresh; /* the server has not been heard: it may listen on IPv4 only */
};

struct relay_udp {
	struct udp_flow *buckets[UDP_BUCKETS];
	struct udp_flow *oldest, *newest;
	struct udp_addr *addrs[UDP_BUCKETS];
	size_t n;
	int netlink;
};

/* --- the way back ----------------------------------------------------------------------------------------------- */

static struct err *add_rule(struct relay *r, int family, uint16_t port)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)family,
				     .table = NETNS_UDP_TABLE,
				     .action = FR_ACT_TO_TBL };
	struct fib_rule_port_range sport = { port, port };
	uint8_t udp = IPPROTO_UDP;
	struct netlink_batch b;
	struct err *e;

	netlink_batch_init(&b);
	netlink_begin(&b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof(rule),
		      "adding the rule of a UDP port");
	netlink_attr(&b, FRA_IP_PROTO, &udp, sizeof(udp));
	netlink_attr(&b, FRA_SPORT_RANGE, &sport, sizeof(sport));
	e = netlink_run(r->udp->netlink, &b);
	if (!e && b.errnum[0] != EEXIST) /* the port is published on several addresses */
		e = netlink_failed(&b, 0);
	return e;
}

static const void *ip_of(const union sock_addr *a, size_t *ret_len)
{
	bool v6 = a->sa.sa_family == AF_INET6;

	*ret_len = v6 ? sizeof(a->v6.sin6_addr) : sizeof(a->v4.sin_addr);
	return v6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr;
}

/* "ip route add|del local ADDR dev lo table NETNS_UDP_TABLE src CONTAINER" */
static void change_route(struct relay *r, bool add, const union sock_addr *a)
{
	union sock_addr src = relay_target(r, a->sa.sa_family, 0);
	size_t len;
	const void *ip = ip_of(a, &len), *from = ip_of(&src, &len);
	struct rtmsg rt = { .rtm_family = (uint8_t)a->sa.sa_family,
			    .rtm_dst_len = (uint8_t)(len * 8),
			    .rtm_table = NETNS_UDP_TABLE,
			    .rtm_protocol = RTPROT_BOOT,
			    .rtm_scope = RT_SCOPE_HOST,
			    .rtm_type = RTN_LOCAL };
	struct netlink_batch b;
	struct err *e;

	netlink_batch_init(&b);
	netlink_begin(&b, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &rt, sizeof(rt), "changing the route of a UDP peer");
	netlink_attr(&b, RTA_DST, ip, len);
	netlink_attr(&b, RTA_PREFSRC, from, len);
	netlink_attr_u32(&b, RTA_OIF, LO_INDEX);
	e = netlink_run(r->udp->netlink, &b);
	err_free(e ?: netlink_failed(&b, 0)); /* the answers of this peer get lost, as datagrams may */
}

static unsigned hash(const union sock_addr *a, uint32_t seed)
{
	size_t len;
	const uint8_t *ip = ip_of(a, &len);
	uint32_t h = seed ^ 2166136261U; /* FNV-1a; a peer that fills one bucket slows down the UDP ports only */

	for (size_t i = 0; i < len; i++)
		h = (h ^ ip[i]) * 16777619U;
	return (h ^ h >> 16) % UDP_BUCKETS;
}

static bool same_ip(const union sock_addr *a, const union sock_addr *b)
{
	size_t len_a, len_b;
	const void *ip_a = ip_of(a, &len_a), *ip_b = ip_of(b, &len_b);

	return len_a == len_b && memcmp(ip_a, ip_b, len_a) == 0;
}

static struct udp_addr *addr_ref(struct relay *r, const union sock_addr *a)
{
	struct udp_addr **bucket = &r->udp->addrs[hash(a, 0)], *p = *bucket;

	while (p && !same_ip(&p->addr, a))
		p = p->next;
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->addr = *a;
		p->next = *bucket;
		*bucket = p;
		change_route(r, true, a);
	}
	p->flows++;
	return p;
}

static void addr_unref(struct relay *r, struct udp_addr *p)
{
	struct udp_addr **at;

	if (!p || --p->flows)
		return;
	for (at = &r->udp->addrs[hash(&p->addr, 0)]; *at != p;)
		at = &(*at)->next;
	*at = p->next;
	change_route(r, false, &p->addr);
	free(p);
}

/* --- flows ------------------------------------------------------------------------------------------------------ */

static struct udp_flow **bucket_of(struct relay *r, const union sock_addr *peer)
{
	return &r->udp->buckets[hash(peer, peer->v6.sin6_port)]; /* the port is at the same place in both */
}

static void unlink_age(struct relay_udp *u, struct udp_flow *f)
{
	if (f->older)
		f->older->newer = f->newer;
	else
		u->oldest = f->newer;
	if (f->newer)
		f->newer->older = f->older;
	else
		u->newest = f->older;
}

static void link_newest(struct relay_udp *u, struct udp_flow *f)
{
	f->older = u->newest;
	f->newer = NULL;
	if (u->newest)
		u->newest->newer = f;
	else
		u->oldest = f;
	u->newest = f;
	f->used_ms = time_mono_ms();
}

static void flow_release(struct source *s)
{
	free(container_of(s, struct udp_flow, src));
}

static void flow_end(struct udp_flow *f)
{
	struct relay *r = f->r;
	struct udp_flow **at = bucket_of(r, &f->peer);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	unlink_age(r->udp, f);
	r->udp->n--;
	addr_unref(r, f->addr);
	f->src.release = flow_release;
	loop_del_close(r->loop, &f->src);
}

/* An inner socket of F from SRC to the server; -1 and errno. */
static int inner_open(struct udp_flow *f, const union sock_addr *src)
{
	union sock_addr to = relay_target(f->r, src->sa.sa_family, f->l->ctr);
	_cleanup_close_ int fd = relay_socket(f->r, SOCK_DGRAM, src, false);

	if (fd < 0 && errno == EADDRINUSE)
		fd = relay_socket(f->r, SOCK_DGRAM, src, true);
	if (fd < 0 || connect(fd, &to.sa, sock_addr_len(&to)) < 0)
		return -1;
	return TAKE_FD(fd);
}

static struct err *flow_ready(struct source *s, uint32_t events);

static bool flow_start(struct udp_flow *f, const union sock_addr *src)
{
	struct relay *r = f->r;
	struct err *e;

	f->src = (struct source){ .fd = inner_open(f, src), .ready = flow_ready };
	if (f->src.fd < 0)
		return false;
	e = loop_add(r->loop, &f->src, EPOLLIN);
	if (e) {
		err_free(e); /* this datagram is lost */
		close(TAKE_FD(f->src.fd));
		return false;
	}
	if (r->cfg.transparent)
		f->addr = addr_ref(r, src);
	return true;
}

static struct udp_flow *flow_new(struct relay_listener *l, const union sock_addr *peer)
{
	struct relay *r = l->r;
	union sock_addr src = relay_source(r, peer);
	struct udp_flow *f = xcalloc(1, sizeof(*f)), **bucket = bucket_of(r, peer);

	f->r = r;
	f->l = l;
	f->peer = *peer;
	f->fresh = src.sa.sa_family == AF_INET6;
	if (!flow_start(f, &src)) {
		free(f);
		return NULL;
	}
	if (r->udp->n >= RELAY_UDP_MAX)
		flow_end(r->udp->oldest);
	f->next = *bucket;
	*bucket = f;
	link_newest(r->udp, f);
	r->udp->n++;
	relay_tick_start(r);
	return f;
}

static struct udp_flow *flow_find(struct relay_listener *l, const union sock_addr *peer)
{
	struct udp_flow *f = *bucket_of(l->r, peer);

	while (f &&
	       (f->l != l || f->peer.v6.sin6_port != peer->v6.sin6_port || !same_ip(&f->peer, peer)))
		f = f->next;
	return f;
}

/* Nobody listens on IPv6: from now on the server sees the gateway's IPv4 address. */
static void flow_to_ipv4(struct udp_flow *f)
{
	union sock_addr src = relay_source4(f->r, &f->peer);
	int fd = inner_open(f, &src);
	struct err *e;

	f->fresh = false;
	if (fd < 0)
		return;
	close(f->src.fd); /* leaves the epoll set with it */
	f->src.fd = fd;
	e = loop_add(f->r->loop, &f->src, EPOLLIN);
	err_free(e); /* unheard answers: datagrams may get lost */
	if (f->r->cfg.transparent) {
		addr_unref(f->r, f->addr);
		f->addr = addr_ref(f->r, &src);
	}
}

/* --- packets ---------------------------------------------------------------------------------------------------- */

/* Where the packet of MSG was sent to, for the answer's source address on listeners of every address. */
static union sock_addr local_of(struct msghdr *msg)
{
	union sock_addr local = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local.v4.sin_family = AF_INET;
			local.v4.sin_addr = info.ipi_addr;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local.v6.sin6_family = AF_INET6;
			local.v6.sin6_addr = info.ipi6_addr;
			local.v6.sin6_scope_id = info.ipi6_ifindex;
		}
	}
	return local;
}

static void to_server(struct relay_listener *l, const union sock_addr *peer,
		      const union sock_addr *local, const uint8_t *data, size_t len)
{
	struct udp_flow *f = flow_find(l, peer) ?: flow_new(l, peer);

	if (!f)
		return;
	f->local = *local;
	unlink_age(l->r->udp, f);
	link_newest(l->r->udp, f);
	relay_count(l->r, true, len);
	send(f->src.fd, data, len, MSG_NOSIGNAL);
	if (f->fresh) {
		int failed = 0;
		socklen_t size = sizeof(failed);

		/* Over lo the refusal is there already. */
		getsockopt(f->src.fd, SOL_SOCKET, SO_ERROR, &failed, &size);
		if (failed != ECONNREFUSED)
			return;
		flow_to_ipv4(f);
		send(f->src.fd, data, len, MSG_NOSIGNAL);
	}
}

struct err *relay_udp_ready(struct source *s, uint32_t events UNUSED)
{
	struct relay_listener *l = container_of(s, struct relay_listener, src);
	uint8_t *buf = relay_buf(l->r);

	for (int i = 0; i < UDP_PER_WAKE; i++) {
		union sock_addr peer, local;
		_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
		struct iovec iov = { buf, UDP_BYTES_MAX };
		struct msghdr msg = { .msg_name = &peer,
				      .msg_namelen = sizeof(peer),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(s->fd, &msg, 0);

		if (n < 0)
			break; /* empty, or a report about an answer that did not arrive */
		local = local_of(&msg);
		to_server(l, &peer, &local, buf, (size_t)n);
	}
	return NULL;
}

static void to_peer(struct udp_flow *f, uint8_t *data, size_t len)
{
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES] = { 0 };
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_name = &f->peer,
			      .msg_namelen = sock_addr_len(&f->peer),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (f->local.sa.sa_family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = f->local.v4.sin_addr };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg.msg_controllen = CMSG_SPACE(sizeof(info));
	} else if (f->local.sa.sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_addr = f->local.v6.sin6_addr,
					    .ipi6_ifindex = f->local.v6.sin6_scope_id };

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg.msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	relay_count(f->r, false, len);
	sendmsg(f->l->src.fd, &msg, MSG_NOSIGNAL);
}

static struct err *flow_ready(struct source *s, uint32_t events UNUSED)
{
	struct udp_flow *f = container_of(s, struct udp_flow, src);
	struct relay *r = f->r;
	uint8_t *buf = relay_buf(r);
	bool heard = false;

	for (int i = 0; i < UDP_PER_WAKE; i++) {
		ssize_t n = recv(s->fd, buf, UDP_BYTES_MAX, 0);

		if (n < 0)
			break; /* empty; or refused, which the peer is not told, as with Docker's proxy */
		heard = true;
		to_peer(f, buf, (size_t)n);
	}
	if (heard) {
		f->fresh = false;
		unlink_age(r->udp, f);
		link_newest(r->udp, f);
	}
	return NULL;
}

struct err *relay_udp_listen(struct relay *r, struct relay_listener *l)
{
	int one = 1;
	struct err *e;

	if (!r->udp) {
		r->udp = xcalloc(1, sizeof(*r->udp));
		e = netlink_open(&r->udp->netlink);
		if (e) {
			free(TAKE_PTR(r->udp));
			return e;
		}
	}
	if (l->family == AF_INET6)
		setsockopt(l->src.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	else
		setsockopt(l->src.fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	if (!r->cfg.transparent)
		return NULL;
	e = add_rule(r, AF_INET, l->ctr);
	if (r->cfg.ipv6)
		e = e ?: add_rule(r, AF_INET6, l->ctr);
	return e;
}

bool relay_udp_expire(struct relay *r)
{
	int64_t limit = time_mono_ms() - RELAY_UDP_IDLE_MS;

	while (r->udp && r->udp->oldest && r->udp->oldest->used_ms < limit)
		flow_end(r->udp->oldest);
	return r->udp && r->udp->oldest;
}
