/* How it works
 *
 *   devbox db up --fork--> switchboard (this) --fork--> waker    makes a branch's data, starts its server
 *                                             --fork--> sleeper  stops a server that nobody uses
 *
 *   1. Each service that is up has an address a branch, and one a work tree (the stable one); this process listens on
 *      all of them.  The containers publish nothing themselves.
 *   2. A connection is accepted.  Which branch it is for: the address says it, or, at a work tree's, the HEAD of this
 *      moment (or what `db switch` chose).  There are no hooks: HEAD is read for every connection.
 *   3. The branch's server takes connections over a channel to its relay (CTL_RELAY).  Is there one, the
 *      connection is sent through it (SCM_RIGHTS) and is the relay's from then on.  If not, it waits while the
 *      waker brings the branch up, which comes back with a channel or an error; then all that wait are sent, or
 *      reset.
 *   4. Beside the connection goes its leash, one end of a socket pair.  The relay closes its end with the
 *      connection, so we know how many there are; a byte from us ends the connection.  Our death ends none.
 *   5. git moves HEAD (inotify): connections that came in at that work tree's address for another branch are
 *      ended.  A pool of connections would go on with the old branch's data, a client that reconnects gets the
 *      new one's.
 *   6. When a branch had no connection for the service's idle time, the sleeper stops its server, unless somebody
 *      talks to it in another way (a socket file, another container).  Connections that come meanwhile wait, then
 *      wake it.
 *
 *   A target (a branch of a service; target.c):
 *       COLD --accept--> WAKING --channel--> LIVE --idle--> SLEEPING --done--> COLD
 *         ^-----failed------'  ^---busy---------------------'
 *         ^--------------- the channel's end (stopped by somebody else) -- LIVE
 *
 * The lock "switch" is held as long as the process lives; who finds it free starts another one. */
#include "core/branch/switchboard.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/loop.h"
#include "core/base/proc.h"
#include "core/box/control.h"
#include "core/branch/board_priv.h"
#include "core/branch/envfile.h"
#include "slirp/publish.h"

enum {
	SETTLE_MS = 150, /* git moves HEAD more than once while it rebases */
	RETRY_MS = 20, /* between two looks whether another switchboard is gone */
	RETRIES = 250,
	EXPIRE_MS = 3600 * 1000,
	FIRST_EXPIRE_MS = 60 * 1000,
};

struct gate { /* a listening socket */
	struct source src;
	struct board *b;
	struct gate *next;
	char address[ADDRESS_MAX];
	uint16_t port, container_port;
	char *stack, *service, *branch, *tree; /* of BRANCH and TREE one is NULL */
	bool wanted;
};

struct watched {
	struct watched *next;
	char *dir;
	int wd;
};

pid_t board_fork_worker(struct board *b, int result[2])
{
	struct err *e = fd_socketpair(SOCK_SEQPACKET, result);
	pid_t pid = e ? -1 : fork();

	err_free(e); /* out of descriptors: told as "failed" */
	if (pid == 0) {
		int keep[STORE_FDS + 1] = { [STORE_FDS] = result[1] };
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		store_fds(b->st, keep);
		fd_close_except(keep, ARRAY_LEN(keep));
	} else if (!e) {
		close(result[1]);
		if (pid < 0)
			close(result[0]);
	}
	return pid;
}

void board_reset_and_close(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* --- accepting -------------------------------------------------------------------------------- */

static struct err *gate_ready(struct source *s, uint32_t events UNUSED)
{
	struct gate *g = container_of(s, struct gate, src);
	struct board *b = g->b;
	_cleanup_free_ char *branch = xstrdup(g->branch);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err *e = NULL;

	if (fd < 0)
		return NULL; /* it has gone again; without descriptors it waits for the next event */
	if (!branch) {
		const struct work_tree *t = dbproject_tree(&b->p, g->tree);

		e = t ? branch_of_tree(t, &branch) : err_new(0, "no such work tree");
	}
	if (e) { /* the repository is gone, or between two states */
		err_free(e);
		board_reset_and_close(fd);
		return NULL;
	}
	target_serve(target_find(b, g->stack, g->service, branch, g->container_port), fd, g->tree);
	return NULL;
}

static void gate_names_done(struct gate *g)
{
	free(g->stack);
	free(g->service);
	free(g->branch);
	free(g->tree);
}

static void gate_release(struct source *s)
{
	struct gate *g = container_of(s, struct gate, src);

	gate_names_done(g);
	free(g);
}

static struct gate *find_gate(struct board *b, const char *address, uint16_t port)
{
	struct gate *g = b->gates;

	while (g && (strcmp(g->address, address) || g->port != port))
		g = g->next;
	return g;
}

/* What a gate is for. */
struct aim {
	const char *stack, *service, *branch, *tree;
	uint16_t port, container_port;
};

static void aim_gate(struct gate *g, const struct aim *a)
{
	gate_names_done(g);
	g->stack = xstrdup(a->stack);
	g->service = xstrdup(a->service);
	g->branch = xstrdup(a->branch);
	g->tree = xstrdup(a->tree);
	g->container_port = a->container_port;
	g->wanted = true;
}

/* Listen at ADDRESS, unless we do: the address stays when what it is for has changed.  What is in the way is a
 * note, not an error: the other addresses work. */
static struct err *want_gate(struct board *b, const char *address, const struct aim *a)
{
	struct port one = { .host = a->port, .host_last = a->port, .ctr = a->port, .ctr_last = a->port };
	struct ports ports = { .v = &one, .n = 1 };
	struct listeners l = { 0 };
	struct gate *g = find_gate(b, address, a->port);
	struct err *e;

	if (g) {
		aim_gate(g, a);
		return NULL;
	}
	snprintf(one.ip, sizeof(one.ip), "%s", address);
	e = publish_open(&ports, NULL, &l, &b->notes);
	if (e) {
		_cleanup_free_ char *line = err_line(e);

		strv_addf(&b->notes, "%s", line);
		err_free(e);
		return NULL;
	}
	g = xcalloc(1, sizeof(*g));
	g->b = b;
	snprintf(g->address, sizeof(g->address), "%s", address);
	g->port = a->port;
	aim_gate(g, a);
	g->src = (struct source){ .fd = l.v[0].fd, .ready = gate_ready, .release = gate_release };
	l.v[0].fd = -1;
	listeners_done(&l);
	g->next = b->gates;
	b->gates = g;
	return loop_add(&b->loop, &g->src, EPOLLIN);
}

static void drop_unwanted(struct board *b)
{
	struct gate **at = &b->gates;

	while (*at) {
		struct gate *g = *at;

		if (g->wanted) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		loop_del_close(&b->loop, &g->src);
	}
}

/* --- HEAD moves ------------------------------------------------------------------------------- */

static void watch_dir(struct board *b, const char *dir)
{
	struct watched *w;

	for (w = b->watches; w; w = w->next)
		if (!strcmp(w->dir, dir))
			return;
	w = xcalloc(1, sizeof(*w));
	w->dir = xstrdup(dir);
	/* git writes HEAD.lock and renames it */
	w->wd = inotify_add_watch(b->inotify.fd, dir, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
	w->next = b->watches;
	b->watches = w;
}

static struct err *inotify_ready(struct source *s, uint32_t events UNUSED)
{
	struct board *b = container_of(s, struct board, inotify);
	union {
		struct inotify_event ev;
		char bytes[4096];
	} buf;
	ssize_t n = read(s->fd, &buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		struct inotify_event ev;

		memcpy(&ev, buf.bytes + at, sizeof(ev));
		if (ev.len && !strcmp(buf.bytes + at + sizeof(ev), "HEAD"))
			timer_set(&b->settle, SETTLE_MS, 0);
		at += (ssize_t)(sizeof(ev) + ev.len);
	}
	return NULL;
}

static void follow_heads(struct board *b)
{
	for (size_t i = 0; i < b->p.n_trees; i++) {
		const struct work_tree *t = &b->p.trees[i];
		_cleanup_free_ char *branch = NULL;
		struct err *e = branch_of_tree(t, &branch);

		if (!e) {
			target_cut_others(b, t->dir, branch);
			if (t->env_file)
				e = envfile_write(&b->p, t, branch);
		}
		err_free(e); /* the work tree is gone, or read-only: its connections stay what they are */
	}
}

static struct err *settled(struct timer *t)
{
	follow_heads(container_of(t, struct board, settle));
	return NULL;
}

/* --- the record ------------------------------------------------------------------------------- */

static struct err *want_service(struct board *b, const struct dbservice *s)
{
	struct aim a = { .service = s->name, .port = s->port, .container_port = s->port };
	struct err *e = NULL;

	for (size_t k = 0; k < b->p.n_trees && !e; k++) {
		a.tree = b->p.trees[k].dir;
		e = want_gate(b, b->p.trees[k].address, &a);
	}
	a.tree = NULL;
	for (size_t k = 0; k < s->n_forks && !e; k++) {
		const struct branch *br = dbproject_branch(&b->p, s->forks[k].branch);

		a.branch = s->forks[k].branch;
		if (br)
			e = want_gate(b, br->address, &a);
		target_arm_idle(target_find(b, NULL, s->name, a.branch, s->port));
	}
	return e;
}

/* At the branches' own addresses the containers' monitors listen themselves. */
static struct err *want_stack(struct board *b, const struct stack *s)
{
	struct err *e = NULL;

	for (size_t i = 0; i < s->n_ports; i++) {
		struct aim a = { .stack = s->name,
				 .service = s->ports[i].service,
				 .port = s->ports[i].host,
				 .container_port = s->ports[i].container };

		for (size_t k = 0; k < b->p.n_trees && !e; k++) {
			a.tree = b->p.trees[k].dir;
			if (*a.tree)
				e = want_gate(b, b->p.trees[k].address, &a);
		}
	}
	return e;
}

struct err *board_reload(struct board *b)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	struct dbproject p = { 0 };
	struct err *e = dbproject_open(b->st, b->id, false, &d, &p);

	if (e)
		return e;
	dbproject_done(&b->p);
	b->p = p;
	strv_done(&b->notes);
	for (struct gate *g = b->gates; g; g = g->next)
		g->wanted = false;
	for (size_t i = 0; i < b->p.n_trees; i++)
		if (*b->p.trees[i].dir)
			watch_dir(b, b->p.trees[i].dir);
	for (size_t i = 0; i < b->p.n_services && !e; i++)
		if (b->p.services[i].up)
			e = want_service(b, &b->p.services[i]);
	for (size_t i = 0; i < b->p.n_stacks && !e; i++)
		if (stack_is_up(&b->p.stacks[i]))
			e = want_stack(b, &b->p.stacks[i]);
	drop_unwanted(b);
	follow_heads(b);
	if (!dbproject_is_up(&b->p))
		loop_stop(&b->loop);
	return e;
}

struct asker {
	struct source src;
	struct board *b;
};

static void asker_release(struct source *s)
{
	free(container_of(s, struct asker, src));
}

static struct err *asker_ready(struct source *s, uint32_t events UNUSED)
{
	struct board *b = container_of(s, struct asker, src)->b;
	struct ctl_msg msg;
	_cleanup_str_ struct str notes = { 0 };
	size_t len = 0;
	struct err *e = ctl_recv(s->fd, &msg, &len, NULL);

	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	if (!e && msg.type == CTL_UPDATE) {
		e = board_reload(b);
		for (size_t i = 0; i < b->notes.n; i++)
			str_addf(&notes, "%s\n", b->notes.v[i]);
		if (e)
			err_free(ctl_send_err(s->fd, e)); /* it may be gone */
		else
			err_free(ctl_send(s->fd, CTL_OK, 0, notes.s,
					  notes.len < CTL_DATA_MAX ? notes.len : 0, -1));
		err_free(e);
		return NULL;
	}
	err_free(e);
	loop_del_close(&b->loop, s);
	return NULL;
}

static struct err *ctl_ready(struct source *s, uint32_t events UNUSED)
{
	struct board *b = container_of(s, struct board, ctl);
	struct asker *a;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err *e;

	if (fd < 0)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->b = b;
	a->src = (struct source){ .fd = fd, .ready = asker_ready, .release = asker_release };
	e = loop_add(&b->loop, &a->src, EPOLLIN);
	if (e) { /* that one sees its connection closed */
		err_free(e);
		close(fd);
		free(a);
	}
	return NULL;
}

static struct err *signals_ready(struct source *s, uint32_t events UNUSED)
{
	struct board *b = container_of(s, struct board, signals);
	struct signalfd_siginfo si;

	if (read(s->fd, &si, sizeof(si)) == sizeof(si))
		loop_stop(&b->loop);
	return NULL;
}

/* What was not used for its time to live goes. */
NORETURN static void expirer_main(struct board *b)
{
	_cleanup_strv_ struct strv removed = { 0 };

	err_free(branch_expire(b->st, b->id, &removed)); /* best effort: the next hour tries again */
	if (removed.n) /* its addresses are not needed any more */
		err_free(switchboard_update(b->st, b->id, NULL));
	_exit(0);
}

static struct err *expire_due(struct timer *t)
{
	struct board *b = container_of(t, struct board, expire);
	int result[2];
	pid_t pid = board_fork_worker(b, result);

	if (pid == 0) {
		pid_t child = fork(); /* nobody waits for it */

		if (child == 0)
			expirer_main(b);
		_exit(0);
	}
	if (pid > 0) {
		int status;

		err_free(proc_wait_pid(pid, &status)); /* it ends at once */
		close(result[0]);
	}
	timer_set(&b->expire, EXPIRE_MS, 0);
	return NULL;
}

static struct err *begin(struct board *b)
{
	sigset_t mask;
	struct err *e;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	e = loop_init(&b->loop);
	b->signals = (struct source){ .fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK),
				      .ready = signals_ready };
	b->inotify = (struct source){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
				      .ready = inotify_ready };
	if (!e && (b->signals.fd < 0 || b->inotify.fd < 0))
		e = err_new(errno, "watching signals and repositories");
	e = e ?: loop_add(&b->loop, &b->signals, EPOLLIN);
	e = e ?: loop_add(&b->loop, &b->inotify, EPOLLIN);
	e = e ?: timer_init(&b->loop, &b->settle, settled);
	e = e ?: timer_init(&b->loop, &b->expire, expire_due);
	if (!e)
		timer_set(&b->expire, FIRST_EXPIRE_MS, 0);
	e = e ?: ctl_listen(b->dir, &b->ctl.fd);
	b->ctl.ready = ctl_ready;
	e = e ?: loop_add(&b->loop, &b->ctl, EPOLLIN);
	return e ?: board_reload(b);
}

/* STARTER gets 'k' and the notes, or an error. */
NORETURN static void board_main(struct store *st, const char *id, int dir, int lock, int starter)
{
	struct board *b = xcalloc(1, sizeof(*b));
	int keep[STORE_FDS + 3] = { [STORE_FDS] = dir, lock, starter };
	_cleanup_str_ struct str text = { 0 };
	int null;
	struct err *e;

	setsid();
	prctl(PR_SET_NAME, "devbox-switch");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	store_fds(st, keep);
	fd_close_except(keep, ARRAY_LEN(keep));
	proc_title_set("devbox: switchboard of %s", id);
	if (chdir("/") < 0)
		_exit(125); /* cannot happen: "/" exists */
	b->st = st;
	b->id = xstrdup(id);
	b->dir = dir;
	b->lock = lock;
	b->ctl.fd = b->inotify.fd = b->signals.fd = -1;
	e = begin(b);
	if (e) {
		err_free(ctl_send_err(starter, e)); /* it may be gone */
		_exit(1);
	}
	for (size_t i = 0; i < b->notes.n; i++)
		str_addf(&text, "%s\n", b->notes.v[i]);
	err_free(ctl_send(starter, CTL_OK, 0, text.s, text.len < CTL_DATA_MAX ? text.len : 0, -1));
	close(starter);
	proc_trim_memory();
	err_free(loop_run(&b->loop)); /* nobody is there to hear of it; the next devbox starts another one */
	unlinkat(b->dir, "ctl", 0);
	_exit(0);
}

/* --- from outside ----------------------------------------------------------------------------- */

static struct err *take_answer(int sock, struct strv *notes)
{
	struct ctl_msg msg;
	size_t len;
	struct err *e = ctl_recv(sock, &msg, &len, NULL);

	if (!e && msg.type == CTL_FAIL)
		return err_recv(msg.data, len);
	if (!e && msg.type != CTL_OK)
		return err_new(ECONNRESET, "the switchboard ended unexpectedly");
	if (e)
		return e;
	msg.data[len < CTL_DATA_MAX ? len : CTL_DATA_MAX - 1] = '\0';
	for (char *line, *rest = msg.data; notes && (line = strsep(&rest, "\n")) != NULL;)
		if (*line)
			strv_add(notes, line);
	return NULL;
}

static struct err *start(struct store *st, const char *id, int dir, int lock, struct strv *notes)
{
	struct err *e;
	int fds[2];
	pid_t pid;

	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	pid = fork();
	if (pid == 0)
		board_main(st, id, dir, lock, fds[1]);
	close(fds[1]); /* or its end would never be seen */
	if (pid < 0)
		e = err_new(errno, "forking the switchboard");
	e = e ?: take_answer(fds[0], notes);
	close(fds[0]);
	return e;
}

struct err *switchboard_update(struct store *st, const char *project, struct strv *notes)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct err *e = dbproject_open(st, project, false, &d, &p);
	bool up = !e && dbproject_is_up(&p);

	/* one that ends just now still holds the lock for a moment */
	for (unsigned tries = 0; !e && tries < RETRIES; tries++) {
		_cleanup_close_ int sock = -1, lock = -1;

		e = ctl_connect(d.dir, &sock);
		if (!e) {
			e = ctl_send(sock, CTL_UPDATE, 0, NULL, 0, -1);
			e = e ?: take_answer(sock, notes);
			if (!e)
				return NULL;
		}
		if (!err_is(e, ECONNREFUSED) && !err_is(e, ENOENT) && !err_is(e, EPIPE) &&
		    !err_is(e, ECONNRESET))
			break;
		err_free(TAKE_PTR(e));
		if (!up)
			return NULL;
		e = lock_try(d.dir, "switch", false, &lock);
		if (!e && lock >= 0)
			return start(st, project, d.dir, lock, notes);
		poll(NULL, 0, RETRY_MS);
	}
	return err_wrap(e ?: err_new(ETIMEDOUT, "it is busy"), "the switchboard of %s", project);
}

struct err *switchboard_resume(struct store *st, struct strv *ret_projects)
{
	_cleanup_strv_ struct strv ids = { 0 };
	struct err *all = dbproject_list(st, &ids);

	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject p = { 0 };
		struct err *e = dbproject_open(st, ids.v[i], false, &d, &p);

		if (!e && dbproject_is_up(&p) && !lock_is_held(d.dir, "switch")) {
			e = switchboard_update(st, ids.v[i], NULL);
			if (!e)
				strv_add(ret_projects, ids.v[i]);
		}
		all = err_also(all, e);
	}
	return all;
}
