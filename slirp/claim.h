/* slirp/claim.h -- what a frame says about who has which address: ARP and IPv6 neighbour discovery.  Pure, no I/O.
 * Once for us, once as a program for the kernel, which leaves to us what is to be judged (slirp/bridge.h).
 * Source: RFC 826; RFC 4861, 4 (a hop limit of 255) and 7.2.3; linux/filter.h. */
#ifndef SLIRP_CLAIM_H
#define SLIRP_CLAIM_H

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <stdint.h>

#include "slirp/addrs.h"

enum {
	/* offsets in a frame */
	CLAIM_ARP_SHA = ETH_HLEN + 8,
	CLAIM_ARP_SPA = ETH_HLEN + 14,
	CLAIM_ARP_END = ETH_HLEN + 28,
	CLAIM_IP6_NEXT = ETH_HLEN + 6,
	CLAIM_IP6_HOPS = ETH_HLEN + 7,
	CLAIM_IP6_SRC = ETH_HLEN + 8,
	CLAIM_ND_TYPE = ETH_HLEN + 40,
	CLAIM_ND_TARGET = ETH_HLEN + 48,
	CLAIM_ND_END = ETH_HLEN + 64,
	CLAIM_ND_HOPS = 255,
	CLAIM_FILTER_LEN = 54, /* instructions */
};

enum claim_kind {
	CLAIM_NONE,
	CLAIM_IP4, /* that the sender has an address */
	CLAIM_IP6,
	CLAIM_NEVER, /* that it is another machine, or a router; or it hides what it says */
	CLAIM_KIND_MAX
};
struct claim {
	enum claim_kind kind;
	union {
		struct in_addr ip;
		struct in6_addr ip6;
	};
};

/* FRAME, at least an Ethernet header, of the sender MAC. */
void claim_look(const uint8_t *frame, size_t len, const uint8_t mac[NET_MAC_LEN], struct claim *ret);

/* Classic BPF: 1 for frames of the sender MAC with claims other than that it has IP or IP6, else 0. */
void claim_filter(const uint8_t mac[NET_MAC_LEN], struct in_addr ip, const struct in6_addr *ip6,
		  struct sock_filter ret[CLAIM_FILTER_LEN]);

#endif
