/* A target: a branch's server, as connections see it.  How it works is told in switchboard.c. */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/control.h"
#include "core/box/initcache.h"
#include "core/box/relay_proc.h"
#include "core/branch/board_priv.h"
#include "core/branch/stack.h"

enum { WAITING_MAX = 1024 }; /* connections that wait for one branch */

/* --- targets ---------------------------------------------------------------------------------- */

static struct err *idle_expired(struct timer *t);
static void wake(struct target *t);

static struct dbservice *service_of(const struct target *t)
{
	return t->stack ? NULL : dbproject_service(&t->b->p, t->service);
}

struct target *target_find(struct board *b, const char *stack, const char *service,
			   const char *branch, uint16_t port)
{
	struct target *t;

	for (t = b->targets; t; t = t->next)
		if (str_eq(t->stack, stack) && !strcmp(t->service, service) &&
		    !strcmp(t->branch, branch) && t->port == port)
			return t;
	t = xcalloc(1, sizeof(*t));
	t->b = b;
	t->stack = xstrdup(stack);
	t->service = xstrdup(service);
	t->branch = xstrdup(branch);
	t->port = port;
	t->channel.fd = t->worker.fd = -1;
	t->has_timer = !timer_init(&b->loop, &t->idle, idle_expired);
	t->next = b->targets;
	b->targets = t;
	return t;
}

void target_arm_idle(struct target *t)
{
	const struct dbservice *s = service_of(t);

	if (t->has_timer && s)
		timer_set(&t->idle, t->n_conns ? 0 : s->idle_ms, 0);
}

static struct waiting *take_waiting(struct target *t)
{
	struct waiting *w = t->waiting;

	if (w) {
		t->waiting = w->next;
		t->n_waiting--;
	}
	return w;
}

static void refuse_waiting(struct target *t)
{
	struct waiting *w;

	while ((w = take_waiting(t)) != NULL) {
		board_reset_and_close(w->fd);
		free(w->tree);
		free(w);
	}
}

/* --- connections that were handed over --- */

static void conn_release(struct source *s)
{
	struct conn *c = container_of(s, struct conn, leash);

	free(c->tree);
	free(c);
}

static struct err *leash_ready(struct source *s, uint32_t events UNUSED)
{
	struct conn *c = container_of(s, struct conn, leash);
	char byte;

	if (recv(s->fd, &byte, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (--c->t->n_conns == 0)
		target_arm_idle(c->t);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	loop_del_close(&c->t->b->loop, s);
	return NULL;
}

/* Give FD to the branch's relay.  False: the channel is broken, FD is still ours. */
static bool hand_over(struct target *t, int fd, const char *tree)
{
	struct board *b = t->b;
	struct relay_handover msg = { .port = t->port };
	struct conn *c;
	int pair[2];
	struct err *e = fd_socketpair(SOCK_STREAM, pair);

	if (!e) {
		int fds[2] = { fd, pair[1] };

		e = fd_send(t->channel.fd, &msg, sizeof(msg), fds, 2);
		close(pair[1]);
		if (e)
			close(pair[0]);
	}
	if (e) {
		err_free(e);
		return false;
	}
	close(fd);
	c = xcalloc(1, sizeof(*c));
	c->t = t;
	c->tree = xstrdup(tree);
	c->leash = (struct source){ .fd = pair[0], .ready = leash_ready, .release = conn_release };
	e = loop_add(&b->loop, &c->leash, EPOLLIN);
	if (e) { /* it is served, only not counted */
		err_free(e);
		close(pair[0]);
		conn_release(&c->leash);
		return true;
	}
	c->next = b->conns;
	if (c->next)
		c->next->at = &c->next;
	b->conns = c;
	c->at = &b->conns;
	t->n_conns++;
	target_arm_idle(t);
	return true;
}

static void go_cold(struct target *t)
{
	loop_del_close(&t->b->loop, &t->channel);
	if (t->state == LIVE)
		t->state = COLD;
}

static void serve_waiting(struct target *t)
{
	struct waiting *w;

	while (t->state == LIVE && (w = t->waiting) != NULL) {
		if (!hand_over(t, w->fd, w->tree)) {
			go_cold(t);
			wake(t);
			return;
		}
		w = take_waiting(t);
		free(w->tree);
		free(w);
	}
}

/* Nothing is sent from there: the relay is gone. */
static struct err *channel_ready(struct source *s, uint32_t events UNUSED)
{
	struct target *t = container_of(s, struct target, channel);

	go_cold(t);
	if (t->waiting)
		wake(t);
	return NULL;
}

/* --- children --------------------------------------------------------------------------------- */

static void reap_worker(struct target *t)
{
	int status;

	loop_del_close(&t->b->loop, &t->worker);
	if (t->worker_pid > 0)
		err_free(proc_wait_pid(t->worker_pid, &status)); /* what it had to say came over the socket */
	t->worker_pid = 0;
}

/* The channel to the relay of the container BOX. */
static struct err *open_channel(struct store *st, const char *box, int *ret_fd)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct box *b = NULL;
	size_t len;
	struct err *e = box_find(st, box, &b);

	e = e ?: ctl_connect(b->dir, &sock);
	e = e ?: ctl_send(sock, CTL_RELAY, 0, NULL, 0, -1);
	e = e ?: ctl_recv(sock, &msg, &len, ret_fd);
	if (!e && msg.type == CTL_FAIL)
		e = err_recv(msg.data, len);
	else if (!e && (msg.type != CTL_OK || *ret_fd < 0))
		e = err_new(0, "container %s takes no connections", b->spec.name);
	box_free(b);
	return e;
}

/* A compose project's container is not started by a connection: it runs, or is not there. */
static struct err *stack_box(const struct target *t, char **ret_id)
{
	const struct branch *br = dbproject_branch(&t->b->p, t->branch);
	struct box *b = NULL;
	struct err *e = br ? stack_find_box(t->b->st, t->stack, br->slug, t->service, &b) : NULL;

	if (b)
		*ret_id = xstrdup(b->spec.id);
	else if (!e)
		e = err_new(0, "%s of branch %s is not up", t->service, t->branch);
	box_free(b);
	return e;
}

NORETURN static void waker_main(struct target *t, int result)
{
	_cleanup_close_ int channel = -1;
	struct branch_result r = { 0 };
	struct err *e;

	prctl(PR_SET_NAME, "devbox-wake");
	proc_title_set("devbox: waking %s of %s", t->service, t->branch);
	e = t->stack ? stack_box(t, &r.box)
		     : branch_up(t->b->st, t->b->id, t->service, t->branch, NULL, NULL, &r);
	e = e ?: open_channel(t->b->st, r.box, &channel);
	if (e)
		err_send(result, e);
	else
		err_free(fd_send(result, r.made ? "m" : "u", 1, &channel, 1));
	_exit(0);
}

static struct err *waker_ready(struct source *s, uint32_t events UNUSED)
{
	struct target *t = container_of(s, struct target, worker);
	char buf[ERR_WIRE_MAX];
	size_t len = 0, n = 1;
	int fd = -1;
	struct err *e = fd_recv(s->fd, buf, sizeof(buf), &len, &fd, &n);

	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	reap_worker(t);
	t->state = COLD;
	if (!e && len == 1 && n == 1) {
		t->channel = (struct source){ .fd = fd, .ready = channel_ready };
		e = fd_nonblock(fd, true) ?: loop_add(&t->b->loop, &t->channel, EPOLLIN);
		if (!e && *buf == 'm')
			e = board_reload(t->b); /* the new branch has an address, too */
		if (!e) {
			t->state = LIVE;
			serve_waiting(t);
			target_arm_idle(t);
			return NULL;
		}
		loop_del_close(&t->b->loop, &t->channel);
	} else {
		for (size_t i = 0; !e && i < n; i++)
			close(fd);
	}
	err_free(e);
	refuse_waiting(t); /* why is in the record: devbox db ls shows it */
	return NULL;
}

static void wake(struct target *t)
{
	int result[2];
	struct err *e;

	if (t->state != COLD)
		return;
	t->worker_pid = board_fork_worker(t->b, result);
	if (t->worker_pid == 0)
		waker_main(t, result[1]);
	if (t->worker_pid < 0) {
		t->worker_pid = 0;
		refuse_waiting(t);
		return;
	}
	t->state = WAKING;
	t->worker = (struct source){ .fd = result[0], .ready = waker_ready };
	e = fd_nonblock(result[0], true) ?: loop_add(&t->b->loop, &t->worker, EPOLLIN);
	if (e) {
		err_free(e);
		proc_kill_and_reap(t->worker_pid);
		t->worker_pid = 0;
		close(TAKE_FD(t->worker.fd));
		t->state = COLD;
		refuse_waiting(t);
	}
}

/* Says 's' (it sleeps), 'b' (somebody uses it). */
NORETURN static void sleeper_main(struct target *t, int result)
{
	struct dbservice *s = service_of(t);
	struct fork *f = s ? dbservice_fork(s, t->branch) : NULL;
	struct box *b = NULL;
	struct err *e;

	prctl(PR_SET_NAME, "devbox-sleep");
	e = f ? box_find(t->b->st, f->box, &b) : NULL;
	if (!e && b && box_is_busy(b, s->port))
		_exit(send(result, "b", 1, MSG_NOSIGNAL) < 0);
	if (!e && b && state_is_up(&b->state))
		e = box_stop(b, -1);
	err_free(e); /* then it runs on: the next try is at the next idle time */
	_exit(send(result, "s", 1, MSG_NOSIGNAL) < 0);
}

static struct err *sleeper_ready(struct source *s, uint32_t events UNUSED)
{
	struct target *t = container_of(s, struct target, worker);
	char byte = 's';
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	reap_worker(t);
	if (byte == 'b') {
		t->state = t->channel.fd >= 0 ? LIVE : COLD;
		target_arm_idle(t);
		serve_waiting(t);
	} else {
		loop_del_close(&t->b->loop, &t->channel);
		t->state = COLD;
	}
	if (t->waiting)
		wake(t);
	return NULL;
}

static struct err *idle_expired(struct timer *timer)
{
	struct target *t = container_of(timer, struct target, idle);
	int result[2];

	if (t->n_conns || t->waiting || (t->state != LIVE && t->state != COLD))
		return NULL;
	t->worker_pid = board_fork_worker(t->b, result);
	if (t->worker_pid == 0)
		sleeper_main(t, result[1]);
	if (t->worker_pid < 0) {
		t->worker_pid = 0;
		target_arm_idle(t);
		return NULL;
	}
	t->state = SLEEPING;
	t->worker = (struct source){ .fd = result[0], .ready = sleeper_ready };
	return loop_add(&t->b->loop, &t->worker, EPOLLIN);
}

/* --- from the switchboard ------------------------------------------------------------------------ */

void target_serve(struct target *t, int fd, const char *tree)
{
	struct waiting *w, **end = &t->waiting;

	if (t->state == LIVE && !t->waiting) {
		if (hand_over(t, fd, tree))
			return;
		go_cold(t);
	}
	if (t->n_waiting >= WAITING_MAX) {
		board_reset_and_close(fd);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->fd = fd;
	w->tree = xstrdup(tree);
	while (*end)
		end = &(*end)->next;
	*end = w;
	t->n_waiting++;
	wake(t);
}

void target_cut_others(struct board *b, const char *tree, const char *branch)
{
	for (struct conn *c = b->conns; c; c = c->next)
		if (str_eq(c->tree, tree) && strcmp(c->t->branch, branch) &&
		    send(c->leash.fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			continue; /* it has just ended */
}
