/* core/build/export.h -- what a build's --output asks for beside or instead of an image in the store.
 *
 *	DIR, type=local,dest=DIR	the files of the target, owned by the caller
 *	-, type=tar[,dest=FILE]		a tar stream of them; without a destination to the request's tar_fd
 *	type=image|docker[,name=REF]	an image in the store */
#ifndef CORE_BUILD_EXPORT_H
#define CORE_BUILD_EXPORT_H

#include "core/build/plan.h"

/* Before anything is built: is every output one of these?  Adds names to REFS; *RET_IMAGE: an image is wanted. */
struct err *export_check(const struct build_request *req, struct strv *refs, bool *ret_image) MUST_CHECK;
/* The target is built: write the files. */
struct err *export_files(struct build_plan *p) MUST_CHECK;

#endif
