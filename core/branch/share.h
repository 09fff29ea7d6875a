/* core/branch/share.h -- a branch's data in a registry: an image whose layers hold what changed.
 *
 * A snapshot is an image without a program.  Each of its layers has new chunks (64 KiB of a file's content, named by
 * their hash, never one of zeros alone) and an index of the whole tree; the last index counts.  A snapshot pushed
 * after another one of the same database is one layer more on the layers that the registry has already: only
 * changed blocks travel, in both directions.
 *
 *	chunks/<64 hex>    the bytes
 *	index              v NUMBER                                 volume
 *	                   d MODE UID GID MTIME PATH                directory
 *	                   l MODE UID GID MTIME PATH TARGET         symbolic link
 *	                   f MODE UID GID MTIME SIZE PATH           file, then a line for each chunk: its hash, or "-"
 * Numbers are decimal but MODE, octal; PATH and TARGET have %XX for what is not plain.
 *
 * Passwords are part of the data (as hashes), but nothing else that devbox knows of them goes along. */
#ifndef CORE_BRANCH_SHARE_H
#define CORE_BRANCH_SHARE_H

#include "core/branch/branch.h"

enum { SHARE_CHUNK = 65536 };

/* Make the image REF (a full reference) of F's data as it is now, on top of the snapshot BASE, if that is one.
 * It is in the store then, to be pushed. */
struct err *share_make(struct store *st, const struct dbservice *s, const struct fork *f,
		       const struct image *base, const char *ref) MUST_CHECK;
/* Put what the image holds in place of BRANCH's data, which goes to the trash.  Errors: no snapshot; of another
 * engine. */
struct err *share_take(struct store *st, const char *project, const char *service,
		       const char *branch, const struct image *img) MUST_CHECK;
bool share_is_snapshot(const struct image *img);

/* --- pure --- */

struct share_entry {
	char kind; /* 'v', 'd', 'l', 'f'; 'c': a chunk's line */
	unsigned mode, volume;
	uint32_t uid, gid;
	int64_t mtime;
	uint64_t size;
	char *path, *target; /* the caller's */
	char chunk[65]; /* "" is zeros */
};
/* One line, without its end.  Errors: malformed; a PATH that leads out of its tree. */
struct err *share_parse(const char *line, size_t len, struct share_entry *ret) MUST_CHECK;
void share_entry_done(struct share_entry *e);
/* Append TEXT with %XX in place of what could be taken for something else. */
void share_quote(const char *text, struct str *out);

#endif
