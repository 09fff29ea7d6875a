/* -e, --env-file and --label as Docker reads them. */
#include "cmd/envfile.h"
#include "tests/lib/tap.h"

static char *joined(const struct strv *l)
{
	struct str s = { 0 };

	for (size_t i = 0; i < l->n; i++)
		str_addf(&s, "%s%s", i ? "|" : "", l->v[i]);
	return str_take(&s);
}

static void file_is(const char *text, const char *want)
{
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_free_ char *got = NULL;

	is_err(env_file_parse(text, strlen(text), "f", &l), NULL, "the file is accepted");
	got = joined(&l);
	is_str(got, want, "its variables");
}

static void file_fails(const char *text, size_t len, const char *want)
{
	_cleanup_strv_ struct strv l = { 0 };

	is_err(env_file_parse(text, len, "f", &l), want, "%s", want);
}

static void test_variables(void)
{
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_free_ char *got = NULL;

	setenv("DEVBOX_TEST_HERE", "here", 1);
	unsetenv("DEVBOX_TEST_GONE");
	is_err(env_add("A=b=c", &l), NULL, "K=V");
	is_err(env_add("B=", &l), NULL, "an empty value");
	is_err(env_add("DEVBOX_TEST_HERE", &l), NULL, "from the caller");
	is_err(env_add("DEVBOX_TEST_GONE", &l), NULL, "not set in the caller");
	is_err(env_add("", &l), "invalid environment variable: ", "nothing");
	is_err(env_add("=x", &l), "invalid environment variable: =x", "no name");
	got = joined(&l);
	is_str(got, "A=b=c|B=|DEVBOX_TEST_HERE=here", "the list");
}

static void test_labels(void)
{
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_free_ char *got = NULL;

	is_err(label_add("a=b", &l), NULL, "k=v");
	is_err(label_add("c", &l), NULL, "a name alone");
	is_err(label_add("=x", &l), "invalid label '=x': empty name", "no name");
	got = joined(&l);
	is_str(got, "a=b|c=", "the list");
}

int main(void)
{
	file_is("A=b\n# comment\n\n  C=d e \nD=\"q\"\nE=x # y\n", "A=b|C=d e |D=\"q\"|E=x # y");
	file_is("\xef\xbb\xbf"
		"A=1\r\nB=2",
		"A=1|B=2");
	file_is("", "");
	file_fails("A=1\nB C=2\n", 9, "f:2: variable 'B C' contains whitespaces");
	file_fails("=x", 2, "f:1: no variable name on line '=x'");
	file_fails("A=\0b", 4, "f: contains a NUL byte, this is no env file");
	test_variables();
	test_labels();
	return done_testing();
}
