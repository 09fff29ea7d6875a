/* registry/put.h -- an image whose layers are in the store becomes one that can be found: its configuration and
 * manifest are written, and its entries in index.json. */
#ifndef REGISTRY_PUT_H
#define REGISTRY_PUT_H

#include "registry/image.h"
#include "registry/manifest.h"

struct image_put {
	const char *config; /* the document */
	size_t config_len;
	const struct descriptor *layers; /* bottom first; media type NULL: LAYER_TYPE */
	size_t n_layers;
	uint64_t bytes; /* of the unpacked layers */
	const struct strv *refs; /* full references; none: a dangling image */
	/* Layers that may not have reached the disk yet: a process that stays behind sees to that. */
	const struct strv *diff_ids;
};
/* *RET_ID: "sha256:...", the caller's. */
struct err *image_put(struct store *st, const struct image_put *p, char **ret_id) MUST_CHECK;

/* The descriptors of an image's layers, appended to *LAYERS (the caller's, each ends with descriptor_done()). */
struct err *image_layers(struct store *st, const struct image *img, struct descriptor **layers,
			 size_t *n) MUST_CHECK;

/* Leave a process behind that syncs the storage and notes that the layers and the image with the manifest DIGEST (NULL:
 * none) are on disk for sure.  Until then their marks and entries carry this boot's id. */
void image_sync_later(struct store *st, const char *digest, const struct strv *diff_ids);

#endif
