#include "core/box/initkeep.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/initcache.h"
#include "core/box/procs.h"

enum { LIMIT_MS = 120 * 1000 };

void initkeep_init(struct initkeep *k)
{
	*k = (struct initkeep){ .src.fd = -1, .limit.src.fd = -1 };
}

/* Says 'k' when the container goes on. */
NORETURN static void keep_main(struct initkeep *k, int result)
{
	int keep[STORE_FDS + 2] = { [STORE_FDS] = result, k->b->dir };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "devbox-keep");
	store_fds(k->b->st, keep);
	fd_close_except(keep, ARRAY_LEN(keep)); /* the lock above all, which would outlive the monitor */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	proc_title_set("devbox: init cache of %s", k->b->spec.name);
	if (!k->only_go)
		err_free(initcache_keep(k->b, k->port)); /* not remembered then: the next first start tries again */
	if (box_is_paused(k->b))
		err_free(box_unpause(k->b)); /* it has ended */
	_exit(send(result, "k", 1, MSG_NOSIGNAL) < 0);
}

static struct err *start(struct initkeep *k);

static void reap(struct initkeep *k)
{
	loop_del_close(k->loop, &k->src);
	if (k->pid > 0)
		proc_kill_and_reap(k->pid);
	k->pid = 0;
}

static struct err *keep_ready(struct source *s, uint32_t events UNUSED)
{
	struct initkeep *k = container_of(s, struct initkeep, src);
	char byte = 0;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	reap(k);
	if (byte != 'k' && !k->only_go) { /* killed, perhaps between stopping the container and letting it go */
		struct err *e;

		k->only_go = true;
		e = start(k);
		if (!e)
			return NULL;
		err_free(e);
	}
	timer_done(k->loop, &k->limit);
	k->done(k);
	return NULL;
}

static struct err *too_long(struct timer *t)
{
	struct initkeep *k = container_of(t, struct initkeep, limit);

	if (k->pid > 0)
		kill(k->pid, SIGKILL); /* our child, not reaped yet: keep_ready() goes on */
	return NULL;
}

static struct err *start(struct initkeep *k)
{
	int fds[2];
	struct err *e = fd_socketpair(SOCK_SEQPACKET, fds);

	if (e)
		return e;
	k->pid = fork();
	if (k->pid == 0)
		keep_main(k, fds[1]);
	close(fds[1]);
	if (k->pid < 0) {
		k->pid = 0;
		e = err_new(errno, "forking");
		close(fds[0]);
		return e;
	}
	k->src = (struct source){ .fd = fds[0], .ready = keep_ready };
	return loop_add(k->loop, &k->src, EPOLLIN);
}

struct err *initkeep_start(struct initkeep *k, struct loop *loop, struct box *b, uint16_t port,
			   void (*done)(struct initkeep *k))
{
	struct err *e;

	k->loop = loop;
	k->b = b;
	k->port = port;
	k->done = done;
	k->only_go = false;
	e = timer_init(loop, &k->limit, too_long);
	if (!e)
		timer_set(&k->limit, LIMIT_MS, 0);
	return e ?: start(k);
}

void initkeep_stop(struct initkeep *k)
{
	if (!k->pid)
		return;
	reap(k);
	timer_done(k->loop, &k->limit);
}
