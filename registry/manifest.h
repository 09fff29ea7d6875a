/* registry/manifest.h -- manifests, indexes and image configurations as documents.  Pure, no I/O.
 * Sources: OCI image-spec 1.1 (descriptor, image-index, manifest, config), Docker image manifest version 2 schema 2.
 * Everything here may be hostile: types, lengths, counts and sizes are checked. */
#ifndef REGISTRY_MANIFEST_H
#define REGISTRY_MANIFEST_H

#include "core/base/json.h"

enum {
	MANIFEST_MAX_BYTES = 4 << 20, /* what registries themselves accept */
	CONFIG_BLOB_MAX_BYTES = 8 << 20,
	LAYERS_MAX = 500, /* overlayfs takes 500 lower directories */
	PLATFORMS_MAX = 1000,
};
#define LAYER_MAX_BYTES ((int64_t)1 << 40)
enum { SIZE_UNKNOWN = -1 }; /* of a descriptor, see schema1.h */

#define MANIFEST_ACCEPT                                                                            \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "    \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.docker.distribution.manifest.v2+json"

/* Those of what is made here. */
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"

struct descriptor {
	char *media_type; /* may be NULL */
	char *digest; /* valid, see digest_is_valid() */
	int64_t size;
};
void descriptor_done(struct descriptor *d);

struct platform {
	char *os, *arch, *variant; /* variant may be NULL */
};
/* "linux/arm64/v8", "linux/amd64", "arm64"; Docker's aliases (x86_64, aarch64, armhf) are understood.  Errors: what is
 * wrong with TEXT. */
struct err *platform_parse(const char *text, struct platform *ret) MUST_CHECK;
void platform_own(struct platform *ret); /* of this machine */
char *platform_text(const struct platform *p); /* the caller frees it */
void platform_done(struct platform *p);

enum manifest_kind { MANIFEST_INDEX, MANIFEST_IMAGE, MANIFEST_KIND_MAX };

struct manifest {
	enum manifest_kind kind;
	char *media_type; /* as the document or the server says; never NULL */
	struct descriptor config;
	struct descriptor *layers; /* bottom first */
	size_t n_layers;
};

/* Read a manifest document.  CONTENT_TYPE is the server's, NULL if unknown.  Of an index the entry for WANT is written
 * to *ret_entry (kind MANIFEST_INDEX, the rest zero); of an image the layers.  Errors: schema 1 (see schema1.h), an
 * artifact that is not an image, no entry for the platform (names those there are), anything malformed. */
struct err *manifest_parse(const char *text, size_t len, const char *content_type,
			   const struct platform *want, struct manifest *ret,
			   struct descriptor *ret_entry) MUST_CHECK;
void manifest_done(struct manifest *m);
/* An image's manifest as a document; a layer without a media type is of LAYER_TYPE.  The caller frees it. */
char *manifest_text(const struct manifest *m, size_t *ret_len);

/* The members of an image's configuration that a pull needs.  N_LAYERS is the number the manifest has.  Appends the
 * diff ids.  Errors: malformed, or a number of layers that does not fit, or another platform than
 * WANT (may be NULL). */
struct err *config_parse(const char *text, size_t len, size_t n_layers, const struct platform *want,
			 struct strv *diff_ids) MUST_CHECK;

/* The message in a registry's error document ({"errors":[{"code","message","detail"}]}), or NULL.  The caller frees. */
char *registry_error_text(const char *text, size_t len);

#endif
