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
 * unshare is let through for the one call that it makes itself, on a thread that it holds.  Every wait has a deadline;
 * a thread that does not do what it is made to do is killed.  It is not the monitor: if somebody finds a way to make it
 * wait, he waits for himself. */
#include "core/box/identity.h"

#include <elf.h>
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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/seccomp.h"

enum { WANTS_MAX = 256, LATER_MAX = 64, STEP_S = 5, STATUS_MAX = 8192, MAP_MAX = 256 };

#define KEEP_ID ((unsigned)-1) /* as the set*id calls have it */

/* What a process of root's has asked for and not got yet. */
struct want {
	pid_t tgid; /* 0: free */
	uint64_t start; /* of this process, and not of a later one with its number */
	gid_t gid; /* 0: not yet */
	uid_t uid; /* 0: not yet */
	bool keeps_caps; /* PR_SET_KEEPCAPS: it will change its user first, and then its group, as setpriv(1) does */
};

struct keeper {
	int listener;
	bool may_unshare; /* they may by themselves */
	struct want wants[WANTS_MAX]; /* a ring: what is never done is forgotten */
	size_t next;
	struct seccomp_notif later[LATER_MAX]; /* came while something else was waited for */
	size_t n_later;
};

/* --- processors: how a thread is made to call -------------------------------------------------------------------- */

#if defined(__x86_64__)
typedef struct user_regs_struct regs;
enum { INSN_BYTES = 2, CAN_CHANGE = 1 };
static const uint8_t call_insn[] = { 0x0f, 0x05 }; /* syscall */

static uint64_t regs_pc(const regs *r)
{
	return r->rip;
}

static void regs_call(regs *r, uint64_t pc, long nr, uint64_t arg)
{
	r->rip = pc;
	r->rax = (uint64_t)nr;
	r->orig_rax = (uint64_t)-1; /* nothing to be started again */
	r->rdi = arg;
}

static long regs_result(const regs *r)
{
	return (long)r->rax;
}

static void regs_set_result(regs *r, long value)
{
	r->rax = (uint64_t)value;
}
#elif defined(__aarch64__)
typedef struct user_regs_struct regs;
enum { INSN_BYTES = 4, CAN_CHANGE = 1 };
static const uint8_t call_insn[] = { 0x01, 0x00, 0x00, 0xd4 }; /* svc #0 */

static uint64_t regs_pc(const regs *r)
{
	return r->pc;
}

static void regs_call(regs *r, uint64_t pc, long nr, uint64_t arg)
{
	r->pc = pc;
	r->regs[8] = (uint64_t)nr;
	r->regs[0] = arg;
}

static long regs_result(const regs *r)
{
	return (long)r->regs[0];
}

static void regs_set_result(regs *r, long value)
{
	r->regs[0] = (uint64_t)value;
}
#else
/* How this one makes a system call nobody has tried: setuid fails. */
typedef struct {
	uint64_t none;
} regs;
enum { INSN_BYTES = 4, CAN_CHANGE = 0 };
static const uint8_t call_insn[INSN_BYTES];

static uint64_t regs_pc(const regs *r)
{
	return r->none;
}

static void regs_call(regs *r, uint64_t pc, long nr UNUSED, uint64_t arg UNUSED)
{
	r->none = pc;
}

static long regs_result(const regs *r UNUSED)
{
	return -ENOSYS;
}

static void regs_set_result(regs *r UNUSED, long value UNUSED)
{
}
#endif

static bool get_regs(pid_t t, regs *r)
{
	struct iovec v = { r, sizeof(*r) };

	return ptrace(PTRACE_GETREGSET, t, (void *)NT_PRSTATUS, &v) == 0;
}

static bool set_regs(pid_t t, const regs *r)
{
	struct iovec v = { (void *)r, sizeof(*r) };

	return ptrace(PTRACE_SETREGSET, t, (void *)NT_PRSTATUS, &v) == 0;
}

/* --- what /proc says --------------------------------------------------------------------------------------------- */

static char *read_proc(pid_t t, const char *file, size_t max)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", t, file);
	char *text = NULL;

	err_free(fd_read_file(AT_FDCWD, path, max, &text, NULL)); /* it has gone */
	return text;
}

/* What the one id is called in T's namespace, from MAP, "uid_map" or "gid_map". */
static bool own_id(pid_t t, const char *map, unsigned *ret)
{
	_cleanup_free_ char *text = read_proc(t, map, MAP_MAX);

	return text && sscanf(text, "%u", ret) == 1;
}

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
	_cleanup_free_ char *text = read_proc(t, "status", STATUS_MAX);

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

static void answer(struct keeper *k, uint64_t id, int64_t value, int errnum, uint32_t flags)
{
	struct seccomp_notif_resp r = { .id = id, .val = value, .error = -errnum, .flags = flags };

	if (ioctl(k->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) < 0)
		return; /* who asked has been killed */
}

static void succeed(struct keeper *k, const struct seccomp_notif *n)
{
	answer(k, n->id, 0, 0, 0);
}

static void let_through(struct keeper *k, const struct seccomp_notif *n)
{
	answer(k, n->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
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

/* What one step holds. */
struct step {
	pid_t t; /* the thread, traced */
	uint64_t signals; /* that were on their way to it: sent again when it is let go */
};

/* The next stop at a system call or event of ptrace(2).  False: T has ended, or time is up. */
static bool next_stop(struct step *s, int *ret_status)
{
	for (;;) {
		int sig;

		if (waitpid(s->t, ret_status, __WALL) != s->t || !WIFSTOPPED(*ret_status))
			return false;
		sig = WSTOPSIG(*ret_status);
		if (*ret_status >> 16 || sig == (SIGTRAP | 0x80))
			return true;
		if (sig < 64)
			s->signals |= UINT64_C(1) << sig;
		if (ptrace(PTRACE_SYSCALL, s->t, NULL, NULL) < 0)
			return false;
	}
}

/* Go on to the next entry into the kernel, or to the return from it. */
static bool to_kernel_edge(struct step *s)
{
	int status;

	do
		if (ptrace(PTRACE_SYSCALL, s->t, NULL, NULL) < 0 || !next_stop(s, &status))
			return false;
	while (WSTOPSIG(status) != (SIGTRAP | 0x80));
	return true;
}

/* The question whether T may unshare, which is ours; others wait. */
static bool allow_unshare(struct keeper *k, pid_t t)
{
	while (k->n_later < LATER_MAX) {
		struct seccomp_notif *n = &k->later[k->n_later];

		if (receive(k, n)) {
			if ((pid_t)n->pid == t && n->data.nr == SYS_unshare) {
				let_through(k, n);
				return true;
			}
			k->n_later++;
		} else if (errno != ENOENT) { /* a signal came before the question was read: it will be asked again */
			return false;
		}
	}
	return false;
}

/* T, stopped where it goes back to user mode, makes a user namespace and finds its registers as they were.  Behind a
 * call stands the instruction that made it; a FRESH program has called nothing yet and lends us its first bytes. */
enum outcome { LOST, REFUSED, DONE };

static enum outcome call_unshare(struct keeper *k, struct step *s, bool fresh)
{
	regs before, r;
	uint64_t pc;
	long word, with_call;
	int status;
	bool came;

	if (!get_regs(s->t, &before))
		return LOST;
	pc = regs_pc(&before) - (fresh ? 0 : INSN_BYTES);
	errno = 0;
	word = with_call = ptrace(PTRACE_PEEKTEXT, s->t, (void *)pc, NULL);
	memcpy(&with_call, call_insn, INSN_BYTES);
	if (errno || (!fresh && with_call != word) ||
	    (fresh && ptrace(PTRACE_POKETEXT, s->t, (void *)pc, (void *)with_call) < 0))
		return LOST;
	r = before;
	regs_call(&r, pc, SYS_unshare, CLONE_NEWUSER);
	came = set_regs(s->t, &r) && to_kernel_edge(s) &&
	       ptrace(PTRACE_SYSCALL, s->t, NULL, NULL) == 0 && allow_unshare(k, s->t) &&
	       next_stop(s, &status) && WSTOPSIG(status) == (SIGTRAP | 0x80) && get_regs(s->t, &r);
	if (came && !fresh &&
	    regs_result(&r) < 0) { /* too many namespaces: as setuid(2) says of too many processes */
		regs_set_result(&before, -EAGAIN);
		return set_regs(s->t, &before) ? REFUSED : LOST;
	}
	if (fresh && ptrace(PTRACE_POKETEXT, s->t, (void *)pc, (void *)word) < 0)
		return LOST;
	return came && regs_result(&r) == 0 && set_regs(s->t, &before) ? DONE : LOST;
}

static void let_go(const struct step *s)
{
	ptrace(PTRACE_DETACH, s->t, NULL, NULL);
	for (int sig = 1; sig < 64; sig++)
		if (s->signals >> sig & 1)
			kill(s->t, sig);
}

/* Make T what W says.  It is stopped at the edge to user mode; it comes out changed, or it is killed: what believes to
 * have given up its rights must not go on with them. */
static void change(struct keeper *k, struct step *s, const struct want *w, bool fresh)
{
	enum outcome o = call_unshare(k, s, fresh);

	if (o == REFUSED ||
	    (o == DONE && write_map(s->t, "uid_map", w->uid) && write_map(s->t, "gid_map", w->gid))) {
		let_go(s);
		return;
	}
	kill(s->t, SIGKILL);
	waitpid(s->t, NULL, __WALL);
}

/* Seize the thread that asks N; OPTIONS beside what every step needs. */
static bool seize(struct keeper *k, const struct seccomp_notif *n, long options)
{
	pid_t t = (pid_t)n->pid;

	if (ptrace(PTRACE_SEIZE, t, NULL, (void *)(PTRACE_O_TRACESYSGOOD | options)) < 0)
		return false; /* somebody in the container traces it */
	if (ioctl(k->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n->id) == 0)
		return true;
	ptrace(PTRACE_INTERRUPT, t, NULL, NULL); /* killed, and its number somebody else's */
	waitpid(t, NULL, __WALL);
	ptrace(PTRACE_DETACH, t, NULL, NULL);
	return false;
}

/* The thread that asks N is alone in its process. */
static void change_now(struct keeper *k, const struct seccomp_notif *n, const struct want *w)
{
	struct step s = { .t = (pid_t)n->pid };
	int status;

	if (!CAN_CHANGE || !maps_are_ours(s.t) || !seize(k, n, 0)) {
		answer(k, n->id, 0, EPERM, 0);
		return;
	}
	alarm(STEP_S);
	ptrace(PTRACE_INTERRUPT, s.t, NULL,
	       NULL); /* it waits for us, and for nothing else (WAIT_KILLABLE_RECV) */
	succeed(k, n);
	if (next_stop(&s, &status))
		change(k, &s, w, false);
	alarm(0);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

static struct want *want_find(struct keeper *k, pid_t tgid)
{
	for (size_t i = 0; i < WANTS_MAX; i++) {
		struct want *w = &k->wants[i];

		if (w->tgid == tgid && w->start == proc_start_time(tgid))
			return w;
		if (w->tgid == tgid)
			w->tgid = 0;
	}
	return NULL;
}

static struct want *want_of(struct keeper *k, pid_t tgid)
{
	struct want *w = want_find(k, tgid);

	if (w)
		return w;
	k->next = (k->next + 1) % WANTS_MAX;
	k->wants[k->next] = (struct want){ .tgid = tgid, .start = proc_start_time(tgid) };
	return &k->wants[k->next];
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

/* One group, as if the others had been given up: those of the user outside, which cannot be. */
static void tell_groups(struct keeper *k, const struct seccomp_notif *n)
{
	unsigned gid = 0;
	struct iovec ours = { &gid, sizeof(gid) }, theirs = { (void *)n->data.args[1], sizeof(gid) };

	if ((int)n->data.args[0] < 0 || !own_id((pid_t)n->pid, "gid_map", &gid))
		answer(k, n->id, 0, EINVAL, 0);
	else if (n->data.args[0] &&
		 process_vm_writev((pid_t)n->pid, &ours, 1, &theirs, 1, 0) != sizeof(gid))
		answer(k, n->id, 0, EFAULT, 0);
	else
		answer(k, n->id, 1, 0, 0);
}

/* W names both, or all that will come. */
static void change_or_wait(struct keeper *k, const struct seccomp_notif *n, struct want *w, bool alone)
{
	const struct want want = *w;

	if (!alone) {
		succeed(k, n);
		return;
	}
	w->tgid = 0;
	change_now(k, n, &want);
}

static void set_user(struct keeper *k, const struct seccomp_notif *n, pid_t tgid, bool alone)
{
	uid_t uid = id_for_good(n);
	struct want *w = uid ? want_of(k, tgid) : NULL;

	if (w)
		w->uid = uid;
	if (w && (w->gid || !w->keeps_caps))
		change_or_wait(k, n, w, alone);
	else
		succeed(k, n);
}

static void set_group(struct keeper *k, const struct seccomp_notif *n, pid_t tgid, bool alone)
{
	gid_t gid = id_for_good(n);
	struct want *w = gid ? want_of(k, tgid) : NULL;

	if (w)
		w->gid = gid;
	if (w && w->uid)
		change_or_wait(k, n, w, alone);
	else
		succeed(k, n);
}

/* Who has said who he is to be and could not be changed, he or his parent, will be when he is another program. */
static void executes(struct keeper *k, const struct seccomp_notif *n)
{
	struct process p;
	struct want *w = NULL;

	if (any_waits(k) && process_of((pid_t)n->pid, &p)) {
		const struct want *from = want_find(k, p.parent);

		w = want_find(k, p.tgid);
		if (!w && from && from->uid) {
			const struct want same = *from;

			w = want_of(k, p.tgid);
			w->uid = same.uid;
			w->gid = same.gid;
		}
	}
	if (w && w->uid && maps_are_ours((pid_t)n->pid))
		seize(k, n, PTRACE_O_TRACEEXEC); /* if it is ours already, an execve before has failed */
	let_through(k, n);
}

static void asked(struct keeper *k, const struct seccomp_notif *n)
{
	pid_t t = (pid_t)n->pid;
	struct process p;
	unsigned uid;

	if (n->data.nr == SYS_execve || n->data.nr == SYS_execveat) {
		executes(k, n);
	} else if (n->data.nr == SYS_getgroups) {
		tell_groups(k, n);
	} else if (n->data.nr == SYS_setgroups) {
		succeed(k, n); /* see tell_groups(); setpriv(1) does it as a user who has kept his capabilities */
	} else if (n->data.nr == SYS_unshare) {
		if (k->may_unshare)
			let_through(k, n);
		else /* as the filter of those that have all ids says */
			answer(k, n->id, 0, EPERM, 0);
	} else if (!own_id(t, "uid_map", &uid) || !process_of(t, &p)) {
		answer(k, n->id, 0, EPERM, 0);
	} else if (uid) {
		let_through(k, n); /* a user's, no more root's */
	} else if (n->data.nr == SYS_prctl) {
		want_of(k, p.tgid)->keeps_caps = n->data.args[1];
		let_through(k, n);
	} else if (n->data.nr == SYS_setgid || n->data.nr == SYS_setregid ||
		   n->data.nr == SYS_setresgid) {
		set_group(k, n, p.tgid, p.threads == 1);
	} else {
		set_user(k, n, p.tgid, p.threads == 1);
	}
}

/* --- traced until they execute ----------------------------------------------------------------------------------- */

static bool is_stop_of_group(int status)
{
	const int sig = WSTOPSIG(status);

	return status >> 16 == PTRACE_EVENT_STOP &&
	       (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU);
}

/* PID, seized by executes(), has stopped with STATUS. */
static void stopped(struct keeper *k, pid_t pid, int status)
{
	struct step s = { .t = pid };
	struct want *w = want_find(k, pid), want;

	if (is_stop_of_group(status)) {
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	} else if (status >> 16 == 0) {
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(status)); /* a signal: on with it */
	} else if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	} else if (!w || !w->uid) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL); /* forgotten: too many others came */
	} else {
		want = *w;
		w->tgid = 0;
		alarm(STEP_S);
		if (to_kernel_edge(&s)) /* the return from execve */
			change(k, &s, &want, true);
		alarm(0);
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

static void serve(struct keeper *k, int children)
{
	struct pollfd p[] = { { .fd = k->listener, .events = POLLIN },
			      { .fd = children, .events = POLLIN } };

	for (;;) {
		struct signalfd_siginfo info;
		struct seccomp_notif n;

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents && read(children, &info, sizeof(info)) > 0)
			reap(k);
		if (p[0].revents & POLLIN && receive(k, &n))
			asked(k, &n);
		while (k->n_later) {
			n = k->later[0];
			memmove(k->later, k->later + 1, --k->n_later * sizeof(n));
			asked(k, &n);
		}
		if (p[0].revents & (POLLHUP | POLLERR))
			return; /* the last of them has ended */
	}
}

NORETURN static void keeper_main(const char *name, int sock)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	struct sigaction act = { .sa_handler = on_alarm };
	int fds[] = { -1, -1 }, null;
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
	fds[0] = listener;
	fds[1] = userns;
	return e ?: fd_send(sock, &free_to, 1, fds, ARRAY_LEN(fds));
}
