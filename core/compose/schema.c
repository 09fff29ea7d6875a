#include "core/compose/schema.h"

#include <ctype.h>
#include <math.h>

#include "core/base/proc.h"
#include "core/compose/file.h"

/* Where we are: "services.web.ports[0]". */
struct where {
	const struct where *up;
	const char *name; /* NULL: an index */
	size_t index;
};

static void add_where(const struct where *w, struct str *out)
{
	if (!w || (w->name && !*w->name))
		return;
	add_where(w->up, out);
	if (w->name)
		str_addf(out, "%s%s", out->len ? "." : "", w->name);
	else
		str_addf(out, "[%zu]", w->index);
}

static struct err *complain(const struct where *w, const struct node *n, const char *fmt, ...)
	PRINTF(3, 4);
static struct err *complain(const struct where *w, const struct node *n, const char *fmt, ...)
{
	_cleanup_str_ struct str where = { 0 };
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	add_where(w, &where);
	return pos_err(&n->pos, "%s%s%s", where.s ?: "", where.len ? ": " : "", text);
}

static struct err *must_be(const struct where *w, const struct node *n, const char *what)
{
	struct err *e = complain(w, n, "it must be %s, not %s", what, node_kind_names[n->kind]);

	if (n->kind < NODE_STR && n->kind > NODE_NULL && !strcmp(what, "a string"))
		e = err_hint(e, "put it in quotes");
	return e;
}

static bool is_scalar(const struct node *n)
{
	return n->kind <= NODE_STR;
}

static bool has_variable(const struct schema_ctx *c, const struct node *n)
{
	return c->raw && n->kind == NODE_STR && strchr(n->text, '$');
}

/* --- scalars ---------------------------------------------------------------------------------- */

static void set_text(const struct schema_ctx *c, struct node *n, enum node_kind kind, const char *text)
{
	n->kind = kind;
	n->text = arena_str(c->arena, text);
}

static struct err *apply_bool(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	static const char *const yes[] = { "true", "y", "yes", "on" };
	static const char *const no[] = { "false", "n", "no", "off" };

	if (n->kind == NODE_BOOL)
		return NULL;
	if (n->kind != NODE_STR)
		return must_be(w, n, "a boolean");
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		bool is = !strcasecmp(n->text, yes[i]);

		if (!is && strcasecmp(n->text, no[i]))
			continue;
		if (i && c->notes)
			strv_addf(c->notes,
				  "%s:%u:%u: \"%s\" for boolean is not supported by YAML 1.2, please use `%s`",
				  n->pos.file, n->pos.line, n->pos.col, n->text, is ? "true" : "false");
		set_text(c, n, NODE_BOOL, is ? "true" : "false");
		return NULL;
	}
	return complain(w, n, "invalid boolean: %s", n->text);
}

static struct err *apply_int(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	const char *text;
	char *end;

	if (n->kind == NODE_INT)
		return NULL;
	if (n->kind == NODE_FLOAT && !strchr(n->text, '.')) {
		n->kind = NODE_INT;
		return NULL;
	}
	if (n->kind != NODE_STR)
		return must_be(w, n, "an integer");
	errno = 0;
	text = n->text;
	strtoll(text, &end, 10);
	if (!*text || *end || errno || isspace((unsigned char)*text))
		return complain(w, n, "'%s' is no integer", text);
	set_text(c, n, NODE_INT, *text == '+' ? text + 1 : text);
	return NULL;
}

static struct err *apply_float(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	const char *text = NULL;
	enum node_kind kind;

	if (n->kind == NODE_INT || n->kind == NODE_FLOAT)
		return NULL;
	if (n->kind != NODE_STR)
		return must_be(w, n, "a number");
	kind = yaml_resolve(c->arena, n->text, &text);
	if (kind != NODE_INT && kind != NODE_FLOAT)
		return complain(w, n, "'%s' is no number", n->text);
	n->kind = kind;
	n->text = text;
	return NULL;
}

static struct err *apply_bytes(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	_cleanup_free_ char *plain = NULL;
	uint64_t bytes;
	struct err *e;

	if (n->kind != NODE_INT && n->kind != NODE_STR)
		return must_be(w, n, "a size such as 64m");
	if (*n->text == '-') { /* -1: without limit */
		n->kind = NODE_STR;
		return NULL;
	}
	e = str_to_size(n->text, &bytes);
	if (e) {
		err_free(e);
		return complain(w, n, "invalid size: '%s'", n->text);
	}
	plain = xasprintf("%llu", (unsigned long long)bytes);
	set_text(c, n, NODE_STR, plain);
	return NULL;
}

char *duration_text(int64_t ns)
{
	struct str s = { 0 };
	int64_t h = ns / 3600000000000, m = ns / 60000000000 % 60, frac = ns % 60000000000;
	char buf[40];

	if (ns < 0)
		return xasprintf("-%s", "0s");
	if (ns == 0)
		return xstrdup("0s");
	if (ns < 1000000000) {
		const char *unit = ns < 1000 ? "ns" : ns < 1000000 ? "µs" : "ms";
		double v = ns < 1000	  ? (double)ns
			   : ns < 1000000 ? (double)ns / 1e3
					  : (double)ns / 1e6;

		return xasprintf("%.9g%s", v, unit);
	}
	if (h)
		str_addf(&s, "%lldh", (long long)h);
	if (h || m)
		str_addf(&s, "%lldm", (long long)m);
	snprintf(buf, sizeof(buf), "%lld.%09lld", (long long)(frac / 1000000000),
		 (long long)(frac % 1000000000));
	for (size_t n = strlen(buf); buf[n - 1] == '0' || buf[n - 1] == '.'; n--) {
		bool dot = buf[n - 1] == '.';

		buf[n - 1] = '\0';
		if (dot)
			break;
	}
	str_addf(&s, "%ss", buf);
	return str_take(&s);
}

static struct err *apply_duration(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	_cleanup_free_ char *text = NULL;
	int64_t ns;
	struct err *e;

	if (n->kind != NODE_STR)
		return must_be(w, n, "a string");
	e = duration_parse(n->text, &ns);
	if (e) {
		err_free(e);
		return err_hint(complain(w, n, "invalid duration: '%s'", n->text), "such as 1m30s");
	}
	text = duration_text(ns);
	set_text(c, n, NODE_STR, text);
	return NULL;
}

/* 0440 is octal for YAML: it came as 288. */
static struct err *apply_mode(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	_cleanup_free_ char *text = NULL;
	char *end = NULL;
	unsigned long mode;

	if (n->kind != NODE_INT && n->kind != NODE_STR)
		return must_be(w, n, "a file mode such as \"0440\"");
	mode = strtoul(n->text, &end, n->kind == NODE_INT ? 10 : 8);
	if (!*n->text || *end || mode > 07777)
		return complain(w, n, "invalid file mode: %s", n->text);
	text = xasprintf("0%lo", mode);
	set_text(c, n, NODE_STR, text);
	return NULL;
}

/* A relative path, or "~/x". */
static const char *absolute(const struct schema_ctx *c, const char *path)
{
	_cleanup_free_ char *joined = NULL, *clean = NULL;

	if (!c->directory || !*path)
		return path;
	if (*path == '~' && (!path[1] || path[1] == '/')) {
		const char *home = getenv("HOME");

		joined = xasprintf("%s%s", home ?: "", path + 1);
	} else if (*path == '/') {
		return path;
	} else {
		joined = xasprintf("%s/%s", c->directory, path);
	}
	clean = str_clean_path(joined);
	return arena_str(c->arena, clean);
}

static bool is_address(const char *s)
{
	return strstr(s, "://") || str_starts(s, "git@") || str_starts(s, "github.com/") ||
	       str_starts(s, "service:");
}

static struct err *apply_str(const struct schema_ctx *c, const struct key *k, const struct where *w,
			     struct node *n)
{
	if (n->kind != NODE_STR)
		return must_be(w, n, "a string");
	if ((k->flags & KEY_FILE) || ((k->flags & KEY_CONTEXT) && !is_address(n->text)))
		n->text = absolute(c, n->text);
	return NULL;
}

static struct err *apply_text(const struct where *w, struct node *n)
{
	if (n->kind == NODE_NULL || !is_scalar(n))
		return must_be(w, n, "a string");
	n->kind = NODE_STR;
	return NULL;
}

/* --- lists of words, maps of words ------------------------------------------------------------ */

static struct err *apply_words(const struct schema_ctx *c, const struct key *k,
			       const struct where *w, struct node *n)
{
	struct err *e = NULL;

	if (n->kind == NODE_STR && k->type == KEY_WORD_LIST) {
		struct node *word = node_new(c->arena, NODE_STR, n->text, &n->pos);

		n->kind = NODE_LIST;
		n->text = NULL;
		node_push(c->arena, n, word);
	}
	if (n->kind != NODE_LIST)
		return must_be(w, n, k->type == KEY_WORD_LIST ? "a string or a list" : "a list");
	for (size_t i = 0; i < n->n && !e; i++) {
		struct where at = { w, NULL, i };
		struct node *word = n->m[i].value;

		if (k->type == KEY_TEXTS)
			e = apply_text(&at, word);
		else
			e = apply_str(c, k, &at, word);
		if (!e && k->type == KEY_WORD_LIST && !*word->text)
			node_del_at(n, i--); /* what an unset variable leaves */
	}
	return e;
}

static struct err *apply_command(const struct schema_ctx *c, const struct key *k,
				 const struct where *w, struct node *n)
{
	_cleanup_strv_ struct strv words = { 0 };
	struct err *e;

	if (n->kind == NODE_NULL)
		return NULL;
	if (n->kind != NODE_STR)
		return apply_words(c, k, w, n);
	e = words_split(n->text, &words);
	if (e) {
		struct err *named = complain(w, n, "%s", e->text);

		err_free(e);
		return named;
	}
	n->kind = NODE_LIST;
	n->text = NULL;
	for (size_t i = 0; i < words.n; i++)
		node_push(c->arena, n, node_new(c->arena, NODE_STR, words.v[i], &n->pos));
	return NULL;
}

/* A list of K=V becomes a map. */
static struct err *list_to_map(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	struct node map = *n;

	map.kind = NODE_MAP;
	map.n = map.cap = 0;
	map.m = NULL;
	for (size_t i = 0; i < n->n; i++) {
		struct where at = { w, NULL, i };
		struct node *item = n->m[i].value, *value;
		_cleanup_free_ char *key = NULL;
		const char *eq;

		if (item->kind == NODE_NULL)
			continue;
		if (item->kind != NODE_STR)
			return must_be(&at, item, "a string such as NAME=value");
		eq = strchr(item->text, '=');
		key = xstrndup(item->text, eq ? (size_t)(eq - item->text) : strlen(item->text));
		value = node_new(c->arena, eq ? NODE_STR : NODE_NULL, eq ? eq + 1 : NULL, &item->pos);
		node_set(c->arena, &map, key, &item->pos, value);
	}
	*n = map;
	return NULL;
}

static struct err *apply_dict(const struct schema_ctx *c, const struct key *k,
			      const struct where *w, struct node *n)
{
	struct err *e = NULL;

	if (n->kind == NODE_LIST && k->type != KEY_OPTIONS)
		e = list_to_map(c, w, n);
	if (e)
		return e;
	if (n->kind != NODE_MAP)
		return must_be(w, n, "a mapping or a list");
	for (size_t i = 0; i < n->n && !e; i++) {
		struct where at = { w, n->m[i].key, 0 };
		struct node *v = n->m[i].value;

		if (v->tag == NODE_RESET)
			continue;
		if (!is_scalar(v))
			return must_be(&at, v, "a string");
		if (v->kind != NODE_NULL)
			v->kind = NODE_STR;
		else if (k->type != KEY_DICT)
			set_text(c, v, NODE_STR, "");
		if (k->sub && v->kind == NODE_STR)
			e = apply_str(c, k->sub, &at, v);
	}
	return e;
}

static void push_host(const struct schema_ctx *c, struct node *list, const struct node *at,
		      const char *name, size_t name_len, const char *ip)
{
	size_t len = strlen(ip);

	if (*ip == '[' && len > 2 && ip[len - 1] == ']') {
		ip++;
		len -= 2;
	}
	node_push(c->arena, list,
		  node_newf(c->arena, &at->pos, "%.*s=%.*s", (int)name_len, name, (int)len, ip));
}

static struct err *apply_hosts(const struct schema_ctx *c, const struct where *w, struct node *n)
{
	struct node list = *n;

	list.kind = NODE_LIST;
	list.n = list.cap = 0;
	list.m = NULL;
	if (n->kind != NODE_LIST && n->kind != NODE_MAP)
		return must_be(w, n, "a list such as [\"name:1.2.3.4\"]");
	for (size_t i = 0; i < n->n; i++) {
		struct where at = { w, n->kind == NODE_MAP ? n->m[i].key : NULL, i };
		struct node *v = n->m[i].value;

		if (n->kind == NODE_LIST) {
			size_t name = v->kind == NODE_STR ? strcspn(v->text, "=:") : 0;

			if (v->kind != NODE_STR)
				return must_be(&at, v, "a string");
			if (!name || !v->text[name])
				return err_hint(complain(&at, v, "bad host name '%s'", v->text),
						"it is NAME:ADDRESS");
			push_host(c, &list, v, v->text, name, v->text + name + 1);
		} else if (v->kind == NODE_LIST) {
			for (size_t j = 0; j < v->n; j++) {
				if (v->m[j].value->kind != NODE_STR)
					return must_be(&at, v->m[j].value, "a string");
				push_host(c, &list, v, at.name, strlen(at.name), v->m[j].value->text);
			}
		} else if (v->kind == NODE_STR) {
			push_host(c, &list, v, at.name, strlen(at.name), v->text);
		} else {
			return must_be(&at, v, "an address");
		}
	}
	*n = list;
	return NULL;
}

/* --- maps and lists of things ----------------------------------------------------------------- */

static struct err *apply(const struct schema_ctx *c, const struct key *k, const struct where *w,
			 struct node **at);

static struct err *unknown_key(const struct key *k, const struct where *w, const struct member *m)
{
	const char *names[160], *near;
	struct node at = { .pos = m->pos };
	size_t n = 0;
	struct err *e = complain(w, &at, "unknown key '%s'", m->key);

	for (const struct key *s = k->sub; s->name && n < ARRAY_LEN(names) - 1; s++)
		names[n++] = s->name;
	names[n] = NULL;
	near = str_nearest(m->key, names);
	return near ? err_hint(e, "did you mean '%s'?", near) : e;
}

/* WHY the key M of W is ignored. */
static void note_ignored(const struct schema_ctx *c, const struct where *w, const struct member *m,
			 const char *why)
{
	_cleanup_str_ struct str where = { 0 };
	_cleanup_free_ char *note = NULL;

	add_where(w, &where);
	note = xasprintf("%s:%u:%u: %s.%s has %s, it is ignored", m->pos.file, m->pos.line,
			 m->pos.col, where.s, m->key, why);
	if (c->notes && !strv_has(c->notes, note))
		strv_take(c->notes, TAKE_PTR(note));
}

static struct err *apply_object(const struct schema_ctx *c, const struct key *k,
				const struct where *w, struct node *n)
{
	struct err *e = NULL;

	if (n->kind != NODE_MAP)
		return must_be(w, n, "a mapping");
	for (size_t i = 0; i < n->n && !e; i++) {
		struct member *m = &n->m[i];
		struct where at = { w, m->key, 0 };
		const struct key *sub = schema_key(k, m->key);

		if (!sub && str_starts(m->key, "x-"))
			continue;
		if (!sub)
			return unknown_key(k, w, m);
		if ((sub->flags & (KEY_SWARM | KEY_IDLE)) && !str_eq(m->value->text, "false"))
			note_ignored(c, w, m,
				     sub->flags & KEY_SWARM ? "a meaning in a swarm only"
							    : "no effect here");
		e = apply(c, sub, &at, &m->value);
		/* nothing behind the colon is the same as no key, but for a command */
		if (!e && m->value->kind == NODE_NULL && m->value->tag == NODE_PLAIN &&
		    sub->type != KEY_COMMAND) {
			node_del_at(n, i--);
		}
	}
	return e;
}

static struct err *apply_map(const struct schema_ctx *c, const struct key *k, const struct where *w,
			     struct node *n)
{
	struct err *e = NULL;

	if (n->kind != NODE_MAP)
		return must_be(w, n, "a mapping");
	for (size_t i = 0; i < n->n && !e; i++) {
		struct where at = { w, n->m[i].key, 0 };

		if (!*n->m[i].key)
			return complain(w, n, "an empty name");
		e = apply(c, k->sub, &at, &n->m[i].value);
	}
	return e;
}

static struct err *apply_list(const struct schema_ctx *c, const struct key *k,
			      const struct where *w, struct node *n)
{
	struct err *e = NULL;

	if (n->kind != NODE_LIST)
		return must_be(w, n, "a list");
	for (size_t i = 0; i < n->n && !e; i++) {
		struct where at = { w, NULL, i };

		if (n->m[i].value->kind == NODE_NULL)
			return must_be(&at, n->m[i].value, "a value");
		e = apply(c, k->sub, &at, &n->m[i].value);
	}
	return e;
}

/* What a number may stand for a mapping: "ulimits: { nofile: 1024 }". */
static bool is_short_ulimit(const struct key *k, const struct node *n)
{
	return k->type == KEY_OBJECT && k->sub[0].name && !strcmp(k->sub[0].name, "soft") &&
	       is_scalar(n);
}

static struct err *apply(const struct schema_ctx *c, const struct key *k, const struct where *w,
			 struct node **at)
{
	struct node *n;
	struct err *e = NULL;

	if ((*at)->tag == NODE_RESET || has_variable(c, *at))
		return NULL;
	if (k->lengthen && (*at)->kind != NODE_NULL) {
		enum node_tag tag = (*at)->tag;

		e = k->lengthen(c, at);
		if (e)
			return e;
		(*at)->tag = tag;
		if (has_variable(c, *at))
			return NULL;
	}
	n = *at;
	if (n->kind == NODE_NULL && k->type != KEY_COMMAND)
		return NULL; /* taken out by whoever holds it */
	switch (k->type) {
	case KEY_STR:
		return apply_str(c, k, w, n);
	case KEY_TEXT:
		return apply_text(w, n);
	case KEY_BOOL:
		return apply_bool(c, w, n);
	case KEY_INT:
		return apply_int(c, w, n);
	case KEY_FLOAT:
		return apply_float(c, w, n);
	case KEY_BYTES:
		return apply_bytes(c, w, n);
	case KEY_DURATION:
		return apply_duration(c, w, n);
	case KEY_MODE:
		return apply_mode(c, w, n);
	case KEY_WORDS:
	case KEY_WORD_LIST:
	case KEY_TEXTS:
		return apply_words(c, k, w, n);
	case KEY_DICT:
	case KEY_LABELS:
	case KEY_OPTIONS:
		return apply_dict(c, k, w, n);
	case KEY_HOSTS:
		return apply_hosts(c, w, n);
	case KEY_COMMAND:
		return apply_command(c, k, w, n);
	case KEY_OBJECT:
		return is_short_ulimit(k, n) ? apply_int(c, w, n) : apply_object(c, k, w, n);
	case KEY_MAP:
		return apply_map(c, k, w, n);
	case KEY_LIST:
		return apply_list(c, k, w, n);
	default:
		return e;
	}
}

struct err *schema_apply(const struct schema_ctx *c, const struct key *key, const char *where,
			 struct node **root)
{
	struct where at = { NULL, where, 0 };

	return apply(c, key, &at, root);
}
