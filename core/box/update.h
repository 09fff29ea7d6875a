/* core/box/update.h -- other limits or another restart policy for a container that is there.  They are written into its
 * record; a running container's monitor takes them from there. */
#ifndef CORE_BOX_UPDATE_H
#define CORE_BOX_UPDATE_H

#include "core/box/box.h"

/* Limits of SET that are not zero take the place of the container's; RESTART NULL: stays.  On success
 * b->notes holds what the user should know. */
struct err *box_update(struct box *b, const struct limits *set, const struct restart_policy *restart)
	MUST_CHECK;

#endif
