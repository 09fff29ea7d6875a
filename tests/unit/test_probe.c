#include "core/box/recipe.h"

#include "tests/lib/tap.h"

static const struct {
	const char *what, *recipe;
	enum probe_verdict want;
	size_t len; /* of DATA when it holds NULs */
	const char *data;
} cases[] = {
#define BYTES(s) sizeof(s) - 1, s
	{ "nothing yet", "mysql", PROBE_MORE, BYTES("") },
	{ "a greeting", "mysql", PROBE_READY,
	  BYTES("\x0a\0\0\0\x0a"
		"8.4.0\0\1\0\0") },
	{ "half a greeting", "mysql", PROBE_MORE,
	  BYTES("\x4a\0\0\0\x0a"
		"8.4.0\0") },
	{ "too many connections", "mysql", PROBE_READY,
	  BYTES("\x05\0\0\0\xff\x10\x04"
		"To") },
	{ "host not allowed", "mariadb", PROBE_READY,
	  BYTES("\x05\0\0\0\xff\x6a\x04"
		"Ho") },
	{ "host blocked", "mariadb", PROBE_READY,
	  BYTES("\x05\0\0\0\xff\x69\x04"
		"Ho") },
	{ "server shutdown in progress", "mysql", PROBE_NOT_YET,
	  BYTES("\x05\0\0\0\xff\x1d\x04"
		"Se") },
	{ "another protocol", "mysql", PROBE_NOT_YET, BYTES("HTTP/1.1 200 OK") },
	{ "MySQL X on this port", "mysql", PROBE_NOT_YET, BYTES("\5\0\0\0\x0b\x08\x05\x1a\0") },
	{ "an empty packet", "mysql", PROBE_NOT_YET, BYTES("\0\0\0\0\0\0\0") },
	{ "a packet out of order", "mysql", PROBE_NOT_YET,
	  BYTES("\x0a\0\0\1\x0a"
		"8.4.0\0\1\0\0") },

	{ "authentication request", "postgres", PROBE_READY,
	  BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0") },
	{ "half of it", "postgres", PROBE_MORE, BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM") },
	{ "its first bytes", "postgres", PROBE_MORE, BYTES("R\0\0") },
	{ "the database system is starting up", "postgres", PROBE_NOT_YET,
	  BYTES("E\0\0\0\x1aSFATAL\0VFATAL\0C57P03\0\0") },
	{ "the database system is shutting down", "postgres", PROBE_NOT_YET,
	  BYTES("E\0\0\0\x13SFATAL\0C57P01\0\0") },
	{ "database does not exist", "postgres", PROBE_READY, BYTES("E\0\0\0\x13SFATAL\0C3D000\0\0") },
	{ "no pg_hba.conf entry", "postgres", PROBE_READY, BYTES("E\0\0\0\x13SFATAL\0C28000\0\0") },
	{ "an error without end", "postgres", PROBE_READY, BYTES("E\0\0\0\x08SFAT") },
	{ "an older protocol offered", "postgres", PROBE_READY, BYTES("v\0\0\0\x0c\0\3\0\0\0\0\0\0") },
	{ "a huge message", "postgres", PROBE_NOT_YET, BYTES("E\xff\xff\xff\xff") },
	{ "a length that lies", "postgres", PROBE_NOT_YET, BYTES("E\0\0\0\3") },
	{ "another protocol", "postgres", PROBE_NOT_YET, BYTES("HTTP/1.1 200 OK") },

	{ "PONG", "redis", PROBE_READY, BYTES("+PONG\r\n") },
	{ "half a line", "redis", PROBE_MORE, BYTES("+PO") },
	{ "a password is wanted", "valkey", PROBE_READY, BYTES("-NOAUTH Authentication required.\r\n") },
	{ "protected mode", "redis", PROBE_READY,
	  BYTES("-DENIED Redis is running in protected mode\r\n") },
	{ "loading", "redis", PROBE_NOT_YET,
	  BYTES("-LOADING Redis is loading the dataset in memory\r\n") },
	{ "master is down", "redis", PROBE_NOT_YET, BYTES("-MASTERDOWN Link with MASTER is down\r\n") },
	{ "not quite loading", "redis", PROBE_READY, BYTES("-LOADINGS x\r\n") },
	{ "another protocol", "redis", PROBE_NOT_YET, BYTES("HTTP/1.1 200 OK\r\n") },

	{ "hello is ok, double", "mongo", PROBE_READY,
	  BYTES("\x26\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0\x11\0\0\0\1ok\0\0\0\0\0\0\0\xf0\x3f\0") },
	{ "hello is ok, after other members", "mongo", PROBE_READY,
	  BYTES("\x3f\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0\x2a\0\0\0\x08isWritablePrimary\0\1\x02s\0\2\0\0\0x"
		"\0\x10ok\0\1\0\0\0\0") },
	{ "hello is not ok", "mongo", PROBE_NOT_YET,
	  BYTES("\x26\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0\x11\0\0\0\1ok\0\0\0\0\0\0\0\0\0\0") },
	{ "a string longer than the reply", "mongo", PROBE_NOT_YET,
	  BYTES("\x26\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0\x11\0\0\0\2ok\0\xff\xff\xff\x7f\0\0\0\0\0") },
	{ "half of it", "mongo", PROBE_MORE, BYTES("\x26\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0") },
	{ "a reply of another kind", "mongo", PROBE_NOT_YET,
	  BYTES("\x26\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0") },
	{ "another protocol", "mongo", PROBE_NOT_YET, BYTES("HTTP/1.1 200 OK\r\n") },
};

static void test_answers(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct recipe *r = recipe_by_name(cases[i].recipe);
		/* in memory of just this size, so that the sanitizer sees a step too far */
		_cleanup_free_ unsigned char *data = xmemdup(cases[i].data, cases[i].len);
		enum probe_verdict v = PROBE_MORE;

		is_int(probe_feed(r, data, cases[i].len), cases[i].want, "%s: %s", cases[i].recipe,
		       cases[i].what);
		/* byte by byte it ends alike */
		for (size_t n = 0; n <= cases[i].len && v == PROBE_MORE; n++)
			v = probe_feed(r, data, n);
		is_int(v, cases[i].want, "also in pieces");
	}
}

static void test_greetings(void)
{
	static const char want_pg[] =
		"\0\0\0\x42\0\3\0\0user\0ann\0database\0shop\0application_name\0devbox "
		"readiness\0";
	unsigned char buf[PROBE_GREETING_MAX];
	_cleanup_strv_ struct strv env = { 0 };
	size_t n;

	is_int(probe_greeting(recipe_by_name("mysql"), &env, buf, sizeof(buf)), 0, "MySQL speaks first");
	n = probe_greeting(recipe_by_name("redis"), &env, buf, sizeof(buf));
	ok(n == 6 && !memcmp(buf, "PING\r\n", 6), "PING");
	n = probe_greeting(recipe_by_name("mongo"), &env, buf, sizeof(buf));
	ok(n == buf[0] && n == 52 && buf[21] == 31, "hello: the lengths fit");
	strv_add(&env, "POSTGRES_USER=ann");
	strv_add(&env, "POSTGRES_DB=shop");
	n = probe_greeting(recipe_by_name("postgres"), &env, buf, sizeof(buf));
	ok(n == sizeof(want_pg) && !memcmp(buf, want_pg, n), "startup message (%zu bytes)", n);
	is_int(probe_greeting(recipe_by_name("postgres"), &env, buf, 20), 0, "no room, nothing written");
	strv_env_set(&env,
		     "POSTGRES_USER=a-name-far-longer-than-the-sixty-three-bytes-that-the-server-would-look-at");
	n = probe_greeting(recipe_by_name("postgres"), &env, buf, sizeof(buf));
	ok(n && memmem(buf, n, "user\0postgres", 13), "a name that cannot be is not sent");
}

int main(void)
{
	test_answers();
	test_greetings();
	return done_testing();
}
