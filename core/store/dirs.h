/* core/store/dirs.h -- the per-user storage: one folder, $XDG_DATA_HOME/devbox (default ~/.local/share/devbox).
 *
 *   oci-layout index.json blobs/sha256/<hex>   OCI image layout, readable by other tools
 *   layers/<hex of the diff id>/               a layer unpacked once, in the owners of the user namespace
 *   containers/<64 hex>/                       one container: records, log, lock, control socket, upper, work
 *   names/<name> -> <64 hex>                   a name is claimed by one symlink(2)
 *   volumes/<name>/                            volume.json, data/; fork.json, see core/store/fork.h
 *   sealed/<id>/                               trees that volumes and snapshots share, never written again
 *   trash/<id>/                                what was removed and can come back, see core/store/trash.h
 *   cow/<volume>.sock                          the process that serves a mounted thin volume
 *   networks/<name>/                           one network, see core/store/network.h
 *   cache/                                     what can be computed again (compiled seccomp filters)
 *   projects/<sha256>                          texts of compose projects: secrets and configs of containers
 *   tmp/                                       staging areas; each is locked while it is in use
 *   events events.1                            what happened, see core/store/events.h
 *   parent parent.lock                         the namespace around all containers, see core/ns/parent.h
 *   lock                                       flock: exclusive while names, index.json or counts change
 *
 * Nothing is written elsewhere; removing the folder removes all.  Everything belongs to the inner root of the user
 * namespace: the user himself, or the first mapped id when devbox is run by the host's root. */
#ifndef CORE_STORE_DIRS_H
#define CORE_STORE_DIRS_H

#include "core/base/err.h"
#include "core/ns/userns.h"

enum { STORE_FDS = 12 }; /* how many directories it holds open */

struct store {
	char *path; /* absolute, for messages and for bind mounts of the host's view */
	/* O_PATH or O_RDONLY directories */
	int root, blobs, layers, containers, names, volumes, networks, cache, tmp, sealed, trash, cow;
	struct userns_ids ids;
};

/* Open the store, creating what is missing (mode 0700). */
struct err *store_open(struct store **ret) MUST_CHECK;
void store_free(struct store *st);
/* The descriptors of its directories: for who closes all others. */
void store_fds(const struct store *st, int ret[STORE_FDS]);
/* The store's lock; close *ret_fd to release. */
struct err *store_lock(struct store *st, int *ret_fd) MUST_CHECK;

/* A private staging directory tmp/<PREFIX>.<random>, flocked while *ret_dir is open; *ret_name is
 * relative to st->tmp and owned by the caller. */
struct err *store_stage(struct store *st, const char *prefix, char **ret_name, int *ret_dir) MUST_CHECK;
/* rm -rf of NAME in DIR, as the namespace's root where files belong to mapped users. */
struct err *store_rm_tree(struct store *st, int dir, const char *name) MUST_CHECK;
/* Remove staging areas whose holder is gone. */
void store_sweep(struct store *st);

#endif
