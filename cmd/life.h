/* cmd/life.h -- stopping and restarting as the verbs do it. */
#ifndef CMD_LIFE_H
#define CMD_LIFE_H

#include "core/box/box.h"

/* BY: the signal's name or number, NULL: the container's own.  TIMEOUT_S -1: the container's own. */
struct err *life_stop(struct box *b, const char *by, int timeout_s) MUST_CHECK;
/* One with --rm stays.  B's notes hold what the user should know. */
struct err *life_restart(struct box *b, const char *by, int timeout_s) MUST_CHECK;
/* What box_start() noted, on stderr. */
void life_notes(const struct box *b);

#endif
