/* While the container runs a timer forks a tester, which runs the test inside as exec does, keeps its time limit, and
 * sends one message: the result.  health.c says what follows from it and when the next one is due. */
#include "core/box/monitor_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

/* What the tester sends. */
struct test_result {
	int exit_code;
	char output[HEALTH_OUTPUT_MAX];
};

NORETURN static void tester_main(struct monitor *m, int result)
{
	_cleanup_strv_ struct strv argv = { 0 };
	_cleanup_str_ struct str out = { 0 };
	struct test_result r = { .exit_code = -1 };
	int64_t limit_ms = health_timeout_ms(&m->b->spec.health);
	sigset_t none_blocked;
	bool in_time = true;
	struct err *e;
	int store;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_title_set("devbox: health test of %s", m->b->spec.name);
	/* what is not closed here would outlive the monitor's end of it: lock, clients, the container's input */
	result = fcntl(result, F_DUPFD_CLOEXEC, 100);
	store = fcntl(m->b->st->root, F_DUPFD_CLOEXEC, 100); /* for its events */
	if (dup2(fcntl(m->init.fd, F_DUPFD_CLOEXEC, 100), 3) < 0 || dup2(result, 4) < 0 ||
	    dup2(store, 5) < 0)
		_exit(1);
	m->b->st->root = 5;
	syscall(SYS_close_range, 6, ~0U, 0);
	for (int fd = 3; fd <= 5; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	sigemptyset(&none_blocked);
	sigprocmask(SIG_SETMASK, &none_blocked, NULL);
	health_argv(&m->b->spec.health, &argv);
	e = box_test(m->b, 3, &argv, limit_ms, HEALTH_OUTPUT_MAX - 1, &out, &r.exit_code, &in_time);
	if (e) {
		_cleanup_free_ char *line = err_line(e);

		snprintf(r.output, sizeof(r.output), "%s", line);
	} else if (!in_time) {
		snprintf(r.output, sizeof(r.output), "Health check exceeded timeout (%gs)%s%s",
			 (double)limit_ms / 1000, out.len ? ": " : "", out.s ?: "");
	} else {
		snprintf(r.output, sizeof(r.output), "%s", out.s ?: "");
	}
	_exit(send(4, &r, offsetof(struct test_result, output) + strlen(r.output), MSG_NOSIGNAL) < 0);
}

void monitor_tester_stop(struct monitor *m)
{
	timer_set(&m->health_timer, 0, 0);
	loop_del_close(&m->loop, &m->tester);
	if (m->tester_pid > 0)
		proc_kill_and_reap(m->tester_pid);
	m->tester_pid = 0;
}

void monitor_health_again(struct monitor *m)
{
	int64_t ran_ms = time_mono_ms() - m->run_start_ms;

	timer_set(&m->health_timer, health_delay_ms(&m->b->spec.health, &m->b->state.health, ran_ms), 0);
}

static struct err *tester_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, tester);
	const size_t head = offsetof(struct test_result, output);
	struct test_result r;
	ssize_t n = recv(s->fd, &r, sizeof(r), MSG_DONTWAIT);
	struct health_result result = { .start_ns = m->test_start_ns, .end_ns = time_now_ns() };
	enum health_status before = m->b->state.health.status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n < (ssize_t)head) { /* it was killed */
		n = (ssize_t)head;
		r.exit_code = -1;
	}
	monitor_tester_stop(m);
	result.exit_code = r.exit_code;
	result.output = xstrndup(r.output, (size_t)n - head);
	health_add(&m->b->spec.health, &m->b->state.health, &result, m->test_ran_ms);
	if (m->b->state.health.status != before) {
		char what[64];

		snprintf(what, sizeof(what), "health_status: %s",
			 health_names[m->b->state.health.status]);
		box_event(m->b->st, &m->b->spec, what, NULL);
	}
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: the next result tells more */
	monitor_health_again(m);
	return NULL;
}

struct err *monitor_health_due(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, health_timer);
	struct err *e;
	int fds[2];

	if (m->phase != RUNNING || m->tester_pid)
		return NULL;
	if (box_is_paused(m->b)) { /* a test would stand still, and be called a failure */
		monitor_health_again(m);
		return NULL;
	}
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e) { /* out of descriptors: perhaps not the next time */
		err_free(e);
		monitor_health_again(m);
		return NULL;
	}
	m->test_start_ns = time_now_ns();
	m->test_ran_ms = time_mono_ms() - m->run_start_ms;
	m->tester_pid = fork();
	if (m->tester_pid == 0)
		tester_main(m, fds[1]);
	close(fds[1]); /* without a child this is the end of file, and a failed test */
	m->tester = (struct source){ .fd = fds[0], .ready = tester_ready };
	return loop_add(&m->loop, &m->tester, EPOLLIN);
}
