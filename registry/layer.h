/* registry/layer.h -- unpacking a layer, a tar stream, into a directory.
 * Source: OCI image-spec, layer.md; overlayfs.rst ("userxattr").
 *
 * To be called inside the user namespace, as its root.  Whatever the stream says, nothing outside
 * ROOT is touched: names are cleaned as Docker cleans them, a name that leads out of the root is an
 * error, and directories on the way are resolved as a chroot would (openat2(2)).  Whiteouts become
 * what overlayfs understands: ".wh.NAME" a character device
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

/* Hard links to files that the layer itself does not hold: they mean those of the layers below. */
struct layer_link {
	char *path, *target; /* clean names */
};
struct layer_links {
	struct layer_link *v;
	size_t n, cap;
};
void layer_links_done(struct layer_links *l);

/* Unpack into the empty directory ROOT and read SRC to its end.  Errors name the entry.  *LINKS (valid in any case) is
 * what still has to be given to layer_copy_links(). */
struct err *layer_unpack(int root, const struct userns_ids *ids, const struct layer_source *src,
			 struct layer_stats *ret, struct layer_links *links) MUST_CHECK;
/* Put copies of the files of the unpacked layers LOWER (topmost first) into ROOT, as overlayfs would for link(2). */
struct err *layer_copy_links(int root, const int *lower, size_t n_lower,
			     const struct layer_links *links) MUST_CHECK;

/* NAME without empty and "." components and leading slashes, ".." taken back; "" for the root.  Pure.  False if it
 * leads out of the root.  The caller frees *ret. */
bool layer_clean_name(const char *name, char **ret) MUST_CHECK;

#endif
