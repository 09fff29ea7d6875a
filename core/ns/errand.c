#include "core/ns/errand.h"

#include <assert.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/base/proc.h"

enum { MSG_MADE = 'M', MSG_FAILED = 'F' };
struct msg {
	char kind;
	char data[ERR_WIRE_MAX];
};

NORETURN static void child(int sock, const struct errand *r)
{
	struct msg m = { .kind = MSG_MADE };
	struct err *e = NULL;

	if (r->ns >= 0 && setns(r->ns, r->kinds) < 0)
		e = err_new(errno, "%s", r->what);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of namespace, which can clear it */
	e = e ?: r->work(r->arg);
	if (r->made_len)
		memcpy(m.data, r->made, r->made_len);
	e = e ?: fd_send(sock, &m, 1 + r->made_len, r->fds, r->n_fds);
	if (e) {
		m.kind = MSG_FAILED;
		_exit(send(sock, &m, 1 + err_pack(e, m.data), MSG_NOSIGNAL) < 0 ? 2 : 1);
	}
	_exit(0);
}

static struct err *take(const struct errand *r, const struct msg *m, size_t len, const int *fds,
			size_t n_fds)
{
	if (len == 1 + r->made_len && m->kind == MSG_MADE && n_fds == r->n_fds) {
		if (r->made_len)
			memcpy(r->made, m->data, r->made_len);
		for (size_t i = 0; i < n_fds; i++)
			r->fds[i] = fds[i];
		return NULL;
	}
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return len && m->kind == MSG_FAILED ? err_recv(m->data, len - 1)
					    : err_new(0, "%s: a helper process died", r->what);
}

struct err *errand_run(const struct errand *r)
{
	int sock[2], fds[FD_PASS_MAX];
	size_t len = 0, n_fds = FD_PASS_MAX;
	struct pollfd p = { .events = POLLIN };
	struct msg m;
	pid_t pid;
	struct err *e = fd_socketpair(SOCK_SEQPACKET, sock);

	assert(r->made_len <= ERR_WIRE_MAX && r->n_fds <= FD_PASS_MAX);
	if (e)
		return e;
	pid = fork();
	if (pid == 0)
		child(sock[1], r);
	close(sock[1]); /* or end of file would never come */
	p.fd = sock[0];
	if (pid < 0)
		e = err_new(errno, "forking");
	else if (r->timeout_ms && poll(&p, 1, r->timeout_ms) == 0)
		e = err_new(ETIMEDOUT, "%s", r->what);
	else
		e = fd_recv(sock[0], &m, sizeof(m), &len, fds, &n_fds);
	close(sock[0]);
	if (pid > 0)
		proc_kill_and_reap(pid);
	return e ?: take(r, &m, len, fds, n_fds);
}
