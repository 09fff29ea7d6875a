#include "core/box/box.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/control.h"
#include "core/box/keepid.h"
#include "core/box/monitor.h"
#include "core/box/procs.h"
#include "core/box/record.h"
#include "core/box/state.h"
#include "core/store/names.h"
#include "slirp/relay.h"

enum {
	LOCK_WAIT_MS = 30000, /* a monitor of an earlier run may still be unmounting */
	LOCK_STEP_MS = 2,
};

void box_free(struct box *b)
{
	if (!b)
		return;
	spec_done(&b->spec);
	state_done(&b->state);
	strv_done(&b->notes);
	if (b->dir >= 0)
		close(b->dir);
	free(b);
}

/* -- finding --------------------------------------------------------------------------------------------------- */

/* Under the container's lock, so there is no monitor now.  REMOVE: also what --rm promised, a little late. */
static struct err *correct_locked(struct box *b, bool remove)
{
	struct state *s = &b->state;
	struct err *e;

	state_done(s);
	e = state_read(b->dir, s); /* it may have ended in good order between our two looks */
	if (e || !state_is_up(s))
		return e;
	if (s->pid && proc_is(s->pid, s->pid_start, s->boot_id)) {
		_cleanup_close_ int pidfd = pidfd_open(s->pid, 0);

		if (pidfd >= 0 && proc_is(s->pid, s->pid_start, s->boot_id) &&
		    pidfd_signal(pidfd, SIGKILL) == 0) {
			struct pollfd p = { .fd = pidfd, .events = POLLIN };

			poll(&p, 1, 2000); /* so that its ports and mounts are gone when we return */
		}
	}
	if (s->status == BOX_RUNNING) { /* else its last end was told */
		s->exit_code = 137;
		s->finished_ns = time_now_ns();
	}
	s->status = BOX_EXITED;
	s->pid = s->monitor_pid = 0;
	s->ready = false;
	if (s->health.status)
		s->health.status = HEALTH_UNHEALTHY;
	ports_done(&s->published);
	if (remove)
		return box_erase(b->st, &b->spec, true)
			       ?: err_new(0, "No such container: %s", b->spec.name);
	err_free(state_write(b->dir, s, false)); /* the disk may be full: who looks next finds out again */
	return NULL;
}

/* "running" without a monitor: the monitor was killed, or the machine went down.  Say so in the record, and end what
 * may be left of the container. */
static struct err *correct_state(struct box *b)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	/* "run --rm" was killed between making and starting it */
	if (b->state.status == BOX_CREATED && b->state.starting && b->spec.auto_remove &&
	    flock(b->dir, LOCK_EX | LOCK_NB) == 0)
		return box_erase(b->st, &b->spec, true)
			       ?: err_new(0, "No such container: %s", b->spec.name);
	if (!state_is_up(&b->state) || lock_is_held(b->dir, "lock"))
		return NULL;
	e = lock_try_existing(b->dir, "lock", &lock);
	if (e || lock < 0)
		return e; /* somebody else is at it, or it is being removed */
	return correct_locked(b, b->spec.auto_remove);
}

static struct err *load(struct store *st, const char *id, struct box **ret)
{
	struct box *b = xcalloc(1, sizeof(*b));
	struct err *e;

	b->st = st;
	e = fd_open(st->containers, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &b->dir);
	if (e)
		b->dir = -1;
	e = e ?: record_read(b->dir, &b->spec);
	e = e ?: state_read(b->dir, &b->state);
	e = e ?: correct_state(b);
	if (!e)
		err_free(keepid_ids(st, b->spec.userns, &b->ids)); /* box_start() asks again */
	if (e) {
		box_free(b);
		return err_wrap(e, "reading the record of container %.12s", id);
	}
	*ret = b;
	return NULL;
}

struct err *box_find(struct store *st, const char *text, struct box **ret)
{
	char id[ID_LEN + 1];
	struct err *e = name_find(st, text, id);

	return e ?: load(st, id, ret);
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = (*(struct box *const *)a)->spec.created_ns,
		y = (*(struct box *const *)b)->spec.created_ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

struct err *box_list(struct store *st, struct box ***ret, size_t *ret_n)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->containers);
	struct dirent *de;
	struct box **list = NULL;
	size_t n = 0, cap = 0;

	if (!d)
		return err_new(errno, "listing containers");
	while ((de = readdir(d)) != NULL) {
		struct box *b = NULL;
		struct err *e;

		if (strlen(de->d_name) != ID_LEN)
			continue;
		e = load(st, de->d_name, &b);
		if (e) { /* removed while we look, or a crash's garbage */
			err_free(e);
			continue;
		}
		list = xgrow(list, n, &cap, sizeof(struct box *));
		list[n++] = b;
	}
	if (n)
		qsort(list, n, sizeof(struct box *), newest_first);
	*ret = list;
	*ret_n = n;
	return NULL;
}

/* Records only: who asks may be a monitor, which has no business with other containers' states. */
static bool record_uses_volume(struct store *st, const char *id, const char *name)
{
	_cleanup_close_ int dir = -1;
	struct spec s = { 0 };
	bool used = false;
	struct err *e = fd_open(st->containers, id, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &dir);

	e = e ?: record_read(dir, &s);
	for (size_t i = 0; !e && !used && i < s.mounts.n; i++)
		used = s.mounts.v[i].type == MOUNT_VOLUME && str_eq(s.mounts.v[i].source, name);
	err_free(e); /* removed meanwhile, or a crash's garbage */
	spec_done(&s);
	return used;
}

bool box_uses_volume(struct store *st, const char *name)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->containers);
	struct dirent *de;
	bool used = false;

	while (d && !used && (de = readdir(d)) != NULL)
		used = strlen(de->d_name) == ID_LEN && record_uses_volume(st, de->d_name, name);
	return used;
}

struct err *box_refresh(struct box *b)
{
	state_done(&b->state);
	return state_read(b->dir, &b->state) ?: correct_state(b);
}

/* -- running --------------------------------------------------------------------------------------------------- */

/* flock(2) knows no time limit, and the holder's end sends no event we could wait for: a short step, for long. */
struct err *box_lock(struct box *b, int *ret_lock)
{
	int64_t end = time_mono_ms() + LOCK_WAIT_MS;
	struct err *e;

	for (;;) {
		e = lock_try_existing(b->dir, "lock", ret_lock);
		/* hidden by who is removing it: our descriptor still leads there */
		if (err_is(e, ENOENT) || (!e && faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0)) {
			err_free(e);
			return err_new(0, "No such container: %s", b->spec.name);
		}
		if (e)
			return e;
		if (*ret_lock >= 0)
			return correct_locked(b, b->spec.auto_remove);
		e = box_refresh(b);
		if (e || state_is_up(&b->state))
			return e;
		if (time_mono_ms() > end)
			return err_new(ETIMEDOUT, "container %s is busy", b->spec.name);
		poll(NULL, 0, LOCK_STEP_MS);
	}
}

struct err *box_start(struct box *b, int *ret_conn)
{
	_cleanup_close_ int lock = -1, ours = -1;
	struct ctl_msg msg;
	struct err *e;
	int fds[2];
	size_t len;
	pid_t pid;

	e = state_is_up(&b->state) ? NULL : box_lock(b, &lock);
	if (!e && lock < 0) /* it runs already */
		return ret_conn ? box_attach(b, ret_conn) : NULL;
	e = e ?: keepid_ids(b->st, b->spec.userns, &b->ids);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	pid = fork();
	if (pid < 0) {
		e = err_new(errno, "forking the container's monitor");
		close(fds[0]);
		close(fds[1]);
		return e;
	}
	if (pid == 0)
		monitor_main(b, TAKE_FD(lock), fds[1], ret_conn != NULL);
	close(fds[1]); /* or end of file would never come */
	ours = fds[0];
	e = ctl_recv(ours, &msg, &len, NULL);
	if (!e && msg.type == CTL_FAIL)
		e = err_recv(msg.data, len);
	else if (!e && msg.type != CTL_STARTED)
		e = err_new(0, "the container's monitor ended unexpectedly");
	if (e)
		return err_wrap(e, "starting container %s", b->spec.name);
	msg.data[len < CTL_DATA_MAX ? len : CTL_DATA_MAX - 1] = '\0';
	for (char *line, *rest = msg.data; (line = strsep(&rest, "\n")) != NULL;)
		if (*line)
			strv_add(&b->notes, line);
	err_free(box_refresh(b)); /* ended and removed already: what we know stays */
	if (ret_conn)
		*ret_conn = TAKE_FD(ours);
	return NULL;
}

/* Connect and send one request.  No monitor: *ret_sock is -1 and the result NULL. */
static struct err *ask(struct box *b, enum ctl_type type, uint32_t arg, int *ret_sock)
{
	_cleanup_close_ int sock = -1;
	struct err *e = ctl_connect(b->dir, &sock);

	*ret_sock = -1;
	if (err_is(e, ECONNREFUSED) || err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	e = e ?: ctl_send(sock, type, arg, NULL, 0, -1);
	if (err_is(e, EPIPE)) {
		err_free(e);
		return NULL;
	}
	if (!e)
		*ret_sock = TAKE_FD(sock);
	return e;
}

/* Wait for an answer of type WANT or EXITED; others are passed over.  The connection's end counts as EXITED. */
static struct err *answer(int sock, enum ctl_type want, struct ctl_msg *msg, int *ret_fd)
{
	struct err *e;
	size_t len;

	do {
		e = ctl_recv(sock, msg, &len, ret_fd);
		if (err_is(e, ECONNRESET)) { /* told once; what was sent before is still to be read */
			err_free(e);
			e = ctl_recv(sock, msg, &len, ret_fd);
		}
		if (!e && msg->type == CTL_FAIL)
			e = err_recv(msg->data, len);
	} while (!e && msg->type && msg->type != want && msg->type != CTL_EXITED);
	return e;
}

static struct err *not_running(const struct box *b)
{
	return err_new(0, "container %s is not running", b->spec.id);
}

struct err *box_stop(struct box *b, int timeout_s)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = NULL;

	if (box_is_paused(b)) /* what stands still cannot end in good order */
		e = box_unpause(b);
	e = e ?: ask(b, CTL_STOP, timeout_s < 0 ? CTL_STOP_DEFAULT : (uint32_t)timeout_s, &sock);
	if (!e && sock >= 0) {
		e = answer(sock, CTL_EXITED, &msg, NULL);
		box_event(b->st, &b->spec, "stop", NULL);
	}
	if (!e)
		err_free(box_refresh(b)); /* with --rm it is gone already */
	return err_wrap(e, "stopping container %s", b->spec.name);
}

struct err *box_keep(struct box *b)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = ask(b, CTL_KEEP, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	return err_wrap(e, "restarting container %s", b->spec.name);
}

struct err *box_kill(struct box *b, int sig)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_KILL, (uint32_t)sig, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (e)
		return err_wrap(e, "Cannot kill container %s", b->spec.name);
	return msg.type == CTL_OK
		       ? NULL
		       : err_wrap(not_running(b), "Cannot kill container: %s", b->spec.name);
}

static struct err *put_restart(UNUSED struct box *b, struct spec *s, void *policy)
{
	s->restart = *(const struct restart_policy *)policy;
	return NULL;
}

struct err *box_set_restart(struct box *b, const struct restart_policy *p)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e;

	if (b->spec.auto_remove && p->when != RESTART_NO)
		return err_new(0, "Restart policy cannot be updated because AutoRemove is enabled for the container");
	e = record_change(b, put_restart, (void *)p);
	e = e ?: ask(b, CTL_RESTARTS, restart_pack(p), &sock);
	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (!e)
		box_event(b->st, &b->spec, "update", NULL);
	return err_wrap(e, "updating container %s", b->spec.name);
}

struct err *box_wait(struct box *b, int *ret_code)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_WAIT, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_EXITED, &msg, NULL);
	if (e)
		return err_wrap(e, "waiting for container %s", b->spec.name);
	if (msg.type == CTL_EXITED) {
		*ret_code = (int)msg.arg;
		return NULL;
	}
	e = box_refresh(b);
	if (!e)
		*ret_code = b->state.exit_code;
	return e;
}

void box_traffic(struct box *b, uint64_t *ret_in, uint64_t *ret_out)
{
	_cleanup_close_ int sock = -1;
	struct relay_traffic t = { 0 };
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_TRAFFIC, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (!e && msg.type == CTL_OK)
		memcpy(&t, msg.data, sizeof(t)); /* all zeroes if it came without */
	err_free(e);
	*ret_in = t.in;
	*ret_out = t.out;
}

struct err *box_wait_ready(struct box *b, unsigned timeout_s)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct timeval tv = { .tv_sec = timeout_s };
	struct err *e;

	if (!b->spec.recipe)
		return err_new(0, "container %s: devbox knows no readiness test for this image",
			       b->spec.name);
	e = ask(b, CTL_WAIT_READY, 0, &sock);
	if (e)
		return e;
	if (sock < 0)
		return not_running(b);
	if (timeout_s)
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	e = answer(sock, CTL_READY, &msg, NULL);
	if (err_is(e, EAGAIN)) {
		err_free(e);
		return err_hint(err_new(0, "container %s did not answer within %u s", b->spec.name,
					timeout_s),
				"devbox logs %s", b->spec.name);
	}
	if (!e && msg.type != CTL_READY)
		e = err_hint(err_new(0, "container %s ended (exit code %u) before it was ready",
				     b->spec.name, msg.type == CTL_EXITED ? msg.arg : 0),
			     "devbox logs %s", b->spec.name);
	return e;
}

struct err *box_attach(struct box *b, int *ret_conn)
{
	struct err *e = ask(b, CTL_ATTACH, 0, ret_conn);

	if (!e && *ret_conn < 0)
		e = not_running(b);
	if (!e)
		box_event(b->st, &b->spec, "attach", NULL);
	return e;
}

/* Its monitor does the work, the slow part of it after the answer. */
static struct err *kill_and_remove(struct box *b, bool volumes)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = ask(b, CTL_REMOVE, volumes, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_EXITED, &msg, NULL);
	return e;
}

struct err *box_rm(struct box *b, bool force, bool volumes)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	do {
		if (state_is_up(&b->state)) {
			if (!force)
				return err_hint(
					err_new(0, "cannot remove container \"%s\": container is %s",
						b->spec.name, box_status_names[b->state.status]),
					"stop it first, or use -f");
			e = kill_and_remove(b, volumes);
			if (e || faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0)
				return e;
			/* it had just ended by itself, or its monitor was killed: by hand then */
		}
		e = box_lock(b, &lock);
		if (e && force && faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0) {
			err_free(e); /* somebody else was at it */
			return NULL;
		}
	} while (!e && lock < 0); /* started meanwhile */
	return e ?: box_erase(b->st, &b->spec, volumes || b->spec.auto_remove);
}

struct err *box_init_pidfd(struct box *b, int *ret_pidfd)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_INIT, 0, &sock);

	*ret_pidfd = -1;
	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, ret_pidfd);
	return e ?: *ret_pidfd < 0 ? not_running(b) : NULL;
}

struct renaming {
	const char *to;
	char *from; /* the name in the record */
};

static struct err *put_name(struct box *b, struct spec *s, void *arg)
{
	struct renaming *r = arg;
	struct err *e = name_claim(b->st, r->to, s->id);

	if (e)
		return e;
	r->from = s->name;
	s->name = xstrdup(r->to);
	return NULL;
}

struct err *box_rename(struct box *b, const char *name)
{
	struct renaming r = { .to = name + (*name == '/') };
	_cleanup_free_ char *more = NULL;
	struct err *e;

	if (!*r.to)
		return err_new(0, "new name cannot be empty");
	e = name_check(r.to);
	if (!e && str_eq(r.to, b->spec.name))
		e = err_new(0, "Renaming a container with the same name as its current name");
	e = e ?: record_change(b, put_name, &r);
	if (!r.from)
		return e;
	name_release(b->st, e ? r.to : r.from, b->spec.id);
	more = xasprintf("oldName=/%s", r.from);
	free(r.from);
	if (e)
		return e;
	box_event(b->st, &b->spec, "rename", more);
	/* a monitor of an older devbox: the new name counts from its next start */
	err_free(box_tell(b, CTL_NETWORKS));
	return NULL;
}
