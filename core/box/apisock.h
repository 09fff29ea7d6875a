/* core/box/apisock.h -- Docker's socket for a container that mounts it (-v /var/run/docker.sock:/var/run/docker.sock).
 * Where the host has none, the container's monitor serves one, on demand (monitor_api.c). */
#ifndef CORE_BOX_APISOCK_H
#define CORE_BOX_APISOCK_H

#include "core/box/spec.h"

#define APISOCK_NAME "docker.sock" /* in the container's directory */

bool apisock_is_path(const char *path); /* of Docker's socket, where Docker has it */
/* Is M a mount of Docker's socket, on a host that has no socket of this user's there? */
bool apisock_stands_in(const struct mount_spec *m);
bool apisock_wanted(const struct mounts *l); /* for any of them */

/* Is the peer of the accepted connection FD somebody the socket's mode 0600 lets in?  Where only one id is mapped,
 * every user of a container is the socket's owner to the kernel; those who are not root inside are told by their user
 * namespace. */
bool apisock_admits(const struct userns_ids *ids, int fd);

#endif
