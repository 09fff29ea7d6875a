#include "core/compose/node.h"

const char *const node_kind_names[] = { "null",	    "a boolean", "an integer", "a number",
					"a string", "a list",	 "a mapping" };
_Static_assert(ARRAY_LEN(node_kind_names) == NODE_KIND_MAX, "one name a kind");

struct node *node_new(struct arena *a, enum node_kind kind, const char *text, const struct pos *pos)
{
	struct node *n = arena_alloc(a, sizeof(*n));

	n->kind = kind;
	n->text = arena_str(a, text);
	if (pos)
		n->pos = *pos;
	return n;
}

struct node *node_newf(struct arena *a, const struct pos *pos, const char *fmt, ...)
{
	struct node *n = node_new(a, NODE_STR, NULL, pos);
	va_list ap;

	va_start(ap, fmt);
	n->text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return n;
}

struct node *node_clone(struct arena *a, const struct node *n)
{
	struct node *copy = arena_alloc(a, sizeof(*copy));

	*copy = *n; /* texts and keys never change: they may be shared */
	copy->m = NULL;
	copy->cap = n->n;
	if (n->n)
		copy->m = arena_alloc(a, n->n * sizeof(*n->m));
	for (size_t i = 0; i < n->n; i++) {
		copy->m[i] = n->m[i];
		copy->m[i].value = node_clone(a, n->m[i].value);
	}
	return copy;
}

bool node_is(const struct node *n, enum node_kind kind)
{
	return n && n->kind == kind;
}

size_t node_len(const struct node *n)
{
	return n ? n->n : 0;
}

const struct member *node_member(const struct node *map, const char *key)
{
	for (size_t i = 0; node_is(map, NODE_MAP) && i < map->n; i++)
		if (!strcmp(map->m[i].key, key))
			return &map->m[i];
	return NULL;
}

struct node *node_get(const struct node *map, const char *key)
{
	const struct member *m = node_member(map, key);

	return m ? m->value : NULL;
}

const char *node_str(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n->text : NULL;
}

bool node_true(const struct node *map, const char *key)
{
	return str_eq(node_str(map, key), "true");
}

int64_t node_int(const struct node *map, const char *key, int64_t dflt)
{
	const char *text = node_str(map, key);

	return text && *text ? strtoll(text, NULL, 10) : dflt;
}

static struct member *add_member(struct arena *a, struct node *n)
{
	if (n->n == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 4;
		struct member *m = arena_alloc(a, cap * sizeof(*m));

		if (n->n)
			memcpy(m, n->m, n->n * sizeof(*m));
		n->m = m;
		n->cap = cap;
	}
	return &n->m[n->n++];
}

void node_set(struct arena *a, struct node *map, const char *key, const struct pos *pos,
	      struct node *value)
{
	struct member *m = (struct member *)node_member(map, key);

	if (!m) {
		m = add_member(a, map);
		m->key = arena_str(a, key);
		m->pos = pos ? *pos : value->pos;
	}
	m->value = value;
}

void node_set_str(struct arena *a, struct node *map, const char *key, const char *text)
{
	node_set(a, map, key, &map->pos, node_new(a, NODE_STR, text, &map->pos));
}

void node_push(struct arena *a, struct node *list, struct node *value)
{
	struct member *m = add_member(a, list);

	m->pos = value->pos;
	m->value = value;
}

void node_del_at(struct node *n, size_t i)
{
	memmove(&n->m[i], &n->m[i + 1], (n->n - i - 1) * sizeof(*n->m));
	n->n--;
}

bool node_del(struct node *map, const char *key)
{
	const struct member *m = node_member(map, key);

	if (!m)
		return false;
	node_del_at(map, (size_t)(m - map->m));
	return true;
}

bool node_equal(const struct node *a, const struct node *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->n != b->n || !str_eq(a->text, b->text))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!node_equal(a->m[i].value,
				a->kind == NODE_MAP ? node_get(b, a->m[i].key) : b->m[i].value))
			return false;
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

void node_sort(struct node *map)
{
	if (node_is(map, NODE_MAP) && map->n)
		qsort(map->m, map->n, sizeof(*map->m), by_key);
}
