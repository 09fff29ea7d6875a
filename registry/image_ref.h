/* registry/image_ref.h -- image names: "mysql:8", "example.org/a/b@sha256:...".  Pure, no I/O.
 * Source: distribution/reference, package comment; OCI image-spec, descriptor.md (digest).
 *
 *	[HOST[:PORT]/]PATH[/PATH...][:TAG][@sha256:DIGEST]
 *
 * The first component is a host if it has a '.', a ':' or an upper-case letter or is "localhost"; otherwise the image
 * is on Docker Hub, and there a single component stands in "library/". */
#ifndef REGISTRY_IMAGE_REF_H
#define REGISTRY_IMAGE_REF_H

#include "core/base/err.h"

#define HUB_HOST "docker.io"
#define DIGEST_PREFIX "sha256:"

enum {
	DIGEST_HEX_LEN = 64,
	DIGEST_LEN = 71, /* "sha256:" and 64 hex digits */
	REF_REPO_MAX = 255,
	REF_TAG_MAX = 128,
	REF_HOST_MAX = 259, /* 253 of a DNS name, ':' and a port */
};

struct image_ref {
	char *host; /* "host[:port]", never NULL; HUB_HOST if none was given */
	char *repo; /* at most REF_REPO_MAX bytes, never NULL; "library/mysql" for "mysql" */
	char *tag; /* "latest" if no tag and no digest was given; NULL beside a digest alone */
	char *digest; /* "sha256:" + 64 lower-case hex digits, or NULL */
};

/* Parse TEXT as the user typed it.  Errors: "invalid reference format: <reason> at byte <offset>", errno 0.
 * Owns: after success the caller owns *ret and ends it with image_ref_done(). */
struct err *image_ref_parse(const char *text, struct image_ref *ret) MUST_CHECK;
void image_ref_done(struct image_ref *ref);

/* "docker.io/library/mysql:latest" or "docker.io/library/mysql@sha256:..." (the digest wins over the tag): what an
 * image is recorded under.  The caller frees it. */
char *image_ref_full(const struct image_ref *ref);
/* As Docker shows it: "mysql:latest", "example.org/a/b:1", "mysql@sha256:...".  The caller frees it. */
char *image_ref_familiar(const struct image_ref *ref);
/* The same for a recorded reference; what is none, of another tool, as it is.  The caller frees it. */
char *image_ref_shown(const char *full);
/* Its first part alone, the REPOSITORY column of `images`: "mysql".  The caller frees it. */
char *image_ref_familiar_repo(const struct image_ref *ref);

/* "sha256:" + 64 lower-case hex digits and nothing else? */
bool digest_is_valid(const char *s);

#endif
