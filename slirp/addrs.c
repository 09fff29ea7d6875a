#include "slirp/addrs.h"

#include <arpa/inet.h>
#include <string.h>

void net_addrs_default(struct net_addrs *ret)
{
	*ret = (struct net_addrs){
		.ip.s_addr = htonl(0x0a000264), /* 10.0.2.100 */
		.gateway.s_addr = htonl(0x0a000202),
		.dns.s_addr = htonl(0x0a000203),
		.ip6.s6_addr = { 0xfd, [14] = 0x01, [15] = 0x00 }, /* fd00::100 */
		.gateway6.s6_addr = { 0xfd, [15] = 0x02 },
		.dns6.s6_addr = { 0xfd, [15] = 0x03 },
		.prefix = 24,
		.prefix6 = 64,
		.mac = { 0x02, 0x42 }, /* locally administered, then the address, as Docker has it */
		.mtu = NET_MTU,
	};
	memcpy(ret->mac + 2, &ret->ip, 4);
}

struct in_addr net_addrs_mask(const struct net_addrs *a)
{
	return (struct in_addr){ .s_addr = a->prefix ? htonl(~0U << (32 - a->prefix)) : 0 };
}

struct in_addr net_addrs_network(const struct net_addrs *a)
{
	return (struct in_addr){ .s_addr = a->ip.s_addr & net_addrs_mask(a).s_addr };
}

struct in6_addr net_addrs_network6(const struct net_addrs *a)
{
	struct in6_addr net = a->ip6;

	for (unsigned bit = a->prefix6; bit < 128; bit++)
		net.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
	return net;
}
