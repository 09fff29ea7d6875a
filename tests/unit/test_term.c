#include "core/box/term.h"

#include "tests/lib/tap.h"

static const struct {
	const char *keys, *in, *out;
	bool detach;
} cases[] = {
	{ "ctrl-p,ctrl-q", "hello", "hello", false },
	{ "ctrl-p,ctrl-q", "a\x10\x11", "a", true },
	{ "ctrl-p,ctrl-q",
	  "a\x10"
	  "b",
	  "a\x10"
	  "b",
	  false },
	{ "ctrl-p,ctrl-q", "\x10\x10\x11", "\x10", true },
	{ "ctrl-p,ctrl-q", "x\x10", "x", false },
	{ "x", "abxc", "ab", true },
	{ "a,b,c", "aabc", "a", true },
	{ "", "\x10\x11", "\x10\x11", false },
};

static void test_filter(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct detach_keys k;
		char out[64];
		bool detach = false;
		size_t n;

		is_err(detach_keys_parse(cases[i].keys, &k), NULL, "keys '%s'", cases[i].keys);
		n = detach_keys_filter(&k, cases[i].in, strlen(cases[i].in), out, &detach);
		out[n] = '\0';
		is_str(out, cases[i].out, "case %zu: what the container gets", i);
		is_int(detach, cases[i].detach, "case %zu: detached", i);
	}
}

static void test_split_input(void)
{
	struct detach_keys k;
	char out[64];
	bool detach = false;

	is_err(detach_keys_parse("ctrl-p,ctrl-q", &k), NULL, "the default keys");
	is_int(detach_keys_filter(&k, "\x10", 1, out, &detach), 0, "the first key is held back");
	is_int(detach_keys_filter(&k, "z", 1, out, &detach), 2,
	       "and comes with the next that is not the second");
	is_int(detach_keys_filter(&k, "\x10", 1, out, &detach), 0, "held back again");
	is_int(detach_keys_filter(&k, "\x11", 1, out, &detach), 0, "the second key");
	ok(detach, "detaches across two reads");
}

int main(void)
{
	struct detach_keys k;

	test_filter();
	test_split_input();
	is_err(detach_keys_parse("ctrl-", &k), "detach keys 'ctrl-': unknown key 'ctrl-'*", "no letter");
	is_err(detach_keys_parse("ctrl-p,foo", &k), "*unknown key 'foo'*", "a word is no key");
	is_err(detach_keys_parse("a,b,c,d,e,f,g,h,i", &k), "*more than 8 keys", "too many");
	return done_testing();
}
