/* registry/inflate.h -- decompressing a layer as it streams by: gzip (ISA-L), zstd or nothing.
 * The first bytes decide which, not the media type: registries hold layers labelled wrongly, and Docker looks too. */
#ifndef REGISTRY_INFLATE_H
#define REGISTRY_INFLATE_H

#include "core/base/err.h"

/* Where the output goes.  room() gives a buffer to fill, and done() takes the number of bytes put into it. */
struct inflate_sink {
	struct err *(*room)(void *arg, void **ret_buf, size_t *ret_size);
	struct err *(*done)(void *arg, size_t len);
	void *arg;
};

struct inflate;
struct inflate *inflate_new(const struct inflate_sink *sink);
void inflate_free(struct inflate *z);
/* Errors: corrupt data (errno 0), or the sink's own. */
struct err *inflate_feed(struct inflate *z, const void *data, size_t len) MUST_CHECK;
/* No more input: is it complete? */
struct err *inflate_end(struct inflate *z) MUST_CHECK;

#endif
