#include "cmd/api/flow.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/fd.h"

enum { BUF = 64 << 10 };

/* Exit status of the child: 0 if the body was read to its end and nothing followed it. */
static int copy_body(struct http_body *b, int to)
{
	char *buf = xmalloc(BUF);
	struct err *e;
	size_t n;

	for (;;) {
		e = http_body_read(b, buf, BUF, &n);
		if (e || !n)
			break;
		if (to >= 0 && (e = fd_write_all(to, "a pipe", buf, n)) != NULL) {
			err_free(e); /* the reader has what it wants */
			close(TAKE_FD(to));
		}
	}
	return e || !b->ended || b->conn->at != b->conn->len;
}

struct err *api_body_fd(struct api_call *c, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_new(errno, "forking");
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		close(fds[0]);
		_exit(copy_body(&c->body, fds[1]));
	}
	close(fds[1]);
	c->copier = pid;
	*ret_fd = fds[0];
	return NULL;
}

bool api_body_end(struct api_call *c)
{
	int status = 0;

	if (!c->copier) /* a client that waits for "100 Continue" sends nothing without it */
		return c->body.ended ? c->body.conn->at == c->body.conn->len
		       : c->body.expects_continue && !c->body.continued ? false
									: !copy_body(&c->body, -1);
	while (waitpid(c->copier, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* In the child. */
static _Noreturn void write_output(struct err *(*fn)(void *arg, int fd), void *arg, int to, int sock)
{
	struct err *e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	e = fn(arg, to);
	if (e)
		err_send(sock, e);
	_exit(0);
}

static struct err *copy_output(struct api_call *c, const char *type, int from)
{
	_cleanup_free_ char *buf = xmalloc(BUF);
	struct err *e = NULL;
	ssize_t n;

	while (!e && (n = read(from, buf, BUF)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "reading a pipe");
		e = c->begun ? NULL : api_stream(c, type);
		e = e ?: api_piece(c, buf, (size_t)n);
	}
	return e;
}

struct err *api_send_output(struct api_call *c, const char *type,
			    struct err *(*fn)(void *arg, int fd), void *arg)
{
	_cleanup_close_ int from = -1, to = -1, ours = -1, theirs = -1;
	char words[ERR_WIRE_MAX];
	int fds[2], pair[2];
	struct err *e;
	ssize_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_new(errno, "making a socket");
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	from = fds[0];
	to = fds[1];
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking");
	if (pid == 0) {
		close(TAKE_FD(from));
		close(TAKE_FD(ours));
		write_output(fn, arg, to, theirs);
	}
	close(TAKE_FD(to));
	close(TAKE_FD(theirs));
	e = copy_output(c, type, from);
	close(TAKE_FD(from));
	n = e ? 0 : recv(ours, words, sizeof(words), 0);
	if (n > 0)
		e = err_recv(words, (size_t)n);
	return e ?: c->begun ? NULL : api_stream(c, type);
}
