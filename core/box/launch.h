/* core/box/launch.h -- the last steps before the image's program runs, the same for the first process and for exec. */
#ifndef CORE_BOX_LAUNCH_H
#define CORE_BOX_LAUNCH_H

#include <stdint.h>

#include "core/base/str.h"

struct launch {
	const struct strv *argv; /* at least one */
	struct strv env; /* complete but for HOME, which comes from the user's entry */
	const char *user; /* as configured */
	const char *workdir; /* absolute */
	bool make_workdir; /* if it is missing */
	int stdio[3]; /* become 0, 1, 2; all the same terminal when TTY */
	bool tty; /* new session with stdio[0] as its controlling terminal */
	uint64_t caps;
	/* One id is mapped, see core/ns/userns.h.  NESTED: the namespace of the container's user, or -1; MAY_NEST: it
	 * may be made now, which is when nothing of the image runs that could look into us. */
	bool single, may_nest;
	int nested;
	int identity; /* of identity_start() */
	bool no_new_privs;
	const struct strv *ulimits; /* see runopt.h; NULL: none */
	const struct strv *group_add; /* further groups of the image; NULL: none */
	const void *seccomp; /* compiled filter; NULL: none */
	size_t seccomp_len;
	int sync; /* the caller tells of a failure on it, so it stays open until then */
	int parent; /* a socket to the parent: the program is killed when it ends, not run if it has; -1: independent */
};

/* In the container's namespaces, root directory and uid 0: become the user and execute.  Returns only on failure, with
 * status 127 (not found) or 126 (cannot be executed). */
struct err *launch_exec(struct launch *l) MUST_CHECK;

#endif
