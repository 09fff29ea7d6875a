/* core/build/tree.h -- which files a COPY means: found, hashed, in a fixed order.
 *
 * Sources are paths or patterns below a root directory; no link leads out of it (openat2(2)).  A source that is a
 * directory stands for what is in it.  Contents are hashed with SHA-256; of a context the hashes are kept in the
 * store's cache by device, inode, size and times (fingerprint.c), so that an unchanged file is not read again. */
#ifndef CORE_BUILD_TREE_H
#define CORE_BUILD_TREE_H

#include <sys/stat.h>

#include "core/base/str.h"
#include "core/build/ignore.h"
#include "core/store/dirs.h"

enum {
	HASH_LEN = 64, /* hex digits */
	TREE_MAX = 5000000, /* entries of one COPY */
};

struct tree_file {
	char *path; /* below the root */
	uint32_t under; /* PATH + UNDER is the name at the destination; "" for a source directory itself */
	bool top; /* such a directory: what it is like counts only if the destination is not there */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec mtime, ctime;
	dev_t dev;
	ino_t ino;
	char *link; /* of a symbolic link */
	unsigned char digest[32]; /* of a regular file */
};

struct tree {
	struct tree_file *v;
	size_t n, cap;
	bool has_dir; /* one of the sources is a directory, or several files were found */
};
void tree_done(struct tree *t);

struct tree_opts {
	const struct ignore *ignore; /* .dockerignore, or NULL */
	const struct ignore *exclude; /* --exclude, or NULL */
	bool parents; /* --parents: names keep the directories of the source ("./" in it: from there on) */
	const char *where; /* "the context", for messages */
};
/* Append what SOURCE means.  Errors: not found, malformed pattern, too many. */
struct err *tree_add(struct tree *t, int root, const char *source, const struct tree_opts *o) MUST_CHECK;

struct fingerprints;
/* Hash the contents.  FP may be NULL. */
struct err *tree_read(struct tree *t, int root, struct fingerprints *fp) MUST_CHECK;
/* HASH_LEN digits over names, types, modes, links and contents; OWNERS: and owners.  Not over times. */
void tree_hash(const struct tree *t, bool owners, char ret[HASH_LEN + 1]);
/* Open the I-th file (regular) again.  Errors: it was changed since. */
struct err *tree_open(const struct tree *t, size_t i, int root, int *ret_fd) MUST_CHECK;

/* fingerprint.c: what is known of the files of the context NAME (its absolute path). */
struct err *fingerprints_load(struct store *st, const char *name, struct fingerprints **ret) MUST_CHECK;
bool fingerprints_find(struct fingerprints *fp, const struct tree_file *f, unsigned char ret[32]);
void fingerprints_add(struct fingerprints *fp, const struct tree_file *f);
/* Keep what is new. */
void fingerprints_save(struct fingerprints *fp);
void fingerprints_free(struct fingerprints *fp);

#endif
