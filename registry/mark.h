/* registry/mark.h -- which unpacked layers can be trusted: layers/<hex>.ok beside the directory layers/<hex>.
 *
 * The mark holds the layer's size and, until everything has reached the disk, the id of the boot in which it was
 * unpacked: after a power loss such a layer may hold files without contents, so under another boot it counts as
 * absent.  (Waiting for the disk before a layer is used would make every pull wait; see registry/pull.c.) */
#ifndef REGISTRY_MARK_H
#define REGISTRY_MARK_H

#include <stdint.h>

#include "core/store/dirs.h"

#define MARK_SUFFIX ".ok"

/* DIGEST is the diff id, "sha256:...", or that of a copy of the layer for another user namespace, which has a "." and
 * further text behind the diff id; copies go with their layer (core/box/keepid.h). */
struct err *mark_write(struct store *st, const char *digest, uint64_t size, bool on_disk) MUST_CHECK;
/* Is the layer there and to be trusted?  Its size is written if so. */
bool mark_check(struct store *st, const char *digest, uint64_t *ret_size);
/* After a sync: the layer is on disk, if it is still there. */
struct err *mark_on_disk(struct store *st, const char *digest) MUST_CHECK;
void mark_remove(struct store *st, const char *digest);
/* What the copies of the layers DIFF_IDS take. */
uint64_t mark_copies(struct store *st, const struct strv *diff_ids);

#endif
