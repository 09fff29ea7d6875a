#include "slirp/port.h"

#include "tests/lib/tap.h"

/* IN is parsed; its printed form is OUT (NULL: as IN plus "/tcp"), or parsing fails with ERR. */
static const struct {
	const char *in, *out, *err;
} specs[] = {
	{ "3306:3306", NULL, NULL },
	{ "3306", NULL, NULL },
	{ ":3306", "3306/tcp", NULL },
	{ "127.0.0.1:3306:3306", NULL, NULL },
	{ "127.0.0.1::3306", NULL, NULL },
	{ "[::1]:80:80", NULL, NULL },
	{ "::1:80:80", "[::1]:80:80/tcp", NULL },
	{ "[0:0::1]::80", "[::1]::80/tcp", NULL },
	{ "[::]:80:80", NULL, NULL },
	{ "8000-8005:80-85", NULL, NULL },
	{ "8000-8005:80", NULL, NULL },
	{ "7000-7002", NULL, NULL },
	{ "8080-8080:80", "8080:80/tcp", NULL },
	{ "53:53/udp", "53:53/udp", NULL },
	{ "53:53/UDP", "53:53/udp", NULL },
	{ "53:53/tcp", "53:53/tcp", NULL },
	{ "65535:1", NULL, NULL },
	{ "", NULL, "publishing \"\": no port specified" },
	{ "80:", NULL, "publishing \"80:\": no port specified" },
	{ "80:/udp", NULL, "publishing \"80:/udp\": no port specified" },
	{ "80:x", NULL, "publishing \"80:x\": invalid containerPort: x" },
	{ "x:80", NULL, "publishing \"x:80\": invalid hostPort: x" },
	{ "0:80", NULL, NULL },
	{ "127.0.0.1:0:80-81/udp", "127.0.0.1:0:80-81/udp", NULL },
	{ "0-5:80", NULL, "publishing \"0-5:80\": invalid hostPort: 0-5" },
	{ "80:65536", NULL, "publishing \"80:65536\": invalid containerPort: 65536" },
	{ "80:-1", NULL, "publishing \"80:-1\": invalid containerPort: -1" },
	{ "80:1-", NULL, "publishing \"80:1-\": invalid containerPort: 1-" },
	{ "80: 80", NULL, "publishing \"80: 80\": invalid containerPort:  80" },
	{ "9-8:80", NULL, "publishing \"9-8:80\": invalid hostPort: 9-8 ends before it begins" },
	{ "8000-8001:80-85", NULL,
	  "*invalid ranges specified for container and host ports: 80-85 and 8000-8001" },
	{ "8000:80-85", NULL, "*invalid ranges*" },
	{ "80:80/sctp", NULL, "publishing \"80:80/sctp\": invalid proto: sctp" },
	{ "80:80/", NULL, "publishing \"80:80/\": invalid proto: " },
	{ "300.0.0.1:80:80", NULL, "publishing \"300.0.0.1:80:80\": invalid IP address: 300.0.0.1" },
	{ "localhost:80:80", NULL, "*invalid IP address: localhost" },
	{ "[::1]:80", NULL, "*invalid IP address*" },
	{ "[::g]:80:80", NULL, "*invalid IP address: ::g" },
};

static void test_specs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		_cleanup_ports_ struct ports l = { 0 }, again = { 0 };
		_cleanup_str_ struct str text = { 0 };
		_cleanup_free_ char *want =
			specs[i].out ? xstrdup(specs[i].out) : xasprintf("%s/tcp", specs[i].in);

		is_err(port_parse(specs[i].in, &l), specs[i].err, "-p \"%s\"", specs[i].in);
		if (specs[i].err) {
			is_int(l.n, 0, "  nothing was appended");
			continue;
		}
		port_text(&l.v[0], &text);
		is_str(text.s, want, "  prints");
		is_err(port_parse(text.s, &again), NULL, "  and parses again");
		ok(again.n == 1 && memcmp(&again.v[0], &l.v[0], sizeof(l.v[0])) == 0, "  to the same");
	}
}

static void add(struct ports *l, const char *ip, uint16_t host, uint16_t ctr, enum port_proto proto)
{
	struct port p = { .host = host, .host_last = host, .ctr = ctr, .ctr_last = ctr, .proto = proto };

	snprintf(p.ip, sizeof(p.ip), "%s", ip);
	ports_add(l, &p);
}

static void test_ps(void)
{
	_cleanup_ports_ struct ports l = { 0 };
	_cleanup_strv_ struct strv exposed = { 0 };
	_cleanup_str_ struct str text = { 0 };

	ports_ps_text(&l, NULL, &text);
	is_str(text.s, "", "nothing is published");
	strv_add(&exposed, "33060/tcp");
	strv_add(&exposed, "3306/tcp");
	strv_add(&exposed, "what?");
	ports_ps_text(&l, &exposed, &text);
	is_str(text.s, "3306/tcp, 33060/tcp", "exposed only, sorted by number, nonsense skipped");

	add(&l, "127.0.0.1", 3306, 3306, PORT_TCP);
	add(&l, "::1", 3306, 3306, PORT_TCP);
	text.len = 0;
	ports_ps_text(&l, &exposed, &text);
	is_str(text.s, "127.0.0.1:3306->3306/tcp, [::1]:3306->3306/tcp, 33060/tcp", "published first");

	ports_done(&l);
	for (uint16_t i = 0; i < 6; i++)
		add(&l, "127.0.0.1", (uint16_t)(8005 - i), (uint16_t)(85 - i), PORT_TCP);
	add(&l, "127.0.0.1", 9000, 86, PORT_TCP);
	add(&l, "127.0.0.1", 53, 53, PORT_UDP);
	text.len = 0;
	ports_ps_text(&l, NULL, &text);
	is_str(text.s, "127.0.0.1:8000-8005->80-85/tcp, 127.0.0.1:9000->86/tcp, 127.0.0.1:53->53/udp",
	       "ranges merge, others do not");
}

static void test_exposed(void)
{
	_cleanup_ports_ struct ports l = { 0 };
	_cleanup_strv_ struct strv exposed = { 0 };
	struct port p;

	is_err(port_parse("8080:80", &l), NULL, "one port is published by hand");
	strv_add(&exposed, "80/tcp");
	strv_add(&exposed, "80/udp");
	strv_add(&exposed, "90-92");
	strv_add(&exposed, "91");
	ports_add_exposed(&l, &exposed);
	is_int(l.n, 5, "-P adds what is not published yet, once");
	ok(l.v[1].proto == PORT_UDP && l.v[1].same_if_free && l.v[1].host == 0, "to be chosen");
	is_err(port_parse_exposed("1:2", &p), "exposing \"1:2\": invalid containerPort: 1:2",
	       "no host side in --expose");
}

int main(void)
{
	test_specs();
	test_ps();
	test_exposed();
	return done_testing();
}
