#include "cmd/api/call.h"

#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"

struct err *api_fail(struct err *e, int status)
{
	if (e)
		e->status = status;
	return e;
}

struct err *api_judge(struct err *e)
{
	static const struct {
		const char *words;
		int status;
	} known[] = {
		{ "No such ", 404 },
		{ "no such volume", 404 },
		{ "not found", 404 },
		{ "does not exist", 404 },
		{ "denied", 404 }, /* of a registry: the same as "is not there" */
		{ "already exists", 409 },
		{ "already in use", 409 },
		{ " is in use", 409 },
		{ "being used", 409 },
		{ "conflict:", 409 },
		{ "unable to remove", 409 },
		{ "active endpoints", 403 },
		{ "pre-defined", 403 },
		{ "is not connected to", 404 },
		{ "Pool overlaps", 403 },
		{ "invalid", 400 },
		{ "not supported", 400 },
		{ "cannot be", 400 },
		{ "unauthorized", 401 },
	};

	if (!e || (e->status >= 400 && e->status < 600))
		return e;
	e->status = 500;
	for (size_t i = ARRAY_LEN(known); i-- > 0;)
		if (strstr(e->text, known[i].words))
			e->status = known[i].status;
	if (e->status == 404 && err_is(e, ENOENT))
		e->errnum = 0; /* the words say it */
	return e;
}

/* A child goes on; who is waited for, and killed, waits for it. */
struct err *api_to_end(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid < 0)
		return err_new(errno, "forking");
	if (pid > 0) {
		err_free(proc_wait_pid(pid, &status)); /* then the connection is of no further use */
		_exit(status);
	}
	setsid();
	return NULL;
}

/* --- the request ------------------------------------------------------------------------------------------------ */

const char *api_query(const struct api_call *c, const char *key)
{
	return strv_env(&c->rq->query, key) ?: "";
}

void api_query_all(const struct api_call *c, const char *key, struct strv *ret)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < c->rq->query.n; i++)
		if (str_starts(c->rq->query.v[i], key) && c->rq->query.v[i][len] == '=')
			strv_add(ret, c->rq->query.v[i] + len + 1);
}

bool api_query_bool(const struct api_call *c, const char *key, bool dflt)
{
	static const char *const no[] = { "", "0", "false", "no", "none", "False", NULL };
	const char *value = strv_env(&c->rq->query, key);

	for (size_t i = 0; value && no[i]; i++) /* what moby/httputils takes for false */
		if (!strcmp(value, no[i]))
			return false;
	return value ? true : dflt;
}

struct err *api_body_json(struct api_call *c, json **ret)
{
	_cleanup_str_ struct str text = { 0 };
	char buf[16384];
	size_t n;
	struct err *e;

	*ret = NULL;
	do {
		e = http_body_read(&c->body, buf, sizeof(buf), &n);
		str_addn(&text, buf, n);
		if (!e && text.len > API_JSON_MAX)
			e = api_fail(err_new(0, "the request has more than %d MiB", API_JSON_MAX >> 20),
				     413);
	} while (!e && n);
	if (!e && text.len)
		e = api_fail(json_parse(text.s, text.len, "the request's body", ret), 400);
	return e;
}

char *api_member(json *obj, const char *key)
{
	const char *text = json_str(obj, key);

	return text && *text ? xstrdup(text) : NULL;
}

void api_map(json *obj, const char *key, struct strv *ret)
{
	json *map = json_get(obj, key);

	for (size_t i = 0; json_is_object(map) && i < json_len(map); i++) {
		json *value = NULL;
		const char *name = json_key_at(map, i, &value), *text = json_text(value);

		if (text || json_is_number(value, &text))
			strv_addf(ret, "%s=%s", name, text);
	}
}

void api_mark(struct strv *labels)
{
	const char *with = getenv("DEVBOX_WITH");
	_cleanup_free_ char *label = with && *with ? xasprintf(LABEL_WITH "=%s", with) : NULL;

	if (label)
		strv_env_set(labels, label);
}

struct err *api_filters(const struct api_call *c, struct strv *ret)
{
	const char *text = api_query(c, "filters");
	_cleanup_json_ json *j = NULL;
	struct err *e = *text ? json_parse(text, strlen(text), "filters", &j) : NULL;

	if (!e && j && !json_is_object(j))
		e = err_new(0, "filters: not a JSON object");
	for (size_t i = 0; !e && i < json_len(j); i++) {
		json *values = NULL;
		const char *key = json_key_at(j, i, &values);

		for (size_t k = 0; k < json_len(values); k++) {
			json *on = NULL;
			bool yes = true;
			const char *value = json_is_array(values) ? json_text(json_at(values, k))
								  : json_key_at(values, k, &on);

			if (value && (!json_is_bool(on, &yes) || yes))
				strv_addf(ret, "%s=%s", key, value);
		}
	}
	return api_fail(e, 400);
}

struct err *api_box(struct api_call *c, struct box **ret)
{
	return api_fail(box_find(c->st, c->arg, ret), 404);
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

static struct err *answer(struct api_call *c, int status, const char *type, const char *headers,
			  const char *text, size_t len)
{
	_cleanup_free_ char *more =
		xasprintf("%s%s", headers, c->rq->close ? "Connection: close\r\n" : "");
	int fd = c->body.conn->fd;
	struct err *e;

	c->begun = true;
	e = http_write_head(fd, status, type, (int64_t)len, more);
	return e
		       ?: !strcmp(c->rq->method, "HEAD") ? NULL
							 : fd_write_all(fd, "to a client", text, len);
}

struct err *api_json(struct api_call *c, int status, struct json_out *o)
{
	size_t len;
	_cleanup_free_ char *text = json_out_take(o, &len);

	return answer(c, status, "application/json", "", text, len);
}

struct err *api_text_with(struct api_call *c, int status, const char *text, const char *headers)
{
	return answer(c, status, "text/plain; charset=utf-8", headers, text, strlen(text));
}

struct err *api_text(struct api_call *c, int status, const char *text)
{
	return api_text_with(c, status, text, "");
}

struct err *api_empty(struct api_call *c, int status)
{
	return answer(c, status, NULL, "", "", 0);
}

struct err *api_stream(struct api_call *c, const char *type)
{
	bool head = !strcmp(c->rq->method, "HEAD");
	_cleanup_free_ char *more = xasprintf("%s%s", c->headers ?: "",
					      c->rq->close || head ? "Connection: close\r\n" : "");
	struct err *e;

	c->begun = true;
	c->chunked = c->rq->chunks;
	e = http_write_head(c->body.conn->fd, 200, type, c->chunked ? HTTP_CHUNKED : HTTP_BARE, more);
	if (!e && head) /* nobody waits for what may follow */
		e = err_new(0, "the answer to HEAD has no pieces");
	return e;
}

struct err *api_piece(struct api_call *c, const void *data, size_t len)
{
	if (!len)
		return NULL; /* as a chunk it would be the last */
	return c->chunked ? http_write_chunk(c->body.conn->fd, data, len)
			  : fd_write_all(c->body.conn->fd, "to a client", data, len);
}

struct err *api_piece_json(struct api_call *c, struct json_out *o)
{
	size_t len;
	_cleanup_free_ char *text = json_out_take(o, &len);
	_cleanup_str_ struct str line = { 0 };

	str_addn(&line, text, len);
	str_add(&line, "\r\n");
	return api_piece(c, line.s, line.len);
}

struct err *api_piece_error(struct api_call *c, struct err *failure)
{
	int code = failure->status < 400 ? failure->status : 0;
	_cleanup_free_ char *line = NULL;
	struct json_out o;

	failure = api_judge(failure);
	line = err_line(failure);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "errorDetail", '{');
	if (code)
		json_put_int(&o, "code", code);
	err_free(failure);
	json_put_str(&o, "message", line);
	json_close(&o, '}');
	json_put_str(&o, "error", line);
	json_close(&o, '}');
	return api_piece_json(c, &o);
}

struct err *api_hijack(struct api_call *c, const char *type, int *ret_fd)
{
	bool h2c = str_eq(strv_env(&c->rq->headers, "upgrade"), "h2c");
	const char *as_asked = h2c ? "Connection: Upgrade\r\nUpgrade: h2c\r\n"
				   : "Connection: Upgrade\r\nUpgrade: tcp\r\n";

	c->begun = c->taken = true;
	*ret_fd = c->body.conn->fd;
	return http_write_head(*ret_fd, c->rq->upgrade ? 101 : 200, type, HTTP_BARE,
			       c->rq->upgrade ? as_asked : "");
}
