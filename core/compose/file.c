#include "core/compose/file.h"

#include <ctype.h>
#include <math.h>
#include <yaml.h>

struct anchor {
	char *name;
	struct node *node;
	bool open; /* its node is still being read: an alias to it would contain itself */
};

struct reader {
	struct arena *arena;
	const char *file;
	yaml_parser_t parser;
	struct anchor *anchors;
	size_t n_anchors, anchors_cap;
	size_t n_nodes;
};

static struct pos pos_of(const struct reader *r, const yaml_mark_t *m)
{
	return (struct pos){ r->file, (unsigned)m->line + 1, (unsigned)m->column + 1 };
}

/* --- scalars ---------------------------------------------------------------------------------- */

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

/* Digits of BASE, underscores between them allowed. */
static bool int_value(const char *s, int base, bool negative, struct arena *a, const char **ret)
{
	char digits[80], *end;
	size_t n = 0;
	unsigned long long v;

	for (; *s; s++) {
		if (*s == '_')
			continue;
		if (!isxdigit((unsigned char)*s) || n == sizeof(digits) - 1)
			return false;
		digits[n++] = *s;
	}
	digits[n] = '\0';
	if (!n)
		return false;
	errno = 0;
	v = strtoull(digits, &end, base);
	if (*end || errno)
		return false;
	*ret = arena_printf(a, "%s%llu", negative && v ? "-" : "", v);
	return true;
}

static bool resolve_int(struct arena *a, const char *text, const char **ret)
{
	bool negative = *text == '-';
	const char *s = text + (*text == '-' || *text == '+');

	if (!isdigit((unsigned char)*s))
		return false;
	if (*s == '0' && s[1]) {
		switch (s[1]) {
		case 'x':
		case 'X':
			return int_value(s + 2, 16, negative, a, ret);
		case 'o':
		case 'O':
			return int_value(s + 2, 8, negative, a, ret);
		case 'b':
		case 'B':
			return int_value(s + 2, 2, negative, a, ret);
		default:
			return int_value(s + 1, 8, negative, a, ret);
		}
	}
	return int_value(s, 10, negative, a, ret);
}

/* Does TEXT look like -1.5e+3: what strtod() takes beyond that (hex, inf, nan) is none. */
static bool looks_float(const char *s)
{
	size_t digits = 0;

	s += *s == '-' || *s == '+';
	for (; isdigit((unsigned char)*s) || *s == '_'; s++)
		digits += *s != '_';
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s) || *s == '_'; s++)
			digits += *s != '_';
	if (!digits)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!isdigit((unsigned char)*s))
			return false;
		while (isdigit((unsigned char)*s))
			s++;
	}
	return !*s;
}

/* The fewest digits that read back as the same number, without an exponent below 10^21, as Go prints it. */
static char *float_text(struct arena *a, double v)
{
	char buf[400];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	if (strchr(buf, 'e') && fabs(v) < 1e21 && fabs(v) >= 1e-4) {
		snprintf(buf, sizeof(buf), "%.17f", v);
		for (size_t n = strlen(buf); n > 1 && (buf[n - 1] == '0' || buf[n - 1] == '.'); n--) {
			bool dot = buf[n - 1] == '.';

			buf[n - 1] = '\0';
			if (dot)
				break;
		}
	}
	return arena_str(a, buf);
}

static bool resolve_float(struct arena *a, const char *text, const char **ret)
{
	char plain[64];
	size_t n = 0;

	if (!looks_float(text))
		return false;
	for (const char *s = text; *s; s++)
		if (*s != '_') {
			if (n == sizeof(plain) - 1)
				return false;
			plain[n++] = *s;
		}
	plain[n] = '\0';
	*ret = float_text(a, strtod(plain, NULL));
	return true;
}

enum node_kind yaml_resolve(struct arena *a, const char *text, const char **ret_text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };

	*ret_text = NULL;
	if (is_one_of(text, nulls))
		return NODE_NULL;
	*ret_text = "true";
	if (is_one_of(text, trues))
		return NODE_BOOL;
	*ret_text = "false";
	if (is_one_of(text, falses))
		return NODE_BOOL;
	if (resolve_int(a, text, ret_text))
		return NODE_INT;
	if (resolve_float(a, text, ret_text))
		return NODE_FLOAT;
	*ret_text = arena_str(a, text);
	return NODE_STR;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct err *parser_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct pos at = pos_of(r, &p->problem_mark);

	if (p->error == YAML_READER_ERROR)
		return pos_err(&(struct pos){ r->file, 0, 0 }, "%s at byte %zu", p->problem,
			       p->problem_offset);
	if (p->context)
		return pos_err(&at, "%s %s", p->problem, p->context);
	return pos_err(&at, "%s", p->problem ?: "it cannot be read as YAML");
}

static struct err *next_event(struct reader *r, yaml_event_t *ev)
{
	if (!yaml_parser_parse(&r->parser, ev))
		return parser_error(r);
	return NULL;
}

static size_t count_nodes(const struct node *n)
{
	size_t sum = 1;

	for (size_t i = 0; i < n->n; i++)
		sum += count_nodes(n->m[i].value);
	return sum;
}

static struct err *add_nodes(struct reader *r, size_t n, const struct pos *at)
{
	r->n_nodes += n;
	if (r->n_nodes <= YAML_NODES_MAX)
		return NULL;
	return err_hint(pos_err(at, "more than %d values", YAML_NODES_MAX),
			"aliases are counted as often as they are used");
}

static struct err *use_alias(struct reader *r, const char *name, const struct pos *at, struct node **ret)
{
	for (size_t i = r->n_anchors; i-- > 0;) {
		struct err *e;

		if (strcmp(r->anchors[i].name, name))
			continue;
		if (r->anchors[i].open)
			return pos_err(at, "anchor '%s' contains itself", name);
		e = add_nodes(r, count_nodes(r->anchors[i].node), at);
		if (!e)
			*ret = node_clone(r->arena, r->anchors[i].node);
		return e;
	}
	return pos_err(at, "unknown anchor '%s'", name);
}

static void add_anchor(struct reader *r, const unsigned char *name, struct node *n)
{
	r->anchors = xgrow(r->anchors, r->n_anchors, &r->anchors_cap, sizeof(*r->anchors));
	r->anchors[r->n_anchors++] = (struct anchor){ xstrdup((const char *)name), n, true };
}

static void close_anchor(struct reader *r, const struct node *n)
{
	for (size_t i = 0; i < r->n_anchors; i++)
		if (r->anchors[i].node == n)
			r->anchors[i].open = false;
}

static struct err *apply_tag(struct node *n, const unsigned char *tag_bytes)
{
	const char *tag = (const char *)tag_bytes, *core = "tag:yaml.org,2002:";

	if (!tag || !strcmp(tag, "!"))
		return NULL;
	if (!strcmp(tag, "!reset")) {
		n->tag = NODE_RESET;
	} else if (!strcmp(tag, "!override")) {
		n->tag = NODE_OVERRIDE;
	} else if (str_starts(tag, core)) {
		const char *type = tag + strlen(core);

		if (!strcmp(type, "str") && n->kind <= NODE_STR) {
			n->kind = NODE_STR;
			n->text = n->text ?: "";
		}
	} else {
		return err_hint(pos_err(&n->pos, "unknown tag %s", tag),
				"!reset and !override are known");
	}
	return NULL;
}

static struct err *read_node(struct reader *r, yaml_event_t *ev, unsigned depth, struct node **ret);

static struct err *scalar(struct reader *r, const yaml_event_t *ev, struct node **ret)
{
	const char *text = (const char *)ev->data.scalar.value;
	struct pos at = pos_of(r, &ev->start_mark);
	struct node *n = node_new(r->arena, NODE_STR, NULL, &at);
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (strlen(text) != ev->data.scalar.length)
		return pos_err(&at, "a zero byte");
	if (plain && ev->data.scalar.plain_implicit)
		n->kind = yaml_resolve(r->arena, text, &n->text);
	else
		n->text = arena_str(r->arena, text);
	if (plain && ev->data.scalar.tag && !*text && n->kind == NODE_STR)
		n->kind = NODE_NULL; /* "!reset" with nothing behind it */
	*ret = n;
	return NULL;
}

static struct err *read_list(struct reader *r, struct node *list, unsigned depth)
{
	for (;;) {
		struct node *item = NULL;
		yaml_event_t ev;
		struct err *e = next_event(r, &ev);

		if (e)
			return e;
		if (ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return NULL;
		}
		e = read_node(r, &ev, depth + 1, &item);
		if (e)
			return e;
		node_push(r->arena, list, item);
	}
}

/* "<<": what MAP does not say itself comes from FROM, or from the maps in the list FROM, the first one winning. */
static struct err *merge_key(struct reader *r, struct node *map, const struct node *from)
{
	if (node_is(from, NODE_LIST)) {
		struct err *e = NULL;

		for (size_t i = 0; i < from->n && !e; i++)
			e = node_is(from->m[i].value, NODE_MAP)
				    ? merge_key(r, map, from->m[i].value)
				    : pos_err(&from->m[i].value->pos,
					      "'<<' takes a mapping or a list of mappings");
		return e;
	}
	if (!node_is(from, NODE_MAP))
		return pos_err(&from->pos, "'<<' takes a mapping or a list of mappings");
	for (size_t i = 0; i < from->n; i++)
		if (!node_member(map, from->m[i].key))
			node_set(r->arena, map, from->m[i].key, &from->m[i].pos, from->m[i].value);
	return NULL;
}

static struct err *read_key(struct reader *r, yaml_event_t *ev, const struct node *map, struct node **ret)
{
	const struct member *before;
	struct err *e = read_node(r, ev, YAML_DEPTH_MAX, ret);

	if (e)
		return e;
	if ((*ret)->kind == NODE_NULL)
		(*ret)->text = "null";
	if ((*ret)->kind > NODE_STR)
		return pos_err(&(*ret)->pos, "a key must be a string, not %s",
			       node_kind_names[(*ret)->kind]);
	if ((*ret)->kind != NODE_STR)
		return err_hint(pos_err(&(*ret)->pos, "non-string key %s", (*ret)->text),
				"put it in quotes");
	before = node_member(map, (*ret)->text);
	if (before)
		return pos_err(&(*ret)->pos, "mapping key \"%s\" already defined at line %u",
			       (*ret)->text, before->pos.line);
	return NULL;
}

static struct err *read_map(struct reader *r, struct node *map, unsigned depth)
{
	struct node *merges = NULL;

	for (;;) {
		struct node *key = NULL, *value = NULL;
		yaml_event_t ev;
		struct err *e = next_event(r, &ev);

		if (e)
			return e;
		if (ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			/* last: what the map says itself wins, wherever it stands */
			return merges ? merge_key(r, map, merges) : NULL;
		}
		e = map->n >= YAML_KEYS_MAX
			    ? pos_err(&map->pos, "more than %d keys in one mapping", YAML_KEYS_MAX)
			    : NULL;
		if (e)
			yaml_event_delete(&ev);
		e = e ?: read_key(r, &ev, map, &key);
		e = e ?: next_event(r, &ev);
		e = e ?: read_node(r, &ev, depth + 1, &value);
		if (e)
			return e;
		if (!strcmp(key->text, "<<"))
			merges = value;
		else
			node_set(r->arena, map, key->text, &key->pos, value);
	}
}

/* Takes over EV. */
static struct err *read_node(struct reader *r, yaml_event_t *ev, unsigned depth, struct node **ret)
{
	struct pos at = pos_of(r, &ev->start_mark);
	struct node *n = NULL;
	const unsigned char *anchor = NULL, *tag = NULL;
	struct err *e = NULL;

	if (ev->type == YAML_ALIAS_EVENT) {
		e = use_alias(r, (const char *)ev->data.alias.anchor, &at, ret);
		yaml_event_delete(ev);
		return e;
	}
	e = add_nodes(r, 1, &at);
	if (e) {
		yaml_event_delete(ev);
		return e;
	}
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		e = scalar(r, ev, &n);
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		n = node_new(r->arena, NODE_LIST, NULL, &at);
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		n = node_new(r->arena, NODE_MAP, NULL, &at);
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
		break;
	default:
		e = pos_err(&at, "unexpected end");
	}
	e = e ?: apply_tag(n, tag);
	if (!e && anchor)
		add_anchor(r, anchor, n);
	yaml_event_delete(ev);
	if (!e && n->kind > NODE_STR && depth >= YAML_DEPTH_MAX)
		e = pos_err(&at, "nested more than %d deep", YAML_DEPTH_MAX);
	if (!e && n->kind == NODE_LIST)
		e = read_list(r, n, depth);
	if (!e && n->kind == NODE_MAP)
		e = read_map(r, n, depth);
	if (!e) {
		close_anchor(r, n);
		*ret = n;
	}
	return e;
}

static struct err *read_documents(struct reader *r,
				  struct err *(*doc)(void *arg, struct node *root), void *arg)
{
	for (;;) {
		struct node *root = NULL;
		yaml_event_t ev;
		yaml_event_type_t type;
		struct err *e = next_event(r, &ev);

		if (e)
			return e;
		type = ev.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
		    type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&ev);
			if (type == YAML_STREAM_END_EVENT)
				return NULL;
			continue;
		}
		e = read_node(r, &ev, 0, &root);
		if (!e && root->kind != NODE_NULL)
			e = doc(arg, root);
		if (e)
			return e;
	}
}

struct err *yaml_parse(struct arena *a, const char *file, const char *text, size_t len,
		       struct err *(*doc)(void *arg, struct node *root), void *arg)
{
	struct reader r = { .arena = a, .file = file };
	struct err *e;

	if (len > YAML_BYTES_MAX)
		return pos_err(&(struct pos){ file, 1, 1 }, "it is larger than %d MB",
			       YAML_BYTES_MAX >> 20);
	if (!yaml_parser_initialize(&r.parser))
		return err_new(ENOMEM, "starting the YAML parser");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	e = read_documents(&r, doc, arg);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; i < r.n_anchors; i++)
		free(r.anchors[i].name);
	free(r.anchors);
	return e;
}
