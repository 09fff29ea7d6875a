/* core/branch/stack.h -- compose projects that follow the branches of a repository: `devbox compose --branch`.
 *
 * How it works
 *   1. A stack is a compose project ("shop") in a git work tree.  Each branch has one of its own, "shop-<slug>": its
 *      containers, networks and volumes, also those that the files give a fixed name.
 *   2. Its volumes are forked, all at one instant, from those of the nearest branch that it was cut from and that has
 *      any; else from those of the project as it is without --branch; else they begin empty, ready to be forked.  A
 *      volume that was added to the files since is taken from there, too.
 *   3. Its ports are published at the branch's own loopback address, by the containers' monitors.
 *   4. The work tree's address, the stable one, leads to the branch that is checked out: the switchboard listens there
 *      on the same ports.
 *   5. Once there is a stack, all verbs of compose mean the branch's, with --branch or without.
 * Nothing is started by a connection, and nothing sleeps: what runs is what `up`, `stop` and `down` say. */
#ifndef CORE_BRANCH_STACK_H
#define CORE_BRANCH_STACK_H

#include "core/box/box.h"
#include "core/branch/project.h"

#define STACK_LABEL                                                                                \
	"com.docker.compose." /* what the labels of a compose project's containers begin with */

/* Where a work tree's branch has its stack. */
struct stack_place {
	char *id; /* of the project's record; NULL: there is none yet */
	char *branch, *slug;
	char address[ADDRESS_MAX], stable[ADDRESS_MAX]; /* "" without a record */
};
void stack_place_done(struct stack_place *w);

/* Has any branch of the repository around DIRECTORY a stack of the project NAME? */
struct err *stack_is_known(struct store *st, const char *directory, const char *name, bool *ret)
	MUST_CHECK;
/* For the branch that is checked out in the work tree around DIRECTORY.  MAKE: record it unless it is.
 * Errors: ENOENT, "not in a git work tree". */
struct err *stack_enter(struct store *st, const char *directory, bool make, struct stack_place *ret)
	MUST_CHECK;

/* One of its volumes is called HEAD, "-" and the branch's slug, TAIL ("shop", "_data"; a fixed name has no TAIL). */
struct stack_volume {
	const char *head, *tail;
	struct strv labels; /* of the branch's own */
};
char *stack_volume_name(const struct stack_volume *v, const char *slug); /* NULL: without --branch */

struct stack_made {
	char *from; /* the branch they were forked from; "" without a branch; NULL: nothing was forked */
	size_t forked;
	int64_t still_ms; /* how long its containers stood still */
};
/* Give the branch those of VOLUMES that it has not, and record them. */
struct err *stack_fill(struct store *st, const struct stack_place *w, const char *name,
		       const struct stack_volume *volumes, size_t n, struct stack_made *ret) MUST_CHECK;
/* It is up, with these ports at its address (PORTS: a scratch list, which is taken over), or was taken down.  Then the
 * switchboard knows.  NOTES: see switchboard.h. */
struct err *stack_is(struct store *st, const struct stack_place *w, const char *name, bool up,
		     struct stack *ports, struct strv *notes) MUST_CHECK;
/* Containers and networks of a branch's stack are removed, its volumes go to the trash.  FORCE: also if the branch is
 * protected. */
struct err *stack_remove(struct store *st, const char *id, const char *name, const char *branch,
			 bool force, const char *batch) MUST_CHECK;
/* How many containers it has, and how many of them run. */
struct err *stack_count(struct store *st, const char *name, const char *slug, size_t *ret_n,
			size_t *ret_running) MUST_CHECK;
/* The running container of SERVICE (the first one) of a branch's stack, or NULL. */
struct err *stack_find_box(struct store *st, const char *name, const char *slug,
			   const char *service, struct box **ret) MUST_CHECK;

#endif
