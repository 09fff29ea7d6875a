#include "slirp/dns_msg.h"

#include "tests/lib/tap.h"

/* A query for "Ab.c", type A, with an empty OPT record behind it. */
static const uint8_t query[] = { 0x12, 0x34, 0x01, 0x20, 0, 1,	 0, 0, 0, 0, 0,
				 1,    2,    'A',  'b',	 1, 'c', 0, 0, 1, 0, 1,
				 0,    0,    41,   5,	 0, 0,	 0, 0, 0, 0, 0 };
enum { HEAD = 22 };

static void test_query(void)
{
	uint8_t msg[300];

	is_int(dns_query_len(query, sizeof(query)), HEAD, "header and question");
	for (size_t cut = 0; cut < HEAD; cut++)
		if (dns_query_len(query, cut))
			ok(false, "cut at %zu", cut);
	memcpy(msg, query, sizeof(query));
	msg[2] |= 0x80;
	is_int(dns_query_len(msg, sizeof(query)), 0, "an answer is no query");
	msg[2] = 0x28;
	is_int(dns_query_len(msg, sizeof(query)), 0, "an update is no query");
	msg[2] = 1;
	msg[5] = 2;
	is_int(dns_query_len(msg, sizeof(query)), 0, "two questions");
	msg[5] = 1;
	msg[12] = 0xc0;
	is_int(dns_query_len(msg, sizeof(query)), 0, "a compressed name");
	memset(msg + 12, 1, sizeof(msg) - 12);
	is_int(dns_query_len(msg, sizeof(msg)), 0, "a name without end");
}

static void test_answer(void)
{
	uint8_t msg[sizeof(query)];

	memcpy(msg, query, sizeof(query));
	ok(!dns_answers(msg, sizeof(msg), query, sizeof(query)), "a query is no answer");
	msg[2] |= 0x80;
	ok(dns_answers(msg, sizeof(msg), query, sizeof(query)), "its answer");
	msg[13] = 'a';
	ok(dns_answers(msg, sizeof(msg), query, sizeof(query)), "in other letters");
	msg[13] = 'x';
	ok(!dns_answers(msg, sizeof(msg), query, sizeof(query)), "to another name");
	msg[13] = 'A';
	msg[19] = 28;
	ok(!dns_answers(msg, sizeof(msg), query, sizeof(query)), "of another type");
	msg[19] = 1;
	dns_set_id(msg, 0x1235);
	is_int(dns_id(msg), 0x1235, "the id is changed");
	ok(!dns_answers(msg, sizeof(msg), query, sizeof(query)), "with another id");
	dns_set_id(msg, 0x1234);
	ok(!dns_answers(msg, 11, query, sizeof(query)), "cut short");
	msg[5] = 0;
	ok(!dns_answers(msg, 12, query, sizeof(query)), "without the question");
	msg[3] = 5;
	ok(dns_answers(msg, 12, query, sizeof(query)), "but errors may be so");
	memcpy(msg, query, sizeof(query));
	dns_make_error(msg, DNS_SERVFAIL);
	ok(dns_answers(msg, HEAD, query, sizeof(query)) && dns_rcode(msg) == DNS_SERVFAIL && msg[11] == 0,
	   "an error of our own");
}

int main(void)
{
	test_query();
	test_answer();
	return done_testing();
}
