#include "slirp/claim.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/lib/tap.h"

enum { FRAME = 90 };
static const uint8_t mac[NET_MAC_LEN] = { 2, 0x42, 0xac, 0x12, 0, 2 };
static struct in_addr ip, other;
static struct in6_addr ip6, other6;
static int in, out; /* frames that the kernel's program takes come from IN to OUT */

static void attach(void)
{
	struct sock_filter v[CLAIM_FILTER_LEN];
	const struct sock_fprog prog = { CLAIM_FILTER_LEN, v };
	int fds[2];

	claim_filter(mac, ip, &ip6, v);
	ok(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0 &&
		   setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == 0,
	   "the kernel takes the program");
	in = fds[0];
	out = fds[1];
}

static bool kernel_says(const uint8_t *frame, size_t len)
{
	char byte;

	return send(in, frame, len, 0) == (ssize_t)len && recv(out, &byte, 1, MSG_DONTWAIT) >= 0;
}

/* Is it to be judged?  From what claim_look() says. */
static bool we_say(const uint8_t *frame, size_t len)
{
	struct claim c;

	if (memcmp(frame + NET_MAC_LEN, mac, NET_MAC_LEN) != 0)
		return false;
	claim_look(frame, len, mac, &c);
	return c.kind == CLAIM_NEVER || (c.kind == CLAIM_IP4 && c.ip.s_addr != ip.s_addr) ||
	       (c.kind == CLAIM_IP6 && memcmp(&c.ip6, &ip6, sizeof(ip6)) != 0);
}

static void check(const uint8_t *frame, bool want, const char *what)
{
	is_int(we_say(frame, FRAME), want, "%s", what);
	is_int(kernel_says(frame, FRAME), want, "the kernel: %s", what);
}

static void begin(uint8_t *frame, uint16_t type)
{
	memset(frame, 0, FRAME);
	memcpy(frame + NET_MAC_LEN, mac, NET_MAC_LEN);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

static void test_arp(void)
{
	uint8_t f[FRAME];

	begin(f, ETH_P_ARP);
	memcpy(f + CLAIM_ARP_SHA, mac, NET_MAC_LEN);
	check(f, false, "is an address free?");
	memcpy(f + CLAIM_ARP_SPA, &ip, 4);
	check(f, false, "its own address");
	memcpy(f + CLAIM_ARP_SPA, &other, 4);
	check(f, true, "another address");
	memcpy(f + CLAIM_ARP_SPA, &ip, 4);
	f[CLAIM_ARP_SHA + 5] = 9;
	check(f, true, "another machine's");
	f[NET_MAC_LEN + 5] = 9;
	check(f, false, "a forged sender is the bridge's to drop");
}

static void begin_nd(uint8_t *f, uint8_t type, const struct in6_addr *src)
{
	begin(f, ETH_P_IPV6);
	f[CLAIM_IP6_NEXT] = IPPROTO_ICMPV6;
	f[CLAIM_IP6_HOPS] = CLAIM_ND_HOPS;
	f[CLAIM_ND_TYPE] = type;
	memcpy(f + CLAIM_IP6_SRC, src, sizeof(*src));
}

static void test_neighbour(void)
{
	struct in6_addr none = { 0 };
	uint8_t f[FRAME];

	begin_nd(f, ND_NEIGHBOR_SOLICIT, &ip6);
	check(f, false, "it asks");
	begin_nd(f, ND_NEIGHBOR_SOLICIT, &none);
	check(f, false, "it asks whether an address is free");
	begin_nd(f, ND_NEIGHBOR_SOLICIT, &other6);
	check(f, true, "it asks as another");
	begin_nd(f, ND_NEIGHBOR_ADVERT, &ip6);
	memcpy(f + CLAIM_ND_TARGET, &ip6, 16);
	check(f, false, "it answers");
	memcpy(f + CLAIM_ND_TARGET, &other6, 16);
	check(f, true, "it answers for another");
	f[CLAIM_IP6_HOPS] = 64;
	check(f, false, "nobody takes that");
	begin_nd(f, ND_ROUTER_ADVERT, &ip6);
	check(f, true, "a router");
	begin_nd(f, ND_REDIRECT, &ip6);
	check(f, true, "a router's redirect");
	begin_nd(f, ICMP6_ECHO_REQUEST, &other6);
	check(f, false, "a ping");
	begin_nd(f, ND_NEIGHBOR_ADVERT, &ip6);
	f[CLAIM_IP6_NEXT] = IPPROTO_HOPOPTS;
	check(f, true, "hidden behind a header");
	f[CLAIM_IP6_NEXT] = 112;
	check(f, false, "VRRP");
}

/* Both say the same, whatever it is. */
static void test_same(void)
{
	static const uint8_t types[] = { 0,
					 132,
					 ND_ROUTER_SOLICIT,
					 ND_ROUTER_ADVERT,
					 ND_NEIGHBOR_SOLICIT,
					 ND_NEIGHBOR_ADVERT,
					 ND_REDIRECT,
					 138 };
	unsigned differ = 0;

	srand(1);
	for (int i = 0; i < 20000; i++) {
		uint8_t f[FRAME];

		begin_nd(f, types[rand() % 8], rand() % 2 ? &ip6 : &other6);
		memcpy(f + CLAIM_ND_TARGET, rand() % 2 ? &ip6 : &other6, 16);
		if (rand() % 4 == 0)
			begin(f, ETH_P_ARP);
		for (int k = rand() % 3; k > 0; k--)
			f[NET_MAC_LEN + rand() % (FRAME - NET_MAC_LEN)] =
				(uint8_t)(rand() % 8 ? rand() : 0);
		differ += we_say(f, FRAME) != kernel_says(f, FRAME);
	}
	is_int(differ, 0, "frames of which both say the same");
}

int main(void)
{
	inet_pton(AF_INET, "172.18.0.2", &ip);
	inet_pton(AF_INET, "172.18.0.3", &other);
	inet_pton(AF_INET6, "fd00::2", &ip6);
	inet_pton(AF_INET6, "fd00::3", &other6);
	attach();
	test_arp();
	test_neighbour();
	test_same();
	return done_testing();
}
