/* cmd/images.h -- what others need of "devbox images", "history", "search", "image prune". */
#ifndef CMD_IMAGES_H
#define CMD_IMAGES_H

#include "registry/image.h"

/* --filter of "images".  FILTERS stays the caller's. */
struct imagefilter {
	const struct strv *filters;
	int64_t before_ns, since_ns; /* what is younger and older than that passes */
};
struct err *imagefilter_open(struct imagefilter *f, struct store *st, const struct strv *filters)
	MUST_CHECK;
bool imagefilter_passes(const struct imagefilter *f, const struct image *img);

/* Bytes of the layer that each step of IMG's history made, an array of as many as there are steps; the caller frees
 * it. */
uint64_t *history_sizes(struct store *st, const struct image *img);

/* Remove the images without a name, ALL: those too that no container uses; with FILTERS (of labels) and UNTIL_NS only
 * those made before it.  What was removed is appended to REMOVED: "untagged: NAME", "deleted: ID". */
struct err *images_prune(struct store *st, bool all, const struct strv *filters, int64_t until_ns,
			 struct strv *removed, uint64_t *ret_freed_bytes) MUST_CHECK;

/* --filter of "search", and whether FOUND, one of Docker Hub's results, passes. */
struct err *search_filters_check(const struct strv *filters) MUST_CHECK;
bool search_filters_pass(const struct strv *filters, json *found);

/* "builder prune": cached steps that were not used after UNUSED_SINCE_NS (0: all), ALL: cache mounts, too; and the
 * layers that then nobody has. */
struct err *builds_prune(struct store *st, bool all, int64_t unused_since_ns,
			 uint64_t *ret_freed_bytes) MUST_CHECK;

#endif
