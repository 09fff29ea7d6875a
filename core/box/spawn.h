/* core/box/spawn.h -- the clone(2) that makes a container's first process, in namespaces of its own. */
#ifndef CORE_BOX_SPAWN_H
#define CORE_BOX_SPAWN_H

#include <sys/types.h>

#include "core/box/box.h"
#include "core/box/init.h"

/* The user namespace that B's first process has to be in, because it joins the network of another container, which
 * must run; -1: whichever.  Errors: "cannot join network of a non running container". */
struct err *spawn_userns(struct box *b, int *ret_userns) MUST_CHECK;
/* A child of the caller, in init_main(), its ids mapped.  USERNS: the user namespace it shall be in, or -1: a new one,
 * inside the user namespace PARENT (core/ns/parent.h) if that is not -1.  With NET_CONTAINER it is in the network of
 * that container. */
struct err *spawn_clone(struct box *b, const struct init_args *ia, int userns, int parent,
			int *ret_pidfd, pid_t *ret_pid) MUST_CHECK;

#endif
