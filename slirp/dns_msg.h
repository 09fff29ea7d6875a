/* slirp/dns_msg.h -- DNS messages as far as passing them on, and answering for our own names, needs it.  Pure, no I/O.
 * Source: RFC 1035 section 4 (format), RFC 2181, RFC 6891 (EDNS). */
#ifndef SLIRP_DNS_MSG_H
#define SLIRP_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_HEADER_LEN = 12, DNS_NAME_MAX = 255, DNS_MSG_MAX = 65535 };
enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5
};
enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_ANY = 255
};
enum { DNS_CLASS_IN = 1, DNS_CLASS_ANY = 255 };

/* The length of the header and the one question of a query; 0 if MSG is not a query with exactly one question. */
size_t dns_query_len(const uint8_t *msg, size_t len);
uint16_t dns_id(const uint8_t *msg);
void dns_set_id(uint8_t *msg, uint16_t id);
enum dns_rcode dns_rcode(const uint8_t *msg);
/* Does the answer MSG belong to the query (same id, same question, letters of any case)? */
bool dns_answers(const uint8_t *msg, size_t len, const uint8_t *query, size_t query_len);
/* Make the first dns_query_len() bytes of a query an answer without records. */
void dns_make_error(uint8_t *query, enum dns_rcode rcode);

/* What a query asks. */
struct dns_question {
	char name[DNS_NAME_MAX + 1]; /* labels joined by dots, lower case; "" for the root */
	bool plain; /* false: a label has bytes that NAME cannot show (dots, control characters) */
	uint16_t type, class;
	size_t head; /* bytes of header and question */
	bool edns, dnssec_ok; /* there was an OPT record; its DO bit */
	uint8_t edns_version;
	uint16_t udp_max; /* the largest answer the client takes over UDP: 512 or what its OPT record says */
};
/* Read a whole query.  Returns DNS_NOERROR and writes *RET, or the rcode to answer with (dns_refuse()).  MSG has at
 * least DNS_HEADER_LEN bytes and is no answer. */
enum dns_rcode dns_parse(const uint8_t *msg, size_t len, struct dns_question *ret);
bool dns_is_query(const uint8_t *msg, size_t len); /* header is there and says "query" */

/* An answer being written to OUT: dns_answer_begin(), records, dns_answer_end().  Records that find no room in
 * MAX bytes are left out, and the answer says that it was cut (TC): the client asks again over TCP. */
struct dns_answer {
	uint8_t *out;
	size_t len, max;
	uint16_t records;
	bool cut;
	const struct dns_question *q;
};
/* MAX must be at least Q->head + 11 (an OPT record). */
void dns_answer_begin(struct dns_answer *a, uint8_t *out, size_t max, const uint8_t *query,
		      const struct dns_question *q, enum dns_rcode rcode);
/* A record of the name that was asked for. */
void dns_answer_record(struct dns_answer *a, uint16_t type, uint32_t ttl_s, const void *data,
		       size_t len);
size_t dns_answer_end(struct dns_answer *a); /* the length */
/* "a.b" as labels; at most DNS_NAME_MAX bytes.  Returns their length, 0 if NAME is no domain name. */
size_t dns_name_wire(const char *name, uint8_t ret[DNS_NAME_MAX]);
/* Write a refusal to a query that dns_parse() did not take: DNS_HEADER_LEN bytes, without the question. */
void dns_refuse(const uint8_t *query, enum dns_rcode rcode, uint8_t out[DNS_HEADER_LEN]);

#endif
