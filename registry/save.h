/* registry/save.h -- images as one tar: an OCI image layout with Docker's manifest.json beside it, as `docker save` of
 * version 25 and later writes it.  Docker, podman, skopeo and containerd read it.
 * Blobs are those of the store, byte by byte: digests stay.  The same images give the same archive.
 * Sources: OCI image-layout.md; moby/image/spec/spec.md (manifest.json); containerd, images/archive (annotations). */
#ifndef REGISTRY_SAVE_H
#define REGISTRY_SAVE_H

#include "core/store/dirs.h"

/* Write the images NAMES to FD.  A repository without a tag is all its tags here; an id is the image without names.
 * Errors: no such image; EPIPE: the reader is gone. */
struct err *image_save(struct store *st, const struct strv *names, int fd) MUST_CHECK;

#endif
