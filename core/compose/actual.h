/* core/compose/actual.h -- what is there of a project: its containers, found by their labels. */
#ifndef CORE_COMPOSE_ACTUAL_H
#define CORE_COMPOSE_ACTUAL_H

#include "core/box/box.h"

struct actual {
	const char *service, *hash, *image_id, *replaces; /* labels, in BOX; replaces: NULL mostly */
	unsigned number;
	bool oneoff;
	bool up; /* it runs, or is between two runs */
	bool completed; /* it ended with 0 */
	struct box *box; /* NULL in unit tests of plan.c */
	const char *name;
};

struct actuals {
	struct actual *v; /* by service, then number, then age (newest first) */
	size_t n;
	struct box **boxes; /* what V points into */
	size_t n_boxes;
};

/* All containers of PROJECT; NULL: of any project. */
struct err *actuals_load(struct store *st, const char *project, struct actuals *ret) MUST_CHECK;
void actuals_done(struct actuals *a);
#define _cleanup_actuals_ _cleanup_(actuals_done)

/* The value of a label of B, or NULL. */
const char *box_label(const struct box *b, const char *key);
/* Where SERVICE's containers begin in A; *RET_N of them. */
struct actual *actuals_of(const struct actuals *a, const char *service, size_t *ret_n);

#endif
