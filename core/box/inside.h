/* core/box/inside.h -- work on a container's files as its own root, whether it runs or not.
 *
 * The work is done by a child process whose "/" is the container's root directory and which sees nothing of the
 * host's files: a symbolic link in the container leads nowhere else, whoever changes it meanwhile.  There is no
 * /proc/self. */
#ifndef CORE_BOX_INSIDE_H
#define CORE_BOX_INSIDE_H

#include "core/box/box.h"

enum inside_view {
	INSIDE_MOUNTS, /* as the container sees it: volumes and bind mounts too */
	INSIDE_ROOT, /* its root file system alone */
	INSIDE_VIEW_MAX
};

/* Call FN(ROOT, ARG, result) there; ROOT is a descriptor of "/".
 * A container that does not run stays so until FN is done.  See userns_call() for RESULT. */
struct err *box_inside(struct box *b, enum inside_view view,
		       struct err *(*fn)(int root, void *arg, struct str *result), void *arg,
		       struct str *ret_result) MUST_CHECK;

#endif
