/* .dockerignore: what a list of patterns leaves out. */
#include "core/build/ignore.h"

#include "tests/lib/tap.h"

static const struct {
	const char *patterns, *path;
	bool left_out;
} cases[] = {
	{ "a", "a", true },
	{ "a", "a/b/c", true },
	{ "a", "ab", false },
	{ "/a/", "a/b", true },
	{ "./a", "a", true },
	{ "*.md", "x.md", true },
	{ "*.md", "d/x.md", false },
	{ "**/*.md", "d/e/x.md", true },
	{ "**/*.md", "x.md", true },
	{ "**/x", "ax", false },
	{ "a/**", "a/b/c", true },
	{ "a/**/b", "a/b", true },
	{ "a/**/b", "a/x/y/b", true },
	{ "a/**/b", "ab", false },
	{ "*a**/b", "aab", true },
	{ "a/*/c", "a/b/c/d", true },
	{ "?at", "cat", true },
	{ "?at", "/at", false },
	{ "[a-c]x", "bx", true },
	{ "[^a-c]x", "bx", false },
	{ "[]]", "]", true },
	{ "a\\*b", "a*b", true },
	{ "a\\*b", "axb", false },
	{ "*\n!a", "a", false },
	{ "*\n!a", "b", true },
	{ "*\n!a/b", "a/b/c", false },
	{ "*\n!a/b", "a/c", true },
	{ "!a\na", "a", true },
	{ "# a\n\n  b  \n", "b", true },
	{ "#a", "#a", false },
	{ "..", "a", false },
	{ "a/../b", "b", true },
	{ ".", "anything", true },
	{ "**", "anything/at/all", true },
};

int main(void)
{
	struct ignore ig = { 0 };
	_cleanup_str_ struct str long_one = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err *e = ignore_parse(cases[i].patterns, strlen(cases[i].patterns), "f", &ig);
		bool got = !e && ignore_match(&ig, cases[i].path);

		ok(got == cases[i].left_out, "%zu: \"%s\" %s \"%s\"%s%s", i, cases[i].patterns,
		   cases[i].left_out ? "leaves out" : "leaves in", cases[i].path, e ? ": " : "",
		   e ? e->text : "");
		err_free(e);
		ignore_done(&ig);
	}
	err_free(ignore_parse("*\n!a/b/c\n!*.d", 13, "f", &ig));
	ok(!ignore_prunes(&ig, "a") && !ignore_prunes(&ig, "a/b"),
	   "a directory with something taken back in it");
	ignore_done(&ig);
	err_free(ignore_parse("x\ny\n!y/z", 8, "f", &ig));
	ok(ignore_prunes(&ig, "x") && !ignore_prunes(&ig, "y") && !ignore_prunes(&ig, "q"),
	   "only what is all out");
	ignore_done(&ig);
	is_err(ignore_parse("a\n[b\n", 5, "f", &ig), "f:2: syntax error in pattern \"[[]b\"",
	       "an open bracket");
	is_err(ignore_parse("!", 1, "f", &ig), "f:1: illegal exclusion pattern*", "nothing taken back");
	for (int i = 0; i < 1000; i++)
		str_add(&long_one, "**/a*");
	is_err(ignore_parse(long_one.s, long_one.len, "f", &ig), "f:1: a pattern is longer than*",
	       "too long");
	long_one.s[4000] = '\0';
	err_free(ignore_parse(long_one.s, 4000, "f", &ig));
	memset(long_one.s, 'a', 3000);
	long_one.s[3000] = '\0';
	ok(ignore_match(&ig, long_one.s), "a pattern made to be slow");
	ignore_done(&ig);
	ok(pattern_is_literal("a/b.c") && !pattern_is_literal("a*") && !pattern_is_literal("a\\b"),
	   "literal or not");
	return done_testing();
}
