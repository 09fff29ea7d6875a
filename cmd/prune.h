/* cmd/prune.h -- removing what nobody uses. */
#ifndef CMD_PRUNE_H
#define CMD_PRUNE_H

#include "core/box/box.h"

/* Containers that do not run any more, or never did; but not a branch's database, which is only asleep.  FILTERS:
 * label, label!, until.  Their ids are appended to REMOVED. */
struct err *boxes_prune(struct store *st, const struct strv *filters, struct strv *removed,
			uint64_t *freed) MUST_CHECK;

#endif
