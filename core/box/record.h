/* core/box/record.h -- config.json in a container's directory: its spec. */
#ifndef CORE_BOX_RECORD_H
#define CORE_BOX_RECORD_H

#include "core/box/box.h"

struct err *record_read(int box_dir, struct spec *ret) MUST_CHECK;
struct err *record_write(int box_dir, const struct spec *s, bool sync) MUST_CHECK;
/* Read it again under the store's lock (somebody may have changed it since B was read), have FN change it, write it.
 * After success it is B's spec; after an error B's is as it was. */
struct err *record_change(struct box *b, struct err *(*fn)(struct box *b, struct spec *s, void *arg),
			  void *arg) MUST_CHECK;

#endif
