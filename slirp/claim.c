#include "slirp/claim.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

static void look_arp(const uint8_t *frame, size_t len, const uint8_t mac[NET_MAC_LEN], struct claim *ret)
{
	if (len < CLAIM_ARP_END || memcmp(frame + CLAIM_ARP_SHA, mac, NET_MAC_LEN) != 0) {
		ret->kind = CLAIM_NEVER;
		return;
	}
	memcpy(&ret->ip, frame + CLAIM_ARP_SPA, sizeof(ret->ip));
	ret->kind = ret->ip.s_addr ? CLAIM_IP4 : CLAIM_NONE; /* 0.0.0.0 asks whether an address is free */
}

static void look_neighbour(const uint8_t *frame, size_t len, struct claim *ret)
{
	bool advertises = frame[CLAIM_ND_TYPE] == ND_NEIGHBOR_ADVERT;

	switch (frame[CLAIM_ND_TYPE]) {
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
		ret->kind = CLAIM_NEVER;
		return;
	case ND_NEIGHBOR_ADVERT:
	case ND_NEIGHBOR_SOLICIT:
	case ND_ROUTER_SOLICIT:
		break;
	default:
		return;
	}
	if (advertises && len < CLAIM_ND_END)
		return; /* nobody takes it */
	memcpy(&ret->ip6, frame + (advertises ? CLAIM_ND_TARGET : CLAIM_IP6_SRC), sizeof(ret->ip6));
	if (!IN6_IS_ADDR_UNSPECIFIED(&ret->ip6))
		ret->kind = CLAIM_IP6;
}

void claim_look(const uint8_t *frame, size_t len, const uint8_t mac[NET_MAC_LEN], struct claim *ret)
{
	unsigned type = (unsigned)(frame[12] << 8 | frame[13]);

	ret->kind = CLAIM_NONE;
	if (type == ETH_P_ARP) {
		look_arp(frame, len, mac, ret);
		return;
	}
	if (type != ETH_P_IPV6 || len <= CLAIM_ND_TYPE || frame[CLAIM_IP6_HOPS] != CLAIM_ND_HOPS)
		return; /* nobody takes another hop limit for neighbour discovery */
	switch (frame[CLAIM_IP6_NEXT]) {
	case IPPROTO_ICMPV6:
		look_neighbour(frame, len, ret);
		break;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		ret->kind = CLAIM_NEVER; /* it could follow there */
		break;
	}
}

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static uint32_t half(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

/* -- for the kernel ---------------------------------------------------------------------------------------------- */

/* A program for classic BPF.  Jumps lead to labels: numbers of instructions, or NEXT. */
enum {
	NEXT = 0,
	V6 = 14,
	ICMP = 23,
	ADVERT = 29,
	SOLICIT = 37,
	UNSPECIFIED = 45,
	UP = 52,
	PASS = 53
};
static_assert(PASS + 1 == CLAIM_FILTER_LEN, "that is the last instruction");
struct program {
	struct sock_filter *v;
	unsigned n;
};

static void load(struct program *p, unsigned size, uint32_t at)
{
	p->v[p->n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_ABS | size, at);
}

/* Is that which is loaded VALUE? */
static void when(struct program *p, uint32_t value, unsigned yes, unsigned no)
{
	unsigned here = p->n++;

	p->v[here] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value,
						  (uint8_t)((yes ?: here + 1) - here - 1),
						  (uint8_t)((no ?: here + 1) - here - 1));
}

static void give(struct program *p, uint32_t value)
{
	p->v[p->n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value);
}

/* Are the 16 bytes at AT those of IP: PASS, or UP?  When the first four differ: OTHER. */
static void when_ip6(struct program *p, uint32_t at, const uint8_t ip[16], unsigned other)
{
	for (unsigned i = 0; i < 4; i++) {
		load(p, BPF_W, at + 4 * i);
		when(p, word(ip + 4 * i), i < 3 ? NEXT : PASS, i ? UP : other);
	}
}

void claim_filter(const uint8_t mac[NET_MAC_LEN], struct in_addr ip, const struct in6_addr *ip6,
		  struct sock_filter ret[CLAIM_FILTER_LEN])
{
	struct program program = { .v = ret }, *p = &program;

	load(p, BPF_W, ETH_ALEN); /* the sender */
	when(p, word(mac), NEXT, PASS);
	load(p, BPF_H, ETH_ALEN + 4);
	when(p, half(mac + 4), NEXT, PASS);
	load(p, BPF_H, 2 * ETH_ALEN); /* the type */
	when(p, ETH_P_IPV6, V6, NEXT);
	when(p, ETH_P_ARP, NEXT, PASS);
	load(p, BPF_W, CLAIM_ARP_SHA);
	when(p, word(mac), NEXT, UP);
	load(p, BPF_H, CLAIM_ARP_SHA + 4);
	when(p, half(mac + 4), NEXT, UP);
	load(p, BPF_W, CLAIM_ARP_SPA);
	when(p, ntohl(ip.s_addr), PASS, NEXT);
	when(p, 0, PASS, UP);
	assert(p->n == V6);
	load(p, BPF_B, CLAIM_IP6_HOPS);
	when(p, CLAIM_ND_HOPS, NEXT, PASS);
	load(p, BPF_B, CLAIM_IP6_NEXT);
	when(p, IPPROTO_ICMPV6, ICMP, NEXT);
	when(p, IPPROTO_HOPOPTS, UP, NEXT);
	when(p, IPPROTO_ROUTING, UP, NEXT);
	when(p, IPPROTO_FRAGMENT, UP, NEXT);
	when(p, IPPROTO_DSTOPTS, UP, NEXT);
	when(p, IPPROTO_AH, UP, PASS);
	assert(p->n == ICMP);
	load(p, BPF_B, CLAIM_ND_TYPE);
	when(p, ND_NEIGHBOR_ADVERT, ADVERT, NEXT);
	when(p, ND_NEIGHBOR_SOLICIT, SOLICIT, NEXT);
	when(p, ND_ROUTER_SOLICIT, SOLICIT, NEXT);
	when(p, ND_ROUTER_ADVERT, UP, NEXT);
	when(p, ND_REDIRECT, UP, PASS);
	assert(p->n == ADVERT);
	when_ip6(p, CLAIM_ND_TARGET, ip6->s6_addr, UP);
	assert(p->n == SOLICIT);
	when_ip6(p, CLAIM_IP6_SRC, ip6->s6_addr, UNSPECIFIED);
	assert(p->n == UNSPECIFIED);
	when(p, 0, NEXT, UP); /* its first word is loaded still */
	for (unsigned i = 1; i < 4; i++) {
		load(p, BPF_W, CLAIM_IP6_SRC + 4 * i);
		when(p, 0, i < 3 ? NEXT : PASS, UP);
	}
	assert(p->n == UP);
	give(p, 1);
	give(p, 0);
}
