#include "slirp/resolv.h"

#include <arpa/inet.h>

#include "tests/lib/tap.h"

static const struct {
	const char *what, *in, *out; /* OUT: after the nameserver lines */
} confs[] = {
	{ "no file", NULL, "options ndots:0\n" },
	{ "servers are replaced", "nameserver 192.168.1.1\nnameserver fe80::1%eth0\n",
	  "options ndots:0\n" },
	{ "search is kept", "search a.example  b.example\t.\n",
	  "search a.example b.example .\noptions ndots:0\n" },
	{ "the last search counts", "search a\ndomain b", "search b\noptions ndots:0\n" },
	{ "options of how to ask", "options ndots:2 timeout:1 edns0\noptions rotate\n",
	  "options ndots:0 timeout:1 edns0 rotate\n" },
	{ "options of trust and output are dropped",
	  "options trust-ad debug inet6 timeout:x timeout: timeout:99999\n", "options ndots:0\n" },
	{ "comments", "# search x\n; options rotate\nsearch y # z\n", "search y z\noptions ndots:0\n" },
	{ "unknown words", "sortlist 1.2.3.4\nlookup file bind\n\n\nbogus", "options ndots:0\n" },
	{ "carriage returns", "search a\r\noptions rotate\r\n", "search a\noptions ndots:0 rotate\n" },
};

static void test_resolv(void)
{
	_cleanup_free_ char *longest = NULL;
	struct net_addrs a;
	struct str big = { 0 };

	net_addrs_default(&a);
	for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
		_cleanup_free_ char *got = resolv_conf_text(confs[i].in, &a);
		_cleanup_free_ char *want = xasprintf("nameserver 10.0.2.3\n%s", confs[i].out);

		is_str(got, want, "%s", confs[i].what);
	}
	str_add(&big, "search");
	for (int i = 0; i < 1000; i++)
		str_add(&big, " example.org");
	longest = resolv_conf_text(big.s, &a);
	ok(strlen(longest) < 1200, "a search list has an end");
	str_done(&big);
}

static void test_hosts(void)
{
	char *entry = NULL;
	static const struct host_entry entries[] = { { "10.0.2.7", "db 0123456789ab" },
						     { "10.0.2.100", "web.example web" } };
	_cleanup_strv_ struct strv add = { 0 };
	struct net_addrs a;
	char *text;

	net_addrs_default(&a);
	text = hosts_text("web", NULL, NULL, 0, &add);
	ok(str_ends(text, "ff02::2\tip6-allrouters\n127.0.0.1\tweb\n"), "no network");
	free(text);
	ok(!hosts_want_gateway(&add), "the host's loopback was not asked for");
	strv_add(&add, "db:192.168.1.7");
	strv_add(&add, "six:[2001:db8::1]");
	strv_add(&add, "host.docker.internal:host-gateway");
	text = hosts_text("web", &a.gateway, entries, ARRAY_LEN(entries), &add);
	ok(str_ends(text, "ff02::2\tip6-allrouters\n192.168.1.7\tdb\n2001:db8::1\tsix\n"
			  "10.0.2.2\thost.docker.internal\n10.0.2.7\tdb 0123456789ab\n"
			  "10.0.2.100\tweb.example web\n"),
	   "added hosts, own name");
	free(text);
	ok(hosts_want_gateway(&add), "the host's loopback was asked for");
	is_err(hosts_check("a:1.2.3.4", &entry), NULL, "IPv4");
	is_str(entry, "a:1.2.3.4", "as it was");
	free(entry);
	is_err(hosts_check("a:::1", &entry), NULL, "IPv6");
	free(entry);
	is_err(hosts_check("a=[::1]", &entry), NULL, "IPv6 with =");
	is_str(entry, "a:::1", "without brackets");
	free(entry);
	is_err(hosts_check("a:host-gateway", &entry), NULL, "the gateway");
	free(entry);
	is_err(hosts_check("a", &entry), "bad format for add-host: \"a\" *", "no address");
	is_err(hosts_check(":1.2.3.4", &entry), "bad format for add-host: \":1.2.3.4\" *", "no name");
	is_err(hosts_check("a b:1.2.3.4", &entry), "bad format*", "blank in the name");
	is_err(hosts_check("a\nb:1.2.3.4", &entry), "bad format*", "newline in the name");
	is_err(hosts_check("a:1.2.3", &entry), "invalid IP address in add-host: \"1.2.3\"",
	       "half an address");
}

static void test_servers(void)
{
	struct resolv_server s[RESOLV_SERVERS_MAX];

	is_int(resolv_servers(NULL, s), 2, "no file: the local servers");
	is_int(resolv_servers("#nameserver 1.2.3.4\nnameserver x\nnameserver\n", s), 2,
	       "none that is one");
	ok(s[0].addr.v4.sin_addr.s_addr == htonl(0x7f000001) && s[1].addr.v6.sin6_addr.s6_addr[15] == 1,
	   "in both families");
	is_int(resolv_servers("nameserver\t127.0.0.53 \nsearch nameserver 1.1.1.1\nnameserver fe80::1%lo\n",
			      s),
	       2, "two");
	ok(s[0].addr.sa.sa_family == AF_INET && ntohs(s[0].addr.v4.sin_port) == 53 &&
		   s[0].len == sizeof(struct sockaddr_in),
	   "IPv4");
	ok(s[1].addr.sa.sa_family == AF_INET6 && s[1].addr.v6.sin6_scope_id == 1, "IPv6 with its scope");
	is_int(resolv_servers("nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver ::4\nnameserver ::5",
			      s),
	       RESOLV_SERVERS_MAX, "too many");
}

int main(void)
{
	test_servers();
	test_resolv();
	test_hosts();
	return done_testing();
}
