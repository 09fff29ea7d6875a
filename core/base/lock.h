/* core/base/lock.h -- flock(2) locks: they die with their holder, so a crash leaves none behind. */
#ifndef CORE_BASE_LOCK_H
#define CORE_BASE_LOCK_H

#include "core/base/err.h"

/* Open (creating it, mode 0600) NAME in DIR and lock it.  The descriptor is the lock: close it to unlock. */
struct err *lock_take(int dir, const char *name, bool shared, int *ret_fd) MUST_CHECK;
/* The same without waiting; *ret_fd is -1 and the result NULL if another process holds it. */
struct err *lock_try(int dir, const char *name, bool shared, int *ret_fd) MUST_CHECK;
/* The same, exclusive, for a file that is there as long as its directory is used: it is not created again in a
 * directory that is just being removed.  Errors: ENOENT. */
struct err *lock_try_existing(int dir, const char *name, int *ret_fd) MUST_CHECK;
/* Is NAME in DIR locked by a living process?  Absent: no. */
bool lock_is_held(int dir, const char *name);

#endif
