/* core/box/waiter.h -- being told of a run that has not begun: what wants to be attached to a container, or to hear of
 * its end, before somebody else starts it.
 *
 * Whoever waits listens on a socket in containers/<id>/waiting/.  The container's monitor connects to all of them when
 * it begins, before there is a byte of output; from then on such a connection is one of CTL_ATTACH or CTL_WAIT
 * (control.h).  It ends without EXITED if the start fails. */
#ifndef CORE_BOX_WAITER_H
#define CORE_BOX_WAITER_H

#include "core/box/box.h"

enum { WAITERS_MAX = 64 }; /* a container */

enum waiter_kind { WAITER_END, WAITER_ATTACH };

struct waiter {
	int dir, listener; /* LISTENER is readable when a run begins */
	char name[32];
};
#define WAITER_NONE ((struct waiter){ .dir = -1, .listener = -1 })
/* Errors: too many. */
struct err *waiter_open(const struct box *b, enum waiter_kind kind, struct waiter *ret) MUST_CHECK;
/* *RET_CONN is -1 if nobody has called. */
struct err *waiter_accept(const struct waiter *w, int *ret_conn) MUST_CHECK;
void waiter_done(struct waiter *w); /* accepts WAITER_NONE */

/* For the monitor of the container in BOX_DIR: FN takes a connection to each. */
void waiters_call(int box_dir, void (*fn)(void *arg, enum waiter_kind kind, int conn), void *arg);

#endif
