#include "slirp/dns_msg.h"

#include <string.h>

#include "core/base/cleanup.h"

/* Bits of the third and fourth byte. */
enum { QR = 0x80, OPCODE = 0x78, TC = 0x02, RD = 0x01, RA = 0x80, RCODE = 0x0f };
enum { LABEL_MAX = 63, QTYPE_QCLASS_LEN = 4 };

uint16_t dns_id(const uint8_t *msg)
{
	return (uint16_t)(msg[0] << 8 | msg[1]);
}

void dns_set_id(uint8_t *msg, uint16_t id)
{
	msg[0] = (uint8_t)(id >> 8);
	msg[1] = (uint8_t)id;
}

enum dns_rcode dns_rcode(const uint8_t *msg)
{
	return msg[3] & RCODE;
}

/* Header and first question; 0 if there is none or it is not whole.  Compression is not allowed in it: there is
 * nothing before that it could point to. */
static size_t head_len(const uint8_t *msg, size_t len)
{
	size_t at = DNS_HEADER_LEN;

	if (len < DNS_HEADER_LEN || msg[4] != 0 || msg[5] != 1)
		return 0;
	while (at < len && msg[at]) {
		if (msg[at] > LABEL_MAX)
			return 0;
		at += 1U + msg[at];
		if (at - DNS_HEADER_LEN > DNS_NAME_MAX - 1)
			return 0;
	}
	at += 1 + QTYPE_QCLASS_LEN;
	return at <= len ? at : 0;
}

size_t dns_query_len(const uint8_t *msg, size_t len)
{
	size_t head = head_len(msg, len);

	return head && !(msg[2] & (QR | OPCODE)) ? head : 0;
}

/* A name's letters may come back in another case; lengths and types are no letters. */
static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

bool dns_answers(const uint8_t *msg, size_t len, const uint8_t *query, size_t query_len)
{
	size_t head = head_len(query, query_len);

	if (!head || len < DNS_HEADER_LEN || dns_id(msg) != dns_id(query) || !(msg[2] & QR))
		return false;
	if (msg[4] == 0 && msg[5] == 0) /* some servers leave the question out of errors */
		return dns_rcode(msg) != DNS_NOERROR;
	if (head_len(msg, len) != head)
		return false;
	for (size_t i = DNS_HEADER_LEN; i < head - QTYPE_QCLASS_LEN; i++) {
		if (lower(msg[i]) != lower(query[i]))
			return false;
	}
	return memcmp(msg + head - QTYPE_QCLASS_LEN, query + head - QTYPE_QCLASS_LEN,
		      QTYPE_QCLASS_LEN) == 0;
}

void dns_make_error(uint8_t *query, enum dns_rcode rcode)
{
	query[2] = (uint8_t)(QR | (query[2] & RD));
	query[3] = (uint8_t)(RA | rcode);
	memset(query + 6, 0, DNS_HEADER_LEN - 6); /* no records behind the question */
}
