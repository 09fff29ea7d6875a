#include "cmd/ui/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* How it works: template_parse() cuts the text at {{ }} and builds a tree of nodes (text, output, if, range, with);
 * template_run() walks it with "dot" (the current value) and a stack of variables.  All memory of a parse and of a run
 * comes from an arena of its own and ends with it. */

enum {
	TEXT_MAX = 1 << 20, /* bytes of a template */
	DEPTH_MAX = 64, /* nesting of blocks and parentheses */
	STEPS_MAX = 5000000, /* nodes and operands evaluated in a run */
	OUT_MAX = 256 << 20,
	ARGS_MAX = 32, /* operands of one command */
	FIELDS_MAX = 32, /* names in .A.B.C */
	VARS_MAX = 128,
	PAD_MAX = 4096, /* widths in printf, pad */
};

/* --- memory ----------------------------------------------------------------------------------- */

struct chunk {
	struct chunk *next;
	max_align_t data[];
};

struct arena {
	struct chunk *chunks;
};

static void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = xcalloc(1, sizeof(*c) + size);

	c->next = a->chunks;
	a->chunks = c;
	return c->data;
}

static char *arena_strn(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

/* Takes S's text. */
static const char *arena_str(struct arena *a, struct str *s)
{
	const char *text = arena_strn(a, s->s ?: "", s->len);

	str_done(s);
	return text;
}

static void arena_done(struct arena *a)
{
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
}

/* --- values ----------------------------------------------------------------------------------- */

enum val_kind { V_NONE, V_BOOL, V_INT, V_FLOAT, V_STR, V_JSON, V_LIST };

/* What a missing member of an object is. */
enum missing { MISSING_IS_ERROR, MISSING_IS_NONE, MISSING_IS_EMPTY };

struct val {
	enum val_kind kind;
	enum missing missing; /* V_JSON */
	bool b;
	int64_t i;
	double f;
	const char *s; /* V_STR; V_INT and V_FLOAT: digits as written, or NULL */
	json *j; /* V_JSON: an object or an array */
	const struct val *list; /* V_LIST */
	size_t n;
};

static struct val val_str(const char *s)
{
	return (struct val){ .kind = V_STR, .s = s };
}

static struct val val_bool(bool b)
{
	return (struct val){ .kind = V_BOOL, .b = b };
}

static struct val val_int(int64_t i)
{
	return (struct val){ .kind = V_INT, .i = i };
}

static struct val val_number(const char *digits)
{
	struct val v = { .kind = V_INT, .s = digits };
	char *end;

	errno = 0;
	v.i = strtoll(digits, &end, 10);
	if (*end || errno) {
		v.kind = V_FLOAT;
		v.f = strtod(digits, NULL);
	}
	return v;
}

/* Objects that are maps with keys of the user's making in Docker's types; a missing key is no mistake there. */
static enum missing missing_of(const char *key)
{
	static const char *const of_strings[] = { "Labels", "Options", "Sysctls", "Annotations",
						  "Tmpfs" };
	static const char *const of_others[] = { "Ports", "PortBindings", "ExposedPorts", "Volumes",
						 "Networks" };

	for (size_t i = 0; key && i < ARRAY_LEN(of_strings); i++)
		if (!strcmp(key, of_strings[i]))
			return MISSING_IS_EMPTY;
	for (size_t i = 0; key && i < ARRAY_LEN(of_others); i++)
		if (!strcmp(key, of_others[i]))
			return MISSING_IS_NONE;
	return MISSING_IS_ERROR;
}

/* KEY: under which name J was found, or NULL. */
static struct val val_json(json *j, const char *key)
{
	struct val v = { .kind = V_NONE };
	const char *digits;
	bool b;

	if (json_is_null(j))
		return v;
	if (json_text(j))
		return val_str(json_text(j));
	if (json_is_bool(j, &b))
		return val_bool(b);
	if (json_is_number(j, &digits))
		return val_number(digits);
	v.kind = V_JSON;
	v.j = j;
	v.missing = missing_of(key);
	return v;
}

static double val_double(const struct val *v)
{
	return v->kind == V_INT ? (double)v->i : v->f;
}

static bool is_number(const struct val *v)
{
	return v->kind == V_INT || v->kind == V_FLOAT;
}

static bool is_list(const struct val *v)
{
	return v->kind == V_LIST || (v->kind == V_JSON && json_is_array(v->j));
}

static size_t val_len(const struct val *v)
{
	if (v->kind == V_STR)
		return strlen(v->s);
	return v->kind == V_LIST ? v->n : v->kind == V_JSON ? json_len(v->j) : 0;
}

static struct val list_at(const struct val *v, size_t i)
{
	return v->kind == V_LIST ? v->list[i] : val_json(json_at(v->j, i), NULL);
}

static bool is_true(const struct val *v)
{
	switch (v->kind) {
	case V_NONE:
		return false;
	case V_BOOL:
		return v->b;
	case V_INT:
		return v->i != 0;
	case V_FLOAT:
		return v->f != 0;
	case V_STR:
	case V_JSON:
	case V_LIST:
		return val_len(v) > 0;
	}
	return false;
}

static const char *kind_word(const struct val *v)
{
	static const char *const words[] = {
		[V_NONE] = "nothing",	[V_BOOL] = "a boolean", [V_INT] = "a number",
		[V_FLOAT] = "a number", [V_STR] = "a string",	[V_LIST] = "a list",
	};

	if (v->kind == V_JSON)
		return json_is_array(v->j) ? "a list" : "an object";
	return words[v->kind];
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object in Go's order (sorted). */
static const char **sorted_keys(struct arena *a, json *object)
{
	size_t n = json_len(object);
	const char **keys = arena_alloc(a, (n + 1) * sizeof(*keys));

	for (size_t i = 0; i < n; i++)
		keys[i] = json_key_at(object, i, NULL);
	qsort(keys, n, sizeof(*keys), by_key);
	return keys;
}

/* As fmt.Print shows it; TOP: not inside a list or map. */
static void print_val(struct arena *a, const struct val *v, bool top, struct str *out)
{
	switch (v->kind) {
	case V_NONE:
		str_add(out, top ? "<no value>" : "<nil>");
		break;
	case V_BOOL:
		str_add(out, v->b ? "true" : "false");
		break;
	case V_INT:
		str_addf(out, "%lld", (long long)v->i);
		break;
	case V_FLOAT:
		if (v->s)
			str_add(out, v->s);
		else
			str_addf(out, "%.15g", v->f);
		break;
	case V_STR:
		str_add(out, v->s);
		break;
	case V_LIST:
	case V_JSON:
		if (is_list(v)) {
			str_addc(out, '[');
			for (size_t i = 0; i < val_len(v); i++) {
				struct val item = list_at(v, i);

				str_add(out, i ? " " : "");
				print_val(a, &item, false, out);
			}
			str_addc(out, ']');
		} else {
			const char **keys = sorted_keys(a, v->j);

			str_add(out, "map[");
			for (size_t i = 0; keys[i]; i++) {
				struct val item = val_json(json_get(v->j, keys[i]), keys[i]);

				str_addf(out, "%s%s:", i ? " " : "", keys[i]);
				print_val(a, &item, false, out);
			}
			str_addc(out, ']');
		}
		break;
	}
}

static void put_json(struct json_out *o, const struct val *v)
{
	switch (v->kind) {
	case V_NONE:
		json_put_null(o, NULL);
		break;
	case V_BOOL:
		json_put_bool(o, NULL, v->b);
		break;
	case V_INT:
		json_put_int(o, NULL, v->i);
		break;
	case V_STR:
		json_put_str(o, NULL, v->s);
		break;
	case V_JSON:
		json_put(o, NULL, v->j);
		break;
	case V_FLOAT: {
		char buf[64];
		_cleanup_json_ json *j = NULL;

		snprintf(buf, sizeof(buf), "%.17g", v->f);
		if (v->s || strspn(buf, "-+.0123456789e") != strlen(buf))
			snprintf(buf, sizeof(buf), "%s", v->s ?: "null");
		err_free(json_parse(buf, strlen(buf), "number", &j)); /* a literal such as "1." is null */
		json_put(o, NULL, j);
		break;
	}
	case V_LIST:
		json_open(o, NULL, '[');
		for (size_t i = 0; i < v->n; i++)
			put_json(o, &v->list[i]);
		json_close(o, ']');
		break;
	}
}

/* --- the tree --------------------------------------------------------------------------------- */

enum func {
	F_AND,
	F_EQ,
	F_GE,
	F_GT,
	F_INDEX,
	F_JOIN,
	F_JSON,
	F_LE,
	F_LEN,
	F_LOWER,
	F_LT,
	F_NE,
	F_NOT,
	F_OR,
	F_PAD,
	F_PRINT,
	F_PRINTF,
	F_PRINTLN,
	F_SLICE,
	F_SPLIT,
	F_TITLE,
	F_TRUNCATE,
	F_UPPER,
	F_MAX
};

static const struct {
	const char *name;
	unsigned min, max; /* arguments */
} funcs[] = {
	[F_AND] = { "and", 1, ARGS_MAX },
	[F_EQ] = { "eq", 2, ARGS_MAX },
	[F_GE] = { "ge", 2, 2 },
	[F_GT] = { "gt", 2, 2 },
	[F_INDEX] = { "index", 1, ARGS_MAX },
	[F_JOIN] = { "join", 2, 2 },
	[F_JSON] = { "json", 1, 1 },
	[F_LE] = { "le", 2, 2 },
	[F_LEN] = { "len", 1, 1 },
	[F_LOWER] = { "lower", 1, 1 },
	[F_LT] = { "lt", 2, 2 },
	[F_NE] = { "ne", 2, 2 },
	[F_NOT] = { "not", 1, 1 },
	[F_OR] = { "or", 1, ARGS_MAX },
	[F_PAD] = { "pad", 3, 3 },
	[F_PRINT] = { "print", 0, ARGS_MAX },
	[F_PRINTF] = { "printf", 1, ARGS_MAX },
	[F_PRINTLN] = { "println", 0, ARGS_MAX },
	[F_SLICE] = { "slice", 1, 3 },
	[F_SPLIT] = { "split", 2, 2 },
	[F_TITLE] = { "title", 1, 1 },
	[F_TRUNCATE] = { "truncate", 2, 2 },
	[F_UPPER] = { "upper", 1, 1 },
};
_Static_assert(ARRAY_LEN(funcs) == F_MAX, "one entry a function");

enum operand_kind { O_DOT, O_VAR, O_CONST, O_PIPE, O_FUNC };

struct operand {
	enum operand_kind kind;
	size_t at; /* offset in the template's text, for messages */
	const char *var; /* O_VAR: name without "$"; "" is the data of the run */
	struct val value; /* O_CONST */
	struct pipe *pipe; /* O_PIPE */
	enum func func; /* O_FUNC */
	const char **path; /* names of .A.B behind it */
	size_t n_path;
};

struct cmd {
	struct cmd *next;
	struct operand *args;
	size_t n;
};

struct pipe {
	const char *vars[2]; /* $k, $v := */
	size_t n_vars;
	bool assign; /* = instead of := */
	struct cmd *cmds;
	size_t at;
};

enum node_kind { N_TEXT, N_OUTPUT, N_IF, N_WITH, N_RANGE, N_BREAK, N_CONTINUE };

struct node {
	struct node *next;
	enum node_kind kind;
	const char *text;
	size_t len;
	struct pipe *pipe;
	struct node *body, *other; /* other: {{else}} */
};

struct template
{
	struct arena arena;
	char *text;
	struct node *nodes;
};

static struct err *error_at(const char *text, size_t at, const char *fmt, ...) PRINTF(3, 4);
static struct err *error_at(const char *text, size_t at, const char *fmt, ...)
{
	_cleanup_free_ char *reason = NULL;
	size_t line = 1, col = 1;
	va_list ap;

	for (size_t i = 0; i < at; i++) {
		col = text[i] == '\n' ? 1 : col + 1;
		line += text[i] == '\n';
	}
	va_start(ap, fmt);
	reason = xvasprintf(fmt, ap);
	va_end(ap);
	return err_new(0, "template: %zu:%zu: %s", line, col, reason);
}

/* --- parsing ---------------------------------------------------------------------------------- */

struct parser {
	struct template *t;
	const char *text;
	size_t at, len; /* where we are; the end of the text */
	size_t action; /* where the current {{ stands */
	bool trim_next; /* the last action ended with -}} */
	unsigned depth, loops;
};

static struct err *parse_pipe(struct parser *p, struct pipe **ret);

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static void skip_space(struct parser *p)
{
	while (is_space(p->text[p->at]))
		p->at++;
}

/* At the end of an action?  "-}}" counts when a blank stands before it. */
static bool at_close(const struct parser *p)
{
	const char *s = p->text + p->at;

	return !strncmp(s, "}}", 2) || (!strncmp(s, "-}}", 3) && p->at && is_space(s[-1]));
}

static struct err *unexpected(struct parser *p, const char *where)
{
	char c = p->text[p->at];

	if (!c)
		return error_at(p->text, p->action, "this {{ is not closed");
	if (at_close(p))
		return error_at(p->text, p->at, "something is missing in %s", where);
	return error_at(p->text, p->at,
			isprint((unsigned char)c) ? "unexpected \"%c\" in %s"
						  : "unexpected byte 0x%02x in %s",
			(unsigned char)c, where);
}

static struct err *expect_close(struct parser *p)
{
	skip_space(p);
	if (!at_close(p))
		return unexpected(p, "action");
	p->trim_next = p->text[p->at] == '-';
	p->at += p->trim_next ? 3 : 2;
	return NULL;
}

static const char *take_name(struct parser *p)
{
	size_t from = p->at;

	while (is_name(p->text[p->at]))
		p->at++;
	return arena_strn(&p->t->arena, p->text + from, p->at - from);
}

static void add_utf8(struct str *s, unsigned c)
{
	if (c < 0x80) {
		str_addc(s, (char)c);
	} else if (c < 0x800) {
		str_addc(s, (char)(0xc0 | c >> 6));
		str_addc(s, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		str_addc(s, (char)(0xe0 | c >> 12));
		str_addc(s, (char)(0x80 | (c >> 6 & 0x3f)));
		str_addc(s, (char)(0x80 | (c & 0x3f)));
	} else {
		str_addc(s, (char)(0xf0 | c >> 18));
		str_addc(s, (char)(0x80 | (c >> 12 & 0x3f)));
		str_addc(s, (char)(0x80 | (c >> 6 & 0x3f)));
		str_addc(s, (char)(0x80 | (c & 0x3f)));
	}
}

/* Behind the backslash at *AT; false if it is no escape of Go's. */
static bool take_escape(const char *text, size_t *at, struct str *out)
{
	static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
	const char *hit = text[*at] ? strchr(from, text[*at]) : NULL;
	size_t digits = text[*at] == 'x' ? 2 : text[*at] == 'u' ? 4 : text[*at] == 'U' ? 8 : 0;
	unsigned c = 0;

	if (hit) {
		str_addc(out, to[hit - from]);
		++*at;
		return true;
	}
	if (!digits)
		return false;
	for (size_t i = 1; i <= digits; i++) {
		char d = text[*at + i];

		if (!isxdigit((unsigned char)d))
			return false;
		c = c << 4 | (unsigned)(d <= '9' ? d - '0' : (d | 32) - 'a' + 10);
	}
	if (!c || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (digits == 2)
		str_addc(out, (char)c);
	else
		add_utf8(out, c);
	*at += 1 + digits;
	return true;
}

static struct err *parse_string(struct parser *p, struct val *ret)
{
	char quote = p->text[p->at];
	size_t start = p->at++;
	_cleanup_str_ struct str s = { 0 };

	while (p->text[p->at] != quote) {
		if (!p->text[p->at] || (quote != '`' && p->text[p->at] == '\n'))
			return error_at(p->text, start, "this string is not closed");
		if (quote != '`' && p->text[p->at] == '\\') {
			p->at++;
			if (!take_escape(p->text, &p->at, &s))
				return error_at(p->text, p->at - 1, "unknown escape in string");
			continue;
		}
		str_addc(&s, p->text[p->at++]);
	}
	p->at++;
	if (quote == '\'') {
		if (s.len != 1)
			return error_at(p->text, start, "a character constant holds one character");
		*ret = val_int((unsigned char)s.s[0]);
	} else {
		*ret = val_str(arena_str(&p->t->arena, &s));
	}
	return NULL;
}

static struct err *parse_number(struct parser *p, struct val *ret)
{
	size_t start = p->at;
	char *end, *digits;

	if (strchr("+-", p->text[p->at]))
		p->at++;
	while (is_name(p->text[p->at]) || p->text[p->at] == '.' ||
	       (strchr("+-", p->text[p->at]) && p->text[p->at] && strchr("eE", p->text[p->at - 1])))
		p->at++;
	digits = arena_strn(&p->t->arena, p->text + start, p->at - start);
	if (strspn(digits, "+-.0123456789eE") != strlen(digits) || (strtod(digits, &end), *end))
		return error_at(p->text, start, "'%s' is not a number", digits);
	*ret = val_number(digits);
	if (ret->kind == V_INT)
		ret->s = NULL;
	return NULL;
}

static struct err *parse_word(struct parser *p, struct operand *o)
{
	size_t start = p->at;
	const char *name = take_name(p);

	o->kind = O_CONST;
	if (!strcmp(name, "true") || !strcmp(name, "false")) {
		o->value = val_bool(*name == 't');
		return NULL;
	}
	if (!strcmp(name, "nil"))
		return NULL;
	for (enum func f = 0; f < F_MAX; f++)
		if (!strcmp(name, funcs[f].name)) {
			o->kind = O_FUNC;
			o->func = f;
			return NULL;
		}
	return error_at(p->text, start, "function \"%s\" not defined", name);
}

/* .A.B behind an operand. */
static struct err *parse_path(struct parser *p, struct operand *o)
{
	const char *path[FIELDS_MAX];

	while (p->text[p->at] == '.') {
		if (!is_name(p->text[p->at + 1]) || o->n_path == FIELDS_MAX)
			return unexpected(p, "field name");
		p->at++;
		path[o->n_path++] = take_name(p);
	}
	o->path = arena_alloc(&p->t->arena, sizeof(path));
	memcpy(o->path, path, o->n_path * sizeof(*path));
	return NULL;
}

static struct err *parse_operand(struct parser *p, struct operand *o)
{
	char c = p->text[p->at];
	struct err *e = NULL;

	*o = (struct operand){ .at = p->at };
	if (c == '.' && !isdigit((unsigned char)p->text[p->at + 1])) {
		o->kind = O_DOT;
		if (!is_name(p->text[p->at + 1])) {
			p->at++;
			return NULL;
		}
	} else if (c == '$') {
		o->kind = O_VAR;
		p->at++;
		o->var = take_name(p);
	} else if (c == '(') {
		if (++p->depth > DEPTH_MAX)
			return error_at(p->text, p->at, "nested more than %d levels", DEPTH_MAX);
		p->at++;
		o->kind = O_PIPE;
		e = parse_pipe(p, &o->pipe);
		if (e)
			return e;
		if (p->text[p->at] != ')')
			return unexpected(p, "parentheses");
		p->at++;
		p->depth--;
	} else if (c == '"' || c == '`' || c == '\'') {
		o->kind = O_CONST;
		return parse_string(p, &o->value);
	} else if (isdigit((unsigned char)c) || c == '+' || c == '-' || c == '.') {
		o->kind = O_CONST;
		return parse_number(p, &o->value);
	} else if (is_name(c)) {
		return parse_word(p, o);
	} else {
		return unexpected(p, "operand");
	}
	return parse_path(p, o);
}

/* Words up to |, ) or the end of the action. */
static struct err *parse_cmd(struct parser *p, struct cmd **ret)
{
	struct operand args[ARGS_MAX];
	struct cmd *c = arena_alloc(&p->t->arena, sizeof(*c));
	struct err *e;

	for (;;) {
		skip_space(p);
		if (at_close(p) || strchr("|)", p->text[p->at]))
			break;
		if (c->n == ARGS_MAX)
			return error_at(p->text, p->at, "more than %d arguments", ARGS_MAX);
		e = parse_operand(p, &args[c->n++]);
		if (e)
			return e;
		if (!at_close(p) && !is_space(p->text[p->at]) && !strchr("|)", p->text[p->at]))
			return unexpected(p, "operand");
	}
	if (!c->n)
		return unexpected(p, "command");
	c->args = arena_alloc(&p->t->arena, c->n * sizeof(*args));
	memcpy(c->args, args, c->n * sizeof(*args));
	*ret = c;
	return NULL;
}

/* "$a :=", "$a =", "$k, $v :="; leaves the position alone if there is none. */
static struct err *parse_declaration(struct parser *p, struct pipe *pipe)
{
	size_t start = p->at;

	for (;;) {
		skip_space(p);
		if (p->text[p->at] != '$' || pipe->n_vars == 2)
			break;
		p->at++;
		pipe->vars[pipe->n_vars++] = take_name(p);
		skip_space(p);
		if (!strncmp(p->text + p->at, ":=", 2)) {
			p->at += 2;
			return NULL;
		}
		if (p->text[p->at] == '=') {
			p->at++;
			pipe->assign = true;
			return NULL;
		}
		if (p->text[p->at] != ',')
			break;
		p->at++;
	}
	p->at = start;
	pipe->n_vars = 0;
	return NULL;
}

static struct err *parse_pipe(struct parser *p, struct pipe **ret)
{
	struct pipe *pipe = arena_alloc(&p->t->arena, sizeof(*pipe));
	struct cmd **end = &pipe->cmds;
	struct err *e;

	skip_space(p);
	pipe->at = p->at;
	e = parse_declaration(p, pipe);
	for (;;) {
		e = e ?: parse_cmd(p, end);
		if (e)
			return e;
		end = &(*end)->next;
		if (p->text[p->at] != '|')
			break;
		p->at++;
	}
	*ret = pipe;
	return NULL;
}

/* How a list of nodes ended. */
enum ended { END_TEXT, END_END, END_ELSE };

static struct err *parse_list(struct parser *p, struct node **ret, enum ended *ret_ended);

static bool take_keyword(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(p->text + p->at, word, n) || is_name(p->text[p->at + n]))
		return false;
	p->at += n;
	return true;
}

static struct err *parse_block(struct parser *p, struct node *n);

/* Behind {{else: "}}", or "if ..." as a nested block that shares our {{end}}. */
static struct err *parse_else(struct parser *p, struct node *n)
{
	enum ended ended;
	struct err *e;

	skip_space(p);
	if (take_keyword(p, "if")) {
		n->other = arena_alloc(&p->t->arena, sizeof(*n));
		n->other->kind = N_IF;
		return parse_block(p, n->other);
	}
	e = expect_close(p);
	e = e ?: parse_list(p, &n->other, &ended);
	if (e)
		return e;
	if (ended != END_END)
		return error_at(p->text, ended == END_TEXT ? p->at : p->action, "expected {{end}}");
	return NULL;
}

/* Behind {{if, {{with, {{range. */
static struct err *parse_block(struct parser *p, struct node *n)
{
	enum ended ended;
	size_t start = p->action;
	struct err *e;

	if (++p->depth > DEPTH_MAX)
		return error_at(p->text, p->at, "nested more than %d levels", DEPTH_MAX);
	p->loops += n->kind == N_RANGE;
	e = parse_pipe(p, &n->pipe);
	e = e ?: expect_close(p);
	e = e ?: parse_list(p, &n->body, &ended);
	p->loops -= n->kind == N_RANGE;
	if (e)
		return e;
	if (ended == END_TEXT)
		return error_at(p->text, start, "this block has no {{end}}");
	if (ended == END_ELSE)
		e = parse_else(p, n);
	p->depth--;
	return e;
}

/* Behind "{{" and an optional "- "; *RET_NODE stays NULL for what makes no node. */
static struct err *parse_action(struct parser *p, struct node **ret_node, enum ended *ret_ended)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} blocks[] = { { "if", N_IF }, { "with", N_WITH }, { "range", N_RANGE } };
	struct node *n;
	struct err *e;

	*ret_ended = END_TEXT;
	if (!strncmp(p->text + p->at, "/*", 2)) {
		const char *close = strstr(p->text + p->at + 2, "*/");

		if (!close)
			return error_at(p->text, p->action, "this comment is not closed");
		p->at = (size_t)(close - p->text) + 2;
		return expect_close(p);
	}
	skip_space(p);
	if (take_keyword(p, "end")) {
		*ret_ended = END_END;
		return expect_close(p);
	}
	if (take_keyword(p, "else")) {
		*ret_ended = END_ELSE; /* the rest is parse_else()'s */
		return NULL;
	}
	n = arena_alloc(&p->t->arena, sizeof(*n));
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (take_keyword(p, blocks[i].word)) {
			n->kind = blocks[i].kind;
			*ret_node = n;
			return parse_block(p, n);
		}
	if (take_keyword(p, "break") || take_keyword(p, "continue")) {
		if (!p->loops)
			return error_at(p->text, p->action,
					"{{break}} and {{continue}} belong inside {{range}}");
		n->kind = p->text[p->at - 1] == 'k' ? N_BREAK : N_CONTINUE;
		*ret_node = n;
		return expect_close(p);
	}
	n->kind = N_OUTPUT;
	e = parse_pipe(p, &n->pipe);
	*ret_node = n;
	return e ?: expect_close(p);
}

/* The text up to the next "{{" or the end, trimmed where the actions around ask for it. */
static struct node *take_text(struct parser *p)
{
	const char *s = p->text + p->at, *open = strstr(s, "{{");
	size_t len = open ? (size_t)(open - s) : p->len - p->at;
	struct node *n = NULL;

	p->at += len;
	if (p->trim_next)
		for (; len && is_space(*s); s++)
			len--;
	if (open && open[2] == '-' && is_space(open[3]))
		while (len && is_space(s[len - 1]))
			len--;
	p->trim_next = false;
	if (len) {
		n = arena_alloc(&p->t->arena, sizeof(*n));
		n->kind = N_TEXT;
		n->text = s;
		n->len = len;
	}
	return n;
}

static struct err *parse_list(struct parser *p, struct node **ret, enum ended *ret_ended)
{
	struct node **end = ret;
	struct err *e;

	*ret = NULL;
	*ret_ended = END_TEXT;
	for (;;) {
		*end = take_text(p);
		if (*end)
			end = &(*end)->next;
		if (!p->text[p->at])
			return NULL;
		p->action = p->at;
		p->at += 2;
		if (p->text[p->at] == '-' && is_space(p->text[p->at + 1]))
			p->at += 2;
		e = parse_action(p, end, ret_ended);
		if (e)
			return e;
		if (*ret_ended != END_TEXT)
			return NULL;
		if (*end)
			end = &(*end)->next;
	}
}

struct err *template_parse(const char *text, struct template **ret)
{
	_cleanup_template_ struct template *t = xcalloc(1, sizeof(*t));
	struct parser p = { .t = t };
	enum ended ended;
	struct err *e;

	if (strlen(text) > TEXT_MAX)
		return err_new(0, "template: longer than %d bytes", TEXT_MAX);
	t->text = xstrdup(text);
	p.text = t->text;
	p.len = strlen(text);
	e = parse_list(&p, &t->nodes, &ended);
	if (!e && ended != END_TEXT)
		e = error_at(text, p.action, "unexpected {{%s}}", ended == END_END ? "end" : "else");
	if (e)
		return e;
	*ret = TAKE_PTR(t);
	return NULL;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	arena_done(&t->arena);
	free(t->text);
	free(t);
}

/* --- running ---------------------------------------------------------------------------------- */

struct run {
	const struct template *t;
	struct arena arena;
	struct str *out;
	struct val root;
	struct {
		const char *name;
		struct val val;
	} vars[VARS_MAX];
	size_t n_vars;
	unsigned steps;
};

static struct err *eval_pipe(struct run *r, const struct pipe *pipe, const struct val *dot,
			     struct val *ret);

static struct err *step(struct run *r, size_t at)
{
	if (++r->steps > STEPS_MAX || r->out->len > OUT_MAX)
		return error_at(r->t->text, at, "this takes too long");
	return NULL;
}

/* Docker's types have these members always, as nil pointers that their JSON leaves out: {{if .State.Health}}. */
static bool is_optional(const char *name)
{
	static const char *const names[] = { "Health", "Healthcheck" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static struct err *get_field(struct run *r, const struct operand *o, const char *name, struct val *v)
{
	json *member;

	if (v->kind != V_JSON || json_is_array(v->j))
		return error_at(r->t->text, o->at, "can't evaluate field %s in %s", name, kind_word(v));
	member = json_get(v->j, name);
	if (member) {
		*v = val_json(member, name);
		return NULL;
	}
	switch (v->missing) {
	case MISSING_IS_EMPTY:
		*v = val_str("");
		return NULL;
	case MISSING_IS_NONE:
		*v = (struct val){ .kind = V_NONE };
		return NULL;
	case MISSING_IS_ERROR:
		if (is_optional(name)) {
			*v = (struct val){ .kind = V_NONE };
			return NULL;
		}
		break;
	}
	return error_at(r->t->text, o->at, "map has no entry for key \"%s\"", name);
}

static struct err *eval_base(struct run *r, const struct operand *o, const struct val *dot,
			     struct val *ret)
{
	switch (o->kind) {
	case O_DOT:
		*ret = *dot;
		return NULL;
	case O_CONST:
		*ret = o->value;
		return NULL;
	case O_PIPE:
		return eval_pipe(r, o->pipe, dot, ret);
	case O_VAR:
		if (!*o->var) {
			*ret = r->root;
			return NULL;
		}
		for (size_t i = r->n_vars; i-- > 0;)
			if (!strcmp(r->vars[i].name, o->var)) {
				*ret = r->vars[i].val;
				return NULL;
			}
		return error_at(r->t->text, o->at, "undefined variable \"$%s\"", o->var);
	case O_FUNC:
		break;
	}
	return error_at(r->t->text, o->at, "%s needs parentheses here", funcs[o->func].name);
}

/* The first N names of the path. */
static struct err *eval_path(struct run *r, const struct operand *o, size_t n,
			     const struct val *dot, struct val *ret)
{
	struct err *e = step(r, o->at);

	e = e ?: eval_base(r, o, dot, ret);
	for (size_t i = 0; !e && i < n; i++)
		e = get_field(r, o, o->path[i], ret);
	return e;
}

static struct err *eval_operand(struct run *r, const struct operand *o, const struct val *dot,
				struct val *ret)
{
	return eval_path(r, o, o->n_path, dot, ret);
}

static struct err *wrong_type(struct run *r, const struct cmd *c, const struct val *v)
{
	return error_at(r->t->text, c->args[0].at, "%s cannot take %s", funcs[c->args[0].func].name,
			kind_word(v));
}

static struct err *func_index(struct run *r, const struct cmd *c, const struct val *args, size_t n,
			      struct val *ret)
{
	struct val v = args[0];

	for (size_t i = 1; i < n; i++) {
		const struct val *k = &args[i];

		if (is_list(&v)) {
			if (k->kind != V_INT)
				return wrong_type(r, c, k);
			if (k->i < 0 || (uint64_t)k->i >= val_len(&v))
				return error_at(r->t->text, c->args[0].at,
						"index out of range: %lld", (long long)k->i);
			v = list_at(&v, (size_t)k->i);
		} else if (v.kind == V_JSON) {
			json *member;

			if (k->kind != V_STR)
				return wrong_type(r, c, k);
			member = json_get(v.j, k->s);
			if (!member && v.missing == MISSING_IS_EMPTY)
				v = val_str("");
			else
				v = val_json(member, k->s);
		} else if (v.kind == V_NONE) {
			return error_at(r->t->text, c->args[0].at, "index of untyped nil");
		} else {
			return wrong_type(r, c, &v);
		}
	}
	*ret = v;
	return NULL;
}

static struct err *compare(struct run *r, const struct cmd *c, const struct val *a,
			   const struct val *b, int *ret)
{
	if (a->kind == V_INT && b->kind == V_INT)
		*ret = (a->i > b->i) - (a->i < b->i);
	else if (is_number(a) && is_number(b))
		*ret = (val_double(a) > val_double(b)) - (val_double(a) < val_double(b));
	else if (a->kind == V_STR && b->kind == V_STR)
		*ret = strcmp(a->s, b->s);
	else if (a->kind == V_BOOL && b->kind == V_BOOL)
		*ret = a->b - b->b;
	else if (a->kind == V_NONE || b->kind == V_NONE)
		*ret = a->kind != b->kind;
	else
		return error_at(r->t->text, c->args[0].at,
				"incompatible types for comparison: %s and %s", kind_word(a),
				kind_word(b));
	return NULL;
}

static struct err *func_compare(struct run *r, const struct cmd *c, const struct val *args,
				size_t n, struct val *ret)
{
	enum func f = c->args[0].func;
	int d = 0;
	struct err *e = compare(r, c, &args[0], &args[1], &d);
	bool yes = f == F_LT   ? d < 0
		   : f == F_LE ? d <= 0
		   : f == F_GT ? d > 0
		   : f == F_GE ? d >= 0
		   : f == F_NE ? d != 0
			       : d == 0;

	for (size_t i = 2; !e && !yes && i < n; i++) { /* eq takes more than two */
		e = compare(r, c, &args[0], &args[i], &d);
		yes = d == 0;
	}
	*ret = val_bool(yes);
	return e;
}

/* One verb of printf at FMT (behind the %) for ARG; returns where it ends. */
static const char *print_verb(struct run *r, const char *fmt, const struct val *arg, struct str *out)
{
	_cleanup_str_ struct str text = { 0 };
	bool left = false, zero = false, plus = false;
	long width = 0, prec = -1;
	char *end;
	size_t pad;

	for (; *fmt && strchr("-+# 0", *fmt); fmt++) {
		left |= *fmt == '-';
		zero |= *fmt == '0';
		plus |= *fmt == '+';
	}
	if (isdigit((unsigned char)*fmt)) {
		width = strtol(fmt, &end, 10);
		fmt = end;
	}
	if (*fmt == '.') {
		fmt++;
		prec = 0;
		if (isdigit((unsigned char)*fmt)) {
			prec = strtol(fmt, &end, 10);
			fmt = end;
		}
	}
	width = width > PAD_MAX ? PAD_MAX : width;
	prec = prec > 100 ? 100 : prec;
	if (!arg) {
		str_addf(&text, "%%!%c(MISSING)", *fmt ? *fmt : '?');
	} else if (*fmt == 'q') {
		struct json_out o;
		_cleanup_free_ char *quoted = NULL;
		_cleanup_str_ struct str plain = { 0 };

		print_val(&r->arena, arg, true, &plain);
		json_out_init(&o, false);
		json_put_str(&o, NULL, plain.s ?: "");
		quoted = json_out_take(&o, NULL);
		str_add(&text, quoted);
	} else if (*fmt && strchr("feEgG", *fmt) && is_number(arg)) {
		double v = val_double(arg);
		int digits = prec < 0 ? 6 : (int)prec;

		str_add(&text, plus && v >= 0 ? "+" : "");
		if (*fmt == 'f')
			str_addf(&text, "%.*f", digits, v);
		else if ((*fmt | 32) == 'e')
			str_addf(&text, "%.*e", digits, v);
		else
			str_addf(&text, "%.*g", prec < 0 ? 15 : digits, v);
	} else if (*fmt && strchr("xXoc", *fmt) && arg->kind == V_INT) {
		unsigned long long v = (unsigned long long)arg->i;

		if (*fmt == 'c')
			add_utf8(&text, v && v < 0x110000 ? (unsigned)v : 0xfffd);
		else if (*fmt == 'o')
			str_addf(&text, "%llo", v);
		else if (*fmt == 'x')
			str_addf(&text, "%llx", v);
		else
			str_addf(&text, "%llX", v);
	} else if (*fmt && strchr("svdt", *fmt)) {
		str_add(&text, plus && arg->kind == V_INT && arg->i >= 0 ? "+" : "");
		print_val(&r->arena, arg, true, &text);
		if (prec >= 0 && arg->kind == V_STR && text.len > (size_t)prec)
			text.s[text.len = (size_t)prec] = '\0';
	} else {
		str_addf(&text, "%%!%c(", *fmt ? *fmt : '?');
		print_val(&r->arena, arg, true, &text);
		str_addc(&text, ')');
	}
	pad = text.len < (size_t)width ? (size_t)width - text.len : 0;
	for (size_t i = 0; !left && i < pad; i++)
		str_addc(out, zero && is_number(arg ?: &r->root) ? '0' : ' ');
	str_add(out, text.s ?: "");
	for (size_t i = 0; left && i < pad; i++)
		str_addc(out, ' ');
	return *fmt ? fmt + 1 : fmt;
}

static void func_printf(struct run *r, const struct val *args, size_t n, struct str *out)
{
	size_t next = 1;

	for (const char *p = args[0].s; *p;) {
		if (*p != '%') {
			str_addc(out, *p++);
		} else if (p[1] == '%') {
			str_addc(out, '%');
			p += 2;
		} else {
			p = print_verb(r, p + 1, next < n ? &args[next] : NULL, out);
			next++;
		}
	}
	for (; next < n; next++) {
		str_add(out, "%!(EXTRA ");
		print_val(&r->arena, &args[next], true, out);
		str_addc(out, ')');
	}
}

/* print sets blanks between operands when neither is a string, println always. */
static void func_print(struct run *r, enum func f, const struct val *args, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i && (f == F_PRINTLN || (args[i].kind != V_STR && args[i - 1].kind != V_STR)))
			str_addc(out, ' ');
		print_val(&r->arena, &args[i], true, out);
	}
	if (f == F_PRINTLN)
		str_addc(out, '\n');
}

static void change_case(enum func f, const char *s, struct str *out)
{
	bool start = true;

	for (; *s; s++) {
		int c = (unsigned char)*s;

		if (f == F_UPPER || (f == F_TITLE && start))
			c = toupper(c);
		else if (f == F_LOWER)
			c = tolower(c);
		str_addc(out, (char)c);
		start = !is_name(*s);
	}
}

static struct err *func_split(struct run *r, const struct val *args, struct val *ret)
{
	const char *s = args[0].s, *sep = args[1].s;
	size_t n = 1, len = strlen(sep), i = 0;
	struct val *list;

	for (const char *p = s; *p && (p = len ? strstr(p, sep) : p); p += len ?: 1)
		n++;
	if (!len && n > 1)
		n--;
	list = arena_alloc(&r->arena, n * sizeof(*list));
	for (;;) {
		const char *hit = len ? strstr(s, sep) : *s ? s + 1 : NULL;

		if (!len && hit && !*hit)
			hit = NULL;
		list[i++] = val_str(arena_strn(&r->arena, s, hit ? (size_t)(hit - s) : strlen(s)));
		if (!hit)
			break;
		s = hit + len;
	}
	*ret = (struct val){ .kind = V_LIST, .list = list, .n = i };
	return NULL;
}

static struct err *func_slice(struct run *r, const struct cmd *c, const struct val *args, size_t n,
			      struct val *ret)
{
	size_t len = val_len(&args[0]), from = 0, to = len;
	struct val *list;

	if (args[0].kind != V_STR && !is_list(&args[0]))
		return wrong_type(r, c, &args[0]);
	for (size_t i = 1; i < n; i++) {
		if (args[i].kind != V_INT)
			return wrong_type(r, c, &args[i]);
		if (args[i].i < 0 || (uint64_t)args[i].i > len)
			return error_at(r->t->text, c->args[0].at, "index out of range: %lld",
					(long long)args[i].i);
		*(i == 1 ? &from : &to) = (size_t)args[i].i;
	}
	if (from > to)
		return error_at(r->t->text, c->args[0].at, "invalid slice index: %zu > %zu", from, to);
	if (args[0].kind == V_STR) {
		*ret = val_str(arena_strn(&r->arena, args[0].s + from, to - from));
		return NULL;
	}
	list = arena_alloc(&r->arena, (to - from + 1) * sizeof(*list));
	for (size_t i = from; i < to; i++)
		list[i - from] = list_at(&args[0], i);
	*ret = (struct val){ .kind = V_LIST, .list = list, .n = to - from };
	return NULL;
}

/* Functions whose result is a string. */
static struct err *func_text(struct run *r, const struct cmd *c, const struct val *args, size_t n,
			     struct val *ret)
{
	enum func f = c->args[0].func;
	_cleanup_str_ struct str s = { 0 };

	switch (f) {
	case F_PRINTF:
		if (args[0].kind != V_STR)
			return wrong_type(r, c, &args[0]);
		func_printf(r, args, n, &s);
		break;
	case F_JSON: {
		struct json_out o;
		_cleanup_free_ char *text = NULL;

		json_out_init(&o, false);
		put_json(&o, &args[0]);
		text = json_out_take(&o, NULL);
		str_add(&s, text);
		break;
	}
	case F_LOWER:
	case F_UPPER:
	case F_TITLE:
		if (args[0].kind != V_STR)
			return wrong_type(r, c, &args[0]);
		change_case(f, args[0].s, &s);
		break;
	case F_JOIN:
		if (!is_list(&args[0]) || args[1].kind != V_STR)
			return wrong_type(r, c, is_list(&args[0]) ? &args[1] : &args[0]);
		for (size_t i = 0; i < val_len(&args[0]); i++) {
			struct val item = list_at(&args[0], i);

			str_add(&s, i ? args[1].s : "");
			print_val(&r->arena, &item, true, &s);
		}
		break;
	case F_PAD:
		if (args[0].kind != V_STR || args[1].kind != V_INT || args[2].kind != V_INT)
			return wrong_type(r, c,
					  args[0].kind != V_STR	  ? &args[0]
					  : args[1].kind != V_INT ? &args[1]
								  : &args[2]);
		if (*args[0].s) {
			str_addf(&s, "%*s",
				 (int)(args[1].i < 0	     ? 0
				       : args[1].i > PAD_MAX ? PAD_MAX
							     : args[1].i),
				 "");
			str_add(&s, args[0].s);
			str_addf(&s, "%*s",
				 (int)(args[2].i < 0	     ? 0
				       : args[2].i > PAD_MAX ? PAD_MAX
							     : args[2].i),
				 "");
		}
		break;
	case F_TRUNCATE:
		if (args[0].kind != V_STR || args[1].kind != V_INT)
			return wrong_type(r, c, args[0].kind != V_STR ? &args[0] : &args[1]);
		str_addn(&s, args[0].s, strnlen(args[0].s, args[1].i < 0 ? 0 : (size_t)args[1].i));
		break;
	default: /* print, println */
		func_print(r, f, args, n, &s);
		break;
	}
	*ret = val_str(arena_str(&r->arena, &s));
	return NULL;
}

static struct err *call(struct run *r, const struct cmd *c, const struct val *args, size_t n,
			struct val *ret)
{
	enum func f = c->args[0].func;

	if (n < funcs[f].min || n > funcs[f].max)
		return error_at(r->t->text, c->args[0].at,
				"wrong number of arguments for %s: want %s%u got %zu", funcs[f].name,
				funcs[f].max > funcs[f].min ? "at least " : "", funcs[f].min, n);
	switch (f) {
	case F_NOT:
		*ret = val_bool(!is_true(&args[0]));
		return NULL;
	case F_LEN:
		if (args[0].kind != V_STR && args[0].kind != V_JSON && args[0].kind != V_LIST)
			return wrong_type(r, c, &args[0]);
		*ret = val_int((int64_t)val_len(&args[0]));
		return NULL;
	case F_INDEX:
		return func_index(r, c, args, n, ret);
	case F_SLICE:
		return func_slice(r, c, args, n, ret);
	case F_SPLIT:
		if (args[0].kind != V_STR || args[1].kind != V_STR)
			return wrong_type(r, c, args[0].kind != V_STR ? &args[0] : &args[1]);
		return func_split(r, args, ret);
	case F_EQ:
	case F_NE:
	case F_LT:
	case F_LE:
	case F_GT:
	case F_GE:
		return func_compare(r, c, args, n, ret);
	default:
		return func_text(r, c, args, n, ret);
	}
}

/* .Label "key": looks into the text .Labels, "k=v,k2=v2".  A text without "=" is a column's heading; the answer is
 * the key then. */
static struct err *method_label(struct run *r, const struct cmd *c, const struct val *dot,
				struct val *ret)
{
	const struct operand *o = &c->args[0];
	struct val base, key;
	struct err *e = eval_path(r, o, o->n_path - 1, dot, &base);

	e = e ?: get_field(r, o, "Labels", &base);
	e = e ?: eval_operand(r, &c->args[1], dot, &key);
	if (e)
		return e;
	if (base.kind != V_STR || key.kind != V_STR)
		return error_at(r->t->text, o->at, "can't evaluate Label in %s", kind_word(&base));
	*ret = *base.s && !strchr(base.s, '=') ? key : val_str("");
	for (const char *p = base.s; *p;) {
		size_t len = strcspn(p, ","), n = strlen(key.s);

		if (n < len && !strncmp(p, key.s, n) && p[n] == '=') {
			*ret = val_str(arena_strn(&r->arena, p + n + 1, len - n - 1));
			return NULL;
		}
		p += len + (p[len] == ',');
	}
	return NULL;
}

/* and, or: the first argument that decides; the others are not evaluated. */
static struct err *eval_and_or(struct run *r, const struct cmd *c, const struct val *dot,
			       const struct val *piped, struct val *ret)
{
	bool is_and = c->args[0].func == F_AND;
	struct err *e;

	if (c->n == 1 && !piped)
		return error_at(r->t->text, c->args[0].at,
				"wrong number of arguments for %s: want at least 1 got 0",
				funcs[c->args[0].func].name);
	for (size_t i = 1; i < c->n; i++) {
		e = eval_operand(r, &c->args[i], dot, ret);
		if (e || is_true(ret) != is_and)
			return e;
	}
	if (piped)
		*ret = *piped;
	return NULL;
}

static struct err *eval_cmd(struct run *r, const struct cmd *c, const struct val *dot,
			    const struct val *piped, struct val *ret)
{
	const struct operand *first = &c->args[0];
	struct val args[ARGS_MAX + 1];
	size_t n = 0;
	struct err *e = step(r, first->at);

	if (e)
		return e;
	if (first->kind != O_FUNC) {
		if (first->n_path && c->n == 2 && !piped &&
		    !strcmp(first->path[first->n_path - 1], "Label"))
			return method_label(r, c, dot, ret);
		if (c->n > 1 || piped)
			return error_at(r->t->text, first->at, "can't give argument to non-function");
		return eval_operand(r, first, dot, ret);
	}
	if (first->func == F_AND || first->func == F_OR)
		return eval_and_or(r, c, dot, piped, ret);
	for (size_t i = 1; !e && i < c->n; i++)
		e = eval_operand(r, &c->args[i], dot, &args[n++]);
	if (e)
		return e;
	if (piped)
		args[n++] = *piped;
	return call(r, c, args, n, ret);
}

static struct err *eval_pipe(struct run *r, const struct pipe *pipe, const struct val *dot,
			     struct val *ret)
{
	struct val v, *piped = NULL, held;
	struct err *e;

	for (const struct cmd *c = pipe->cmds; c; c = c->next) {
		e = eval_cmd(r, c, dot, piped, &v);
		if (e)
			return e;
		held = v;
		piped = &held;
	}
	*ret = v;
	return NULL;
}

static struct err *set_var(struct run *r, const struct pipe *pipe, size_t i, const struct val *v)
{
	if (pipe->assign) {
		for (size_t k = r->n_vars; k-- > 0;)
			if (!strcmp(r->vars[k].name, pipe->vars[i])) {
				r->vars[k].val = *v;
				return NULL;
			}
		return error_at(r->t->text, pipe->at, "undefined variable \"$%s\"", pipe->vars[i]);
	}
	if (r->n_vars == VARS_MAX)
		return error_at(r->t->text, pipe->at, "more than %d variables", VARS_MAX);
	r->vars[r->n_vars].name = pipe->vars[i];
	r->vars[r->n_vars++].val = *v;
	return NULL;
}

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static struct err *run_list(struct run *r, const struct node *n, const struct val *dot, enum flow *flow);

/* One turn of {{range}}. */
static struct err *run_turn(struct run *r, const struct node *n, const struct val *key,
			    const struct val *item, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct err *e = NULL;

	if (n->pipe->n_vars == 2)
		e = set_var(r, n->pipe, 0, key);
	if (n->pipe->n_vars)
		e = e ?: set_var(r, n->pipe, n->pipe->n_vars - 1, item);
	*flow = FLOW_ON;
	e = e ?: run_list(r, n->body, item, flow);
	r->n_vars = vars;
	return e;
}

static struct err *run_range(struct run *r, const struct node *n, const struct val *dot,
			     enum flow *ret_flow)
{
	enum flow flow = FLOW_ON;
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (e)
		return e;
	if (v.kind != V_NONE && v.kind != V_JSON && v.kind != V_LIST)
		return error_at(r->t->text, n->pipe->at, "range can't iterate over %s", kind_word(&v));
	if (!val_len(&v))
		return run_list(r, n->other, dot, ret_flow);
	if (is_list(&v)) {
		for (size_t i = 0; !e && flow != FLOW_BREAK && i < val_len(&v); i++) {
			struct val key = val_int((int64_t)i), item = list_at(&v, i);

			e = run_turn(r, n, &key, &item, &flow);
		}
	} else {
		const char **keys = sorted_keys(&r->arena, v.j);

		for (size_t i = 0; !e && flow != FLOW_BREAK && keys[i]; i++) {
			struct val key = val_str(keys[i]),
				   item = val_json(json_get(v.j, keys[i]), keys[i]);

			e = run_turn(r, n, &key, &item, &flow);
		}
	}
	return e;
}

static struct err *run_output(struct run *r, const struct node *n, const struct val *dot)
{
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (e)
		return e;
	if (n->pipe->n_vars == 2)
		return error_at(r->t->text, n->pipe->at, "two variables belong to {{range}}");
	if (n->pipe->n_vars)
		return set_var(r, n->pipe, 0, &v);
	print_val(&r->arena, &v, true, r->out);
	return NULL;
}

/* {{if}} and {{with}}. */
static struct err *run_if(struct run *r, const struct node *n, const struct val *dot, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (!e && n->pipe->n_vars)
		e = set_var(r, n->pipe, 0, &v);
	if (!e && is_true(&v))
		e = run_list(r, n->body, n->kind == N_WITH ? &v : dot, flow);
	else if (!e)
		e = run_list(r, n->other, dot, flow);
	r->n_vars = vars;
	return e;
}

static struct err *run_list(struct run *r, const struct node *n, const struct val *dot, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct err *e = NULL;

	for (; !e && n && *flow == FLOW_ON; n = n->next) {
		e = step(r, n->pipe ? n->pipe->at : 0);
		if (e)
			break;
		switch (n->kind) {
		case N_TEXT:
			str_addn(r->out, n->text, n->len);
			break;
		case N_OUTPUT:
			e = run_output(r, n, dot);
			break;
		case N_IF:
		case N_WITH:
			e = run_if(r, n, dot, flow);
			break;
		case N_RANGE:
			e = run_range(r, n, dot, flow);
			break;
		case N_BREAK:
			*flow = FLOW_BREAK;
			break;
		case N_CONTINUE:
			*flow = FLOW_CONTINUE;
			break;
		}
	}
	r->n_vars = vars;
	return e;
}

struct err *template_run(const struct template *t, json *data, struct str *out)
{
	struct run r = { .t = t, .out = out, .root = val_json(data, NULL) };
	enum flow flow = FLOW_ON;
	struct err *e = run_list(&r, t->nodes, &r.root, &flow);

	arena_done(&r.arena);
	return e;
}
