#include "cmd/opt.h"

#include <limits.h>
#include <stdlib.h>

static const struct opt no_opts[] = { { 0 } };

/* O itself, or where the table that ends at O goes on; NULL: nowhere. */
static const struct opt *at(const struct opt *o)
{
	while (o && !o->name)
		o = o->to;
	return o;
}

static bool takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_CALL_FLAG;
}

const struct opt *opt_find(const struct opt *opts, const char *name, size_t len)
{
	for (const struct opt *o = at(opts); o; o = at(o + 1))
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct opt *find_short(const struct opt *opts, char c)
{
	for (const struct opt *o = at(opts); o; o = at(o + 1))
		if (o->c && o->c == c)
			return o;
	return NULL;
}

/* Words that strconv.ParseBool takes, as Docker's users write them. */
static struct err *parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*ret = !strcmp(s, yes[i]);
			return NULL;
		}
	return err_new(0, "'%s' is neither true nor false", s);
}

static struct err *parse_int(const char *s, int *ret)
{
	bool minus = *s == '-';
	uint64_t v;
	struct err *e = str_to_u64(s + minus, 0, INT_MAX, &v);

	if (e) {
		err_free(e);
		return err_new(0, "'%s' is not a whole number", s);
	}
	*ret = minus ? -(int)v : (int)v;
	return NULL;
}

static struct err *store_value(const struct opt *o, const char *value)
{
	uint64_t number;
	struct err *e = NULL;

	switch (o->kind) {
	case OPT_BOOL:
		*(bool *)o->to = true;
		if (value)
			e = parse_bool(value, o->to);
		break;
	case OPT_STR:
		*(const char **)o->to = value;
		break;
	case OPT_UINT:
		e = str_to_u64(value, 0, UINT_MAX, &number);
		if (!e)
			*(unsigned *)o->to = (unsigned)number;
		break;
	case OPT_INT:
		e = parse_int(value, o->to);
		break;
	case OPT_LIST:
		strv_add(o->to, value);
		break;
	case OPT_CALL:
	case OPT_CALL_FLAG:
		e = o->set(value, o->to);
		break;
	case OPT_KIND_MAX:
		break;
	}
	if (!e)
		return NULL;
	if (o->c)
		return err_wrap(e, "invalid argument \"%s\" for \"-%c, --%s\" flag", value ?: "",
				o->c, o->name);
	return err_wrap(e, "invalid argument \"%s\" for \"--%s\" flag", value ?: "", o->name);
}

static struct err *unknown_long(const struct opt *opts, const char *name, size_t len)
{
	_cleanup_free_ char *typed = xstrndup(name, len);
	_cleanup_free_ const char **names = NULL;
	size_t n = 0, cap = 0;
	const char *near;

	for (const struct opt *o = at(opts); o; o = at(o + 1)) {
		names = xgrow(names, n + 2, &cap, sizeof(*names));
		names[n++] = o->name;
	}
	names = xgrow(names, n + 1, &cap, sizeof(*names));
	names[n] = NULL;
	near = str_nearest(typed, names);
	if (near)
		return err_hint(err_new(0, "unknown flag: --%s", typed), "did you mean --%s?", near);
	return err_new(0, "unknown flag: --%s", typed);
}

/* WORD is "--name" or "--name=value"; NEXT the word behind it or NULL.  *RET_USED: how many words were eaten. */
static struct err *parse_long(const struct opt *opts, const char *word, const char *next, int *ret_used)
{
	const char *name = word + 2;
	size_t len = strcspn(name, "=");
	const struct opt *o = opt_find(opts, name, len);
	const char *value = name[len] ? name + len + 1 : NULL;

	if (!o)
		return unknown_long(opts, name, len);
	*ret_used = 1;
	if (takes_value(o) && !value) {
		if (!next)
			return err_new(0, "flag needs an argument: --%s", o->name);
		value = next;
		*ret_used = 2;
	}
	return store_value(o, value);
}

/* WORD is "-abc": flags, the last of which may take the rest of the word or the next word as its value. */
static struct err *parse_shorts(const struct opt *opts, const char *word, const char *next, int *ret_used)
{
	struct err *e;

	*ret_used = 1;
	for (const char *p = word + 1; *p; p++) {
		const struct opt *o = find_short(opts, *p);
		const char *value = NULL;

		if (!o)
			return err_new(0, "unknown shorthand flag: '%c' in %s", *p, word);
		if (p[1] == '=')
			value = p + 2;
		else if (takes_value(o) && p[1])
			value = p + 1;
		if (takes_value(o) && !value) {
			if (!next)
				return err_new(0, "flag needs an argument: '%c' in %s", *p, word);
			value = next;
			*ret_used = 2;
		}
		e = store_value(o, value);
		if (e || value)
			return e;
	}
	return NULL;
}

/* Is WORD, all of it, made of options of the table?  Decides for OPT_AFTER_OPERAND where the command starts. */
static bool is_ours(const struct opt *opts, const char *word)
{
	if (word[1] == '-')
		return opt_find(opts, word + 2, strcspn(word + 2, "="));
	for (const char *p = word + 1; *p; p++) {
		const struct opt *o = find_short(opts, *p);

		if (!o)
			return false;
		if (takes_value(o) || p[1] == '=')
			return true;
	}
	return true;
}

static bool looks_like_option(const char *word)
{
	return word[0] == '-' && word[1];
}

struct err *opt_parse(const struct opt *opts, enum opt_grammar g, int argc, char **argv,
		      struct opt_result *ret)
{
	int n = 0, i = 0, used = 0;
	struct err *e;

	opts = opts ?: no_opts;
	*ret = (struct opt_result){ 0 };
	while (i < argc) {
		char *word = argv[i];

		if (!looks_like_option(word)) {
			if (g == OPT_FIRST || (g == OPT_AFTER_OPERAND && n > 0))
				break;
			argv[n++] = word;
			i++;
			continue;
		}
		if (!strcmp(word, "--")) {
			i++;
			break;
		}
		if (g == OPT_AFTER_OPERAND && n > 0 && !is_ours(opts, word))
			break;
		if (!strcmp(word, "--help") || (!strcmp(word, "-h") && !find_short(opts, 'h'))) {
			ret->help = true;
			return NULL;
		}
		if (word[1] == '-')
			e = parse_long(opts, word, argv[i + 1], &used);
		else
			e = parse_shorts(opts, word, argv[i + 1], &used);
		if (e)
			return e;
		i += used;
	}
	while (i < argc)
		argv[n++] = argv[i++];
	argv[n] = NULL;
	ret->argc = n;
	return NULL;
}

static const char *arg_word(const struct opt *o)
{
	static const char *const by_kind[] = {
		[OPT_BOOL] = "",     [OPT_STR] = "string", [OPT_UINT] = "uint",	 [OPT_INT] = "int",
		[OPT_LIST] = "list", [OPT_CALL] = "list",  [OPT_CALL_FLAG] = "",
	};

	_Static_assert(ARRAY_LEN(by_kind) == OPT_KIND_MAX, "one word a kind");
	return o->arg ?: by_kind[o->kind];
}

static size_t name_width(const struct opt *o)
{
	size_t arg = strlen(arg_word(o));

	return strlen(o->name) + (arg ? arg + 1 : 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct opt *const *)a)->name, (*(const struct opt *const *)b)->name);
}

static void help_line(const struct opt *o, size_t width, struct str *out)
{
	const char *arg = arg_word(o);

	if (o->c)
		str_addf(out, "  -%c, ", o->c);
	else
		str_add(out, "      ");
	str_addf(out, "--%s%s%s%*s   ", o->name, *arg ? " " : "", arg, (int)(width - name_width(o)), "");
	/* further lines of a long text stand under the first */
	for (const char *p = o->help; *p; p++) {
		str_addc(out, *p);
		if (*p == '\n')
			str_addf(out, "%*s", (int)(8 + width + 3), "");
	}
	str_addc(out, '\n');
}

void opt_help(const struct opt *opts, struct str *out)
{
	_cleanup_free_ const struct opt **shown = NULL;
	size_t width = 0, n = 0, cap = 0;

	if (!at(opts))
		return;
	for (const struct opt *o = at(opts); o; o = at(o + 1)) {
		if (!o->help)
			continue;
		shown = xgrow(shown, n, &cap, sizeof(const struct opt *));
		shown[n++] = o;
		if (name_width(o) > width)
			width = name_width(o);
	}
	if (n)
		qsort(shown, n, sizeof(const struct opt *), by_name);
	str_add(out, "Options:\n");
	for (size_t i = 0; i < n; i++)
		help_line(shown[i], width, out);
}
