/* cmd/run.c -- devbox run|create [OPTIONS] IMAGE [COMMAND] [ARG...] */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "cmd/access.h"
#include "cmd/pull.h"
#include "cmd/runflags.h"
#include "cmd/verb.h"
#include "core/base/fd.h"

enum { WAIT_NOTICE_MS = 500 };

static struct run_request *const req = &run_flags.req;

/* --- what takes long says so ------------------------------------------------------------------ */

static char notice[160];

static void print_notice(UNUSED int sig)
{
	if (write(STDERR_FILENO, notice, strlen(notice)) < 0)
		return; /* nobody reads it */
}

/* Print the notice if notice_off() is not called soon. */
static void notice_on(void)
{
	struct itimerval after = { .it_value.tv_usec = WAIT_NOTICE_MS * 1000 };
	struct sigaction act = { .sa_handler = print_notice, .sa_flags = SA_RESTART };

	if (run_flags.quiet)
		return;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &after, NULL);
}

static void notice_off(void)
{
	struct itimerval off = { 0 };

	setitimer(ITIMER_REAL, &off, NULL);
}

/* --- making ----------------------------------------------------------------------------------- */

/* The file is made before the container, so that a container without its file cannot come to be. */
static struct err *open_cidfile(int *ret_fd)
{
	struct err *e;

	if (!run_flags.cidfile)
		return NULL;
	e = fd_open(AT_FDCWD, run_flags.cidfile, O_WRONLY | O_CREAT | O_EXCL, 0644, ret_fd);
	if (!err_is(e, EEXIST))
		return e;
	err_free(e);
	return err_new(0, "container ID file found, make sure the other container isn't running or delete %s",
		       run_flags.cidfile);
}

/* ARGV: IMAGE [COMMAND...]; *RET_MADE_UP: a password was made up for the database. */
static struct err *make_box(struct store *st, int argc, char **argv, struct box **ret, bool *ret_made_up)
{
	_cleanup_image_ struct image *img = NULL;
	_cleanup_close_ int cid = -1;
	struct err *e = runflags_finish(argc, argv);

	e = e ?: open_cidfile(&cid);
	if (e)
		return e;
	e = image_get_shown(st, req->image, run_flags.platform, run_flags.pull, run_flags.quiet, &img);
	if (!e && str_starts(req->userns ?: "", "keep-id")) {
		snprintf(notice, sizeof(notice),
			 "copying the image's files for --userns keep-id, once...\n");
		notice_on();
	}
	e = e ?: box_create(st, req, img, ret);
	notice_off();
	if (!e && cid >= 0)
		e = fd_write_all(cid, run_flags.cidfile, (*ret)->spec.id, strlen((*ret)->spec.id));
	if (e && cid >= 0)
		unlink(run_flags.cidfile);
	if (!e && (*ret)->spec.recipe) {
		_cleanup_strv_ struct strv asked = { 0 };

		strv_copy(&asked, &img->env);
		for (size_t i = 0; i < req->env.n; i++)
			strv_env_set(&asked, req->env.v[i]);
		*ret_made_up = recipe_needs_password(recipe_by_name((*ret)->spec.recipe), &asked);
	}
	return e;
}

static void attach_default(void)
{
	if (!req->attach)
		req->attach = ATTACH_STDOUT | ATTACH_STDERR | (req->open_stdin ? ATTACH_STDIN : 0);
}

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	bool made_up = false;
	struct err *e = store_open(&st);

	attach_default();
	e = e ?: make_box(st, argc, argv, &b, &made_up);
	if (!e)
		puts(b->spec.id);
	return e;
}

/* --- running ---------------------------------------------------------------------------------- */

static void print_notes(const struct box *b)
{
	if (b->from_init_cache && !run_flags.quiet)
		fprintf(stderr, "%s: %s starts from the init cache (--no-init-cache sets it up anew)\n",
			prog(), b->spec.recipe);
	for (size_t i = 0; i < b->notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), b->notes.v[i]);
}

/* RAW: the terminal does not return the carriage by itself now. */
static void print_lines(const char *text, bool raw)
{
	for (; *text; text++) {
		if (raw && *text == '\n')
			fputc('\r', stderr);
		fputc(*text, stderr);
	}
}

/* What is known about a database, on stderr; nothing for other containers. */
static void print_access(const struct box *b, const char *verb_phrase, bool made_up,
			 const char *stop, bool raw)
{
	struct db_access a = { 0 };
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *head = NULL;
	struct err *e;

	if (!b->spec.recipe)
		return;
	e = access_find(b, &a);
	if (e) { /* running, but not published: say that it runs, and what would make it reachable */
		if (b->state.status == BOX_RUNNING)
			fprintf(stderr, "%s: %s %s; it is not published to the host (-p %u does that)\n",
				prog(), b->spec.recipe, verb_phrase,
				recipe_port(recipe_by_name(b->spec.recipe)));
		err_free(e);
		return;
	}
	{
		_cleanup_str_ struct str address = { 0 };

		port_host_text(a.host, a.port, &address);
		head = xasprintf("%s %s on %s%s", b->spec.recipe, verb_phrase, address.s,
				 made_up ? "  (no password was given: one was made up)" : "");
	}
	access_text(b, &a, head, &text);
	str_addf(&text, "Stop it:              %s\n\n", stop);
	print_lines(text.s, raw);
	db_access_done(&a);
}

struct foreground {
	struct box *b;
	bool made_up;
};

static void on_ready(void *arg)
{
	const struct foreground *f = arg;
	_cleanup_free_ char *stop = xasprintf("Ctrl-C, or %s stop %s", prog(), f->b->spec.name);

	print_access(f->b, "is ready", f->made_up, stop, f->b->spec.tty && req->open_stdin);
}

/* A server told by SIGINT would often ignore it: Ctrl-C means stop here. */
static void on_interrupt(void *arg, unsigned count)
{
	const struct foreground *f = arg;

	if (count == 1)
		fprintf(stderr, "\n%s: stopping %s gracefully; Ctrl-C again kills it\n", prog(),
			f->b->spec.name);
}

static struct err *run_foreground(struct call *c, struct box *b, bool made_up)
{
	struct foreground f = { .b = b, .made_up = made_up };
	struct attach_opts o = {
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.with_stdin = req->open_stdin && req->attach & ATTACH_STDIN,
		.tty = b->spec.tty,
		.sig_proxy = run_flags.sig_proxy,
		.detach_keys = run_flags.detach_keys,
		.on_ready = b->spec.recipe ? on_ready : NULL,
		.on_interrupt = b->spec.recipe && !req->open_stdin ? on_interrupt : NULL,
		.arg = &f,
	};
	_cleanup_close_ int conn = -1, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	enum attach_end end = ATTACH_EXITED;
	struct err *e = box_start(b, &conn);

	if (e)
		return e;
	if (!(req->attach & ATTACH_STDOUT))
		o.stdio[1] = null;
	if (!(req->attach & ATTACH_STDERR))
		o.stdio[2] = null;
	print_notes(b);
	e = attach_run(b, conn, &o, &end, &c->status);
	if (!e && end == ATTACH_LOST)
		e = err_new(0, "container %s: its monitor ended unexpectedly", b->spec.name);
	return e;
}

/* Waits for the database, saying so when it takes long. */
static struct err *wait_ready(struct box *b)
{
	struct err *e;

	snprintf(notice, sizeof(notice), "waiting for %.20s in %.80s to answer...\n",
		 b->spec.recipe, b->spec.name);
	notice_on();
	e = box_wait_ready(b, 0);
	notice_off();
	return e;
}

static struct err *run_detached(struct box *b, bool made_up)
{
	_cleanup_free_ char *stop = xasprintf("%s stop %s", prog(), b->spec.name);
	struct err *e = box_start(b, NULL);

	if (e)
		return e;
	puts(b->spec.id);
	fflush(stdout);
	print_notes(b);
	if (run_flags.wait)
		e = wait_ready(b);
	if (!e && (made_up || isatty(STDERR_FILENO)))
		print_access(b, run_flags.wait ? "is ready" : "is starting", made_up, stop, false);
	return e;
}

static struct err *check_flags(void)
{
	if (run_flags.wait && !run_flags.detach)
		return err_status(
			err_new(0, "--wait goes with -d: in the foreground you see when it is ready"),
			125);
	if (run_flags.detach && req->attach)
		return err_status(err_new(0, "Conflicting options: -a and -d"), 125);
	if (!run_flags.detach)
		attach_default();
	if (!run_flags.detach && req->tty && req->open_stdin && !isatty(STDIN_FILENO))
		return err_status(err_new(0, "the input device is not a TTY"), 1);
	return NULL;
}

static struct err *run(struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	bool made_up = false;
	struct err *e = check_flags();

	req->starts = true;
	e = e ?: store_open(&st);
	e = e ?: make_box(st, argc, argv, &b, &made_up);
	if (!e && run_flags.wait && !b->spec.recipe) {
		e = err_new(0, "--wait: devbox knows no readiness test for %s", req->image);
		return err_also(e, box_rm(b, false, true));
	}
	if (e)
		return e;
	return run_flags.detach ? run_detached(b, made_up) : run_foreground(c, b, made_up);
}

const struct verb verb_create = {
	.name = "create",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = &run_flag_table[RUN_ONLY],
	.runs = true,
	.summary = "Create a new container",
	.run = create,
};

const struct verb verb_run = {
	.name = "run",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = run_flag_table,
	.runs = true,
	.summary = "Create and run a new container from an image",
	.more = "Called as devbox, options may also follow IMAGE directly; the first word that is none of the\n"
		"options above starts the command, and everything from there on, or behind --, is the command's:\n\n"
		"    devbox run mysql -p 3306 -e MYSQL_DATABASE=app\n"
		"    devbox run mysql --character-set-server=utf8mb4\n"
		"    devbox run -it --rm mysql mysql -h192.168.1.11 -P3306 -uroot -p\n\n"
		"-v /var/run/docker.sock:/var/run/docker.sock gives the container Docker's API, served by devbox:\n"
		"what runs as root in there can do all that you can.",
	.run = run,
};
