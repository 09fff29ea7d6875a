/* registry/http.h -- HTTP requests through libcurl: the only file that knows it.
 *
 * Proxies come from the environment (http_proxy, https_proxy, all_proxy, no_proxy and their upper-case forms; never for
 * the loopback).  Certificates are checked against SSL_CERT_FILE / SSL_CERT_DIR if set, else the system's store where
 * this or that distribution keeps it, else the bundle in the binary.  Redirects are followed by hand: Authorization is
 * sent to the host it was meant for and to no other.
 *
 * One struct http per thread; it keeps its connections open between requests.  http_global_init() comes first, in the
 * process that makes the requests and before its threads. */
#ifndef REGISTRY_HTTP_H
#define REGISTRY_HTTP_H

#include <stdint.h>

#include "registry/config.h"

enum {
	HTTP_BODY_MAX = 8 << 20, /* of an answer kept in memory */
	HTTP_ERROR_BODY_MAX = 64 << 10, /* of an answer that is no success: for its message */
	HTTP_REDIRECTS_MAX = 10,
};

struct http_req {
	const char *method; /* "GET", "HEAD", "POST", "PATCH", "PUT"; "POST" if FORM is given */
	const char *url;
	const char *accept; /* Accept header, or NULL */
	const char *authorization; /* the whole value: "Bearer ...", or NULL */
	const char *form; /* application/x-www-form-urlencoded body, or NULL */
	/* The body of POST, PATCH and PUT: SOURCE_LEN bytes, which SOURCE gives from any offset, as pread(2) does; it
	 * may be asked again for what it gave.  At least one byte, or the end is near: an error. */
	struct err *(*source)(void *arg, uint64_t offset, void *buf, size_t size, size_t *ret_len);
	void *source_arg;
	uint64_t source_len;
	const char *content_type, *content_range; /* of the body, or NULL */
	unsigned patience_ms; /* how long the server may think about it; 0: the configuration's stall_ms */
	const char *ca_pem; /* further authorities, or NULL */
	uint64_t offset; /* ask for the bytes from here on (Range) */
	size_t body_max; /* of what is kept in memory; 0: HTTP_BODY_MAX */
	/* Gets the body of a 2xx answer instead of resp.body.  START is the offset the server really begins at (0: it
	 * ignored Range).  Blocking inside does not count as a stall of the server. */
	struct err *(*sink)(void *arg, uint64_t start, const void *data, size_t len);
	void *arg;
};

struct http_resp {
	int status; /* 0: no answer at all */
	char *url; /* after redirects */
	struct str body;
	int64_t length; /* of the whole resource as far as the server says, or -1 */
	char *content_type, *docker_content_digest, *retry_after;
	char *ratelimit_limit, *ratelimit_remaining;
	char *location, *range, *link; /* headers of these names, or NULL */
	struct strv challenges; /* every WWW-Authenticate header */
	bool retryable; /* after an error: the same request may work later */
	bool unlikely; /* but not very likely: no such host, nobody listens, silence */
	bool no_tls; /* after an error: the server does not speak TLS */
};
void http_resp_done(struct http_resp *r);

struct http;
void http_global_init(void);
/* CFG must outlive the result. */
struct http *http_new(const struct registry_config *cfg);
void http_free(struct http *h);
/* One request with its redirects, no retries.  Any HTTP status is a success of this function; an error means that no
 * complete answer came (errno 0 unless the sink failed, whose error is passed through).  *ret is
 * valid in both cases and ends with http_resp_done(). */
struct err *http_do(struct http *h, const struct http_req *req, struct http_resp *ret) MUST_CHECK;

/* Are the two addresses served by the same scheme, host and port? */
bool http_same_origin(const char *a, const char *b);

/* The address that REFERENCE, a whole address or a relative one, means in an answer from BASE; NULL if it is malformed.
 * The caller frees it. */
char *http_resolve(const char *base, const char *reference);

/* Form-encode VALUE and append "NAME=VALUE" to S, with '&' or (first) SEP before it. */
void http_query_add(struct str *s, char sep, const char *name, const char *value);

#endif
