/* registry/push.h -- bring an image of the store into a registry.
 * Source: OCI distribution-spec 1.1 (pushing blobs, mounting, pushing manifests); distribution/docs/spec/api.md.
 *
 * The manifest goes up byte by byte as it is in the store: an image that was pulled and is pushed again keeps its
 * digest. */
#ifndef REGISTRY_PUSH_H
#define REGISTRY_PUSH_H

#include "registry/pull.h"

struct push_opts {
	const struct auth_creds *creds; /* for this registry, in place of those that are kept; may be NULL */
	void (*progress)(void *arg, const struct pull_event *ev); /* runs in the pushing child process; may be NULL */
	void *arg;
};

/* Push the image REF, a full reference with a tag, see image_ref_full().  Reads credentials as the calling user, then
 * works in a child inside the user namespace.  *RET_DIGEST (the caller frees it) and *RET_SIZE are the manifest's.
 * Errors: no such image in the store; access denied; what the registry said. */
struct err *push_image(struct store *st, const char *ref, const struct push_opts *opts,
		       char **ret_digest, int64_t *ret_size) MUST_CHECK;

#endif
