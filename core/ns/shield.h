/* core/ns/shield.h -- keeps devbox's own file out of the reach of containers.
 *
 * An image may name /proc/self/exe as its program, or as the interpreter of a script: for a moment
 * a process of the container then is devbox, and others in there can open its file through
 * /proc/PID/exe (CVE-2019-5736).  If that file belongs to the user, the container's root is its
 * owner and could change it.  Executed from a read-only mount nobody can, whatever rights he
 * has. */
#ifndef CORE_NS_SHIELD_H
#define CORE_NS_SHIELD_H

/* If this program's file could be written by the ids that containers get, execute it again from a
 * read-only mount of it, which exists nowhere in the file system.  Call it before anything was
 * done; returns if there is no need, or no way (where namespaces cannot be made no container starts
 * either). */
void shield_self(char **argv);

#endif
