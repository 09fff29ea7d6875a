/* cmd/changes.h -- images made of containers and of archives, for the verbs and the API. */
#ifndef CMD_CHANGES_H
#define CMD_CHANGES_H

#include "core/box/box.h"
#include "registry/make.h"

struct commit_request {
	const char *name; /* NAME[:TAG], or NULL */
	const char *author, *message; /* or NULL */
	const struct strv *changes; /* as of `commit -c` */
	const struct image_conf *over; /* what replaces the container's configuration, or comes to it; may be NULL */
	bool pause; /* while its files are read */
};
/* *RET_ID: the image's, the caller frees it. */
struct err *commit_box(struct box *b, const struct commit_request *rq, char **ret_id) MUST_CHECK;

struct import_request {
	const char *name; /* NAME[:TAG], or NULL */
	const char *from; /* what the archive is called */
	const char *message; /* or NULL: made of FROM */
	const struct strv *changes;
};
/* An image of one layer, which is the archive that FD reads. */
struct err *import_image(struct store *st, int fd, const struct import_request *rq, char **ret_id)
	MUST_CHECK;

#endif
