/* core/branch/import.h -- SQL dumps into a branch's database. */
#ifndef CORE_BRANCH_IMPORT_H
#define CORE_BRANCH_IMPORT_H

#include "core/box/box.h"

struct import_opts {
	const char *database; /* made if it is missing; NULL: the container's own, or what the dump says */
	/* Called in a child, now and then: bytes of the source that were read, of how many (0: not known); may be
	 * NULL */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};
/* SOURCE is a file (.sql, compressed or not: gzip, zstd, xz, bzip2), a directory of such (in the order of their
 * names), "-" (standard input) or the address of a server (client_dump()), whose dump is made by the client in
 * the image. The client's complaints go to ERR_FD.  What was taken in before an error stays. */
struct err *import_source(struct box *b, const char *source, const struct import_opts *opts,
			  int err_fd) MUST_CHECK;

#endif
