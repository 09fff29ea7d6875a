#include "core/compose/merge.h"

/* What tells entries of a list apart; NULL: nothing, each stays. */
static char *identity(const struct key *k, const struct node *n)
{
	const char *target, *name;

	switch (k->same) {
	case SAME_VALUE:
		return xstrdup(n->text);
	case SAME_NAME:
		return n->text ? xstrndup(n->text, strcspn(n->text, "=")) : NULL;
	case SAME_TARGET:
		target = node_str(n, "target");
		name = node_str(n, "source");
		return target ? xstrdup(target) : xstrdup(name);
	case SAME_PATH:
		return xstrdup(node_str(n, "path"));
	case SAME_PORT:
		if (n->kind != NODE_MAP)
			return xstrdup(n->text);
		return xasprintf("%s:%s:%s/%s", node_str(n, "host_ip") ?: "0.0.0.0",
				 node_str(n, "published") ?: "", node_str(n, "target") ?: "",
				 node_str(n, "protocol") ?: "tcp");
	default:
		return NULL;
	}
}

/* A later entry takes the place of an earlier one that is the same thing. */
static void drop_same(const struct key *k, struct node *list)
{
	struct strv seen = { 0 };

	if (k->same == SAME_NEVER)
		return;
	for (size_t i = 0; i < list->n; i++) {
		char *id = identity(k, list->m[i].value) ?: xasprintf("#%zu", i);
		size_t j = 0;

		while (j < seen.n && strcmp(seen.v[j], id))
			j++;
		if (j < seen.n) {
			list->m[j] = list->m[i];
			node_del_at(list, i--);
			free(id);
		} else {
			strv_take(&seen, id);
		}
	}
	strv_done(&seen);
}

/* N becomes part of a result: nothing below it is reset any more. */
static void settle(const struct key *k, struct node *n)
{
	n->tag = NODE_PLAIN;
	for (size_t i = 0; i < n->n; i++) {
		const struct key *sub = k ? schema_key(k, n->m[i].key ?: "") : NULL;

		if (n->m[i].value->tag == NODE_RESET)
			node_del_at(n, i--);
		else
			settle(sub, n->m[i].value);
	}
	if (k && n->kind == NODE_LIST)
		drop_same(k, n);
}

static struct node *merge_maps(struct arena *a, const struct key *k, struct node *base, struct node *over)
{
	for (size_t i = 0; i < over->n; i++) {
		const struct member *m = &over->m[i];
		const struct key *sub = k ? schema_key(k, m->key) : NULL;
		struct node *mine = node_get(base, m->key);

		if (m->value->tag == NODE_RESET)
			node_del(base, m->key);
		else
			node_set(a, base, m->key, &m->pos, merge_nodes(a, sub, mine, m->value));
	}
	return base;
}

static struct node *join_lists(struct arena *a, const struct key *k, struct node *base, struct node *over)
{
	for (size_t i = 0; i < over->n; i++)
		node_push(a, base, over->m[i].value);
	if (k)
		drop_same(k, base);
	return base;
}

static struct node *merge_subnets(struct arena *a, const struct key *k, struct node *base,
				  struct node *over)
{
	for (size_t i = 0; i < over->n; i++) {
		struct node *one = over->m[i].value;
		size_t j = 0;

		while (j < base->n &&
		       !str_eq(node_str(base->m[j].value, "subnet"), node_str(one, "subnet")))
			j++;
		if (j < base->n)
			merge_nodes(a, k->sub, base->m[j].value, one);
		else
			node_push(a, base, one);
	}
	return base;
}

static bool replaces(const struct key *k, const struct node *base, const struct node *over)
{
	const char *mine, *other;

	if (!base || over->tag == NODE_OVERRIDE || (k && k->merge == MERGE_REPLACE) ||
	    base->kind != over->kind || over->kind <= NODE_STR)
		return true;
	if (!k || k->merge != MERGE_LOGGING)
		return false;
	mine = node_str(base, "driver");
	other = node_str(over, "driver");
	return mine && other && strcmp(mine, other) != 0; /* another driver's options mean nothing */
}

struct node *merge_nodes(struct arena *a, const struct key *k, struct node *base, struct node *over)
{
	/* nothing behind a name says nothing; in an environment it takes the value away */
	if (base && over->kind == NODE_NULL && over->tag == NODE_PLAIN && k && k->type != KEY_COMMAND)
		return base;
	if (replaces(k, base, over)) {
		settle(k, over);
		return over;
	}
	if (over->kind == NODE_MAP)
		return merge_maps(a, k, base, over);
	settle(NULL, over);
	if (k && k->merge == MERGE_SUBNETS)
		return merge_subnets(a, k, base, over);
	return join_lists(a, k, base, over);
}
