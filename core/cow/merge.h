/* core/cow/merge.h -- a thin tree takes over what it uses of the tree below it, which is of no use to anybody else. */
#ifndef CORE_COW_MERGE_H
#define CORE_COW_MERGE_H

#include "core/cow/serve.h"

/* dirs->fd[0] (thin) absorbs dirs->fd[1]: afterwards no link of it leads there, and what is left there can be removed.
 * Nobody may have either of them mounted, and no other tree may stand on the second one.  As root of the user
 * namespace.  What is seen does not change at any moment, also not by a crash: call it again then. */
struct err *cow_absorb(const struct cow_dirs *dirs) MUST_CHECK;
/* The same with all trees below but the lowest KEEP ones; others use them, and they stay as they are.  KEEP 0:
 * dirs->fd[0] becomes a full copy. */
struct err *cow_flatten(const struct cow_dirs *dirs, size_t keep) MUST_CHECK;

#endif
