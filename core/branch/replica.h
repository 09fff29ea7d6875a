/* core/branch/replica.h -- a second server that follows a branch's: made from a fork of its data, so that nothing
 * has to be copied, then checked.
 *
 *   MySQL, MariaDB   the fork's last binary log tells the place to go on from.  MariaDB's server is started anew,
 *                    with its binary log on, if it has none
 *   PostgreSQL       a hot standby, streaming
 *   Redis, Valkey    REPLICAOF
 * A replica is read-only (MariaDB lets its administrator write all the same).  It is kept under a name of its own
 * beside the project's branches, with an address of its own. */
#ifndef CORE_BRANCH_REPLICA_H
#define CORE_BRANCH_REPLICA_H

#include "core/branch/branch.h"

enum { REPLICA_CHECK_S = 30 };

/* Returns when it replicates and has everything its source had at this moment.  NOTES: sentences for the user.
 * Errors: what keeps it from that; nothing is left of it then. */
struct err *replica_add(struct store *st, const char *project, const char *service,
			const char *source, const char *name, struct strv *notes) MUST_CHECK;
/* Make it a server of its own, which can be written. */
struct err *replica_promote(struct store *st, const char *project, const char *service,
			    const char *name) MUST_CHECK;

#endif
