/* core/box/execrec.h -- commands that Docker's API makes first and starts later: what is known of them, from one
 * request to the next and after their end.
 *
 * A record is containers/<id>/execs/<id of the command>, JSON; beside it ".size", what its terminal is to measure.
 * It is written by whoever makes it, and then by its keeper, the process that runs the command: a keeper that is gone
 * without a word about the end was killed.  The environment may hold secrets: it is on disk until the command has
 * ended.  At most EXECRECS_MAX are kept in a container, the oldest that does not run goes; all go with the
 * container. */
#ifndef CORE_BOX_EXECREC_H
#define CORE_BOX_EXECREC_H

#include "core/box/box.h"

enum { EXECRECS_MAX = 256 };

enum execrec_status { EXECREC_MADE, EXECREC_RUNNING, EXECREC_ENDED, EXECREC_STATUS_MAX };

struct execrec {
	char id[ID_LEN + 1];
	struct exec_request req; /* its texts are the record's own; no hooks */
	char *user, *workdir; /* what REQ's point to, or NULL */
	bool out, err; /* these streams are wanted */
	char *detach_keys; /* or NULL */
	enum execrec_status status; /* RUNNING: with a living keeper */
	int exit_code;
	pid_t keeper;
	uint64_t keeper_start;
	char boot_id[64];
};
void execrec_done(struct execrec *r);

/* Give R an id and write it down; told as "exec_create".  B runs. */
struct err *execrec_make(struct box *b, struct execrec *r) MUST_CHECK;
/* Errors: "No such exec instance: X". */
struct err *execrec_find(struct store *st, const char *id, struct box **ret_box, struct execrec *ret)
	MUST_CHECK;
/* The calling process becomes R's keeper.  Errors: it was started before. */
struct err *execrec_start(const struct box *b, struct execrec *r) MUST_CHECK;
struct err *execrec_end(const struct box *b, struct execrec *r, int exit_code) MUST_CHECK;
/* SIZE as term_size() has it; a running keeper gets SIGWINCH. */
struct err *execrec_resize(const struct box *b, const struct execrec *r, uint32_t size) MUST_CHECK;
uint32_t execrec_size(const struct box *b, const struct execrec *r); /* 0: nobody said */

#endif
