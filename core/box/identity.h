/* core/box/identity.h -- programs that change their user while they run, where one id is mapped (core/ns/userns.h).
 *
 * Root of such a container may call setuid(2): a process beside the container sees the call (seccomp_unotify(2)) and
 * puts the caller into a user namespace of his own, in which the one id has the number he asked for.  From then on the
 * kernel alone says who he is and what he owns.  How: see identity.c.
 *
 * What differs from a system with all ids: files have one owner, whom everybody inside takes for himself; a change that
 * could be undone (seteuid(2)) is answered with success and not done; in a process with several threads it is done when
 * it executes a program, as gosu(1) does.
 * Sources: seccomp_unotify(2), user_namespaces(7), ptrace(2). */
#ifndef CORE_BOX_IDENTITY_H
#define CORE_BOX_IDENTITY_H

#include <stdint.h>

#include "core/base/err.h"

/* Start that process, for one program and all that come of it; it ends by itself with the last of them, or when
 * *RET_SOCK, which is for identity_join(), is closed unused.  NAME: the container's, for the process list. */
struct err *identity_start(const char *name, int *ret_sock) MUST_CHECK;
/* In the process that will be the program, root of its user namespace with the capabilities CAPS.  UNCONFINED: no
 * filter is to keep it from anything. */
struct err *identity_join(int sock, uint64_t caps, bool unconfined) MUST_CHECK;

#endif
