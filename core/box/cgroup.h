/* core/box/cgroup.h -- limits kept by the kernel: a cgroup v2 of the container, where this process
 * may make one.
 *
 * That is below an ancestor P of our own cgroup when P's directory and P/cgroup.procs can be
 * written (moving a process
 * needs the right to the common ancestor, cgroups(7)) and P passes on the controllers that the
 * limits need, or lets us
 * turn them on.  systemd's user manager gives such a subtree to what it starts; so may the
 * administrator; root has it.
 * Everything works on directory descriptors, so that tests need no cgroup file system. */
#ifndef CORE_BOX_CGROUP_H
#define CORE_BOX_CGROUP_H

#include <sys/types.h>

#include "core/box/limits.h"

/* The mounted cgroup2 hierarchy and our place in it, from the texts of /proc/self/mountinfo and
 * /proc/self/cgroup.  Both NULL
 * if there is none. */
void cgroup_place(const char *mountinfo, const char *cgroup, char **ret_root, char **ret_own);
/* The nearest fitting ancestor of OWN ("/user.slice/x") below ROOT; -1 if there is none. */
int cgroup_parent(int root, const char *own, const struct limits *l);
/* Write the limits into the cgroup DIR.  A file that the kernel lacks (swap accounting) is passed
 * over. */
struct err *cgroup_apply(int dir, const struct limits *l) MUST_CHECK;
/* How many processes in DIR were killed for want of memory. */
uint64_t cgroup_oom_kills(int dir);

/* The three together: a cgroup NAME with PID in it.  *ret_parent and *ret_dir are -1 if there is
 * no place for one. */
struct err *cgroup_enter(const char *name, const struct limits *l, pid_t pid, int *ret_parent,
			 int *ret_dir) MUST_CHECK;
/* Move the calling process into the cgroup of PID. */
struct err *cgroup_join(pid_t pid) MUST_CHECK;

#endif
