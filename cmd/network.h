/* cmd/network.h -- what other verbs need of "devbox network". */
#ifndef CMD_NETWORK_H
#define CMD_NETWORK_H

#include "core/store/dirs.h"

/* Remove the networks that no container is on, that pass the label FILTERS and were made before UNTIL_NS (INT64_MAX:
 * whenever).  Their names are appended to REMOVED. */
struct err *networks_prune(struct store *st, const struct strv *filters, int64_t until_ns,
			   struct strv *removed) MUST_CHECK;

#endif
