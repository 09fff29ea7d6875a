/* core/box/state.h -- state.json: the changing half of a container's record, written by its monitor only (and by the
 * process that creates it).  Written aside and renamed; readers need no lock. */
#ifndef CORE_BOX_STATE_H
#define CORE_BOX_STATE_H

#include "core/box/box.h"
#include "core/box/control.h"

struct err *state_write(int box_dir, const struct state *s, bool sync) MUST_CHECK;
/* Make config.json and state.json as they are now survive a power loss. */
struct err *state_sync(int box_dir) MUST_CHECK;
struct err *state_read(int box_dir, struct state *ret) MUST_CHECK;
/* The record of B has changed (CTL_UPDATE, CTL_NETWORKS): its monitor reads it again, and what it says of that joins
 * B's notes.  One that does not run is told by its next start. */
struct err *box_tell(struct box *b, enum ctl_type what) MUST_CHECK;
void state_done(struct state *s);
void state_nets_done(struct state *s); /* its networks only */
/* Where it is on the network NAME now, or NULL. */
const struct net_state *state_net(const struct state *s, const char *name);

/* For the monitor's tester: run ARGV in the container of INIT_PIDFD without input and for at most LIMIT_MS, then it is
 * killed: *ret_status is -1 and *ret_in_time false.  Both streams go to OUT, the first OUT_MAX bytes of them. */
struct err *box_test(struct box *b, int init_pidfd, const struct strv *argv, int64_t limit_ms,
		     size_t out_max, struct str *out, int *ret_status, bool *ret_in_time) MUST_CHECK;

/* Write an event of container S into the store's log.  MORE: "exitCode=3", or NULL. */
void box_event(struct store *st, const struct spec *s, const char *action, const char *more);
/* The same with any number of them. */
void box_event_with(struct store *st, const struct spec *s, const char *action, const struct strv *more);

/* A pidfd of the running container's first process (with --init: of that one's first child), whose namespaces can be
 * entered. */
struct err *box_init_pidfd(struct box *b, int *ret_pidfd) MUST_CHECK;

/* Its lock, waiting for a monitor of an earlier run: it cannot be started or removed while we hold
 * it.  B's state is fresh then.
 * *RET_LOCK is -1 if somebody else has started it meanwhile: its monitor holds the lock for as long as it runs. */
struct err *box_lock(struct box *b, int *ret_lock) MUST_CHECK;

/* Take the container out of sight in one step (rename into tmp/), give its name free, and remove
 * what it had: anonymous volumes if VOLUMES.  For a container that does not run, under its lock. */
struct err *box_erase(struct store *st, const struct spec *s, bool volumes) MUST_CHECK;
/* The two halves of it: after the first the container does not exist any more; *ret_gone is what is left in tmp/. */
struct err *box_hide(struct store *st, const struct spec *s, char **ret_gone) MUST_CHECK;
struct err *box_clear(struct store *st, const struct spec *s, const char *gone, bool volumes) MUST_CHECK;

#endif
