/* registry/make.h -- images made here: an image's layers, a further one, and a new configuration.
 * Sources: OCI image-spec 1.1, config.md and manifest.md. */
#ifndef REGISTRY_MAKE_H
#define REGISTRY_MAKE_H

#include "registry/image.h"

/* The configuration's part that a container reads. */
struct image_conf {
	struct strv entrypoint, cmd, env; /* "K=V" */
	struct strv volumes, exposed; /* "/data", "80/tcp" */
	struct strv labels; /* "k=v" */
	char *workdir, *user, *stop_signal; /* NULL: none */
};
void image_conf_done(struct image_conf *c);
/* One instruction as `commit -c` and `import -c` take it: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER,
 * VOLUME, WORKDIR.  Pure.  Errors: what is wrong with TEXT. */
struct err *image_conf_change(struct image_conf *c, const char *text) MUST_CHECK;

struct image_make {
	const struct image *base; /* NULL: none */
	int tar; /* the further layer: a file with the tar stream, not compressed */
	const struct image_conf *conf;
	const char *author, *comment, *created_by; /* may be NULL */
	const char *ref; /* full reference, or NULL */
};
/* Writes blobs, the unpacked layer and the entry of index.json.  *RET_ID: "sha256:...", the caller frees it. */
struct err *image_make(struct store *st, const struct image_make *m, char **ret_id) MUST_CHECK;

#endif
