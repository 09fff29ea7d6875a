/* cmd/life.c -- devbox start, stop, restart, kill, rm, wait, attach */
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "cmd/life.h"
#include "cmd/verb.h"
#include "core/box/state.h"
#include "core/base/proc.h"

/* --- stop, restart, kill ---------------------------------------------------------------------- */

static int opt_timeout = -1; /* the container's own */
static const char *opt_signal;

static const struct opt stop_opts[] = {
	{ 's', "signal", NULL, "Signal to send to the container", OPT_STR, &opt_signal, NULL },
	{ 't', "timeout", NULL, "Seconds to wait before killing the container", OPT_INT,
	  &opt_timeout, NULL },
	{ 0, "time", NULL, NULL, OPT_INT, &opt_timeout, NULL },
	{ 0 },
};

/* A signal of the caller's choice instead of the container's own; SIGKILL after the time-out as ever. */
static struct err *stop_by(struct box *b, int sig, int timeout_s)
{
	_cleanup_close_ int conn = -1;
	unsigned wait_s = timeout_s >= 0 ? (unsigned)timeout_s : b->spec.stop_timeout_s;
	struct err *e = watch_end(b, &conn);
	struct pollfd p = { .fd = conn, .events = POLLIN };

	if (e || conn < 0)
		return e;
	e = box_kill(b, sig);
	while (!e && poll(&p, 1, (int)wait_s * 1000) < 0 && errno == EINTR)
		;
	return e ?: box_stop(b, 0);
}

struct err *life_stop(struct box *b, const char *by, int timeout_s)
{
	struct err *e;
	int sig;

	if (!by)
		return box_stop(b, timeout_s);
	e = sig_parse(by, &sig);
	return e ?: stop_by(b, sig, timeout_s);
}

static struct err *stop_one(struct box *b, UNUSED void *arg)
{
	return life_stop(b, opt_signal, opt_timeout);
}

static struct err *stop(UNUSED struct call *c, int argc, char **argv)
{
	return each_box_at_once(argc, argv, stop_one, NULL);
}

struct err *life_restart(struct box *b, const char *by, int timeout_s)
{
	struct err *e = NULL;

	if (b->spec.auto_remove && state_is_up(&b->state))
		e = box_keep(b);
	e = e ?: life_stop(b, by, timeout_s);
	e = e ?: box_refresh(b);
	e = e ?: box_start(b, NULL);
	if (!e)
		box_event(b->st, &b->spec, "restart", NULL);
	return e;
}

void life_notes(const struct box *b)
{
	for (size_t i = 0; i < b->notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), b->notes.v[i]);
}

static struct err *restart_one(struct box *b, UNUSED void *arg)
{
	struct err *e = life_restart(b, opt_signal, opt_timeout);

	if (!e)
		life_notes(b);
	return e;
}

static struct err *restart(UNUSED struct call *c, int argc, char **argv)
{
	return each_box_at_once(argc, argv, restart_one, NULL);
}

static const struct opt kill_opts[] = {
	{ 's', "signal", NULL, "Signal to send to the container (default KILL)", OPT_STR,
	  &opt_signal, NULL },
	{ 0 },
};

static struct err *kill_one(struct box *b, void *arg)
{
	return box_kill(b, *(const int *)arg);
}

static struct err *kill_verb(UNUSED struct call *c, int argc, char **argv)
{
	int sig = SIGKILL;
	struct err *e = opt_signal ? sig_parse(opt_signal, &sig) : NULL;

	return e ?: each_box(argc, argv, kill_one, &sig);
}

/* --- rm --------------------------------------------------------------------------------------- */

static bool opt_force, opt_volumes;

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, "Force the removal of a running container (uses SIGKILL)", OPT_BOOL,
	  &opt_force, NULL },
	{ 'v', "volumes", NULL, "Remove anonymous volumes associated with the container", OPT_BOOL,
	  &opt_volumes, NULL },
	{ 0 },
};

/* With -f an absent container is told but no failure: it is what the user wants. */
static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *all = store_open(&st);

	for (int i = 0; st && i < argc; i++) {
		_cleanup_box_ struct box *b = NULL;
		struct err *e = box_find(st, argv[i], &b);

		if (e && opt_force && str_starts(e->text, "No such container")) {
			fprintf(stderr, "%s: %s\n", prog(), e->text);
			err_free(e);
			continue;
		}
		e = e ?: box_rm(b, opt_force, opt_volumes);
		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return all;
}

/* --- wait ------------------------------------------------------------------------------------- */

static bool opt_ready;
static unsigned opt_ready_timeout_s;

static const struct opt wait_opts[] = {
	{ 0, "ready", NULL, "Wait until the container's database answers instead", OPT_BOOL,
	  &opt_ready, NULL },
	{ 0, "timeout", "seconds", "With --ready: give up after so long (default: never)", OPT_UINT,
	  &opt_ready_timeout_s, NULL },
	{ 0 },
};

static struct err *wait_ready_one(struct box *b, UNUSED void *arg)
{
	return box_wait_ready(b, opt_ready_timeout_s);
}

static struct err *wait_verb(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *all;

	if (opt_ready)
		return each_box(argc, argv, wait_ready_one, NULL);
	all = store_open(&st);
	for (int i = 0; st && i < argc; i++) {
		_cleanup_box_ struct box *b = NULL;
		struct err *e = box_find(st, argv[i], &b);
		int code = 0;

		e = e ?: box_wait(b, &code);
		if (!e)
			printf("%d\n", code);
		fflush(stdout);
		all = err_also(all, e);
	}
	return all;
}

/* --- attach, start ---------------------------------------------------------------------------- */

static bool opt_attach, opt_interactive, opt_no_stdin, opt_sig_proxy = true;
static const char *opt_detach_keys;

const struct opt attach_opts[] = {
	{ 0, "detach-keys", "string", "Override the key sequence for detaching a container",
	  OPT_CALL, &opt_detach_keys, set_detach_keys },
	{ 0, "no-stdin", NULL, "Do not attach STDIN", OPT_BOOL, &opt_no_stdin, NULL },
	{ 0, "sig-proxy", NULL, "Proxy all received signals to the process (default true)",
	  OPT_BOOL, &opt_sig_proxy, NULL },
	{ 0 },
};

/* Ends with the container's exit code, or 0 when the user detached. */
static struct err *attached(struct call *c, struct box *b, int conn, bool with_stdin)
{
	struct attach_opts o = {
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.with_stdin = with_stdin,
		.tty = b->spec.tty,
		.sig_proxy = opt_sig_proxy,
		.detach_keys = opt_detach_keys,
	};
	enum attach_end end = ATTACH_EXITED;
	struct err *e = attach_run(b, conn, &o, &end, &c->status);

	if (!e && end == ATTACH_LOST)
		e = err_new(0, "container %s: its monitor ended unexpectedly", b->spec.name);
	return e;
}

static struct err *check_terminal(const struct box *b, bool with_stdin)
{
	if (b->spec.tty && with_stdin && !isatty(STDIN_FILENO))
		return err_new(0, "the input device is not a TTY");
	return NULL;
}

static struct err *attach(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int conn = -1;
	bool with_stdin;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	if (!e && b->state.status != BOX_RUNNING)
		e = err_new(0, state_is_up(&b->state)
				       ? "You cannot attach to a restarting container, "
					 "wait until it is running"
				       : "You cannot attach to a stopped container, start it first");
	if (e)
		return e;
	with_stdin = b->spec.open_stdin && !opt_no_stdin;
	e = check_terminal(b, with_stdin);
	e = e ?: box_attach(b, &conn);
	return e ?: attached(c, b, conn, with_stdin);
}

static const struct opt start_opts[] = {
	{ 'a', "attach", NULL, "Attach STDOUT/STDERR and forward signals", OPT_BOOL, &opt_attach, NULL },
	{ 0, "detach-keys", "string", "Override the key sequence for detaching a container",
	  OPT_CALL, &opt_detach_keys, set_detach_keys },
	{ 'i', "interactive", NULL, "Attach container's STDIN", OPT_BOOL, &opt_interactive, NULL },
	{ 0, "sig-proxy", NULL, "Proxy all received signals to the process (default true)",
	  OPT_BOOL, &opt_sig_proxy, NULL },
	{ 0 },
};

static struct err *start_one(struct box *b, UNUSED void *arg)
{
	struct err *e = box_start(b, NULL);

	if (!e)
		life_notes(b);
	return e;
}

static struct err *start(struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int conn = -1;
	bool with_stdin;
	struct err *e;

	if (!opt_attach && !opt_interactive)
		return each_box(argc, argv, start_one, NULL);
	if (argc > 1)
		return err_status(
			err_new(0, "you cannot start and attach multiple containers at once"), 1);
	e = store_open(&st);
	e = e ?: box_find(st, argv[0], &b);
	if (e)
		return e;
	with_stdin = opt_interactive && b->spec.open_stdin;
	e = check_terminal(b, with_stdin);
	e = e ?: box_start(b, &conn);
	return e ?: attached(c, b, conn, with_stdin);
}

#define MANY "CONTAINER [CONTAINER...]"

const struct verb verb_stop = {
	.name = "stop",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = stop_opts,
	.summary = "Stop one or more running containers",
	.run = stop,
};
const struct verb verb_restart = {
	.name = "restart",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = stop_opts,
	.summary = "Restart one or more containers",
	.run = restart,
};
const struct verb verb_kill = {
	.name = "kill",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = kill_opts,
	.summary = "Kill one or more running containers",
	.run = kill_verb,
};
const struct verb verb_rm = {
	.name = "rm",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = rm_opts,
	.summary = "Remove one or more containers",
	.run = rm,
};
const struct verb verb_wait = {
	.name = "wait",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = wait_opts,
	.summary = "Block until containers stop, then print their exit codes",
	.run = wait_verb,
};
const struct verb verb_attach = {
	.name = "attach",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.opts = attach_opts,
	.summary = "Attach local standard input, output and error to a running container",
	.run = attach,
};
const struct verb verb_start = {
	.name = "start",
	.args = MANY,
	.min_args = 1,
	.max_args = -1,
	.opts = start_opts,
	.summary = "Start one or more stopped containers",
	.run = start,
};
