/* core/store/trash.h -- what was removed stays for a while: directories of the store move to trash/<id>/ and come back
 * with trash_restore().
 *
 *	trash/<16 hex>/{item.json,what/}
 * Time and room are bounded: trash_expire() ends items older than DEVBOX_TRASH_DAYS (7) days, then the oldest ones
 * until all of them together take at most DEVBOX_TRASH_BUDGET (20g).  Both may be 0: things are removed at once.
 * Items of one command carry the same batch, so that they come back together. */
#ifndef CORE_STORE_TRASH_H
#define CORE_STORE_TRASH_H

#include <stdint.h>

#include "core/store/dirs.h"

struct trash_policy {
	unsigned days;
	uint64_t budget_bytes;
};
/* From the environment, or the defaults.  Errors: a variable that is no number. */
struct err *trash_policy(struct trash_policy *ret) MUST_CHECK;

struct trash_item {
	char *id; /* 16 hex digits */
	char *kind; /* "volume", or what the caller says */
	char *name; /* as the user knows it */
	char *origin; /* where it was, relative to the store: "volumes/app" */
	char *reason; /* the command: "volume rm" */
	char *batch; /* equal for what went together */
	int64_t gone_ns, until_ns;
	uint64_t bytes;
};
struct trash_list {
	struct trash_item *v;
	size_t n, cap;
};
void trash_list_done(struct trash_list *l);

/* 16 random hex digits, the caller's. */
char *trash_batch(void);
/* The volume NAME is put there, and what lies at REPLACEMENT (relative to the store: a volume, or an item's what/) is
 * the volume from then on, in one step: whoever dies in between leaves the old one or the new one. */
struct err *trash_swap(struct store *st, const char *name, const char *replacement,
		       const char *reason, const char *batch) MUST_CHECK;
/* The newest first. */
struct err *trash_list(struct store *st, struct trash_list *ret) MUST_CHECK;
/* Back to its origin, or beside it under NEW_NAME (volumes only).  Errors: the place is taken. */
struct err *trash_restore(struct store *st, const struct trash_item *it, const char *new_name)
	MUST_CHECK;
/* End an item for good. */
struct err *trash_remove(struct store *st, const struct trash_item *it) MUST_CHECK;
/* See above.  ALL: everything that is in it.  *RET_FREED_BYTES may be NULL. */
struct err *trash_expire(struct store *st, bool all, uint64_t *ret_freed_bytes) MUST_CHECK;

/* A volume's own: to the trash, or away at once if POLICY says so. */
struct err *trash_volume(struct store *st, const char *name, const char *reason, const char *batch)
	MUST_CHECK;

#endif
