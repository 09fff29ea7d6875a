/* cmd/pull.h -- a pull with what the user sees of it; for the verbs pull, run and create. */
#ifndef CMD_PULL_H
#define CMD_PULL_H

#include "core/store/dirs.h"

/* Progress and the closing lines ("Digest:", "Status:") go to OUT_FD unless QUIET.  *RET_REF: the full reference. */
struct err *pull_shown(struct store *st, const char *image, const char *platform, bool quiet,
		       int out_fd, char **ret_ref) MUST_CHECK;

#endif
