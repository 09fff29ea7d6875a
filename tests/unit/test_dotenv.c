/* Files of variables: quotes, remarks, lines, variables of variables. */
#include "core/compose/dotenv.h"
#include "tests/lib/tap.h"

static const char *lookup(void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, "OUTER") ? "o" : NULL;
}

static const struct {
	const char *in, *out; /* entries, one a line */
	bool raw;
	const char *err;
} cases[] = {
	{ "A=1\nB=2", "A=1\nB=2\n", false, NULL },
	{ "\n# remark\n  A = 1 \r\nexport B=2\n", "A=1\nB=2\n", false, NULL },
	{ "A=x # remark\nB=x#y\nC= # all", "A=x\nB=x#y\nC=# all\n", false, NULL },
	{ "A='$OUTER \\n' # r\nB=\"$OUTER\\n\\\"q\\\"\"", "A=$OUTER \\n\nB=o\n\"q\"\n", false, NULL },
	{ "A=\"one\ntwo\"\nB=3", "A=one\ntwo\nB=3\n", false, NULL },
	{ "A=1\nB=${A}2\nC=${NOPE:-d}\nD=\\$A", "A=1\nB=12\nC=d\nD=\\1\n", false, NULL },
	{ "A=\"\\$OUTER $$\"", "A=$OUTER $\n", false, NULL },
	{ "OUTER\nNOPE\nA=1", "OUTER=o\nA=1\n", false, NULL },
	{ "A: yaml", "A=yaml\n", false, NULL },
	{ "A=1\nA=2", "A=2\n", false, NULL },
	{ "A.b-c[0]=1", "A.b-c[0]=1\n", false, NULL },
	{ "\xef\xbb\xbf"
	  "A=1",
	  "A=1\n", false, NULL },
	{ "A=\"x\" # y\nB=$OUTER", "A=\"x\" # y\nB=$OUTER\n", true, NULL },
	{ "A=1\nB=\"open\nC=2", NULL, false, "f:2: unterminated quoted value of B" },
	{ "A B=1", NULL, false, "f:1: unexpected character 'B' in variable name near \"A\"" },
	{ "=1", NULL, false, "f:1: a variable name is missing" },
	{ "A=${B", NULL, false,
	  "f:1: A: invalid interpolation format: \"${B\" (hint: a $ of its own is written $$)" },
};

int main(void)
{
	const struct interp in = { .lookup = lookup, .unset = NULL, .arg = NULL };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strv_ struct strv got = { 0 };
		_cleanup_str_ struct str all = { 0 };
		struct err *e =
			dotenv_parse("f", cases[i].in, strlen(cases[i].in), cases[i].raw, &in, &got);

		for (size_t k = 0; k < got.n; k++)
			str_addf(&all, "%s\n", got.v[k]);
		if (cases[i].out)
			is_str(e ? e->text : all.s, cases[i].out, "%s", cases[i].in);
		if (cases[i].out)
			err_free(e);
		else
			is_err(e, cases[i].err, "%s", cases[i].in);
	}
	return done_testing();
}
