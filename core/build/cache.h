/* core/build/cache.h -- what earlier builds did: cache/build/<key>, one small JSON file for each step, and layers/.
 *
 * A key is a hash over everything that can change what a step does: the key of the step before, the instruction with
 * its variables filled in, the contents of the files it takes.  The record names the layer that came of it.
 *
 * A new layer lies under a made-up name, layers/<random>, and has no blob, until an image needs it: cache_pack() then
 * writes its tar stream, which gives it its real name, the diff id.  The made-up name stays as a link for whoever has
 * read it from the record.  Records keep layers and blobs from being collected (registry/image_gc.c); builds hold
 * cache/gc.lock, shared, so that nothing they have looked up goes away. */
#ifndef CORE_BUILD_CACHE_H
#define CORE_BUILD_CACHE_H

#include "core/build/tree.h"
#include "registry/image_ref.h"

enum { LAYER_LEN = DIGEST_LEN };

struct cached {
	char key[HASH_LEN + 1]; /* what the next step builds on: usually the record's own */
	bool empty; /* nothing was changed: there is no layer */
	char layer[LAYER_LEN + 1]; /* "sha256:<hex>": the diff id if packed, else a made-up one */
	bool packed;
	char blob[DIGEST_LEN + 1]; /* if packed */
	uint64_t blob_size, bytes; /* compressed; unpacked */
	int64_t created_ns;
};

/* What KEY's step made; false if it is not known (any more).  Counts as a use of the record. */
bool cache_get(struct store *st, const char *key, struct cached *ret);
struct err *cache_put(struct store *st, const char *key, const struct cached *c) MUST_CHECK;
/* TMP/UPPER becomes a layer under a made-up name; fills C's layer, packed and bytes. */
struct err *cache_take_layer(struct store *st, int tmp, const char *upper, struct cached *c) MUST_CHECK;
/* Give the layer its blob, its real name and a new record.  As the namespace's root.  LATEST_S: see tarout.h. */
struct err *cache_pack(struct store *st, const char *key, const int64_t *latest_s, struct cached *c)
	MUST_CHECK;
/* After a build, which must have let go of gc.lock.  Unless another one is under way: remove the records used longest
 * ago until the rest fits the bounds, and the links that made-up names of layers have become. */
void cache_tidy(struct store *st);

#endif
