/* registry/image.h -- images in the store: find, list, tag, remove.
 * An image is an entry of index.json (annotation org.opencontainers.image.ref.name = the full reference, e.g.
 * "docker.io/library/mysql:latest") pointing at the manifest for this platform; the layers are unpacked under layers/.
 * An entry is only visible once every blob was verified and every layer is complete. */
#ifndef REGISTRY_IMAGE_H
#define REGISTRY_IMAGE_H

#include "core/base/json.h"
#include "core/store/dirs.h"
#include "registry/image_ref.h"

struct image {
	char *ref; /* full reference "docker.io/library/mysql:latest"; NULL for an untagged (dangling) image */
	char *id; /* "sha256:" + 64 hex: digest of the config blob, as docker images shows it */
	char *digest; /* digest of the manifest in the store */
	char *repo_digest; /* digest the registry gave for the name (index or manifest): what users pin; may be NULL */
	struct strv diff_ids; /* "sha256:..." bottom first, none twice; layers/<hex> */
	int64_t size_bytes; /* unpacked */
	int64_t created_ns;
	json *config; /* the whole config blob; "config" member holds Env, Cmd, ... */
	/* views of config->config; zero if absent */
	struct strv entrypoint, cmd, env;
	char *workdir, *user, *stop_signal; /* may be NULL */
	char *os, *arch;
	struct strv volumes; /* paths */
	struct strv exposed; /* "3306/tcp" */
	struct strv labels; /* "key=value" */
};
void image_free(struct image *img);

/* Find what the user typed: a reference, or an image id (prefix, with or without "sha256:").  Errors: errno ENOENT
 * "No such image: X" if absent (or not usable any more), errno 0 if ambiguous. */
struct err *image_find(struct store *st, const char *text, struct image **ret) MUST_CHECK;
/* All images, newest first; the caller frees each and the array. */
struct err *image_list(struct store *st, struct image ***ret, size_t *ret_n) MUST_CHECK;
/* Add the name TARGET to what SOURCE names. */
struct err *image_tag(struct store *st, const char *source, const char *target) MUST_CHECK;
/* An event of the image ID, known as NAME (or the id again): "pull", "tag", "untag", "delete", "import", ... */
void image_event(struct store *st, const char *action, const char *id, const char *name);
/* Remove the name (or, given an id, all names of the image; refused without FORCE if several names
 * or in use by a container: IN_USE holds the image ids of containers).  Appends "Untagged: ..." /
 * "Deleted: sha256:..." lines to REPORT. */
struct err *image_remove(struct store *st, const char *text, bool force, const struct strv *in_use,
			 struct strv *report) MUST_CHECK;
/* Remove dangling images (ALL: every image not in IN_USE) and blobs and layers nothing refers to. */
struct err *image_prune(struct store *st, bool all, const struct strv *in_use, struct strv *report,
			uint64_t *ret_freed_bytes) MUST_CHECK;
/* Remove blobs and layers that nothing refers to, and nothing else. */
struct err *image_collect(struct store *st, const struct strv *in_use, uint64_t *ret_freed_bytes)
	MUST_CHECK;

#endif
