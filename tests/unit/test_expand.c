/* Variables, quotes and escapes in the words of a Dockerfile. */
#include "core/build/expand.h"

#include "tests/lib/tap.h"

static const char *get(void *arg, const char *name)
{
	static const char *const vars[][2] = { { "file", "foo.tar.gz" },
					       { "empty", "" },
					       { "two", " a  b " } };

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(vars); i++)
		if (str_eq(vars[i][0], name))
			return vars[i][1];
	return NULL;
}

static const struct {
	const char *in, *out;
} words[] = {
	{ "plain", "plain" },
	{ "$file", "foo.tar.gz" },
	{ "a$file-b", "afoo.tar.gz-b" },
	{ "${file}x", "foo.tar.gzx" },
	{ "$nope|", "|" },
	{ "\\$file", "$file" },
	{ "'$file'", "$file" },
	{ "\"$file's\"", "foo.tar.gz's" },
	{ "\"a\\\"b\\n\"", "a\"b\\n" },
	{ "a\\ b", "a b" },
	{ "5$", "5$" },
	{ "${nope:-d}${empty:-d}${empty-d}|${file:-d}", "dd|foo.tar.gz" },
	{ "${nope:+y}${empty:+y}${empty+y}${file:+y}", "yy" },
	{ "${nope:-${file%.*}}", "foo.tar" },
	{ "${file%.*} ${file%%.*}", "foo.tar foo" },
	{ "${file#*.} ${file##*.}", "tar.gz gz" },
	{ "${file#x} ${file%?z}", "foo.tar.gz foo.tar." },
	{ "${file/o/0} ${file//o/0} ${file//./\\/}", "f0o.tar.gz f00.tar.gz foo/tar/gz" },
	{ "${file/tar}", "foo..gz" },
	{ "${file:?msg}", "foo.tar.gz" },
};

static const struct {
	const char *in, *err;
} refused[] = {
	{ "${file", "syntax error: missing '}'" },
	{ "${}", "syntax error: bad substitution" },
	{ "${file:x}", "unsupported modifier (:x) in substitution of ${file}" },
	{ "\"a", "*looking for matching double-quote" },
	{ "'a", "*looking for matching single-quote" },
	{ "${nope:?no way}", "nope: no way" },
	{ "${nope?}", "nope: not allowed to be unset" },
	{ "${empty:?}", "empty: not allowed to be empty" },
};

static void split(const char *in, const char *want)
{
	const struct expand x = { .escape = '\\', .get = get };
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_str_ struct str all = { 0 };
	struct err *e = expand_split(&x, in, &l);

	for (size_t i = 0; i < l.n; i++)
		str_addf(&all, "[%s]", l.v[i]);
	is_str(e ? e->text : all.s, want, "split: %s", in);
	err_free(e);
}

int main(void)
{
	const struct expand x = { .escape = '\\', .get = get };
	const struct expand raw = { .escape = '\\', .raw = true, .get = get };
	_cleanup_free_ char *body = NULL;
	_cleanup_str_ struct str deep = { 0 };
	char *out = NULL;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct err *e = expand_word(&x, words[i].in, &out);

		is_str(e ? e->text : out, words[i].out, "%s", words[i].in);
		err_free(e);
		free(TAKE_PTR(out));
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		is_err(expand_word(&x, refused[i].in, &out), refused[i].err, "%s", refused[i].in);
	split("$two", "[a][b]");
	split("\"$two\"", "[ a  b ]");
	split("1$two\"\"", "[1][a][b][]");
	split("''", "[]");
	split("$empty", NULL);
	err_free(expand_word(&raw, "\"$file\" 'x' \\$y \\n", &body));
	is_str(body, "\"foo.tar.gz\" 'x' $y \\n", "in a heredoc quotes are no quotes");
	for (int i = 0; i < 100; i++)
		str_add(&deep, "${a:-");
	is_err(expand_word(&x, deep.s, &out), "variables are nested more than * deep", "too deep");
	return done_testing();
}
