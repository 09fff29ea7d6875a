/* cmd/api/stream.c -- what flows from and to a container: attach, wait, resize, logs */
#include "cmd/api/stream.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "cmd/api/await.h"
#include "cmd/logs.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/procs.h"
#include "core/box/term.h"

const char *stream_type(const struct api_call *c, bool tty)
{
	return tty || c->minor < 42 ? "application/vnd.docker.raw-stream"
				    : "application/vnd.docker.multiplexed-stream";
}

void stream_head(unsigned stream, size_t len, unsigned char ret[FRAME_HEAD])
{
	memset(ret, 0, FRAME_HEAD);
	ret[0] = (unsigned char)stream;
	for (int i = 0; i < 4; i++)
		ret[4 + i] = (unsigned char)(len >> (24 - 8 * i));
}

/* --- logs ------------------------------------------------------------------------------------------------------- */

struct log_client {
	struct api_call *c;
	int hijacked; /* the bare connection, or -1: pieces of an answer */
	bool tty, want[LOG_STDERR + 1];
};

static struct err *log_write(void *arg, enum log_stream stream, const char *data, size_t len)
{
	struct log_client *to = arg;
	_cleanup_str_ struct str s = { 0 };
	unsigned char head[FRAME_HEAD];

	if (!data || !to->want[stream])
		return NULL;
	stream_head(stream, len, head);
	if (!to->tty)
		str_addn(&s, head, sizeof(head));
	str_addn(&s, data, len);
	return to->hijacked < 0 ? api_piece(to->c, s.s, s.len)
				: fd_write_all(to->hijacked, "to a client", s.s, s.len);
}

static struct err *logs(struct api_call *c)
{
	const char *tail = api_query(c, "tail"), *since = api_query(c, "since"),
		   *until = api_query(c, "until");
	struct log_client to = { .c = c, .hijacked = -1 };
	struct logs_opts o = { .follow = api_query_bool(c, "follow", false),
			       .timestamps = api_query_bool(c, "timestamps", false),
			       .details = api_query_bool(c, "details", false),
			       .tail = *tail ? tail : "all",
			       .since = *since && strcmp(since, "0") ? since : NULL,
			       .until = *until && strcmp(until, "0") ? until : NULL };
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	to.want[LOG_STDOUT] = api_query_bool(c, "stdout", false);
	to.want[LOG_STDERR] = api_query_bool(c, "stderr", false);
	if (!e && !to.want[LOG_STDOUT] && !to.want[LOG_STDERR])
		e = api_fail(err_new(0, "Bad parameters: you must choose at least one stream"), 400);
	e = e ?: api_fail(logs_check(b, &o), 400);
	if (e)
		return e;
	to.tty = b->spec.tty;
	e = api_stream(c, stream_type(c, to.tty));
	return e ?: logs_show(b, &o, log_write, &to);
}

/* --- attach ----------------------------------------------------------------------------------------------------- */

struct attached {
	struct await a;
	struct log_client to; /* whom it is for */
	bool input, input_ends; /* there is input to come; the container's ends with ours */
	struct detach_keys keys;
	bool detached;
	/* what came behind the request */
	const char *early;
	size_t n_early;
};

static struct err *pass_input(struct attached *at, const char *in, size_t n)
{
	char out[CTL_DATA_MAX];

	if (at->to.tty)
		n = detach_keys_filter(&at->keys, in, n, out, &at->detached);
	return n ? ctl_send(at->a.conn, CTL_STDIN, 0, at->to.tty ? out : in, n, -1) : NULL;
}

static struct err *read_input(struct attached *at)
{
	char in[CTL_DATA_MAX - DETACH_KEYS_MAX];
	ssize_t n = at->n_early ? (ssize_t)at->n_early : read(at->to.hijacked, in, sizeof(in));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	if (n > (ssize_t)sizeof(in))
		n = sizeof(in);
	if (at->n_early) {
		memcpy(in, at->early, (size_t)n);
		at->early += n;
		at->n_early -= (size_t)n;
	}
	if (n > 0)
		return pass_input(at, in, (size_t)n);
	at->input = false;
	return at->input_ends ? ctl_send(at->a.conn, CTL_STDIN_EOF, 0, NULL, 0, -1) : NULL;
}

/* A monitor is there: it is told what becomes of the input when the client goes. */
static struct err *introduce(struct attached *at)
{
	bool ends = at->input && at->input_ends;

	return at->a.conn >= 0 && ends ? ctl_send(at->a.conn, CTL_ATTACH, 1, NULL, 0, -1) : NULL;
}

static struct err *attach_step(struct attached *at, bool *ret_over)
{
	struct pollfd p[AWAIT_FDS + 1];
	struct ctl_msg msg;
	enum await_what what = AWAIT_NOTHING;
	bool takes = at->input && at->a.conn >= 0;
	size_t len = 0;
	struct err *e;

	await_fds(&at->a, p);
	p[AWAIT_FDS] = (struct pollfd){ .fd = takes && !at->n_early ? at->to.hijacked : -1,
					.events = POLLIN };
	if (poll(p, ARRAY_LEN(p), takes && at->n_early ? 0 : await_timeout_ms(&at->a)) < 0)
		return errno == EINTR ? NULL : err_new(errno, "waiting for the container");
	e = await_step(&at->a, p, &msg, &len, &what);
	if (!e && what == AWAIT_CALLED)
		e = introduce(at);
	if (!e && what == AWAIT_MESSAGE && (msg.type == CTL_OUT || msg.type == CTL_ERR))
		e = log_write(&at->to, msg.type == CTL_OUT ? LOG_STDOUT : LOG_STDERR, msg.data, len);
	*ret_over = what >= AWAIT_EXITED;
	if (!e && !*ret_over && at->a.conn >= 0 && takes && (p[AWAIT_FDS].revents || at->n_early))
		e = read_input(at);
	if (err_is(e, EPIPE) || err_is(e, ECONNRESET)) { /* the monitor's last words wait to be read */
		err_free(e);
		e = NULL;
		at->input = false;
	}
	return e;
}

static struct err *check_attachable(struct box *b)
{
	if (b->state.status == BOX_RESTARTING)
		return err_new(0, "Container %s is restarting, wait until the container is running",
			       b->spec.id);
	if (box_is_paused(b))
		return err_new(0, "Container %s is paused, unpause the container before attach",
			       b->spec.id);
	return NULL;
}

static struct err *attach(struct api_call *c)
{
	const char *keys = strv_env(&c->rq->query, "detachKeys");
	bool stream = api_query_bool(c, "stream", false);
	struct attached at = { .a = AWAIT_NONE, .to = { .c = c, .hijacked = -1 } };
	struct logs_opts o = { .tail = "all" };
	_cleanup_free_ char *until = NULL;
	_cleanup_box_ struct box *b = NULL;
	bool over = false;
	int64_t now;
	struct err *e = api_box(c, &b);

	e = e ?: api_fail(detach_keys_parse(keys && *keys ? keys : "ctrl-p,ctrl-q", &at.keys), 400);
	e = e ?: api_fail(check_attachable(b), 409);
	if (e)
		return e;
	at.to.tty = b->spec.tty;
	at.to.want[LOG_STDOUT] = api_query_bool(c, "stdout", false);
	at.to.want[LOG_STDERR] = api_query_bool(c, "stderr", false);
	at.input = stream && b->spec.open_stdin && api_query_bool(c, "stdin", false);
	at.input_ends = b->spec.attach & ATTACH_STDIN; /* StdinOnce */
	at.early = c->body.conn->buf + c->body.conn->at;
	at.n_early = c->body.conn->len - c->body.conn->at;
	if (stream)
		e = await_open(b, WAITER_ATTACH, &at.a);
	now = time_now_ns();
	until = xasprintf("%lld.%09lld", (long long)(now / 1000000000), (long long)(now % 1000000000));
	o.until = until;
	e = e ?: introduce(&at);
	e = e ?: api_hijack(c, stream_type(c, at.to.tty), &at.to.hijacked);
	if (!e && api_query_bool(c, "logs", false))
		e = logs_show(b, &o, log_write, &at.to); /* what comes from now on, comes as it is written */
	while (!e && stream && !over && !at.detached)
		e = attach_step(&at, &over);
	await_done(&at.a);
	return e;
}

/* --- resize ----------------------------------------------------------------------------------------------------- */

static struct err *side(const struct api_call *c, const char *key, uint64_t *ret)
{
	return api_fail(err_wrap(str_to_u64(api_query(c, key), 0, UINT16_MAX, ret),
				 "invalid size \"%s\"", key),
			400);
}

static struct err *resize(struct api_call *c)
{
	_cleanup_close_ int conn = -1;
	_cleanup_box_ struct box *b = NULL;
	uint64_t rows = 0, columns = 0;
	struct err *e = api_box(c, &b);

	e = e ?: side(c, "h", &rows);
	e = e ?: side(c, "w", &columns);
	if (!e && b->state.status != BOX_RUNNING)
		e = api_fail(err_new(0, "Container %s is not running", b->spec.id), 409);
	e = e ?: ctl_connect(b->dir, &conn);
	e = e ?: ctl_send(conn, CTL_RESIZE, (uint32_t)(rows << 16 | columns), NULL, 0, -1);
	return e ?: api_empty(c, 200);
}

/* --- wait ------------------------------------------------------------------------------------------------------- */

enum condition { NOT_RUNNING, NEXT_EXIT, REMOVED, CONDITION_MAX };
static const char *const conditions[] = { "not-running", "next-exit", "removed" };
_Static_assert(ARRAY_LEN(conditions) == CONDITION_MAX, "a name for every condition");

static struct err *parse_condition(const struct api_call *c, enum condition *ret)
{
	const char *text = api_query(c, "condition");

	*ret = NOT_RUNNING;
	if (!*text)
		return NULL;
	for (enum condition k = 0; k < CONDITION_MAX; k++)
		if (!strcmp(text, conditions[k])) {
			*ret = k;
			return NULL;
		}
	return api_fail(err_new(0, "invalid condition: \"%s\"", text), 400);
}

/* Until the end of a run, or of the container. */
static struct err *wait_end(struct await *a, bool removed, int *ret_code)
{
	enum await_what what = AWAIT_NOTHING;
	struct pollfd p[AWAIT_FDS];
	struct err *e = NULL;
	struct ctl_msg msg;
	size_t len;

	while (!e && what != AWAIT_REMOVED && (removed || what != AWAIT_EXITED)) {
		await_fds(a, p);
		if (poll(p, AWAIT_FDS, await_timeout_ms(a)) < 0) {
			if (errno != EINTR)
				e = err_new(errno, "waiting for the container");
			continue;
		}
		e = await_step(a, p, &msg, &len, &what);
		if (!e && what == AWAIT_EXITED)
			*ret_code = (int)msg.arg;
	}
	return e;
}

static struct err *wait_for(struct api_call *c)
{
	struct await a = AWAIT_NONE;
	_cleanup_box_ struct box *b = NULL;
	enum condition until;
	struct json_out o;
	int code;
	struct err *e = api_box(c, &b);

	e = e ?: parse_condition(c, &until);
	if (!e && until != NOT_RUNNING)
		e = await_open(b, WAITER_END, &a);
	/* the head at once: who gets it knows that from now on nothing is missed */
	e = e ?: api_stream(c, "application/json");
	if (e) {
		await_done(&a);
		return e;
	}
	code = b->state.exit_code;
	e = until == NOT_RUNNING ? box_wait(b, &code) : wait_end(&a, until == REMOVED, &code);
	await_done(&a);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "StatusCode", code);
	if (e) {
		_cleanup_free_ char *line = err_line(e);

		json_open(&o, "Error", '{');
		json_put_str(&o, "Message", line);
		json_close(&o, '}');
		err_free(e); /* told */
	}
	json_close(&o, '}');
	return api_piece_json(c, &o);
}

const struct api_route api_stream_routes[] = {
	{ "POST", "/containers/*/attach", attach },
	{ "GET", "/containers/*/logs", logs },
	{ "POST", "/containers/*/resize", resize },
	{ "POST", "/containers/*/wait", wait_for },
	{ 0 },
};
