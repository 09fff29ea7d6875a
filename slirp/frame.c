#include "slirp/frame.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "core/base/cleanup.h"

enum {
	IP4_LEN = 20,
	IP6_LEN = 40,
	FRAG6_LEN = 8,
	TCP_LEN = 20,
	UDP_LEN = 8,
	ARP_LEN = 28,
	ICMP_LEN = 8
};
enum { PORT_BOOTPS = 67, PORT_TFTP = 69, PORT_DHCP6 = 547 };
enum { ANSWER_TTL = 64 };
enum { TCPOPT_MSS_LEN = 4, CSUM_AT_TCP = 16, CSUM_AT_UDP = 6, CSUM_AT_ICMP = 2 };

/* Header fields are read byte by byte: a frame has no alignment. */
static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Ones' complement sum (RFC 1071) in the byte order of the machine: eight bytes a step, carries at the end. */
static uint64_t sum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t high = 0;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		sum += (uint32_t)v;
		high += v >> 32;
	}
	for (; len >= 2; p += 2, len -= 2) {
		uint16_t v;

		memcpy(&v, p, 2);
		sum += v;
	}
	if (len) {
		uint16_t v = 0;

		memcpy(&v, p, 1); /* the odd byte is the first of its pair */
		sum += v;
	}
	return sum + high;
}

/* To 16 bits. */
static uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What the parser found. */
struct packet {
	uint8_t *ip, *l4; /* headers */
	size_t l4_len; /* bytes from l4 to the end of the IP packet */
	uint8_t proto; /* IPPROTO_ */
	bool v6, fragment, later_fragment;
};

/* The sum over the pseudo header of P with LEN bytes behind it (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t pseudo_sum(const struct packet *p, size_t len)
{
	uint8_t tail[4] = { 0, p->proto };

	put16(tail + 2, (unsigned)len); /* at most 65535: 16 bits of IPv6's 32 */
	if (p->v6)
		return sum_add(sum_add(0, p->ip + 8, 32), tail, sizeof(tail));
	return sum_add(sum_add(0, p->ip + 12, 8), tail, sizeof(tail));
}

static void finish_checksum(struct packet *p, size_t field)
{
	uint16_t sum;

	memset(p->l4 + field, 0, 2);
	sum = (uint16_t)~sum_fold(sum_add(pseudo_sum(p, p->l4_len), p->l4, p->l4_len));
	if (!sum && p->proto == IPPROTO_UDP)
		sum = 0xffff; /* 0 means "none" there */
	memcpy(p->l4 + field, &sum, 2);
}

static bool parse4(uint8_t *ip, size_t len, struct packet *p)
{
	size_t total;
	unsigned offset;

	if (len < IP4_LEN || ip[0] != 0x45) /* version 4, no options */
		return false;
	total = get16(ip + 2);
	if (total < IP4_LEN || total > len)
		return false;
	offset = get16(ip + 6);
	*p = (struct packet){
		.ip = ip,
		.l4 = ip + IP4_LEN,
		.l4_len = total - IP4_LEN,
		.proto = ip[9],
		.fragment = (offset & (IP_MF | IP_OFFMASK)) != 0,
		.later_fragment = (offset & IP_OFFMASK) != 0,
	};
	return true;
}

static bool parse6(uint8_t *ip, size_t len, struct packet *p)
{
	size_t payload;

	if (len < IP6_LEN || ip[0] >> 4 != 6)
		return false;
	payload = get16(ip + 4);
	if (payload > len - IP6_LEN)
		return false;
	*p = (struct packet){ .ip = ip, .l4 = ip + IP6_LEN, .l4_len = payload, .proto = ip[6], .v6 = true };
	return true;
}

/* Addresses that the host's sockets would take for the host itself, or for many. */
static bool good_destination4(const uint8_t *dst)
{
	return dst[0] != 0 && dst[0] != 127 && dst[0] < 224;
}

static bool good_destination6(const struct packet *p)
{
	static const uint8_t low[10];
	const uint8_t *dst = p->ip + 24;

	if (dst[0] == 0xff) /* neighbour and router discovery only */
		return p->proto == IPPROTO_ICMPV6;
	/* ::/80 holds ::, ::1, and IPv4 addresses in IPv6's clothes (::ffff:127.0.0.1). */
	return memcmp(dst, low, sizeof(low)) != 0;
}

/* Raise the MSS a SYN offers: the stack shall send segments as large as it can. */
static bool raise_mss(struct packet *p)
{
	size_t header = (size_t)(p->l4[12] >> 4) * 4, at = TCP_LEN;
	unsigned mss = FRAME_STACK_MTU - TCP_LEN - (p->v6 ? IP6_LEN : IP4_LEN);

	while (at < header && p->l4[at] != TCPOPT_EOL) {
		size_t len = p->l4[at] == TCPOPT_NOP ? 1 : at + 1 < header ? p->l4[at + 1] : 0;

		if (len == 0 || len > header - at)
			return false; /* nonsense: leave it as it is */
		if (p->l4[at] == TCPOPT_MAXSEG && len == TCPOPT_MSS_LEN) {
			put16(p->l4 + at + 2, mss);
			return true;
		}
		at += len;
	}
	return false;
}

static bool check_tcp(struct packet *p, bool unfinished)
{
	size_t header;

	if (p->l4_len < TCP_LEN)
		return false;
	header = (size_t)(p->l4[12] >> 4) * 4;
	if (header < TCP_LEN || header > p->l4_len)
		return false;
	if ((p->l4[13] & TH_SYN) && raise_mss(p))
		unfinished = true; /* also a finished checksum is no longer right */
	if (unfinished)
		finish_checksum(p, CSUM_AT_TCP);
	return true;
}

static bool check_udp(struct packet *p, bool unfinished, const struct net_addrs *a)
{
	unsigned port, udp_len;

	if (p->l4_len < UDP_LEN)
		return false;
	port = get16(p->l4 + 2);
	udp_len = get16(p->l4 + 4);
	if (udp_len < UDP_LEN || (!p->fragment && udp_len > p->l4_len))
		return false;
	/* Servers inside the stack that nobody here needs. */
	if (p->v6 ? port == PORT_DHCP6 || port == PORT_TFTP
		  : (port == PORT_BOOTPS || port == PORT_TFTP) &&
			    memcmp(p->ip + 16, &a->gateway, sizeof(a->gateway)) == 0)
		return false;
	if (unfinished)
		finish_checksum(p, CSUM_AT_UDP);
	return true;
}

static bool check_packet(struct packet *p, const struct virtio_net_hdr *vh, const struct net_addrs *a)
{
	bool unfinished = vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	uint8_t gso = vh->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	if (p->v6 ? !good_destination6(p) : !good_destination4(p->ip + 16))
		return false;
	if (p->fragment && (unfinished || gso))
		return false; /* no kernel sends that */
	if (p->later_fragment)
		return p->proto == IPPROTO_UDP || p->proto == IPPROTO_ICMP;
	switch (p->proto) {
	case IPPROTO_TCP:
		return !p->fragment && check_tcp(p, unfinished);
	case IPPROTO_UDP:
		return gso == VIRTIO_NET_HDR_GSO_NONE && check_udp(p, unfinished, a);
	case IPPROTO_ICMP:
		return !p->v6 && p->l4_len >= 8 && !unfinished;
	case IPPROTO_ICMPV6:
		return p->v6 && p->l4_len >= 8 && !unfinished;
	default:
		return false;
	}
}

bool frame_check(uint8_t *frame, size_t len, const struct virtio_net_hdr *vh, const struct net_addrs *a)
{
	struct packet p;

	if (len < ETH_HLEN || len > FRAME_MAX)
		return false;
	switch (get16(frame + 12)) {
	case ETH_P_ARP:
		return len >= ETH_HLEN + ARP_LEN;
	case ETH_P_IP:
		return parse4(frame + ETH_HLEN, len - ETH_HLEN, &p) && check_packet(&p, vh, a);
	case ETH_P_IPV6:
		return parse6(frame + ETH_HLEN, len - ETH_HLEN, &p) && check_packet(&p, vh, a);
	default:
		return false;
	}
}

static bool parse_any(const uint8_t *frame, size_t len, struct packet *p)
{
	uint8_t *ip = (uint8_t *)frame + ETH_HLEN; /* the parser does not write */

	if (len < ETH_HLEN)
		return false;
	switch (get16(frame + 12)) {
	case ETH_P_IP:
		return parse4(ip, len - ETH_HLEN, p);
	case ETH_P_IPV6:
		return parse6(ip, len - ETH_HLEN, p);
	default:
		return false;
	}
}

bool frame_to_dns(const uint8_t *frame, size_t len, const struct net_addrs *a, uint16_t port,
		  uint8_t ret_head[FRAME_UDP_HEAD], const uint8_t **ret_data, size_t *ret_len)
{
	struct packet p;
	size_t l4_at;

	if (!parse_any(frame, len, &p) || p.proto != IPPROTO_UDP || p.fragment ||
	    p.l4_len < UDP_LEN || get16(p.l4 + 2) != port || get16(p.l4 + 4) > p.l4_len)
		return false;
	if (p.v6 ? memcmp(p.ip + 24, &a->dns6, 16) != 0 : memcmp(p.ip + 16, &a->dns, 4) != 0)
		return false;
	l4_at = (size_t)(p.l4 - frame);
	memset(ret_head, 0, FRAME_UDP_HEAD);
	memcpy(ret_head, frame, l4_at + UDP_LEN);
	memset(ret_head + l4_at + CSUM_AT_UDP, 0, 2);
	if (!p.v6) { /* id and checksum */
		memset(ret_head + ETH_HLEN + 4, 0, 2);
		memset(ret_head + ETH_HLEN + 10, 0, 2);
	}
	*ret_data = p.l4 + UDP_LEN;
	*ret_len = (size_t)get16(p.l4 + 4) - UDP_LEN; /* frame_check(): at least the header */
	return true;
}

/* The headers of an answer to P with L4_LEN bytes behind them, in case of fragments with the number ID; *RET is it. */
static size_t answer_head(const uint8_t *frame, const struct packet *p, uint8_t proto,
			  size_t l4_len, uint16_t id, uint8_t *out, struct packet *ret)
{
	size_t ip_len = p->v6 ? IP6_LEN : IP4_LEN;
	uint8_t *ip = out + ETH_HLEN;
	uint16_t sum;

	memset(out, 0, ETH_HLEN + ip_len);
	memcpy(out, frame + 6, 6);
	memcpy(out + 6, frame, 6);
	memcpy(out + 12, frame + 12, 2);
	if (p->v6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)l4_len);
		ip[6] = proto;
		ip[7] = ANSWER_TTL;
		memcpy(ip + 8, p->ip + 24, 16);
		memcpy(ip + 24, p->ip + 8, 16);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(IP4_LEN + l4_len));
		put16(ip + 4, id);
		ip[8] = ANSWER_TTL;
		ip[9] = proto;
		memcpy(ip + 12, p->ip + 16, 4);
		memcpy(ip + 16, p->ip + 12, 4);
		sum = (uint16_t)~sum_fold(sum_add(0, ip, IP4_LEN));
		memcpy(ip + 10, &sum, 2);
	}
	*ret = (struct packet){
		.ip = ip, .l4 = ip + ip_len, .l4_len = l4_len, .proto = proto, .v6 = p->v6
	};
	return ETH_HLEN + ip_len + l4_len;
}

size_t frame_udp_answer(const uint8_t head[FRAME_UDP_HEAD], const uint8_t *data, size_t len, uint8_t *out)
{
	bool v6 = get16(head + 12) == ETH_P_IPV6;
	const uint8_t *l4 = head + ETH_HLEN + (v6 ? IP6_LEN : IP4_LEN);
	struct packet p = { .ip = (uint8_t *)head + ETH_HLEN, .v6 = v6 }, a;
	/* An id for the fragments: a message of the name server begins with a random one. */
	size_t all = answer_head(head, &p, IPPROTO_UDP, UDP_LEN + len, get16(data), out, &a);

	memcpy(a.l4, l4 + 2, 2);
	memcpy(a.l4 + 2, l4, 2);
	put16(a.l4 + 4, (unsigned)a.l4_len);
	memcpy(a.l4 + UDP_LEN, data, len);
	finish_checksum(&a, CSUM_AT_UDP);
	return all;
}

bool frame_look(const uint8_t *frame, size_t len, struct frame_info *ret)
{
	struct packet p;

	if (!parse_any(frame, len, &p))
		return false;
	*ret = (struct frame_info){
		.v6 = p.v6,
		.proto = p.proto,
		.src = p.ip + (p.v6 ? 8 : 12),
		.dst = p.ip + (p.v6 ? 24 : 16),
		.has_ports = (p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP) &&
			     !p.later_fragment && p.l4_len >= UDP_LEN,
	};
	if (ret->has_ports) {
		ret->src_port = get16(p.l4);
		ret->port = get16(p.l4 + 2);
	}
	if (ret->has_ports && p.proto == IPPROTO_TCP && p.l4_len >= TCP_LEN)
		ret->tcp_flags = p.l4[13];
	return true;
}

/* RFC 9293 3.10.7.1: to what acknowledges, a reset with that number; else one that acknowledges all of it. */
static size_t refuse_tcp(const uint8_t *frame, const struct packet *p, uint8_t *out)
{
	const uint8_t *tcp = p->l4;
	size_t header = (size_t)(tcp[12] >> 4) * 4;
	struct packet a;
	uint32_t next;
	size_t len;

	if (tcp[13] & TH_RST || header > p->l4_len)
		return 0;
	len = answer_head(frame, p, IPPROTO_TCP, TCP_LEN, 0, out, &a);
	memset(a.l4, 0, TCP_LEN);
	memcpy(a.l4, tcp + 2, 2);
	memcpy(a.l4 + 2, tcp, 2);
	a.l4[12] = TCP_LEN / 4 << 4;
	a.l4[13] = TH_RST;
	if (tcp[13] & TH_ACK) {
		memcpy(a.l4 + 4, tcp + 8, 4);
	} else {
		memcpy(&next, tcp + 4, 4);
		next = htonl(ntohl(next) + (uint32_t)(p->l4_len - header) + !!(tcp[13] & TH_SYN) +
			     !!(tcp[13] & TH_FIN));
		memcpy(a.l4 + 8, &next, 4);
		a.l4[13] |= TH_ACK;
	}
	finish_checksum(&a, CSUM_AT_TCP);
	return len;
}

/* RFC 792, RFC 4443 3.1: behind the ICMP header the packet's own one and the first eight bytes. */
static size_t refuse_udp(const uint8_t *frame, const struct packet *p, uint8_t *out)
{
	size_t quoted = (p->v6 ? IP6_LEN : IP4_LEN) + UDP_LEN, len;
	struct packet a;
	uint16_t sum;

	len = answer_head(frame, p, p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, ICMP_LEN + quoted, 0,
			  out, &a);
	memset(a.l4, 0, ICMP_LEN);
	a.l4[0] = p->v6 ? ICMP6_DST_UNREACH : ICMP_UNREACH;
	a.l4[1] = p->v6 ? ICMP6_DST_UNREACH_NOPORT : ICMP_UNREACH_PORT;
	memcpy(a.l4 + ICMP_LEN, p->ip, quoted);
	if (p->v6) {
		finish_checksum(&a, CSUM_AT_ICMP);
	} else {
		sum = (uint16_t)~sum_fold(sum_add(0, a.l4, a.l4_len));
		memcpy(a.l4 + CSUM_AT_ICMP, &sum, 2);
	}
	return len;
}

size_t frame_refuse(const uint8_t *frame, size_t len, uint8_t out[FRAME_REFUSAL_MAX])
{
	struct packet p;

	if (!parse_any(frame, len, &p) || p.later_fragment)
		return 0;
	if (p.proto == IPPROTO_TCP && p.l4_len >= TCP_LEN)
		return refuse_tcp(frame, &p, out);
	if (p.proto == IPPROTO_UDP && p.l4_len >= UDP_LEN)
		return refuse_udp(frame, &p, out);
	return 0;
}

/* A TCP segment larger than the MTU: the kernel cuts it. */
static bool as_segments(const uint8_t *frame, const struct packet *p, uint16_t mtu,
			struct frame_piece *piece)
{
	size_t ip_len = p->v6 ? IP6_LEN : IP4_LEN, tcp_len, headers;
	uint16_t sum;

	if (p->proto != IPPROTO_TCP || p->l4_len < TCP_LEN)
		return false;
	tcp_len = (size_t)(p->l4[12] >> 4) * 4;
	headers = ETH_HLEN + ip_len + tcp_len;
	if (tcp_len < TCP_LEN || tcp_len > p->l4_len || ip_len + tcp_len >= mtu)
		return false;
	memcpy(piece->head, frame, headers);
	sum = sum_fold(pseudo_sum(p, p->l4_len)); /* the kernel adds the rest, and its complement */
	memcpy(piece->head + ETH_HLEN + ip_len + CSUM_AT_TCP, &sum, 2);
	piece->vh = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = p->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)headers,
		.gso_size = (uint16_t)(mtu - ip_len - tcp_len),
		.csum_start = (uint16_t)(ETH_HLEN + ip_len),
		.csum_offset = CSUM_AT_TCP,
	};
	piece->head_len = piece->at = headers;
	piece->len = p->l4_len - tcp_len;
	return true;
}

/* The next IP fragment behind the one in PIECE. */
static bool next_fragment4(const uint8_t *frame, const struct packet *p, uint16_t mtu,
			   struct frame_piece *piece)
{
	size_t start = ETH_HLEN + IP4_LEN, room = (size_t)(mtu - IP4_LEN) & ~(size_t)7;
	size_t at = piece->at ? piece->at + piece->len : start, left = start + p->l4_len - at;
	uint8_t *ip = piece->head + ETH_HLEN;
	unsigned offset;
	uint16_t sum;

	if (!left)
		return false;
	memcpy(piece->head, frame, start);
	piece->head_len = start;
	piece->at = at;
	piece->len = left < room ? left : room;
	put16(ip + 2, (unsigned)(IP4_LEN + piece->len));
	offset = (unsigned)((at - start) / 8) | (left > room ? IP_MF : 0);
	put16(ip + 6, offset); /* the stack's packets are never fragments themselves */
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~sum_fold(sum_add(0, ip, IP4_LEN));
	memcpy(ip + 10, &sum, 2);
	return true;
}

static bool next_fragment6(const uint8_t *frame, const struct packet *p, uint16_t mtu,
			   struct frame_piece *piece)
{
	size_t start = ETH_HLEN + IP6_LEN;
	size_t room = (size_t)(mtu - IP6_LEN - FRAG6_LEN) & ~(size_t)7;
	size_t at = piece->at ? piece->at + piece->len : start, left = start + p->l4_len - at;
	uint8_t *ip = piece->head + ETH_HLEN, *frag = piece->head + start;

	if (!left)
		return false;
	memcpy(piece->head, frame, start);
	piece->head_len = start + FRAG6_LEN;
	piece->at = at;
	piece->len = left < room ? left : room;
	put16(ip + 4, (unsigned)(FRAG6_LEN + piece->len));
	ip[6] = IPPROTO_FRAGMENT;
	frag[0] = p->proto;
	frag[1] = 0;
	put16(frag + 2, (unsigned)(at - start) | (left > room));
	/* All pieces of a packet need one number, other packets others: a part of the checksum that follows the data
	 * is as good as a counter, and needs no memory between the calls. */
	memset(frag + 4, 0, 4);
	memcpy(frag + 4, p->l4 + CSUM_AT_UDP, p->l4_len >= UDP_LEN ? 2 : 0);
	memcpy(frag + 6, p->l4, 2);
	return true;
}

bool frame_split(const uint8_t *frame, size_t len, uint16_t mtu, struct frame_piece *piece)
{
	bool first = !piece->head_len && !piece->at && !piece->len;
	struct packet p;

	if (len < ETH_HLEN)
		return false;
	if (first && len <= (size_t)ETH_HLEN + mtu) {
		piece->len = len;
		return true;
	}
	if (len <= (size_t)ETH_HLEN + mtu || piece->vh.gso_type || !parse_any(frame, len, &p))
		return false;
	if (first && as_segments(frame, &p, mtu, piece))
		return true;
	return p.v6 ? next_fragment6(frame, &p, mtu, piece) : next_fragment4(frame, &p, mtu, piece);
}
