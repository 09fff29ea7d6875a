/* cmd/api/await.h -- a connection to a container's monitor that may not be there yet: to the present run, or to the
 * next one. */
#ifndef CMD_API_AWAIT_H
#define CMD_API_AWAIT_H

#include <poll.h>

#include "core/box/control.h"
#include "core/box/waiter.h"

struct await {
	struct box *b;
	struct waiter waiter;
	int conn; /* -1: no monitor yet */
	bool sure; /* CONN is to a run that the caller means, not to one that had ended when we came */
	int64_t started_ns; /* of the run that had ended then */
	int removed; /* inotify: the container is no more; -1: there is none to be had, await_step() looks */
};
#define AWAIT_NONE ((struct await){ .waiter = WAITER_NONE, .conn = -1, .removed = -1 })

/* From now on nothing is missed: neither a start nor the end.  B outlives it.  With WAITER_ATTACH the container's
 * output comes. */
struct err *await_open(struct box *b, enum waiter_kind kind, struct await *ret) MUST_CHECK;
void await_done(struct await *a);

enum await_what {
	AWAIT_NOTHING,
	AWAIT_CALLED, /* a run begins: there is a connection now */
	AWAIT_MESSAGE, /* MSG came */
	AWAIT_EXITED, /* the run has ended, MSG->arg is its exit code */
	AWAIT_LOST, /* the connection is gone without that: the start failed */
	AWAIT_REMOVED,
};
enum { AWAIT_FDS = 3 };
/* What to poll(2), for how long at most (-1: any time), and what came of it. */
int await_timeout_ms(const struct await *a);
void await_fds(const struct await *a, struct pollfd p[AWAIT_FDS]);
struct err *await_step(struct await *a, const struct pollfd p[AWAIT_FDS], struct ctl_msg *msg,
		       size_t *ret_len, enum await_what *ret) MUST_CHECK;

#endif
