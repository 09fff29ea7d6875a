/* cmd/boxfilter.h -- which containers the filters of a list mean. */
#ifndef CMD_BOXFILTER_H
#define CMD_BOXFILTER_H

#include "core/box/box.h"

struct boxfilter {
	const struct strv *filters; /* the caller's, "key=value" */
	int64_t before_ns, since_ns; /* made before and after */
};
/* Errors: a key or a value that is not known, a container of before= or since= that does not exist. */
struct err *boxfilter_open(struct boxfilter *f, struct store *st, const struct strv *filters) MUST_CHECK;
bool boxfilter_passes(const struct boxfilter *f, const struct box *b);
/* Does a filter say itself which states are meant?  Then those that do not run are, too. */
bool boxfilter_names_state(const struct boxfilter *f);

#endif
