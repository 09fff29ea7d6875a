/* cmd/api/call.h -- one request of Docker's API being answered, for the files that answer: what they are given and how
 * they answer.  Handlers call what the verbs call (core/), not the verbs.
 *
 * A handler runs in a process of its own that ends with the request: nothing it leaves behind matters.  It is killed
 * when the client hangs up, so it may wait for as long as it likes.  An error it returns before it has begun to answer
 * becomes {"message": "..."} with the error's status if that is one of HTTP's (api_fail()), else 500; afterwards the
 * connection is cut. */
#ifndef CMD_API_CALL_H
#define CMD_API_CALL_H

#include "cmd/api/http.h"
#include "core/base/json.h"
#include "core/box/box.h"

enum {
	API_JSON_MAX = 4 << 20, /* a request's JSON */
	API_MINOR = 44, /* we speak 1.12 to 1.44; the oldest differ from the newest only in what they lack */
	API_MINOR_MIN = 12,
	API_NO_NONE = 43, /* from this version on an image without names has empty lists of them */
};

struct api_call {
	const struct http_request *rq;
	struct http_body body;
	struct store *st;
	char *arg; /* what the route's asterisk stands for; "" without one */
	unsigned minor; /* of the version in the path; API_MINOR without one */
	const char *headers; /* further ones of api_stream()'s answer, each ended by CRLF; NULL: none */
	bool begun; /* an answer has begun */
	bool chunked; /* ... in chunks, which the framework ends */
	bool taken; /* the connection is a bare stream now, or has to be closed */
	pid_t copier; /* who reads the body, see flow.h; 0: the handler itself */
};

struct api_route {
	const char *method;
	const char *path; /* without the version; one "*" stands for any text, with slashes only in names of images */
	struct err *(*answer)(struct api_call *c);
};
/* Each ends with an entry without method.  The first route that fits is taken. */
extern const struct api_route api_system_routes[], api_container_routes[], api_create_routes[],
	api_life_routes[], api_stream_routes[], api_usage_routes[], api_network_routes[],
	api_volume_routes[], api_image_routes[], api_registry_routes[], api_build_routes[],
	api_buildkit_routes[], api_exec_routes[], api_archive_routes[];

/* E with HTTP's STATUS, 400 to 599.  NULL stays NULL. */
struct err *api_fail(struct err *e, int status) MUST_CHECK;
/* The same by its words: "No such image: x" is 404, "... already exists" 409, and so on; 500 for what is not known.
 * Done for every error that has no status of HTTP when it is answered. */
struct err *api_judge(struct err *e) MUST_CHECK;

/* From here on the handler is not killed when the client hangs up: what it does is done to its end. */
struct err *api_to_end(void) MUST_CHECK;

/* --- the request */

/* "" if it was not given. */
const char *api_query(const struct api_call *c, const char *key);
/* All values of KEY. */
void api_query_all(const struct api_call *c, const char *key, struct strv *ret);
/* "1", "true", "True", "on" are true; absent is DFLT. */
bool api_query_bool(const struct api_call *c, const char *key, bool dflt);
/* The body as JSON; NULL in *RET if there is none. */
struct err *api_body_json(struct api_call *c, json **ret) MUST_CHECK;
/* A copy of the text KEY of OBJ; NULL if it is absent or "". */
char *api_member(json *obj, const char *key);
/* What is made in a "devbox with" is labelled as that one's. */
void api_mark(struct strv *labels);
/* The members of the object KEY of OBJ that are texts or numbers, as "name=value". */
void api_map(json *obj, const char *key, struct strv *ret);
/* ?filters={"label":["a=b"]} or the older {"label":{"a=b":true}} as "label=a=b", the form of cmd/filter.h. */
struct err *api_filters(const struct api_call *c, struct strv *ret) MUST_CHECK;
/* The container the path names.  404. */
struct err *api_box(struct api_call *c, struct box **ret) MUST_CHECK;

/* --- the answer: one of these */

/* Ends O. */
struct err *api_json(struct api_call *c, int status, struct json_out *o) MUST_CHECK;
struct err *api_text(struct api_call *c, int status, const char *text) MUST_CHECK; /* text/plain */
struct err *api_text_with(struct api_call *c, int status, const char *text, const char *headers)
	MUST_CHECK; /* each ended by CRLF */
struct err *api_empty(struct api_call *c, int status) MUST_CHECK; /* 204, 304 */
/* 200 and then pieces, each sent at once.  The answer to HEAD is over with it: an error. */
struct err *api_stream(struct api_call *c, const char *type) MUST_CHECK;
struct err *api_piece(struct api_call *c, const void *data, size_t len) MUST_CHECK;
struct err *api_piece_json(struct api_call *c, struct json_out *o) MUST_CHECK; /* a line; ends O */
/* The last line of a stream of lines: what went wrong, with E's exit status if it has one.  Ends E. */
struct err *api_piece_error(struct api_call *c, struct err *e) MUST_CHECK;
/* The connection itself, both ways, after "101 UPGRADED" (or 200 for those who did not ask to upgrade).  What the
 * client sent behind its request is still in c->body.conn.  The descriptor stays the call's. */
struct err *api_hijack(struct api_call *c, const char *type, int *ret_fd) MUST_CHECK;

#endif
