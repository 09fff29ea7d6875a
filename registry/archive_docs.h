/* registry/archive_docs.h -- the documents in an archive of images: Docker's manifest.json.  Pure, no I/O.
 * An archive may come from anybody: types, lengths and counts are checked; what its paths mean is for the caller.
 * Source: moby/image/spec/spec.md ("Combined Image JSON + Filesystem Changeset Format"). */
#ifndef REGISTRY_ARCHIVE_DOCS_H
#define REGISTRY_ARCHIVE_DOCS_H

#include "core/base/str.h"

enum {
	ARCHIVE_IMAGES_MAX = 1000,
	ARCHIVE_NAMES_MAX = 1000, /* of one image */
};

struct archive_image {
	char *config; /* path of the configuration in the archive */
	struct strv layers; /* paths, bottom first */
	struct strv refs; /* full references with a tag; none twice */
};
struct archive_images {
	struct archive_image *v;
	size_t n;
};

/* Errors: what is malformed, errno 0. */
struct err *archive_images_parse(const char *text, size_t len, struct archive_images *ret) MUST_CHECK;
void archive_images_done(struct archive_images *a);

/* The full reference that the annotations NAME ("io.containerd.image.name") and TAG
 * ("org.opencontainers.image.ref.name") of an index's entry give; either may be NULL.  NULL if they name nothing: a
 * lone tag does not.  The caller frees it. */
char *archive_ref(const char *name, const char *tag);

#endif
