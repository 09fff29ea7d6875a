/* registry/layer.h -- unpacking a layer, a tar stream, into a directory.
 * Source: OCI image-spec, layer.md; overlayfs.rst ("userxattr").
 *
 * To be called inside the user namespace, as its root.  Whatever the stream says, nothing outside ROOT is touched: names
 * are cleaned as Docker cleans them, a name that leads out of the root is an error, and directories on the way are
 * resolved as a chroot would (openat2(2)).  Whiteouts become what overlayfs understands: ".wh.NAME" a character device
 * 0:0 called NAME, ".wh..wh..opq" the attribute user.overlay.opaque.  Devices are left out; so are owners that are
 * not mapped and attributes that cannot be set, and both are counted.  The umask must be 0. */
#ifndef REGISTRY_LAYER_H
#define REGISTRY_LAYER_H

#include <stdint.h>

#include "core/ns/userns.h"

/* Gives the next piece of the stream, valid until the next call; *ret_len 0 is its end. */
struct layer_source {
	struct err *(*read)(void *arg, const void **ret_data, size_t *ret_len);
	void *arg;
};

struct layer_stats {
	uint64_t bytes; /* of file contents, without holes */
	uint64_t entries;
	uint64_t devices; /* left out */
	uint64_t owners; /* not mapped here */
	uint64_t attributes; /* that could not be set */
};

/* Unpack into the empty directory ROOT and read SRC to its end.  Errors name the entry. */
struct err *layer_unpack(int root, const struct userns_ids *ids, const struct layer_source *src,
			 struct layer_stats *ret) MUST_CHECK;

/* NAME without empty and "." components and leading slashes, ".." taken back; "" for the root.  Pure.  False if it
 * leads out of the root.  The caller frees *ret. */
bool layer_clean_name(const char *name, char **ret) MUST_CHECK;

#endif
