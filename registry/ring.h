/* registry/ring.h -- a few buffers between two threads: one fills them, the other empties them, in order. */
#ifndef REGISTRY_RING_H
#define REGISTRY_RING_H

#include "core/base/err.h"

struct ring;
struct ring *ring_new(void);
void ring_free(struct ring *r);

/* The writer: the free rest of the current buffer (waits for the reader if there is none), and how much of it was used.
 * Errors: ECANCELED, the reader is gone. */
struct err *ring_room(struct ring *r, void **ret_buf, size_t *ret_size) MUST_CHECK;
struct err *ring_done(struct ring *r, size_t len) MUST_CHECK;
/* No more comes: the end of the stream, or (not OK) a failure of the writer. */
void ring_end(struct ring *r, bool ok);

/* The reader: the next piece, valid until the next call; *ret_len 0 is the end.  Errors: ECANCELED,
 * the writer failed. */
struct err *ring_read(struct ring *r, const void **ret_data, size_t *ret_len) MUST_CHECK;
/* The reader takes no more. */
void ring_close(struct ring *r);

#endif
