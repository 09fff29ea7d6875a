#include "core/build/expand.h"

#include <ctype.h>
#include <stdlib.h>

struct lexer {
	const struct expand *x;
	const char *s;
	unsigned depth;
	struct strv *words; /* split into: the word so far is OUT of the outermost level */
	struct str *outer;
	bool quoted; /* the word so far has a quote in it: it counts even if it is empty */
};

static struct err *until(struct lexer *l, char stop, char stop2, bool keep_escapes, struct str *out);

static struct err *put(struct str *out, const char *text, size_t len)
{
	if (out->len + len > EXPAND_MAX)
		return err_new(0, "the text becomes longer than %d bytes", EXPAND_MAX);
	str_addn(out, text, len);
	return NULL;
}

/* A value outside quotes: its blanks end words where words are wanted. */
static struct err *put_value(struct lexer *l, const char *text, struct str *out)
{
	struct err *e = NULL;

	if (!l->words || out != l->outer)
		return put(out, text, strlen(text));
	for (; *text && !e; text++) {
		if (!isspace((unsigned char)*text)) {
			e = put(out, text, 1);
		} else if (out->len || l->quoted) {
			strv_take(l->words, str_take(out));
			l->quoted = false;
		}
	}
	return e;
}

/* -- patterns ---------------------------------------------------------------------------------------------------- */

/* How many bytes at S fit P, the fewest or the most, or -1.  One pass: which places of P the text so far can have
 * reached. */
static int fits(const char *p, const char *s, size_t len, bool most)
{
	size_t n = strlen(p);
	_cleanup_free_ bool *now = xcalloc(2, n + 1);
	bool *next = now + n + 1;
	int found = -1;

	now[0] = true;
	for (size_t at = 0;; at++) {
		for (size_t i = 0; i < n; i++)
			if (now[i] && p[i] == '*')
				now[i + 1] = true;
		if (now[n]) {
			found = (int)at;
			if (!most)
				return found;
		}
		if (at == len)
			return found;
		memset(next, 0, n + 1);
		for (size_t i = 0; i < n; i++) {
			size_t lit = p[i] == '\\' && p[i + 1] ? i + 1 : i;

			if (!now[i])
				continue;
			if (p[i] == '*')
				next[i] = true;
			else if ((p[i] == '?' && lit == i) || p[lit] == s[at])
				next[lit + 1] = true;
		}
		memcpy(now, next, n + 1);
	}
}

static void reverse(char *s)
{
	for (size_t i = 0, n = strlen(s); i < n / 2; i++) {
		char c = s[i];

		s[i] = s[n - 1 - i];
		s[n - 1 - i] = c;
	}
}

/* The pattern backwards: an escape stays before what it escapes. */
static void reverse_pattern(char *p)
{
	reverse(p);
	for (; *p; p++)
		if (p[0] != '\\' && p[1] == '\\') {
			p[1] = p[0];
			*p++ = '\\';
		}
}

static char *trim(const char *value, char *pattern, bool end, bool most)
{
	_cleanup_free_ char *v = xstrdup(value);
	char *out;
	int n;

	if (end) {
		reverse(v);
		reverse_pattern(pattern);
	}
	n = fits(pattern, v, strlen(v), most);
	out = xstrdup(v + (n > 0 ? n : 0));
	if (end)
		reverse(out);
	return out;
}

static struct err *replace(const char *value, const char *pattern, const char *with, bool all,
			   struct str *out)
{
	struct err *e = NULL;
	size_t left = strlen(value);

	while (left && !e) {
		int n = *pattern ? fits(pattern, value, left, true) : -1;

		if (n <= 0) {
			e = put(out, value, 1);
			n = 1;
		} else {
			e = put(out, with, strlen(with));
			if (!all)
				return e ?: put(out, value + n, left - (size_t)n);
		}
		value += n;
		left -= (size_t)n;
	}
	return e;
}

/* -- variables --------------------------------------------------------------------------------------------------- */

static char *take_name(struct lexer *l)
{
	const char *from = l->s;

	if (isalpha((unsigned char)*l->s) || *l->s == '_')
		while (isalnum((unsigned char)*l->s) || *l->s == '_')
			l->s++;
	else if (isdigit((unsigned char)*l->s))
		while (isdigit((unsigned char)*l->s))
			l->s++;
	else if (*l->s && strchr("@*#?-$!", *l->s))
		l->s++;
	return xstrndup(from, (size_t)(l->s - from));
}

/* Up to STOP, which is taken away. */
static struct err *argument(struct lexer *l, char stop, char stop2, bool pattern, char **ret)
{
	_cleanup_str_ struct str out = { 0 };
	struct err *e = until(l, stop, stop2, pattern, &out);

	if (!e)
		*ret = str_take(&out);
	return e;
}

static struct err *modifier(struct lexer *l, const char *name, const char *value, struct str *out)
{
	_cleanup_free_ char *word = NULL, *with = NULL, *result = NULL;
	_cleanup_str_ struct str replaced = { 0 };
	bool colon = *l->s == ':', twice, set;
	char op = l->s[colon];
	struct err *e;

	if (!op || !strchr(colon ? "-+?" : "-+?#%/", op))
		return err_new(0, "unsupported modifier (%.*s) in substitution of ${%s}",
			       (int)colon + !!op, l->s, name);
	l->s += colon + 1;
	set = value && (!colon || *value);
	twice = strchr("#%/", op) && *l->s == op;
	l->s += twice;
	if (strchr("#%/", op) && value && strlen(value) > EXPAND_PATTERN_MAX)
		return err_new(0, "the value of %s is too long for a pattern", name);
	switch (op) {
	case '-':
	case '+':
	case '?':
		e = argument(l, '}', 0, false, &word);
		if (e)
			return e;
		if (op == '?' && !set)
			return *word ? err_new(0, "%s: %s", name, word)
				     : err_new(0, "%s: not allowed to be %s", name,
					       value ? "empty" : "unset");
		if (op == '+')
			return set ? put_value(l, word, out) : NULL;
		return put_value(l, set ? value : word, out);
	case '/':
		e = argument(l, '/', '}', true, &word);
		if (!e && l->s[-1] == '/')
			e = argument(l, '}', 0, false, &with);
		e = e ?: replace(value ?: "", word, with ?: "", twice, &replaced);
		return e ?: put_value(l, replaced.s ?: "", out);
	default:
		e = argument(l, '}', 0, true, &word);
		if (e || !value)
			return e;
		if (strlen(word) > EXPAND_PATTERN_MAX / 64)
			return err_new(0, "the pattern for %s is too long", name);
		result = trim(value, word, op == '%', twice);
		return put_value(l, result, out);
	}
}

/* Behind the dollar sign. */
static struct err *variable(struct lexer *l, struct str *out)
{
	_cleanup_free_ char *name = NULL;
	const char *value;
	bool brace = *l->s == '{';
	struct err *e;

	l->s += brace;
	name = take_name(l);
	if (!brace) {
		if (!*name)
			return put(out, "$", 1);
		value = l->x->get(l->x->arg, name);
		return value ? put_value(l, value, out) : NULL;
	}
	if (!*l->s)
		return err_new(0, "syntax error: missing '}'");
	if (!*name)
		return err_new(0, "syntax error: bad substitution");
	value = l->x->get(l->x->arg, name);
	if (*l->s == '}') {
		l->s++;
		return value ? put_value(l, value, out) : NULL;
	}
	if (++l->depth > EXPAND_DEPTH)
		return err_new(0, "variables are nested more than %d deep", EXPAND_DEPTH);
	e = modifier(l, name, value, out);
	l->depth--;
	return e;
}

/* -- quotes ------------------------------------------------------------------------------------------------------ */

static struct err *single_quotes(struct lexer *l, struct str *out)
{
	const char *end = strchr(l->s, '\'');
	struct err *e;

	if (!end)
		return err_new(0, "unexpected end of statement while looking for matching single-quote");
	e = put(out, l->s, (size_t)(end - l->s));
	l->s = end + 1;
	return e;
}

static struct err *double_quotes(struct lexer *l, struct str *out)
{
	_cleanup_str_ struct str inner = { 0 };
	struct strv *words = l->words;
	struct err *e = NULL;

	l->words = NULL; /* blanks of values do not count in here */
	while (!e && *l->s && *l->s != '"') {
		char c = *l->s++;

		if (c == '$') {
			e = variable(l, &inner);
		} else if (c == l->x->escape && *l->s) {
			if (*l->s != '"' && *l->s != '$' && *l->s != c)
				e = put(&inner, &c, 1);
			e = e ?: put(&inner, l->s++, 1);
		} else {
			e = put(&inner, &c, 1);
		}
	}
	l->words = words;
	if (!e && !*l->s)
		return err_new(0, "unexpected end of statement while looking for matching double-quote");
	l->s += !e;
	return e ?: put(out, inner.s ?: "", inner.len);
}

static struct err *until(struct lexer *l, char stop, char stop2, bool keep_escapes, struct str *out)
{
	struct err *e = NULL;

	while (!e && *l->s) {
		char c = *l->s++;

		if ((stop && c == stop) || (stop2 && c == stop2))
			return NULL;
		if (c == '$') {
			e = variable(l, out);
		} else if (l->x->raw && c == l->x->escape && *l->s == '$') {
			e = put(out, l->s++, 1);
		} else if (l->x->raw && !stop) {
			e = put(out, &c, 1);
		} else if (c == '\'') {
			l->quoted = true;
			e = single_quotes(l, out);
		} else if (c == '"') {
			l->quoted = true;
			e = double_quotes(l, out);
		} else if (c == l->x->escape && *l->s) {
			if (keep_escapes && *l->s != '/' && *l->s != '}')
				e = put(out, "\\", 1);
			e = e ?: put(out, l->s++, 1);
		} else if (c == l->x->escape) {
			return stop ? err_new(0, "syntax error: missing '%c'", stop)
				    : NULL; /* a last escape */
		} else if (l->words && !stop && isspace((unsigned char)c)) {
			e = put_value(l, " ", out);
		} else {
			e = put(out, &c, 1);
		}
	}
	if (!e && stop)
		return err_new(0, "syntax error: missing '%c'", stop2 ? stop2 : stop);
	return e;
}

struct err *expand_word(const struct expand *x, const char *text, char **ret)
{
	_cleanup_str_ struct str out = { 0 };
	struct lexer l = { .x = x, .s = text };
	struct err *e = until(&l, 0, 0, false, &out);

	if (!e)
		*ret = str_take(&out);
	return e;
}

struct err *expand_split(const struct expand *x, const char *text, struct strv *ret)
{
	_cleanup_str_ struct str out = { 0 };
	struct lexer l = { .x = x, .s = text, .words = ret, .outer = &out };
	struct err *e = until(&l, 0, 0, false, &out);

	if (!e && (out.len || l.quoted))
		strv_take(ret, str_take(&out));
	return e;
}
