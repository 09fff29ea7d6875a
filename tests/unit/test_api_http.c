/* The head of a request of Docker's API. */
#include "cmd/api/http.h"

#include <sys/socket.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static const char *why(const char *text)
{
	static char line[200];
	struct http_request rq;
	struct err *e = http_head_parse(text, strlen(text), &rq);

	snprintf(line, sizeof(line), "%s", e ? e->text : "");
	if (!e)
		http_request_done(&rq);
	err_free(e);
	return line;
}

static void test_head(void)
{
	static const char text[] =
		"POST /v1.41/images/a%2Fb/tag?repo=x+y&tag=1%262&=z&flag HTTP/1.1\r\n"
		"Host: docker\r\nX-Registry-Auth:  e30= \r\nConnection: keep-alive, Upgrade\r\n"
		"Content-Length: 12\r\nExpect: 100-continue\r\n\r\n";
	static const char old[] = "GET /_ping HTTP/1.0\r\n\r\n";
	struct http_request rq;
	struct err *e = http_head_parse(text, strlen(text), &rq);

	ok(!e, "a head is read");
	is_str(rq.method, "POST", "method");
	is_str(rq.path, "/v1.41/images/a/b/tag", "decoded path");
	is_str(strv_env(&rq.query, "repo"), "x y", "a plus in the query is a blank");
	is_str(strv_env(&rq.query, "tag"), "1&2", "an escaped & belongs to the value");
	is_str(strv_env(&rq.query, "flag"), "", "a key alone");
	is_int((int)rq.query.n, 3, "no more keys than that");
	is_str(strv_env(&rq.headers, "x-registry-auth"),
	       "e30=", "headers in lower case, without blanks around");
	ok(rq.upgrade && !rq.close && rq.expects_continue && rq.chunks,
	   "what the connection is to become");
	is_int((int)rq.body_bytes, 12, "length of the body");
	http_request_done(&rq);

	e = http_head_parse(old, strlen(old), &rq);
	ok(!e && rq.close && !rq.chunks, "HTTP/1.0 knows no chunks, and no second request");
	http_request_done(&rq);
}

static void test_refused(void)
{
	is_str(why("GET / HTTP/2.0\r\n\r\n"), "malformed request line", "another protocol");
	is_str(why("GET  HTTP/1.1\r\n\r\n"), "malformed request target", "no target");
	is_str(why("GET x HTTP/1.1\r\n\r\n"), "malformed request target", "a target without slash");
	is_str(why("GET /%00 HTTP/1.1\r\n\r\n"), "malformed request target", "a zero byte");
	is_str(why("GET /%4 HTTP/1.1\r\n\r\n"), "malformed request target", "half an escape");
	is_str(why("GET /?a%3Db=1 HTTP/1.1\r\n\r\n"), "malformed query", "a key with an equals sign");
	is_str(why("GET / HTTP/1.1\r\nA B: c\r\n\r\n"), "malformed header", "a blank in a name");
	is_str(why("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
	       "the length of the body is given twice", "two lengths");
	is_str(why("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
	       "transfer encoding gzip is not known", "an unknown coding");
	is_str(why("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
	       "content-length: '-1' is not a number from 0 to 9223372036854775807",
	       "a length below zero");
}

static void test_chunks(void)
{
	static const char text[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\nGET ";
	static struct http_conn c;
	struct http_request rq;
	struct http_body b;
	_cleanup_str_ struct str got = { 0 };
	int fds[2];
	bool end;
	size_t n;
	struct err *e = fd_socketpair(SOCK_STREAM, fds);

	e = e ?: fd_write_all(fds[1], "test", text, strlen(text));
	c.fd = fds[0];
	e = e ?: http_read_head(&c, &rq, &end);
	ok(!e && !end && rq.body_bytes < 0, "a body in chunks");
	http_body_start(&b, &c, &rq);
	do {
		char buf[3];

		e = e ?: http_body_read(&b, buf, sizeof(buf), &n);
		str_addn(&got, buf, n);
	} while (!e && n);
	is_str(got.s, "hello!", "is put together");
	ok(!e && b.ended && c.len - c.at == 4, "its end is seen, what follows is left");
	http_request_done(&rq);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	test_head();
	test_refused();
	test_chunks();
	return done_testing();
}
