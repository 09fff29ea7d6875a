/* A pattern is compiled to a list of tokens, and matched by keeping the set of tokens that the path so far can have
 * reached: time is path times tokens, whatever the pattern. */
#include "core/build/ignore.h"

#include <ctype.h>
#include <stdlib.h>

enum token_kind { T_BYTE, T_ANY, T_CLASS, T_STAR, T_DEEP, T_DIRS };

struct token {
	enum token_kind kind;
	unsigned char byte;
	unsigned char *set; /* T_CLASS: 256 bits */
};

struct pattern {
	char *text; /* clean */
	bool negative;
	size_t literal; /* so many bytes of TEXT stand for themselves: a path must begin with them */
	struct token *v; /* NULL: all of TEXT does */
	size_t n;
};

bool pattern_is_literal(const char *text)
{
	return !text[strcspn(text, "*?[\\")];
}

static void pattern_done(struct pattern *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].set);
	free(p->v);
	free(p->text);
	*p = (struct pattern){ 0 };
}

/* "[a-z]" at S; the length, 0 if it is malformed. */
static size_t read_class(const char *s, unsigned char **ret)
{
	unsigned char *set = xcalloc(1, 32);
	bool not = s[1] == '^';
	size_t i = not ? 2 : 1, from = i;

	for (; s[i] && (s[i] != ']' || i == from); i++) {
		unsigned char low, high;

		i += s[i] == '\\';
		low = high = (unsigned char)s[i];
		if (low && s[i + 1] == '-' && s[i + 2] && s[i + 2] != ']') {
			i += 2;
			i += s[i] == '\\';
			high = (unsigned char)s[i];
		}
		if (!low || !high || low > high)
			break;
		for (unsigned c = low; c <= high; c++)
			set[c / 8] |= (unsigned char)(1 << c % 8);
	}
	if (s[i] != ']') {
		free(set);
		return 0;
	}
	for (unsigned c = 0; not &&c < 32; c++)
		set[c] = (unsigned char)~set[c];
	set['/' / 8] &= (unsigned char)~(1 << '/' % 8);
	*ret = set;
	return i + 1;
}

static struct err *compile(struct pattern *p)
{
	const char *s = p->text;
	size_t len = strlen(s);

	p->literal = strcspn(s, "*?[\\");
	if (p->literal == len)
		return NULL;
	p->v = xcalloc(len, sizeof(*p->v));
	while (*s) {
		struct token *t = &p->v[p->n++];
		size_t n;

		if (s[0] == '*' && s[1] == '*') {
			while (*s == '*')
				s++;
			t->kind = *s == '/' ? T_DIRS : T_DEEP;
			s += *s == '/';
			if (p->n > 1 && t->kind == T_DIRS && t[-1].kind == T_DIRS)
				p->n--; /* one is as good as two */
		} else if (*s == '*') {
			t->kind = T_STAR;
			s++;
		} else if (*s == '?') {
			t->kind = T_ANY;
			s++;
		} else if (*s == '[') {
			t->kind = T_CLASS;
			n = read_class(s, &t->set);
			if (!n)
				return err_new(0, "syntax error in pattern \"%s\"", p->text);
			s += n;
		} else {
			if (*s == '\\' && !*++s)
				return err_new(0, "syntax error in pattern \"%s\"", p->text);
			t->kind = T_BYTE;
			t->byte = (unsigned char)*s++;
		}
	}
	return NULL;
}

/* Without leading and trailing slashes and "." parts; ".." parts at the beginning stay, and fit nothing. */
static struct err *pattern_init(const char *text, struct pattern *p)
{
	*p = (struct pattern){ 0 };
	if (strlen(text) > PATTERN_MAX)
		return err_new(0, "a pattern is longer than %d bytes", PATTERN_MAX);
	p->text = str_clean_path(text);
	if (*p->text == '/')
		memmove(p->text, p->text + 1, strlen(p->text));
	return compile(p);
}

/* -- matching ---------------------------------------------------------------------------------------------------- */

/* Token I is the next one: so is the one behind it, if I may stand for nothing.  "**" before a slash may only where it
 * begins, not in the middle of a name. */
static void enter(const struct pattern *p, bool *at, size_t i)
{
	at[i] = true;
	while (i < p->n && (p->v[i].kind == T_STAR || p->v[i].kind == T_DEEP || p->v[i].kind == T_DIRS))
		at[++i] = true;
}

static bool takes(const struct token *t, unsigned char c)
{
	switch (t->kind) {
	case T_BYTE:
		return t->byte == c;
	case T_ANY:
		return c != '/';
	case T_CLASS:
		return t->set[c / 8] & 1 << c % 8;
	default:
		return false;
	}
}

/* PARENTS: it is enough to fit a directory above PATH. */
static bool fits(const struct pattern *p, const char *path, bool parents)
{
	bool stack[512], *now = stack, *next;
	_cleanup_free_ bool *heap = NULL;
	bool found = false;

	if (strncmp(path, p->text, p->literal))
		return false;
	if (!p->v)
		return !path[p->literal] || (parents && path[p->literal] == '/' && p->literal);
	if (2 * (p->n + 1) > sizeof(stack))
		now = heap = xmalloc(2 * (p->n + 1));
	next = now + p->n + 1;
	memset(now, 0, p->n + 1);
	enter(p, now, 0);
	for (; *path && !found; path++) {
		unsigned char c = (unsigned char)*path;
		bool any = false;

		if (c == '/' && parents && now[p->n])
			return true;
		memset(next, 0, p->n + 1);
		for (size_t i = 0; i < p->n; i++) {
			const struct token *t = &p->v[i];

			if (!now[i])
				continue;
			if (t->kind == T_DIRS) {
				next[i] = true;
				if (c == '/')
					enter(p, next, i + 1);
			} else if (t->kind == T_DEEP || (t->kind == T_STAR && c != '/')) {
				enter(p, next, i);
			} else if (takes(t, c)) {
				enter(p, next, i + 1);
			}
			any |= next[i] || next[i + 1];
		}
		if (!any)
			return false;
		memcpy(now, next, p->n + 1);
	}
	return now[p->n];
}

bool pattern_fits(const struct pattern *p, const char *path)
{
	return fits(p, path, false);
}

struct err *pattern_new(const char *text, struct pattern **ret)
{
	struct pattern *p = xmalloc(sizeof(*p));
	struct err *e = pattern_init(text, p);

	if (e)
		pattern_free(p);
	else
		*ret = p;
	return e;
}

void pattern_free(struct pattern *p)
{
	if (p)
		pattern_done(p);
	free(p);
}

/* -- lists ------------------------------------------------------------------------------------------------------- */

struct err *ignore_add(struct ignore *ig, const char *text)
{
	bool negative = *text == '!';
	struct pattern p;
	struct err *e;

	text += negative;
	while (isspace((unsigned char)*text))
		text++;
	if (negative && !*text)
		return err_new(0, "illegal exclusion pattern: \"!\"");
	e = pattern_init(text, &p);
	if (!e && ig->n >= IGNORE_PATTERNS_MAX)
		e = err_new(0, "more than %d patterns", IGNORE_PATTERNS_MAX);
	if (e) {
		pattern_done(&p);
		return e;
	}
	p.negative = negative;
	ig->negative |= negative;
	ig->v = xgrow(ig->v, ig->n, &ig->cap, sizeof(*ig->v));
	ig->v[ig->n++] = p;
	return NULL;
}

struct err *ignore_parse(const char *text, size_t len, const char *name, struct ignore *ret)
{
	const char *end = text + len, *next;
	struct ignore ig = { 0 };
	struct err *e = NULL;
	unsigned line = 0;

	if (len > IGNORE_MAX)
		return err_new(EFBIG, "%s", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	for (; text < end && !e; text = next) {
		const char *stop = memchr(text, '\n', (size_t)(end - text)) ?: end;
		_cleanup_free_ char *pattern = NULL;

		next = stop + 1;
		line++;
		if (*text == '#')
			continue;
		while (text < stop && isspace((unsigned char)*text))
			text++;
		while (stop > text && isspace((unsigned char)stop[-1]))
			stop--;
		if (stop == text)
			continue;
		pattern = xstrndup(text, (size_t)(stop - text));
		e = err_wrap(ignore_add(&ig, pattern), "%s:%u", name, line);
	}
	if (e)
		ignore_done(&ig);
	else
		*ret = ig;
	return e;
}

void ignore_done(struct ignore *ig)
{
	for (size_t i = 0; i < ig->n; i++)
		pattern_done(&ig->v[i]);
	free(ig->v);
	*ig = (struct ignore){ 0 };
}

bool ignore_match(const struct ignore *ig, const char *path)
{
	for (size_t i = ig->n; i-- > 0;)
		if (fits(&ig->v[i], path, true) || str_eq(ig->v[i].text, "."))
			return !ig->v[i].negative;
	return false;
}

bool ignore_prunes(const struct ignore *ig, const char *path)
{
	size_t len = strlen(path);

	if (!ignore_match(ig, path))
		return false;
	/* could a "!" bring back something below?  Not if its fixed beginning leads elsewhere */
	for (size_t i = 0; ig->negative && i < ig->n; i++) {
		const struct pattern *p = &ig->v[i];
		size_t n = p->literal < len ? p->literal : len;

		if (p->negative && !strncmp(p->text, path, n) &&
		    (p->literal <= len ? p->v != NULL : p->text[len] == '/'))
			return false;
	}
	return true;
}
