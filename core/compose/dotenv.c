#include "core/compose/dotenv.h"

#include <ctype.h>

#include "core/base/pos.h"

struct reader {
	const char *at, *end;
	struct pos pos;
	bool raw;
	const struct interp *in;
	struct strv *to;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static const char *line_end(const struct reader *r)
{
	return memchr(r->at, '\n', (size_t)(r->end - r->at)) ?: r->end;
}

static void skip_line(struct reader *r)
{
	r->at = line_end(r);
	if (r->at < r->end) {
		r->at++;
		r->pos.line++;
	}
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && is_blank(*r->at))
		r->at++;
}

static const char *lookup(void *arg, const char *name)
{
	const struct reader *r = arg;
	const char *value = r->in ? r->in->lookup(r->in->arg, name) : NULL;

	return value ?: strv_env(r->to, name);
}

static void unset(void *arg, const char *name)
{
	const struct reader *r = arg;

	if (r->in && r->in->unset)
		r->in->unset(r->in->arg, name);
}

static struct err *put(struct reader *r, const char *key, const char *value, bool expand)
{
	struct interp in = { .lookup = lookup, .unset = unset, .arg = r };
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *entry = NULL;

	if (expand) {
		struct err *e = interp_expand(&in, value, &text);

		if (e)
			return pos_wrap(&r->pos, err_wrap(e, "%s", key));
	} else {
		str_add(&text, value);
	}
	entry = xasprintf("%s=%s", key, text.s);
	strv_env_set(r->to, entry);
	return NULL;
}

/* The escapes of a double-quoted value.  "\$" becomes "$$": the variables are looked for afterwards. */
static void unescape(const char *s, struct str *out)
{
	static const char from[] = "abfnrtv\"\\", to[] = "\a\b\f\n\r\t\v\"\\";

	str_add(out, "");
	for (; *s; s++) {
		const char *known;

		if (*s != '\\' || !s[1]) {
			str_addc(out, *s);
			continue;
		}
		s++;
		known = strchr(from, *s);
		if (*s == '$') {
			str_add(out, "$$");
		} else if (known) {
			str_addc(out, to[known - from]);
		} else {
			str_addc(out, '\\');
			str_addc(out, *s);
		}
	}
}

static struct err *quoted(struct reader *r, const char *key)
{
	_cleanup_str_ struct str inside = { 0 }, plain = { 0 };
	struct pos start = r->pos;
	char quote = *r->at++;
	struct err *e;

	str_add(&inside, "");
	for (; r->at < r->end && *r->at != quote; r->at++) {
		r->pos.line += *r->at == '\n';
		/* only the quote itself needs its backslash taken away here */
		if (*r->at == '\\' && r->at + 1 < r->end) {
			r->at++;
			r->pos.line += *r->at == '\n';
			if (*r->at != quote)
				str_addc(&inside, '\\');
		}
		str_addc(&inside, *r->at);
	}
	if (r->at == r->end)
		return pos_err(&start, "unterminated quoted value of %s", key);
	r->at++;
	if (quote == '\'')
		return put(r, key, inside.s, false);
	unescape(inside.s, &plain);
	e = put(r, key, plain.s, true);
	return e;
}

static struct err *unquoted(struct reader *r, const char *key)
{
	const char *stop = line_end(r);
	_cleanup_free_ char *value = NULL;
	struct err *e;

	if (!r->raw)
		for (const char *s = r->at; s + 1 < stop; s++)
			if (s[0] == ' ' && s[1] == '#')
				stop = s;
	while (stop > r->at && (is_blank(stop[-1])) && (!r->raw || stop[-1] == '\r'))
		stop--;
	value = xstrndup(r->at, (size_t)(stop - r->at));
	e = put(r, key, value, !r->raw);
	skip_line(r);
	return e;
}

static bool is_key_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_.-[]", c) || (unsigned char)c >= 0x80;
}

/* One assignment; R stands on the first character of its key. */
static struct err *statement(struct reader *r)
{
	static const char word[] = "export";
	const size_t len = sizeof(word) - 1;
	_cleanup_free_ char *key = NULL;
	const char *start;

	if ((size_t)(r->end - r->at) > len && !memcmp(r->at, word, len) && is_blank(r->at[len])) {
		r->at += len;
		skip_blanks(r);
	}
	start = r->at;
	while (r->at < r->end && *r->at && is_key_char(*r->at))
		r->at++;
	key = xstrndup(start, (size_t)(r->at - start));
	skip_blanks(r);
	if (r->at < r->end && !strchr("=:\n", *r->at))
		return pos_err(&r->pos, "unexpected character '%c' in variable name near \"%s\"",
			       *r->at, key);
	if (!*key)
		return pos_err(&r->pos, "a variable name is missing");
	if (r->at == r->end || *r->at == '\n') {
		const char *value = r->in ? r->in->lookup(r->in->arg, key) : NULL;

		skip_line(r);
		return value ? put(r, key, value, false) : NULL;
	}
	r->at++;
	if (!r->raw)
		skip_blanks(r);
	if (!r->raw && r->at < r->end && (*r->at == '"' || *r->at == '\''))
		return quoted(r, key);
	return unquoted(r, key);
}

struct err *dotenv_parse(const char *file, const char *text, size_t len, bool raw,
			 const struct interp *in, struct strv *to)
{
	struct reader r = { text, text + len, { file, 1, 0 }, raw, in, to };
	struct err *e = NULL;

	if (len > DOTENV_BYTES_MAX)
		return pos_err(&r.pos, "it is larger than %d bytes", DOTENV_BYTES_MAX);
	if (memchr(text, '\0', len))
		return pos_err(&r.pos, "a zero byte");
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.at += 3; /* what some editors put in front */
	while (!e && r.at < r.end) {
		skip_blanks(&r);
		if (r.at == r.end)
			break;
		if (*r.at == '\n' || *r.at == '#')
			skip_line(&r);
		else
			e = statement(&r);
	}
	return e;
}
