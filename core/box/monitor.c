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
 * The lock (containers/<id>/lock) is held from before the fork until the file tree is unmounted: "running" in
 * state.json without a held lock is a lie left by a crash, and a new start waits until the old mount is gone.
 * If the monitor is killed, init dies with it unless it changed identity (PDEATHSIG is cleared
 * then); box.c finds such an orphan by its recorded start time and kills it.
 *
 * The other files of the monitor are named in monitor_priv.h. */
#include "core/box/monitor_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/health.h"
#include "core/box/identity.h"
#include "core/box/init.h"
#include "core/box/links.h"
#include "core/box/logconf.h"
#include "core/box/rootfs.h"
#include "core/box/security.h"
#include "core/box/spawn.h"
#include "core/box/term.h"
#include "core/box/waiter.h"

enum { DRAIN_MS = 2000, UNUSED_MS = 3000 };

/* SIGTERM: the session or the machine ends; the container gets its usual chance. */
static struct err *signals_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, signals);
	struct signalfd_siginfo si;

	if (read(s->fd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGTERM) {
		monitor_end_restarts(m, false);
		monitor_stop(m, CTL_STOP_DEFAULT);
	}
	return NULL;
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
	monitor_relay_stop(m); /* its ports are free when the starter hears of it */
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
		monitor_health_again(m);
	for (size_t i = 0; i < m->notes.n; i++)
		str_addf(&notes, "%s\n", m->notes.v[i]);
	for (struct client *c = m->clients; c; c = c->next)
		if (c->starter)
			monitor_send(c, CTL_STARTED, 0, notes.s, notes.len, -1);
	monitor_pump_set(m, !monitor_any_unsent(m));
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
	e = monitor_pump_add(m, 0, master, LOG_STDOUT);
	if (m->b->spec.open_stdin)
		return e ?: monitor_input_add(m, dup);
	close(dup);
	return e;
}

static struct err *on_net(struct monitor *m, const struct init_net *msg, int fd)
{
	struct err *e = boxnet_made(&m->nets, msg->index, &msg->net, fd);

	return e || msg->index ? e : monitor_relay_start(m);
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

void monitor_maybe_finish(struct monitor *m)
{
	if (m->phase == EXITED && m->out[0].src.fd < 0 && m->out[1].src.fd < 0 && !monitor_any_unsent(m))
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

/* Whoever hears of the end and looks finds it recorded. */
static void die_event(const struct monitor *m)
{
	char code[32];

	if (!m->run_start_ms)
		return; /* nothing had begun */
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
	m->phase = EXITED;
	m->init_pid = 0;
	loop_del_close(&m->loop, s);
	monitor_tester_stop(m);
	initkeep_stop(&m->initkeep);
	if (m->b->state.health.status)
		m->b->state.health.status = HEALTH_UNHEALTHY;
	if (m->tty_slave >= 0)
		close(TAKE_FD(m->tty_slave));
	timer_set(&m->drain_timer, DRAIN_MS, 0);
	monitor_maybe_finish(m);
	return NULL;
}

/* Everything of one run that the next one makes anew.  Not within a batch of events. */
static void take_down(struct monitor *m)
{
	monitor_relay_stop(m);
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
	die_event(m);
	for (struct client *c = m->clients; c; c = c->next) {
		if (c->wants_exit && !c->wants_ready) /* who waits for readiness waits for the next run's */
			monitor_send(c, CTL_EXITED, (uint32_t)s->exit_code, NULL, 0, -1);
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
	/* best effort: without a record the next reader sees no lock and says "exited" all the same */
	err_free(state_write(b->dir, s, false));
	die_event(m);
	if (m->remove)
		err_free(box_hide(b->st, &b->spec, &gone)); /* it stays, ended */
	monitor_relay_stop(m); /* its ports are free when anybody hears of the end */
	release_volumes(m);
	for (struct client *c = m->clients; c; c = c->next)
		if (c->wants_exit)
			monitor_send(c, CTL_EXITED, (uint32_t)s->exit_code, NULL, 0, -1);
	timer_set(&m->drain_timer, DRAIN_MS, 0);
	m->loop.stop = false;
	while (monitor_any_unsent(m) && !m->loop.stop && !e)
		e = loop_once(&m->loop, -1);
	loop_del_close(&m->loop, &m->listen);
	monitor_api_close(m);
	while (m->clients)
		monitor_client_drop(m->clients);
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
		e = monitor_input_add(m, fds[1]);
	} else {
		e = fd_open(AT_FDCWD, "/dev/null", O_RDONLY, 0, &child[0]);
	}
	for (int i = 0; i < 2 && !e; i++) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_new(errno, "making a pipe");
		child[i + 1] = fds[1];
		e = monitor_pump_add(m, i, fds[0], i ? LOG_STDERR : LOG_STDOUT);
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
				.identity = -1,
				.netns = -1 };
	_cleanup_free_ void *filter = NULL;
	struct init_go go = { .what = INIT_MAPPED };
	_cleanup_close_ int userns = -1;
	int pidfd = -1, sync[2];
	struct err *e;
	char path[64];
	pid_t pid = -1;

	e = join_parent(m);
	e = e ?: monitor_api_open(m);
	e = e ?: open_networks(m);
	e = e ?: spawn_userns(m->b, &userns);
	e = e ?: rootfs_open_thin(m->b->st, &m->b->spec.mounts, userns, m->parent.userns, &m->thin);
	if (!e && userns < 0 && m->thin.userns >= 0)
		userns = TAKE_FD(m->thin.userns);
	e = e ?: links_env(m->b, &env);
	e = e ?: security_filter(&m->b->spec, m->b->st->ids.single, &filter, &ia.seccomp_len);
	if (m->b->st->ids.single)
		e = e ?: identity_start(m->b->spec.name, &ia.identity);
	e = e ?: make_streams(m, ia.stdio);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, sync);
	if (e)
		return e;
	ia.seccomp = filter;
	ia.sync = sync[1];
	ia.trees = m->thin.trees;
	ia.api = m->api;
	e = spawn_clone(m->b, &ia, userns, m->parent.userns, &pidfd, &pid);
	fork_mounts_close_trees(&m->thin);
	if (e)
		return e;
	m->init_pid = pid;
	close(sync[1]); /* or its end of file would never come */
	if (ia.identity >= 0)
		close(ia.identity);
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

static void add_waiter(void *arg, enum waiter_kind kind, int conn)
{
	struct client *c = NULL;
	struct err *e = monitor_client_add(arg, conn, &c);

	if (e) {
		err_free(e); /* it sees its connection closed */
		return;
	}
	c->wants_exit = true;
	c->attached = kind == WAITER_ATTACH;
}

static struct err *restart_now(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, restart_timer);
	struct err *e;

	if (m->phase != WAITING)
		return NULL; /* ended meanwhile, within the same batch of events */
	m->phase = STARTING;
	listeners_forget(&m->listeners);
	waiters_call(m->b->dir, add_waiter, m);
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

/* The service of a compose file whose ports SPEC has; NULL: they were given on a command line. */
static const char *ports_of(const struct spec *spec)
{
	const char *oneoff = strv_env(&spec->labels, "com.docker.compose.oneoff");

	return str_eq(oneoff, "False") ? strv_env(&spec->labels, "com.docker.compose.service") : NULL;
}

static struct err *begin(struct monitor *m)
{
	const struct publish_who who = { whose_monitor, m, ports_of(&m->b->spec) };
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
	e = e ?: timer_init(&m->loop, &m->stop_timer, monitor_stop_expired);
	e = e ?: timer_init(&m->loop, &m->drain_timer, drain_expired);
	e = e ?: timer_init(&m->loop, &m->relay_timer, monitor_relay_again);
	e = e ?: timer_init(&m->loop, &m->restart_timer, restart_now);
	e = e ?: timer_init(&m->loop, &m->health_timer, monitor_health_due);
	m->nets.want_relay = monitor_want_relay;
	m->nets.arg = m;
	e = e ?: boxnet_prepare(&m->nets, m->b);
	if (m->nets.n)
		e = e ?: publish_open(&m->b->spec.ports, &who, &m->listeners, &m->notes);
	e = e ?: boxnet_write_etc(&m->nets, m->b, m->hostname, false);
	e = e ?: open_log(m);
	e = e ?: keeper_init(&m->keeper, &m->loop, &m->b->spec.limits, m->b->spec.id);
	e = e ?: ctl_listen(m->b->dir, &m->listen.fd);
	m->listen.ready = monitor_listen_ready;
	e = e ?: loop_add(&m->loop, &m->listen, EPOLLIN);
	e = e ?: hold_volumes(m);
	if (!e) /* after ctl is there: who waits from now on finds that */
		waiters_call(m->b->dir, add_waiter, m);
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

	m->tty_size = attach ? term_size(STDIN_FILENO) : b->spec.tty_size;
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
	e = e ?: monitor_client_add(m, starter, &c);
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
