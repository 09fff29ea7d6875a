/* core/cow/file.h -- the content of an open file of a thin tree: its own blocks over those of the trees below.
 *
 * Semantics are those of the file system below it.  A write of whole blocks copies nothing, of a part of a block the
 * rest of that block.  After a power loss each block that was not synced is the old or the new one, as it would be in a
 * plain file.  cow_file_sync() covers what was written before the file's tree was sealed.
 * Space for blocks below the limit is not reserved by fallocate(2): it is taken when they are written.
 *
 * Threads: calls for one file may come at once, but cow_file_seal() and cow_file_free() must be alone.
 * Results are 0 (or a length) and negative errno values, as they go into FUSE's replies. */
#ifndef CORE_COW_FILE_H
#define CORE_COW_FILE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/cow/map.h"
#include "core/cow/tree.h"

struct cow_level {
	int fd;
	struct map map; /* without blocks: complete */
	atomic_bool dirty; /* written, not synced */
};
struct cow_file {
	pthread_rwlock_t lock; /* exclusive while maps change */
	struct cow_level *level; /* the top first; the last one is complete */
	size_t n;
	_Atomic uint64_t size;
	struct cow_link link;
	bool has_link;
};

/* FD is the top's file, open for reading and writing; taken in any case. */
struct err *cow_file_open(const struct cow_chain *c, int fd, struct cow_file **ret) MUST_CHECK;
/* What lies below and was written but not synced is synced first. */
void cow_file_free(struct cow_file *f);

ssize_t cow_file_read(struct cow_file *f, uint64_t off, void *buf, size_t len);
ssize_t cow_file_write(struct cow_file *f, uint64_t off, const void *data, size_t len);
int cow_file_truncate(struct cow_file *f, uint64_t size);
int cow_file_allocate(struct cow_file *f, int mode, uint64_t off, uint64_t len);
off_t cow_file_seek(struct cow_file *f, uint64_t off, int whence); /* SEEK_DATA, SEEK_HOLE */
int cow_file_sync(struct cow_file *f, bool data_only);
/* Sync what lies below the top, if it was written. */
bool cow_file_dirty_below(const struct cow_file *f);
int cow_file_sync_below(struct cow_file *f);
/* The tree was sealed: FD (taken) is the same file in the new top. */
struct err *cow_file_seal(struct cow_file *f, const struct cow_chain *c, int fd) MUST_CHECK;

#endif
