#include "core/box/tracee.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"

enum { BELOW_STACK = 1024 /* beyond what a leaf function may use below its stack pointer */ };

/* --- processors ------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
typedef struct user_regs_struct regs;
enum { INSN_BYTES = 2, KNOWN = 1 };
static const uint8_t call_insn[] = { 0x0f, 0x05 }; /* syscall */

static uint64_t regs_pc(const regs *r)
{
	return r->rip;
}

static uint64_t regs_stack(const regs *r)
{
	return r->rsp;
}

static void regs_call(regs *r, uint64_t pc, long nr, uint64_t arg0, uint64_t arg1)
{
	r->rip = pc;
	r->rax = (uint64_t)nr;
	r->orig_rax = (uint64_t)-1; /* nothing to be started again */
	r->rdi = arg0;
	r->rsi = arg1;
}

static uint64_t *regs_result(regs *r)
{
	return (uint64_t *)&r->rax;
}
#elif defined(__aarch64__)
typedef struct user_regs_struct regs;
enum { INSN_BYTES = 4, KNOWN = 1 };
static const uint8_t call_insn[] = { 0x01, 0x00, 0x00, 0xd4 }; /* svc #0 */

static uint64_t regs_pc(const regs *r)
{
	return r->pc;
}

static uint64_t regs_stack(const regs *r)
{
	return r->sp;
}

static void regs_call(regs *r, uint64_t pc, long nr, uint64_t arg0, uint64_t arg1)
{
	r->pc = pc;
	r->regs[8] = (uint64_t)nr;
	r->regs[0] = arg0;
	r->regs[1] = arg1;
}

static uint64_t *regs_result(regs *r)
{
	return (uint64_t *)&r->regs[0];
}
#else
/* How this one makes a system call nobody has tried. */
typedef struct {
	uint64_t none;
} regs;
enum { INSN_BYTES = 4, KNOWN = 0 };
static const uint8_t call_insn[INSN_BYTES];

static uint64_t regs_pc(const regs *r)
{
	return r->none;
}

static uint64_t regs_stack(const regs *r)
{
	return r->none;
}

static void regs_call(regs *r, uint64_t pc, long nr UNUSED, uint64_t arg0 UNUSED, uint64_t arg1 UNUSED)
{
	r->none = pc;
}

static uint64_t *regs_result(regs *r)
{
	return &r->none;
}
#endif

bool tracee_known(void)
{
	return KNOWN;
}

/* A program for another processor (i386) has other registers: no. */
static bool get_regs(pid_t t, regs *r)
{
	struct iovec v = { r, sizeof(*r) };

	return ptrace(PTRACE_GETREGSET, t, (void *)NT_PRSTATUS, &v) == 0 && v.iov_len == sizeof(*r);
}

static bool set_regs(pid_t t, const regs *r)
{
	struct iovec v = { (void *)(uintptr_t)r, sizeof(*r) };

	return ptrace(PTRACE_SETREGSET, t, (void *)NT_PRSTATUS, &v) == 0;
}

/* --- stops ------------------------------------------------------------------------------------------------------ */

bool tracee_next(struct tracee *x, int *ret_status)
{
	for (;;) {
		int sig;

		if (waitpid(x->t, ret_status, __WALL) != x->t)
			return false;
		if (!WIFSTOPPED(*ret_status)) {
			x->t = 0; /* reaped: its number is nobody's, or somebody else's */
			return false;
		}
		sig = WSTOPSIG(*ret_status);
		if (*ret_status >> 16 || sig == (SIGTRAP | 0x80))
			return true;
		x->sig = sig;
		if (ptrace(PTRACE_SYSCALL, x->t, NULL, NULL) < 0)
			return false;
	}
}

bool tracee_to_edge(struct tracee *x)
{
	int status;

	do
		if (ptrace(PTRACE_SYSCALL, x->t, NULL, NULL) < 0 || !tracee_next(x, &status))
			return false;
	while (WSTOPSIG(status) != (SIGTRAP | 0x80));
	return true;
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

bool tracee_begin(struct tracee *x)
{
	const uint64_t all = ~UINT64_C(0);
	regs *r = xcalloc(1, sizeof(*r));
	long with_call;

	x->before = r;
	if (!get_regs(x->t, r) ||
	    ptrace(PTRACE_GETSIGMASK, x->t, (void *)sizeof(x->mask), &x->mask) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, x->t, (void *)sizeof(all), &all) < 0)
		return false;
	x->pc = regs_pc(r) - (x->fresh ? 0 : INSN_BYTES);
	errno = 0;
	x->word = with_call = ptrace(PTRACE_PEEKTEXT, x->t, (void *)x->pc, NULL);
	memcpy(&with_call, call_insn, INSN_BYTES);
	if (errno)
		return false;
	return x->fresh ? ptrace(PTRACE_POKETEXT, x->t, (void *)x->pc, (void *)with_call) == 0
			: with_call == x->word;
}

bool tracee_call(struct tracee *x, long nr, uint64_t arg0, uint64_t arg1,
		 bool (*between)(void *arg), void *arg, long *ret)
{
	regs r = *(regs *)x->before;
	int status;

	regs_call(&r, x->pc, nr, arg0, arg1);
	if (!set_regs(x->t, &r) || !tracee_to_edge(x) ||
	    ptrace(PTRACE_SYSCALL, x->t, NULL, NULL) < 0 || (between && !between(arg)) ||
	    !tracee_next(x, &status) || WSTOPSIG(status) != (SIGTRAP | 0x80) || !get_regs(x->t, &r))
		return false;
	*ret = (long)*regs_result(&r);
	return true;
}

uint64_t tracee_lend(struct tracee *x, const void *data, size_t len)
{
	uint64_t at = (regs_stack(x->before) - BELOW_STACK - len) & ~UINT64_C(15);
	struct iovec ours = { (void *)(uintptr_t)data, len }, theirs = { (void *)at, len };

	return process_vm_writev(x->t, &ours, 1, &theirs, 1, 0) == (ssize_t)len ? at : 0;
}

bool tracee_restore(struct tracee *x, const long *result)
{
	regs r = *(regs *)x->before;

	if (result)
		*regs_result(&r) = (uint64_t)*result;
	return (!x->fresh || ptrace(PTRACE_POKETEXT, x->t, (void *)x->pc, (void *)x->word) == 0) &&
	       ptrace(PTRACE_SETSIGMASK, x->t, (void *)sizeof(x->mask), &x->mask) == 0 &&
	       set_regs(x->t, &r);
}

static void tracee_done(struct tracee *x)
{
	free(x->before);
	if (x->pidfd >= 0)
		close(x->pidfd);
	*x = (struct tracee){ .pidfd = -1 };
}

void tracee_let_go(struct tracee *x)
{
	ptrace(PTRACE_DETACH, x->t, NULL, (void *)(long)x->sig);
	tracee_done(x);
}

void tracee_kill(struct tracee *x)
{
	if (x->t && x->pidfd >= 0)
		pidfd_signal(x->pidfd, SIGKILL);
	while (x->t && waitpid(x->t, NULL, __WALL) < 0 && errno == EINTR)
		;
	tracee_done(x);
}
