/* cmd/api/exec.c -- /containers/X/exec and /exec/X: commands in containers
 *
 * How it works: what is to be run is written down by one request (core/box/execrec.h) and started by another, whose
 * process forks the command's keeper:
 *
 *	connection --> request --> keeper --> command in the container (core/box/exec.c)
 *
 * The keeper holds the command's pipes or terminal and the client's connection, which it writes frames to, and notes
 * the end in the record.  The request's process only waits for it, and is killed when the client hangs up; the keeper
 * is not: as with Docker the command goes on, its input ends, its output goes nowhere.  A detached command has a
 * keeper, too, without a connection; the request is answered when the command was executed. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cmd/api/stream.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/execrec.h"
#include "core/box/procs.h"
#include "core/box/term.h"

/* --- making one ------------------------------------------------------------------------------------------------- */

/* [rows, columns], or nothing. */
static uint32_t console_size(json *body)
{
	json *size = json_get(body, "ConsoleSize");
	uint32_t side[2] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(side); i++) {
		const char *digits = NULL;
		uint64_t n = 0;
		struct err *e = json_is_number(json_at(size, i), &digits)
					? str_to_u64(digits, 0, UINT16_MAX, &n)
					: NULL;

		err_free(e); /* Docker takes any number there */
		side[i] = (uint32_t)n;
	}
	return side[0] << 16 | side[1];
}

static void read_request(json *body, struct execrec *r)
{
	json *cmd = json_get(body, "Cmd");

	if (json_text(cmd))
		strv_add(&r->req.argv, json_text(cmd));
	else
		json_strv(body, "Cmd", &r->req.argv);
	json_strv(body, "Env", &r->req.env);
	r->req.user = r->user = api_member(body, "User");
	r->req.workdir = r->workdir = api_member(body, "WorkingDir");
	r->detach_keys = api_member(body, "DetachKeys");
	r->req.tty = json_bool(body, "Tty", false);
	r->req.privileged = json_bool(body, "Privileged", false);
	r->req.open_stdin = json_bool(body, "AttachStdin", false);
	r->out = json_bool(body, "AttachStdout", false);
	r->err = json_bool(body, "AttachStderr", false);
}

static struct err *check_runs(const struct box *b)
{
	struct err *e = NULL;

	if (b->state.status == BOX_RESTARTING)
		e = err_new(0, "Container %s is restarting, wait until the container is running",
			    b->spec.id);
	else if (b->state.status != BOX_RUNNING)
		e = err_new(0, "container %s is not running", b->spec.id);
	else if (box_is_paused(b))
		e = err_new(0, "container %s is paused, unpause the container before exec", b->spec.id);
	return api_fail(e, 409);
}

static struct err *create(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	_cleanup_json_ json *body = NULL;
	struct execrec r = { 0 };
	struct detach_keys keys;
	struct json_out o;
	struct err *e = api_box(c, &b);

	e = e ?: api_body_json(c, &body);
	if (!e)
		read_request(body, &r);
	if (!e && !r.req.argv.n)
		e = api_fail(err_new(0, "No exec command specified"), 400);
	if (!e && r.detach_keys)
		e = api_fail(detach_keys_parse(r.detach_keys, &keys), 400);
	e = e ?: check_runs(b);
	e = e ?: execrec_make(b, &r);
	if (!e && console_size(body))
		e = execrec_resize(b, &r, console_size(body));
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Id", r.id);
	json_close(&o, '}');
	return api_json(c, 201, &o);
}

/* --- its keeper ------------------------------------------------------------------------------------------------- */

struct keeper {
	struct box *b;
	struct execrec *r;
	const struct api_call *c;
	int conn; /* the client, or -1: detached */
	int told; /* the request's process hears of the beginning here */
	bool gone; /* the client is */
};

static void on_started(void *arg)
{
	struct keeper *k = arg;

	close(TAKE_FD(k->told)); /* end of file: no error */
}

static struct err *send_output(void *arg, int stream, const void *data, size_t len)
{
	struct keeper *k = arg;
	bool tty = k->r->req.tty;
	unsigned char head[FRAME_HEAD];
	struct err *e = NULL;

	if (k->gone || !(stream == 1 || tty ? k->r->out : k->r->err))
		return NULL;
	stream_head((unsigned)stream, len, head);
	if (!tty)
		e = fd_write_all(k->conn, "to a client", head, sizeof(head));
	e = e ?: fd_write_all(k->conn, "to a client", data, len);
	k->gone = e != NULL;
	err_free(e); /* the command goes on */
	return NULL;
}

static uint32_t wanted_size(void *arg)
{
	const struct keeper *k = arg;

	return execrec_size(k->b, k->r);
}

/* Where Docker says that a command could not be executed: its output. */
static int tell_failure(struct keeper *k, struct err *e)
{
	int status = e->status ?: 126;
	_cleanup_free_ char *line = err_line(e), *text = xasprintf("%s\r\n", line);

	if (k->conn >= 0)
		err_free(send_output(k, 1, text, strlen(text)));
	if (k->told >= 0)
		err_send(k->told, e);
	err_free(e);
	return status;
}

NORETURN static void keeper_main(struct keeper *k)
{
	struct http_conn *in = k->c->body.conn;
	const struct exec_hooks hooks = { .id = k->r->id,
					  .to_end = true,
					  .started = on_started,
					  .output = send_output,
					  .size = wanted_size,
					  .early = in->buf + in->at,
					  .n_early = in->len - in->at < EXEC_EARLY_MAX
							     ? in->len - in->at
							     : EXEC_EARLY_MAX,
					  .arg = k };
	int stdio[3] = { k->conn, -1, -1 }, status = 0;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err *e;

	setsid();
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i); /* who reads the service's output does not wait for the command */
	signal(SIGPIPE, SIG_IGN);
	k->r->req.hooks = &hooks;
	e = execrec_start(k->b, k->r);
	if (e)
		_exit(tell_failure(k, api_fail(e, 409)) ? 1 : 0);
	proc_title_set("devbox: command in %s", k->b->spec.name);
	e = box_exec(k->b, &k->r->req, stdio, k->r->detach_keys, &status);
	if (e)
		status = tell_failure(k, e);
	err_free(execrec_end(k->b, k->r, status)); /* the container may have gone */
	_exit(0);
}

/* The keeper, and when the command was executed or failed: *RET. */
static struct err *fork_keeper(struct keeper *k, pid_t *ret)
{
	char buf[ERR_WIRE_MAX];
	sigset_t winch;
	ssize_t n;
	int told[2];

	if (pipe2(told, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH); /* one that comes before anybody waits for it is kept */
	sigprocmask(SIG_BLOCK, &winch, NULL);
	*ret = fork();
	if (*ret == 0) {
		close(told[0]);
		k->told = told[1];
		if (k->conn < 0)
			close(k->c->body.conn->fd); /* or its client would never see the end of the connection */
		keeper_main(k);
	}
	close(told[1]);
	if (*ret < 0) {
		close(told[0]);
		return err_new(errno, "forking");
	}
	do
		n = read(told[0], buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	close(told[0]);
	return n > 0 ? err_recv(buf, (size_t)n) : NULL;
}

/* --- starting it ------------------------------------------------------------------------------------------------ */

static struct err *find(struct api_call *c, struct box **ret_box, struct execrec *ret)
{
	return api_fail(execrec_find(c->st, c->arg, ret_box, ret), 404);
}

static struct err *check_new(const struct execrec *r)
{
	if (r->status == EXECREC_MADE)
		return NULL;
	return api_fail(err_new(0, "Exec command %s %s", r->id,
				r->status == EXECREC_RUNNING ? "is already running" : "has already run"),
			409);
}

static struct err *start(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	_cleanup_json_ json *body = NULL;
	struct execrec r = { 0 };
	struct keeper k = { .c = c, .conn = -1, .told = -1 };
	bool detach;
	pid_t pid = -1;
	struct err *e = find(c, &b, &r);

	e = e ?: api_body_json(c, &body);
	e = e ?: check_new(&r);
	e = e ?: check_runs(b);
	if (!e && console_size(body))
		e = execrec_resize(b, &r, console_size(body));
	if (e)
		return e;
	detach = json_bool(body, "Detach", false);
	r.req.detach = detach;
	r.req.open_stdin &= !detach;
	k.b = b;
	k.r = &r;
	if (!detach)
		e = api_hijack(c, stream_type(c, r.req.tty), &k.conn);
	e = e ?: fork_keeper(&k, &pid);
	if (e && detach && (e->status == 126 || e->status == 127))
		e->status = 400; /* what was asked for cannot be executed */
	if (detach)
		return e ?: api_empty(c, 200);
	if (e && pid < 0)
		return e;
	err_free(e); /* told on the connection */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return NULL;
}

/* --- and asking for it ------------------------------------------------------------------------------------------ */

static struct err *resize(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct execrec r = { 0 };
	uint64_t rows = 0, columns = 0;
	struct err *e = find(c, &b, &r);

	e = e
		    ?: api_fail(err_wrap(str_to_u64(api_query(c, "h"), 0, UINT16_MAX, &rows),
					 "invalid height"),
				400);
	e = e
		    ?: api_fail(err_wrap(str_to_u64(api_query(c, "w"), 0, UINT16_MAX, &columns),
					 "invalid width"),
				400);
	if (!e && r.status == EXECREC_ENDED)
		e = api_fail(err_new(0, "Exec command %s has already run", r.id), 409);
	e = e ?: execrec_resize(b, &r, (uint32_t)(rows << 16 | columns));
	return e ?: api_empty(c, 200);
}

static struct err *inspect(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct execrec r = { 0 };
	struct json_out o;
	struct err *e = find(c, &b, &r);

	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "ID", r.id);
	json_put_bool(&o, "Running", r.status == EXECREC_RUNNING);
	if (r.status == EXECREC_ENDED)
		json_put_int(&o, "ExitCode", r.exit_code);
	else
		json_put_null(&o, "ExitCode");
	json_open(&o, "ProcessConfig", '{');
	json_put_bool(&o, "tty", r.req.tty);
	json_put_str(&o, "entrypoint", r.req.argv.v[0]);
	json_open(&o, "arguments", '[');
	for (size_t i = 1; i < r.req.argv.n; i++)
		json_put_str(&o, NULL, r.req.argv.v[i]);
	json_close(&o, ']');
	json_put_bool(&o, "privileged", r.req.privileged);
	if (r.user)
		json_put_str(&o, "user", r.user);
	json_close(&o, '}');
	json_put_bool(&o, "OpenStdin", r.req.open_stdin);
	json_put_bool(&o, "OpenStderr", r.err);
	json_put_bool(&o, "OpenStdout", r.out);
	json_put_bool(&o, "CanRemove", false);
	json_put_str(&o, "ContainerID", b->spec.id);
	json_put_str(&o, "DetachKeys", r.detach_keys ?: "");
	json_put_int(&o, "Pid", r.status == EXECREC_RUNNING ? r.keeper : 0);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

const struct api_route api_exec_routes[] = {
	{ "POST", "/containers/*/exec", create },
	{ "POST", "/exec/*/start", start },
	{ "POST", "/exec/*/resize", resize },
	{ "GET", "/exec/*/json", inspect },
	{ 0 },
};
