/* core/box/seccomp.h -- the system call filter of a container: Docker's default profile.
 *
 * What is not on the list fails with EPERM; system calls newer than the list with ENOSYS, so that a C library falls
 * back to what it used before.  Lists are extended by what the container's capabilities allow (mount with SYS_ADMIN).
 * Beyond Docker's profile: ioctl TIOCSTI and TIOCLINUX (typing into the terminal) and io_uring fail with EPERM.
 *
 * libseccomp knows the numbers of each architecture; the program is put together here, from ranges of numbers.
 * libseccomp's own compiler takes 5 ms for this profile (here: 0.1 ms, so there is no cache to keep), and its program
 * has more than twice the instructions, which the kernel translates and tries for every possible number at each start.
 * Sources: seccomp(2), libseccomp's seccomp_syscall_resolve_name_arch(3), Docker's documentation ("Seccomp security
 * profiles for Docker"). */
#ifndef CORE_BOX_SECCOMP_H
#define CORE_BOX_SECCOMP_H

#include <stdint.h>

#include "core/base/str.h"

/* The filter (an array of struct sock_filter, LEN bytes) for a container with the capabilities MASK.  ONE_ID: it leaves
 * unshare to the one of seccomp_one_id(), which has to be installed, too.  The caller frees *ret_prog. */
void seccomp_default(uint64_t mask, bool one_id, void **ret_prog, size_t *ret_len);
/* The same from a profile in Docker's JSON form.  Errors: "Decoding seccomp profile failed: <where>: <reason>". */
struct err *seccomp_profile(const char *text, uint64_t mask, void **ret_prog, size_t *ret_len)
	MUST_CHECK;
/* Install it for this process and its children.  Needs CAP_SYS_ADMIN in the user namespace, or no_new_privs. */
struct err *seccomp_install(const void *prog, size_t len) MUST_CHECK;
/* What is installed before it where one id is mapped (core/box/identity.h).  Without ROOT it only decides about
 * unshare, by MASK.  With it, that files change their owner is answered with success and not done: there is no other
 * owner; and what asks for another user is answered by who has the listener of seccomp_listen(). */
void seccomp_one_id(bool root, uint64_t mask, void **ret_prog, size_t *ret_len);
struct err *seccomp_listen(const void *prog, size_t len, int *ret_listener) MUST_CHECK;

#endif
