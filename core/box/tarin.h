/* core/box/tarin.h -- unpacking a tar stream into a tree that others may change meanwhile, for cp.
 * No name and no link leads out of ROOT (openat2(2)).  Devices and sockets are left out. */
#ifndef CORE_BOX_TARIN_H
#define CORE_BOX_TARIN_H

#include "core/ns/userns.h"

enum tarin_owner {
	TARIN_OWN, /* files belong to who unpacks */
	TARIN_KEEP, /* to whom the stream says, seen by the namespace we are in */
	TARIN_OUTSIDE, /* the same, but we are the host's root: ids are mapped by hand */
	TARIN_OWNER_MAX
};

struct tarin {
	int fd; /* the stream */
	int root;
	const char *dest; /* path in ROOT as the user typed it */
	/* COPY: the stream's first entry is a file, or a directory with all below it, to be called or put
	 * into DEST as
	 * cp does.  Else DEST is a directory and everything is put into it. */
	bool copy;
	bool contents; /* of COPY: not the directory itself but what is in it */
	enum tarin_owner owner;
	const struct userns_ids *ids;
	bool fixed; /* everything belongs to UID:GID instead (with TARIN_KEEP) */
	uid_t uid;
	gid_t gid;
	bool unpadded; /* the stream may end with the last file's last byte, see write_content() */
	uint64_t bytes_max; /* of file contents; 0: no bound */
	uint64_t bytes; /* of file contents so far */
};

/* Is the file FD a tar archive, compressed or not?  Reads from its beginning, and goes back there. */
bool tarin_is_archive(int fd);
/* Errors: Docker's words for what does not fit together. */
struct err *tarin_unpack(struct tarin *t) MUST_CHECK;

#endif
