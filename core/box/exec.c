/* How exec works: no monitor is involved but for handing out init's pidfd.
 *
 *   devbox exec --fork--> joiner: setns(all of init's namespaces), clone(CLONE_PARENT) --> command
 *
 * The joiner stays outside the pid namespace itself (setns(2) only moves its children), so the command is cloned as a
 * sibling: our own child, which we can wait for, while the joiner ends at once.  The joiner and the command are
 * not dumpable until the command is executed: nothing in the container reaches devbox's binary or
 * descriptors through /proc. Streams are pipes or a terminal of the container's own devpts, relayed
 * by us. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/box.h"
#include "core/box/caps.h"
#include "core/box/identity.h"
#include "core/box/launch.h"
#include "core/box/links.h"
#include "core/box/procs.h"
#include "core/box/rootfs.h"
#include "core/box/security.h"
#include "core/box/state.h"
#include "core/box/keeper.h"
#include "core/box/term.h"
#include "core/ns/userns.h"

enum { EXEC_PID = 'P', EXEC_TTY = 'T', EXEC_FAILED = 'E', STREAM_BUF = 65536 };

struct exec {
	struct box *b;
	const struct exec_request *req;
	const int *stdio; /* the caller's */
	struct strv links; /* settings that come of the container's links */
	int pidfd; /* of init */
	int nested, identity; /* see struct launch */
	int sync; /* the child's end */
	int child[3]; /* its streams, -1 with a terminal */
	pid_t pid;
	int cmd; /* pidfd of the command */
	int ours[3]; /* our ends: stdin to write, stdout and stderr to read; the terminal in [0] and [1] */
	char id[ID_LEN + 1]; /* of its events, "" until there is one */
};

NORETURN static void fail(int sync, struct err *e)
{
	char buf[1 + ERR_WIRE_MAX] = { EXEC_FAILED };
	size_t len = 1 + err_pack(e, buf + 1);

	_exit(send(sync, buf, len, MSG_NOSIGNAL) < 0 ? 2 : 125);
}

NORETURN static void command_main(const struct exec *x)
{
	const struct spec *s = &x->b->spec;
	struct launch l = {
		.argv = &x->req->argv,
		.user = x->req->user ?: s->user,
		.workdir = x->req->workdir ?: s->workdir,
		.stdio = { x->child[0], x->child[1], x->child[2] },
		.tty = x->req->tty,
		.caps = x->req->privileged ? CAPS_ALL : s->caps,
		.single = x->b->st->ids.single,
		.nested = x->nested,
		.identity = x->identity,
		.no_new_privs = s->no_new_privs,
		.ulimits = &s->ulimits,
		.group_add = &s->group_add,
		.sync = x->sync,
		.parent = -1,
	};
	int root = -1, master = -1;
	const char what = EXEC_TTY;
	void *filter = NULL;
	struct err *e;

	umask(022);
	e = userns_become_root(x->b->st->ids.single);
	prctl(PR_SET_DUMPABLE, 0); /* again: a change of identity can set it */
	if (x->req->tty) {
		e = e ?: fd_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, &root);
		e = e ?: rootfs_pty(root, false, &master, &l.stdio[0]);
		l.stdio[1] = l.stdio[2] = l.stdio[0];
		e = e ?: fd_send(x->sync, &what, 1, &master, 1);
		close(master);
	}
	if (e)
		fail(x->sync, e);
	e = security_filter(s, x->b->st->ids.single, &filter, &l.seccomp_len);
	if (e)
		fail(x->sync, e);
	l.seccomp = filter;
	strv_copy(&l.env, &x->links);
	for (size_t i = 0; i < s->env.n; i++)
		strv_env_set(&l.env, s->env.v[i]);
	if (!strv_env(&l.env, "HOSTNAME"))
		strv_addf(&l.env, "HOSTNAME=%s", s->hostname);
	if (x->req->tty && !strv_env(&l.env, "TERM"))
		strv_add(&l.env, "TERM=xterm");
	for (size_t i = 0; i < x->req->env.n; i++)
		strv_env_set(&l.env, x->req->env.v[i]);
	fail(x->sync, launch_exec(&l));
}

NORETURN static void joiner_main(struct exec *x)
{
	struct clone_args ca = { .flags = CLONE_PARENT };
	const char what = EXEC_PID;
	int pidfd = -1;
	long pid;
	struct err *e;

	prctl(PR_SET_DUMPABLE, 0);
	e = keeper_join(x->b->state.limits_mode, x->b->state.pid);
	if (e)
		fail(x->sync, e);
	e = userns_enter(x->pidfd,
			 CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
				 CLONE_NEWCGROUP | (x->b->spec.net == NET_HOST ? 0 : CLONE_NEWNET),
			 x->b->st->ids.single, &x->nested);
	if (err_is(e, ESRCH)) { /* it ended just now */
		err_free(e);
		e = err_new(0, "container %s is not running", x->b->spec.id);
	}
	if (e)
		fail(x->sync, e);
	ca.flags |= CLONE_PIDFD;
	ca.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		command_main(x);
	if (pid < 0)
		fail(x->sync, err_new(errno, "forking in the container"));
	e = fd_send(x->sync, &what, 1, &pidfd, 1);
	if (e)
		fail(x->sync, e);
	_exit(0);
}

static struct err *make_streams(struct exec *x)
{
	struct err *e = NULL;
	int fds[2];

	for (int i = 0; i < 3; i++)
		x->child[i] = x->ours[i] = -1;
	if (x->req->tty)
		return NULL;
	for (int i = 0; i < 3 && !e; i++) {
		bool piped = i == 0 ? x->req->open_stdin : !x->req->detach;

		if (!piped) {
			e = fd_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &x->child[i]);
			continue;
		}
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_new(errno, "making a pipe");
		x->child[i] = fds[i == 0 ? 0 : 1];
		x->ours[i] = fds[i == 0 ? 1 : 0];
		e = fd_nonblock(x->ours[i], true);
	}
	return e;
}

static uint32_t wanted_size(const struct exec *x)
{
	return x->req->hooks ? x->req->hooks->size(x->req->hooks->arg) : term_size(x->stdio[0]);
}

/* The messages of joiner and command until the command was executed (end of file) or failed. */
static struct err *expect_started(struct exec *x, int sync)
{
	char buf[1 + ERR_WIRE_MAX];
	struct err *e;

	for (;;) {
		size_t len, n_fds = 1;
		int fd = -1;

		e = fd_recv(sync, buf, sizeof(buf), &len, &fd, &n_fds);
		if (e || len == 0)
			return e;
		if (*buf == EXEC_FAILED)
			return err_recv(buf + 1, len - 1);
		if (*buf == EXEC_PID)
			x->cmd = fd;
		if (*buf == EXEC_TTY) {
			x->ours[1] = fd;
			term_resize(fd, wanted_size(x)); /* the command may ask at once */
			x->ours[0] = x->req->open_stdin ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
			e = fd_nonblock(fd, true);
			if (e)
				return e;
		}
	}
}

static struct err *start(struct exec *x)
{
	int sync[2], status;
	struct err *e = make_streams(x);
	pid_t joiner;

	if (x->b->st->ids.single)
		e = e ?: identity_start(x->b->spec.name, &x->identity);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, sync);
	if (e)
		return e;
	x->sync = sync[1];
	joiner = fork();
	if (joiner == 0)
		joiner_main(x);
	close(sync[1]);
	if (x->identity >= 0)
		close(TAKE_FD(x->identity));
	for (int i = 0; i < 3; i++)
		if (x->child[i] >= 0)
			close(TAKE_FD(x->child[i]));
	if (joiner < 0)
		e = err_new(errno, "forking");
	e = e ?: expect_started(x, sync[0]);
	close(sync[0]);
	if (joiner > 0)
		err_free(proc_wait_pid(joiner, &status)); /* its error came over the socket */
	if (!e && x->cmd < 0)
		e = err_new(0, "the container ended");
	if (e && x->cmd >= 0)
		err_free(proc_wait(x->cmd, &status)); /* reap what failed to execute */
	return e;
}

/* -- streams ----------------------------------------------------------------------------------------------------- */

struct relay {
	struct exec *x;
	struct detach_keys keys;
	int signals;
	char *in; /* input on its way to the command */
	size_t in_at, in_len;
	bool in_eof, detached;
};

/* From the command's stream I to the caller's.  *ret_any: something was moved. */
static struct err *pull(struct relay *r, int i, bool *ret_any)
{
	char buf[STREAM_BUF];
	ssize_t n = read(r->x->ours[i], buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0) { /* end of file; EIO: the terminal's last slave was closed */
		close(TAKE_FD(r->x->ours[i]));
		return NULL;
	}
	*ret_any = true;
	if (r->x->req->hooks)
		return r->x->req->hooks->output(r->x->req->hooks->arg, i, buf, (size_t)n);
	return fd_write_all(r->x->stdio[i], i == 1 ? "standard output" : "standard error", buf,
			    (size_t)n);
}

static void take_input(struct relay *r, const char *raw, size_t n)
{
	r->in_at = 0;
	r->in_len = n;
	if (r->x->req->tty)
		r->in_len = detach_keys_filter(&r->keys, raw, n, r->in, &r->detached);
	else
		memcpy(r->in, raw, n);
}

static void fill_input(struct relay *r)
{
	char raw[STREAM_BUF - DETACH_KEYS_MAX];
	ssize_t n = read(r->x->stdio[0], raw, sizeof(raw));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		take_input(r, raw, (size_t)n);
	else
		r->in_eof = true;
}

static void push_input(struct relay *r)
{
	ssize_t n = write(r->x->ours[0], r->in + r->in_at, r->in_len - r->in_at);

	if (n > 0)
		r->in_at += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		close(TAKE_FD(r->x->ours[0])); /* the command does not read any more */
}

static void on_signal(struct relay *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo != SIGWINCH)
		pidfd_signal(r->x->cmd, (int)si.ssi_signo);
	else if (r->x->ours[1] >= 0)
		term_resize(r->x->ours[1], wanted_size(r->x));
}

static struct err *step(struct relay *r, bool *ret_ended)
{
	struct exec *x = r->x;
	bool have = r->in_at < r->in_len, any = false;
	struct pollfd p[6] = {
		{ .fd = x->cmd, .events = POLLIN },
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = x->ours[1], .events = POLLIN },
		{ .fd = x->ours[2], .events = POLLIN },
		{ .fd = have || r->in_eof || x->ours[0] < 0 ? -1 : r->x->stdio[0], .events = POLLIN },
		{ .fd = x->ours[0], .events = have ? POLLOUT : 0 },
	};
	struct err *e = NULL;

	if (poll(p, ARRAY_LEN(p), -1) < 0)
		return errno == EINTR ? NULL : err_new(errno, "waiting for the command");
	if (p[1].revents)
		on_signal(r);
	for (int i = 1; i <= 2 && !e; i++)
		if (p[i + 1].revents)
			e = pull(r, i, &any);
	if (p[4].revents)
		fill_input(r);
	if (p[5].revents && x->ours[0] >= 0) {
		if (have)
			push_input(r);
		else if (p[5].revents & (POLLERR | POLLHUP) && !x->req->tty)
			close(TAKE_FD(x->ours[0]));
	}
	if (r->in_eof && r->in_at == r->in_len && x->ours[0] >= 0 && !x->req->tty)
		close(TAKE_FD(x->ours[0]));
	/* ended, and what it had said is read; a background child may hold its streams open for ever */
	*ret_ended = p[0].revents && !any;
	return e;
}

static struct err *relay_streams(struct exec *x, const char *detach_keys, bool *ret_detached)
{
	struct relay r = { .x = x, .signals = -1 };
	_cleanup_free_ char *in = xmalloc(STREAM_BUF);
	struct term term = { .fd = -1 };
	sigset_t old;
	bool ended = false;
	struct err *e;

	r.in = in;
	e = detach_keys_parse(detach_keys ?: "ctrl-p,ctrl-q", &r.keys);
	if (e)
		return e;
	if (x->ours[0] >= 0 && x->req->hooks && x->req->hooks->n_early)
		take_input(&r, x->req->hooks->early, x->req->hooks->n_early);
	/* SIGPIPE: a command that does not read its input is no failure of ours */
	e = term_signals(NULL, &old, &r.signals);
	if (x->req->tty && x->req->open_stdin)
		term_raw(&term, x->stdio[0]);
	while (!e && !ended && !r.detached) {
		e = step(&r, &ended);
		if (r.detached && x->req->hooks) { /* who is connected goes, we do not */
			shutdown(x->stdio[0], SHUT_RDWR);
			r.detached = false;
			r.in_eof = true;
		}
	}
	term_restore(&term);
	if (r.signals >= 0)
		close(r.signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	*ret_detached = r.detached;
	return e;
}

/* -- tests of health ------------------------------------------------------------------------------------------- */

/* Reads what stream I has, keeps what fits.  True: there was something, or its end. */
static bool keep_output(struct exec *x, int i, struct str *out, size_t max)
{
	char buf[4096];
	ssize_t n;

	if (x->ours[i] < 0)
		return false;
	n = read(x->ours[i], buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		close(TAKE_FD(x->ours[i]));
	else if (out->len < max)
		str_addn(out, buf, (size_t)n < max - out->len ? (size_t)n : max - out->len);
	return true;
}

/* Until the command ended; false: the time was over before. */
static bool watch_test(struct exec *x, int64_t end_ms, struct str *out, size_t max)
{
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = x->cmd, .events = POLLIN },
			{ .fd = x->ours[1], .events = POLLIN },
			{ .fd = x->ours[2], .events = POLLIN },
		};
		int64_t left = end_ms - time_mono_ms();
		bool any = false;

		poll(p, ARRAY_LEN(p), left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
		for (int i = 1; i <= 2; i++)
			if (p[i].revents)
				any |= keep_output(x, i, out, max);
		if (p[0].revents && !any)
			return true;
		if (left <= 0 && !p[0].revents)
			return false;
	}
}

/* Docker's events of a command, under an id that only they have. */
static void exec_event(struct exec *x, const char *what, bool with_argv, const char *more)
{
	_cleanup_strv_ struct strv attrs = { 0 };
	_cleanup_str_ struct str action = { 0 };

	if (!*x->id && x->req->hooks)
		snprintf(x->id, sizeof(x->id), "%s", x->req->hooks->id);
	if (!*x->id)
		id_make(x->id);
	str_add(&action, what);
	for (size_t i = 0; with_argv && i < x->req->argv.n; i++)
		str_addf(&action, "%s%s", i ? " " : ": ", x->req->argv.v[i]);
	strv_addf(&attrs, "execID=%s", x->id);
	if (more)
		strv_add(&attrs, more);
	box_event_with(x->b->st, &x->b->spec, action.s, &attrs);
}

static void exec_begins(struct exec *x)
{
	if (!x->req->hooks)
		exec_event(x, "exec_create", true, NULL);
	exec_event(x, "exec_start", true, NULL);
}

static void exec_ends(struct exec *x, int status)
{
	char code[32];

	snprintf(code, sizeof(code), "exitCode=%d", status);
	exec_event(x, "exec_die", false, code);
}

struct err *box_test(struct box *b, int init_pidfd, const struct strv *argv, int64_t limit_ms,
		     size_t out_max, struct str *out, int *ret_status, bool *ret_in_time)
{
	static const int no_stdio[3] = { -1, -1, -1 };
	const struct exec_request req = { .argv = *argv };
	struct exec x = { .b = b,
			  .req = &req,
			  .stdio = no_stdio,
			  .pidfd = init_pidfd,
			  .nested = -1,
			  .identity = -1,
			  .cmd = -1,
			  .child = { -1, -1, -1 },
			  .ours = { -1, -1, -1 } };
	int64_t end_ms = time_mono_ms() + limit_ms;
	int status = -1;
	struct err *e;

	e = start(&x);
	if (e)
		return e;
	exec_begins(&x);
	*ret_in_time = watch_test(&x, end_ms, out, out_max);
	if (!*ret_in_time)
		pidfd_signal(x.cmd, SIGKILL);
	e = proc_wait(x.cmd, &status);
	if (!e)
		exec_ends(&x, status);
	*ret_status = *ret_in_time ? status : -1;
	return e;
}

struct err *box_exec(struct box *b, const struct exec_request *req, const int stdio[3],
		     const char *detach_keys, int *ret_status)
{
	struct exec x = { .b = b,
			  .req = req,
			  .stdio = stdio,
			  .pidfd = -1,
			  .nested = -1,
			  .identity = -1,
			  .cmd = -1,
			  .child = { -1, -1, -1 },
			  .ours = { -1, -1, -1 } };
	bool detached = false, stays = !req->detach || (req->hooks && req->hooks->to_end);
	struct err *e;

	if (box_is_paused(b))
		return err_new(0, "container %s is paused, unpause the container before exec",
			       b->spec.id);
	err_free(links_env(b, &x.links)); /* one that has ended meanwhile is left out */
	e = box_init_pidfd(b, &x.pidfd);
	e = e ?: start(&x);
	if (!e)
		exec_begins(&x);
	if (!e && req->hooks)
		req->hooks->started(req->hooks->arg);
	if (x.pidfd >= 0)
		close(x.pidfd);
	if (!e && !req->detach)
		e = relay_streams(&x, detach_keys, &detached);
	for (int i = 0; i < 3; i++)
		if (x.ours[i] >= 0)
			close(x.ours[i]);
	*ret_status = 0;
	/* detached, it becomes the child of the container's first process when we end */
	if (!e && stays && !detached)
		e = proc_wait(x.cmd, ret_status);
	if (!e && stays && !detached)
		exec_ends(&x, *ret_status);
	if (x.cmd >= 0)
		close(x.cmd);
	strv_done(&x.links);
	return e;
}
