/* registry/upload.h -- one blob into a repository: asked for, mounted from a sister repository, or uploaded.
 *
 * A blob of some size goes up as one PATCH and a closing PUT.  Where the line breaks, the server is asked how much it
 * has (GET on the upload's address) and gets the rest; one that does not know starts anew.  A server or proxy that
 * finds the body too large (413), or a line that broke, makes the pieces smaller from then on.  The address of an
 * unfinished upload is kept in cache/<hex>.upload, so that a later push, of whichever process, can go on there. */
#ifndef REGISTRY_UPLOAD_H
#define REGISTRY_UPLOAD_H

#include "registry/blob.h"

enum upload_outcome { UPLOAD_EXISTED, UPLOAD_MOUNTED, UPLOAD_SENT };

struct upload_watch {
	void (*progress)(void *arg, uint64_t done); /* may be NULL */
	void (*note)(void *arg, const char *text); /* something is tried again; may be NULL */
	void *arg;
};

/* Bring the blob D, which must be in the store, into C's repository.  FROM: a repository of the same registry that
 * probably has it, or NULL. */
struct err *upload_blob(struct store *st, struct client *c, struct http *h,
			const struct descriptor *d, const char *from, const struct upload_watch *w,
			enum upload_outcome *ret) MUST_CHECK;

#endif
