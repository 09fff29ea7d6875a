/* slirp/dns_msg.h -- DNS messages as far as passing them on needs it.  Pure, no I/O.
 * Source: RFC 1035 section 4 (format), RFC 2181. */
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

/* The length of the header and the one question of a query; 0 if MSG is not a query with exactly one question. */
size_t dns_query_len(const uint8_t *msg, size_t len);
uint16_t dns_id(const uint8_t *msg);
void dns_set_id(uint8_t *msg, uint16_t id);
enum dns_rcode dns_rcode(const uint8_t *msg);
/* Does the answer MSG belong to the query (same id, same question, letters of any case)? */
bool dns_answers(const uint8_t *msg, size_t len, const uint8_t *query, size_t query_len);
/* Make the first dns_query_len() bytes of a query an answer without records. */
void dns_make_error(uint8_t *query, enum dns_rcode rcode);

#endif
