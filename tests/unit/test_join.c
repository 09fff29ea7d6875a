#include "slirp/join.h"

#include <arpa/inet.h>

#include "tests/lib/tap.h"

static void test_round(void)
{
	struct join j = { .kind = PACKET_SOCKET,
			  .host_loopback = true,
			  .mac = { 2, 0x42, 0xac, 0x12, 0, 2 } };
	_cleanup_join_ struct join back = { 0 };
	_cleanup_free_ char *msg = NULL;
	size_t len;

	j.id = xstrdup("abc");
	strv_add(&j.names, "web");
	strv_add(&j.names, "www");
	strv_add(&j.others, "net2");
	j.ip.s_addr = htonl(0xac120002);
	inet_pton(AF_INET6, "fd00::2", &j.ip6);
	is_err(port_parse("127.0.0.1:8080:80", &j.ports), NULL, "a port");
	msg = join_pack(&j, &len);
	is_err(join_parse(msg, len, &back), NULL, "parsed");
	ok(str_eq(back.id, "abc") && back.names.n == 2 && str_eq(back.names.v[1], "www"), "names");
	ok(back.others.n == 1 && str_eq(back.others.v[0], "net2"), "other networks");
	ok(back.ip.s_addr == j.ip.s_addr && !memcmp(&back.ip6, &j.ip6, 16) &&
		   !memcmp(back.mac, j.mac, 6),
	   "addresses");
	ok(back.kind == PACKET_SOCKET && !back.device && back.host_loopback, "kind and rights");
	ok(back.ports.n == 1 && back.ports.v[0].host == 8080 && back.ports.v[0].proto == PORT_TCP,
	   "ports");
	join_done(&j);
}

static void test_wish(void)
{
	struct join j = { .kind = PACKET_BRIDGE };
	_cleanup_join_ struct join back = { 0 };
	_cleanup_free_ char *msg = NULL;
	size_t len;

	j.id = xstrdup("abc");
	strv_add(&j.names, "web");
	j.device = xstrdup("eth%d");
	msg = join_pack(&j, &len);
	is_err(join_parse(msg, len, &back), NULL, "parsed");
	ok(back.kind == PACKET_BRIDGE && str_eq(back.device, "eth%d"), "a device that is wished for");
	join_done(&j);
}

static void test_leave(void)
{
	struct join j = { 0 };
	_cleanup_free_ char *msg = NULL;
	size_t len;

	msg = join_pack(&j, &len);
	is_str(msg, "{}", "leaving");
	is_err(join_parse(msg, len, &j), NULL, "parsed");
	ok(!j.id, "it leaves");
}

static void test_bad(void)
{
#define GOOD                                                                                       \
	"\"id\":\"a\",\"names\":[\"n\"],\"ip\":\"10.0.0.2\",\"mac\":\"024200000002\",\"kind\":\"tap\""
	static const struct {
		const char *msg, *err;
	} cases[] = {
		{ "{" GOOD "}", NULL },
		{ "", "join*" },
		{ "[]", "join: no object" },
		{ "{" GOOD ",\"device\":\"0123456789abcdef\"}", "join: no valid name of a device" },
		{ "{\"id\":\"a\"}", "join: a member without id or name" },
		{ "{" GOOD ",\"ip6\":\"x\"}", "join: no valid address" },
		{ "{\"id\":\"a\",\"names\":[\"n\"],\"ip\":\"10.0.0.2\",\"mac\":\"034200000002\",\"kind\":\"tap\"}",
		  "join: no valid hardware address" },
		{ "{\"id\":\"a\",\"names\":[\"n\"],\"ip\":\"10.0.0.2\",\"mac\":\"0242\",\"kind\":\"tap\"}",
		  "join: no valid hardware address" },
		{ "{\"id\":\"a\",\"names\":[\"n\"],\"ip\":\"10.0.0.2\",\"mac\":\"024200000002\",\"kind\":\"pipe\"}",
		  "join: an unknown kind of device" },
		{ "{" GOOD ",\"ports\":[\"x\"]}", "join: publishing*" },
		{ "{" GOOD ",\"ports\":[7]}", "join: publishing*" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_join_ struct join j = { 0 };

		is_err(join_parse(cases[i].msg, strlen(cases[i].msg), &j), cases[i].err, "%s",
		       cases[i].msg);
	}
}

int main(void)
{
	test_round();
	test_wish();
	test_leave();
	test_bad();
	return done_testing();
}
