#include "cmd/api/serve.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cmd/api/call.h"
#include "cmd/api/flow.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/apisock.h"

/* How it works
 *
 *	api_serve() -- accepts
 *	   +-- api_connection(), one process a connection: reads a request's head
 *	         +-- api_answer(), one process a request: reads its body, does what the handler does, answers, ends
 *	               +-- what the handler starts (the monitor of a container)
 *
 * A process a request, because what the handlers call is made for programs that do one thing and end: memory, children
 * and descriptors end with it, and a request that goes wrong takes no other with it.  A fork costs 0.2 ms, less than
 * opening the store.  The connection's process waits for two things meanwhile: the end of the answer (exit status 0:
 * the connection can carry the next request), and the client's going away, upon which the answering process is
 * killed: nobody waits for a container's end, follows its log or pulls an image for a client that has left.  What must
 * not be cut short is safe against that, as it is against kill -9 of a verb; what a client may ask for that will not
 * see the end of it, such as the restart of its own container, goes on in a process that is not killed
 * (api_to_end()).
 *
 * Not more than CONNECTIONS_MAX are served at once; the next ones wait in the socket's queue. */

enum { ANSWER_KEEP, ANSWER_CLOSE, BACKLOG_WAIT_MS = 1000, CONNECTIONS_MAX = 256 };

/* --- finding the handler ---------------------------------------------------------------------------------------- */

static const struct api_route *const tables[] = {
	api_system_routes,   api_container_routes, api_create_routes,  api_life_routes,
	api_stream_routes,   api_usage_routes,	   api_network_routes, api_volume_routes,
	api_registry_routes, api_image_routes,	   api_build_routes,   api_buildkit_routes,
	api_exec_routes,     api_archive_routes,
};

/* Does PATH fit the route's?  *RET_ARG then is what the asterisk stands for. */
static bool path_fits(const struct api_route *r, const char *path, char **ret_arg)
{
	const char *star = strchr(r->path, '*'), *tail = star ? star + 1 : "";
	size_t len = strlen(path), head = star ? (size_t)(star - r->path) : strlen(r->path);
	size_t n;

	if (!star && strcmp(path, r->path))
		return false;
	if (star &&
	    (len <= head + strlen(tail) || strncmp(path, r->path, head) || !str_ends(path, tail)))
		return false;
	n = len - head - strlen(tail);
	if (star && memchr(path + head, '/', n) && !str_starts(r->path, "/images/") &&
	    !str_starts(r->path, "/distribution/"))
		return false;
	*ret_arg = xstrndup(path + head, n);
	return true;
}

/* "/v1.41/containers/json" -> 41 and "/containers/json". */
static struct err *split_version(const char **path, unsigned *ret_minor)
{
	const char *v = str_after(*path, "/v1."), *end;
	_cleanup_free_ char *digits = NULL;
	uint64_t minor;
	struct err *e;

	*ret_minor = API_MINOR;
	if (!v)
		return NULL;
	end = v + strcspn(v, "/");
	digits = xstrndup(v, (size_t)(end - v));
	e = str_to_u64(digits, 0, 9999, &minor);
	if (e) {
		err_free(e);
		return api_fail(err_new(0, "page not found"), 404);
	}
	*path = end;
	*ret_minor = (unsigned)minor;
	if (minor > API_MINOR)
		return api_fail(err_new(0, "client version 1.%s is too new. Maximum supported API version is 1.%d",
					digits, API_MINOR),
				400);
	if (minor < API_MINOR_MIN)
		return api_fail(err_new(0, "client version 1.%s is too old. Minimum supported API version is 1.%d",
					digits, API_MINOR_MIN),
				400);
	return NULL;
}

static struct err *not_served(const struct api_call *c, const char *path, bool known)
{
	static const char *const swarm[] = { "/swarm", "/services", "/nodes",
					     "/tasks", "/secrets",  "/configs" };

	for (size_t i = 0; i < ARRAY_LEN(swarm); i++)
		if (str_starts(path, swarm[i]))
			return api_fail(
				err_new(0, "This node is not a swarm manager, and devbox knows no swarm"),
				503);
	if (known)
		return api_fail(err_new(0, "%s is not possible on %s", c->rq->method, path), 405);
	return api_fail(err_new(0, "page not found: devbox does not serve %s %s", c->rq->method, path),
			404);
}

static struct err *dispatch(struct api_call *c)
{
	const char *path = c->rq->path;
	bool known = false;
	struct err *e = split_version(&path, &c->minor);

	for (size_t t = 0; !e && t < ARRAY_LEN(tables); t++)
		for (const struct api_route *r = tables[t]; r->method; r++) {
			_cleanup_free_ char *arg = NULL;

			if (!path_fits(r, path, &arg))
				continue;
			known = true;
			if (strcmp(r->method, c->rq->method) &&
			    (strcmp(r->method, "GET") || strcmp(c->rq->method, "HEAD")))
				continue;
			c->arg = arg;
			e = store_open(&c->st);
			return e ?: r->answer(c);
		}
	return e ?: not_served(c, path, known);
}

/* --- one request ------------------------------------------------------------------------------------------------ */

static void answer_error(struct api_call *c, struct err *failure)
{
	_cleanup_free_ char *line = NULL;
	struct json_out o;
	struct err *e;

	failure = api_judge(failure);
	line = err_line(failure);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "message", line);
	json_close(&o, '}');
	e = api_json(c, failure->status, &o);
	err_free(e); /* the client has left */
}

/* In the request's process: answer it.  Returns what the process ends with. */
static int answer_request(struct http_conn *conn, const struct http_request *rq)
{
	struct api_call c = { .rq = rq };
	struct err *e;

	http_body_start(&c.body, conn, rq);
	e = dispatch(&c);
	if (e && !c.begun) {
		answer_error(&c, e);
		err_free(e);
		e = NULL;
	} else if (!e && c.chunked) {
		e = http_write_chunk(conn->fd, NULL, 0);
	}
	if (e || c.taken || !api_body_end(&c) || rq->close) {
		err_free(e); /* in the middle of an answer: that it is cut tells the client */
		return ANSWER_CLOSE;
	}
	return ANSWER_KEEP;
}

/* --- a connection ----------------------------------------------------------------------------------------------- */

/* Wait for PID, which answers on FD, and see to it that it does not outlast the client. */
static bool wait_answer(pid_t pid, int fd)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = fd } };
	int status = 0;

	if (pidfd < 0) {
		proc_kill_and_reap(pid);
		return false;
	}
	while (poll(p, ARRAY_LEN(p), -1) < 0 && errno == EINTR)
		;
	if (!p[0].revents)
		kill(pid, SIGKILL); /* ours and not reaped: its number is its own */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == ANSWER_KEEP;
}

static bool serve_request(struct http_conn *conn)
{
	struct http_request rq = { 0 };
	bool end = false, keep = false;
	struct err *e = http_read_head(conn, &rq, &end);
	pid_t pid;

	if (end)
		return false;
	if (e) { /* where the next request would begin is not known */
		struct http_request none = { .method = "GET", .close = true };
		struct api_call c = { .rq = &none, .body.conn = conn };

		answer_error(&c, e);
		err_free(e);
		return false;
	}
	pid = fork();
	if (pid == 0)
		_exit(answer_request(conn, &rq));
	keep = pid > 0 && wait_answer(pid, conn->fd);
	conn->at = conn->len = 0; /* read by the other process */
	http_request_done(&rq);
	return keep;
}

struct err *api_connection(int fd)
{
	struct http_conn *conn = xcalloc(1, sizeof(*conn));

	conn->fd = fd;
	while (serve_request(conn))
		;
	free(conn);
	return NULL;
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

/* How many of N connections are left, when those that have ended are reaped.  If as many as can be are served, one of
 * them is waited for. */
static unsigned connections_left(unsigned n)
{
	while (n && waitpid(-1, NULL, n >= CONNECTIONS_MAX ? 0 : WNOHANG) > 0)
		n--;
	return n;
}

struct err *api_serve(int listener, unsigned idle_s)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct userns_ids ids;
	unsigned served = 0;

	userns_ids_load(&ids);
	for (;;) {
		int n = poll(&p, 1, idle_s ? (int)idle_s * 1000 : -1), fd;
		pid_t pid;

		served = connections_left(served);
		if (n == 0 && !served) {
			userns_ids_done(&ids);
			return NULL;
		}
		fd = n > 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (n > 0 && fd < 0 && errno != EINTR && errno != ECONNABORTED) {
			if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
				return err_new(errno, "accepting a connection");
			poll(NULL, 0, BACKLOG_WAIT_MS); /* it stays in the queue until others have ended */
		}
		if (fd < 0)
			continue;
		if (!apisock_admits(&ids, fd)) { /* a container may have the socket */
			close(fd);
			continue;
		}
		pid = fork();
		if (pid == 0) {
			close(listener);
			signal(SIGINT, SIG_DFL);
			signal(SIGTERM, SIG_DFL);
			signal(SIGHUP, SIG_DFL);
			err_free(api_connection(fd));
			_exit(0);
		}
		served += pid > 0;
		close(fd);
	}
}
