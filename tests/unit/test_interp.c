/* Variables in compose files: every form, nested, and what is none. */
#include "core/compose/interp.h"
#include "tests/lib/tap.h"

static const char *lookup(void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, "SET")	 ? "v"
	       : !strcmp(name, "EMPTY")	 ? ""
	       : !strcmp(name, "DOLLAR") ? "$SET"
					 : NULL;
}

static unsigned n_unset;

static void unset(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	n_unset++;
}

static const struct {
	const char *in, *out, *err;
} cases[] = {
	{ "plain", "plain", NULL },
	{ "", "", NULL },
	{ "$SET", "v", NULL },
	{ "${SET}", "v", NULL },
	{ "a${SET}b$SET-c", "avbv-c", NULL },
	{ "$$SET $$$SET", "$SET $v", NULL },
	{ "$1 $- a$", "$1 $- a$", NULL },
	{ "${UNSET}|$UNSET", "|", NULL },
	{ "${UNSET:-d}${EMPTY:-d}${SET:-d}", "ddv", NULL },
	{ "${UNSET-d}${EMPTY-d}${SET-d}", "dv", NULL },
	{ "${UNSET:+a}${EMPTY:+a}${SET:+a}", "a", NULL },
	{ "${UNSET+a}${EMPTY+a}${SET+a}", "aa", NULL },
	{ "${UNSET:-${EMPTY:-${SET}}}", "v", NULL },
	{ "${UNSET:-a:-b}", "a:-b", NULL },
	{ "${UNSET:-{}}", "{}", NULL },
	{ "${SET:?no}${EMPTY?no}", "v", NULL },
	{ "${DOLLAR}", "$SET", NULL }, /* a value is not read again */
	{ "${UNSET:?say so}", NULL, "required variable UNSET is missing a value: say so" },
	{ "${EMPTY:?$SET}", NULL, "required variable EMPTY is missing a value: v" },
	{ "${UNSET?}", NULL, "required variable UNSET is missing a value" },
	{ "${", NULL, "invalid interpolation format: \"${\" (hint: a $ of its own is written $$)" },
	{ "${}", NULL, "invalid interpolation format: \"\" (hint: a $ of its own is written $$)" },
	{ "x${SET", NULL,
	  "invalid interpolation format: \"x${SET\" (hint: a $ of its own is written $$)" },
	{ "${SET!}", NULL, "invalid interpolation format: \"SET!\" (hint: a $ of its own is written $$)" },
	{ "${1}", NULL, "invalid interpolation format: \"1\" (hint: a $ of its own is written $$)" },
	{ "${SET:x}", NULL,
	  "invalid interpolation format: \"SET:x\" (hint: a $ of its own is written $$)" },
};

static void see(void *arg, const char *name, char op, const char *word)
{
	str_addf(arg, "%s%c%s;", name, op ?: ' ', word);
}

static void test_seen(void)
{
	_cleanup_str_ struct str out = { 0 }, seen = { 0 };
	const struct interp in = { .seen = see, .arg = &seen };

	is_err(interp_expand(&in, "$A ${B} $$C ${D:-${E-x}} ${F?why} ${G:+alt}", &out), NULL, "expands");
	is_str(seen.s, "A ;B ;D-${E-x};E-x;F?why;G+alt;", "each variable with its word");
}

int main(void)
{
	const struct interp in = { .lookup = lookup, .unset = unset, .arg = NULL };
	struct str deep = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_str_ struct str out = { 0 };
		struct err *e = interp_expand(&in, cases[i].in, &out);

		if (cases[i].out)
			is_str(e ? e->text : out.s, cases[i].out, "%s", cases[i].in);
		if (cases[i].out)
			err_free(e);
		else
			is_err(e, cases[i].err, "%s", cases[i].in);
	}
	ok(n_unset == 2, "two plain uses of a variable that is not set were told");

	for (int i = 0; i < 100; i++)
		str_add(&deep, "${UNSET:-");
	for (int i = 0; i < 100; i++)
		str_add(&deep, "}");
	{
		_cleanup_str_ struct str out = { 0 };

		is_err(interp_expand(&in, deep.s, &out), "variables are nested more than 32 deep",
		       "nesting has an end");
	}
	str_done(&deep);
	test_seen();
	return done_testing();
}
