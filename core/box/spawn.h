/* core/box/spawn.h -- the clone(2) that makes a container's first process, in namespaces of its own. */
#ifndef CORE_BOX_SPAWN_H
#define CORE_BOX_SPAWN_H

#include <sys/types.h>

#include "core/box/box.h"
#include "core/box/init.h"
#include "core/ns/parent.h"

/* A child of the caller, in init_main(), its ids mapped.  Its user namespace lies in that of PARENT, if there is one.
 * With NET_CONTAINER it is in the user and network namespace of that container, which must run.  Errors: "cannot join
 * network of a non running container". */
struct err *spawn_clone(struct box *b, const struct parent *parent, const struct init_args *ia,
			int *ret_pidfd, pid_t *ret_pid) MUST_CHECK;

#endif
