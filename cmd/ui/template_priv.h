/* cmd/ui/template_priv.h -- what the parts of the template engine share: values, the tree of a template.
 *
 * template_parse.c makes the tree, template.c walks it, template_func.c has the functions, template_val.c the
 * values. */
#ifndef CMD_UI_TEMPLATE_PRIV_H
#define CMD_UI_TEMPLATE_PRIV_H

#include <ctype.h>

#include "cmd/ui/template.h"
#include "core/base/arena.h"

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

static inline struct val val_str(const char *s)
{
	return (struct val){ .kind = V_STR, .s = s };
}

static inline struct val val_bool(bool b)
{
	return (struct val){ .kind = V_BOOL, .b = b };
}

static inline struct val val_int(int64_t i)
{
	return (struct val){ .kind = V_INT, .i = i };
}

static inline double val_double(const struct val *v)
{
	return v->kind == V_INT ? (double)v->i : v->f;
}

static inline bool val_is_number(const struct val *v)
{
	return v->kind == V_INT || v->kind == V_FLOAT;
}

struct val val_number(const char *digits);
/* KEY: under which name J was found, or NULL. */
struct val val_json(json *j, const char *key);
bool val_is_list(const struct val *v);
bool val_is_true(const struct val *v);
size_t val_len(const struct val *v);
struct val val_at(const struct val *list, size_t i);
const char *val_kind_word(const struct val *v); /* "a number" */
/* The keys of an object in Go's order (sorted), NULL-ended. */
const char **val_keys(struct arena *a, json *object);
/* As fmt.Print shows it; TOP: not inside a list or map. */
void val_print(struct arena *a, const struct val *v, bool top, struct str *out);
void val_json_put(struct json_out *o, const struct val *v);

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

/* "template: LINE:COLUMN: ..." for the byte AT of TEXT. */
struct err *template_error(const char *text, size_t at, const char *fmt, ...) PRINTF(3, 4);
/* May C stand in a name? */
static inline bool template_is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}
void template_add_utf8(struct str *s, unsigned c);

/* --- functions -------------------------------------------------------------------------------- */

struct template_func {
	const char *name;
	unsigned min, max; /* arguments */
};
extern const struct template_func template_funcs[F_MAX];

/* A function called in a template. */
struct func_call {
	struct arena *arena; /* for what it makes */
	const char *text; /* the template's */
	size_t at; /* where in it */
	enum func func; /* neither F_AND nor F_OR */
};
struct err *template_call(const struct func_call *c, const struct val *args, size_t n,
			  struct val *ret) MUST_CHECK;

#endif
