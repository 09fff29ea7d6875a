/* cmd/network.h -- what others need of "devbox network". */
#ifndef CMD_NETWORK_H
#define CMD_NETWORK_H

#include "core/store/network.h"

/* The networks that pass FILTERS (as of "network ls"), by name.  The caller ends each with network_done() and frees
 * *RET, also after an error. */
struct err *networks_filtered(struct store *st, const struct strv *filters, struct network **ret,
			      size_t *ret_n) MUST_CHECK;
/* Remove the networks that no container is on, that pass the label FILTERS and were made before UNTIL_NS (INT64_MAX:
 * whenever).  Their names are appended to REMOVED. */
struct err *networks_prune(struct store *st, const struct strv *filters, int64_t until_ns,
			   struct strv *removed) MUST_CHECK;

#endif
