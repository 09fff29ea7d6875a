/* core/ns/errand.h -- a child goes into other namespaces, makes something there and hands it over.
 *
 *	struct made made;
 *	int fds[2];
 *	e = errand_run(&(struct errand){ .ns = userns, .kinds = CLONE_NEWUSER, .what = "making it",
 *					 .work = make, .arg = &args,
 *					 .made = &made, .made_len = sizeof(made), .fds = fds, .n_fds = 2 });
 *
 * For work that is to be done as a namespace's root, see userns_call().  Source: setns(2), unix(7). */
#ifndef CORE_NS_ERRAND_H
#define CORE_NS_ERRAND_H

#include "core/base/err.h"

struct errand {
	int ns, kinds; /* what the child enters, as setns(2) has it; ns is -1: nothing */
	const char *what; /* what is said when that fails, or the child dies */
	struct err *(*work)(void *arg); /* in the child, a copy of the caller with all its descriptors */
	void *arg;
	/* What WORK has left in these places of the child's memory is in the same places of ours after success. */
	void *made;
	size_t made_len; /* at most ERR_WIRE_MAX */
	int *fds;
	size_t n_fds; /* at most FD_PASS_MAX (core/base/fd.h) */
	int timeout_ms; /* 0: it is not what could take long */
};

/* The child is killed if its parent dies, and has ended when this returns. */
struct err *errand_run(const struct errand *r) MUST_CHECK;

#endif
