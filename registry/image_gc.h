/* registry/image_gc.h -- blobs and layers that nothing refers to. */
#ifndef REGISTRY_IMAGE_GC_H
#define REGISTRY_IMAGE_GC_H

#include "core/store/dirs.h"
#include "registry/index.h"

/* Remove blobs and layers that neither IX nor IN_USE needs.  While a pull is under way nothing is removed: it may count
 * on a layer that no entry names yet; the next time will do. */
struct err *image_gc(struct store *st, const struct index *ix, const struct strv *in_use,
		     uint64_t *freed) MUST_CHECK;

#endif
