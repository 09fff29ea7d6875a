/* core/box/cgroup.h -- limits kept by the kernel: a cgroup v2 of the container, where this process
 * may make one.
 *
 * Where systemd keeps the hierarchy it is asked for a scope first (scope.h), which it delegates:
 *
 *	.../devbox-ID.scope/monitor      the monitor itself and its helpers, so that the scope stays
 *	                   /devbox-ID    the container
 *
 * Else, or when it has none to give, the container's cgroup is made below an ancestor P of our own when P's directory
 * and P/cgroup.procs can be written (moving a process needs the right to the common ancestor, cgroups(7)): a subtree
 * given by the administrator; root has it.  P must pass on, or let us turn on, the controllers of memory and of
 * processes if these are limited.  What else P does not pass on (user managers often have no cpuset and io) is left to
 * softlimit.h.
 * Everything works on directory descriptors, so that tests need no cgroup file system. */
#ifndef CORE_BOX_CGROUP_H
#define CORE_BOX_CGROUP_H

#include <sys/types.h>

#include "core/box/limits.h"

/* The mounted cgroup2 hierarchy and our place in it, from the texts of /proc/self/mountinfo and
 * /proc/self/cgroup.  Both NULL if there is none. */
void cgroup_place(const char *mountinfo, const char *cgroup, char **ret_root, char **ret_own);
/* The nearest fitting ancestor of OWN ("/user.slice/x") below ROOT; -1 if there is none. */
int cgroup_parent(int root, const char *own, const struct limits *l);
/* What of L the controllers of DIR cannot keep; its texts are L's. */
struct limits cgroup_left(int dir, const struct limits *l);
/* Write the limits into the cgroup DIR.  A file that the kernel lacks (swap accounting) is passed
 * over, and so is what cgroup_left() tells. */
struct err *cgroup_apply(int dir, const struct limits *l) MUST_CHECK;
/* How many processes in DIR were killed for want of memory. */
uint64_t cgroup_oom_kills(int dir);
/* Stop all that is in DIR, or let it go on; returns when that is so.  Errors: not within a few seconds. */
struct err *cgroup_freeze(int dir, bool frozen) MUST_CHECK;

/* Before the container's first process is made: where systemd keeps the hierarchy, have it put this process into a
 * scope NAME.scope, in which there is room for the cgroup NAME.  Errors: systemd's reason. */
struct err *cgroup_prepare(const char *name) MUST_CHECK;
/* A cgroup NAME with these limits and PID in it.  Errors: there is no place for one. */
struct err *cgroup_enter(const char *name, const struct limits *l, pid_t pid, int *ret_parent,
			 int *ret_dir) MUST_CHECK;
/* The directory of the cgroup that PID is in. */
struct err *cgroup_open(pid_t pid, int *ret_dir) MUST_CHECK;
/* Move the calling process into the cgroup of PID. */
struct err *cgroup_join(pid_t pid) MUST_CHECK;
/* "/a/devbox-1.scope/devbox-1": the scope's name and the place below it; false if PATH is in none.  Pure. */
bool cgroup_scope(const char *path, char **ret_unit, char **ret_below);

#endif
