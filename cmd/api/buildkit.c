/* cmd/api/buildkit.c -- /session, /grpc: BuildKit's protocol is not spoken; its clients are told so in their own words,
 * and what to do, where they would else guess at a broken engine.
 * Source: gRPC over HTTP/2 (a response of trailers only), nghttp2's documentation of servers. */
#include <nghttp2/nghttp2.h>

#include "cmd/api/call.h"
#include "core/base/fd.h"

#define NV(name, value)                                                                            \
	{                                                                                          \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1,     \
			sizeof(value) - 1, NGHTTP2_NV_FLAG_NONE                                    \
	}

enum { BUF = 16 << 10 };

/* Every call is answered with "unimplemented". */
static int on_frame(nghttp2_session *s, const nghttp2_frame *f, UNUSED void *arg)
{
	static const nghttp2_nv refusal[] = {
		NV(":status", "200"),
		NV("content-type", "application/grpc"),
		NV("grpc-status", "12"),
		NV("grpc-message",
		   "BuildKit's protocol is not spoken here: DOCKER_BUILDKIT=0 in the environment lets the client ask "
		   "in the way of the classic builder"),
	};

	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	return nghttp2_submit_response(s, f->hd.stream_id, refusal, ARRAY_LEN(refusal), NULL);
}

/* What the client sent early, then what it sends; 0 at the end. */
static size_t next_bytes(struct http_conn *c, void *buf, size_t size)
{
	size_t n = c->len - c->at;
	ssize_t got;

	if (n) {
		n = n < size ? n : size;
		memcpy(buf, c->buf + c->at, n);
		c->at += n;
		return n;
	}
	do
		got = read(c->fd, buf, size);
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

static struct err *send_all(nghttp2_session *s, int fd)
{
	const uint8_t *data;
	ssize_t n;
	struct err *e = NULL;

	while (!e && (n = nghttp2_session_mem_send(s, &data)) > 0)
		e = fd_write_all(fd, "to a client", data, (size_t)n);
	return e;
}

static struct err *refuse_calls(struct api_call *c, nghttp2_session *s, int fd)
{
	_cleanup_free_ uint8_t *buf = xmalloc(BUF);
	struct err *e;
	size_t n = 0;

	nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, NULL, 0);
	do {
		e = send_all(s, fd);
		n = e ? 0 : next_bytes(c->body.conn, buf, BUF);
	} while (n && nghttp2_session_mem_recv(s, buf, n) >= 0);
	return e;
}

static struct err *grpc(struct api_call *c)
{
	nghttp2_session_callbacks *on = NULL;
	nghttp2_session *s = NULL;
	struct err *e;
	int fd;

	if (nghttp2_session_callbacks_new(&on))
		abort();
	nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
	if (nghttp2_session_server_new(&s, on, NULL))
		abort();
	nghttp2_session_callbacks_del(on);
	e = api_hijack(c, NULL, &fd);
	e = e ?: refuse_calls(c, s, fd);
	nghttp2_session_del(s);
	return e;
}

/* The way back to the client, of which nothing will be asked: what it then has built is refused with words. */
static struct err *session(struct api_call *c)
{
	char buf[512];
	int fd;
	struct err *e = api_hijack(c, NULL, &fd);

	while (!e && next_bytes(c->body.conn, buf, sizeof(buf)))
		;
	return e;
}

const struct api_route api_buildkit_routes[] = {
	{ "POST", "/session", session },
	{ "POST", "/grpc", grpc },
	{ 0 },
};
