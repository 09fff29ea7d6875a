/* core/box/security.h -- what a container's processes may do: --privileged, --cap-add, --cap-drop, --security-opt.
 * The first process and exec ask here, so that both get the same. */
#ifndef CORE_BOX_SECURITY_H
#define CORE_BOX_SECURITY_H

#include "core/box/spec.h"

/* Fill S's capabilities, privileged, no_new_privs, unmasked, cap_add, cap_drop and security_opt.  Pure.
 *   capabilities: the default ones (all when privileged) without those dropped, and those added; with "ALL" added, all
 *   without those dropped; with "ALL" dropped, those added.
 *   security options: seccomp=unconfined|builtin|JSON (the text of a profile), no-new-privileges[:BOOL],
 *   systempaths=unconfined, label=... and apparmor=unconfined|docker-default (nothing of the kind confines a
 *   container here).  What would have to confine and does not, is refused. */
struct err *security_resolve(const struct run_request *req, struct spec *s) MUST_CHECK;
/* The filter to install; *ret_prog is NULL for none, else the caller frees it. */
struct err *security_filter(const struct spec *s, bool one_id, void **ret_prog, size_t *ret_len)
	MUST_CHECK;

#endif
