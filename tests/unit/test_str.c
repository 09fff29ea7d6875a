#include "core/base/str.h"

#include "tests/lib/tap.h"

static void test_growing(void)
{
	_cleanup_str_ struct str s = { 0 };
	_cleanup_free_ char *empty = NULL, *text = NULL;

	empty = str_take(&s);
	is_str(empty, "", "nothing added gives an empty text");
	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%d,", i);
	str_addc(&s, '\0');
	str_addn(&s, "x\0y", 3);
	is_int(s.len, 3890 + 4, "the length counts bytes, NULs too");
	ok(s.s[s.len] == '\0', "ended by a NUL");
	text = str_take(&s);
	ok(!s.s && !s.len && !s.cap, "taking leaves it empty");
}

static void test_lists(void)
{
	_cleanup_strv_ struct strv l = { 0 }, copy = { 0 };

	for (int i = 0; i < 100; i++)
		strv_addf(&l, "k%d=v%d", i, i);
	is_int(l.n, 100, "a hundred entries");
	ok(l.v[100] == NULL, "ended by NULL, fit for execve");
	is_str(strv_env(&l, "k7"), "v7", "found by key");
	is_str(strv_env(&l, "k"), NULL, "not by a part of a key");
	strv_env_set(&l, "k7=new=er");
	is_str(strv_env(&l, "k7"), "new=er", "replaced");
	is_int(l.n, 100, "in place");
	strv_env_set(&l, "k=");
	is_int(l.n, 101, "another key is appended");
	is_str(strv_env(&l, "k"), "", "with an empty value");
	strv_env_set(&l, "k1");
	is_str(strv_env(&l, "k1"), "v1", "a name without '=' does not touch a longer key");
	ok(strv_has(&l, "k1"), "but is an entry of its own");
	strv_copy(&copy, &l);
	is_int(copy.n, l.n, "copied");
	ok(!strv_has(&copy, "k99"), "whole entries are compared");
}

static void test_prefixes(void)
{
	ok(str_eq(NULL, NULL) && !str_eq("", NULL) && str_eq("a", "a") && !str_eq("a", "b"), "equality");
	ok(str_starts("abc", "") && str_starts("abc", "abc") && !str_starts("ab", "abc"), "prefixes");
	ok(str_ends("abc", "") && str_ends("abc", "abc") && !str_ends("bc", "abc"), "suffixes");
	is_str(str_after("a=b", "a="), "b", "the rest after a prefix");
	is_str(str_after("a=b", "b"), NULL, "no prefix, no rest");
}

static const struct {
	const char *in, *out;
} paths[] = {
	{ "", "." },
	{ ".", "." },
	{ "/", "/" },
	{ "//", "/" },
	{ "/a", "/a" },
	{ "/a/", "/a" },
	{ "/a//b/./c", "/a/b/c" },
	{ "/a/../b", "/b" },
	{ "/..", "/" },
	{ "/../../a", "/a" },
	{ "/a/b/../..", "/" },
	{ "a/..", "." },
	{ "../a", "../a" },
	{ "../a/..", ".." },
	{ "a/../../b", "../b" },
	{ "../../x/../y", "../../y" },
	{ "./a/b/", "a/b" },
	{ "/...", "/..." },
	{ "/a/..b", "/a/..b" },
	{ "a/b/..", "a" },
};

static void test_paths(void)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		_cleanup_free_ char *got = str_clean_path(paths[i].in);

		is_str(got, paths[i].out, "clean '%s'", paths[i].in);
	}
}

static const struct {
	const char *bytes;
	bool good;
} texts[] = {
	{ "", true },
	{ "plain", true },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3", true },
	{ "\xf4\x8f\xbf\xbf", true }, /* U+10FFFF */
	{ "\xe4", false }, /* Latin-1 */
	{ "\xc3", false },
	{ "\xc3(", false },
	{ "\x80", false },
	{ "\xc0\xaf", false }, /* overlong '/' */
	{ "\xe0\x80\xaf", false },
	{ "\xf0\x80\x80\xaf", false },
	{ "\xed\xa0\x80", false }, /* a surrogate */
	{ "\xf4\x90\x80\x80", false },
	{ "\xf8\x88\x80\x80\x80", false },
	{ "\xff", false },
};

static void test_utf8(void)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		ok(str_is_utf8(texts[i].bytes, strlen(texts[i].bytes)) == texts[i].good,
		   "text %zu is %s", i, texts[i].good ? "good" : "bad");
	ok(!str_is_utf8("\xe2\x82\xac", 2), "cut in the middle");
	ok(str_is_utf8("a\0b", 3), "NUL is a character");
}

static const struct {
	const char *in;
	uint64_t min, max;
	const char *err;
	uint64_t out;
} numbers[] = {
	{ "0", 0, 10, NULL, 0 },
	{ "007", 0, 10, NULL, 7 },
	{ "18446744073709551615", 0, UINT64_MAX, NULL, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, "*not a number from 0 to *", 0 },
	{ "99999999999999999999999", 0, UINT64_MAX, "*not a number from 0 to *", 0 },
	{ "11", 0, 10, "'11' is not a number from 0 to 10", 0 },
	{ "0", 1, 10, "'0' is not a number from 1 to 10", 0 },
	{ "", 0, 10, "'' is not a number from 0 to 10", 0 },
	{ "-1", 0, 10, "'-1' is not *", 0 },
	{ "+1", 0, 10, "'+1' is not *", 0 },
	{ " 1", 0, 10, "' 1' is not *", 0 },
	{ "1 ", 0, 10, "'1 ' is not *", 0 },
	{ "0x1", 0, 10, "'0x1' is not *", 0 },
};

static void test_numbers(void)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uint64_t v = 0;

		is_err(str_to_u64(numbers[i].in, numbers[i].min, numbers[i].max, &v),
		       numbers[i].err, "'%s'", numbers[i].in);
		ok(v == numbers[i].out, "its value");
	}
}

static const struct {
	const char *in;
	bool good;
	uint64_t out;
} sizes[] = {
	{ "0", true, 0 },
	{ "512", true, 512 },
	{ "1b", true, 1 },
	{ "4k", true, 4096 },
	{ "4K", true, 4096 },
	{ "64m", true, 64 << 20 },
	{ "64MB", true, 64 << 20 },
	{ "64MiB", true, 64 << 20 },
	{ "1.5g", true, 3ull << 29 },
	{ "2t", true, 2ull << 40 },
	{ "9007199254740993", true, 9007199254740993 }, /* more than a double holds */
	{ "", false, 0 },
	{ "m", false, 0 },
	{ "-1", false, 0 },
	{ "1x", false, 0 },
	{ "1mm", false, 0 },
	{ "1mx", false, 0 },
	{ "1 m", false, 0 },
	{ "1bb", false, 0 },
	{ "0x10", false, 0 },
	{ "1e3", false, 0 },
	{ "1e3m", false, 0 },
	{ "inf", false, 0 },
	{ "nan", false, 0 },
	{ "1.", false, 0 },
	{ "1.2.3", false, 0 },
	{ "99999999999t", false, 0 },
	{ "18446744073709551616", false, 0 },
};

static void test_sizes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t v = 0;
		struct err *e = str_to_size(sizes[i].in, &v);

		if (sizes[i].good)
			is_err(e, NULL, "size '%s'", sizes[i].in);
		else
			is_err(e, "'*' is not a size (hint: sizes look like 512m or 1.5g)",
			       "size '%s'", sizes[i].in);
		is_int(v, sizes[i].out, "its value");
	}
}

static void test_hex(void)
{
	char out[7];

	str_hex("\x00\xff\x1a", 3, out);
	is_str(out, "00ff1a", "hex digits");
	ok(str_is_hex(out, 6) && !str_is_hex("00FF1A", 6) && !str_is_hex("00f", 4), "are recognised");
}

static void test_nearest(void)
{
	static const char *const list[] = { "run", "rm", "restart", "logs", "inspect", NULL };

	is_str(str_nearest("rnu", list), "run", "letters swapped");
	is_str(str_nearest("inspct", list), "inspect", "a letter missing");
	is_str(str_nearest("logss", list), "logs", "a letter too many");
	is_str(str_nearest("zz", list), NULL, "two of two letters wrong is no likeness");
	is_str(str_nearest("", list), NULL, "nothing is like nothing");
	is_str(str_nearest("extraordinarilylongwordthatgoesonandonandonandon", list), NULL,
	       "a long one");
}

int main(void)
{
	test_growing();
	test_lists();
	test_prefixes();
	test_paths();
	test_utf8();
	test_numbers();
	test_sizes();
	test_hex();
	test_nearest();
	return done_testing();
}
