#include "core/store/subnet.h"

#include <arpa/inet.h>

#include "tests/lib/tap.h"

static struct subnet net(const char *text)
{
	struct subnet s = { 0 };

	is_err(subnet_parse(text, &s), NULL, "%s", text);
	return s;
}

static void test_parse(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "172.30.0.0/16", "172.30.0.0/16" },
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "10.0.0.1/32", "10.0.0.1/32" },
		{ "10.0.0.0", NULL },
		{ "/16", NULL },
		{ "10.0.0.0/33", NULL },
		{ "10.0.0/8", NULL },
		{ "10.0.0.0/", NULL },
		{ "10.0.0.0/8/8", NULL },
		{ "fd00::/64", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct subnet s;
		char text[SUBNET_TEXT_MAX];
		struct err *e = subnet_parse(cases[i].in, &s);

		if (cases[i].out) {
			is_err(e, NULL, "%s", cases[i].in);
			subnet_text(&s, text);
			is_str(text, cases[i].out, "%s", cases[i].in);
		} else {
			is_err(e, "invalid CIDR address: *", "%s", cases[i].in);
		}
	}
}

static void test_parse6(void)
{
	struct subnet6 s;
	char text[SUBNET_TEXT_MAX];

	is_err(subnet_parse6("fd12:3456::7:8/64", &s), NULL, "IPv6");
	subnet_text6(&s, text);
	is_str(text, "fd12:3456::/64", "without its host part");
	is_err(subnet_parse6("fd00::/129", &s), "invalid CIDR*", "too long a prefix");
	is_err(subnet_parse6("10.0.0.0/8", &s), "invalid CIDR*", "IPv4");
	subnet_make6(&s);
	ok(s.prefix == 64 && s.ip.s6_addr[0] == 0xfd && s.ip.s6_addr[7] == 0, "a unique local one");
}

static void test_numbers(void)
{
	struct subnet s = net("172.18.0.0/16"), small = net("10.0.0.8/29");
	struct subnet6 six;
	struct in6_addr ip6;
	char text[INET6_ADDRSTRLEN];

	is_int(subnet_size(&s), 65536, "size");
	is_int(subnet_size(&small), 8, "size of a small one");
	ok(subnet_at(&s, 258).s_addr == htonl(0xac120102), "the 258th");
	ok(subnet_has(&s, subnet_at(&s, 65535)) && !subnet_has(&s, subnet_at(&s, 65536)), "inside");
	ok(subnet_overlap(&s, &s), "with itself");
	s = net("172.16.0.0/12");
	small = net("172.31.255.0/24");
	ok(subnet_overlap(&s, &small) && subnet_overlap(&small, &s), "one in the other");
	small = net("172.32.0.0/24");
	ok(!subnet_overlap(&s, &small), "beside");
	is_err(subnet_parse6("fd00::/64", &six), NULL, "fd00::/64");
	ip6 = subnet_at6(&six, 0x12345);
	is_str(inet_ntop(AF_INET6, &ip6, text, sizeof(text)), "fd00::1:2345", "an IPv6 address");
	ok(subnet_has6(&six, &ip6), "inside");
}

static void test_routes(void)
{
	_cleanup_subnets_ struct subnets used = { 0 };
	struct subnet s;
	char text[SUBNET_TEXT_MAX];

	ok(subnet_pick(&used, true, &s) && s.ip.s_addr == htonl(0xac110000), "the default network's");
	ok(subnet_pick(&used, false, &s) && s.ip.s_addr == htonl(0xac120000), "others begin behind it");
	/* on a little-endian machine; the default route does not count, nor does nonsense */
	subnets_add_routes(&used, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"
				  "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
				  "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
				  "nonsense\n"
				  "vpn\t000012AC\t00000000\t0001\t0\t0\t0\t0000FEFF\t0\t0\t0");
	is_int(used.n, 2, "two routes");
	subnet_text(&used.v[1], text);
	is_str(text, "172.18.0.0/15", "of the VPN");
	ok(subnet_pick(&used, true, &s) && s.ip.s_addr == htonl(0xac140000), "not one of the host's");
	for (unsigned n = 20; n < 32; n++) {
		s = (struct subnet){ { htonl(0xac000000U | n << 16) }, 16 };
		subnets_add(&used, &s);
	}
	ok(subnet_pick(&used, false, &s), "the second kind of pool");
	subnet_text(&s, text);
	is_str(text, "192.168.0.0/20", "the first of it");
	s = net("192.168.0.0/16");
	subnets_add(&used, &s);
	ok(!subnet_pick(&used, false, &s), "none left");
}

int main(void)
{
	test_parse();
	test_parse6();
	test_numbers();
	test_routes();
	return done_testing();
}
