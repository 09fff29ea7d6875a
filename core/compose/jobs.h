/* core/compose/jobs.h -- functions that run at the same time, each in a child process.
 *
 * A job tells its starter things while it works (jobs_tell) and ends with an error or without; what it changes in
 * memory is its own.  Ctrl-C reaches all of them: they are of the starter's process group, and it ends them also where
 * the starter itself has it blocked.  With the starter's death they end, too: nobody would go on with their work. */
#ifndef CORE_COMPOSE_JOBS_H
#define CORE_COMPOSE_JOBS_H

#include "core/base/str.h"

enum { JOBS_MAX = 64, JOB_TEXT_MAX = 4000, JOB_WOKEN = '!', JOB_BESIDE = '+' };

struct jobs {
	struct job *v;
	size_t n, cap;
	size_t limit; /* at most so many at once; 0: JOBS_MAX */
	int wake; /* jobs_next() returns JOB_WOKEN when it is readable, before all else; -1: none */
	int beside; /* the same with JOB_BESIDE, when no job has anything to say; -1: none */
};

/* What a job says: KIND is the caller's (lower-case letters), TEXT at most JOB_TEXT_MAX bytes of it. */
struct job_word {
	size_t id;
	char kind; /* 0: the job has ended, ERROR says how; JOB_WOKEN, JOB_BESIDE */
	char text[JOB_TEXT_MAX + 1];
	struct err *error; /* the receiver's */
};

/* Run FN(arg, out) in a child as job ID.  OUT is for jobs_tell(). */
struct err *jobs_start(struct jobs *j, size_t id, struct err *(*fn)(void *arg, int out), void *arg)
	MUST_CHECK;
void jobs_tell(int out, char kind, const char *text); /* best effort */
bool jobs_full(const struct jobs *j);
/* Wait for the next word of any of them.  Not without a job. */
struct err *jobs_next(struct jobs *j, struct job_word *ret) MUST_CHECK;
/* Those still running are killed. */
void jobs_done(struct jobs *j);
#define _cleanup_jobs_ _cleanup_(jobs_done)

#endif
