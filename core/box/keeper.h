/* core/box/keeper.h -- keeps one container's limits for its monitor: by a cgroup where one can be
 * made, else softly.
 *
 *	keeper_init()    a place for a cgroup is looked for, once
 *	keeper_begin()   init is cloned, but not yet allowed to go on: cgroup or affinity, niceness
 *	keeper_run()     the program was executed: from now on it is looked at, if that is needed
 *	keeper_end()     init has ended: why, if it was for a limit; the cgroup is removed
 * and again for the next run. */
#ifndef CORE_BOX_KEEPER_H
#define CORE_BOX_KEEPER_H

#include <sys/types.h>

#include "core/base/loop.h"
#include "core/box/limits.h"

struct keeper {
	const struct limits *l;
	enum limits_mode mode;
	struct loop *loop;
	struct timer timer;
	int parent, dir; /* the cgroup, or -1 */
	int proc; /* the container's processes, or -1 */
	int pidfd; /* init's, borrowed */
	char name[80]; /* of the cgroup */
	char *refused; /* why systemd gave no place for a cgroup, or NULL */
	const char *reason; /* for which init was killed */
	bool oom;
};
struct err *keeper_init(struct keeper *k, struct loop *loop, const struct limits *l, const char *id)
	MUST_CHECK;
/* *ret_note: a sentence for the user, or NULL. */
struct err *keeper_begin(struct keeper *k, pid_t pid, char **ret_note) MUST_CHECK;
/* The limits were changed while PID runs. */
struct err *keeper_update(struct keeper *k, pid_t pid, int pidfd, char **ret_note) MUST_CHECK;
void keeper_run(struct keeper *k, pid_t pid, int pidfd);
/* *RET_REASON: "memory limit (soft)", or NULL; valid for ever.
 * May be called at any time, also before keeper_init() of a zeroed one. */
void keeper_end(struct keeper *k, bool *ret_oom, const char **ret_reason);

/* Put the calling process under the limits of the running container whose first process is PID:
 * for exec, before setns(2). */
struct err *keeper_join(enum limits_mode mode, pid_t pid) MUST_CHECK;

#endif
