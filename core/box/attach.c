/* The caller's side of a connection to a monitor: its terminal or pipes on one end, the control socket on the other.
 * A poll loop: blocking writes to the caller's own stdout are what it expects from a program in a pipeline. */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/box/box.h"
#include "core/box/control.h"
#include "core/box/term.h"

struct attached {
	int conn, signals;
	const struct attach_opts *o;
	struct detach_keys keys;
	bool stdin_open, detached;
	bool closed[3]; /* nobody reads our standard output or error any more */
	unsigned interrupts;
};

static struct err *from_stdin(struct attached *a)
{
	char in[CTL_DATA_MAX - DETACH_KEYS_MAX], out[CTL_DATA_MAX];
	ssize_t n = read(a->o->stdio[0], in, sizeof(in));
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	if (n <= 0) {
		a->stdin_open = false;
		return ctl_send(a->conn, CTL_STDIN_EOF, 0, NULL, 0, -1);
	}
	if (!a->o->tty)
		return ctl_send(a->conn, CTL_STDIN, 0, in, (size_t)n, -1);
	len = detach_keys_filter(&a->keys, in, (size_t)n, out, &a->detached);
	return len ? ctl_send(a->conn, CTL_STDIN, 0, out, len, -1) : NULL;
}

static struct err *from_signals(struct attached *a)
{
	struct signalfd_siginfo si;
	uint32_t size;

	if (read(a->signals, &si, sizeof(si)) != sizeof(si))
		return NULL;
	if (si.ssi_signo == SIGWINCH) {
		size = term_size(a->o->stdio[0]);
		return size ? ctl_send(a->conn, CTL_RESIZE, size, NULL, 0, -1) : NULL;
	}
	if (si.ssi_signo == SIGINT && a->o->on_interrupt) {
		a->o->on_interrupt(a->o->arg, ++a->interrupts);
		return a->interrupts == 1 ? ctl_send(a->conn, CTL_STOP, CTL_STOP_DEFAULT, NULL, 0, -1)
					  : ctl_send(a->conn, CTL_SIGNAL, SIGKILL, NULL, 0, -1);
	}
	if (!a->o->sig_proxy) {
		a->detached = true; /* the container goes on without us */
		return NULL;
	}
	return ctl_send(a->conn, CTL_SIGNAL, si.ssi_signo, NULL, 0, -1);
}

static struct err *to_stream(struct attached *a, int stream, const char *data, size_t len)
{
	struct err *e;

	if (a->closed[stream])
		return NULL;
	e = fd_write_all(a->o->stdio[stream], stream == 1 ? "standard output" : "standard error",
			 data, len);
	if (!err_is(e, EPIPE))
		return e;
	err_free(e);
	a->closed[stream] = true;
	return ctl_send(a->conn, CTL_CLOSED, (uint32_t)stream, NULL, 0, -1);
}

static struct err *from_monitor(struct attached *a, enum attach_end *end, int *ret_code, bool *ret_over)
{
	struct ctl_msg msg;
	size_t len;
	struct err *e = ctl_recv(a->conn, &msg, &len, NULL);

	if (err_is(e, ECONNRESET)) { /* it ended with input unread; what it had said before comes with the next call */
		err_free(e);
		return NULL;
	}
	if (e)
		return e;
	switch (msg.type) {
	case CTL_OUT:
		return to_stream(a, 1, msg.data, len);
	case CTL_ERR:
		return to_stream(a, 2, msg.data, len);
	case CTL_READY:
		if (a->o->on_ready)
			a->o->on_ready(a->o->arg);
		return NULL;
	case CTL_EXITED:
		*ret_code = (int)msg.arg;
		*end = ATTACH_EXITED;
		*ret_over = true;
		return NULL;
	case CTL_FAIL:
		return err_recv(msg.data, len);
	case 0:
		*end = ATTACH_LOST;
		*ret_over = true;
		return NULL;
	}
	return NULL; /* STARTED of an earlier moment */
}

static struct err *run(struct attached *a, enum attach_end *end, int *ret_code)
{
	bool over = false;
	struct err *e = NULL;

	while (!e && !over && !a->detached) {
		struct pollfd p[3] = { { .fd = a->conn, .events = POLLIN },
				       { .fd = a->signals, .events = POLLIN },
				       { .fd = a->stdin_open ? a->o->stdio[0] : -1, .events = POLLIN } };

		if (poll(p, 3, -1) < 0) {
			if (errno != EINTR)
				e = err_new(errno, "waiting for the container");
			continue;
		}
		if (p[1].revents)
			e = from_signals(a);
		if (!e && p[0].revents)
			e = from_monitor(a, end, ret_code, &over);
		if (!e && !over && p[2].revents)
			e = from_stdin(a);
		/* the monitor went while we spoke: its last words (EXITED) may still wait to be read */
		while ((err_is(e, EPIPE) || err_is(e, ECONNRESET)) && !over) {
			err_free(e);
			e = from_monitor(a, end, ret_code, &over);
			a->stdin_open = false;
		}
	}
	if (a->detached)
		*end = ATTACH_DETACHED;
	return e;
}

struct err *attach_run(struct box *b, int conn, const struct attach_opts *opts,
		       enum attach_end *ret_end, int *ret_code)
{
	struct attached a = { .conn = conn, .signals = -1, .o = opts, .stdin_open = opts->with_stdin };
	struct term term = { .fd = -1 };
	static const int users[] = { SIGUSR1, SIGUSR2, 0 };
	sigset_t old;
	void (*old_pipe)(int);
	struct err *e;

	e = detach_keys_parse(opts->detach_keys ?: "ctrl-p,ctrl-q", &a.keys);
	if (e)
		return e;
	old_pipe = signal(SIGPIPE, SIG_IGN); /* see to_stream() */
	e = term_signals(users, &old, &a.signals);
	if (e)
		return e;
	if (opts->tty) {
		uint32_t size = term_size(opts->stdio[0]);

		if (size)
			e = ctl_send(conn, CTL_RESIZE, size, NULL, 0, -1);
		if (opts->with_stdin)
			term_raw(&term, opts->stdio[0]);
	}
	if (err_is(e, EPIPE)) { /* ended already: EXITED waits to be read */
		err_free(e);
		e = NULL;
	}
	e = e ?: run(&a, ret_end, ret_code);
	term_restore(&term);
	close(a.signals);
	signal(SIGPIPE, old_pipe);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return err_wrap(e, "container %s", b->spec.name);
}
