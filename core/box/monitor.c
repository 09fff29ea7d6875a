/* How it works
 *
 *   devbox run --fork--> monitor (this) --clone3--> init, the image's process (init.c)
 *                                       --fork----> relay (relay_proc.c), if ports are published or a database is asked
 *
 *   STARTING   begin(): listeners, files, streams, clone, id maps, devices that networks' bridges can give.  The
 *              child speaks on its sync socket:
 *                NET     a network's packet descriptor  -> the process of that network (membership.c), the relay
 *                TTY     the terminal's master          -> the output pump
 *                FAILED  an error                       -> start_failed(), the starter gets FAIL
 *                EOF     the program was executed       -> on_started(), the starter gets STARTED
 *   RUNNING    output -> log and attached clients; clients' input -> the container; requests on ctl
 *   EXITED     init's pidfd is readable -> init_ready(): what is left in the pipes is read; then the restart
 *              policy (restart.c) decides.  end(): the state is recorded, all waiting clients told; only then what
 *              is slow in the kernel: unmounting, closing the tap, removing files.
 *   WAITING    between two runs: recorded ("restarting") and told likewise; everything of the run is taken down
 *              (streams, relay, networks, mounts), but not what others hold on to: lock, log, control socket,
 *              published ports, which refuse connections meanwhile.  After the delay: STARTING again, with a new
 *              init.  Whoever stops, kills or removes the container, now or before, ends it.  So does SIGTERM to the
 *              monitor, but that is not recorded as the user's wish: "devbox resume" brings such a container back.
 *
 * Health: while RUNNING a timer forks a tester, which runs the test inside as exec does, keeps its time limit, and
 * sends one message: the result.  health.c says what follows from it and when the next one is due.
 *
 * The lock (containers/<id>/lock) is held from before the fork until the file tree is unmounted: "running" in
 * state.json without a held lock is a lie left by a crash, and a new start waits until the old mount is gone.
 * If the monitor is killed, init dies with it unless it changed identity (PDEATHSIG is cleared
 * then); box.c finds such an orphan by its recorded start time and kills it.
 *
 * Back-pressure: an attached client that does not read stops the pump until it has read or gone, as a full pipe would;
 * without attached clients output only goes to the log. */
#include "core/box/monitor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <termios.h>

#include "core/base/fd.h"
#include "core/base/loop.h"
#include "core/base/proc.h"
#include "core/box/boxnet.h"
#include "core/box/caps.h"
#include "core/box/control.h"
#include "core/box/health.h"
#include "core/box/init.h"
#include "core/box/initkeep.h"
#include "core/box/keeper.h"
#include "core/box/links.h"
#include "core/box/logconf.h"
#include "core/box/logfile.h"
#include "core/box/procs.h"
#include "core/box/recipe.h"
#include "core/box/relay_proc.h"
#include "core/box/restart.h"
#include "core/box/runopt.h"
#include "core/box/rootfs.h"
#include "core/box/security.h"
#include "core/box/spawn.h"
#include "core/box/state.h"
#include "core/box/term.h"
#include "core/ns/parent.h"
#include "core/store/fork.h"
#include "slirp/publish.h"
#include "slirp/relay.h"

enum phase { STARTING, RUNNING, EXITED, WAITING };
enum {
	DRAIN_MS = 2000,
	RELAY_MIN_MS = 1000,
	STOP_UNHEARD_MS = 1000,
	STDIN_QUEUE_MAX = 65536,
	CONFIG_MAX = 4 << 20,
	FULL_READS = 64,
	UNUSED_MS = 3000,
	PIPE_SIZE = 512 << 10
};

struct client {
	struct source src;
	struct monitor *m;
	struct client *next;
	bool attached, wants_exit, wants_ready, starter;
	bool reading; /* its requests are read; off while its input waits for the container */
	struct str queue; /* frames not sent yet: size_t length, then the message */
};

/* One stream of output on its way to the log and the clients. */
struct pump {
	struct source src;
	struct monitor *m;
	enum log_stream stream;
	int full_reads; /* how often the buffer was filled, up to FULL_READS */
};

struct monitor {
	struct box *b;
	struct loop loop;
	enum phase phase;
	int lock;
	struct fork_mounts thin; /* this run's */
	int *holds; /* on its volumes, one per entry of spec.mounts, -1 for others: nobody seals them under it */
	int mnt_ns; /* keeps the file tree mounted beyond init's end, so that a slow unmount delays nobody */
	pid_t init_pid, relay_pid;
	int64_t relay_start_ms;
	struct relay_traffic *traffic; /* of the relays of this run; NULL: there was none */
	bool relay_stays; /* somebody has or had a channel to it */
	struct source init, sync, listen, signals, relay;
	struct pump out[2]; /* stdout and stderr, or the terminal's master in out[0] */
	uint32_t tty_size; /* the starter's terminal, see term_size() */
	int tty_slave; /* held open while init lives, so that the master never reports a hang-up early */
	struct source in; /* the container's stdin: a pipe's write end, or the terminal's master again */
	struct str in_queue;
	bool in_close; /* close stdin when the queue is empty */
	struct logfile *log;
	struct keeper keeper;
	struct client *clients;
	int64_t stop_deadline_ms;
	bool stop_unheard; /* the last stop signal was dropped by the kernel */
	struct timer stop_timer, drain_timer, relay_timer, restart_timer;
	struct restart_track track;
	int64_t run_start_ms; /* of this run, 0 until it runs */
	bool no_restart; /* somebody ends it */
	bool ran; /* the container did, in this process or an earlier one */
	bool ended_waiting; /* and did so between two runs: who waits is told by end(), not before */
	struct timer health_timer;
	struct initkeep initkeep;
	struct source tester; /* its result comes here */
	pid_t tester_pid;
	int64_t test_start_ns, test_ran_ms; /* when it began; how old the run was then */
	struct listeners listeners;
	struct strv notes;
	struct boxnet nets;
	struct parent parent; /* PARENT_NONE before the first run */
	struct source asked; /* its socket */
	const struct recipe *recipe;
	char hostname[65];
	bool remove, remove_volumes; /* at the end: --rm, or rm -f */
	bool blocked; /* the pump waits for a slow client */
	char buf[CTL_DATA_MAX];
};

/* -- clients --------------------------------------------------------------------------------------------------- */

static void pump_resume(struct monitor *m);
static void relay_stop(struct monitor *m);
static struct err *relay_start(struct monitor *m);

static void client_drop(struct client *c)
{
	struct client **at = &c->m->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_del_close(&c->m->loop, &c->src); /* release() frees it after the batch */
}

static void client_release(struct source *s)
{
	struct client *c = container_of(s, struct client, src);

	str_done(&c->queue);
	free(c);
}

static void client_watch(struct client *c)
{
	uint32_t events = (c->reading ? EPOLLIN : 0) | (c->queue.len ? EPOLLOUT : 0);

	err_free(loop_mod(&c->m->loop, &c->src, events)); /* the descriptor is in the loop: cannot fail */
}

/* Send now, or queue behind what waits already.  Never blocks; a client that is gone is dropped by its next event. */
static void client_send(struct client *c, enum ctl_type type, uint32_t arg, const void *data,
			size_t len, int fd)
{
	struct err *e = c->queue.len ? NULL : ctl_send(c->src.fd, type, arg, data, len, fd);
	size_t size = offsetof(struct ctl_msg, data) + len;
	uint32_t head[2] = { type, arg };

	if (!c->queue.len && !e)
		return;
	if (!e || err_is(e, EAGAIN)) {
		str_addn(&c->queue, &size, sizeof(size));
		str_addn(&c->queue, head, sizeof(head));
		str_addn(&c->queue, data, len);
		client_watch(c);
	}
	err_free(e);
}

static void client_fail(struct client *c, struct err *e)
{
	char buf[ERR_WIRE_MAX];

	client_send(c, CTL_FAIL, 0, buf, err_pack(e, buf), -1);
	err_free(e);
}

static void client_flush(struct client *c)
{
	size_t done = 0;

	while (done < c->queue.len) {
		size_t size;
		ssize_t n;

		memcpy(&size, c->queue.s + done, sizeof(size));
		n = send(c->src.fd, c->queue.s + done + sizeof(size), size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		done += sizeof(size) + size; /* other errors: end of file follows, the rest is void */
	}
	c->queue.len -= done;
	if (c->queue.len)
		memmove(c->queue.s, c->queue.s + done, c->queue.len);
	else
		str_done(&c->queue);
	client_watch(c);
}

static bool any_queue(struct monitor *m)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->queue.len)
			return true;
	return false;
}

/* -- input of the container ------------------------------------------------------------------------------------ */

static void set_reading(struct monitor *m, bool on)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached && c->reading != on) {
			c->reading = on;
			client_watch(c);
		}
}

static struct err *input_ready(struct source *s, uint32_t events)
{
	struct monitor *m = container_of(s, struct monitor, in);
	ssize_t n;

	if (events & EPOLLERR) { /* nobody reads any more */
		str_done(&m->in_queue);
		m->in_close = true;
	}
	while (m->in_queue.len) {
		n = write(s->fd, m->in_queue.s, m->in_queue.len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) { /* EPIPE */
			str_done(&m->in_queue);
			m->in_close = true;
			break;
		}
		m->in_queue.len -= (size_t)n;
		memmove(m->in_queue.s, m->in_queue.s + n, m->in_queue.len);
	}
	if (!m->in_queue.len) {
		str_done(&m->in_queue);
		if (m->in_close)
			loop_del_close(&m->loop, s);
	}
	if (s->fd >= 0)
		err_free(loop_mod(&m->loop, s, m->in_queue.len ? EPOLLOUT : 0)); /* cannot fail */
	set_reading(m, m->in_queue.len < STDIN_QUEUE_MAX);
	return NULL;
}

static void input_write(struct monitor *m, const void *data, size_t len)
{
	if (m->in.fd < 0 || m->in_close)
		return; /* closed, or the container was started without stdin */
	str_addn(&m->in_queue, data, len);
	err_free(input_ready(&m->in, 0)); /* always NULL */
}

static void input_eof(struct monitor *m)
{
	if (m->in.fd < 0 || m->b->spec.tty)
		return;
	m->in_close = true;
	err_free(input_ready(&m->in, 0)); /* always NULL */
}

/* -- output of the container ----------------------------------------------------------------------------------- */

static void maybe_finish(struct monitor *m);

static void pump_set(struct monitor *m, bool on)
{
	m->blocked = !on;
	for (size_t i = 0; i < ARRAY_LEN(m->out); i++)
		/* one-shot with no events: not even a hang-up is reported twice while the pump stands still */
		if (m->out[i].src.fd >= 0)
			err_free(loop_mod(&m->loop, &m->out[i].src, on ? EPOLLIN : EPOLLONESHOT)); /* cannot fail */
}

static void pump_resume(struct monitor *m)
{
	if (m->blocked && !any_queue(m))
		pump_set(m, true);
}

static void output(struct monitor *m, enum log_stream stream, const char *data, size_t len)
{
	if (m->log) {
		struct err *e = logfile_write(m->log, stream, data, len, time_now_ns());

		if (e) { /* disk full: the container goes on, its log ends here */
			err_free(e);
			logfile_free(TAKE_PTR(m->log));
		}
	}
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached)
			client_send(c, stream == LOG_STDOUT ? CTL_OUT : CTL_ERR, 0, data, len, -1);
	if (any_queue(m))
		pump_set(m, false);
}

static struct err *pump_ready(struct source *s, uint32_t events UNUSED)
{
	struct pump *p = container_of(s, struct pump, src);
	struct monitor *m = p->m;
	ssize_t n;

	if (m->blocked)
		return NULL;
	n = read(s->fd, m->buf, sizeof(m->buf));
	/* much comes: a larger pipe saves the writer from waiting for us.  Not from the start: what all pipes of a user
	 * may hold is bounded */
	if (n == sizeof(m->buf) && p->full_reads < FULL_READS && ++p->full_reads == FULL_READS)
		fcntl(s->fd, F_SETPIPE_SZ, PIPE_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0) {
		output(m, p->stream, m->buf, (size_t)n);
		return NULL;
	}
	loop_del_close(&m->loop, s); /* end of file; EIO: the terminal's last slave was closed */
	maybe_finish(m);
	return NULL;
}

static struct err *pump_add(struct monitor *m, int i, int fd, enum log_stream stream)
{
	m->out[i] = (struct pump){ .src = { .fd = fd, .ready = pump_ready }, .m = m, .stream = stream };
	/* still: nothing is passed on before STARTED was sent */
	return fd_nonblock(fd, true) ?: loop_add(&m->loop, &m->out[i].src, EPOLLONESHOT);
}

static struct err *input_add(struct monitor *m, int fd)
{
	m->in = (struct source){ .fd = fd, .ready = input_ready };
	return fd_nonblock(fd, true) ?: loop_add(&m->loop, &m->in, 0);
}

/* -- requests -------------------------------------------------------------------------------------------------- */

static void signal_init(struct monitor *m, int sig)
{
	if (m->phase != EXITED && m->init.fd >= 0)
		pidfd_signal(m->init.fd, sig);
}

/* No run follows this one; between two runs that is the end. */
static void end_restarts(struct monitor *m, bool by_user)
{
	m->no_restart = true;
	m->b->state.user_stopped |= by_user;
	if (m->phase == WAITING) {
		m->phase = EXITED;
		m->ended_waiting = true;
		loop_stop(&m->loop);
	}
}

/* Told before the signal is sent, or the container's end could be told first. */
static void kill_event(const struct monitor *m, int sig)
{
	char which[32];

	snprintf(which, sizeof(which), "signal=%d", sig);
	box_event(m->b->st, &m->b->spec, "kill", which);
}

/* Signals by which people end programs also end the restarts, as with Docker; others are the program's affair. */
static void user_signal(struct monitor *m, int sig)
{
	if (sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGQUIT ||
	    sig == m->b->spec.stop_signal)
		end_restarts(m, true);
	signal_init(m, sig);
}

/* The stop signal, and SIGKILL when it has had the time for it.  A program that does not listen to the signal (a shell,
 * sleep, node: the kernel drops it for the first process of a pid namespace) would only sit that time out: it gets a
 * moment to begin listening, for it may just be starting, and is killed if it has not. */
static void stop_signal(struct monitor *m)
{
	int64_t left_ms = m->stop_deadline_ms - time_mono_ms();

	signal_init(m, m->b->spec.stop_signal);
	m->stop_unheard = m->init_pid && !proc_init_takes(m->init_pid, m->b->spec.stop_signal);
	if (m->stop_unheard && left_ms > STOP_UNHEARD_MS)
		left_ms = STOP_UNHEARD_MS;
	timer_set(&m->stop_timer, left_ms > 1 ? left_ms : 1, 0);
}

/* SIGTERM (or what the image wants) now, SIGKILL in TIMEOUT_S seconds; a shorter wait replaces a longer one. */
static void stop(struct monitor *m, uint32_t timeout_s)
{
	if (timeout_s == CTL_STOP_DEFAULT)
		timeout_s = m->b->spec.stop_timeout_s;
	if (!timeout_s) {
		signal_init(m, SIGKILL);
		return;
	}
	m->stop_deadline_ms = time_mono_ms() + (int64_t)timeout_s * 1000;
	stop_signal(m);
}

static struct err *stop_expired(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, stop_timer);

	if (m->stop_unheard && m->init_pid && proc_init_takes(m->init_pid, m->b->spec.stop_signal))
		stop_signal(m);
	else
		signal_init(m, SIGKILL);
	return NULL;
}

/* "devbox run ... | head": the program shall notice as it would without us, by its own writes failing. */
static void close_output(struct client *c, uint32_t stream)
{
	struct monitor *m = c->m;

	if (c->starter && !m->b->spec.tty && (stream == 1 || stream == 2))
		loop_del_close(&m->loop, &m->out[stream - 1].src);
}

/* The record has other limits now. */
static void update(struct client *c)
{
	struct monitor *m = c->m;
	_cleanup_free_ char *text = NULL, *note = NULL;
	struct spec s = { 0 };
	size_t len;
	struct err *e = fd_read_file(m->b->dir, "config.json", CONFIG_MAX, &text, &len);

	e = e ?: spec_from_json(text, len, &s);
	if (!e) {
		limits_done(&m->b->spec.limits);
		limits_copy(&m->b->spec.limits, &s.limits);
		if (m->phase == RUNNING) {
			e = keeper_update(&m->keeper, m->init_pid, m->init.fd, &note);
			m->b->state.limits_mode = m->keeper.mode;
			err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: shown only */
		}
		spec_done(&s);
	}
	if (e)
		client_fail(c, e);
	else
		client_send(c, CTL_OK, 0, note ?: "", note ? strlen(note) : 0, -1);
}

/* The record has other networks, or another name, now. */
static struct err *change_networks(struct monitor *m)
{
	_cleanup_ports_ struct ports published = { 0 };
	_cleanup_free_ char *text = NULL;
	struct spec s = { 0 }, *own = &m->b->spec;
	struct membership *first = m->nets.n ? m->nets.v[0] : NULL;
	size_t len;
	struct err *e = fd_read_file(m->b->dir, "config.json", CONFIG_MAX, &text, &len);

	e = e ?: spec_from_json(text, len, &s);
	if (e)
		return e;
	net_wants_done(&own->nets);
	net_wants_copy(&own->nets, &s.nets);
	if (!str_eq(own->name, s.name)) {
		free(own->name);
		own->name = xstrdup(s.name);
		boxnet_tell(&m->nets, m->b);
	}
	spec_done(&s);
	listeners_ports(&m->listeners, &published);
	e = boxnet_change(&m->nets, m->b, &m->loop, m->init_pid, m->init.fd, &published);
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: shown only */
	if (m->phase == RUNNING)
		e = e ?: boxnet_write_etc(&m->nets, m->b, m->hostname, true);
	if (m->phase == RUNNING && (m->nets.n ? m->nets.v[0] : NULL) != first) {
		relay_stop(m); /* it speaks to the first address */
		e = e ?: relay_start(m);
	}
	return e;
}
static void relay_channel(struct client *c);

static void request(struct client *c, const struct ctl_msg *msg, size_t len)
{
	struct monitor *m = c->m;

	switch (msg->type) {
	case CTL_ATTACH:
		if (m->phase == WAITING) {
			client_fail(c, err_new(0, "You cannot attach to a restarting container, "
						  "wait until it is running"));
			break;
		}
		c->attached = c->wants_exit = true;
		if (m->b->state.ready)
			client_send(c, CTL_READY, 0, NULL, 0, -1);
		break;
	case CTL_KILL:
		if (m->phase != RUNNING && m->phase != WAITING) {
			client_fail(c, err_new(0, "container is not running"));
			break;
		}
		kill_event(m, (int)msg->arg);
		user_signal(m, (int)msg->arg);
		client_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_STOP:
		c->wants_exit = true;
		kill_event(m, msg->arg ? m->b->spec.stop_signal : SIGKILL);
		end_restarts(m, true);
		stop(m, msg->arg);
		break;
	case CTL_REMOVE:
		c->wants_exit = true;
		if (m->phase != EXITED) { /* else what was recorded stays, and the asker sees it */
			m->remove = true;
			m->remove_volumes |= msg->arg != 0;
		}
		end_restarts(m, true);
		stop(m, 0);
		break;
	case CTL_KEEP:
		m->remove = m->remove_volumes = false;
		client_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_WAIT_READY:
		c->wants_exit = c->wants_ready = true;
		if (!m->recipe)
			client_fail(c, err_new(0, "devbox knows no readiness test for this image"));
		else if (m->b->state.ready)
			client_send(c, CTL_READY, 0, NULL, 0, -1);
		break;
	case CTL_RESTARTS:
		m->b->spec.restart = restart_unpack(msg->arg);
		m->track = (struct restart_track){ .count = m->track.count };
		if (m->phase == WAITING && m->b->spec.restart.when == RESTART_NO)
			end_restarts(m, false);
		client_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_WAIT:
		c->wants_exit = true;
		break;
	case CTL_INIT:
		if (m->phase == RUNNING)
			client_send(c, CTL_OK, 0, NULL, 0, m->init.fd);
		else if (m->phase == WAITING)
			client_fail(c, err_new(0, "Container %s is restarting, wait until the container is running",
					       m->b->spec.id));
		else
			client_fail(c, err_new(0, "container is not running"));
		break;
	case CTL_RELAY:
		relay_channel(c);
		break;
	case CTL_STDIN:
		input_write(m, msg->data, len);
		break;
	case CTL_STDIN_EOF:
		input_eof(m);
		break;
	case CTL_RESIZE:
		if (m->b->spec.tty && m->out[0].src.fd >= 0)
			term_resize(m->out[0].src.fd, msg->arg);
		break;
	case CTL_TRAFFIC:
		client_send(c, CTL_OK, 0, m->traffic, m->traffic ? sizeof(*m->traffic) : 0, -1);
		break;
	case CTL_UPDATE:
		update(c);
		break;
	case CTL_NETWORKS: {
		struct err *e = m->phase == EXITED ? NULL : change_networks(m);

		if (e)
			client_fail(c, e);
		else
			client_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	}
	case CTL_CLOSED:
		close_output(c, msg->arg);
		break;
	case CTL_SIGNAL:
		user_signal(m, (int)msg->arg);
		break;
	default: /* a newer devbox talks to an older monitor */
		client_fail(c, err_new(0, "this container's monitor does not know the request"));
	}
	if (m->phase == EXITED && c->wants_exit && !m->ended_waiting)
		client_send(c, CTL_EXITED, (uint32_t)m->b->state.exit_code, NULL, 0, -1);
}

static struct err *client_ready(struct source *s, uint32_t events)
{
	struct client *c = container_of(s, struct client, src);
	struct monitor *m = c->m;
	struct ctl_msg msg;
	size_t len;
	struct err *e;

	if (events & EPOLLOUT) {
		client_flush(c);
		pump_resume(m);
		maybe_finish(m);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return NULL;
	e = ctl_recv(s->fd, &msg, &len, NULL);
	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	if (e || !msg.type) { /* gone */
		err_free(e);
		str_done(&c->queue);
		client_drop(c);
		pump_resume(m);
		maybe_finish(m);
		return NULL;
	}
	request(c, &msg, len);
	return NULL;
}

static struct err *client_add(struct monitor *m, int fd, struct client **ret)
{
	struct client *c = xcalloc(1, sizeof(*c));
	struct err *e = fd_nonblock(fd, true);

	*c = (struct client){ .src = { .fd = fd, .ready = client_ready, .release = client_release },
			      .m = m,
			      .next = m->clients,
			      .reading = true };
	e = e ?: loop_add(&m->loop, &c->src, EPOLLIN);
	if (e) {
		close(fd);
		free(c);
		return e;
	}
	m->clients = c;
	if (ret)
		*ret = c;
	return NULL;
}

static struct err *listen_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, listen);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		err_free(client_add(m, fd, NULL)); /* that client sees its connection closed */
	return NULL;
}

/* SIGTERM: the session or the machine ends; the container gets its usual chance. */
static struct err *signals_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, signals);
	struct signalfd_siginfo si;

	if (read(s->fd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGTERM) {
		end_restarts(m, false);
		stop(m, CTL_STOP_DEFAULT);
	}
	return NULL;
}

/* -- relay ----------------------------------------------------------------------------------------------------- */

static void relay_stop(struct monitor *m)
{
	timer_set(&m->relay_timer, 0, 0);
	loop_del_close(&m->loop, &m->relay);
	if (m->relay_pid > 0)
		proc_kill_and_reap(m->relay_pid);
	m->relay_pid = 0;
}

/* It ends by itself when there is nothing (more) to do.  With ports to serve that is a crash or a
 * kill: another one takes over the listeners, in a moment if this one did not live long. */
static struct err *relay_ended(struct monitor *m)
{
	bool again = m->phase != EXITED && (m->listeners.n || m->relay_stays);

	relay_stop(m);
	if (again)
		timer_set(&m->relay_timer,
			  time_mono_ms() - m->relay_start_ms > RELAY_MIN_MS ? 1 : RELAY_MIN_MS, 0);
	return NULL;
}

static struct err *relay_again(struct timer *t)
{
	err_free(relay_start(container_of(t, struct monitor, relay_timer))); /* the container goes on without ports */
	return NULL;
}

static void announce_ready(struct monitor *m)
{
	const char open = RELAY_OPEN;

	free(TAKE_PTR(m->b->spec.init_key)); /* only the first run sets up anything */
	if (m->relay.fd >= 0 && send(m->relay.fd, &open, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err_free(relay_ended(m)); /* always NULL */
	m->b->state.ready = true;
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: it is asked of us as well */
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached || c->wants_ready)
			client_send(c, CTL_READY, 0, NULL, 0, -1);
}

static void init_kept(struct initkeep *k)
{
	announce_ready(container_of(k, struct monitor, initkeep));
}

static struct err *relay_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, relay);
	char byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0 || byte != RELAY_READY)
		return relay_ended(m);
	if (m->b->spec.init_key) { /* what it has set up is remembered before anybody can change it */
		struct err *e = initkeep_start(&m->initkeep, &m->loop, m->b, recipe_port(m->recipe),
					       init_kept);

		if (!e)
			return NULL;
		err_free(e); /* not remembered */
	}
	announce_ready(m);
	return NULL;
}

/* In the relay: what is not closed here would stay open as long as it lives.  The lock would
 * outlive the monitor; the container's stdin would never end, its output never break; its first
 * process would not see that the monitor is gone. */
static void relay_close(struct monitor *m, int control)
{
	const int fds[] = { m->lock,	     m->loop.epfd,     control,		 m->sync.fd,
			    m->in.fd,	     m->out[0].src.fd, m->out[1].src.fd, m->tty_slave,
			    m->listen.fd,    m->signals.fd,    m->mnt_ns,	 m->parent.userns,
			    m->parent.listen };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; m->holds && i < m->b->spec.mounts.n; i++)
		if (m->holds[i] >= 0)
			close(m->holds[i]);
	for (struct client *c = m->clients; c; c = c->next)
		close(c->src.fd);
	boxnet_close(&m->nets);
}

/* NULL: then nothing is counted. */
static struct relay_traffic *map_traffic(void)
{
	void *p = mmap(NULL, sizeof(struct relay_traffic), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct err *relay_start(struct monitor *m)
{
	static const struct listeners none;
	struct relay_proc p = {
		.init_pidfd = m->b->spec.net == NET_HOST ? -1 : m->init.fd,
		.net = m->nets.n ? &m->nets.ns : NULL,
		.addrs = m->nets.n ? &m->nets.v[0]->addrs : NULL,
		.listeners = m->nets.n ? &m->listeners : &none,
		.probe = m->b->state.ready ? NULL : m->recipe,
		.env = &m->b->spec.env,
		.stay = m->relay_stays,
		.hold = m->b->spec.init_key && !m->b->state.ready,
	};
	int fds[2];
	pid_t pid;
	struct err *e;

	if (!p.listeners->n && !p.probe && !p.stay)
		return NULL;
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	listeners_listen(&m->listeners);
	p.traffic = m->traffic = m->traffic ?: map_traffic();
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking the port relay");
	if (pid == 0) {
		sigset_t none_blocked;

		relay_close(m, fds[0]);
		sigemptyset(&none_blocked);
		sigprocmask(SIG_SETMASK, &none_blocked, NULL);
		p.control = fds[1];
		proc_title_set("devbox: relay of %s", m->b->spec.name);
		relay_proc_main(&p);
	}
	close(fds[1]);
	m->relay_pid = pid;
	m->relay_start_ms = time_mono_ms();
	m->relay = (struct source){ .fd = fds[0], .ready = relay_ready };
	return loop_add(&m->loop, &m->relay, EPOLLIN);
}

/* A way to hand connections over to the relay. */
static struct err *open_channel(struct monitor *m, int *ret_fd)
{
	_cleanup_close_ int theirs = -1, ours = -1;
	struct err *e;
	int fds[2];

	m->relay_stays = true;
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	ours = fds[0];
	theirs = fds[1];
	e = m->relay.fd < 0 ? relay_start(m) : NULL;
	e = e ?: fd_send(m->relay.fd, "", 1, &theirs, 1);
	if (!e)
		*ret_fd = TAKE_FD(ours);
	return e;
}

/* For what the container connects to outside. */
static void want_relay(void *arg, struct membership *ms)
{
	_cleanup_close_ int fd = -1;
	struct monitor *m = arg;

	if (m->init.fd >= 0 && m->phase != EXITED && m->nets.ns.transparent)
		err_free(open_channel(m, &fd)); /* without it the stack does it */
	membership_relay(ms, fd);
}

/* Whoever accepts connections for this container hands them over. */
static void relay_channel(struct client *c)
{
	_cleanup_close_ int fd = -1;
	struct monitor *m = c->m;
	struct err *e = NULL;

	if (m->phase != RUNNING || m->b->spec.net != NET_DEFAULT)
		e = err_new(0, "container %s takes no connections", m->b->spec.name);
	e = e ?: open_channel(m, &fd);

	if (e)
		client_fail(c, e);
	else
		client_send(c, CTL_OK, 0, NULL, 0, fd);
}

/* -- health ---------------------------------------------------------------------------------------------------- */

/* What the tester sends. */
struct test_result {
	int exit_code;
	char output[HEALTH_OUTPUT_MAX];
};

NORETURN static void tester_main(struct monitor *m, int result)
{
	_cleanup_strv_ struct strv argv = { 0 };
	_cleanup_str_ struct str out = { 0 };
	struct test_result r = { .exit_code = -1 };
	int64_t limit_ms = health_timeout_ms(&m->b->spec.health);
	sigset_t none_blocked;
	bool in_time = true;
	struct err *e;
	int store;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_title_set("devbox: health test of %s", m->b->spec.name);
	/* what is not closed here would outlive the monitor's end of it: lock, clients, the container's input */
	result = fcntl(result, F_DUPFD_CLOEXEC, 100);
	store = fcntl(m->b->st->root, F_DUPFD_CLOEXEC, 100); /* for its events */
	if (dup2(fcntl(m->init.fd, F_DUPFD_CLOEXEC, 100), 3) < 0 || dup2(result, 4) < 0 ||
	    dup2(store, 5) < 0)
		_exit(1);
	m->b->st->root = 5;
	syscall(SYS_close_range, 6, ~0U, 0);
	for (int fd = 3; fd <= 5; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	sigemptyset(&none_blocked);
	sigprocmask(SIG_SETMASK, &none_blocked, NULL);
	health_argv(&m->b->spec.health, &argv);
	e = box_test(m->b, 3, &argv, limit_ms, HEALTH_OUTPUT_MAX - 1, &out, &r.exit_code, &in_time);
	if (e) {
		_cleanup_free_ char *line = err_line(e);

		snprintf(r.output, sizeof(r.output), "%s", line);
	} else if (!in_time) {
		snprintf(r.output, sizeof(r.output), "Health check exceeded timeout (%gs)%s%s",
			 (double)limit_ms / 1000, out.len ? ": " : "", out.s ?: "");
	} else {
		snprintf(r.output, sizeof(r.output), "%s", out.s ?: "");
	}
	_exit(send(4, &r, offsetof(struct test_result, output) + strlen(r.output), MSG_NOSIGNAL) < 0);
}

static void tester_stop(struct monitor *m)
{
	timer_set(&m->health_timer, 0, 0);
	loop_del_close(&m->loop, &m->tester);
	if (m->tester_pid > 0)
		proc_kill_and_reap(m->tester_pid);
	m->tester_pid = 0;
}

static void health_again(struct monitor *m)
{
	int64_t ran_ms = time_mono_ms() - m->run_start_ms;

	timer_set(&m->health_timer, health_delay_ms(&m->b->spec.health, &m->b->state.health, ran_ms), 0);
}

static struct err *tester_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, tester);
	const size_t head = offsetof(struct test_result, output);
	struct test_result r;
	ssize_t n = recv(s->fd, &r, sizeof(r), MSG_DONTWAIT);
	struct health_result result = { .start_ns = m->test_start_ns, .end_ns = time_now_ns() };
	enum health_status before = m->b->state.health.status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n < (ssize_t)head) { /* it was killed */
		n = (ssize_t)head;
		r.exit_code = -1;
	}
	tester_stop(m);
	result.exit_code = r.exit_code;
	result.output = xstrndup(r.output, (size_t)n - head);
	health_add(&m->b->spec.health, &m->b->state.health, &result, m->test_ran_ms);
	if (m->b->state.health.status != before) {
		char what[64];

		snprintf(what, sizeof(what), "health_status: %s",
			 health_names[m->b->state.health.status]);
		box_event(m->b->st, &m->b->spec, what, NULL);
	}
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: the next result tells more */
	health_again(m);
	return NULL;
}

static struct err *health_due(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, health_timer);
	struct err *e;
	int fds[2];

	if (m->phase != RUNNING || m->tester_pid)
		return NULL;
	if (box_is_paused(m->b)) { /* a test would stand still, and be called a failure */
		health_again(m);
		return NULL;
	}
	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e) { /* out of descriptors: perhaps not the next time */
		err_free(e);
		health_again(m);
		return NULL;
	}
	m->test_start_ns = time_now_ns();
	m->test_ran_ms = time_mono_ms() - m->run_start_ms;
	m->tester_pid = fork();
	if (m->tester_pid == 0)
		tester_main(m, fds[1]);
	close(fds[1]); /* without a child this is the end of file, and a failed test */
	m->tester = (struct source){ .fd = fds[0], .ready = tester_ready };
	return loop_add(&m->loop, &m->tester, EPOLLIN);
}

/* -- the first process ----------------------------------------------------------------------------------------- */

NORETURN static void end(struct monitor *m);

NORETURN static void start_failed(struct monitor *m, struct err *e)
{
	struct state *s = &m->b->state;
	struct client *c = m->clients;
	const char *reason;

	while (c && !c->starter)
		c = c->next;
	if (m->init_pid > 0)
		proc_kill_and_reap(m->init_pid);
	relay_stop(m); /* its ports are free when the starter hears of it */
	listeners_done(&m->listeners);
	keeper_end(&m->keeper, &s->oom_killed, &reason); /* its cgroup goes; the reason is E */
	s->exit_code = e->status ? e->status : 125;
	free(s->error);
	s->error = err_line(e);
	if (m->track.count) { /* it ran before: this is its end, and nobody waits for a beginning */
		loop_del_close(&m->loop, &m->init); /* end() goes on to answer clients */
		loop_del_close(&m->loop, &m->sync);
		m->phase = EXITED;
		end(m);
	}
	s->status = BOX_CREATED;
	s->pid = s->monitor_pid = 0;
	if (m->b->spec.auto_remove)
		err_free(box_erase(m->b->st, &m->b->spec, true)); /* best effort: prune removes the rest */
	else
		err_free(state_write(m->b->dir, s, false)); /* the starter gets the first error */
	if (c)
		err_free(ctl_send_err(c->src.fd, e)); /* it may be gone */
	_exit(1);
}

static struct err *on_started(struct monitor *m)
{
	struct state *s = &m->b->state;
	_cleanup_str_ struct str notes = { 0 };
	struct err *e;

	s->status = BOX_RUNNING;
	s->pid = m->init_pid;
	s->pid_start = proc_start_time(m->init_pid);
	s->monitor_pid = getpid();
	snprintf(s->boot_id, sizeof(s->boot_id), "%s", proc_boot_id());
	s->started_ns = time_now_ns();
	m->ran = true;
	s->finished_ns = 0;
	s->exit_code = 0;
	s->oom_killed = false;
	free(TAKE_PTR(s->error));
	s->restart_count = m->track.count;
	if (health_wanted(&m->b->spec.health))
		health_start(&s->health);
	ports_done(&s->published);
	listeners_ports(&m->listeners, &s->published);
	e = state_write(m->b->dir, s, false);
	boxnet_event(&m->nets, m->b, "connect");
	box_event(m->b->st, &m->b->spec, "start", NULL); /* before the starter knows */
	if (e)
		return e; /* nobody would know of it: start_failed() ends it again */
	m->phase = RUNNING;
	m->run_start_ms = time_mono_ms();
	keeper_run(&m->keeper, m->init_pid, m->init.fd);
	if (s->health.status)
		health_again(m);
	for (size_t i = 0; i < m->notes.n; i++)
		str_addf(&notes, "%s\n", m->notes.v[i]);
	for (struct client *c = m->clients; c; c = c->next)
		if (c->starter)
			client_send(c, CTL_STARTED, 0, notes.s, notes.len, -1);
	pump_set(m, !any_queue(m));
	/* durable a moment later: nobody waits for the disk to start a container */
	if (!m->b->spec.auto_remove)
		err_free(state_sync(m->b->dir)); /* best effort: the record is there, if not yet on the disk */
	proc_trim_memory();
	return NULL;
}

static struct err *on_tty(struct monitor *m, int master)
{
	struct err *e;
	int dup = fcntl(master, F_DUPFD_CLOEXEC, 3);

	m->tty_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (dup < 0 || m->tty_slave < 0)
		return err_new(errno, "opening the terminal");
	/* before the program runs: it may ask at once */
	term_resize(master, m->tty_size);
	e = pump_add(m, 0, master, LOG_STDOUT);
	if (m->b->spec.open_stdin)
		return e ?: input_add(m, dup);
	close(dup);
	return e;
}

static struct err *on_net(struct monitor *m, const struct init_net *msg, int fd)
{
	struct err *e = boxnet_made(&m->nets, msg->index, &msg->net, fd);

	return e || msg->index ? e : relay_start(m);
}

static struct err *sync_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, sync);
	union {
		char what;
		struct init_net net;
		char buf[1 + ERR_WIRE_MAX];
	} msg;
	size_t len, n_fds = 1;
	struct err *e;
	int fd = -1;

	e = fd_recv(s->fd, &msg, sizeof(msg), &len, &fd, &n_fds);
	if (!e && len == 0) {
		loop_del_close(&m->loop, s);
		/* the child speaks before it ends: silence followed by its death is a kill, told by on_exit() */
		return on_started(m);
	}
	if (!e && msg.what == INIT_NET && len == sizeof(msg.net))
		e = on_net(m, &msg.net, fd);
	else if (!e && msg.what == INIT_TTY)
		e = on_tty(m, fd);
	else if (!e)
		e = err_recv(msg.buf + 1, len - 1);
	if (e)
		start_failed(m, e);
	return NULL;
}

/* -- the end --------------------------------------------------------------------------------------------------- */

/* Everything that was said is with the log and the clients, or there is nobody left to tell. */
static void maybe_finish(struct monitor *m)
{
	if (m->phase == EXITED && m->out[0].src.fd < 0 && m->out[1].src.fd < 0 && !any_queue(m))
		loop_stop(&m->loop);
}

static struct err *drain_expired(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, drain_timer);

	/* somebody outside the container holds its output open, or a client does not read */
	loop_stop(&m->loop);
	return NULL;
}

static void limits_ended(struct monitor *m)
{
	const char *reason;

	keeper_end(&m->keeper, &m->b->state.oom_killed, &reason);
	if (reason && !m->b->state.error)
		m->b->state.error = xstrdup(reason);
	if (m->b->state.oom_killed)
		box_event(m->b->st, &m->b->spec, "oom", NULL);
}

static void die_event(const struct monitor *m)
{
	char code[32];

	snprintf(code, sizeof(code), "exitCode=%d", m->b->state.exit_code);
	box_event(m->b->st, &m->b->spec, "die", code);
	boxnet_event(&m->nets, m->b, "disconnect");
}

static struct err *init_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, init);
	struct err *e;

	while (m->sync.fd >= 0) { /* its last words come first */
		e = sync_ready(&m->sync, 0);
		if (e)
			return e;
	}
	e = proc_wait(s->fd, &m->b->state.exit_code);
	if (e)
		return e;
	limits_ended(m);
	die_event(m);
	m->phase = EXITED;
	m->init_pid = 0;
	loop_del_close(&m->loop, s);
	tester_stop(m);
	initkeep_stop(&m->initkeep);
	if (m->b->state.health.status)
		m->b->state.health.status = HEALTH_UNHEALTHY;
	if (m->tty_slave >= 0)
		close(TAKE_FD(m->tty_slave));
	timer_set(&m->drain_timer, DRAIN_MS, 0);
	maybe_finish(m);
	return NULL;
}

/* Everything of one run that the next one makes anew.  Not within a batch of events. */
static void take_down(struct monitor *m)
{
	relay_stop(m);
	listeners_rest(&m->listeners);
	for (size_t i = 0; i < ARRAY_LEN(m->out); i++)
		loop_del_close(&m->loop, &m->out[i].src); /* somebody outside the container may hold them open */
	loop_del_close(&m->loop, &m->in);
	loop_del_close(&m->loop, &m->sync);
	str_done(&m->in_queue);
	m->in_close = false;
	timer_set(&m->stop_timer, 0, 0);
	timer_set(&m->drain_timer, 0, 0);
	boxnet_leave(&m->nets, true);
	if (m->mnt_ns >= 0)
		close(TAKE_FD(m->mnt_ns)); /* unmounts: the next run mounts the same directories */
	fork_mounts_done(&m->thin);
}

/* After the end of a run.  True: the loop shall run on, the next start is on its way. */
static bool wait_for_restart(struct monitor *m)
{
	struct state *s = &m->b->state;
	int64_t ran_ms = m->run_start_ms ? time_mono_ms() - m->run_start_ms : 0, delay_ms;

	if (!restart_again(&m->b->spec.restart, &m->track, s->exit_code, ran_ms, m->no_restart, &delay_ms))
		return false;
	if (m->log)
		err_free(logfile_flush(m->log, time_now_ns())); /* best effort: the disk may be full */
	m->phase = WAITING;
	s->status = BOX_RESTARTING;
	s->finished_ns = time_now_ns();
	s->pid = 0;
	s->ready = false;
	s->restart_count = m->track.count;
	free(TAKE_PTR(m->b->spec.init_key)); /* set up in part, perhaps: nothing to remember */
	ports_done(&s->published);
	err_free(state_write(m->b->dir, s, false)); /* best effort: the next one tells more */
	for (struct client *c = m->clients; c; c = c->next) {
		if (c->wants_exit && !c->wants_ready) /* who waits for readiness waits for the next run's */
			client_send(c, CTL_EXITED, (uint32_t)s->exit_code, NULL, 0, -1);
		c->wants_exit &= c->wants_ready;
		c->attached = c->starter = false;
	}
	take_down(m);
	m->run_start_ms = 0;
	m->blocked = true;
	timer_set(&m->restart_timer, delay_ms, 0);
	return true;
}

/* Its processes are gone: whoever hears of the end may seal the volumes at once. */
static void release_volumes(struct monitor *m)
{
	fork_mounts_done(&m->thin);
	for (size_t i = 0; m->holds && i < m->b->spec.mounts.n; i++)
		if (m->holds[i] >= 0)
			close(TAKE_FD(m->holds[i]));
}

/* Trees of volumes that have become one's alone are merged when nobody has it mounted: perhaps now. */
static void tidy_volumes(struct monitor *m)
{
	const struct mounts *mounts = &m->b->spec.mounts;
	bool any = false;

	for (size_t i = 0; m->holds && i < mounts->n; i++) {
		if (mounts->v[i].type != MOUNT_VOLUME)
			continue;
		any = true;
		fork_wait_unused(m->b->st, mounts->v[i].source, UNUSED_MS);
	}
	if (any)
		err_free(fork_tidy(m->b->st)); /* best effort: the next one tries again */
}

/* In this order: what others may rely on when they are told, the telling, then what is slow. */
NORETURN static void end(struct monitor *m)
{
	struct box *b = m->b;
	struct state *s = &b->state;
	_cleanup_free_ char *gone = NULL;
	struct err *e = NULL;

	if (m->log)
		err_free(logfile_flush(m->log, time_now_ns())); /* best effort: the disk may be full */
	s->status = BOX_EXITED;
	s->finished_ns = time_now_ns();
	s->pid = s->monitor_pid = 0;
	s->ready = false;
	ports_done(&s->published);
	listeners_done(&m->listeners);
	if (m->remove)
		e = box_hide(b->st, &b->spec, &gone);
	else
		e = state_write(b->dir, s, false);
	err_free(TAKE_PTR(e)); /* without a record the next reader sees no lock and says "exited" all the same */
	relay_stop(m); /* its ports are free when anybody hears of the end */
	release_volumes(m);
	for (struct client *c = m->clients; c; c = c->next)
		if (c->wants_exit)
			client_send(c, CTL_EXITED, (uint32_t)s->exit_code, NULL, 0, -1);
	timer_set(&m->drain_timer, DRAIN_MS, 0);
	m->loop.stop = false;
	while (any_queue(m) && !m->loop.stop && !e)
		e = loop_once(&m->loop, -1);
	loop_del_close(&m->loop, &m->listen);
	while (m->clients)
		client_drop(m->clients);
	if (m->mnt_ns >= 0)
		close(m->mnt_ns); /* unmounts, which writes the upper directory's dirty data */
	close(m->lock); /* from here on it can be started again */
	if (gone)
		err_free(box_clear(b->st, &b->spec, gone, m->remove_volumes)); /* the next sweep takes what is left */
	else
		err_free(state_sync(b->dir)); /* the unsynced record stays */
	store_sweep(b->st); /* what crashes left; nobody waits for it here */
	tidy_volumes(m);
	boxnet_leave(&m->nets, true); /* taps: the kernel takes milliseconds to unregister them */
	_exit(0);
}

/* -- the beginning --------------------------------------------------------------------------------------------- */

/* The streams' two ends: CHILD gets 0, 1, 2; ours go to the loop. */
static struct err *make_streams(struct monitor *m, int child[3])
{
	const struct spec *s = &m->b->spec;
	struct err *e;
	int fds[2];

	child[0] = child[1] = child[2] = -1;
	if (s->tty)
		return NULL;
	if (s->open_stdin) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_new(errno, "making a pipe");
		child[0] = fds[0];
		e = input_add(m, fds[1]);
	} else {
		e = fd_open(AT_FDCWD, "/dev/null", O_RDONLY, 0, &child[0]);
	}
	for (int i = 0; i < 2 && !e; i++) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_new(errno, "making a pipe");
		child[i + 1] = fds[1];
		e = pump_add(m, i, fds[0], i ? LOG_STDERR : LOG_STDOUT);
	}
	return e;
}

/* Before init goes on, so that it is under its limits from the first moment. */
static struct err *keep_limits(struct monitor *m)
{
	_cleanup_free_ char *note = NULL;
	struct err *e = keeper_begin(&m->keeper, m->init_pid, &note);

	m->b->state.limits_mode = m->keeper.mode;
	if (note && !m->track.count) /* the starter only hears of the first run */
		strv_take(&m->notes, TAKE_PTR(note));
	return e;
}

static struct err *open_networks(struct monitor *m)
{
	_cleanup_ports_ struct ports published = { 0 };

	listeners_ports(&m->listeners, &published);
	return boxnet_open(&m->nets, m->b, &m->loop, &published);
}

static struct err *parent_asked(struct source *s, uint32_t events UNUSED)
{
	parent_answer(&container_of(s, struct monitor, asked)->parent);
	return NULL;
}

/* One that will be gone in a moment, and that nobody can find by name. */
static bool is_passing(const struct monitor *m)
{
	return m->b->spec.auto_remove && m->nets.n == 1 &&
	       !strcmp(m->nets.v[0]->net.name, NETWORK_DEFAULT);
}

/* Containers that can be connected by the kernel have their user namespaces in one; it stays ours for further runs.
 * That and a bridge cost the first of them some milliseconds, which a passing one saves. */
static struct err *join_parent(struct monitor *m)
{
	struct store *st = m->b->st;
	struct err *e;

	if (!m->nets.n || m->parent.userns >= 0 || str_eq(getenv("DEVBOX_SWITCH"), "user"))
		return NULL;
	e = parent_get(st->root, &st->ids, !is_passing(m), &m->parent);
	m->nets.parent = m->parent.userns;
	m->nets.bridging = m->parent.userns >= 0 || (st->ids.direct && !is_passing(m));
	if (e || m->parent.userns < 0)
		return e;
	m->asked = (struct source){ .fd = m->parent.listen, .ready = parent_asked };
	return loop_add(&m->loop, &m->asked, EPOLLIN | EPOLLEXCLUSIVE);
}

static struct err *spawn_init(struct monitor *m)
{
	struct netns_link links[NETNS_LINKS_MAX];
	_cleanup_strv_ struct strv env = { 0 };
	struct init_args ia = { .st = m->b->st,
				.spec = &m->b->spec,
				.ids = &m->b->ids,
				.hostname = m->hostname,
				.links = links,
				.n_links = boxnet_links(&m->nets, links),
				.env = &env,
				.ran = m->ran,
				.netns = -1 };
	_cleanup_free_ void *filter = NULL;
	struct init_go go = { .what = INIT_MAPPED };
	_cleanup_close_ int userns = -1;
	int pidfd = -1, sync[2];
	struct err *e;
	char path[64];
	pid_t pid = -1;

	e = join_parent(m);
	e = e ?: open_networks(m);
	e = e ?: spawn_userns(m->b, &userns);
	e = e ?: rootfs_open_thin(m->b->st, &m->b->spec.mounts, userns, m->parent.userns, &m->thin);
	if (!e && userns < 0 && m->thin.userns >= 0)
		userns = TAKE_FD(m->thin.userns);
	e = e ?: links_env(m->b, &env);
	e = e ?: security_filter(&m->b->spec, &filter, &ia.seccomp_len);
	e = e ?: make_streams(m, ia.stdio);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, sync);
	if (e)
		return e;
	ia.seccomp = filter;
	ia.sync = sync[1];
	ia.trees = m->thin.trees;
	e = spawn_clone(m->b, &ia, userns, m->parent.userns, &pidfd, &pid);
	fork_mounts_close_trees(&m->thin);
	if (e)
		return e;
	m->init_pid = pid;
	close(sync[1]); /* or its end of file would never come */
	for (int i = 0; i < 3; i++)
		if (ia.stdio[i] >= 0)
			close(ia.stdio[i]);
	if (m->traffic)
		*m->traffic = (struct relay_traffic){ 0 }; /* as its devices', which are new, too */
	m->init = (struct source){ .fd = pidfd, .ready = init_ready };
	m->sync = (struct source){ .fd = sync[0], .ready = sync_ready };
	e = loop_add(&m->loop, &m->init, EPOLLIN);
	e = e ?: loop_add(&m->loop, &m->sync, EPOLLIN);
	if (!e && !m->b->spec.auto_remove) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		e = fd_open(AT_FDCWD, path, O_RDONLY, 0, &m->mnt_ns);
	}
	e = e ?: keep_limits(m);
	e = e ?: boxnet_bridge(&m->nets, pid, go.bridged);
	return e ?: fd_send(sync[0], &go, sizeof(go), NULL, 0);
}

static struct err *restart_now(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, restart_timer);
	struct err *e;

	if (m->phase != WAITING)
		return NULL; /* ended meanwhile, within the same batch of events */
	m->phase = STARTING;
	listeners_forget(&m->listeners);
	e = spawn_init(m);
	if (e)
		start_failed(m, e);
	return NULL;
}

static struct err *open_log(struct monitor *m)
{
	struct logconf c = { 0 };
	struct err *e = logconf_parse(m->b->spec.log_driver, &m->b->spec.log_opts, &c);

	if (!e && !c.none)
		e = logfile_open(m->b->dir, "log", &c.bound, &m->log);
	logconf_done(&c);
	return e;
}

static struct err *hold_volumes(struct monitor *m)
{
	const struct mounts *mounts = &m->b->spec.mounts;
	struct err *e = NULL;

	m->holds = xmalloc((mounts->n + 1) * sizeof(*m->holds));
	for (size_t i = 0; i < mounts->n; i++)
		m->holds[i] = -1;
	for (size_t i = 0; i < mounts->n && !e; i++)
		if (mounts->v[i].type == MOUNT_VOLUME)
			e = fork_hold_volume(m->b->st, mounts->v[i].source, &m->holds[i]);
	return e;
}

/* Whose monitor PID is. */
static char *whose_monitor(void *arg, pid_t pid)
{
	const struct monitor *m = arg;
	struct box **boxes = NULL;
	char *name = NULL;
	size_t n = 0;
	struct err *e = box_list(m->b->st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		if (!name && boxes[i]->state.status == BOX_RUNNING && boxes[i]->state.monitor_pid == pid)
			name = xasprintf("container %s", boxes[i]->spec.name);
		box_free(boxes[i]);
	}
	free(boxes);
	err_free(e); /* the process's own name will do */
	return name;
}

static struct err *begin(struct monitor *m)
{
	const struct publish_who who = { whose_monitor, m };
	sigset_t mask;
	struct err *e;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGQUIT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	m->signals = (struct source){ .fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK),
				      .ready = signals_ready };
	e = m->signals.fd < 0 ? err_new(errno, "watching signals")
			      : loop_add(&m->loop, &m->signals, EPOLLIN);
	e = e ?: timer_init(&m->loop, &m->stop_timer, stop_expired);
	e = e ?: timer_init(&m->loop, &m->drain_timer, drain_expired);
	e = e ?: timer_init(&m->loop, &m->relay_timer, relay_again);
	e = e ?: timer_init(&m->loop, &m->restart_timer, restart_now);
	e = e ?: timer_init(&m->loop, &m->health_timer, health_due);
	m->nets.want_relay = want_relay;
	m->nets.arg = m;
	e = e ?: boxnet_prepare(&m->nets, m->b);
	if (m->nets.n)
		e = e ?: publish_open(&m->b->spec.ports, &who, &m->listeners, &m->notes);
	e = e ?: boxnet_write_etc(&m->nets, m->b, m->hostname, false);
	e = e ?: open_log(m);
	e = e ?: keeper_init(&m->keeper, &m->loop, &m->b->spec.limits, m->b->spec.id);
	e = e ?: ctl_listen(m->b->dir, &m->listen.fd);
	m->listen.ready = listen_ready;
	e = e ?: loop_add(&m->loop, &m->listen, EPOLLIN);
	e = e ?: hold_volumes(m);
	return e ?: spawn_init(m);
}

/* A session of our own, no terminal, none of the caller's descriptors. */
static void detach(const struct box *b, int lock, int starter)
{
	int keep[STORE_FDS + 3];
	int null;

	store_fds(b->st, keep);
	keep[STORE_FDS] = b->dir;
	keep[STORE_FDS + 1] = lock;
	keep[STORE_FDS + 2] = starter;
	setsid();
	prctl(PR_SET_NAME, "devbox-monitor");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	fd_close_except(keep, ARRAY_LEN(keep));
	if (chdir("/") < 0)
		_exit(125); /* cannot happen: "/" exists */
}

/* But for its addresses: it gets them again if that can be. */
static void forget_last_run(struct state *s)
{
	struct state kept = { .nets = TAKE_PTR(s->nets), .n_nets = s->n_nets };

	s->n_nets = 0;
	state_done(s);
	*s = kept;
}

void monitor_main(struct box *b, int lock, int starter, bool attach)
{
	struct monitor *m = xcalloc(1, sizeof(*m));
	struct client *c = NULL;
	struct err *e;

	m->tty_size = attach ? term_size(STDIN_FILENO) : 0;
	detach(b, lock, starter);
	proc_title_set("devbox: monitor of %s", b->spec.name);
	m->b = b;
	m->lock = lock;
	m->mnt_ns = m->tty_slave = m->in.fd = m->sync.fd = m->init.fd = m->relay.fd = m->listen.fd = -1;
	m->tester.fd = -1;
	m->parent = PARENT_NONE;
	initkeep_init(&m->initkeep);
	m->out[0].src.fd = m->out[1].src.fd = -1;
	m->recipe = b->spec.recipe ? recipe_by_name(b->spec.recipe) : NULL;
	snprintf(m->hostname, sizeof(m->hostname), "%s", b->spec.hostname);
	m->ran = b->state.started_ns != 0;
	if (m->ran) /* only the first run sets up a database */
		free(TAKE_PTR(b->spec.init_key));
	forget_last_run(&b->state);
	e = loop_init(&m->loop);
	e = e ?: client_add(m, starter, &c);
	if (e)
		_exit(1); /* no way to tell: the starter sees its connection close */
	c->starter = true;
	c->attached = c->wants_exit = attach;
	m->remove = m->remove_volumes = b->spec.auto_remove;
	m->blocked = true;
	e = begin(m);
	do
		e = e ?: loop_run(&m->loop);
	while (!e && m->phase == EXITED && wait_for_restart(m));
	if (e && m->phase == STARTING)
		start_failed(m, e);
	if (e && m->phase == RUNNING) {
		/* our own failure: the container cannot be watched any longer */
		proc_kill_and_reap(m->init_pid);
		limits_ended(m);
		free(b->state.error);
		b->state.error = err_line(e);
		b->state.exit_code = 137;
		m->phase = EXITED;
	}
	end(m);
}
