/* core/store/fork.h -- forks and snapshots of volumes.
 *
 * Written TEXT below: "app" is a volume, "app@before" a snapshot of it called "before".
 *
 *	fork_volumes("app" -> "app-feature")   a second volume with the same content, at once
 *	fork_volumes("app" -> "app@before")    a snapshot
 *	fork_volumes("app@before" -> "old")    a volume from a snapshot
 *	fork_restore("app@before")             "app" becomes what it was; what it is now goes to the trash
 *
 * A fork is made in the best way that is possible here and for this volume:
 *	reflink   the file system shares the blocks (FICLONE: btrfs, xfs)
 *	cow       the volume's tree is sealed: it moves to sealed/<id>/ and is never written again.  The volume and its
 *	          fork go on as thin trees above it, mounted through core/cow.  No data is copied, now or when it is
 *	          read; a write copies the 4 KiB blocks it touches.  A sealed tree that nothing refers to is removed;
 *	          one that has a single user left is merged with it by fork_tidy(), and a volume above nothing is a
 *	          plain directory again.
 *	copy      trees of up to FORK_SMALL_BYTES, and everything where the other two are not to be had
 * A volume in use (mounted by a container that runs) whose directory was mounted plainly cannot be sealed under its
 * user's hands: it is copied, in two passes; only the second one, which takes what changed meanwhile, needs the
 * containers to stand still.  fork_prepare() makes a volume thin from its beginning: such a one is forked in
 * milliseconds while it is in use, without stopping anybody.
 *
 * On disk (a sealed tree looks as the volume did):
 *	volumes/<name>/{volume.json,fork.json,data/}     fork.json is missing for a plain volume
 *	sealed/<16 hex>/{fork.json,snapshot.json,data/}  snapshot.json: who calls it what, if it is a snapshot
 * Durability: names and records are synced before the call returns; after a power loss the content is what a power
 * loss at the moment of the fork would have left. */
#ifndef CORE_STORE_FORK_H
#define CORE_STORE_FORK_H

#include <stdint.h>

#include "core/store/dirs.h"

enum { FORK_SMALL_BYTES = 4 << 20 };

enum fork_method { FORK_NONE, FORK_REFLINK, FORK_COW, FORK_COPY, FORK_METHOD_MAX };
extern const char *const fork_method_names[]; /* "none", "reflink", "cow", "copy" */

/* How a large volume would be forked in this store.  *RET_WHY: one sentence, the caller's. */
enum fork_method fork_method_here(struct store *st, char **ret_why);

/* The containers that use the volumes: stop() makes them stand still, go() lets them go on (called once after each
 * stop() that succeeded).  What is called between the two is short. */
struct fork_hold {
	struct err *(*stop)(void *arg);
	void (*go)(void *arg);
	void *arg;
};

struct fork_pair {
	const char *from; /* volume or snapshot */
	const char *to; /* new volume or snapshot */
	bool plain; /* TO shall be a plain directory */
	const struct strv *labels; /* of a new volume, as volume_create() has them; or NULL */
	enum fork_method method; /* written: how it was made */
};
/* Make all forks at one instant, or none.  HOLD may be NULL if none is in use.
 * Errors: "volume X does not exist", "volume X exists already", snapshots likewise, and what copying meets; EMLINK: one
 * that is in use was forked so often that its layers must be merged first, which they are when it is not. */
struct err *fork_volumes(struct store *st, struct fork_pair *pairs, size_t n,
			 const struct fork_hold *hold) MUST_CHECK;
/* TEXT names a snapshot; its volume must not be in use.  The volume's present state goes to the trash. */
struct err *fork_restore(struct store *st, const char *text) MUST_CHECK;

/* A new volume TO (or an existing one that is empty and not in use) that can be forked quickly later, also while it
 * is in use.  Nothing happens where that has no meaning (reflinks, no cow). */
struct err *fork_prepare(struct store *st, const char *volume) MUST_CHECK;

struct fork_info {
	enum fork_method method; /* FORK_NONE: it was never forked from anything */
	char *from; /* as it was given then: "app", "app@before"; NULL if it was not forked */
	int64_t made_ns;
	bool thin; /* mounted through core/cow */
	unsigned depth; /* sealed trees below it */
	uint64_t own_bytes; /* on disk for itself alone */
	uint64_t seen_bytes; /* with everything it shares; of files that are there, not counting twice */
};
struct err *fork_info(struct store *st, const char *text, struct fork_info *ret) MUST_CHECK;
void fork_info_done(struct fork_info *i);

struct snapshot {
	char *volume, *name;
	char *id; /* of the sealed tree */
	int64_t made_ns;
};
struct snapshots {
	struct snapshot *v;
	size_t n, cap;
};
/* Oldest first; VOLUME may be NULL: of all volumes, also of such as are gone. */
struct err *snapshot_list(struct store *st, const char *volume, struct snapshots *ret) MUST_CHECK;
void snapshots_done(struct snapshots *l);
/* Errors: "snapshot X does not exist". */
struct err *snapshot_remove(struct store *st, const char *text) MUST_CHECK;
/* Bytes that differ between two volumes or snapshots with a common sealed tree: what each has for itself above it.
 * Errors: nothing in common. */
struct err *fork_diff_size(struct store *st, const char *a, const char *b, uint64_t *ret_a_bytes,
			   uint64_t *ret_b_bytes) MUST_CHECK;

/* Remove sealed trees that nothing refers to any more; merge what has one user left, if that one is not mounted.
 * Takes its time: for the end of things, when nobody waits.  Errors: the first one met, the rest is done. */
struct err *fork_tidy(struct store *st) MUST_CHECK;
/* Wait until nobody has VOLUME mounted, at most MAX_MS: who serves it ends a moment after the last mount. */
void fork_wait_unused(struct store *st, const char *volume, int64_t max_ms);
/* Bytes in sealed trees. */
uint64_t fork_sealed_bytes(struct store *st);

/* --- for who mounts --- */

/* Hold VOLUME as in use while *ret_fd is open: a plain one must not be sealed then. */
struct err *fork_hold_volume(struct store *st, const char *volume, int *ret_fd) MUST_CHECK;
/* The thin ones among a container's volumes, each as a detached mount; several containers may have the same one. */
struct fork_mounts {
	size_t n;
	int *trees; /* one for each entry: -1 is none, or not thin */
	int *conns; /* to be kept open while the container runs, see core/cow/serve.h */
	int userns; /* the user namespace that the container must be in; -1: no volume is thin */
};
/* VOLUMES[i] may be NULL.  USERNS: the namespace that the container is in anyhow, or -1; a new one is made inside
 * PARENT (core/ns/parent.h), or -1.
 * Errors: one of them is mounted already by members of another user namespace. */
struct err *fork_mounts_open(struct store *st, const char *const *volumes, size_t n, int userns,
			     int parent, struct fork_mounts *ret) MUST_CHECK;
/* The trees alone: who attaches them has them. */
void fork_mounts_close_trees(struct fork_mounts *f);
void fork_mounts_done(struct fork_mounts *f);

#endif
