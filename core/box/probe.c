/* Is the server up?  The first words of each protocol.
 * Sources: MySQL Internals ("Protocol::HandshakeV10", "ERR_Packet"), PostgreSQL manual ("Message Formats", "Error
 * Codes"), Redis serialization protocol, MongoDB wire protocol (OP_MSG) and BSON specification. */
#include "core/box/recipe.h"

enum {
	MYSQL_PACKET_MAX = 4096, /* a greeting has about 100 bytes */
	POSTGRES_MESSAGE_MAX = 16384,
	REDIS_LINE_MAX = 512,
	MONGO_REPLY_MAX = 1 << 16,
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* --- MySQL and MariaDB: the server speaks first --- */

/* Packet: u24 length, u8 number 0, payload.  10...: the greeting.  0xff, u16 code: an error in its place. */
static enum probe_verdict mysql_feed(const unsigned char *d, size_t len)
{
	enum { ER_SERVER_SHUTDOWN = 1053, ER_NORMAL_SHUTDOWN = 1077, ER_SHUTDOWN_COMPLETE = 1079 };
	uint32_t size;
	unsigned code;

	if (len < 7)
		return PROBE_MORE;
	size = le32(d) & 0xffffff;
	if (d[3] != 0 || size < 3 || size > MYSQL_PACKET_MAX)
		return PROBE_NOT_YET;
	if (len < 4 + size)
		return PROBE_MORE;
	if (d[4] == 10)
		return PROBE_READY;
	if (d[4] != 0xff)
		return PROBE_NOT_YET;
	code = d[5] | (unsigned)d[6] << 8;
	if (code == ER_SERVER_SHUTDOWN || (code >= ER_NORMAL_SHUTDOWN && code <= ER_SHUTDOWN_COMPLETE))
		return PROBE_NOT_YET;
	return PROBE_READY; /* 1040 too many connections, 1129 host blocked, 1130 host not allowed */
}

/* --- PostgreSQL: StartupMessage, then authentication or an error --- */

static void add_cstr(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text) + 1);
}

/* The connection is dropped at the authentication request, which servers log at most as an abandoned attempt. */
static void postgres_greeting(const struct strv *env, struct str *to)
{
	const char *user = strv_env(env, "POSTGRES_USER"), *db = strv_env(env, "POSTGRES_DB");
	unsigned char head[8] = { 0, 0, 0, 0, 0, 3, 0, 0 }; /* length, version 3.0 */

	/* names longer than the server's 63 bytes are cut there too */
	user = user && *user && strlen(user) <= 63 ? user : "postgres";
	db = db && *db && strlen(db) <= 63 ? db : user;
	str_addn(to, head, sizeof(head));
	add_cstr(to, "user");
	add_cstr(to, user);
	add_cstr(to, "database");
	add_cstr(to, db);
	add_cstr(to, "application_name");
	add_cstr(to, "devbox readiness");
	add_cstr(to, "");
	to->s[2] = (char)(to->len >> 8);
	to->s[3] = (char)to->len;
}

/* 'E', u32 length, then fields: a letter and a text; 'C' is the SQLSTATE. */
static enum probe_verdict postgres_error(const unsigned char *fields, size_t len)
{
	/* admin_shutdown, crash_shutdown, cannot_connect_now: "the database system is starting up" */
	static const char *const not_yet[] = { "57P01", "57P02", "57P03" };

	while (len && *fields) {
		size_t n = strnlen((const char *)fields, len);

		if (n == len)
			break;
		for (size_t i = 0; *fields == 'C' && i < ARRAY_LEN(not_yet); i++)
			if (!strcmp((const char *)fields + 1, not_yet[i]))
				return PROBE_NOT_YET;
		fields += n + 1;
		len -= n + 1;
	}
	return PROBE_READY; /* no such database, no entry for this host, too many clients */
}

static enum probe_verdict postgres_feed(const unsigned char *d, size_t len)
{
	uint32_t size;

	if (len < 5)
		return PROBE_MORE;
	size = be32(d + 1);
	if ((*d != 'R' && *d != 'E' && *d != 'v') || size < 4 || size > POSTGRES_MESSAGE_MAX)
		return PROBE_NOT_YET;
	if (len < 1 + size)
		return PROBE_MORE;
	return *d == 'E' ? postgres_error(d + 5, size - 4) : PROBE_READY;
}

/* --- Redis and Valkey: PING --- */

static bool line_is(const unsigned char *d, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && !memcmp(d, word, n) && (len == n || d[n] == ' ' || d[n] == '\r');
}

static enum probe_verdict redis_feed(const unsigned char *d, size_t len)
{
	const unsigned char *end = memchr(d, '\n', len < REDIS_LINE_MAX ? len : REDIS_LINE_MAX);

	if (!end)
		return len < REDIS_LINE_MAX ? PROBE_MORE : PROBE_NOT_YET;
	len = (size_t)(end - d);
	if (line_is(d, len, "+PONG"))
		return PROBE_READY;
	/* reading its file; a replica that is not in touch with its master and may not answer */
	if (line_is(d, len, "-LOADING") || line_is(d, len, "-MASTERDOWN"))
		return PROBE_NOT_YET;
	return *d == '-' ? PROBE_READY : PROBE_NOT_YET; /* -NOAUTH, -DENIED, -ERR max number of clients */
}

/* --- MongoDB: { hello: 1, $db: "admin" } --- */

/* OP_MSG: u32 length, id, answer to, 2013; u32 flags; u8 kind 0; BSON document. */
static void mongo_greeting(struct str *to)
{
	static const unsigned char message[] = {
		52,   0,    0,	  0,   1,   0,	 0, 0, 0, 0,   0,
		0,    0xdd, 0x07, 0,   0, /* header */
		0,    0,    0,	  0,   0, /* flags, kind */
		31,   0,    0,	  0, /* document */
		0x10, 'h',  'e',  'l', 'l', 'o', 0, 1, 0, 0,   0, /* int32 hello */
		0x02, '$',  'd',  'b', 0,   6,	 0, 0, 0, 'a', 'd',
		'm',  'i',  'n',  0, /* string $db */
		0,
	};
	_Static_assert(sizeof(message) == 52, "the length in the header");

	str_addn(to, message, sizeof(message));
}

/* Size of a BSON value of TYPE at D, or 0 for one that a reply to hello does not hold at its top or that is cut. */
static size_t bson_size(unsigned char type, const unsigned char *d, size_t len)
{
	size_t n;

	switch (type) {
	case 0x01: /* double */
	case 0x09: /* date */
	case 0x11: /* timestamp */
	case 0x12: /* int64 */
		n = 8;
		break;
	case 0x10: /* int32 */
		n = 4;
		break;
	case 0x08: /* boolean */
		n = 1;
		break;
	case 0x07: /* object id */
		n = 12;
		break;
	case 0x0a: /* null */
		return 0;
	case 0x02: /* string */
		n = len < 4 ? 0 : 4 + (size_t)le32(d);
		break;
	case 0x03: /* document */
	case 0x04: /* array */
		n = len < 4 ? 0 : le32(d);
		break;
	case 0x05: /* binary */
		n = len < 4 ? 0 : 5 + (size_t)le32(d);
		break;
	default:
		return 0;
	}
	return n <= len ? n : 0;
}

/* Is the top-level member "ok" 1? */
static bool bson_is_ok(const unsigned char *d, size_t len)
{
	static const unsigned char one[8] = { 0, 0, 0, 0, 0, 0, 0xf0, 0x3f }; /* 1.0 */

	while (len && *d) {
		unsigned char type = *d;
		size_t name = strnlen((const char *)d + 1, len - 1), n;
		bool is_ok = name == 2 && !memcmp(d + 1, "ok", 2);

		if (name == len - 1)
			return false;
		d += name + 2;
		len -= name + 2;
		n = bson_size(type, d, len);
		if (!n && type != 0x0a)
			return false;
		if (is_ok)
			return type == 0x01 ? !memcmp(d, one, 8)
					    : (type == 0x10 || type == 0x08) && *d == 1;
		d += n;
		len -= n;
	}
	return false;
}

static enum probe_verdict mongo_feed(const unsigned char *d, size_t len)
{
	uint32_t size;

	if (len < 16)
		return PROBE_MORE;
	size = le32(d);
	if (size < 26 || size > MONGO_REPLY_MAX || le32(d + 12) != 2013)
		return PROBE_NOT_YET;
	if (len < size)
		return PROBE_MORE;
	return d[20] == 0 && bson_is_ok(d + 25, size - 25) ? PROBE_READY : PROBE_NOT_YET;
}

/* --- */

size_t probe_greeting(const struct recipe *r, const struct strv *env, unsigned char *buf, size_t size)
{
	_cleanup_str_ struct str s = { 0 };

	switch (recipe_engine(r)) {
	case ENGINE_POSTGRES:
		postgres_greeting(env, &s);
		break;
	case ENGINE_REDIS:
	case ENGINE_VALKEY:
		str_add(&s, "PING\r\n");
		break;
	case ENGINE_MONGO:
		mongo_greeting(&s);
		break;
	case ENGINE_MYSQL:
	case ENGINE_MARIADB:
	case ENGINE_MAX:
		return 0;
	}
	if (s.len > size)
		return 0;
	memcpy(buf, s.s, s.len);
	return s.len;
}

enum probe_verdict probe_feed(const struct recipe *r, const unsigned char *data, size_t len)
{
	switch (recipe_engine(r)) {
	case ENGINE_MYSQL:
	case ENGINE_MARIADB:
		return mysql_feed(data, len);
	case ENGINE_POSTGRES:
		return postgres_feed(data, len);
	case ENGINE_REDIS:
	case ENGINE_VALKEY:
		return redis_feed(data, len);
	case ENGINE_MONGO:
	case ENGINE_MAX:
		break;
	}
	return mongo_feed(data, len);
}
