#include "core/compose/jobs.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/proc.h"

/* A message is its kind and its text; ERROR_KIND carries an error (err_pack). */
enum { ERROR_KIND = 'E' };

struct job {
	size_t id;
	pid_t pid;
	int sock;
	struct err *error;
};

struct err *jobs_start(struct jobs *j, size_t id, struct err *(*fn)(void *arg, int out), void *arg)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int fds[2];
	pid_t pid, starter;
	struct err *e = fd_socketpair(SOCK_SEQPACKET, fds);

	if (e)
		return e;
	ours = fds[0];
	theirs = fds[1];
	fflush(NULL); /* or the child would print it again */
	starter = getpid();
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking");
	if (pid == 0) {
		char buf[ERR_WIRE_MAX + 1];
		size_t len;

		sigset_t set;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != starter)
			_exit(1);
		sigemptyset(&set);
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		close(TAKE_FD(ours));
		for (size_t i = 0; i < j->n; i++)
			close(j->v[i].sock); /* or their ends would be seen late */
		e = fn(arg, theirs);
		if (e) {
			buf[0] = ERROR_KIND;
			len = err_pack(e, buf + 1);
			err_free(fd_send(theirs, buf, len + 1, NULL, 0)); /* nobody listens: nobody cares */
		}
		_exit(e != NULL);
	}
	j->v = xgrow(j->v, j->n, &j->cap, sizeof(*j->v));
	j->v[j->n++] = (struct job){ id, pid, TAKE_FD(ours), NULL };
	return NULL;
}

void jobs_tell(int out, char kind, const char *text)
{
	char buf[JOB_TEXT_MAX + 1];
	size_t len = strnlen(text, JOB_TEXT_MAX);

	buf[0] = kind;
	memcpy(buf + 1, text, len);
	err_free(fd_send(out, buf, len + 1, NULL, 0));
}

bool jobs_full(const struct jobs *j)
{
	return j->n >= (j->limit ? j->limit : JOBS_MAX);
}

/* The child has closed its end. */
static void finish(struct jobs *j, size_t i, struct job_word *ret)
{
	struct job *job = &j->v[i];
	int status = 0;
	struct err *e = proc_wait_pid(job->pid, &status);

	close(job->sock);
	ret->kind = 0;
	ret->id = job->id;
	ret->error = job->error;
	if (!ret->error && !e && status == 128 + SIGALRM)
		ret->error = err_new(0, "it took too long");
	else if (!ret->error && !e && status)
		ret->error =
			err_new(0, status > 128 ? "it was ended by signal %d" : "it ended with status %d",
				status > 128 ? status - 128 : status);
	err_free(e);
	memmove(job, job + 1, (j->n - i - 1) * sizeof(*job));
	j->n--;
}

/* The next message of job I, or its end.  *RET_NOTHING: it was its error, which is kept until it ends. */
static struct err *receive(struct jobs *j, size_t i, struct job_word *ret, bool *ret_nothing)
{
	char buf[ERR_WIRE_MAX + 1];
	size_t len = 0, none = 0;
	struct err *e = fd_recv(j->v[i].sock, buf, sizeof(buf), &len, NULL, &none);

	if (e)
		return e;
	*ret = (struct job_word){ .id = j->v[i].id };
	*ret_nothing = len && buf[0] == ERROR_KIND;
	if (!len) {
		finish(j, i, ret);
	} else if (*ret_nothing) {
		err_free(j->v[i].error);
		j->v[i].error = err_recv(buf + 1, len - 1);
	} else {
		ret->kind = buf[0];
		len = len - 1 < JOB_TEXT_MAX ? len - 1 : JOB_TEXT_MAX;
		memcpy(ret->text, buf + 1, len);
		ret->text[len] = '\0';
	}
	return NULL;
}

struct err *jobs_next(struct jobs *j, struct job_word *ret)
{
	for (;;) {
		struct pollfd p[JOBS_MAX + 2];
		size_t n = j->n < JOBS_MAX ? j->n : JOBS_MAX;

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = j->v[i].sock, .events = POLLIN };
		p[n] = (struct pollfd){ .fd = j->wake, .events = POLLIN };
		p[n + 1] = (struct pollfd){ .fd = j->beside, .events = POLLIN };
		if (poll(p, n + 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_new(errno, "waiting for the work of others");
		}
		if (p[n].revents) { /* before the jobs: they may have been ended by the same signal */
			*ret = (struct job_word){ .kind = JOB_WOKEN };
			return NULL;
		}
		for (size_t i = 0; i < n; i++) {
			bool nothing = true;
			struct err *e = p[i].revents ? receive(j, i, ret, &nothing) : NULL;

			if (e || !nothing)
				return e;
		}
		if (p[n + 1].revents) {
			*ret = (struct job_word){ .kind = JOB_BESIDE };
			return NULL;
		}
	}
}

void jobs_done(struct jobs *j)
{
	for (size_t i = 0; i < j->n; i++) {
		proc_kill_and_reap(j->v[i].pid);
		close(j->v[i].sock);
		err_free(j->v[i].error);
	}
	free(j->v);
	*j = (struct jobs){ 0 };
}
