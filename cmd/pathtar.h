/* cmd/pathtar.h -- what lies at a path of a container, or of the host, as a tar stream: for cp and Docker's API. */
#ifndef CMD_PATHTAR_H
#define CMD_PATHTAR_H

#include <sys/stat.h>

#include "core/box/tarout.h"

struct pathtar {
	int root; /* "/" of the container, or -1: the host */
	const char *path; /* "dir/" must be a directory, "dir/." is what is in it */
	bool follow; /* the last part may be a link to what is meant */
	const char *container; /* its name, for words */
};

/* The entries and the end mark.  Errors: "Could not find the file X in container Y", "not a directory: X". */
struct err *pathtar_write(const struct pathtar *p, struct tarout *t) MUST_CHECK;
/* *RET_LINK: where it leads if it is a link, or NULL; the caller's. */
struct err *pathtar_stat(const struct pathtar *p, struct stat *ret, char **ret_link) MUST_CHECK;

#endif
