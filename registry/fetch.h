/* registry/fetch.h -- the layers of an image: each brought into the store, checked and unpacked once.
 *
 * Per layer: socket (or the blob in the store) -> SHA-256 -> cache/<hex>.part -> decompressor -> ring -> SHA-256 -> tar
 * -> files in tmp/layer.<random>.  If both digests fit: .part becomes blobs/sha256/<hex>, the staging directory becomes
 * layers/<diff id>, and its mark is written.  A lock per diff id makes a second process wait and then find it there.
 * To be used inside the user namespace, as its root, with umask 0; what is left allocated goes with the process. */
#ifndef REGISTRY_FETCH_H
#define REGISTRY_FETCH_H

#include "registry/client.h"
#include "registry/manifest.h"
#include "registry/pull.h"

struct fetch;
/* PROGRESS may be NULL; it is called by one thread at a time. */
struct fetch *fetch_new(struct store *st, void (*progress)(void *arg, const struct pull_event *ev),
			void *arg);
/* Report; LAYER as in struct pull_event.  Before fetch_layers() only -1. */
void fetch_tell(struct fetch *f, enum pull_phase phase, int layer, uint64_t done, const char *text);

/* Bring all layers of M into the store, those of DIFF_IDS; C is the repository they come from, NULL if the blobs are in
 * the store.  *RET_BYTES: unpacked. */
struct err *fetch_layers(struct fetch *f, const struct registry_config *cfg, struct client *c,
			 const struct manifest *m, const struct strv *diff_ids, uint64_t *ret_bytes)
	MUST_CHECK;

/* For a manifest that does not say what its layers unpack to, or their sizes: bring their blobs into the store and find
 * out.  Diff ids are appended to RET, sizes written into M. */
struct err *fetch_learn(struct fetch *f, const struct registry_config *cfg, struct client *c,
			struct manifest *m, struct strv *ret) MUST_CHECK;

#endif
