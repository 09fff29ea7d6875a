/* core/build/place.h -- putting files into an image's root, as COPY and ADD do.
 * The root may be hostile: names are resolved inside it (openat2(2)); what is there and is no directory is replaced, a
 * directory is not. */
#ifndef CORE_BUILD_PLACE_H
#define CORE_BUILD_PLACE_H

#include "core/build/tree.h"

struct place {
	int root;
	const char *dest; /* absolute */
	bool into; /* DEST is a directory in any case: several sources */
	bool has_owner; /* --chown: of everything, else files from a context are root's and others keep theirs */
	uid_t uid;
	gid_t gid;
	bool keep_owner;
	int mode; /* --chmod, or -1 */
	const struct userns_ids *ids;
};

/* Files are opened in the order of the tree. */
struct err *place_tree(const struct place *p, const struct tree *t,
		       struct err *(*open)(void *arg, size_t i, int *ret_fd), void *arg) MUST_CHECK;
/* One file called NAME, unless DEST says another name, with the content of FD, MODE and MTIME. */
struct err *place_file(const struct place *p, const char *name, int fd, mode_t mode,
		       const struct timespec *mtime) MUST_CHECK;
/* Unpack the archive FD into the directory DEST.  Errors: it expands to a hundred times its size and more. */
struct err *place_archive(const struct place *p, int fd) MUST_CHECK;
/* The directory DEST itself, with those above it. */
struct err *place_dir(const struct place *p) MUST_CHECK;

#endif
