/* core/ns/parent.h -- the user namespace that a store's containers are nested in.
 *
 * It has the map of userns.h, and a container's own namespace inside has the same ids again: nothing in the store tells
 * the difference.  But who has capabilities in the outer one has them over every container, and over what he makes
 * beside them: so the network's process can put a device into a container that leads to another one
 * (slirp/bridge.h).  And maps inside are written without newuidmap.
 *
 * It is kept by descriptors.  Each monitor holds one, and beside it a socket, "parent" in the store's directory, that
 * all of them share: whichever is awake hands both to the next monitor.  The kernel forgets them with the last one.
 * The host's root has no use for it: he has all capabilities anyway. */
#ifndef CORE_NS_PARENT_H
#define CORE_NS_PARENT_H

#include "core/ns/userns.h"

struct parent {
	int userns; /* -1: none, namespaces are made side by side */
	int listen; /* non-blocking; when it is readable: parent_answer() */
};
#define PARENT_NONE                                                                                \
	(struct parent)                                                                            \
	{                                                                                          \
		.userns = -1, .listen = -1                                                         \
	}

/* The one that others use; or else, if MAKE, a new one.  DIR is the store's directory. */
struct err *parent_get(int dir, const struct userns_ids *ids, bool make, struct parent *ret) MUST_CHECK;
/* A new namespace inside USERNS, that of a parent, with the ids IDS. */
struct err *parent_nest(int userns, const struct userns_ids *ids, int *ret_userns) MUST_CHECK;
/* Somebody asks. */
void parent_answer(const struct parent *p);

#endif
