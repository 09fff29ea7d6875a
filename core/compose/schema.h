/* core/compose/schema.h -- the keys of the Compose specification: one table that drives the check of a file ("did you
 * mean"), the way from short to long forms, how files are merged, and the order in which `config` prints.
 *
 * Source: compose-spec/spec.md; the JSON schema beside it names the types. */
#ifndef CORE_COMPOSE_SCHEMA_H
#define CORE_COMPOSE_SCHEMA_H

#include "core/compose/node.h"

enum key_type {
	KEY_STR, /* a string; numbers are refused, as Compose does */
	KEY_TEXT, /* a string, number or boolean, kept as a string */
	KEY_BOOL, /* or a string that reads as one */
	KEY_INT, /* or a string that reads as one */
	KEY_FLOAT,
	KEY_BYTES, /* "64m" -> "67108864" */
	KEY_DURATION, /* "90s" -> "1m30s" */
	KEY_MODE, /* permissions: 0440 or "0440" -> "0440" */
	KEY_WORDS, /* a list of strings */
	KEY_WORD_LIST, /* one string or a list of them -> a list */
	KEY_TEXTS, /* a list of strings or numbers */
	KEY_DICT, /* a map, or a list of K=V; K alone is null -> a map */
	KEY_LABELS, /* the same; K alone is "" */
	KEY_OPTIONS, /* a map of strings or numbers */
	KEY_HOSTS, /* extra_hosts: a map or a list of HOST:IP, HOST=IP -> a list of "HOST=IP" */
	KEY_COMMAND, /* a string (split into words as a shell would), a list, or null */
	KEY_OBJECT, /* a map with the keys of SUB */
	KEY_MAP, /* a map with keys of the user's, each value as SUB[0] says */
	KEY_LIST, /* a list of what SUB[0] says */
	KEY_ANY,
	KEY_TYPE_MAX
};

/* How a later file's value meets an earlier one's.  Otherwise maps merge, lists are joined, the rest is replaced. */
enum key_merge { MERGE_USUAL, MERGE_REPLACE, MERGE_LOGGING, MERGE_SUBNETS };

/* Which entries of a joined list are the same thing: the later one takes the place of the earlier. */
enum key_same {
	SAME_NEVER,
	SAME_VALUE,
	SAME_NAME /* up to '=' */,
	SAME_TARGET,
	SAME_PORT,
	SAME_PATH
};

enum key_flag {
	KEY_KEEP = 1, /* printed also when it is false, 0 or empty */
	KEY_SWARM = 2, /* means something to a swarm only: named once, then ignored */
	KEY_FILE = 4, /* a path, taken from the project directory */
	KEY_CONTEXT = 8, /* the same, unless it is an address */
	KEY_NULL = 16, /* null means something and is printed */
	KEY_IDLE = 32, /* means nothing here: named once, then ignored */
};

/* Where a file's own keys end and the engine begins: what the check needs. */
struct schema_ctx {
	struct arena *arena;
	const char *directory; /* relative paths are taken from here; NULL: they stay */
	struct strv *notes;
	bool raw; /* variables were not replaced: what holds a '$' is taken as it is */
};

struct key {
	const char *name; /* NULL ends a list of keys */
	enum key_type type;
	const struct key *sub;
	/* Turns a short form at *N into the long one before the check; may be NULL. */
	struct err *(*lengthen)(const struct schema_ctx *c, struct node **n);
	enum key_merge merge;
	enum key_same same;
	unsigned flags;
};

extern const struct key schema_root; /* a KEY_OBJECT */
extern const struct key schema_service; /* one service */

/* Check ROOT against KEY and bring it into the long form.  WHERE names it in messages ("" at the top).
 * Errors: "file:line:col: services.web.ports: it must be a list". */
struct err *schema_apply(const struct schema_ctx *c, const struct key *key, const char *where,
			 struct node **root) MUST_CHECK;
/* The entry for NAME among SUB; for a KEY_MAP its SUB[0]; NULL for x-* and what is unknown. */
const struct key *schema_key(const struct key *of, const char *name);

/* Short forms (short.c).  Each turns *N into the long form; errors name the position. */
struct err *short_ports(const struct schema_ctx *c, struct node **n) MUST_CHECK; /* the whole list */
struct err *short_volume(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_build(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_depends(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_names(const struct schema_ctx *c, struct node **n)
	MUST_CHECK; /* [a, b] -> { a: null, b: null } */
struct err *short_file_mount(const struct schema_ctx *c, struct node **n)
	MUST_CHECK; /* a secret or config */
struct err *short_env_file(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_extends(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_device(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_count(const struct schema_ctx *c, struct node **n) MUST_CHECK; /* of GPUs: all is -1 */
struct err *short_gpus(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_ssh(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_external(const struct schema_ctx *c, struct node **n)
	MUST_CHECK; /* external: { name: x } */
struct err *short_include(const struct schema_ctx *c, struct node **n) MUST_CHECK;
struct err *short_health_test(const struct schema_ctx *c, struct node **n) MUST_CHECK;

/* Words of a command line as a shell splits it: quotes and backslashes, nothing else (short.c). */
struct err *words_split(const char *text, struct strv *to) MUST_CHECK;
/* Go's text of a duration. */
char *duration_text(int64_t ns);

#endif
