/* A physical line belongs to an instruction until one does not end in the escape character.  Comments and empty lines
 * in between do not count.  While lines are joined, where each of them begins is kept, so that every word knows its
 * own line.  A file that ends in a continuation ends the instruction. */
#include "core/build/dockerfile.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"

const char *const instr_names[] = {
	"ADD",	      "ARG",	     "CMD",    "COPY",	     "ENTRYPOINT", "ENV", "EXPOSE",
	"FROM",	      "HEALTHCHECK", "LABEL",  "MAINTAINER", "ONBUILD",	   "RUN", "SHELL",
	"STOPSIGNAL", "USER",	     "VOLUME", "WORKDIR",    NULL,
};
_Static_assert(ARRAY_LEN(instr_names) == INSTR_MAX + 1, "a name for each instruction");

/* One joined line and where its pieces come from. */
struct joined {
	struct str text;
	struct piece {
		size_t offset;
		unsigned line;
	} * pieces;
	size_t n, cap;
	const char *file;
};

struct reader {
	const char *s, *end; /* what is left */
	unsigned line; /* of the last line read */
	struct dockerfile *d;
};

static void words_done(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i].text);
	free(w->v);
	*w = (struct words){ 0 };
}

static void words_take(struct words *w, char *text, struct pos pos)
{
	w->v = xgrow(w->v, w->n, &w->cap, sizeof(*w->v));
	w->v[w->n++] = (struct word){ text, pos };
}

void instr_done(struct instr *in)
{
	words_done(&in->flags);
	words_done(&in->words);
	for (size_t i = 0; i < in->n_heredocs; i++) {
		free(in->heredocs[i].name);
		free(in->heredocs[i].text);
	}
	free(in->heredocs);
	free(in->text);
	*in = (struct instr){ 0 };
}

void dockerfile_done(struct dockerfile *d)
{
	for (size_t i = 0; i < d->n; i++)
		instr_done(&d->v[i]);
	free(d->v);
	free(d->name);
	*d = (struct dockerfile){ 0 };
}

const char *instr_flag(const struct instr *in, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < in->flags.n; i++) {
		const char *rest = str_after(in->flags.v[i].text + 2, name);

		if (rest && (*rest == '=' || !*rest))
			found = *rest ? rest + 1 : rest;
	}
	return found;
}

/* -- lines ------------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The next physical line without its end; false at the end of the file. */
static bool next_line(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *nl;

	if (r->s >= r->end)
		return false;
	nl = memchr(r->s, '\n', (size_t)(r->end - r->s)) ?: r->end;
	*ret = r->s;
	*ret_len = (size_t)(nl - r->s);
	if (*ret_len && nl[-1] == '\r')
		--*ret_len;
	r->s = nl < r->end ? nl + 1 : nl;
	r->line++;
	return true;
}

static size_t leading(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && is_blank(s[n]))
		n++;
	return n;
}

/* Does the line go on?  Then its length without the escape character; an escaped escape character is none. */
static bool continues(const char *s, size_t *len, char escape)
{
	size_t n = *len;

	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (!n || s[n - 1] != escape || (n > 1 && s[n - 2] == escape))
		return false;
	*len = n - 1;
	return true;
}

static void join(struct joined *j, const char *s, size_t len, unsigned line)
{
	j->pieces = xgrow(j->pieces, j->n, &j->cap, sizeof(*j->pieces));
	j->pieces[j->n].offset = j->text.len;
	j->pieces[j->n++].line = line;
	str_addn(&j->text, s, len);
}

static void joined_done(struct joined *j)
{
	str_done(&j->text);
	free(j->pieces);
}

static struct pos pos_at(const struct joined *j, size_t offset)
{
	size_t low = 0, high = j->n;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (j->pieces[mid].offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return (struct pos){ .file = j->file, .line = j->pieces[low].line };
}

/* The next instruction's text; empty at the end of the file. */
static struct err *next_joined(struct reader *r, struct joined *j)
{
	bool more = true;
	const char *s;
	size_t len;

	j->file = r->d->name;
	while (more && next_line(r, &s, &len)) {
		size_t skip = leading(s, len);

		if (skip == len || s[skip] == '#')
			continue;
		if (memchr(s, '\0', len)) {
			struct pos p = { .file = r->d->name, .line = r->line };

			return pos_err(&p, "there is a NUL byte in this line");
		}
		if (!j->n) {
			s += skip;
			len -= skip;
		}
		more = continues(s, &len, r->d->escape);
		join(j, s, len, r->line);
	}
	return NULL;
}

/* -- words ------------------------------------------------------------------------------------------------------- */

/* The end of the word that begins at S: quotes and escapes hold it together. */
static size_t word_len(const char *s, char escape)
{
	char quote = 0;
	size_t n = 0;

	for (; s[n] && (quote || !is_blank(s[n])); n++) {
		if (s[n] == escape && quote != '\'' && s[n + 1])
			n++;
		else if (quote && s[n] == quote)
			quote = 0;
		else if (!quote && (s[n] == '"' || s[n] == '\''))
			quote = s[n];
	}
	return n;
}

static struct err *split(const struct joined *j, size_t at, char escape, struct words *to)
{
	const char *s = j->text.s;

	for (at += leading(s + at, j->text.len - at); s[at];) {
		size_t n = word_len(s + at, escape);
		struct pos p = pos_at(j, at);

		if (to->n >= WORDS_MAX)
			return pos_err(&p, "more than %d words in one instruction", WORDS_MAX);
		words_take(to, xstrndup(s + at, n), p);
		at += n;
		at += leading(s + at, j->text.len - at);
	}
	return NULL;
}

/* ["a", "b"] with nothing but strings in it: then WORDS are these. */
static bool split_json(const char *text, struct pos pos, struct words *to)
{
	_cleanup_json_ json *list = NULL;
	struct err *e;

	if (*text != '[')
		return false;
	e = json_parse(text, strlen(text), "", &list);
	err_free(e); /* a shell's line that begins with a bracket */
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_len(list); i++)
		if (!json_text(json_at(list, i)) || i >= WORDS_MAX)
			return false;
	words_done(to);
	for (size_t i = 0; i < json_len(list); i++)
		words_take(to, xstrdup(json_text(json_at(list, i))), pos);
	return true;
}

/* -- heredocs ---------------------------------------------------------------------------------------------------- */

/* "3<<-'EOF'" */
static bool heredoc_mark(const char *text, struct heredoc *ret)
{
	_cleanup_str_ struct str name = { 0 };
	const char *s = text + strspn(text, "0123456789");
	bool quoted = false, chomp;
	char quote = 0;

	if (s[0] != '<' || s[1] != '<')
		return false;
	s += 2;
	chomp = *s == '-';
	s += chomp;
	if (!*s || strchr(s, '<'))
		return false;
	for (; *s; s++) {
		if (quote ? *s == quote : *s == '"' || *s == '\'') {
			quote = quote ? 0 : *s;
			quoted = true;
		} else {
			str_addc(&name, *s);
		}
	}
	if (quote || !name.len)
		return false;
	if (ret)
		*ret = (struct heredoc){ str_take(&name), NULL, !quoted, chomp };
	return true;
}

bool heredoc_is(const char *text)
{
	return heredoc_mark(text, NULL);
}

static struct err *heredoc_read(struct reader *r, const struct pos *pos, struct heredoc *h)
{
	_cleanup_str_ struct str body = { 0 };
	size_t len, name_len = strlen(h->name);
	const char *s;

	while (next_line(r, &s, &len)) {
		size_t tabs = 0;

		while (h->chomp && tabs < len && s[tabs] == '\t')
			tabs++;
		if (len - tabs == name_len && !memcmp(s + tabs, h->name, name_len)) {
			h->text = str_take(&body);
			return NULL;
		}
		if (memchr(s, '\0', len)) {
			struct pos p = { .file = r->d->name, .line = r->line };

			return pos_err(&p, "there is a NUL byte in this line");
		}
		str_addn(&body, s, len);
		str_addc(&body, '\n');
	}
	return pos_err(pos, "the heredoc <<%s is not ended by a line \"%s\"", h->name, h->name);
}

static struct err *heredocs(struct reader *r, struct instr *in)
{
	struct err *e = NULL;
	struct heredoc h = { 0 };

	for (size_t i = 0; i < in->words.n && !e; i++) {
		if (!heredoc_mark(in->words.v[i].text, &h))
			continue;
		if (in->n_heredocs >= HEREDOCS_MAX) {
			free(h.name);
			return pos_err(&in->pos, "more than %d heredocs", HEREDOCS_MAX);
		}
		in->heredocs = xrealloc(in->heredocs, (in->n_heredocs + 1) * sizeof(h));
		e = heredoc_read(r, &in->words.v[i].pos, &h);
		in->heredocs[in->n_heredocs++] = h;
	}
	return e;
}

char *heredoc_text(const struct heredoc *h)
{
	_cleanup_str_ struct str out = { 0 };
	bool start = true;

	for (const char *s = h->text; *s; s++) {
		if (h->chomp && start && *s == '\t')
			continue;
		start = *s == '\n';
		str_addc(&out, *s);
	}
	return str_take(&out);
}

/* -- instructions ------------------------------------------------------------------------------------------------ */

static struct err *find_kind(const struct pos *pos, const char *s, size_t len, enum instr_kind *ret)
{
	char name[24] = "";
	const char *near;

	for (size_t i = 0; i < len && i < sizeof(name) - 1; i++)
		name[i] = (char)toupper((unsigned char)s[i]);
	for (size_t i = 0; i < INSTR_MAX; i++)
		if (len < sizeof(name) && str_eq(name, instr_names[i])) {
			*ret = (enum instr_kind)i;
			return NULL;
		}
	near = len < sizeof(name) ? str_nearest(name, instr_names) : NULL;
	if (near)
		return pos_err(pos, "unknown instruction: %.*s (did you mean %s?)", (int)len, s, near);
	return pos_err(pos, "unknown instruction: %.*s", (int)(len < 60 ? len : 60), s);
}

static const char *const flags_of[INSTR_MAX][12] = {
	[INSTR_ADD] = { "chown", "chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack",
			"parents" },
	[INSTR_COPY] = { "from", "chown", "chmod", "link", "parents", "exclude" },
	[INSTR_FROM] = { "platform" },
	[INSTR_HEALTHCHECK] = { "interval", "timeout", "start-period", "start-interval", "retries" },
	[INSTR_RUN] = { "mount", "network", "security" },
};

static struct err *check_flag(enum instr_kind kind, const struct word *w)
{
	const char *const *known = flags_of[kind];
	size_t len = strcspn(w->text + 2, "=");
	_cleanup_free_ char *name = xstrndup(w->text + 2, len);
	const char *near;

	for (; *known; known++)
		if (str_eq(name, *known))
			return NULL;
	near = str_nearest(name, flags_of[kind]);
	return near ? pos_err(&w->pos, "%s: unknown flag --%s (did you mean --%s?)",
			      instr_names[kind], name, near)
		    : pos_err(&w->pos, "%s: unknown flag --%s", instr_names[kind], name);
}

/* Leading "--x=y" words; *AT goes behind them. */
static struct err *take_flags(const struct joined *j, char escape, struct instr *in, size_t *at)
{
	const char *s = j->text.s;
	struct err *e = NULL;

	while (!e) {
		size_t n;

		*at += leading(s + *at, j->text.len - *at);
		if (!flags_of[in->kind][0] || !str_starts(s + *at, "--"))
			break;
		n = word_len(s + *at, escape);
		if (n == 2) { /* "--" ends them */
			*at += n;
			break;
		}
		if (in->flags.n >= WORDS_MAX)
			return pos_err(&in->pos, "more than %d flags", WORDS_MAX);
		words_take(&in->flags, xstrndup(s + *at, n), pos_at(j, *at));
		e = check_flag(in->kind, &in->flags.v[in->flags.n - 1]);
		*at += n;
	}
	*at += leading(s + *at, j->text.len - *at);
	return e;
}

static bool is_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	return !strncasecmp(s, word, n) && (!s[n] || is_blank(s[n]));
}

/* HEALTHCHECK NONE, HEALTHCHECK [flags] CMD ... */
static struct err *healthcheck(const struct joined *j, char escape, struct instr *in, size_t at)
{
	const char *s = j->text.s + at;
	size_t rest = at + 3;

	if (is_word(s, "NONE")) {
		if (s[4 + leading(s + 4, strlen(s + 4))])
			return pos_err(&in->pos, "HEALTHCHECK NONE takes no arguments");
		return NULL;
	}
	if (!is_word(s, "CMD"))
		return pos_err(&in->pos, "HEALTHCHECK takes CMD or NONE, not \"%.*s\"",
			       (int)strcspn(s, " \t"), s);
	rest += leading(j->text.s + rest, j->text.len - rest);
	if (!j->text.s[rest])
		return pos_err(&in->pos, "HEALTHCHECK CMD needs a command");
	words_done(&in->words);
	free(in->text);
	in->text = xstrdup(j->text.s + rest);
	in->json = split_json(in->text, pos_at(j, rest), &in->words);
	return in->json ? NULL : split(j, rest, escape, &in->words);
}

static struct err *check_words(struct instr *in)
{
	const struct words *w = &in->words;
	const char *name = instr_names[in->kind];

	switch (in->kind) {
	case INSTR_ADD:
	case INSTR_COPY:
		if (w->n < 2)
			return pos_err(&in->pos, "%s needs source and destination, got %zu word%s",
				       name, w->n, w->n == 1 ? "" : "s");
		return NULL;
	case INSTR_FROM:
		if (w->n != 1 && !(w->n == 3 && !strcasecmp(w->v[1].text, "AS")))
			return pos_err(&in->pos,
				       "FROM takes an image and perhaps \"AS name\", got \"%.100s\"",
				       in->text);
		return NULL;
	case INSTR_SHELL:
		if (!in->json || !w->n)
			return pos_err(&in->pos,
				       "SHELL takes a list in JSON form, such as [\"/bin/bash\", \"-c\"]"
				       ", got \"%.100s\"",
				       in->text);
		return NULL;
	case INSTR_STOPSIGNAL:
		if (w->n != 1)
			return pos_err(&in->pos, "STOPSIGNAL takes one signal, got \"%.100s\"",
				       in->text);
		return NULL;
	default: /* CMD [] and ENTRYPOINT [] take away the image's */
		if (!w->n && !(in->json && (in->kind == INSTR_CMD || in->kind == INSTR_ENTRYPOINT)))
			return pos_err(&in->pos, "%s requires at least one argument", name);
		return NULL;
	}
}

static bool takes_json(enum instr_kind k)
{
	return k == INSTR_ADD || k == INSTR_CMD || k == INSTR_COPY || k == INSTR_ENTRYPOINT ||
	       k == INSTR_RUN || k == INSTR_SHELL || k == INSTR_VOLUME;
}

static struct err *parse_instr(struct reader *r, const struct joined *j, struct instr *in);

/* ONBUILD RUN ...: the heredocs are of the instruction inside. */
static struct err *onbuild(struct reader *r, const struct joined *j, struct instr *in, size_t at)
{
	struct joined rest = { .file = j->file };
	struct instr inner = { 0 };
	struct err *e;

	for (size_t i = 0; i < j->n; i++) {
		size_t end = i + 1 < j->n ? j->pieces[i + 1].offset : j->text.len;
		size_t from = j->pieces[i].offset < at ? at : j->pieces[i].offset;

		if (end > from)
			join(&rest, j->text.s + from, end - from, j->pieces[i].line);
	}
	if (!rest.n)
		e = pos_err(&in->pos, "ONBUILD requires at least one argument");
	else
		e = parse_instr(r, &rest, &inner);
	if (!e && (inner.kind == INSTR_ONBUILD || inner.kind == INSTR_FROM ||
		   inner.kind == INSTR_MAINTAINER))
		e = pos_err(&in->pos, "%s isn't allowed as an ONBUILD trigger", instr_names[inner.kind]);
	if (!e) { /* as one text again, which instr_parse() reads */
		struct str all = { 0 };

		str_add(&all, rest.text.s);
		for (size_t i = 0; i < inner.n_heredocs; i++)
			str_addf(&all, "\n%s%s", inner.heredocs[i].text, inner.heredocs[i].name);
		free(in->text);
		in->text = str_take(&all);
	}
	instr_done(&inner);
	joined_done(&rest);
	return e;
}

static struct err *parse_instr(struct reader *r, const struct joined *j, struct instr *in)
{
	size_t at = strcspn(j->text.s, " \t\r\v\f"), end;
	char escape = r->d->escape;
	struct err *e;

	in->pos = pos_at(j, 0);
	e = find_kind(&in->pos, j->text.s, at, &in->kind);
	e = e ?: take_flags(j, escape, in, &at);
	if (e)
		return e;
	end = j->text.len;
	while (end > at && is_blank(j->text.s[end - 1]))
		end--;
	in->text = xstrndup(j->text.s + at, end - at);
	if (in->kind == INSTR_ONBUILD)
		return onbuild(r, j, in, at);
	if (takes_json(in->kind))
		in->json = split_json(in->text, pos_at(j, at), &in->words);
	if (!in->json)
		e = split(j, at, escape, &in->words);
	if (!e && in->kind == INSTR_HEALTHCHECK && in->words.n)
		e = healthcheck(j, escape, in, at);
	if (!e && !in->json && (in->kind == INSTR_RUN || in->kind == INSTR_COPY || in->kind == INSTR_ADD))
		e = heredocs(r, in);
	return e ?: check_words(in);
}

/* "# escape=`" and its like, in the first lines only; each once. */
static struct err *directives(struct reader *r)
{
	_cleanup_strv_ struct strv seen = { 0 };
	struct reader ahead = *r;
	const char *s;
	size_t len;

	while (next_line(&ahead, &s, &len)) {
		size_t at = leading(s, len), key, key_len, value;
		_cleanup_free_ char *name = NULL;
		struct pos p = { .file = r->d->name, .line = ahead.line };

		if (ahead.line == 1 && len > 1 && s[0] == '#' && s[1] == '!') {
			*r = ahead; /* #!/usr/bin/env ... */
			continue;
		}
		if (at == len || s[at] != '#')
			break;
		at++;
		key = at += leading(s + at, len - at);
		while (at < len && (isalnum((unsigned char)s[at]) || s[at] == '-' || s[at] == '_'))
			at++;
		key_len = at - key;
		at += leading(s + at, len - at);
		if (!key_len || at == len || s[at] != '=')
			break;
		at++;
		value = at += leading(s + at, len - at);
		while (len > value && is_blank(s[len - 1]))
			len--;
		name = xstrndup(s + key, key_len);
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (!str_eq(name, "escape") && !str_eq(name, "syntax") && !str_eq(name, "check"))
			break; /* an ordinary comment */
		if (strv_has(&seen, name))
			return pos_err(&p, "only one %s directive can be used", name);
		strv_add(&seen, name);
		if (str_eq(name, "escape")) {
			if (len - value != 1 || (s[value] != '\\' && s[value] != '`'))
				return pos_err(&p, "invalid escape token '%.*s': it is \\ or `",
					       (int)(len - value < 20 ? len - value : 20), s + value);
			r->d->escape = s[value];
		}
		*r = ahead;
	}
	return NULL;
}

struct err *dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile *ret)
{
	struct dockerfile d = { .name = xstrdup(name), .escape = '\\' };
	struct reader r = { .s = text, .end = text + len, .d = &d };
	struct err *e = NULL;

	if (len > DOCKERFILE_MAX)
		e = err_new(EFBIG, "%s", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.s += 3;
	e = e ?: directives(&r);
	while (!e) {
		struct joined j = { 0 };

		e = next_joined(&r, &j);
		if (!e && !j.n) {
			joined_done(&j);
			break;
		}
		if (!e && d.n >= INSTRS_MAX)
			e = err_new(0, "%s: more than %d instructions", name, INSTRS_MAX);
		if (!e) {
			d.v = xgrow(d.v, d.n, &d.cap, sizeof(*d.v));
			d.v[d.n] = (struct instr){ 0 };
			e = parse_instr(&r, &j, &d.v[d.n++]);
		}
		joined_done(&j);
	}
	if (!e && !d.n)
		e = err_new(0, "%s: the file has no instructions", name);
	if (e) {
		dockerfile_done(&d);
		return e;
	}
	*ret = d;
	return NULL;
}

struct err *instr_parse(const char *text, const char *name, struct instr *ret)
{
	struct dockerfile d = { 0 };
	struct err *e = dockerfile_parse(text, strlen(text), name, &d);

	if (e)
		return e;
	*ret = d.v[0];
	ret->pos.file = name;
	for (size_t i = 0; i < ret->flags.n; i++)
		ret->flags.v[i].pos.file = name;
	for (size_t i = 0; i < ret->words.n; i++)
		ret->words.v[i].pos.file = name;
	d.v[0] = (struct instr){ 0 };
	dockerfile_done(&d);
	return NULL;
}
