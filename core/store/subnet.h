/* core/store/subnet.h -- ranges of addresses: parsing, overlaps, Docker's pools.  Pure, no I/O.
 * Source: RFC 4632 (CIDR), RFC 4193 (unique local IPv6), Docker's default address pools. */
#ifndef CORE_STORE_SUBNET_H
#define CORE_STORE_SUBNET_H

#include <netinet/in.h>
#include <stdint.h>

#include "core/base/str.h"

/* IPv4; network byte order, the host part is 0.  A prefix of 0 is "none". */
struct subnet {
	struct in_addr ip;
	uint8_t prefix; /* bits */
};
struct subnet6 {
	struct in6_addr ip;
	uint8_t prefix;
};

enum { SUBNET_TEXT_MAX = INET6_ADDRSTRLEN + 4 };

/* "172.30.0.0/16"; host bits are cleared.  Errors: "invalid CIDR address: X". */
struct err *subnet_parse(const char *text, struct subnet *ret) MUST_CHECK;
struct err *subnet_parse6(const char *text, struct subnet6 *ret) MUST_CHECK;
void subnet_text(const struct subnet *s, char ret[SUBNET_TEXT_MAX]);
void subnet_text6(const struct subnet6 *s, char ret[SUBNET_TEXT_MAX]);

bool subnet_has(const struct subnet *s, struct in_addr ip);
bool subnet_has6(const struct subnet6 *s, const struct in6_addr *ip);
bool subnet_overlap(const struct subnet *a, const struct subnet *b);
bool subnet_overlap6(const struct subnet6 *a, const struct subnet6 *b);
/* How many addresses there are, and the Nth: 0 is the network's own. */
uint32_t subnet_size(const struct subnet *s);
struct in_addr subnet_at(const struct subnet *s, uint32_t n);
struct in6_addr subnet_at6(const struct subnet6 *s, uint32_t n);

struct subnets {
	struct subnet *v;
	size_t n, cap;
};
void subnets_add(struct subnets *l, const struct subnet *s);
void subnets_done(struct subnets *l);
#define _cleanup_subnets_ _cleanup_(subnets_done)

/* Append the routes of a text of /proc/net/route, but for the default route. */
void subnets_add_routes(struct subnets *l, const char *proc_net_route);
/* The first of Docker's pools that overlaps nothing in USED: 172.17.0.0/16 (the default network's alone, when
 * DEFAULT_NET) to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20.  False: there is none left. */
bool subnet_pick(const struct subnets *used, bool default_net, struct subnet *ret);
/* A random unique local /64. */
void subnet_make6(struct subnet6 *ret);

#endif
