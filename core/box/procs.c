#include "core/box/procs.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
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
	int dup = openat(s->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret_moved = false;
	if (!namespace_of(s->proc, s->init, own))
		return err_new(errno, "looking at the container's first process");
	d = dup < 0 ? NULL : fdopendir(dup);
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

static struct err *scan(struct box *b, int sig, struct str *ret)
{
	_cleanup_close_ int pidfd = -1, proc = -1;
	struct scan s = { .sig = sig };
	struct err *e = box_init_pidfd(b, &pidfd);

	e = e ?: box_refresh(b);
	e = e ?: fd_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0, &proc);
	s.proc = proc;
	s.init = b->state.pid;
	return e ?: userns_call_in(pidfd, b->st->ids.single, scan_inside, &s, ret);
}

struct err *box_procs(struct box *b, struct procs *ret)
{
	_cleanup_str_ struct str text = { 0 };
	struct err *e = scan(b, 0, &text);
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

/* -- pause --------------------------------------------------------------------------------------------------------- */

/* The record names the first process it is about: one of an earlier run means nothing. */
static char *record(const struct box *b)
{
	return xasprintf("%d %llu", b->state.pid, (unsigned long long)b->state.pid_start);
}

bool box_is_paused(const struct box *b)
{
	_cleanup_free_ char *want = record(b), *text = NULL;
	struct err *e = NULL;
	bool same;

	if (b->state.status != BOX_RUNNING)
		return false;
	e = fd_read_file(b->dir, "paused", RECORD_MAX, &text, NULL);
	same = !e && str_eq(text, want);
	err_free(e); /* absent: not paused */
	return same;
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
	e = e ?: scan(b, SIGSTOP, NULL);
	if (e) {
		err_free(scan(b, SIGCONT, NULL)); /* the first failure is what counts */
		unlinkat(b->dir, "paused", 0);
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
	e = scan(b, SIGCONT, NULL);
	if (!e)
		unlinkat(b->dir, "paused", 0);
	return e;
}
