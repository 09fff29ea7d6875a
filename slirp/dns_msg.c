#include "slirp/dns_msg.h"

#include <string.h>

#include "core/base/cleanup.h"

/* Bits of the third and fourth byte. */
enum { QR = 0x80, OPCODE = 0x78, AA = 0x04, TC = 0x02, RD = 0x01, RA = 0x80, RCODE = 0x0f };
enum {
	LABEL_MAX = 63,
	QTYPE_QCLASS_LEN = 4,
	RECORD_LEN = 10, /* type, class, ttl, length; behind the name */
	OPT_LEN = 1 + RECORD_LEN,
	POINTER = 0xc0,
	UDP_PLAIN_MAX = 512,
	BADVERS = 1, /* the upper bits of rcode 16 */
	OUR_UDP_MAX = 1232, /* what we say that we take */
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t dns_id(const uint8_t *msg)
{
	return get16(msg);
}

void dns_set_id(uint8_t *msg, uint16_t id)
{
	put16(msg, id);
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

bool dns_is_query(const uint8_t *msg, size_t len)
{
	return len >= DNS_HEADER_LEN && !(msg[2] & QR);
}

/* The offset behind the name at AT, which may end in a pointer; 0 if it is malformed.  Nobody asks for what it says, so
 * pointers are not followed. */
static size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
	size_t start = at;

	while (at < len && at - start < DNS_NAME_MAX) {
		if (msg[at] == 0)
			return at + 1;
		if (msg[at] >= POINTER)
			return at + 2 <= len ? at + 2 : 0;
		if (msg[at] > LABEL_MAX)
			return 0;
		at += 1U + msg[at];
	}
	return 0;
}

static void read_name(const uint8_t *msg, struct dns_question *q)
{
	size_t at = DNS_HEADER_LEN, n = 0;

	q->plain = true;
	for (; msg[at]; at += 1U + msg[at]) {
		if (n)
			q->name[n++] = '.';
		for (size_t i = 1; i <= msg[at]; i++) {
			uint8_t c = lower(msg[at + i]);

			q->plain &= c > ' ' && c != '.' && c != 0x7f;
			q->name[n++] = (char)(c ? c : ' ');
		}
	}
	q->name[n] = 0;
}

/* The record at *AT, moved behind it.  False: malformed. */
static bool read_record(const uint8_t *msg, size_t len, size_t *at, struct dns_question *q,
			bool additional)
{
	size_t name = *at, fixed = skip_name(msg, len, name), end;

	if (!fixed || fixed + RECORD_LEN > len)
		return false;
	end = fixed + RECORD_LEN + get16(msg + fixed + 8);
	if (end > len)
		return false;
	*at = end;
	if (get16(msg + fixed) != DNS_TYPE_OPT)
		return true;
	if (!additional || q->edns || msg[name] != 0)
		return false;
	q->edns = true;
	q->udp_max = get16(msg + fixed + 2) > UDP_PLAIN_MAX ? get16(msg + fixed + 2) : UDP_PLAIN_MAX;
	q->edns_version = msg[fixed + 5];
	q->dnssec_ok = msg[fixed + 6] & 0x80;
	return true;
}

enum dns_rcode dns_parse(const uint8_t *msg, size_t len, struct dns_question *ret)
{
	struct dns_question q = { .head = head_len(msg, len), .udp_max = UDP_PLAIN_MAX };
	size_t at = q.head, others, additional;

	if (msg[2] & OPCODE)
		return DNS_NOTIMP;
	if (!q.head)
		return DNS_FORMERR;
	read_name(msg, &q);
	q.type = get16(msg + q.head - 4);
	q.class = get16(msg + q.head - 2);
	others = (size_t)get16(msg + 6) + get16(msg + 8);
	additional = get16(msg + 10);
	for (size_t i = 0; i < others + additional; i++) {
		if (!read_record(msg, len, &at, &q, i >= others))
			return DNS_FORMERR;
	}
	*ret = q;
	return DNS_NOERROR;
}

void dns_answer_begin(struct dns_answer *a, uint8_t *out, size_t max, const uint8_t *query,
		      const struct dns_question *q, enum dns_rcode rcode)
{
	*a = (struct dns_answer){ .out = out, .len = q->head, .max = max, .q = q };
	memcpy(out, query, q->head);
	dns_make_error(out, rcode);
	out[2] |= AA;
	if (q->edns)
		a->max -= OPT_LEN;
}

void dns_answer_record(struct dns_answer *a, uint16_t type, uint32_t ttl_s, const void *data, size_t len)
{
	uint8_t *at = a->out + a->len;

	if (a->cut || a->max - a->len < 2 + RECORD_LEN + len) {
		a->cut = true;
		return;
	}
	put16(at, POINTER << 8 | DNS_HEADER_LEN); /* the name in the question */
	put16(at + 2, type);
	put16(at + 4, DNS_CLASS_IN);
	put16(at + 6, (uint16_t)(ttl_s >> 16));
	put16(at + 8, (uint16_t)ttl_s);
	put16(at + 10, (uint16_t)len);
	memcpy(at + 2 + RECORD_LEN, data, len);
	a->len += 2 + RECORD_LEN + len;
	a->records++;
}

size_t dns_answer_end(struct dns_answer *a)
{
	uint8_t *opt = a->out + a->len;

	put16(a->out + 6, a->records);
	if (a->cut)
		a->out[2] |= TC;
	if (!a->q->edns)
		return a->len;
	memset(opt, 0, OPT_LEN);
	put16(opt + 1, DNS_TYPE_OPT);
	put16(opt + 3, OUR_UDP_MAX);
	opt[5] = a->q->edns_version > 0 ? BADVERS : 0;
	opt[7] = a->q->dnssec_ok ? 0x80 : 0;
	a->out[11] = 1;
	return a->len + OPT_LEN;
}

size_t dns_name_wire(const char *name, uint8_t ret[DNS_NAME_MAX])
{
	size_t at = 0, label = 0;

	for (const char *c = name;; c++) {
		if (*c && *c != '.') {
			if (++label > LABEL_MAX || at + label + 2 > DNS_NAME_MAX)
				return 0;
			ret[at + label] = (uint8_t)*c;
			continue;
		}
		if (!label)
			return 0;
		ret[at] = (uint8_t)label;
		at += 1 + label;
		label = 0;
		if (!*c)
			break;
	}
	ret[at] = 0;
	return at + 1;
}

void dns_refuse(const uint8_t *query, enum dns_rcode rcode, uint8_t out[DNS_HEADER_LEN])
{
	memcpy(out, query, DNS_HEADER_LEN);
	dns_make_error(out, rcode);
	out[2] |= query[2] & OPCODE;
	out[4] = out[5] = 0; /* no question either */
}
