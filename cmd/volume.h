/* cmd/volume.h -- what others need of "devbox volume". */
#ifndef CMD_VOLUME_H
#define CMD_VOLUME_H

#include "core/store/dirs.h"

/* What the user asked for; members may be NULL or empty. */
struct volume_request {
	const char *name; /* NULL: anonymous, a name is made up */
	const char *driver;
	struct strv driver_opts, labels; /* k=v */
};
/* One that is there already is left as it is.  *RET_NAME: the caller frees it. */
struct err *volume_make(struct store *st, const struct volume_request *rq, char **ret_name) MUST_CHECK;
/* The names of those that pass FILTERS (as of "volume ls"), sorted. */
struct err *volumes_filtered(struct store *st, const struct strv *filters, struct strv *ret) MUST_CHECK;
/* Into the trash with NAME, as a part of BATCH (trash_batch()).  Errors: ENOENT "get X: no such volume"; "remove X:
 * volume is in use". */
struct err *volume_discard(struct store *st, const char *name, const char *batch) MUST_CHECK;
/* Remove volumes that no container mounts: the anonymous ones, with ALL the named ones too.
 * Their names are appended to REMOVED. */
struct err *volumes_prune(struct store *st, bool all, const struct strv *filters,
			  struct strv *removed, uint64_t *ret_freed_bytes) MUST_CHECK;
/* Bytes that DIR/NAME takes, seen by the root of the user namespace; 0 if that cannot be told. */
uint64_t tree_bytes(struct store *st, int dir, const char *name);

/* After REMOVED volumes went: what the trash has now, and how it is used or emptied (on stderr). */
void volumes_tell_trash(struct store *st, size_t removed);

#endif
