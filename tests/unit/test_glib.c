/* The replacement for GLib that libslirp runs on (slirp/glib). */
#include "slirp/glib/glib.h"

#include "tests/lib/tap.h"

static char last[64];

static void keep(const char *level, const char *text)
{
	snprintf(last, sizeof(last), "%s: %s", level, text);
}

static int checked(int cond)
{
	g_return_val_if_fail(cond, -1);
	return cond;
}

static void strings(void)
{
	char buf[4];
	static char hay[] = { 'a', 'b', '\r', '\n', 'c', 'd' }; /* no NUL at its end */

	is_int(g_strlcpy(buf, "abcdef", sizeof(buf)), 6, "strlcpy tells the length it wanted");
	is_str(buf, "abc", "and ends what it wrote");
	g_strlcpy(buf, "x", 0);
	is_str(buf, "abc", "size 0 writes nothing");
	ok(g_strstr_len(hay, sizeof(hay), "\r\n") == hay + 2, "strstr_len finds");
	ok(!g_strstr_len(hay, 3, "\r\n"), "strstr_len ends where it is told");
	ok(g_strstr_len(hay, sizeof(hay), "cd") == hay + 4, "strstr_len reaches the last byte");
	ok(g_str_has_prefix("tftp://x", "tftp"), "a prefix");
	ok(!g_str_has_prefix("tf", "tftp"), "longer than the text: not a prefix");
}

static void growing_string(void)
{
	GString *s = g_string_new(NULL);
	char *text;

	for (int i = 0; i < 100; i++)
		g_string_append_printf(s, "%02d", i);
	is_int(s->len, 200, "the length follows");
	text = g_string_free(s, FALSE);
	ok(strncmp(text, "000102", 6) == 0 && strcmp(text + 194, "979899") == 0, "all of it");
	free(text);
	ok(!g_string_free(g_string_new("x"), TRUE), "freed with its text");
}

static void random_numbers(void)
{
	GRand *r = g_rand_new();
	bool inside = true;

	for (int i = 0; i < 1000; i++) {
		int32_t v = g_rand_int_range(r, 49152, 65536);

		inside = inside && v >= 49152 && v < 65536;
	}
	ok(inside, "random ports stay in their range");
	g_rand_free(r);
}

static void programs(void)
{
	GError *e = NULL;

	ok(!g_shell_parse_argv("sh", NULL, NULL, &e), "programs are refused");
	is_str(e ? e->message : NULL, "starting programs is not supported", "in words");
	g_error_free(e);
}

int main(void)
{
	strings();
	growing_string();
	random_numbers();
	programs();
	g_warning("nobody listens");
	glib_log_hook = keep;
	g_warning("%d left", 3);
	is_str(last, "warning: 3 left", "messages reach the hook");
	is_int(checked(0), -1, "a failed condition returns the value");
	ok(g_str_has_prefix(last, "critical: "), "and is told");
	is_int(GUINT16_FROM_BE(GUINT16_TO_BE(0x1234)), 0x1234, "byte order there and back");
	return done_testing();
}
