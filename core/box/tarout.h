/* core/box/tarout.h -- writing trees as tar streams, for cp, export and commit.
 * Own code, not libarchive's writer: that one converts names by locale, and ours must come out byte by byte.
 * Sources: POSIX pax(1) (ustar and extended headers), star's SCHILY.xattr; OCI image-spec layer.md for whiteouts. */
#ifndef CORE_BOX_TAROUT_H
#define CORE_BOX_TAROUT_H

#include <sys/stat.h>

#include "core/ns/userns.h"

struct tarout_link;
struct tarout {
	int fd; /* where the stream goes, unless there is a sink */
	struct err *(*sink)(void *arg, const void *data, size_t len);
	void *arg;
	/* No file is younger (SOURCE_DATE_EPOCH): the tree's own times are set, too.  NULL: as they are. */
	const int64_t *latest_s;
	bool layer; /* the tree is an overlay's upper: whiteouts become ".wh." entries */
	const struct userns_ids *ids; /* the tree is the host's: owners are written as the container sees
	 * them; or NULL */
	bool (*skip)(const char *name, const struct stat *st); /* leave this entry out; may be NULL */
	uint64_t bytes; /* of file contents written so far */
	struct tarout_link *links; /* the tree's own: files with several names */
	size_t n_links, links_cap;
	char *buf;
};

/* Entries come in the order of their names, so that the same tree gives the same stream. */
/* DIR/NAME with all below it, called AS in the stream ("" for the content of a directory, as "./x").  FOLLOW: NAME
 * itself may be a symbolic link to what is meant.  Sockets are left out.  Errors name the entry; EPIPE: the reader
 * is gone. */
struct err *tarout_tree(struct tarout *t, int dir, const char *name, const char *as, bool follow)
	MUST_CHECK;
/* The end mark. */
struct err *tarout_end(struct tarout *t) MUST_CHECK;
void tarout_done(struct tarout *t);

/* One header with its extended header if it needs one; appended to OUT.  Pure.  XATTRS: pax records or NULL. */
void tarout_header(const char *name, const char *link, char type, const struct stat *st,
		   const struct str *xattrs, struct str *out);

#endif
