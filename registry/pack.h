/* registry/pack.h -- a layer's tar stream on its way into the store: hashed (the diff id), compressed with gzip (ISA-L,
 * several times as fast as zlib), hashed again (the blob's digest), written. */
#ifndef REGISTRY_PACK_H
#define REGISTRY_PACK_H

#include <stdint.h>

#include "registry/image_ref.h"

struct pack;
/* OUT, a file to write to, stays the caller's. */
struct pack *pack_new(int out);
struct err *pack_add(void *pack, const void *data, size_t len) MUST_CHECK;
/* Ends the stream: "sha256:..." into buffers of DIGEST_LEN + 1 bytes. */
struct err *pack_end(struct pack *p, char *ret_diff_id, char *ret_blob, uint64_t *ret_blob_size)
	MUST_CHECK;
void pack_free(struct pack *p);

#endif
