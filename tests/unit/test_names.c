#include "slirp/names.h"

#include <arpa/inet.h>

#include "slirp/dns_msg.h"

#include "tests/lib/tap.h"

static struct names *names;
static uint8_t out[NAMES_TCP_MAX];
static size_t out_len;

static void setup(bool closed)
{
	struct names_cfg cfg = { .network = "App_net", .ipv6 = true, .closed = closed };

	net_addrs_default(&cfg.addrs);
	cfg.addrs.prefix = 20;
	inet_pton(AF_INET, "172.18.16.1", &cfg.addrs.gateway);
	names = names_new(&cfg);
}

static void add(const char *id, const char *ip, const char *ip6, const char *a, const char *b)
{
	const char *const list[] = { a, b, NULL };
	struct names_member m = { .id = id, .names = list };

	inet_pton(AF_INET, ip, &m.ip);
	if (ip6)
		inet_pton(AF_INET6, ip6, &m.ip6);
	names_add(names, &m);
}

/* A query; EDNS_MAX 0: without OPT record. */
static size_t make_query(uint8_t *msg, const char *name, uint16_t type, uint16_t edns_max)
{
	static const uint8_t head[DNS_HEADER_LEN] = { 0x12, 0x34, 1, 0, 0, 1 };
	size_t len = DNS_HEADER_LEN;

	memcpy(msg, head, sizeof(head));
	len += *name ? dns_name_wire(name, msg + len) : 1;
	if (!*name)
		msg[len - 1] = 0;
	memcpy(msg + len, ((uint8_t[]){ (uint8_t)(type >> 8), (uint8_t)type, 0, 1 }), 4);
	len += 4;
	if (edns_max) {
		uint8_t opt[] = { 0, 0, 41, (uint8_t)(edns_max >> 8), (uint8_t)edns_max, 0, 0, 0x80,
				  0, 0, 0 };

		memcpy(msg + len, opt, sizeof(opt));
		len += sizeof(opt);
		msg[11] = 1;
	}
	return len;
}

/* The answer in words: "NXDOMAIN", "EMPTY", "172.18.16.2 172.18.16.3", "FORWARD", with "CUT " in front. */
static const char *words(enum names_verdict verdict)
{
	static char text[65536 * 4];
	struct str s = { 0 };
	size_t at;

	if (verdict != NAMES_ANSWER)
		return verdict == NAMES_FORWARD ? "FORWARD" : "DROP";
	if (out[2] & 2)
		str_add(&s, "CUT ");
	if (dns_rcode(out) == DNS_NXDOMAIN)
		str_add(&s, "NXDOMAIN");
	else if (dns_rcode(out))
		str_addf(&s, "RCODE %d", (int)dns_rcode(out));
	else if (!out[7])
		str_add(&s, "EMPTY");
	for (at = DNS_HEADER_LEN; at < out_len && out[at]; at += 1U + out[at])
		;
	at += 5;
	for (int n = out[6] << 8 | out[7]; n > 0; n--, at += 12U + out[at + 11]) {
		const uint8_t *data = out + at + 12;
		char ip[INET6_ADDRSTRLEN];

		if (s.len && s.s[s.len - 1] != ' ')
			str_addc(&s, ' ');
		if (out[at + 3] == DNS_TYPE_A || out[at + 3] == DNS_TYPE_AAAA)
			str_add(&s, inet_ntop(out[at + 3] == DNS_TYPE_A ? AF_INET : AF_INET6, data,
					      ip, sizeof(ip)));
		for (; out[at + 3] == DNS_TYPE_PTR && *data; data += 1 + *data)
			str_addf(&s, "%.*s.", (int)*data, (const char *)data + 1);
	}
	snprintf(text, sizeof(text), "%s", s.s ?: "");
	str_done(&s);
	return text;
}

static const char *ask_edns(const char *name, uint16_t type, uint16_t edns_max, size_t max)
{
	uint8_t query[512];
	size_t len = make_query(query, name, type, edns_max);

	return words(names_answer(names, query, len, out, max, &out_len));
}

static const char *ask(const char *name, uint16_t type)
{
	return ask_edns(name, type, 0, NAMES_UDP_MAX);
}

static void test_own(void)
{
	setup(false);
	add("1", "172.18.16.2", "fd00::12", "db", "mysql.example");
	is_str(ask("db", DNS_TYPE_A), "172.18.16.2", "a name");
	is_int(out[2], 0x85, "answered with authority");
	is_str(ask("DB", DNS_TYPE_A), "172.18.16.2", "in other letters");
	is_str(ask("db.app_NET", DNS_TYPE_A), "172.18.16.2", "with the network behind it");
	is_str(ask("mysql.example", DNS_TYPE_A), "172.18.16.2", "an alias");
	is_str(ask("db", DNS_TYPE_AAAA), "fd00::12", "IPv6");
	is_str(ask("db", DNS_TYPE_ANY), "172.18.16.2 fd00::12", "both");
	is_str(ask("db", 15), "EMPTY", "no mail server: nobody else is asked");
	is_str(ask("db.example", DNS_TYPE_A), "FORWARD", "another name");
	is_str(ask("", 2), "FORWARD", "the root");
	is_str(ask("dbapp_net", DNS_TYPE_A), "FORWARD", "a suffix begins with its dot");
	add("2", "172.18.16.3", NULL, "web", NULL);
	is_str(ask("web", DNS_TYPE_AAAA), "EMPTY", "no IPv6 address");
	is_str(ask("host.docker.internal", DNS_TYPE_A), "172.18.16.1", "the gateway");
	is_str(ask("host.docker.internal", DNS_TYPE_AAAA), "fd00::2", "in IPv6");
	names_free(names);
}

static void test_changes(void)
{
	setup(false);
	is_str(ask("web", DNS_TYPE_A), "FORWARD", "not there yet");
	add("1", "172.18.16.2", NULL, "web-1", "web");
	add("2", "172.18.16.3", NULL, "web-2", "web");
	add("3", "172.18.16.4", NULL, "web-3", "Web");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2 172.18.16.3 172.18.16.4", "a service");
	is_str(ask("web", DNS_TYPE_AAAA), "EMPTY", "without IPv6");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.3 172.18.16.4 172.18.16.2", "in turn");
	names_remove(names, "2");
	names_remove(names, "2");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2 172.18.16.4", "one has left");
	is_str(ask("web-2", DNS_TYPE_A), "NXDOMAIN", "its own name is not asked for outside");
	add("3", "172.18.16.9", NULL, "other", NULL);
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2", "one has another name now");
	is_str(ask("other", DNS_TYPE_A), "172.18.16.9", "which is known");
	names_remove(names, "1");
	is_str(ask("web", DNS_TYPE_A), "NXDOMAIN", "the last has left");
	add("1", "172.18.16.2", NULL, "web", "web");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2", "and come back");
	add("9", "172.18.16.7", NULL, "..", "a..b");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2", "bad names do no harm");
	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "gone%d", i);
		add("8", "172.18.16.8", NULL, name, NULL);
	}
	is_str(ask("gone4998", DNS_TYPE_A), "NXDOMAIN", "many names that are gone");
	is_str(ask("gone0", DNS_TYPE_A), "FORWARD", "are not all remembered");
	is_str(ask("web", DNS_TYPE_A), "172.18.16.2", "those in use are");
	names_free(names);
}

static void test_reverse(void)
{
	const char six[] = "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
	const char other[] = "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.d.f.ip6.arpa";

	setup(false);
	add("1", "172.18.17.2", "fd00::12", "db", NULL);
	is_str(ask("2.17.18.172.in-addr.arpa", DNS_TYPE_PTR), "db.app_net.", "an address");
	is_str(ask("1.16.18.172.IN-ADDR.arpa", DNS_TYPE_PTR), "host.docker.internal.", "the gateway");
	is_str(ask("2.17.18.172.in-addr.arpa", DNS_TYPE_A), "EMPTY", "has no address itself");
	is_str(ask("3.31.18.172.in-addr.arpa", DNS_TYPE_PTR), "NXDOMAIN", "nobody's");
	is_str(ask("3.32.18.172.in-addr.arpa", DNS_TYPE_PTR), "FORWARD", "of another network");
	is_str(ask("02.17.18.172.in-addr.arpa", DNS_TYPE_PTR), "FORWARD", "not canonical");
	is_str(ask("256.17.18.172.in-addr.arpa", DNS_TYPE_PTR), "FORWARD", "no address");
	is_str(ask("17.18.172.in-addr.arpa", DNS_TYPE_PTR), "FORWARD", "a part of one");
	is_str(ask(six, DNS_TYPE_PTR), "db.app_net.", "IPv6");
	is_str(ask(six + 2, DNS_TYPE_PTR), "FORWARD", "a part of one");
	is_str(ask(other, DNS_TYPE_PTR), "FORWARD", "of another network");
	names_free(names);
}

static void test_closed(void)
{
	setup(true);
	add("1", "172.18.16.2", NULL, "db", NULL);
	is_str(ask("db", DNS_TYPE_A), "172.18.16.2", "a closed network knows its own names");
	is_str(ask("example.org", DNS_TYPE_A), "NXDOMAIN", "and no others");
	is_str(ask("", 2), "NXDOMAIN", "not even the root");
	names_free(names);
}

static void test_size(void)
{
	char id[16], ip[32];

	setup(false);
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "%d", i);
		snprintf(ip, sizeof(ip), "172.18.17.%d", i);
		add(id, ip, NULL, "web", NULL);
	}
	ok(str_starts(ask("web", DNS_TYPE_A), "CUT 172.18.17.0 "), "too many for a datagram");
	is_int(out[7], (512 - 21) / 16, "as many as fit");
	ok(out_len <= 512, "not more");
	ok(str_starts(ask_edns("web", DNS_TYPE_A, 1232, NAMES_UDP_MAX), "CUT "), "a larger one");
	is_int(out[7], (1232 - 21 - 11) / 16, "as many as fit beside the OPT record");
	is_int(out[11], 1, "which is there");
	ok(str_starts(ask_edns("web", DNS_TYPE_A, 4096, NAMES_UDP_MAX), "172.18.17.2 "), "all fit");
	is_int(out[7], 200, "200");
	ok(str_starts(ask("web", DNS_TYPE_A) + 4, "172.18.17.3 "), "the next turn");
	ok(str_starts(ask_edns("web", DNS_TYPE_A, 0, NAMES_TCP_MAX), "172.18.17.4 "), "over TCP");
	is_int(out[7], 200, "all");
	is_str(ask_edns("db", DNS_TYPE_A, 1, NAMES_UDP_MAX), "FORWARD", "a silly size");
	names_free(names);
}

static void test_malformed(void)
{
	uint8_t query[512];
	size_t len;

	setup(true);
	add("1", "172.18.16.2", NULL, "db", NULL);
	len = make_query(query, "db", DNS_TYPE_A, 1232);
	for (size_t cut = 0; cut < len; cut++) {
		const char *got = words(names_answer(names, query, cut, out, NAMES_UDP_MAX, &out_len));

		if (!str_eq(got, cut < DNS_HEADER_LEN ? "DROP" : "RCODE 1"))
			ok(false, "cut at %zu: %s", cut, got);
	}
	query[2] |= 0x80;
	is_str(words(names_answer(names, query, len, out, NAMES_UDP_MAX, &out_len)), "DROP",
	       "an answer");
	query[2] = 0x28;
	is_str(words(names_answer(names, query, len, out, NAMES_UDP_MAX, &out_len)), "RCODE 4",
	       "an update");
	is_int(out_len, DNS_HEADER_LEN, "is refused in few words");
	query[2] = 1;
	query[len - 5] = 1;
	is_str(words(names_answer(names, query, len, out, NAMES_UDP_MAX, &out_len)), "EMPTY",
	       "EDNS of the future");
	is_int(out[out_len - 6], 1, "is told so");
	query[len - 5] = 0;
	memcpy(query + len, query + len - 11, 11);
	query[11] = 2;
	is_str(words(names_answer(names, query, len + 11, out, NAMES_UDP_MAX, &out_len)), "RCODE 1",
	       "two OPT records");
	/* Before the OPT record one whose name is compressed. */
	memcpy(query + len - 11, ((uint8_t[]){ 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 9 }), 13);
	memcpy(query + len + 2, ((uint8_t[]){ 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0 }), 11);
	is_str(words(names_answer(names, query, len + 13, out, NAMES_UDP_MAX, &out_len)),
	       "172.18.16.2", "a compressed name");
	query[13] = '.';
	is_str(words(names_answer(names, query, len + 13, out, NAMES_UDP_MAX, &out_len)),
	       "NXDOMAIN", "a dot within a label");
	names_free(names);
}

int main(void)
{
	test_own();
	test_changes();
	test_reverse();
	test_closed();
	test_size();
	test_malformed();
	return done_testing();
}
