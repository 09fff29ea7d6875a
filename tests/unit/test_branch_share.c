#include "core/branch/share.h"

#include <stdlib.h>

#include "tests/lib/tap.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_lines(void)
{
	static const struct {
		const char *line;
		char kind;
		const char *path, *err;
	} cases[] = {
		{ "v 1", 'v', NULL, NULL },
		{ "d 755 0 0 1700000000 .", 'd', ".", NULL },
		{ "d 700 999 999 -1 a/b%20c", 'd', "a/b c", NULL },
		{ "f 640 999 999 1 70000 ibdata1", 'f', "ibdata1", NULL },
		{ "l 777 0 0 1 link ../x", 'l', "link", NULL },
		{ HASH, 'c', NULL, NULL },
		{ "-", 'c', NULL, NULL },
		{ "", 0, NULL, "the snapshot's index is malformed*" },
		{ "f 640 0 0 1 x", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 ..", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 a/../../b", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 /etc", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 a//b", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 a%00b", 0, NULL, "the snapshot's index is malformed*" },
		{ "d 755 0 0 1 a%zz", 0, NULL, "the snapshot's index is malformed*" },
		{ "l 777 0 0 1 link", 0, NULL, "the snapshot's index is malformed*" },
		{ "f 640 0 0 1 99999999999999999999 x", 0, NULL, "the snapshot's index is malformed*" },
		{ "x", 0, NULL, "the snapshot's index is malformed*" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct share_entry e = { 0 };

		is_err(share_parse(cases[i].line, strlen(cases[i].line), &e), cases[i].err, "'%s'",
		       cases[i].line);
		if (!cases[i].err) {
			is_int(e.kind, cases[i].kind, "  its kind");
			is_str(e.path, cases[i].path, "  its path");
		}
		share_entry_done(&e);
	}
}

static void test_quotes(void)
{
	static const char *const names[] = { "plain", "with blank", "100%", "tab\tnew\nline",
					     "\xff\x01" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_str_ struct str line = { 0 };
		struct share_entry e = { 0 };

		str_add(&line, "d 755 0 0 1 ");
		share_quote(names[i], &line);
		is_err(share_parse(line.s, line.len, &e), NULL, "%s", line.s);
		is_str(e.path, names[i], "  comes back");
		share_entry_done(&e);
	}
}

int main(void)
{
	test_lines();
	test_quotes();
	return done_testing();
}
