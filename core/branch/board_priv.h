/* core/branch/board_priv.h -- what the parts of the switchboard share: switchboard.c (addresses, the record, its
 * beginning and end) and target.c (a branch's server: waking, handing over, sleeping).  Nobody else includes it. */
#ifndef CORE_BRANCH_BOARD_PRIV_H
#define CORE_BRANCH_BOARD_PRIV_H

#include "core/base/loop.h"
#include "core/branch/switchboard.h"

struct gate; /* switchboard.c */
struct watched;

struct board {
	struct loop loop;
	struct store *st;
	char *id;
	int dir, lock;
	struct dbproject p;
	struct source ctl, inotify, signals;
	struct timer settle, expire;
	struct gate *gates;
	struct target *targets;
	struct conn *conns;
	struct watched *watches;
	struct strv notes;
};

enum target_state { COLD, WAKING, LIVE, SLEEPING };

struct waiting { /* a connection whose server is not there yet */
	int fd;
	char *tree; /* the work tree's git directory it came for, or NULL */
	struct waiting *next;
};

struct target {
	struct board *b;
	struct target *next;
	char *stack, *service, *branch; /* STACK: of a compose project, see stack.h; else NULL */
	uint16_t port; /* in the container */
	enum target_state state;
	struct source channel; /* LIVE: to the relay */
	struct source worker; /* WAKING, SLEEPING: what the child says */
	pid_t worker_pid;
	struct waiting *waiting;
	size_t n_waiting, n_conns;
	struct timer idle;
	bool has_timer;
};

struct conn { /* one that was handed over */
	struct source leash;
	struct target *t;
	char *tree;
	struct conn **at, *next;
};

/* Found, or made.  STACK is NULL for a database. */
struct target *target_find(struct board *b, const char *stack, const char *service,
			   const char *branch, uint16_t port);
/* A connection for it that came in through the work tree TREE (or NULL); FD is given away. */
void target_serve(struct target *t, int fd, const char *tree);
/* Its idle time begins, or is another one now. */
void target_arm_idle(struct target *t);
/* End what came in through work tree TREE for another branch than BRANCH. */
void target_cut_others(struct board *b, const char *tree, const char *branch);

/* A child that has none of our sockets, but its end of RESULT and the store; 0 in the child, -1: it failed. */
pid_t board_fork_worker(struct board *b, int result[2]);
/* Take in the record as it is now. */
struct err *board_reload(struct board *b) MUST_CHECK;
void board_reset_and_close(int fd);

#endif
