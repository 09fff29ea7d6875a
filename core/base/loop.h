/* core/base/loop.h -- the one epoll loop of a process.  A source is embedded in its owner (container_of).
 *
 *	struct conn { struct source src; ... };
 *	c->src = (struct source){ .fd = fd, .ready = conn_ready };
 *	loop_add(l, &c->src, EPOLLIN);
 *
 * ready() is called with the events; an error ends loop_run() with it.  A source removed during a batch of events
 * is not called again; its memory must stay valid until its release() is called after the batch (or, without
 * release(), it must be embedded in something that outlives the loop).  fd == -1 means: not in the loop.
 * A source without release() may be added again at once, with another descriptor; ready() can then still be called once
 * for an event of the old one, so it must not take an event for more than a reason to look. */
#ifndef CORE_BASE_LOOP_H
#define CORE_BASE_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "core/base/err.h"

struct source {
	int fd;
	struct err *(*ready)(struct source *s, uint32_t events);
	void (*release)(struct source *s); /* may be NULL */
	struct source *next_removed; /* the loop's own */
};

/* A timer on the monotonic clock (timerfd).  Armed by timer_set(); fires once, or every INTERVAL_MS. */
struct timer {
	struct source src;
	struct err *(*fire)(struct timer *t);
};

/* Called around each wait: prepare() may lower *TIMEOUT_MS (-1: none) and register sources, check() runs after the
 * events of the batch.  For libraries with a poll-style interface of their own. */
struct loop_hook {
	void (*prepare)(struct loop_hook *h, int *timeout_ms);
	struct err *(*check)(struct loop_hook *h);
	struct loop_hook *next; /* the loop's own */
};

struct loop {
	int epfd;
	bool stop;
	struct source *removed;
	struct loop_hook *hooks;
};

struct err *loop_init(struct loop *l) MUST_CHECK;
void loop_done(struct loop *l);
struct err *loop_add(struct loop *l, struct source *s, uint32_t events) MUST_CHECK;
struct err *loop_mod(struct loop *l, struct source *s, uint32_t events) MUST_CHECK;
/* Take S out of the loop and set s->fd to -1.  Does not close the descriptor: returns it. */
int loop_del(struct loop *l, struct source *s);
void loop_del_close(struct loop *l, struct source *s);
void loop_hook_add(struct loop *l, struct loop_hook *h);
void loop_hook_del(struct loop *l, struct loop_hook *h); /* not from within a hook */
/* Run until loop_stop() or an error. */
struct err *loop_run(struct loop *l) MUST_CHECK;
/* One wait of at most TIMEOUT_MS (-1: no limit) and its batch. */
struct err *loop_once(struct loop *l, int timeout_ms) MUST_CHECK;
void loop_stop(struct loop *l);

struct err *timer_init(struct loop *l, struct timer *t, struct err *(*fire)(struct timer *)) MUST_CHECK;
/* DELAY_MS 0 disarms; INTERVAL_MS 0 fires once. */
void timer_set(struct timer *t, int64_t delay_ms, int64_t interval_ms);
void timer_done(struct loop *l, struct timer *t);

#endif
