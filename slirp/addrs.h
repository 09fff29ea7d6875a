/* slirp/addrs.h -- the addresses of one container's network.  Pure, no I/O.
 *
 * By default 10.0.2.0/24 and fd00::/64 as slirp4netns and QEMU have them: container .100, gateway .2, name server .3.
 * Everything below takes them as a value, so that a named network can hand out others. */
#ifndef SLIRP_ADDRS_H
#define SLIRP_ADDRS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { NET_MAC_LEN = 6, NET_MTU = 1500 };

struct net_addrs {
	struct in_addr ip, gateway, dns; /* network byte order */
	struct in6_addr ip6, gateway6, dns6;
	uint8_t prefix, prefix6; /* lengths in bits */
	uint8_t mac[NET_MAC_LEN]; /* the container's */
	uint16_t mtu;
};

void net_addrs_default(struct net_addrs *ret);
/* The network address: IP with the host part cleared. */
struct in_addr net_addrs_network(const struct net_addrs *a);
struct in_addr net_addrs_mask(const struct net_addrs *a);
struct in6_addr net_addrs_network6(const struct net_addrs *a);

#endif
