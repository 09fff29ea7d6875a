/* registry/client.h -- one repository of one registry: mirrors, tokens, retries, and what went wrong in words.
 * Source: OCI distribution-spec 1.1; distribution/docs/spec/auth.
 *
 * Mirrors are asked first, in the order of the configuration, then the registry itself; the first that has given the
 * manifest is asked first for the rest.  A struct client may be used by several threads, each with
 * its own struct http. */
#ifndef REGISTRY_CLIENT_H
#define REGISTRY_CLIENT_H

#include "registry/http.h"
#include "registry/image_ref.h"

struct client;
/* NOTE is told, in one line for people, that something is tried again; it may be called by several threads at once.
 * CFG and REF must outlive the result. */
struct client *client_new(const struct registry_config *cfg, const struct image_ref *ref,
			  void (*note)(void *arg, const char *text), void *arg);
/* From now on the registry itself is asked, and tokens are for pushing, and for pulling from the repositories FROM of
 * the same registry (may be NULL; not copied). */
void client_push(struct client *c, const struct strv *from);

const struct image_ref *client_ref(const struct client *c);

struct client_req {
	const char *path; /* below /v2/<repo>/: "manifests/latest", "blobs/sha256:..." */
	const char *url; /* instead of PATH: where an answer sent us to, a whole address */
	const char *method; /* NULL: "GET" */
	bool once; /* no tries but those that a token takes; any answer is a success */
	const char *accept;
	/* the body, as in struct http_req */
	const char *content_type, *content_range;
	struct err *(*source)(void *arg, uint64_t offset, void *buf, size_t size, size_t *ret_len);
	void *source_arg;
	uint64_t source_len;
	unsigned patience_ms;
	size_t body_max;
	/* Instead of keeping the body: see struct http_req.  OFFSET is asked before every try where to go on. */
	struct err *(*sink)(void *arg, uint64_t start, const void *data, size_t len);
	uint64_t (*offset)(void *arg);
	bool (*failed)(void *arg); /* did the sink fail for a reason of ours (disk full)?  Then no other server helps */
	void *arg;
};

/* Success means a 2xx answer (see ONCE); *ret is then the caller's to end with http_resp_done().  Errors are in the
 * user's words, errno 0; then only ret->status is set. */
struct err *client_ask(struct client *c, struct http *h, const struct client_req *req,
		       struct http_resp *ret) MUST_CHECK;
/* What an answer that is no success means, in the user's words; for those of ONCE. */
struct err *client_refusal(struct client *c, const struct client_req *req, const struct http_resp *r)
	MUST_CHECK;

/* "100;w=21600" and "7" as "7 of 100 pulls left in 6 hours"; NULL if they are not of that form.  Pure. */
char *client_quota_text(const char *limit, const char *remaining);
/* Seconds until the moment of a Retry-After header (seconds or a date), or -1.  Pure but for the clock. */
int64_t client_retry_after(const char *value);

#endif
