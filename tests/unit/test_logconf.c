#include "core/box/logconf.h"

#include "tests/lib/tap.h"

static const struct {
	const char *driver, *opts, *err;
	bool none;
	uint64_t bytes;
	unsigned files;
} cases[] = {
	{ NULL, "", NULL, false, 100 << 20, 3 },
	{ "json-file", "", NULL, false, 100 << 20, 3 },
	{ "local", "max-size=10m max-file=5", NULL, false, 10 << 20, 5 },
	{ "json-file", "max-size=1k", NULL, false, 1024, 1 },
	{ "json-file", "max-file=1", NULL, false, 100 << 20, 1 },
	{ "json-file", "max-size=-1", NULL, false, 0, 1 },
	{ "json-file", "mode=blocking compress=false labels=a env=B", NULL, false, 100 << 20, 3 },
	{ "none", "", NULL, true, 100 << 20, 3 },
	{ "none", "max-size=1", "unknown log opt 'max-size=1' for none log driver", false, 0, 0 },
	{ "syslog", "", "logger: no log driver named 'syslog' is registered (hint: *)", false, 0, 0 },
	{ "json-file", "max-size=x", "'x' is not a size (hint: *)", false, 0, 0 },
	{ "json-file", "max-size=0", "max-size must be a positive number", false, 0, 0 },
	{ "json-file", "max-file=0", "max-file: *0*", false, 0, 0 },
	{ "json-file", "max-file=101", "max-file: *101*", false, 0, 0 },
	{ "json-file", "max-size=-1 max-file=2", "max-file > 1 requires max-size to be set", false,
	  0, 0 },
	{ "json-file", "mode=non-blocking", "log opt mode=non-blocking is not supported (hint: *)",
	  false, 0, 0 },
	{ "json-file", "compress=true", "log opt compress=true is not supported (hint: *)", false, 0, 0 },
	{ "local", "tag=x", "unknown log opt 'tag' for local log driver", false, 0, 0 },
};

static void add_words(struct strv *l, const char *words)
{
	_cleanup_free_ char *copy = xstrdup(words);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " ")) != NULL)
		if (*word)
			strv_add(l, word);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strv_ struct strv opts = { 0 };
		struct logconf c = { 0 };

		add_words(&opts, cases[i].opts);
		if (is_err(logconf_parse(cases[i].driver, &opts, &c), cases[i].err, "%s %s",
			   cases[i].driver ? cases[i].driver : "no driver", cases[i].opts) &&
		    !cases[i].err)
			ok(c.none == cases[i].none && c.bound.max_bytes == cases[i].bytes &&
				   c.bound.max_files == cases[i].files,
			   "%llu bytes, %u files", (unsigned long long)c.bound.max_bytes,
			   c.bound.max_files);
		logconf_done(&c);
	}
	{
		_cleanup_strv_ struct strv labels = { 0 }, env = { 0 }, opts = { 0 };
		struct logconf c = { 0 };
		_cleanup_free_ char *text = NULL;

		add_words(&opts, "labels=b,none,a env=B");
		add_words(&labels, "a=1/2 b=z c=no");
		strv_add(&env, "B=x y");
		is_err(logconf_parse(NULL, &opts, &c), NULL, "details");
		text = logconf_details(&c, &labels, &env);
		is_str(text, "B=x+y,a=1%2F2,b=z", "are sorted and escaped");
		logconf_done(&c);
	}
	return done_testing();
}
