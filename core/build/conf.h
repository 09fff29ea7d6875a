/* core/build/conf.h -- the configuration of the image that is being built, as instructions change it, and its document.
 * Pure, no I/O.  Source: OCI image-spec, config.md; Docker's further members (Healthcheck, OnBuild, Shell). */
#ifndef CORE_BUILD_CONF_H
#define CORE_BUILD_CONF_H

#include "core/base/json.h"
#include "core/box/health.h"

struct conf {
	struct strv env; /* "K=V" */
	struct strv entrypoint, cmd, shell; /* empty: none; of shell: /bin/sh -c */
	struct strv volumes, exposed; /* "/data", "80/tcp" */
	struct strv labels; /* "k=v" */
	struct strv onbuild;
	char *user, *workdir, *stop_signal; /* NULL: none */
	char *author;
	struct health_config health;
};
void conf_done(struct conf *c);
void conf_copy(struct conf *to, const struct conf *from);
/* From an image's configuration (the whole document).  What makes no sense is passed over. */
void conf_read(struct conf *c, json *doc);

struct history {
	char *created_by;
	bool empty; /* no layer belongs to it */
	int64_t created_ns;
};

/* The document.  BASE_HISTORY: a list of entries to go before, or NULL.  DIFF_IDS: all layers. */
struct conf_doc {
	const struct conf *conf;
	const char *os, *arch, *variant; /* variant may be NULL */
	json *base_history;
	const struct history *history;
	size_t n_history;
	const struct strv *diff_ids;
	int64_t created_ns;
};
char *conf_text(const struct conf_doc *d, size_t *ret_len);

#endif
