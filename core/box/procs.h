/* core/box/procs.h -- the processes of a running container, seen from the host; holding them still.
 *
 * A process belongs to the container if it is in the pid namespace of its first process.  Asked as the root of the
 * container's user namespace, in the host's pid namespace: that may look at and signal whatever runs there. */
#ifndef CORE_BOX_PROCS_H
#define CORE_BOX_PROCS_H

#include "core/box/box.h"

struct procs {
	pid_t *v; /* in the host's numbers, the first process first, then ascending */
	size_t n, cap;
};
void procs_done(struct procs *p);
#define _cleanup_procs_ _cleanup_(procs_done)

/* Errors: not running. */
struct err *box_procs(struct box *b, struct procs *ret) MUST_CHECK;

/* What it has used so far, summed over its processes of the moment. */
struct usage {
	uint64_t cpu_ticks; /* of sysconf(_SC_CLK_TCK), children that were waited for included */
	uint64_t memory; /* bytes of anonymous memory, plus shared memory once */
	uint64_t net_in, net_out, disk_in, disk_out; /* bytes */
	uint64_t n_procs; /* threads included, as Docker counts */
};
struct err *box_usage(struct box *b, struct usage *ret) MUST_CHECK;

/* Stop all of its processes or let them go on: by the freezer where its limits are kept by a
 * cgroup, else by SIGSTOP, until there is none left that runs.  Recorded beside the container: box_is_paused().
 * Errors as Docker words them: not running, already paused, not paused. */
struct err *box_pause(struct box *b) MUST_CHECK;
struct err *box_unpause(struct box *b) MUST_CHECK;
bool box_is_paused(const struct box *b);
/* Hold it still for a moment.  Whatever becomes of this process meanwhile (kill -9; a client of the API that leaves),
 * it goes on: a child sees to that.  *RET is for box_let_go(), which ends it. */
struct box_held {
	struct box *b; /* NULL: not held */
	pid_t watcher;
	int fd; /* open while it is to be held */
};
struct err *box_hold(struct box *b, struct box_held *ret) MUST_CHECK;
/* Errors: it has ended meanwhile.  Nothing happens to what is not held. */
struct err *box_let_go(struct box_held *h) MUST_CHECK;

#endif
