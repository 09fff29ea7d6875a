/* cmd/volume.h -- which volumes nobody uses; for `volume` and `prune`. */
#ifndef CMD_VOLUME_H
#define CMD_VOLUME_H

#include "core/store/dirs.h"

/* Remove volumes that no container mounts: the anonymous ones, with ALL the named ones too.
 * Their names are appended to REMOVED. */
struct err *volumes_prune(struct store *st, bool all, const struct strv *filters,
			  struct strv *removed, uint64_t *ret_freed_bytes) MUST_CHECK;
/* Bytes that DIR/NAME takes, seen by the root of the user namespace; 0 if that cannot be told. */
uint64_t tree_bytes(struct store *st, int dir, const char *name);

/* After REMOVED volumes went: what the trash has now, and how it is used or emptied (on stderr). */
void volumes_tell_trash(struct store *st, size_t removed);

#endif
