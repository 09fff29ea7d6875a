/* core/box/keepid.h -- --userns keep-id, as Podman has it: the caller's own uid and gid are the same inside, so that
 * files of a bind mount show their owner's name, and what the container's user writes there is the caller's.
 *
 * Usually 0 inside is the caller, and 1... are the subordinate ids.  With keep-id the caller is UID and GID inside,
 * and the subordinate ids are counted from 0 around them (userns_ids_keep()): root inside is a subordinate id.  The
 * same file has another owner under each of the two mappings; ext4 of the host cannot be mounted with ids shifted by
 * who is not its root, and a map has no place for one id outside twice.  So each layer of the image is copied once
 * for each pair of UID and GID, as layers/<hex>.keep-UID-GID, and spec->layers names the copies.  They count in
 * `system df` and are removed with their layer.  Volumes and bind mounts are not copied: they have the owners that
 * the ids make.
 *
 *	keep-id                    the caller's own ids
 *	keep-id:uid=200,gid=210    the caller is 200:210 inside */
#ifndef CORE_BOX_KEEPID_H
#define CORE_BOX_KEEPID_H

#include "core/box/spec.h"
#include "core/store/dirs.h"

/* The ids inside that TEXT asks for; UID and GID are the caller's.  Pure. */
struct err *keepid_parse(const char *text, uint32_t uid, uint32_t gid, uint32_t *ret_uid,
			 uint32_t *ret_gid) MUST_CHECK;
/* The mapping of a container with --userns TEXT (NULL: the usual one).  What *RET points to is the store's.  Errors:
 * why there is none; *RET is the usual one then. */
struct err *keepid_ids(struct store *st, const char *text, struct userns_ids *ret) MUST_CHECK;
/* A new container S with S->userns: its user is the caller's unless REQ says another, its layers are copies, made
 * now if they are missing.  *RET_COPIED: bytes that took.  Without S->userns only *RET_IDS is filled. */
struct err *keepid_resolve(struct store *st, const struct run_request *req, struct spec *s,
			   struct userns_ids *ret_ids, uint64_t *ret_copied) MUST_CHECK;
/* At a start, as root inside, ROOT mounted: "/" becomes root's, and the caller gets his line in the image's passwd and
 * group files if the ids have none. */
struct err *keepid_settle(int root, const struct userns_ids *ids, const struct spec *s) MUST_CHECK;

#endif
