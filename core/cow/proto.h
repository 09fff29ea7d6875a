/* core/cow/proto.h -- requests of the kernel on /dev/fuse, taken apart.  Pure, no I/O.
 * Source: linux/fuse.h; fuse(4). */
#ifndef CORE_COW_PROTO_H
#define CORE_COW_PROTO_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>

/* One request in a buffer aligned to 8 bytes; pointers lead into it. */
struct proto_req {
	const struct fuse_in_header *head;
	const void *arg; /* the operation's own struct, of the length that this version of the protocol has; or NULL */
	const char *name, *name2; /* NUL-ended; NULL where the operation has none */
	const void *data; /* what follows: written bytes, an attribute's value, nodes to forget */
	size_t data_len;
};
/* 0; -ENOSYS: an operation that is not known here; -EINVAL: it is cut short, or a name is none ("", with a slash,
 * longer than 255 bytes, "." and ".."). */
int proto_parse(const void *buf, size_t len, struct proto_req *ret);

#endif
