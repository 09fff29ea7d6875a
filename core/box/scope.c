#include "core/box/scope.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/dbus.h"
#include "core/base/fd.h"
#include "core/base/proc.h"

enum { SERIAL = 1 }; /* one call for each connection */

char *scope_manager(void)
{
	const char *dir = geteuid() ? getenv("XDG_RUNTIME_DIR") : "/run";
	_cleanup_free_ char *path = geteuid() && !dir
					    ? xasprintf("/run/user/%u/systemd/private", geteuid())
					    : xasprintf("%s/systemd/private", dir);

	return access(path, W_OK) == 0 ? TAKE_PTR(path) : NULL;
}

/* --- messages --- */

static void property(struct str *body, const char *name, const char *signature)
{
	dbus_align(body, 8);
	dbus_put_str(body, name);
	dbus_put_signature(body, signature);
}

static void pids(struct str *body, pid_t pid)
{
	size_t at;

	dbus_array_begin(body, 4, &at);
	dbus_put_u32(body, (uint32_t)pid);
	dbus_array_end(body, 4, at);
}

static void compose(const char *member, const char *signature, const struct str *body, struct str *out)
{
	dbus_compose(&(struct dbus_call){ .serial = SERIAL,
					  .path = "/org/freedesktop/systemd1",
					  .interface = "org.freedesktop.systemd1.Manager",
					  .member = member,
					  .signature = signature },
		     body, out);
}

void scope_start_msg(const char *unit, pid_t pid, struct str *out)
{
	_cleanup_str_ struct str body = { 0 };
	size_t at;

	dbus_put_str(&body, unit);
	dbus_put_str(&body, "fail"); /* mode: never in the way of other jobs */
	dbus_array_begin(&body, 8, &at);
	property(&body, "Description", "s");
	dbus_put_str(&body, "devbox container");
	property(&body, "PIDs", "au");
	pids(&body, pid);
	property(&body, "Delegate", "b");
	dbus_put_u32(&body, 1);
	property(&body, "CollectMode", "s"); /* no failed unit stays behind */
	dbus_put_str(&body, "inactive-or-failed");
	dbus_array_end(&body, 8, at);
	dbus_array_begin(&body, 8, &at); /* no further units */
	dbus_array_end(&body, 8, at);
	compose("StartTransientUnit", "ssa(sv)a(sa(sv))", &body, out);
}

void scope_attach_msg(const char *unit, const char *below, pid_t pid, struct str *out)
{
	_cleanup_str_ struct str body = { 0 };

	dbus_put_str(&body, unit);
	dbus_put_str(&body, below);
	pids(&body, pid);
	compose("AttachProcessesToUnit", "ssau", &body, out);
}

/* --- the exchange --- */

struct wire {
	int fd;
	int64_t deadline_ms;
	struct str in; /* received, not used yet */
};

static struct err *more(struct wire *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	char buf[4096];
	ssize_t n = -1;

	do {
		int64_t left_ms = w->deadline_ms - time_mono_ms();

		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
			return err_new(ETIMEDOUT, "waiting for systemd");
		n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return err_new(errno, "hearing systemd");
	if (n == 0 || w->in.len > DBUS_MESSAGE_MAX)
		return err_new(0, "systemd ended the conversation");
	str_addn(&w->in, buf, (size_t)n);
	return NULL;
}

static void used(struct wire *w, size_t n)
{
	w->in.len -= n;
	memmove(w->in.s, w->in.s + n, w->in.len);
}

static struct err *say(struct wire *w, const void *data, size_t len)
{
	/* a few hundred bytes: they fit into the socket's buffer */
	return send(w->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len
		       ? NULL
		       : err_new(errno, "telling systemd");
}

/* Who we are is known from the socket: the answer to that is one line. */
static struct err *authenticate(struct wire *w)
{
	_cleanup_str_ struct str text = { 0 };
	char uid[16], hex[33], *end = NULL;
	struct err *e;

	snprintf(uid, sizeof(uid), "%u", geteuid());
	str_hex(uid, strlen(uid), hex);
	str_addc(&text, '\0');
	str_addf(&text, "AUTH EXTERNAL %s\r\nBEGIN\r\n", hex);
	e = say(w, text.s, text.len);
	while (!e && !(w->in.len && (end = memmem(w->in.s, w->in.len, "\r\n", 2))))
		e = more(w);
	if (!e && !str_starts(w->in.s, "OK "))
		e = err_new(EACCES, "systemd does not accept this user");
	if (!e)
		used(w, (size_t)(end - w->in.s) + 2);
	return e;
}

/* The answer to our call, then, if JOB, the end of the job that it names. */
static struct err *await(struct wire *w, bool job)
{
	_cleanup_free_ char *path = NULL;

	for (;;) {
		struct dbus_msg m;
		size_t size;
		struct err *e = dbus_parse(w->in.s ?: "", w->in.len, &m, &size);

		if (!e && !size)
			e = more(w);
		if (e)
			return e;
		if (!size)
			continue;
		if (m.type == DBUS_ERROR && m.reply_serial == SERIAL)
			return err_new(str_ends(m.error ?: "", ".AccessDenied") ? EACCES : 0, "systemd: %s",
				       dbus_arg_str(&m, 0) ?: m.error ?: "refused");
		if (m.type == DBUS_RETURN && m.reply_serial == SERIAL) {
			if (!job)
				return NULL;
			path = path ?: xstrdup(dbus_arg_str(&m, 0) ?: "");
		}
		if (m.type == DBUS_SIGNAL && str_eq(m.member, "JobRemoved") && path &&
		    str_eq(dbus_arg_str(&m, 1), path)) {
			const char *how = dbus_arg_str(&m, 3);

			return str_eq(how, "done") ? NULL
						   : err_new(0, "systemd: the scope: %s", how ?: "?");
		}
		used(w, size);
	}
}

static struct err *call(const char *manager, const struct str *msg, bool job)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct wire w = { .fd = fd, .deadline_ms = time_mono_ms() + SCOPE_WAIT_MS };
	struct err *e;

	if (fd < 0)
		return err_new(errno, "making a socket");
	if (strlen(manager) >= sizeof(sun.sun_path))
		return err_new(ENAMETOOLONG, "%s", manager);
	memcpy(sun.sun_path, manager, strlen(manager) + 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return err_new(errno, "connecting to systemd (%s)", manager);
	e = authenticate(&w);
	e = e ?: say(&w, msg->s, msg->len);
	e = e ?: await(&w, job);
	str_done(&w.in);
	return e;
}

struct err *scope_start(const char *manager, const char *unit, pid_t pid)
{
	_cleanup_str_ struct str msg = { 0 };

	scope_start_msg(unit, pid, &msg);
	return err_wrap(call(manager, &msg, true), "starting %s", unit);
}

struct err *scope_attach(const char *manager, const char *unit, const char *below, pid_t pid)
{
	_cleanup_str_ struct str msg = { 0 };

	scope_attach_msg(unit, below, pid, &msg);
	return err_wrap(call(manager, &msg, false), "moving a process to %s", unit);
}
