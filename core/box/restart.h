/* core/box/restart.h -- when a container that has ended is started again.  Pure: the monitor tells what happened.
 * Source: moby, daemon/restartmanager.go (100 ms, doubled up to a minute; forgotten after 10 s of running). */
#ifndef CORE_BOX_RESTART_H
#define CORE_BOX_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

enum restart_when {
	RESTART_NO,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
	RESTART_UNLESS_STOPPED,
	RESTART_MAX
};
extern const char *const restart_names[]; /* "no", "on-failure", "always", "unless-stopped" */

struct restart_policy {
	enum restart_when when;
	unsigned max; /* on-failure: so many restarts at most; 0: no limit */
};

/* "--restart" as Docker reads it: "no", "", "on-failure", "on-failure:3", "always", "unless-stopped".  Errors in
 * Docker's words. */
struct err *restart_parse(const char *text, struct restart_policy *ret) MUST_CHECK;

/* A policy in 32 bits, for the control socket. */
uint32_t restart_pack(const struct restart_policy *p);
struct restart_policy restart_unpack(uint32_t packed);

/* What the monitor keeps between the runs of a container.  Zero at the start. */
struct restart_track {
	unsigned count; /* restarts so far: RestartCount */
	int64_t delay_ms; /* the last one used */
};
/* The container ended with EXIT_CODE after RAN_MS.  USER_ENDED: somebody asked for it.  True: start it again in
 * *ret_delay_ms (at least 100); the restart is counted then. */
bool restart_again(const struct restart_policy *p, struct restart_track *t, int exit_code,
		   int64_t ran_ms, bool user_ended, int64_t *ret_delay_ms);

#endif
