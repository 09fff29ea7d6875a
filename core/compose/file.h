/* core/compose/file.h -- YAML text to a tree with positions (libyaml's events).
 *
 * Scalars are read as Compose reads them, which is mostly YAML 1.2: yes, no, on, off and y are strings; 22:22 is a
 * string (in YAML 1.1 it would be 1342); 010 and 0o10 are 8, 0x10 is 16.  Merge keys ("<<") and anchors are resolved
 * here.  !reset and !override stay on their nodes; other tags of one's own are an error.
 * Source: YAML 1.2.2 and the merge key type; docker/compose documentation, "Merge Compose files". */
#ifndef CORE_COMPOSE_FILE_H
#define CORE_COMPOSE_FILE_H

#include "core/compose/node.h"

enum {
	YAML_BYTES_MAX = 4 << 20, /* of one file */
	YAML_NODES_MAX = 200000, /* of one file after aliases were copied: what "billion laughs" meets */
	YAML_DEPTH_MAX = 64,
	YAML_KEYS_MAX = 2000, /* of one mapping */
};

/* FILE is what positions say and must live as long as the arena.  A text may hold several documents: each goes to
 * DOC(arg, root) in order; an empty one is left out.  Errors: "file:line:col: reason". */
struct err *yaml_parse(struct arena *a, const char *file, const char *text, size_t len,
		       struct err *(*doc)(void *arg, struct node *root), void *arg) MUST_CHECK;

/* Kind and plainest form of an untagged plain scalar.  *RET_TEXT is the arena's. */
enum node_kind yaml_resolve(struct arena *a, const char *text, const char **ret_text);

#endif
