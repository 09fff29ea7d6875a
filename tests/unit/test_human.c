/* Sizes and ages in Docker's words. */
#include <time.h>

#include "cmd/ui/human.h"
#include "tests/lib/tap.h"

static const struct {
	uint64_t bytes;
	const char *column, *sentence;
} sizes[] = {
	{ 0, "0B", "0B" },
	{ 999, "999B", "999B" },
	{ 1000, "1kB", "1kB" },
	{ 1094795585, "1.09GB", "1.095GB" },
	{ 132500000, "132MB", "132.5MB" },
	{ 4261502, "4.26MB", "4.262MB" },
	{ 999600, "1MB", "999.6kB" },
	{ 999999, "1MB", "1MB" },
	{ UINT64_MAX, "18.4EB", "18.45EB" },
};

static const struct {
	int64_t seconds;
	const char *text;
} ages[] = {
	{ -5, "Less than a second" }, { 0, "Less than a second" }, { 1, "1 second" },
	{ 59, "59 seconds" },	      { 60, "About a minute" },	   { 119, "About a minute" },
	{ 120, "2 minutes" },	      { 3599, "59 minutes" },	   { 3600, "About an hour" },
	{ 5399, "About an hour" },    { 5400, "2 hours" },	   { 47 * 3600, "47 hours" },
	{ 48 * 3600, "2 days" },      { 13 * 86400, "13 days" },   { 14 * 86400, "2 weeks" },
	{ 60 * 86400, "2 months" },   { 730 * 86400, "2 years" },
};

static void test_sizes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		_cleanup_str_ struct str a = { 0 }, b = { 0 };

		human_size(sizes[i].bytes, false, &a);
		human_size(sizes[i].bytes, true, &b);
		is_str(a.s, sizes[i].column, "%llu bytes in a column",
		       (unsigned long long)sizes[i].bytes);
		is_str(b.s, sizes[i].sentence, "%llu bytes in a sentence",
		       (unsigned long long)sizes[i].bytes);
	}
}

static void test_ages(void)
{
	_cleanup_str_ struct str ago = { 0 }, never = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		_cleanup_str_ struct str s = { 0 };

		human_duration(ages[i].seconds * 1000000000, &s);
		is_str(s.s, ages[i].text, "%lld seconds", (long long)ages[i].seconds);
	}
	human_ago(1000000000, 8200000000000, &ago);
	is_str(ago.s, "2 hours ago", "an age");
	human_ago(0, 8200000000000, &never);
	is_str(never.s, "N/A", "an unknown time");
}

static char *quoted(const char *text)
{
	struct str s = { 0 };

	human_quote(text, &s);
	return str_take(&s);
}

static char *cut(const char *text, size_t width)
{
	struct str s = { 0 };

	human_ellipsis(text, width, &s);
	return str_take(&s);
}

static void test_texts(void)
{
	_cleanup_free_ char *plain = quoted("sh -c \"a\\b\""), *odd = quoted("\x01\n\t\x7f\xff é");
	_cleanup_free_ char *same = cut("docker-entrypoint.sh", 20),
			    *less = cut("docker-entrypoint.sh mysqld", 20);
	_cleanup_free_ char *wide = cut("ééééé", 3), *none = cut("abc", 0), *one = cut("abc", 1);
	_cleanup_str_ struct str id = { 0 }, clean = { 0 }, when = { 0 };

	is_str(plain, "\"sh -c \\\"a\\\\b\\\"\"", "quotes and backslashes");
	is_str(odd, "\"\\x01\\n\\t\\x7f\\xff é\"", "what cannot be shown");
	is_str(same, "docker-entrypoint.sh", "what fits stays");
	is_str(less, "docker-entrypoint.s…", "what does not fit ends with an ellipsis");
	is_str(wide, "éé…", "characters are cut, not bytes");
	is_str(none, "", "no room at all");
	is_str(one, "…", "room for one");
	is_int(human_width("é…\xff"), 3, "width");
	human_short_id("sha256:0123456789abcdef0123", &id);
	is_str(id.s, "0123456789ab", "a short id");
	human_clean("a\x1b[31mb\n", &clean);
	is_str(clean.s, "a?[31mb?", "no escape sequence reaches the terminal");
	setenv("TZ", "XYZ-2", 1);
	tzset();
	human_time(1795232729000000000, &when);
	is_str(when.s, "2026-11-21 05:45:29 +0200 XYZ", "a time");
}

int main(void)
{
	test_sizes();
	test_ages();
	test_texts();
	return done_testing();
}
