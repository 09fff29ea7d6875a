/* cmd/network.h -- what other verbs need of "devbox network". */
#ifndef CMD_NETWORK_H
#define CMD_NETWORK_H

#include "core/store/dirs.h"

/* Remove the networks that no container is on and that pass the label FILTERS.  Their names are appended to REMOVED. */
struct err *networks_prune(struct store *st, const struct strv *filters, struct strv *removed)
	MUST_CHECK;

#endif
