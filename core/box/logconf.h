/* core/box/logconf.h -- where a container's output goes: --log-driver and --log-opt.  Pure, no I/O.
 *
 *	json-file, local    both mean devbox's own format (logfile.h); "none" keeps nothing
 *	max-size=10m        of one file; -1: no bound.  max-file=3: how many
 *	labels=a,b env=X,Y  what `logs --details` shows of the container's labels and settings
 *	mode=blocking       compress=false: how it is anyway
 * Without max-size: 100m and 3 files.  With max-size alone one file, as Docker has it. */
#ifndef CORE_BOX_LOGCONF_H
#define CORE_BOX_LOGCONF_H

#include "core/box/logfile.h"

struct logconf {
	bool none;
	struct log_bound bound;
	char *labels, *env; /* lists with commas, or NULL */
};
/* DRIVER may be NULL: json-file.  OPTS as given: "max-size=10m".  Errors in Docker's words. */
struct err *logconf_parse(const char *driver, const struct strv *opts, struct logconf *ret) MUST_CHECK;
void logconf_done(struct logconf *c);
/* What --details shows in front of a line: "env=a,label=b", sorted by name, bytes that URLs escape
 * escaped. */
char *logconf_details(const struct logconf *c, const struct strv *labels, const struct strv *env);

#endif
