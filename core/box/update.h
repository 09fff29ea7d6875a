/* core/box/update.h -- other limits for a container that is there.  They are written into its record; a running
 * container's monitor takes them from there. */
#ifndef CORE_BOX_UPDATE_H
#define CORE_BOX_UPDATE_H

#include "core/box/box.h"

/* What SET has takes the place of the container's.  On success b->notes may hold what the user should know. */
struct err *box_update_limits(struct box *b, const struct limits *set) MUST_CHECK;

#endif
