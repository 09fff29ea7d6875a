/* core/store/forkrec.h -- the record beside a tree that was forked: fork.json in volumes/<name> or sealed/<id>. */
#ifndef CORE_STORE_FORKREC_H
#define CORE_STORE_FORKREC_H

#include "core/cow/serve.h"
#include "core/store/fork.h"

enum { SEALED_ID_LEN = 16 };

struct forkrec {
	bool stays_thin; /* fork_prepare(): also with nothing below it */
	bool thin; /* data/ is a thin tree above PARENT: to be mounted through core/cow */
	char parent[SEALED_ID_LEN + 1]; /* sealed tree below it, or "" */
	unsigned depth; /* of this tree; a plain tree has 0, a thin one more than its parent */
	enum fork_method method;
	char *from;
	int64_t made_ns;
};
/* Of the directory DIR/NAME.  Without a record: all zero, which is a plain tree. */
struct err *forkrec_read(int dir, const char *name, struct forkrec *ret) MUST_CHECK;
/* In one step, but not synced. */
struct err *forkrec_write(int dir, const struct forkrec *r) MUST_CHECK;
/* The content of DIR's records reaches the disk.  Names follow with the next fsync(2) of any directory: the journal
 * keeps their order. */
struct err *forkrec_sync(int dir) MUST_CHECK;
void forkrec_done(struct forkrec *r);
#define _cleanup_forkrec_ _cleanup_(forkrec_done)

/* "app" or "app@before"; *RET_SNAP is NULL for a volume.  Both are the caller's. */
struct err *fork_parse(const char *text, char **ret_volume, char **ret_snap) MUST_CHECK;
/* Open the directory (volumes/app, or the sealed tree of a snapshot) that TEXT names.  Errors as fork.h says. */
struct err *fork_open(struct store *st, const char *text, int *ret_dir) MUST_CHECK;
void sealed_make_id(char ret[SEALED_ID_LEN + 1]);
/* The id of the sealed tree that is the snapshot, or "". */
struct err *snapshot_find(struct store *st, const char *volume, const char *snap,
			  char ret[SEALED_ID_LEN + 1]) MUST_CHECK;
struct err *snapshot_write(int dir, const char *volume, const char *snap) MUST_CHECK;

/* DIR, a volume's directory, and the sealed trees below it. */
struct err *fork_dirs(struct store *st, int dir, struct cow_dirs *ret) MUST_CHECK;
void fork_dirs_done(struct cow_dirs *d);

#endif
