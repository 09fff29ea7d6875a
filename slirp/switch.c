#include "slirp/switch.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "slirp/claim.h"
#include "slirp/outgoing.h"
#include "slirp/stack.h"

enum {
	FRAMES_PER_WAKE = 64,
	DNS_PORT = 53,
	LARGE_FRAME = 16384, /* worth giving memory back afterwards */
	TIDY_MS = 1000,
	BUF_BYTES = (FRAME_MAX + (int)sizeof(struct virtio_net_hdr) + 4095) & ~4095,
	BUCKETS = 256,
};

/* Several ports with one packet descriptor. */
struct switch_bridge {
	struct source src;
	struct netswitch *sw;
	struct switch_bridge *next;
};

struct switch_port {
	struct source src; /* not used behind a bridge */
	struct switch_bridge *bridge; /* NULL: it has a descriptor of its own */
	struct netswitch *sw;
	struct switch_port *next, *next_in_bucket;
	uint8_t mac[NET_MAC_LEN];
	struct in_addr ip;
	struct in6_addr ip6;
	bool host_loopback;
	struct ports ports;
	struct outgoing *out;
};

struct netswitch {
	struct loop *loop;
	struct switch_cfg cfg;
	struct stack *stack;
	struct switch_port *ports;
	struct switch_bridge *bridges;
	struct switch_port *by_mac[BUCKETS];
	uint8_t gateway_mac[NET_MAC_LEN];
	struct timer tidy;
	bool tidy_set, large; /* large frames passed since the timer was set */
	uint8_t *buf; /* BUF_BYTES, mapped: a virtio header and a frame */
};

/* -- out of the switch ----------------------------------------------------------------------------------------- */

static struct switch_port **bucket(struct netswitch *sw, const uint8_t mac[NET_MAC_LEN])
{
	return &sw->by_mac[(uint8_t)(mac[5] ^ mac[4] * 31)];
}

static struct switch_port *by_mac(struct netswitch *sw, const uint8_t mac[NET_MAC_LEN])
{
	struct switch_port *p = *bucket(sw, mac);

	while (p && memcmp(p->mac, mac, NET_MAC_LEN) != 0)
		p = p->next_in_bucket;
	return p;
}

static struct switch_port *by_ip(struct netswitch *sw, struct in_addr ip)
{
	struct switch_port *p = sw->ports;

	while (p && p->ip.s_addr != ip.s_addr)
		p = p->next;
	return p;
}

static int fd_of(const struct switch_port *p)
{
	return p->bridge ? p->bridge->src.fd : p->src.fd;
}

/* A full queue, or a device that is down, loses frames, as on any wire: TCP sends them again. */
static void put_fd(int fd, const void *data, size_t len)
{
	ssize_t n = write(fd, data, len);

	(void)n;
}

static void put(const struct switch_port *p, const void *data, size_t len)
{
	put_fd(fd_of(p), data, len);
}

/* A frame of ours, or of the stack, cut to the MTU. */
static void put_split_fd(const struct netswitch *sw, int fd, const uint8_t *frame, size_t len)
{
	struct frame_piece piece = { 0 };

	while (frame_split(frame, len, sw->cfg.addrs.mtu, &piece)) {
		struct iovec iov[] = {
			{ &piece.vh, sizeof(piece.vh) },
			{ piece.head, piece.head_len },
			{ (uint8_t *)frame + piece.at, piece.len },
		};

		if (writev(fd, iov, ARRAY_LEN(iov)) < 0)
			break;
	}
}

static void put_split(const struct switch_port *p, const uint8_t *frame, size_t len)
{
	put_split_fd(p->sw, fd_of(p), frame, len);
}

static void from_stack(void *arg, const uint8_t *frame, size_t len)
{
	struct netswitch *sw = arg;
	struct switch_port *p;

	if (!(frame[0] & 1)) {
		p = by_mac(sw, frame);
		if (p)
			put_split(p, frame, len);
		return;
	}
	for (p = sw->ports; p; p = p->next)
		if (!p->bridge)
			put_split(p, frame, len);
	for (const struct switch_bridge *b = sw->bridges; b; b = b->next)
		put_split_fd(sw, b->src.fd, frame, len);
}

static bool find_mac(void *arg, struct in_addr ip, uint8_t ret[NET_MAC_LEN])
{
	const struct switch_port *p = by_ip(arg, ip);

	if (p)
		memcpy(ret, p->mac, NET_MAC_LEN);
	return p != NULL;
}

void switch_answer(struct netswitch *sw, const uint8_t head[FRAME_UDP_HEAD], const uint8_t *msg,
		   size_t len)
{
	_cleanup_free_ uint8_t *frame = xmalloc(FRAME_UDP_HEAD + len);

	from_stack(sw, frame, frame_udp_answer(head, msg, len, frame));
}

/* -- to the way out -------------------------------------------------------------------------------------------- */

static bool is_published(const struct netswitch *sw, const struct frame_info *f)
{
	for (const struct switch_port *p = sw->ports; p && f->has_ports; p = p->next)
		for (size_t i = 0; i < p->ports.n; i++) {
			const struct port *port = &p->ports.v[i];

			if (port->host == f->port &&
			    (port->proto == PORT_TCP) == (f->proto == IPPROTO_TCP))
				return true;
		}
	return false;
}

enum way { WAY_OUT, WAY_QUERY, WAY_REFUSE, WAY_NONE };

static enum way way_of(const struct switch_port *p, const struct frame_info *f)
{
	const struct net_addrs *a = &p->sw->cfg.addrs;
	size_t ip_len = f->v6 ? sizeof(a->ip6) : sizeof(a->ip);
	bool gateway = !memcmp(f->dst, f->v6 ? (const void *)&a->gateway6 : &a->gateway, ip_len);
	bool dns = !memcmp(f->dst, f->v6 ? (const void *)&a->dns6 : &a->dns, ip_len);
	struct in6_addr net6 = net_addrs_network6(a);
	uint32_t ip;

	if (f->v6 && !p->sw->cfg.ipv6)
		return WAY_NONE;
	if (dns && f->has_ports && f->port == DNS_PORT)
		return f->proto == IPPROTO_UDP ? WAY_QUERY : f->v6 ? WAY_REFUSE : WAY_OUT;
	if (gateway && (p->host_loopback || f->proto == IPPROTO_ICMP ||
			f->proto == IPPROTO_ICMPV6 || is_published(p->sw, f)))
		return WAY_OUT;
	if (gateway || dns)
		return WAY_REFUSE;
	if (f->v6) { /* a group: neighbour discovery, frame_check() leaves nothing else */
		if (f->dst[0] == 0xff)
			return WAY_OUT;
		if (!memcmp(f->dst, &net6, a->prefix6 / 8))
			return WAY_NONE; /* a container that is not there */
	} else {
		memcpy(&ip, f->dst, sizeof(ip));
		if ((ip & net_addrs_mask(a).s_addr) == net_addrs_network(a).s_addr)
			return WAY_NONE;
	}
	return p->sw->cfg.internal ? WAY_NONE : WAY_OUT;
}

/* TCP that need not go through the stack; true: that was it. */
static bool past_stack(struct switch_port *p, struct virtio_net_hdr *vh, uint8_t *frame, size_t len)
{
	const struct net_addrs *a = &p->sw->cfg.addrs;
	struct frame_info f;

	if (!frame_look(frame, len, &f) || !f.tcp_flags || way_of(p, &f) != WAY_OUT ||
	    (f.port == DNS_PORT && !f.v6 && !memcmp(f.dst, &a->dns, sizeof(a->dns))))
		return false;
	if (outgoing_begins(&f) && !frame_check(frame, len, vh, a))
		return true;
	switch (outgoing_tcp(p->out, &f, frame, len)) {
	case OUTGOING_TAKEN:
		return true;
	case OUTGOING_BACK:
		memcpy(frame, p->mac, NET_MAC_LEN);
		memcpy(frame + NET_MAC_LEN, p->sw->gateway_mac, NET_MAC_LEN);
		put(p, vh, sizeof(*vh) + len);
		return true;
	case OUTGOING_STACK:
		break;
	}
	return false;
}

static void refuse(void *arg, const uint8_t *frame, size_t len)
{
	uint8_t refusal[FRAME_REFUSAL_MAX];
	size_t n = frame_refuse(frame, len, refusal);

	if (n)
		put_split(arg, refusal, n);
}

static void to_stack(void *arg, const uint8_t *frame, size_t len)
{
	const struct switch_port *p = arg;

	stack_input(p->sw->stack, frame, len);
}

static void ask_for_relay(void *arg)
{
	struct switch_port *p = arg;

	p->sw->cfg.want_relay(p->sw->cfg.arg, p);
}

void switch_relay(struct switch_port *p, int fd)
{
	outgoing_channel(p->out, fd);
}

static void way_out(struct switch_port *p, struct virtio_net_hdr *vh, uint8_t *frame, size_t len)
{
	struct netswitch *sw = p->sw;
	uint8_t head[FRAME_UDP_HEAD];
	const uint8_t *msg;
	struct frame_info f;
	size_t n;

	if (past_stack(p, vh, frame, len))
		return;
	if (!frame_check(frame, len, vh, &sw->cfg.addrs) || !frame_look(frame, len, &f))
		return;
	switch (way_of(p, &f)) {
	case WAY_OUT:
		stack_input(sw->stack, frame, len);
		break;
	case WAY_QUERY:
		if (frame_to_dns(frame, len, &sw->cfg.addrs, DNS_PORT, head, &msg, &n))
			sw->cfg.query(sw->cfg.arg, head, msg, n);
		break;
	case WAY_REFUSE:
		refuse(p, frame, len);
		break;
	case WAY_NONE:
		break;
	}
}

/* -- into the switch ------------------------------------------------------------------------------------------- */

/* "Who has the gateway?"  True: it is answered. */
static bool answer_arp(struct switch_port *p, const uint8_t *frame, const struct ether_arp *ask)
{
	uint8_t reply[ETH_HLEN + sizeof(struct ether_arp)];
	struct ether_arp arp = *ask;
	struct in_addr ip;

	memcpy(&ip, ask->arp_tpa, sizeof(ip));
	if (ip.s_addr != p->sw->cfg.addrs.gateway.s_addr && ip.s_addr != p->sw->cfg.addrs.dns.s_addr)
		return false;
	arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(arp.arp_sha, p->sw->gateway_mac, NET_MAC_LEN);
	memcpy(arp.arp_spa, ask->arp_tpa, sizeof(arp.arp_spa));
	memcpy(arp.arp_tha, ask->arp_sha, sizeof(arp.arp_tha));
	memcpy(arp.arp_tpa, ask->arp_spa, sizeof(arp.arp_tpa));
	memcpy(reply, p->mac, NET_MAC_LEN);
	memcpy(reply + NET_MAC_LEN, p->sw->gateway_mac, NET_MAC_LEN);
	memcpy(reply + 2 * NET_MAC_LEN, frame + 2 * NET_MAC_LEN, 2);
	memcpy(reply + ETH_HLEN, &arp, sizeof(arp));
	put_split(p, reply, sizeof(reply));
	return true;
}

/* Has FROM's bridge left it to us whether FROM's neighbours there get the frame?  It does so with claims of another
 * address than FROM's own. */
static bool is_left_to_us(const struct switch_port *from, const struct claim *c)
{
	if (!from->bridge)
		return false;
	return (c->kind == CLAIM_IP4 && c->ip.s_addr != from->ip.s_addr) ||
	       (c->kind == CLAIM_IP6 && memcmp(&c->ip6, &from->ip6, sizeof(c->ip6)) != 0);
}

/* A bridge passes it on to everybody there, to FROM too if that is there. */
static void flood(const struct switch_port *from, bool left_to_us, const void *data, size_t len)
{
	for (const struct switch_port *p = from->sw->ports; p; p = p->next)
		if (p != from && !p->bridge)
			put(p, data, len);
	for (const struct switch_bridge *b = from->sw->bridges; b; b = b->next)
		if (b != from->bridge || left_to_us)
			put_fd(b->src.fd, data, len);
}

/* To all, or to the one who is asked for. */
static void to_group(struct switch_port *from, bool left_to_us, struct virtio_net_hdr *vh,
		     uint8_t *frame, size_t len)
{
	unsigned type = (unsigned)(frame[12] << 8 | frame[13]);
	const size_t all = sizeof(*vh) + len;
	struct ether_arp ask;

	if (type == ETH_P_ARP && len >= ETH_HLEN + sizeof(ask)) {
		struct switch_port *to;
		struct in_addr ip;

		memcpy(&ask, frame + ETH_HLEN, sizeof(ask));
		if (ask.ea_hdr.ar_op == htons(ARPOP_REQUEST) && answer_arp(from, frame, &ask))
			return;
		memcpy(&ip, ask.arp_tpa, sizeof(ip));
		to = by_ip(from->sw, ip);
		if (to && to != from) {
			if (!to->bridge || to->bridge != from->bridge || left_to_us)
				put(to, vh, all);
			return;
		}
	}
	flood(from, left_to_us, vh, all);
	if (type == ETH_P_IPV6)
		way_out(from, vh, frame, len); /* the stack may be meant: neighbour discovery */
}

/* A container does not say that another's address, or the gateway's, is its own.  (Further addresses that nobody has,
 * as those which servers hand over to each other, it may have.) */
static bool is_false_claim(const struct switch_port *from, const struct claim *c)
{
	const struct net_addrs *a = &from->sw->cfg.addrs;
	const struct switch_port *holder;

	switch (c->kind) {
	case CLAIM_IP4:
		holder = by_ip(from->sw, c->ip);
		return (holder && holder != from) || c->ip.s_addr == a->gateway.s_addr ||
		       c->ip.s_addr == a->dns.s_addr;
	case CLAIM_IP6:
		for (holder = from->sw->ports; holder; holder = holder->next)
			if (holder != from && !memcmp(&holder->ip6, &c->ip6, sizeof(c->ip6)))
				return true;
		return !memcmp(&c->ip6, &a->gateway6, sizeof(c->ip6)) ||
		       !memcmp(&c->ip6, &a->dns6, sizeof(c->ip6));
	case CLAIM_NEVER:
		return true;
	default:
		return false;
	}
}

static void take(struct switch_port *from, struct virtio_net_hdr *vh, uint8_t *frame, size_t len)
{
	struct switch_port *to;
	struct claim c;

	if (len < ETH_HLEN || memcmp(frame + NET_MAC_LEN, from->mac, NET_MAC_LEN) != 0)
		return;
	claim_look(frame, len, from->mac, &c);
	if (is_false_claim(from, &c))
		return;
	if (len > LARGE_FRAME)
		from->sw->large = true;
	if (frame[0] & 1) {
		to_group(from, is_left_to_us(from, &c), vh, frame, len);
		return;
	}
	to = by_mac(from->sw, frame);
	if (to)
		put(to, vh, sizeof(*vh) + len);
	else
		way_out(from, vh, frame, len);
}

/* Frames from S: of PORT, or of those behind BRIDGE. */
static void read_frames(struct netswitch *sw, struct source *s, struct switch_port *port,
			const struct switch_bridge *bridge)
{
	struct virtio_net_hdr *vh = (void *)sw->buf;
	uint8_t *frame = sw->buf + sizeof(*vh);

	for (int i = 0; i < FRAMES_PER_WAKE && s->fd >= 0; i++) {
		ssize_t n = read(s->fd, sw->buf, sizeof(*vh) + FRAME_MAX);
		struct switch_port *from = port;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0 && errno == ENETDOWN)
			break; /* the container has taken its device down; that is said once */
		if (n < 0) { /* the device is gone with its namespace: the container has ended */
			struct epoll_event none = { 0 };

			epoll_ctl(sw->loop->epfd, EPOLL_CTL_DEL, s->fd, &none);
			break;
		}
		if ((size_t)n < sizeof(*vh) + ETH_HLEN)
			continue;
		if (bridge) /* which lets nobody send with another's address */
			from = by_mac(sw, frame + NET_MAC_LEN);
		if (from && from->bridge == bridge)
			take(from, vh, frame, (size_t)n - sizeof(*vh));
	}
	if (sw->large && !sw->tidy_set) {
		sw->tidy_set = true;
		timer_set(&sw->tidy, TIDY_MS, 0);
	}
}

static struct err *port_ready(struct source *s, uint32_t events UNUSED)
{
	struct switch_port *p = container_of(s, struct switch_port, src);

	read_frames(p->sw, s, p, NULL);
	return NULL;
}

static struct err *bridge_ready(struct source *s, uint32_t events UNUSED)
{
	struct switch_bridge *b = container_of(s, struct switch_bridge, src);

	read_frames(b->sw, s, NULL, b);
	return NULL;
}

/* The buffer's pages go back when no large frames have come for a moment. */
static struct err *tidy(struct timer *t)
{
	struct netswitch *sw = container_of(t, struct netswitch, tidy);

	if (sw->large)
		timer_set(t, TIDY_MS, 0);
	else
		madvise(sw->buf, BUF_BYTES, MADV_DONTNEED);
	sw->tidy_set = sw->large;
	sw->large = false;
	return NULL;
}

/* -- making ---------------------------------------------------------------------------------------------------- */

struct err *switch_new(struct loop *loop, const struct switch_cfg *cfg, struct netswitch **ret)
{
	struct netswitch *sw = xcalloc(1, sizeof(*sw));
	struct stack_cfg sc = {
		.addrs = cfg->addrs,
		.ipv6 = cfg->ipv6,
		.dns_socket = cfg->dns_socket,
		.output = from_stack,
		.find = find_mac,
		.arg = sw,
	};
	struct err *e;

	sw->loop = loop;
	sw->cfg = *cfg;
	stack_mac(cfg->addrs.gateway, sw->gateway_mac);
	sw->buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sw->buf == MAP_FAILED) {
		free(sw);
		return err_new(errno, "allocating a frame buffer");
	}
	e = timer_init(loop, &sw->tidy, tidy);
	e = e ?: stack_new(loop, &sc, &sw->stack);
	if (e) {
		munmap(sw->buf, BUF_BYTES);
		free(sw);
		return e;
	}
	*ret = sw;
	return NULL;
}

void switch_update(struct switch_port *p, const struct join *j)
{
	p->host_loopback = j->host_loopback;
	ports_done(&p->ports);
	ports_copy(&p->ports, &j->ports);
}

static struct switch_port *port_new(struct netswitch *sw, const struct join *j)
{
	struct switch_port *p = xcalloc(1, sizeof(*p)), **at;

	p->src.fd = -1;
	p->sw = sw;
	p->ip = j->ip;
	p->ip6 = j->device_ip6;
	memcpy(p->mac, j->mac, NET_MAC_LEN);
	switch_update(p, j);
	p->out = outgoing_new(sw->loop, &(struct outgoing_cfg){ &sw->cfg.addrs, ask_for_relay,
								refuse, to_stack, p });
	at = bucket(sw, p->mac);
	p->next_in_bucket = *at;
	*at = p;
	p->next = sw->ports;
	sw->ports = p;
	return p;
}

struct err *switch_attach(struct netswitch *sw, int packet_fd, const struct join *j,
			  struct switch_port **ret)
{
	struct switch_port *p = port_new(sw, j);
	struct err *e;

	p->src = (struct source){ .fd = packet_fd, .ready = port_ready };
	e = loop_add(sw->loop, &p->src, EPOLLIN);
	if (e)
		switch_detach(p);
	else
		*ret = p;
	return e;
}

struct switch_port *switch_attach_behind(struct switch_bridge *bridge, const struct join *j)
{
	struct switch_port *p = port_new(bridge->sw, j);

	p->bridge = bridge;
	return p;
}

struct err *switch_bridge(struct netswitch *sw, int packet_fd, struct switch_bridge **ret)
{
	struct switch_bridge *b = xcalloc(1, sizeof(*b));
	struct err *e;

	b->src = (struct source){ .fd = packet_fd, .ready = bridge_ready };
	b->sw = sw;
	e = loop_add(sw->loop, &b->src, EPOLLIN);
	if (e) {
		close(packet_fd);
		free(b);
		return e;
	}
	b->next = sw->bridges;
	sw->bridges = b;
	*ret = b;
	return NULL;
}

static void port_release(struct source *s)
{
	struct switch_port *p = container_of(s, struct switch_port, src);

	ports_done(&p->ports);
	free(p);
}

void switch_detach(struct switch_port *p)
{
	struct switch_port **at = &p->sw->ports;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	for (at = bucket(p->sw, p->mac); *at != p;)
		at = &(*at)->next_in_bucket;
	*at = p->next_in_bucket;
	outgoing_free(p->out);
	p->src.release = port_release;
	if (p->bridge)
		port_release(&p->src); /* no event can be for it */
	else
		loop_del_close(p->sw->loop, &p->src);
}

static void bridge_release(struct source *s)
{
	free(container_of(s, struct switch_bridge, src));
}

void switch_free(struct netswitch *sw)
{
	if (!sw)
		return;
	while (sw->ports)
		switch_detach(sw->ports);
	while (sw->bridges) {
		struct switch_bridge *b = sw->bridges;

		sw->bridges = b->next;
		b->src.release = bridge_release;
		loop_del_close(sw->loop, &b->src);
	}
	stack_free(sw->stack);
	timer_done(sw->loop, &sw->tidy);
	munmap(sw->buf, BUF_BYTES);
	free(sw);
}
