/* core/box/tracee.h -- a thread that we trace is made to execute system calls of ours, and finds everything as it was.
 * Source: ptrace(2); the calling conventions are those of syscall(2). */
#ifndef CORE_BOX_TRACEE_H
#define CORE_BOX_TRACEE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/str.h"

struct tracee {
	pid_t t;
	int pidfd; /* of T, which leads its process; -1: none yet */
	int sig; /* SIGSTOP came, which cannot be held back: it is delivered at the end; else 0 */
	bool fresh; /* it has just begun a program and called nothing yet */
	uint64_t mask; /* the signals that it blocks */
	uint64_t pc; /* of the instruction that makes a call */
	long word; /* FRESH: what was in its place */
	void *before; /* its registers */
};

/* Is this processor known? */
bool tracee_known(void);
/* The next stop of X at a system call or an event of ptrace(2).  False: it has ended, or a signal handler of ours ran.
 * */
bool tracee_next(struct tracee *x, int *ret_status);
/* Go on to where it enters the kernel next, or returns from it. */
bool tracee_to_edge(struct tracee *x);
/* X is stopped on its way back to user mode: behind a call, whose instruction is used again, or at the begin of a
 * program, whose first bytes are lent.  Its signals wait from here on. */
bool tracee_begin(struct tracee *x);
/* X calls NR; BETWEEN, unless NULL, is called when it is in the kernel.  *RET: what the call returned. */
bool tracee_call(struct tracee *x, long nr, uint64_t arg0, uint64_t arg1,
		 bool (*between)(void *arg), void *arg, long *ret);
/* LEN bytes at DATA are put below X's stack.  Returns where, 0 on failure. */
uint64_t tracee_lend(struct tracee *x, const void *data, size_t len);
/* All is as it was, but for the result of the call that it was stopped behind, if RESULT is not NULL. */
bool tracee_restore(struct tracee *x, const long *result);
/* X goes on, untraced. */
void tracee_let_go(struct tracee *x);
/* X is killed. */
void tracee_kill(struct tracee *x);

#endif
