#include "core/box/procs.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/cgroup.h"
#include "core/box/state.h"

enum { ROUNDS_MAX = 1000, RECORD_MAX = 64 };

void procs_done(struct procs *p)
{
	free(p->v);
	*p = (struct procs){ 0 };
}

struct scan {
	int proc; /* the host's /proc */
	pid_t init;
	int sig; /* 0: only list */
};

/* The state letter of /proc/PID/stat, or 0 if it is gone. */
static char state_of(int proc, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[32], *paren;
	struct err *e;

	snprintf(path, sizeof(path), "%d/stat", pid);
	e = fd_read_file(proc, path, 4096, &text, NULL);
	paren = e ? NULL : strrchr(text, ')');
	err_free(e);
	return paren && paren[1] == ' ' ? paren[2] : 0;
}

static bool namespace_of(int proc, pid_t pid, char ret[64])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	n = readlinkat(proc, path, ret, 63);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* Signal PID, if it is in the namespace still: the descriptor keeps the number from being another's. */
static void signal_one(const struct scan *s, pid_t pid, const char *ns)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	char now[64];

	if (fd >= 0 && namespace_of(s->proc, pid, now) && !strcmp(now, ns))
		pidfd_signal(fd, s->sig); /* gone meanwhile: as good */
}

/* One look at all processes.  *ret_moved: some were not stopped yet. */
static struct err *look(const struct scan *s, struct str *list, bool *ret_moved)
{
	_cleanup_dir_ DIR *d = NULL;
	char own[64], ns[64];
	struct dirent *de;

	*ret_moved = false;
	if (!namespace_of(s->proc, s->init, own))
		return err_new(errno, "looking at the container's first process");
	d = fd_opendir(s->proc);
	if (!d)
		return err_new(errno, "listing processes");
	while ((de = readdir(d)) != NULL) {
		uint64_t pid;
		struct err *e;
		char state;

		if (*de->d_name < '0' || *de->d_name > '9')
			continue;
		e = str_to_u64(de->d_name, 1, INT32_MAX, &pid);
		if (e) {
			err_free(e); /* not a process */
			continue;
		}
		if (!namespace_of(s->proc, (pid_t)pid, ns) || strcmp(own, ns))
			continue;
		if (list)
			str_addf(list, "%d\n", (int)pid);
		state = state_of(s->proc, (pid_t)pid);
		if (s->sig == SIGSTOP && state && !strchr("TtZX", state)) {
			*ret_moved = true;
			signal_one(s, (pid_t)pid, own);
		} else if (s->sig == SIGCONT) {
			signal_one(s, (pid_t)pid, own);
		}
	}
	return NULL;
}

static struct err *scan_inside(void *arg, struct str *result)
{
	const struct scan *s = arg;
	bool moved = true;
	struct err *e = NULL;

	if (s->sig != SIGSTOP)
		return look(s, s->sig ? NULL : result, &moved);
	/* a process may fork between our look and its stop: until a look finds all of them still */
	for (int i = 0; moved && !e; i++) {
		e = i < ROUNDS_MAX ? look(s, NULL, &moved)
				   : err_new(EBUSY, "stopping the container's processes");
		if (moved)
			sched_yield();
	}
	return e;
}

static struct err *scan(struct box *b, struct err *(*fn)(void *, struct str *), int sig, struct str *ret)
{
	_cleanup_close_ int pidfd = -1, proc = -1;
	struct scan s = { .sig = sig };
	struct err *e = box_init_pidfd(b, &pidfd);

	e = e ?: box_refresh(b);
	e = e ?: fd_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0, &proc);
	s.proc = proc;
	s.init = b->state.pid;
	return e ?: userns_call_in(pidfd, b->st->ids.single, fn, &s, ret);
}

struct err *box_procs(struct box *b, struct procs *ret)
{
	_cleanup_str_ struct str text = { 0 };
	struct err *e = scan(b, scan_inside, 0, &text);
	char *rest = text.s, *line;

	*ret = (struct procs){ 0 };
	while (!e && rest && (line = strsep(&rest, "\n")) != NULL) {
		uint64_t pid;

		if (!*line)
			continue;
		e = str_to_u64(line, 1, INT32_MAX, &pid);
		ret->v = xgrow(ret->v, ret->n, &ret->cap, sizeof(*ret->v));
		ret->v[ret->n++] = (pid_t)pid;
	}
	if (e)
		procs_done(ret);
	return e;
}

/* -- usage ------------------------------------------------------------------------------------------ */

/* The number behind KEY in a text of lines "KEY: 123 ..."; 0 if there is none. */
static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static char *read_proc(int proc, pid_t pid, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%d/%s", pid, file);
	char *text = NULL;
	struct err *e = fd_read_file(proc, path, 65536, &text, NULL);

	err_free(e); /* ended meanwhile: counts nothing */
	return text ?: xstrdup("");
}

static void add_process(int proc, pid_t pid, struct usage *u, uint64_t *shared)
{
	_cleanup_free_ char *stat = read_proc(proc, pid, "stat"),
			    *status = read_proc(proc, pid, "status");
	_cleanup_free_ char *io = read_proc(proc, pid, "io");
	char *at = strrchr(stat, ')');
	uint64_t shm = number_after(status, "\nRssShmem:") * 1024;

	/* fields 14 to 17 of proc_pid_stat(5), of which ")" ends the second */
	for (int field = 2; at && field < 14; field++)
		at = strchr(at + 1, ' ');
	for (int field = 14; at && field <= 17; field++)
		u->cpu_ticks += strtoull(at, &at, 10);
	u->memory += number_after(status, "\nRssAnon:") * 1024;
	if (shm > *shared)
		*shared = shm;
	u->n_procs += number_after(status, "\nThreads:");
	u->disk_in += number_after(io, "\nread_bytes:");
	u->disk_out += number_after(io, "\nwrite_bytes:");
}

static void add_network(int proc, pid_t init, struct usage *u)
{
	_cleanup_free_ char *text = read_proc(proc, init, "net/dev");
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *colon = strchr(line, ':'), *at = colon ? colon + 1 : NULL;
		const char *name = line + strspn(line, " ");

		if (!colon || str_starts(name, "lo:"))
			continue;
		u->net_in += strtoull(at, &at, 10);
		for (int field = 1; field < 8; field++)
			strtoull(at, &at, 10);
		u->net_out += strtoull(at, &at, 10);
	}
}

static struct err *usage_inside(void *arg, struct str *result)
{
	const struct scan *s = arg;
	_cleanup_str_ struct str pids = { 0 };
	struct usage u = { 0 };
	uint64_t shared = 0;
	bool moved;
	struct err *e = look(s, &pids, &moved);
	char *rest = pids.s, *line;

	while (!e && rest && (line = strsep(&rest, "\n")) != NULL)
		if (*line)
			add_process(s->proc, (pid_t)strtol(line, NULL, 10), &u, &shared);
	u.memory += shared;
	if (!e) {
		add_network(s->proc, s->init, &u);
		str_addn(result, &u, sizeof(u));
	}
	return e;
}

struct err *box_usage(struct box *b, struct usage *ret)
{
	_cleanup_str_ struct str raw = { 0 };
	struct err *e = scan(b, usage_inside, 0, &raw);

	uint64_t in, out;

	if (e)
		return e;
	memcpy(ret, raw.s, sizeof(*ret));
	box_traffic(b, &in, &out);
	ret->net_in += in;
	ret->net_out += out;
	return NULL;
}

/* -- pause ------------------------------------------------------------------------------------------ */

/* The record names the first process it is about: one of an earlier run means nothing. */
static char *record(const struct box *b)
{
	return xasprintf("%d %llu", b->state.pid, (unsigned long long)b->state.pid_start);
}

bool box_is_paused(const struct box *b)
{
	_cleanup_free_ char *want = NULL, *text = NULL;
	struct err *e = NULL;
	bool same;

	if (b->state.status != BOX_RUNNING)
		return false;
	e = fd_read_file(b->dir, "paused", RECORD_MAX, &text, NULL);
	want = e ? NULL : record(b);
	same = !e && str_eq(text, want);
	err_free(e); /* absent: not paused */
	return same;
}

static struct err *hold(struct box *b, bool still)
{
	_cleanup_close_ int dir = -1;
	struct err *e;

	if (b->state.limits_mode != LIMITS_CGROUP)
		return scan(b, scan_inside, still ? SIGSTOP : SIGCONT, NULL);
	e = cgroup_open(b->state.pid, &dir);
	return e ?: cgroup_freeze(dir, still);
}

struct err *box_pause(struct box *b)
{
	_cleanup_free_ char *text = NULL;
	struct err *e = box_refresh(b);

	if (e)
		return e;
	if (b->state.status != BOX_RUNNING)
		return err_new(0, "Container %s is not running", b->spec.id);
	if (box_is_paused(b))
		return err_new(0, "Container %s is already paused", b->spec.id);
	text = record(b);
	/* first the record: a crash in between leaves something that can be unpaused */
	e = fd_write_atomic(b->dir, "paused", text, strlen(text), 0600, false);
	e = e ?: hold(b, true);
	if (e) {
		err_free(hold(b, false)); /* the first failure is what counts */
		unlinkat(b->dir, "paused", 0);
	} else {
		box_event(b->st, &b->spec, "pause", NULL);
	}
	return e;
}

struct err *box_unpause(struct box *b)
{
	struct err *e = box_refresh(b);

	if (e)
		return e;
	if (b->state.status != BOX_RUNNING)
		return err_new(0, "Container %s is not running", b->spec.id);
	if (!box_is_paused(b))
		return err_new(0, "Container %s is not paused", b->spec.id);
	e = hold(b, false);
	if (!e) {
		unlinkat(b->dir, "paused", 0);
		box_event(b->st, &b->spec, "unpause", NULL);
	}
	return e;
}

/* The child that lets B go on when the other end of *RET_FD is closed without a word. */
static struct err *watch_holder(struct box *b, pid_t *ret_pid, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_new(errno, "making a socket");
	pid = fork();
	if (pid == 0) {
		char word;
		ssize_t n;

		setsid(); /* the terminal's Ctrl-C is for its parent */
		close(fds[1]);
		do
			n = read(fds[0], &word, 1);
		while (n < 0 && errno == EINTR);
		if (n == 0)
			err_free(box_unpause(b)); /* nobody is left to hear of it */
		_exit(0);
	}
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return err_new(errno, "forking");
	}
	*ret_pid = pid;
	*ret_fd = fds[1];
	return NULL;
}

static void end_watcher(struct box_held *h)
{
	send(h->fd, "", 1, MSG_NOSIGNAL); /* if it is gone it has nothing to do either */
	close(h->fd);
	while (waitpid(h->watcher, NULL, 0) < 0 && errno == EINTR)
		;
	*h = (struct box_held){ 0 };
}

struct err *box_hold(struct box *b, struct box_held *ret)
{
	struct box_held h = { .b = b };
	struct err *e = watch_holder(b, &h.watcher, &h.fd);

	if (e)
		return e;
	e = box_pause(b);
	if (e)
		end_watcher(&h);
	*ret = h;
	return e;
}

struct err *box_let_go(struct box_held *h)
{
	struct err *e = h->b ? box_unpause(h->b) : NULL;

	if (h->b)
		end_watcher(h);
	return e;
}
