/* core/build/mirror.h -- what package managers write when a package source of the image is gone.  Pure, no I/O.
 *
 * Old images name sources that have moved since: Debian's after the end of a release, Alpine's and CentOS's the same.
 * The command then ends with a number that says nothing; what it wrote is far above.
 * Sources: apt-pkg/deb/debmetaindex.cc, methods/ (the texts); apk-tools, src/print.c; dnf, repo.py. */
#ifndef CORE_BUILD_MIRROR_H
#define CORE_BUILD_MIRROR_H

#include "core/base/str.h"

enum { MIRROR_LINE_MAX = 512 }; /* longer ones are cut */

struct mirror {
	char source[256]; /* the first that was not there: "http://deb.debian.org/debian jessie"; "": none */
	bool no_answer; /* it could not be reached; else it has nothing (any more) */
	char line[MIRROR_LINE_MAX]; /* begun */
	size_t len;
};

/* What a command has written, in pieces as they come. */
void mirror_hear(struct mirror *m, const char *data, size_t len);
/* A hint for the error that the command ended with; NULL: no source has failed.  The caller frees it. */
char *mirror_hint(const struct mirror *m);

#endif
