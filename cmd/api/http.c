#include "cmd/api/http.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/fd.h"

/* --- reading a head --------------------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

char *http_decode(const char *text, size_t len, bool plus)
{
	_cleanup_free_ char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
			int low = len - i > 2 ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0 || high + low == 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return TAKE_PTR(out);
}

/* A token of RFC 9110: what methods and names of headers are made of. */
static bool is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !memchr("!#$%&'*+-.^_`|~", s[i], 15))
			return false;
	return len > 0;
}

static struct err *parse_query(const char *text, size_t len, struct strv *ret)
{
	const char *end = text + len;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text)) ?: end;
		const char *eq = memchr(text, '=', (size_t)(amp - text)) ?: amp;
		_cleanup_free_ char *key = http_decode(text, (size_t)(eq - text), true);
		_cleanup_free_ char *value =
			eq < amp ? http_decode(eq + 1, (size_t)(amp - eq - 1), true) : xstrdup("");

		if (!key || !value || strchr(key, '='))
			return err_new(0, "malformed query");
		if (*key)
			strv_addf(ret, "%s=%s", key, value);
		text = amp + 1;
	}
	return NULL;
}

/* METHOD SP TARGET SP HTTP/1.x */
static struct err *parse_request_line(const char *line, size_t len, struct http_request *rq)
{
	const char *end = line + len, *sp = memchr(line, ' ', len), *target, *last, *query;

	if (!sp || !is_token(line, (size_t)(sp - line)))
		return err_new(0, "malformed request line");
	target = sp + 1;
	last = memchr(target, ' ', (size_t)(end - target));
	if (!last || (size_t)(end - last) != strlen(" HTTP/1.1") || memcmp(last, " HTTP/1.", 8) ||
	    (last[8] != '0' && last[8] != '1'))
		return err_new(0, "malformed request line");
	rq->chunks = last[8] == '1';
	rq->close = !rq->chunks;
	query = memchr(target, '?', (size_t)(last - target)) ?: last;
	if (*target != '/')
		return err_new(0, "malformed request target");
	rq->method = xstrndup(line, (size_t)(sp - line));
	rq->path = http_decode(target, (size_t)(query - target), false);
	if (!rq->path)
		return err_new(0, "malformed request target");
	return query < last ? parse_query(query + 1, (size_t)(last - query - 1), &rq->query) : NULL;
}

static struct err *parse_header(const char *line, size_t len, struct http_request *rq)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;
	_cleanup_free_ char *name = NULL;

	if (!colon || !is_token(line, (size_t)(colon - line)) || memchr(line, '\0', len) ||
	    memchr(line, '\r', len))
		return err_new(0, "malformed header");
	name = xstrndup(line, (size_t)(colon - line));
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	strv_addf(&rq->headers, "%s=%.*s", name, (int)(end - value), value);
	return NULL;
}

/* Is WORD among the comma-separated ones of the header NAME? */
static bool header_has(const struct http_request *rq, const char *name, const char *word)
{
	const char *at = strv_env(&rq->headers, name);

	while (at && *at) {
		size_t n = strcspn(at, ",");
		const char *from = at + strspn(at, " \t");

		if (!strncasecmp(from, word, strlen(word)) && strchr(", \t", from[strlen(word)]))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

/* How long the body is.  Two answers to that would let two readers of one stream disagree: refused. */
static struct err *parse_framing(struct http_request *rq)
{
	const char *length = strv_env(&rq->headers, "content-length");
	const char *coding = strv_env(&rq->headers, "transfer-encoding");
	uint64_t bytes = 0;
	unsigned n = 0;

	for (size_t i = 0; i < rq->headers.n; i++)
		n += str_starts(rq->headers.v[i], "content-length=") ||
		     str_starts(rq->headers.v[i], "transfer-encoding=");
	if (n > 1)
		return err_new(0, "the length of the body is given twice");
	if (coding && strcasecmp(coding, "chunked"))
		return err_new(0, "transfer encoding %s is not known", coding);
	rq->body_bytes = coding ? -1 : 0;
	if (length) {
		struct err *e = str_to_u64(length, 0, INT64_MAX, &bytes);

		if (e)
			return err_wrap(e, "content-length");
		rq->body_bytes = (int64_t)bytes;
	}
	return NULL;
}

struct err *http_head_parse(const char *text, size_t len, struct http_request *ret)
{
	struct http_request rq = { 0 };
	const char *end = text + len;
	struct err *e = NULL;
	bool first = true;

	while (!e && text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = eol ? (size_t)(eol - text) : (size_t)(end - text);
		size_t bare = n && text[n - 1] == '\r' ? n - 1 : n;

		if (!bare && !first)
			break;
		e = first ? parse_request_line(text, bare, &rq) : parse_header(text, bare, &rq);
		first = false;
		text += n + 1;
	}
	if (!e && first)
		e = err_new(0, "malformed request line");
	e = e ?: parse_framing(&rq);
	if (e) {
		http_request_done(&rq);
		return e;
	}
	rq.close |= header_has(&rq, "connection", "close");
	rq.upgrade = header_has(&rq, "connection", "upgrade");
	rq.expects_continue = header_has(&rq, "expect", "100-continue");
	*ret = rq;
	return NULL;
}

void http_request_done(struct http_request *rq)
{
	free(rq->method);
	free(rq->path);
	strv_done(&rq->query);
	strv_done(&rq->headers);
	*rq = (struct http_request){ 0 };
}

/* --- the connection --------------------------------------------------------------------------------------------- */

/* More bytes behind those there are; *RET_N 0 at the end. */
static struct err *fill(struct http_conn *c, size_t *ret_n)
{
	ssize_t n;

	if (c->at == c->len)
		c->at = c->len = 0;
	if (c->at && c->len == sizeof(c->buf)) {
		memmove(c->buf, c->buf + c->at, c->len - c->at);
		c->len -= c->at;
		c->at = 0;
	}
	do
		n = read(c->fd, c->buf + c->len, sizeof(c->buf) - c->len);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_new(errno, "reading a request");
	*ret_n = n > 0 ? (size_t)n : 0;
	c->len += *ret_n;
	return NULL;
}

/* Bytes of the head at C's place, with its empty line; 0: it is not complete. */
static size_t head_len(const struct http_conn *c)
{
	const char *from = c->buf + c->at, *end = c->buf + c->len;

	for (const char *nl = from; (nl = memchr(nl, '\n', (size_t)(end - nl))) != NULL; nl++) {
		if (end - nl > 1 && nl[1] == '\n')
			return (size_t)(nl + 2 - from);
		if (end - nl > 2 && nl[1] == '\r' && nl[2] == '\n')
			return (size_t)(nl + 3 - from);
	}
	return 0;
}

struct err *http_read_head(struct http_conn *c, struct http_request *ret, bool *ret_end)
{
	size_t len, n;
	struct err *e;

	*ret_end = false;
	while (!(len = head_len(c))) {
		if (c->len - c->at == sizeof(c->buf))
			return err_status(err_new(0, "the head of the request has more than %d bytes",
						  HTTP_HEAD_MAX),
					  431);
		e = fill(c, &n);
		if (e)
			return e;
		if (!n) {
			*ret_end = true;
			return NULL;
		}
	}
	e = http_head_parse(c->buf + c->at, len, ret);
	c->at += len;
	return err_status(e, 400);
}

void http_body_start(struct http_body *b, struct http_conn *c, const struct http_request *rq)
{
	*b = (struct http_body){
		.conn = c,
		.chunked = rq->body_bytes<0, .left = rq->body_bytes> 0 ? (uint64_t)rq->body_bytes : 0,
		.expects_continue = rq->expects_continue,
	};
	b->ended = !b->chunked && !b->left;
}

/* One line of the framing of chunks, without its end. */
static struct err *read_line(struct http_conn *c, char line[HTTP_CHUNK_LINE_MAX])
{
	for (size_t n = 0; n < HTTP_CHUNK_LINE_MAX;) {
		char byte;
		size_t got;
		struct err *e = c->at < c->len ? NULL : fill(c, &got);

		if (e)
			return e;
		if (c->at == c->len)
			return err_status(err_new(0, "the request ended within its body"), 400);
		byte = c->buf[c->at++];
		if (byte == '\n') {
			line[n && line[n - 1] == '\r' ? n - 1 : n] = '\0';
			return NULL;
		}
		line[n++] = byte;
	}
	return err_status(err_new(0, "malformed chunk"), 400);
}

/* The head of the next chunk; what follows the last one is skipped. */
static struct err *next_chunk(struct http_body *b)
{
	char line[HTTP_CHUNK_LINE_MAX], *end;
	struct err *e = read_line(b->conn, line);

	if (e)
		return e;
	errno = 0;
	b->left = strtoull(line, &end, 16);
	if (!isxdigit((unsigned char)*line) || errno || (*end && *end != ';' && *end != ' '))
		return err_status(err_new(0, "malformed chunk"), 400);
	b->ended = !b->left;
	while (!e && b->ended) {
		e = read_line(b->conn, line);
		if (!e && !*line)
			break;
	}
	return e;
}

struct err *http_body_read(struct http_body *b, void *buf, size_t size, size_t *ret_len)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_conn *c = b->conn;
	char line[HTTP_CHUNK_LINE_MAX];
	struct err *e = NULL;
	size_t n = 0;

	*ret_len = 0;
	if (b->expects_continue && !b->continued && !b->ended)
		e = fd_write_all(c->fd, "to a client", go_on, strlen(go_on));
	b->continued = true;
	if (!e && b->chunked && !b->left && !b->ended)
		e = next_chunk(b);
	if (e || b->ended || !size)
		return e;
	if (c->at == c->len)
		e = fill(c, &n);
	if (!e && c->at == c->len)
		e = err_status(err_new(0, "the request ended within its body"), 400);
	if (e)
		return e;
	n = c->len - c->at;
	n = n < size ? n : size;
	n = n < b->left ? n : (size_t)b->left;
	memcpy(buf, c->buf + c->at, n);
	c->at += n;
	b->left -= n;
	if (!b->left && b->chunked)
		e = read_line(c, line); /* the line end behind a chunk's data */
	else
		b->ended = !b->left;
	*ret_len = n;
	return e;
}

/* --- answering -------------------------------------------------------------------------------------------------- */

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 101, "UPGRADED" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Status";
}

struct err *http_write_head(int fd, int status, const char *type, int64_t len, const char *more)
{
	_cleanup_str_ struct str s = { 0 };

	str_addf(&s, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (type)
		str_addf(&s, "Content-Type: %s\r\n", type);
	str_add(&s, more);
	if (len == HTTP_CHUNKED)
		str_add(&s, "Transfer-Encoding: chunked\r\n");
	else if (len >= 0 && status != 204 && status != 304) /* those have no body */
		str_addf(&s, "Content-Length: %lld\r\n", (long long)len);
	str_add(&s, "\r\n");
	return fd_write_all(fd, "to a client", s.s, s.len);
}

struct err *http_write_chunk(int fd, const void *data, size_t len)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%zx\r\n", len);
	struct err *e = fd_write_all(fd, "to a client", head, (size_t)n);

	e = e ?: len ? fd_write_all(fd, "to a client", data, len) : NULL;
	return e ?: fd_write_all(fd, "to a client", "\r\n", 2);
}
