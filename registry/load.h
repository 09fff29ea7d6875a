/* registry/load.h -- images out of an archive: what `save` of devbox, Docker, podman or skopeo wrote.
 *
 * An OCI image layout is taken as it is, digests stay; of Docker's form (manifest.json) layers that are not compressed
 * get compressed, so that they can be pushed.  An archive may be hostile: nothing of it is used but through
 * digests that were computed here, and all parsing happens in a child inside the user namespace. */
#ifndef REGISTRY_LOAD_H
#define REGISTRY_LOAD_H

#include "core/store/dirs.h"

struct load_opts {
	void (*progress)(void *arg, uint64_t done,
			 bool unpacking); /* bytes read; runs in the child; may be NULL */
	void *arg;
};

/* Load all images of the archive FD, tar, perhaps compressed.  Appends "Loaded image: NAME" or "Loaded image ID:
 * sha256:..." to REPORT.  Errors: what is wrong with the archive; nothing is loaded then. */
struct err *image_load(struct store *st, int fd, const struct load_opts *opts, struct strv *report)
	MUST_CHECK;

#endif
