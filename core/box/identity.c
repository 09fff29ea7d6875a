/* How it works
 *
 *	monitor (or exec, or build) --fork, fork--> keeper: in the container's user namespace, else outside
 *	      +-- the program, root inside --setuid(999)--> ... --> user 999 in a namespace below
 *
 *  1 The program's process, before it executes the program, installs a filter whose listener it sends to the keeper,
 *    which enters its user namespace (identity_join).  The filter asks the keeper about set*id, setgroups, getgroups,
 *    unshare, execve and PR_SET_KEEPCAPS.
 *  2 setgid(33) is remembered and answered with success: a namespace takes both numbers at once, and programs change
 *    their group first, while they may.
 *  3 setuid(999), for good and with one thread: the keeper traces the caller, lets the call return 0, and has it
 *    execute unshare(CLONE_NEWUSER) at its next step in user mode, with the very instruction that made the call; then
 *    it writes the maps "999 0 1" and "33 0 1", and lets it go on.  A thread that is not alone cannot unshare: it is
 *    remembered, and done as the first thing of the program that the process, or a child of it, executes.
 *  4 What runs in such a namespace is asked about, too, for filters are inherited; it is let through: the kernel gives
 *    the right answers.  Only getgroups is not its: the groups of the user outside cannot be dropped by who may not
 *    call setgroups.
 *
 * The keeper serves hostile programs.  It does nothing for them that they could not do themselves but for the filter:
 * unshare is let through for the one call that it makes itself, on a thread that it holds, for a user namespace alone.
 * Every wait has a deadline; a thread that does not do what it is made to do is killed.  It is not the monitor: if
 * somebody finds a way to make it wait, he waits for himself. */
#include "core/box/identity.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/seccomp.h"
#include "core/box/tracee.h"
#include "core/ns/userns.h"

enum { WANTS_MAX = 256, STEP_S = 5, STATUS_MAX = 8192 };

#define KEEP_ID ((unsigned)-1) /* as the set*id calls have it */

/* What a process of root's has asked for and not got yet. */
struct want {
	pid_t tgid; /* 0: free */
	uint64_t start; /* of this process, and not of a later one with its number */
	gid_t gid; /* 0: not yet */
	uid_t uid; /* 0: not yet */
	pid_t seized; /* this thread of it is traced until it executes a program; 0: none */
	bool keeps_caps; /* PR_SET_KEEPCAPS: it will change its user first, and then its group, as setpriv(1) does */
};

struct keeper {
	int listener;
	bool may_unshare; /* they may by themselves */
	bool breaks_off; /* the kernel does not let a thread wait for its answer alone */
	ino_t userns; /* the container's */
	struct want wants[WANTS_MAX];
	size_t next;
	struct seccomp_notif *later; /* came while something else was waited for: one a thread at most */
	size_t n_later, later_cap;
};

/* --- what /proc says --------------------------------------------------------------------------------------------- */

static bool status_number(const char *status, const char *key, int *ret)
{
	const char *at = strstr(status, key);

	return at && sscanf(at + strlen(key), "%d", ret) == 1;
}

struct process {
	pid_t tgid, parent;
	int threads;
};

static bool process_of(pid_t t, struct process *ret)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", t), *text = NULL;

	err_free(fd_read_file(AT_FDCWD, path, STATUS_MAX, &text, NULL)); /* it has gone */
	return text && status_number(text, "\nTgid:", &ret->tgid) &&
	       status_number(text, "\nPPid:", &ret->parent) &&
	       status_number(text, "\nThreads:", &ret->threads);
}

static bool write_map(pid_t t, const char *map, unsigned id)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", t, map), *line = xasprintf("%u 0 1", id);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

/* The maps can be written only if they belong to the user, which the files of what is not dumpable do not. */
static bool maps_are_ours(pid_t t)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/uid_map", t);

	return access(path, W_OK) == 0;
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

/* False: who asked has been killed, or interrupted. */
static bool answer(struct keeper *k, uint64_t id, int64_t value, int errnum, uint32_t flags)
{
	struct seccomp_notif_resp r = { .id = id, .val = value, .error = -errnum, .flags = flags };

	return ioctl(k->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) == 0;
}

static void succeed(struct keeper *k, const struct seccomp_notif *n)
{
	answer(k, n->id, 0, 0, 0);
}

static void let_through(struct keeper *k, const struct seccomp_notif *n)
{
	answer(k, n->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/* Is what was read of the process that asks N its own? */
static bool still_asks(struct keeper *k, const struct seccomp_notif *n)
{
	return ioctl(k->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n->id) == 0;
}

/* The next question.  False: there is none, or the deadline interrupts. */
static bool receive(struct keeper *k, struct seccomp_notif *ret)
{
	memset(ret, 0, sizeof(*ret)); /* the kernel insists */
	if (ioctl(k->listener, SECCOMP_IOCTL_NOTIF_RECV, ret) < 0)
		return false;
#ifdef __x86_64__
	ret->data.nr &= ~0x40000000; /* x32 has the same numbers for what is asked */
#endif
	return true;
}

/* --- the change -------------------------------------------------------------------------------------------------- */

/* A step is short, or it has gone wrong.  It rings again, for the first time may fall between two calls that wait. */
static void set_deadline(bool on)
{
	struct itimerval in = { 0 };

	if (on) {
		in.it_value.tv_sec = STEP_S;
		in.it_interval.tv_sec = 1;
	}
	setitimer(ITIMER_REAL, &in, NULL);
}

struct unsharing {
	struct keeper *k;
	pid_t t;
};

/* The question whether T may unshare, which is ours; others wait.  Its arguments are ours as well: it could have been
 * made to call something else. */
static bool allow_unshare(void *arg)
{
	const struct unsharing *u = arg;
	struct keeper *k = u->k;

	for (;;) {
		struct seccomp_notif *n;

		k->later = xgrow(k->later, k->n_later, &k->later_cap, sizeof(*k->later));
		n = &k->later[k->n_later];
		if (!receive(k, n)) {
			if (errno != ENOENT) /* else it was interrupted before it was read: it will be asked again */
				return false;
		} else if ((pid_t)n->pid != u->t) {
			k->n_later++;
		} else if (n->data.nr == SYS_unshare && n->data.args[0] == CLONE_NEWUSER) {
			let_through(k, n);
			return true;
		} else {
			answer(k, n->id, 0, EPERM, 0);
			return false;
		}
	}
}

/* In a namespace of its own it has all capabilities, which root gives up when it becomes another. */
static bool drop_caps(struct tracee *x)
{
	struct {
		struct __user_cap_header_struct head;
		struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	} none = { .head.version = _LINUX_CAPABILITY_VERSION_3 };
	uint64_t at = tracee_lend(x, &none, sizeof(none));
	long result;

	return at &&
	       tracee_call(x, SYS_capset, at, at + offsetof(__typeof__(none), data), NULL, NULL,
			   &result) &&
	       result == 0;
}

/* Make X, stopped at the edge to user mode, what W says.  It comes out changed, or it is told that it was not, or it is
 * killed: what believes to have given up its rights must not go on with them. */
static void change(struct keeper *k, struct tracee *x, const struct want *w)
{
	struct unsharing u = { k, x->t };
	const long again = -EAGAIN; /* as setuid(2) says of too many processes, here of namespaces */
	long result = 0;
	bool done = tracee_begin(x) &&
		    tracee_call(x, SYS_unshare, CLONE_NEWUSER, 0, allow_unshare, &u, &result);

	if (done && result < 0 && !x->fresh && tracee_restore(x, &again)) {
		tracee_let_go(x);
		return;
	}
	done = done && result == 0 && write_map(x->t, "uid_map", w->uid) &&
	       write_map(x->t, "gid_map", w->gid);
	done = done && (w->keeps_caps || drop_caps(x)) && tracee_restore(x, NULL);
	if (done)
		tracee_let_go(x);
	else
		tracee_kill(x);
}

/* Trace the thread that asks N.  A keeper that dies takes it along. */
static bool seize(struct keeper *k, const struct seccomp_notif *n)
{
	struct tracee x = { .t = (pid_t)n->pid, .pidfd = -1 };
	int status;

	if (ptrace(PTRACE_SEIZE, x.t, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
		return false; /* somebody in the container traces it */
	if (still_asks(k, n))
		return true;
	/* killed, and its number somebody else's */
	set_deadline(true);
	ptrace(PTRACE_INTERRUPT, x.t, NULL, NULL);
	if (tracee_next(&x, &status))
		tracee_let_go(&x);
	set_deadline(false);
	return false;
}

/* The thread that asks N is alone in its process and becomes W.  False: not now, it will ask again. */
static bool change_now(struct keeper *k, const struct seccomp_notif *n, const struct want *w)
{
	struct tracee x = { .t = (pid_t)n->pid, .pidfd = pidfd_open((pid_t)n->pid, 0) };
	int status;
	bool answered;

	if (!tracee_known() || x.pidfd < 0 || !maps_are_ours(x.t) ||
	    (w->seized != x.t && !seize(k, n))) {
		answer(k, n->id, 0, EPERM, 0);
		if (x.pidfd >= 0)
			close(x.pidfd);
		return true;
	}
	set_deadline(true);
	/* It waits for us and for nothing else (WAIT_KILLABLE_RECV).  Older kernels, before 5.19, let it ask again
	 * when it is interrupted: there it may take a step or two before it is stopped. */
	if (!k->breaks_off)
		ptrace(PTRACE_INTERRUPT, x.t, NULL, NULL);
	answered = answer(k, n->id, 0, 0, 0);
	if (k->breaks_off)
		ptrace(PTRACE_INTERRUPT, x.t, NULL, NULL);
	k->breaks_off |= !answered;
	if (!tracee_next(&x, &status))
		tracee_kill(&x);
	else if (answered)
		change(k, &x, w);
	else
		tracee_let_go(&x);
	set_deadline(false);
	return answered;
}

/* --- questions --------------------------------------------------------------------------------------------------- */

static bool want_lives(const struct want *w)
{
	return w->tgid && w->start == proc_start_time(w->tgid);
}

static struct want *want_find(struct keeper *k, pid_t tgid)
{
	for (size_t i = 0; i < WANTS_MAX; i++)
		if (k->wants[i].tgid == tgid && want_lives(&k->wants[i]))
			return &k->wants[i];
	return NULL;
}

/* A group that was never followed by a user can be forgotten, a user cannot.  NULL: too many. */
static struct want *want_of(struct keeper *k, pid_t tgid)
{
	struct want *w = want_find(k, tgid);

	for (size_t i = 0; !w && i < WANTS_MAX; i++) {
		k->next = (k->next + 1) % WANTS_MAX;
		if (k->wants[k->next].uid && want_lives(&k->wants[k->next]))
			continue;
		w = &k->wants[k->next];
		*w = (struct want){ .tgid = tgid, .start = proc_start_time(tgid) };
	}
	return w;
}

static bool any_waits(const struct keeper *k)
{
	for (size_t i = 0; i < WANTS_MAX; i++)
		if (k->wants[i].tgid && k->wants[i].uid)
			return true;
	return false;
}

/* Of the ids that a set*id call names, the one for good; 0: none.  setresuid(-1, 5, -1) could be undone. */
static unsigned id_for_good(const struct seccomp_notif *n)
{
	const unsigned first = (unsigned)n->data.args[0], second = (unsigned)n->data.args[1],
		       third = (unsigned)n->data.args[2];

	switch (n->data.nr) {
	case SYS_setuid:
	case SYS_setgid:
		return first == KEEP_ID ? 0 : first;
	case SYS_setreuid:
	case SYS_setregid:
		return first == KEEP_ID || second == KEEP_ID ? 0 : second;
	default:
		return second == KEEP_ID || third == KEEP_ID || !third ? 0 : second;
	}
}

/* One group, as if the others had been given up: those of the user outside, which cannot be.  The descriptor is of the
 * process that asks, whatever its number is by now. */
static void tell_groups(struct keeper *k, const struct seccomp_notif *n)
{
	_cleanup_free_ char *path = xasprintf("/proc/%u/mem", n->pid);
	_cleanup_close_ int mem = open(path, O_WRONLY | O_CLOEXEC);
	unsigned gid = 0;

	if (!userns_first_id((pid_t)n->pid, "gid_map", &gid) || !still_asks(k, n) ||
	    (int)n->data.args[0] < 0)
		answer(k, n->id, 0, EINVAL, 0);
	else if ((int)n->data.args[0] &&
		 pwrite(mem, &gid, sizeof(gid), (off_t)n->data.args[1]) != sizeof(gid))
		answer(k, n->id, 0, EFAULT, 0);
	else
		answer(k, n->id, 1, 0, 0);
}

/* W names both, or all that will come. */
static void change_or_wait(struct keeper *k, const struct seccomp_notif *n, struct want *w, bool alone)
{
	const struct want want = *w;

	if (!alone)
		succeed(k, n);
	else if (change_now(k, n, &want))
		w->tgid = 0;
}

static void set_user(struct keeper *k, const struct seccomp_notif *n, struct want *w, bool alone)
{
	uid_t uid = id_for_good(n);

	if (uid)
		w->uid = uid;
	if (uid && (w->gid || !w->keeps_caps))
		change_or_wait(k, n, w, alone);
	else
		succeed(k, n);
}

static void set_group(struct keeper *k, const struct seccomp_notif *n, struct want *w, bool alone)
{
	gid_t gid = id_for_good(n);

	if (gid)
		w->gid = gid;
	if (gid && w->uid)
		change_or_wait(k, n, w, alone);
	else
		succeed(k, n);
}

/* Who has said who he is to be and could not be changed, he or his parent, will be when he is another program. */
static void executes(struct keeper *k, const struct seccomp_notif *n)
{
	struct want *w = NULL;
	struct process p;

	if (any_waits(k) && process_of((pid_t)n->pid, &p)) {
		const struct want *from = want_find(k, p.parent);

		w = want_find(k, p.tgid);
		if (!w && from && from->uid) {
			const struct want same = *from;

			w = want_of(k, p.tgid);
			if (w) {
				w->uid = same.uid;
				w->gid = same.gid;
			}
		}
		if (!w && from && from->uid) {
			answer(k, n->id, 0, EAGAIN, 0);
			return;
		}
	}
	/* one that is ours already has failed to execute something before */
	if (w && w->uid && w->seized != (pid_t)n->pid) {
		if (!tracee_known() || !maps_are_ours((pid_t)n->pid) || !seize(k, n)) {
			answer(k, n->id, 0, EPERM, 0);
			return;
		}
		w->seized = (pid_t)n->pid;
	}
	let_through(k, n);
}

/* Is T root of the container, or has he become another? */
static bool is_in_our_namespace(const struct keeper *k, pid_t t)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", t);
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == k->userns;
}

static void asks_for_another(struct keeper *k, const struct seccomp_notif *n)
{
	struct process p;
	struct want *w = process_of((pid_t)n->pid, &p) && still_asks(k, n) ? want_of(k, p.tgid) : NULL;

	if (!w) {
		answer(k, n->id, 0, EAGAIN, 0);
		return;
	}
	switch (n->data.nr) {
	case SYS_prctl:
		w->keeps_caps = n->data.args[1];
		let_through(k, n);
		break;
	case SYS_setgid:
	case SYS_setregid:
	case SYS_setresgid:
		set_group(k, n, w, p.threads == 1);
		break;
	default:
		set_user(k, n, w, p.threads == 1);
	}
}

static void asked(struct keeper *k, const struct seccomp_notif *n)
{
	switch (n->data.nr) {
	case SYS_execve:
	case SYS_execveat:
		executes(k, n);
		break;
	case SYS_getgroups:
		tell_groups(k, n);
		break;
	case SYS_setgroups: /* see tell_groups(); setpriv(1) does it as a user who has kept his capabilities */
		succeed(k, n);
		break;
	case SYS_unshare:
		if (k->may_unshare)
			let_through(k, n);
		else /* as the filter of those that have all ids says */
			answer(k, n->id, 0, EPERM, 0);
		break;
	case SYS_prctl:
	case SYS_setuid:
	case SYS_setreuid:
	case SYS_setresuid:
	case SYS_setgid:
	case SYS_setregid:
	case SYS_setresgid:
		if (is_in_our_namespace(k, (pid_t)n->pid))
			asks_for_another(k, n);
		else
			let_through(k, n); /* a user's, no more root's */
		break;
	default: /* a number of x32's that means something else here */
		let_through(k, n);
	}
}

/* --- traced until they execute ----------------------------------------------------------------------------------- */

static bool is_stop_of_group(int status)
{
	const int sig = WSTOPSIG(status);

	return status >> 16 == PTRACE_EVENT_STOP &&
	       (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU);
}

/* PID, seized by executes(), has stopped with STATUS.  It is held, so its number is its own. */
static void stopped(struct keeper *k, pid_t pid, int status)
{
	struct want *w = want_find(k, pid);
	struct tracee x = { .t = pid, .pidfd = -1, .fresh = true };

	if (is_stop_of_group(status)) {
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	} else if (status >> 16 == 0) {
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(status)); /* a signal: on with it */
	} else if (status >> 16 != PTRACE_EVENT_EXEC) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	} else {
		const struct want want = w ? *w : (struct want){ 0 };

		if (w)
			w->tgid = 0;
		x.pidfd = pidfd_open(pid, 0);
		set_deadline(true);
		if (want.uid && tracee_to_edge(&x)) /* the return from execve */
			change(k, &x, &want);
		else
			tracee_kill(&x);
		set_deadline(false);
	}
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (WIFSTOPPED(status))
			stopped(k, pid, status);
}

/* --- the process ------------------------------------------------------------------------------------------------- */

static void on_alarm(int sig UNUSED)
{
}

/* Answers what has come.  Reading blocks, and a question can be withdrawn after it was announced: not without a
 * deadline, for threads that have stopped wait for us as well. */
static void answer_all(struct keeper *k)
{
	struct pollfd p = { .fd = k->listener, .events = POLLIN };
	struct seccomp_notif n;
	bool came;

	while (k->n_later) {
		n = k->later[0];
		memmove(k->later, k->later + 1, --k->n_later * sizeof(n));
		asked(k, &n);
	}
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
		return; /* a step has read it */
	set_deadline(true);
	came = receive(k, &n);
	set_deadline(false);
	if (came)
		asked(k, &n);
}

static void serve(struct keeper *k, int children)
{
	struct pollfd p[] = { { .fd = k->listener, .events = POLLIN },
			      { .fd = children, .events = POLLIN } };

	for (;;) {
		struct signalfd_siginfo info;

		if (poll(p, ARRAY_LEN(p), k->n_later ? 0 : -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents && read(children, &info, sizeof(info)) > 0)
			reap(k);
		answer_all(k);
		if (p[0].revents & (POLLHUP | POLLERR))
			return; /* the last of them has ended */
	}
}

NORETURN static void keeper_main(const char *name, int sock)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	struct sigaction act = { .sa_handler = on_alarm };
	int fds[] = { -1, -1 }, null;
	struct stat st;
	sigset_t child;
	size_t len = 0, n = ARRAY_LEN(fds);
	char free_to = 0;
	struct err *e;

	fd_close_except(&sock, 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i); /* a pipe of the caller's must not stay open because of us */
	prctl(PR_SET_NAME, "devbox-ids");
	proc_title_set("devbox: ids of %s", name);
	sigaction(SIGALRM, &act, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	e = fd_recv(sock, &free_to, 1, &len, fds, &n);
	if (e || n != ARRAY_LEN(fds))
		_exit(0); /* it is nobody that changes */
	k->listener = fds[0];
	/* only from the namespace above can the maps of one be written; EINVAL: a build is in there already */
	if (setns(fds[1], CLONE_NEWUSER) < 0 && errno != EINVAL)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0); /* who has all capabilities in there shall not look into us */
	if (fstat(fds[1], &st) < 0 || chdir("/") < 0)
		_exit(1);
	k->userns = st.st_ino;
	close(fds[1]);
	close(sock);
	k->may_unshare = free_to;
	proc_trim_memory();
	serve(k, signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
	_exit(0);
}

struct err *identity_start(const char *name, int *ret_sock)
{
	struct err *e;
	int fds[2], status;
	pid_t pid;

	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	pid = fork();
	if (pid == 0) { /* its child is nobody's to wait for */
		setsid();
		pid = fork();
		if (pid == 0)
			keeper_main(name, fds[1]);
		_exit(pid < 0);
	}
	close(fds[1]);
	e = pid < 0 ? err_new(errno, "forking") : proc_wait_pid(pid, &status);
	if (!e && status)
		e = err_new(EAGAIN, "forking");
	if (e)
		close(fds[0]);
	else
		*ret_sock = fds[0];
	return e;
}

struct err *identity_join(int sock, uint64_t caps, bool unconfined)
{
	const char free_to = unconfined || caps >> CAP_SYS_ADMIN & 1;
	_cleanup_close_ int userns = -1, listener = -1;
	_cleanup_free_ void *prog = NULL;
	int fds[2];
	size_t len;
	struct err *e = fd_open(AT_FDCWD, "/proc/self/ns/user", O_RDONLY, 0, &userns);

	seccomp_one_id(true, caps, &prog, &len);
	e = e ?: seccomp_listen(prog, len, &listener);
	if (err_is(e, EBUSY)) { /* devbox in devbox: there is one above us */
		err_free(e);
		return NULL;
	}
	fds[0] = listener;
	fds[1] = userns;
	return e ?: fd_send(sock, &free_to, 1, fds, ARRAY_LEN(fds));
}
