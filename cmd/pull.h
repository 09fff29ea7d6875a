/* cmd/pull.h -- a pull or a push with what the user sees of it; for the verbs that need one. */
#ifndef CMD_PULL_H
#define CMD_PULL_H

#include "registry/image.h"

/* Progress and the closing lines ("Digest:", "Status:") go to OUT_FD unless QUIET.  *RET_REF: the full reference. */
struct err *pull_shown(struct store *st, const char *image, const char *platform, bool quiet,
		       int out_fd, char **ret_ref) MUST_CHECK;
/* The image, pulled if that is needed and POLICY ("always", "missing", "never") allows it. */
struct err *image_get_shown(struct store *st, const char *name, const char *platform,
			    const char *policy, bool quiet, struct image **ret) MUST_CHECK;
/* Push REF, a full reference; progress goes to OUT_FD unless QUIET. */
struct err *push_shown(struct store *st, const char *ref, bool quiet, int out_fd, char **ret_digest,
		       int64_t *ret_size) MUST_CHECK;
/* Push IMAGE, a name as typed; nothing is shown. */
struct err *push_quietly(struct store *st, const char *image) MUST_CHECK;

#endif
