/* core/box/caps.h -- capabilities and the seccomp filter a container gets: Docker's defaults.
 * Sources: capabilities(7), seccomp(2), moby's default profile (public documentation of what it blocks). */
#ifndef CORE_BOX_CAPS_H
#define CORE_BOX_CAPS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/str.h"

/* The 14 capabilities Docker keeps, as a bit mask (bit = CAP_x). */
uint64_t caps_default(void);
/* "NET_ADMIN", "CAP_NET_ADMIN", "ALL" */
struct err *caps_parse(const char *name, uint64_t *ret_mask) MUST_CHECK;
/* Drop the bounding set to MASK (call as namespace root, before changing the user). */
struct err *caps_bound(uint64_t mask) MUST_CHECK;
/* Become UID:GID with GROUPS, and leave exactly MASK permitted/effective/inheritable (ambient empty) if UID is 0, nothing permitted otherwise (as Docker
 * does).  Call last before exec.  Raw system calls (capset(2), setresuid(2)): no libcap. */
struct err *caps_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, uint64_t mask) MUST_CHECK;

/* The compiled filter (struct sock_filter array) for the default profile under MASK.  libseccomp needs milliseconds to
 * compile it, so the program is kept in CACHE_DIR under a name made of version, architecture and mask, written atomically, and checked
 * for plausible size when read.  The caller frees *ret. */
struct err *seccomp_default(int cache_dir, uint64_t mask, void **ret_prog, size_t *ret_len) MUST_CHECK;
/* Install it (needs CAP_SYS_ADMIN in the namespace, or no_new_privs). */
struct err *seccomp_install(const void *prog, size_t len) MUST_CHECK;

#endif
