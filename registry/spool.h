/* registry/spool.h -- the files of a tar archive, laid out in a directory under numbers, each with its digest.
 *
 * Nothing of the archive's names reaches the file system: they are cleaned and kept in memory.  Links count as further
 * names.  Whatever decompresses and parses runs in the caller's process: it should be one inside the user namespace. */
#ifndef REGISTRY_SPOOL_H
#define REGISTRY_SPOOL_H

#include <stdint.h>

#include "core/base/str.h"
#include "registry/image_ref.h"

enum { SPOOL_ENTRIES_MAX = 20000 };

struct spool_file {
	char *name; /* clean, relative */
	unsigned number; /* the file DIR/<number> */
	uint64_t size;
	char digest[DIGEST_LEN + 1]; /* of its content */
};

struct spool_link {
	char *name, *target; /* clean, relative */
};

struct spool {
	int dir; /* the caller's */
	struct spool_file *files; /* sorted by name once spool_read() is done */
	size_t n_files, files_cap;
	struct spool_link *links; /* likewise */
	size_t n_links, links_cap;
};

/* Read the archive FD, tar, perhaps compressed by gzip, bzip2, xz or zstd, into the directory DIR.  PROGRESS gets the
 * number of bytes read so far; may be NULL.  Errors: no archive; cut off; a name that leads out of it; more entries
 * than SPOOL_ENTRIES_MAX. */
struct err *spool_read(int fd, int dir, void (*progress)(void *arg, uint64_t done), void *arg,
		       struct spool *ret) MUST_CHECK;
void spool_done(struct spool *s);

/* The file called NAME as the archive's documents write it, through links; NULL if there is none. */
const struct spool_file *spool_find(const struct spool *s, const char *name);
/* Its content, at most MAX bytes.  Errors: there is none, or it is larger. */
struct err *spool_text(const struct spool *s, const char *name, size_t max, char **ret_text,
		       size_t *ret_len) MUST_CHECK;
struct err *spool_open(const struct spool *s, const struct spool_file *f, int *ret_fd) MUST_CHECK;

#endif
