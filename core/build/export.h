/* core/build/export.h -- what a build's --output asks for instead of an image in the store.
 *
 *	DIR, type=local,dest=DIR	the files of the target
 *	-, type=tar[,dest=FILE]		the same as a tar stream; without a destination to standard output
 *	type=image|docker		an image in the store */
#ifndef CORE_BUILD_EXPORT_H
#define CORE_BUILD_EXPORT_H

#include "core/build/plan.h"

/* The target is built.  Of images only that they are wanted is noted (in *REFS, from name=). */
struct err *export_outputs(struct build_plan *p, struct strv *refs, char **ret_id) MUST_CHECK;

#endif
