/* core/box/hostcheck.h -- what this host allows devbox to do, tried rather than guessed, with the mend for what it does
 * not.  For `devbox doctor`.  Nothing is changed; what is made for a trial is removed. */
#ifndef CORE_BOX_HOSTCHECK_H
#define CORE_BOX_HOSTCHECK_H

#include "core/store/dirs.h"

/* warn: devbox runs, something is missing or slower.  fail: containers cannot run. */
enum check_result { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_RESULT_MAX };
extern const char *const check_result_names[]; /* "ok", "warn", "fail" */

struct check {
	const char *name; /* "user namespaces" */
	enum check_result result;
	char *text; /* one line: what was found */
	char *mend; /* what to type, may have several lines; NULL if nothing needs to be done */
};

struct checks {
	struct check *v;
	size_t n, cap;
};

void hostcheck_run(struct checks *ret);
void checks_done(struct checks *c);
#define _cleanup_checks_ _cleanup_(checks_done)

#endif
