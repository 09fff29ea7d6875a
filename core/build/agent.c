/* --ssh where the host's root builds: the container's root is another user then and may not speak to his agent.  So a
 * process that stays the caller listens for it, on a socket in the store, and passes on what is said.  It ends with the
 * build.  Everybody else's agent is bound into the container as it is. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/build/plan.h"

enum { BACKLOG = 16, BUF = 16 << 10 };

static bool pass(int from, int to)
{
	char buf[BUF];
	ssize_t n = read(from, buf, sizeof(buf));
	struct err *e;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	e = fd_write_all(to, "the agent", buf, (size_t)n);
	err_free(e); /* the other side is gone */
	return !e;
}

/* One connection, in a process of its own. */
NORETURN static void serve(int conn, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p[] = { { .fd = conn, .events = POLLIN }, { .fd = agent, .events = POLLIN } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (agent < 0 || connect(agent, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		_exit(1);
	while (poll(p, ARRAY_LEN(p), -1) > 0) {
		if (p[0].revents && !pass(conn, agent))
			break;
		if (p[1].revents && !pass(agent, conn))
			break;
	}
	_exit(0);
}

NORETURN static void relay(int listener, const char *path)
{
	signal(SIGCHLD, SIG_IGN); /* nobody has to reap them */
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0 && errno != EINTR && errno != ECONNABORTED)
			_exit(1);
		if (conn >= 0 && fork() == 0)
			serve(conn, path);
		if (conn >= 0)
			close(conn);
	}
}

struct err *agent_share(struct build_plan *p, struct agent *a)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sun;
	char *path;
	struct err *e;

	if (!p->st->ids.direct)
		return NULL;
	e = store_stage(p->st, "agent", &a->stage, &a->stage_fd);
	if (e)
		return e;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd_sun(a->stage_fd, "sock", &sun);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, BACKLOG) < 0 ||
	    fchownat(a->stage_fd, "sock", p->st->ids.root_uid, p->st->ids.root_gid, 0) < 0)
		return err_new(errno, "making a socket for the agent");
	a->relay = fork();
	if (a->relay < 0)
		return err_new(errno, "forking");
	if (a->relay == 0)
		relay(fd, a->path);
	path = xasprintf("tmp/%s/sock", a->stage); /* workers stand in the store */
	free(a->path);
	a->path = path;
	return NULL;
}

void agent_done(struct build_plan *p, struct agent *a)
{
	if (a->relay > 0)
		proc_kill_and_reap(a->relay);
	if (a->stage) {
		err_free(store_rm_tree(p->st, p->st->tmp, a->stage)); /* best effort: the next sweep does it */
		close(a->stage_fd);
	}
	free(a->stage);
	free(a->id);
	free(a->path);
}
