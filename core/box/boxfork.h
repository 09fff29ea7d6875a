/* core/box/boxfork.h -- forks of volumes that containers may be using. */
#ifndef CORE_BOX_BOXFORK_H
#define CORE_BOX_BOXFORK_H

#include "core/box/box.h"
#include "core/store/fork.h"

/* Redis and Valkey have their data in memory: let B, which runs, write it out, or a fork would be what was on disk
 * last.  Nothing happens for others. */
struct err *box_flush(struct box *b) MUST_CHECK;
/* fork_volumes(), after box_flush() of who mounts them, and once databases among these are set up and answer.  Where
 * that is needed, all running containers that mount one of the FROM volumes are paused for the moment.
 * *RET_STILL_MS (may be NULL): how long they stood still, 0 if they did not have to. */
struct err *box_fork_volumes(struct store *st, struct fork_pair *pairs, size_t n,
			     int64_t *ret_still_ms) MUST_CHECK;
/* fork_restore() of each of TEXTS; nothing happens, in words that name the container, while one that runs has any
 * of the volumes, or if there is no such snapshot. */
struct err *box_fork_restore(struct store *st, const struct strv *texts) MUST_CHECK;

#endif
