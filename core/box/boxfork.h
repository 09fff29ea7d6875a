/* core/box/boxfork.h -- forks of volumes that containers may be using. */
#ifndef CORE_BOX_BOXFORK_H
#define CORE_BOX_BOXFORK_H

#include "core/box/box.h"
#include "core/store/fork.h"

/* fork_volumes().  Where that is needed, all running containers that mount one of the FROM volumes are paused for the
 * moment.  *RET_STILL_MS (may be NULL): how long they stood still, 0 if they did not have to. */
struct err *box_fork_volumes(struct store *st, struct fork_pair *pairs, size_t n,
			     int64_t *ret_still_ms) MUST_CHECK;
/* fork_restore(), refused with words that name the container while one that runs has the volume. */
struct err *box_fork_restore(struct store *st, const char *text) MUST_CHECK;

#endif
