/* registry/blob.h -- the content store: blobs/sha256/<hex>, each under the name of its own digest.
 * A blob appears there by rename after its digest was checked, and never changes.  What has been downloaded of a blob
 * so far is kept as cache/<hex>.part, locked by who downloads it; the next pull, of whichever
 * process, goes on there. */
#ifndef REGISTRY_BLOB_H
#define REGISTRY_BLOB_H

#include <stdint.h>

#include "core/store/dirs.h"
#include "registry/client.h"
#include "registry/manifest.h"

/* The hex digits of DIGEST: the blob's file name. */
const char *blob_name(const char *digest);
bool blob_exists(struct store *st, const char *digest);
/* "sha256:..." of DATA into BUF of DIGEST_LEN + 1 bytes. */
void blob_digest(const void *data, size_t len, char *buf);

/* A small blob as text, from the store alone.  CHECK: compute its digest (a blob of another boot may be damaged).
 * Errors: ENOENT if it is not there. */
struct err *blob_read(struct store *st, const char *digest, size_t max, bool check, char **ret_text,
		      size_t *ret_len) MUST_CHECK;
struct err *blob_write(struct store *st, const char *digest, const void *data, size_t len) MUST_CHECK;
/* A small blob from the store, else from the registry (and then also into the store), checked either way.  KIND is
 * where registries keep it, "blobs" or "manifests". */
struct err *blob_fetch(struct store *st, struct client *c, struct http *h, const char *kind,
		       const struct descriptor *d, char **ret_text, size_t *ret_len) MUST_CHECK;

/* Who follows a blob while it streams by. */
struct blob_follower {
	/* Errors with an errno (no space) end the stream.  Others say that the content makes no sense: then the rest is
	 * still fetched, to find out whether it is the content that was meant. */
	struct err *(*feed)(void *arg, const void *data, size_t len);
	void (*progress)(void *arg, uint64_t done); /* bytes there are, called often */
	void (*waiting)(void *arg); /* another process downloads it */
	void *arg;
};

struct blob_outcome {
	bool wrong_digest; /* the bytes are not those that were asked for: what FEED said about them is void */
	bool again; /* what the store held of it was damaged and is gone: a second call starts from nothing */
};

/* Stream the blob D (its size may be SIZE_UNKNOWN) through F: from the store, or what is there of it and then from the
 * registry (C NULL: none).  Success: its digest is right and it is in the store.  What arrived before the connection
 * broke is kept; bytes found bad are not. */
struct err *blob_stream(struct store *st, struct client *c, struct http *h, const struct descriptor *d,
			const struct blob_follower *f, struct blob_outcome *ret) MUST_CHECK;

/* SHA-256 in pieces. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
/* "sha256:..." into BUF of DIGEST_LEN + 1 bytes; S starts anew. */
void sha256_text(struct sha256 *s, char *buf);

/* lock_take() on a lock file that goes away with its holder: waits until NAME in DIR is ours, calling WAITING (may be
 * NULL) if that takes time.  Unlinked by lock_drop(). */
struct err *lock_hold(int dir, const char *name, void (*waiting)(void *arg), void *arg, int *ret_fd)
	MUST_CHECK;
void lock_drop(int dir, const char *name, int fd);

#endif
