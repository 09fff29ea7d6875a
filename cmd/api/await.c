/* How it works
 *
 * `docker run` attaches to a container and asks for its end before it starts it, with requests of their own, and all
 * of them are under way at once.  So await_open() first listens (waiter.h): a monitor that begins from then on calls
 * us.  Then it asks for a monitor that is there already.  That one may be
 *	of a running container		the run that is meant
 *	beginning			likewise; it may call us, too: either connection will do
 *	of a run that has just ended	busy with unmounting, it answers EXITED at once: not the end that is meant.
 *					It is told from the second by the start in the record, the old one still. */
#include "cmd/api/await.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "core/base/fd.h"

enum { LOOK_MS = 500 };

static bool is_there(const struct box *b)
{
	return faccessat(b->st->containers, b->spec.id, F_OK, 0) == 0;
}

static struct err *watch_removal(struct box *b, int *ret)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", b->dir);
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 && errno != EMFILE) /* a user has 128 by default, with his desktop */
		return err_new(errno, "watching container %s", b->spec.name);
	if (fd >= 0 && inotify_add_watch(fd, path, IN_MOVE_SELF | IN_DELETE_SELF) < 0)
		return err_new(errno, "watching container %s", b->spec.name);
	if (!is_there(b))
		return err_new(0, "No such container: %s", b->spec.name);
	*ret = TAKE_FD(fd);
	return NULL;
}

static struct err *ask_present(struct await *a, enum waiter_kind kind)
{
	struct err *e = ctl_connect(a->b->dir, &a->conn);

	e = e ?: ctl_send(a->conn, kind == WAITER_ATTACH ? CTL_ATTACH : CTL_WAIT, 0, NULL, 0, -1);
	if (err_is(e, ECONNREFUSED) || err_is(e, ENOENT) || err_is(e, EPIPE)) { /* there is none */
		err_free(e);
		e = NULL;
		if (a->conn >= 0)
			close(TAKE_FD(a->conn));
	}
	return e;
}

struct err *await_open(struct box *b, enum waiter_kind kind, struct await *ret)
{
	struct await a = AWAIT_NONE;
	struct err *e = watch_removal(b, &a.removed);

	a.b = b;
	e = e ?: waiter_open(b, kind, &a.waiter);
	e = e ?: box_refresh(b);
	if (!e) {
		a.sure = state_is_up(&b->state);
		a.started_ns = b->state.started_ns;
		e = ask_present(&a, kind);
	}
	if (e) {
		await_done(&a);
		return e;
	}
	*ret = a;
	return NULL;
}

void await_done(struct await *a)
{
	waiter_done(&a->waiter);
	if (a->conn >= 0)
		close(a->conn);
	if (a->removed >= 0)
		close(a->removed);
	*a = AWAIT_NONE;
}

int await_timeout_ms(const struct await *a)
{
	return a->removed < 0 ? LOOK_MS : -1;
}

void await_fds(const struct await *a, struct pollfd p[AWAIT_FDS])
{
	p[0] = (struct pollfd){ .fd = a->conn, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = a->waiter.listener, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = a->removed, .events = POLLIN };
}

static void drop(struct await *a)
{
	close(TAKE_FD(a->conn));
	a->sure = false;
}

/* Is what CONN says about the run that is meant? */
static bool is_meant(struct await *a)
{
	struct err *e;

	if (a->sure)
		return true;
	e = box_refresh(a->b);
	if (e || a->b->state.started_ns != a->started_ns)
		a->sure = true; /* with --rm its record may be gone by now */
	err_free(e);
	return a->sure;
}

static struct err *from_monitor(struct await *a, struct ctl_msg *msg, size_t *ret_len,
				enum await_what *ret)
{
	struct err *e = ctl_recv(a->conn, msg, ret_len, NULL);

	if (err_is(e, ECONNRESET)) { /* told once; what was sent before is still to be read */
		err_free(e);
		return NULL;
	}
	if (e)
		return e;
	if (msg->type == CTL_FAIL)
		return err_recv(msg->data, *ret_len);
	*ret = AWAIT_MESSAGE;
	if (msg->type && msg->type != CTL_EXITED)
		return NULL;
	if (msg->type)
		*ret = is_meant(a) ? AWAIT_EXITED : AWAIT_NOTHING;
	else
		*ret = a->sure ? AWAIT_LOST : AWAIT_NOTHING;
	drop(a);
	return NULL;
}

struct err *await_step(struct await *a, const struct pollfd p[AWAIT_FDS], struct ctl_msg *msg,
		       size_t *ret_len, enum await_what *ret)
{
	int conn = -1;
	struct err *e;

	*ret = AWAIT_NOTHING;
	if (p[0].revents)
		return from_monitor(a, msg, ret_len, ret);
	if (p[1].revents) {
		e = waiter_accept(&a->waiter, &conn);
		if (e || conn < 0)
			return e;
		if (a->conn >= 0)
			close(a->conn);
		a->conn = conn;
		a->sure = true;
		*ret = AWAIT_CALLED;
		return NULL;
	}
	if (a->conn < 0 && (a->removed < 0 ? !is_there(a->b) : p[2].revents))
		*ret = AWAIT_REMOVED; /* else the monitor has a last word */
	return NULL;
}
