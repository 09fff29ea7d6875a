/* cmd/api/http.h -- HTTP/1.1 as the clients of Docker's API speak it over a unix socket: one request read, its answer
 * written, both by a process that does nothing else meanwhile.
 * Source: RFC 9112 (messages), RFC 9110 (100-continue), Docker Engine API ("attach": hijacking).
 *
 * What comes in is hostile: a head has at most HTTP_HEAD_MAX bytes, a chunk's line HTTP_CHUNK_LINE_MAX; a body is read
 * in pieces, by who knows how much of it can be meant. */
#ifndef CMD_API_HTTP_H
#define CMD_API_HTTP_H

#include <sys/types.h>

#include "core/base/str.h"

enum { HTTP_HEAD_MAX = 64 * 1024, HTTP_CHUNK_LINE_MAX = 256 };

struct http_request {
	char *method; /* "GET" */
	char *path; /* decoded, without the query; starts with a slash */
	struct strv query; /* "key=value", decoded, in the request's order */
	struct strv headers; /* "name=value", names in lower case */
	int64_t body_bytes; /* -1: in chunks */
	bool close; /* the client wants no further request on this connection */
	bool chunks; /* it knows them: HTTP/1.1 */
	bool upgrade; /* it asks for the bare connection */
	bool expects_continue;
};
/* The head of a request: LEN bytes up to and with the empty line.  Pure.  Errors: what is wrong with it. */
struct err *http_head_parse(const char *text, size_t len, struct http_request *ret) MUST_CHECK;
void http_request_done(struct http_request *rq);
/* Undo %XX; with PLUS also '+' for a blank.  NULL if it holds %00 or a broken escape.  The caller frees it. */
char *http_decode(const char *text, size_t len, bool plus);

/* A connection and what was read of it too early. */
struct http_conn {
	int fd;
	size_t at, len;
	char buf[HTTP_HEAD_MAX];
};
/* The next request.  *RET_END: the client has closed; there is none. */
struct err *http_read_head(struct http_conn *c, struct http_request *ret, bool *ret_end) MUST_CHECK;

/* Where in the body of a request we are. */
struct http_body {
	struct http_conn *conn;
	bool chunked, ended, continued;
	uint64_t left; /* of the body, or of its present chunk */
	bool expects_continue;
};
void http_body_start(struct http_body *b, struct http_conn *c, const struct http_request *rq);
/* Up to SIZE bytes; *RET_LEN 0 at the end. */
struct err *http_body_read(struct http_body *b, void *buf, size_t size, size_t *ret_len) MUST_CHECK;

/* "HTTP/1.1 200 OK" and its headers; MORE: further ones, each ended by CRLF, or "".  LEN: of the body, or one of
 * these. */
enum { HTTP_CHUNKED = -1, HTTP_BARE = -2 /* whatever comes until the end of the connection */ };
struct err *http_write_head(int fd, int status, const char *type, int64_t len, const char *more)
	MUST_CHECK;
struct err *http_write_chunk(int fd, const void *data, size_t len) MUST_CHECK; /* LEN 0 ends the body */
/* The words for STATUS. */
const char *http_status_text(int status);

#endif
