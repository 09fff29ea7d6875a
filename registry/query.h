/* registry/query.h -- questions to registries that bring nothing into the store.
 * Each reads configuration and credentials as the calling user, then asks in a child inside the user namespace.
 * Sources: OCI distribution-spec 1.1 (listing tags, manifests); Docker Hub's /v1/search. */
#ifndef REGISTRY_QUERY_H
#define REGISTRY_QUERY_H

#include "registry/auth.h"
#include "registry/image_ref.h"

enum { QUERY_TAGS_MAX = 10000 };

/* All tags of REF's repository, as the registry sorts them; at most QUERY_TAGS_MAX.  CREDS, here and below: for this
 * registry, in place of those that are kept; may be NULL. */
struct err *query_tags(const struct image_ref *ref, const struct auth_creds *creds, struct strv *ret)
	MUST_CHECK;

/* What REF names, as one JSON document: the manifest or index itself; ALL: an object {"Ref", "Descriptor",
 * "OCIManifest" or "SchemaV2Manifest"}, of an index a list of these, one for each of its manifests.  The caller frees
 * *ret. */
struct err *query_manifest(const struct image_ref *ref, const struct auth_creds *creds, bool all,
			   char **ret, size_t *ret_len) MUST_CHECK;

/* What REF names, without its content: {"descriptor": {"mediaType", "digest", "size"}, "platforms": [{"architecture",
 * "os", "variant"}]}.  The caller frees *ret. */
struct err *query_descriptor(const struct image_ref *ref, const struct auth_creds *creds,
			     char **ret, size_t *ret_len) MUST_CHECK;

/* Docker Hub's answer for TERM, at most LIMIT results: a document {"results": [{"name", "description", "star_count",
 * "is_official", "is_automated"}]}.  The caller frees *ret. */
struct err *query_search(const char *term, unsigned limit, char **ret, size_t *ret_len) MUST_CHECK;

#endif
