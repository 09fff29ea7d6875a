#include "core/compose/interp.h"

#include <ctype.h>

struct text {
	const char *s;
	size_t len;
};

static struct err *expand(const struct interp *in, struct text t, unsigned depth, struct str *out);

static size_t name_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len &&
	       (isalpha((unsigned char)s[n]) || s[n] == '_' || (n && isdigit((unsigned char)s[n]))))
		n++;
	return n;
}

static struct err *invalid(struct text t)
{
	return err_hint(err_new(0, "invalid interpolation format: \"%.*s\"",
				(int)(t.len < 200 ? t.len : 200), t.s),
			"a $ of its own is written $$");
}

/* Where the brace that T starts with ("{...") is closed; 0 if it is not. */
static size_t closing(struct text t)
{
	size_t open = 0;

	for (size_t i = 0; i < t.len; i++) {
		open += t.s[i] == '{';
		if (t.s[i] == '}' && --open == 0)
			return i;
	}
	return 0;
}

static void put_value(const struct interp *in, const char *name, struct str *out)
{
	const char *value;

	if (in->seen) {
		in->seen(in->arg, name, 0, "");
		return;
	}
	value = in->lookup(in->arg, name);
	if (value)
		str_add(out, value);
	else if (in->unset)
		in->unset(in->arg, name);
}

static struct err *required(const struct interp *in, const char *name, struct text why, unsigned depth)
{
	_cleanup_str_ struct str text = { 0 };
	struct err *e = expand(in, why, depth + 1, &text);

	if (e)
		return e;
	if (text.len)
		return err_new(0, "required variable %s is missing a value: %s", name, text.s);
	return err_new(0, "required variable %s is missing a value", name);
}

/* INSIDE: what stands between the braces. */
static struct err *braced(const struct interp *in, struct text inside, unsigned depth, struct str *out)
{
	size_t n = name_len(inside.s, inside.len), at = n;
	_cleanup_free_ char *name = xstrndup(inside.s, n);
	struct text word;
	const char *value;
	bool or_empty, have;

	if (!n)
		return invalid(inside);
	if (n == inside.len) {
		put_value(in, name, out);
		return NULL;
	}
	or_empty = inside.s[at] == ':';
	at += or_empty;
	if (at >= inside.len || !strchr("-?+", inside.s[at]))
		return invalid(inside);
	word = (struct text){ inside.s + at + 1, inside.len - at - 1 };
	if (in->seen) {
		_cleanup_free_ char *text = xstrndup(word.s, word.len);

		in->seen(in->arg, name, inside.s[at], text);
		return expand(in, word, depth + 1, out);
	}
	value = in->lookup(in->arg, name);
	have = value && (!or_empty || *value);
	switch (inside.s[at]) {
	case '-':
		if (!have)
			return expand(in, word, depth + 1, out);
		str_add(out, value);
		return NULL;
	case '+':
		return have ? expand(in, word, depth + 1, out) : NULL;
	default:
		if (!have)
			return required(in, name, word, depth);
		str_add(out, value);
		return NULL;
	}
}

static struct err *expand(const struct interp *in, struct text t, unsigned depth, struct str *out)
{
	if (depth > INTERP_DEPTH_MAX)
		return err_new(0, "variables are nested more than %d deep", INTERP_DEPTH_MAX);
	while (t.len) {
		const char *dollar = memchr(t.s, '$', t.len);
		size_t before = dollar ? (size_t)(dollar - t.s) : t.len, used;
		struct text rest;
		struct err *e = NULL;

		str_addn(out, t.s, before);
		if (out->len > INTERP_BYTES_MAX)
			return err_new(0, "the value becomes longer than %d bytes", INTERP_BYTES_MAX);
		if (!dollar)
			return NULL;
		rest = (struct text){ dollar + 1, t.len - before - 1 };
		if (rest.len && *rest.s == '$') {
			str_addc(out, '$');
			used = 1;
		} else if (rest.len && *rest.s == '{') {
			used = closing(rest) + 1;
			if (used == 1)
				return invalid(t);
			e = braced(in, (struct text){ rest.s + 1, used - 2 }, depth, out);
		} else {
			_cleanup_free_ char *name = NULL;

			used = name_len(rest.s, rest.len);
			name = xstrndup(rest.s, used);
			if (used)
				put_value(in, name, out);
			else
				str_addc(out, '$'); /* "$1", "a$": itself */
		}
		if (e)
			return e;
		t = (struct text){ rest.s + used, rest.len - used };
	}
	return NULL;
}

struct err *interp_expand(const struct interp *in, const char *text, struct str *out)
{
	str_add(out, ""); /* never NULL */
	return expand(in, (struct text){ text, strlen(text) }, 0, out);
}

bool interp_wanted(const char *text)
{
	return strchr(text, '$') != NULL;
}
