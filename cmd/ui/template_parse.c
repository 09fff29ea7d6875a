#include "cmd/ui/template_priv.h"

#include <stdlib.h>

struct err *template_error(const char *text, size_t at, const char *fmt, ...)
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

void template_add_utf8(struct str *s, unsigned c)
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
		return template_error(p->text, p->action, "this {{ is not closed");
	if (at_close(p))
		return template_error(p->text, p->at, "something is missing in %s", where);
	return template_error(p->text, p->at,
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

	while (template_is_name(p->text[p->at]))
		p->at++;
	return arena_strn(&p->t->arena, p->text + from, p->at - from);
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
		template_add_utf8(out, c);
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
			return template_error(p->text, start, "this string is not closed");
		if (quote != '`' && p->text[p->at] == '\\') {
			p->at++;
			if (!take_escape(p->text, &p->at, &s))
				return template_error(p->text, p->at - 1, "unknown escape in string");
			continue;
		}
		str_addc(&s, p->text[p->at++]);
	}
	p->at++;
	if (quote == '\'') {
		if (s.len != 1)
			return template_error(p->text, start,
					      "a character constant holds one character");
		*ret = val_int((unsigned char)s.s[0]);
	} else {
		*ret = val_str(arena_strn(&p->t->arena, s.s ?: "", s.len));
	}
	return NULL;
}

static struct err *parse_number(struct parser *p, struct val *ret)
{
	size_t start = p->at;
	char *end, *digits;

	if (strchr("+-", p->text[p->at]))
		p->at++;
	while (template_is_name(p->text[p->at]) || p->text[p->at] == '.' ||
	       (strchr("+-", p->text[p->at]) && p->text[p->at] && strchr("eE", p->text[p->at - 1])))
		p->at++;
	digits = arena_strn(&p->t->arena, p->text + start, p->at - start);
	if (strspn(digits, "+-.0123456789eE") != strlen(digits) || (strtod(digits, &end), *end))
		return template_error(p->text, start, "'%s' is not a number", digits);
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
		if (!strcmp(name, template_funcs[f].name)) {
			o->kind = O_FUNC;
			o->func = f;
			return NULL;
		}
	return template_error(p->text, start, "function \"%s\" not defined", name);
}

/* .A.B behind an operand. */
static struct err *parse_path(struct parser *p, struct operand *o)
{
	const char *path[FIELDS_MAX];

	while (p->text[p->at] == '.') {
		if (!template_is_name(p->text[p->at + 1]) || o->n_path == FIELDS_MAX)
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
		if (!template_is_name(p->text[p->at + 1])) {
			p->at++;
			return NULL;
		}
	} else if (c == '$') {
		o->kind = O_VAR;
		p->at++;
		o->var = take_name(p);
	} else if (c == '(') {
		if (++p->depth > DEPTH_MAX)
			return template_error(p->text, p->at, "nested more than %d levels", DEPTH_MAX);
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
	} else if (template_is_name(c)) {
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
			return template_error(p->text, p->at, "more than %d arguments", ARGS_MAX);
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

	if (strncmp(p->text + p->at, word, n) || template_is_name(p->text[p->at + n]))
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
		return template_error(p->text, ended == END_TEXT ? p->at : p->action,
				      "expected {{end}}");
	return NULL;
}

/* Behind {{if, {{with, {{range. */
static struct err *parse_block(struct parser *p, struct node *n)
{
	enum ended ended;
	size_t start = p->action;
	struct err *e;

	if (++p->depth > DEPTH_MAX)
		return template_error(p->text, p->at, "nested more than %d levels", DEPTH_MAX);
	p->loops += n->kind == N_RANGE;
	e = parse_pipe(p, &n->pipe);
	e = e ?: expect_close(p);
	e = e ?: parse_list(p, &n->body, &ended);
	p->loops -= n->kind == N_RANGE;
	if (e)
		return e;
	if (ended == END_TEXT)
		return template_error(p->text, start, "this block has no {{end}}");
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
			return template_error(p->text, p->action, "this comment is not closed");
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
			return template_error(p->text, p->action,
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
		e = template_error(text, p.action, "unexpected {{%s}}",
				   ended == END_END ? "end" : "else");
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
