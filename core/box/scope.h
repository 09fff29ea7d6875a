/* core/box/scope.h -- a cgroup given by systemd: its manager of this user (or, for root, of the machine) makes a scope
 * and delegates what is below it.
 *
 * A process in a login session may write into what the user's manager keeps, but may not move itself there: the right
 * to the common ancestor is missing (cgroups(7)).  The manager may, when asked: on its private socket, which needs
 * neither a bus daemon nor a library.
 * Source: org.freedesktop.systemd1(5); systemd.io, "Control Group APIs and Delegation". */
#ifndef CORE_BOX_SCOPE_H
#define CORE_BOX_SCOPE_H

#include <sys/types.h>

#include "core/base/str.h"

enum { SCOPE_WAIT_MS = 3000 }; /* a manager that does not answer so long is none */

/* The manager's socket, or NULL: there is no systemd for this user.  The caller frees it. */
char *scope_manager(void);

/* A scope UNIT ("devbox-0123.scope") with the process PID in it; returns when PID has moved.  The scope ends with the
 * last process in it. */
struct err *scope_start(const char *manager, const char *unit, pid_t pid) MUST_CHECK;
/* Move PID into the cgroup BELOW ("/box") of the scope UNIT. */
struct err *scope_attach(const char *manager, const char *unit, const char *below, pid_t pid) MUST_CHECK;

/* The messages of the two.  Pure. */
void scope_start_msg(const char *unit, pid_t pid, struct str *out);
void scope_attach_msg(const char *unit, const char *below, pid_t pid, struct str *out);

#endif
