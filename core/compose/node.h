/* core/compose/node.h -- the tree a compose file becomes: maps, lists and scalars, each knowing where it was written.
 *
 * Everything of one project lies in one arena and ends with it, so that merging moves pointers and frees nothing.
 * Nodes are never shared between two places of a tree (an alias is a copy): whoever holds one may change it. */
#ifndef CORE_COMPOSE_NODE_H
#define CORE_COMPOSE_NODE_H

#include "core/base/arena.h"
#include "core/base/pos.h"
#include "core/base/str.h"

enum node_kind {
	NODE_NULL,
	NODE_BOOL,
	NODE_INT,
	NODE_FLOAT,
	NODE_STR,
	NODE_LIST,
	NODE_MAP,
	NODE_KIND_MAX
};
extern const char *const node_kind_names[]; /* "null", "a boolean", ... for messages */

enum node_tag {
	NODE_PLAIN,
	NODE_RESET, /* !reset: the merge takes the key away */
	NODE_OVERRIDE, /* !override: the merge replaces instead of merging */
};

struct member {
	const char *key; /* NULL in a list */
	struct pos pos; /* of the key */
	struct node *value;
};

struct node {
	enum node_kind kind;
	enum node_tag tag;
	struct pos pos;
	/* Scalars: the value in its plainest form: "true", "16" for 0x10, "1.5" for 1.50; NULL for null. */
	const char *text;
	struct member *m;
	size_t n, cap;
};

struct node *node_new(struct arena *a, enum node_kind kind, const char *text, const struct pos *pos);
struct node *node_newf(struct arena *a, const struct pos *pos, const char *fmt, ...)
	PRINTF(3, 4); /* a string */
struct node *node_clone(struct arena *a, const struct node *n);

/* The getters accept NULL and a node of another kind: NULL, 0. */
struct node *node_get(const struct node *map, const char *key);
const struct member *node_member(const struct node *map, const char *key);
/* Text of a scalar member; NULL if it is absent, null, or no scalar. */
const char *node_str(const struct node *map, const char *key);
bool node_true(const struct node *map, const char *key);
int64_t node_int(const struct node *map, const char *key, int64_t dflt);
size_t node_len(const struct node *n); /* members of a map or list */
bool node_is(const struct node *n, enum node_kind kind);

/* Set or replace; the position of an existing key stays. */
void node_set(struct arena *a, struct node *map, const char *key, const struct pos *pos,
	      struct node *value);
void node_set_str(struct arena *a, struct node *map, const char *key, const char *text);
void node_push(struct arena *a, struct node *list, struct node *value);
bool node_del(struct node *map, const char *key);
void node_del_at(struct node *n, size_t i);
bool node_equal(const struct node *a, const struct node *b); /* maps in any order */
/* Keys in byte order, here only. */
void node_sort(struct node *map);

#endif
