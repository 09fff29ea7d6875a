/* core/branch/switchboard.h -- the process that holds the addresses of a project's databases.
 *
 * One a project, while any of its services is up.  It costs a listening socket for each address and hundreds of KiB;
 * no byte of a connection passes through it: an accepted connection is handed to the container's own relay.  How it
 * works is told in switchboard.c. */
#ifndef CORE_BRANCH_SWITCHBOARD_H
#define CORE_BRANCH_SWITCHBOARD_H

#include "core/branch/branch.h"

/* Make sure that it runs, and has taken in the record as it is now.  When this returns, its addresses accept
 * connections. Sentences about addresses that could not be had go to NOTES (may be NULL).
 * Errors: all that keeps it from running. */
struct err *switchboard_update(struct store *st, const char *project, struct strv *notes) MUST_CHECK;
/* Those of all projects with a service that is up, as after a restart of the machine. */
struct err *switchboard_resume(struct store *st, struct strv *ret_projects) MUST_CHECK;

#endif
