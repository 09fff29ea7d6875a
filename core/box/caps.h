/* core/box/caps.h -- the capabilities a process in a container gets: Docker's defaults.
 * Raw system calls, no libcap.  Sources: capabilities(7), user_namespaces(7), Docker's documentation ("Runtime
 * privilege and Linux capabilities").
 *
 * Order in a starting process, each step needing what the next one takes away:
 *	caps_bound()          as root of the namespace: what execve(2) can ever give back
 *	seccomp_install()     needs CAP_SYS_ADMIN in the namespace; the default filter lets the rest pass
 *	caps_become()         last before execve(2) */
#ifndef CORE_BOX_CAPS_H
#define CORE_BOX_CAPS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/str.h"
#include "core/box/seccomp.h"

enum { CAPS_MAX = 41 }; /* CAP_CHOWN .. CAP_CHECKPOINT_RESTORE (Linux 5.9) */

#define CAPS_ALL ((UINT64_C(1) << CAPS_MAX) - 1)

/* The 14 capabilities Docker keeps, as a bit mask (bit = CAP_x). */
uint64_t caps_default(void);
/* "NET_ADMIN", "CAP_NET_ADMIN", in any case, or "ALL".  Errors name what is not one, and the nearest. */
struct err *caps_parse(const char *name, uint64_t *ret_mask) MUST_CHECK;
/* Drop the bounding set to MASK.  What it already lacks stays absent. */
struct err *caps_bound(uint64_t mask) MUST_CHECK;
/* Become UID:GID with GROUPS.  For uid 0, MASK is then permitted and effective; for others nothing is, as with
 * Docker.  Inheritable and ambient sets are empty (a file's inheritable capabilities must not wake up, CVE-2022-24769).
 * In a namespace that may not call setgroups(2) (one mapped id), a list of at most the own group is taken as it is. */
struct err *caps_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, uint64_t mask)
	MUST_CHECK;

#endif
