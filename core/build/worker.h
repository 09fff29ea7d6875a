/* core/build/worker.h -- the process that builds one stage: it carries out the steps that are not in the cache, as root
 * of a user namespace, with mounts of its own.  What it does and needs it says on a socket to the builder. */
#ifndef CORE_BUILD_WORKER_H
#define CORE_BUILD_WORKER_H

#include "core/box/step.h"
#include "core/build/plan.h"

enum wire_type {
	/* from the worker; STEP is the step's index */
	WIRE_START = 1,
	WIRE_CACHED, /* KEY, C */
	WIRE_DONE, /* KEY, C, NS: how long it took */
	WIRE_PACKED, /* C: with its real name */
	WIRE_FAILED, /* NS */
	WIRE_LOG, /* ARG: 1 or 2; data */
	WIRE_NOTE, /* data */
	WIRE_WANT, /* ARG: a stage's index; answered by DEP when that is built */
	WIRE_FILES, /* ARG: item, or mount | WIRE_MOUNT: answered with the tree's files, see worker_send_files() */
	/* to the worker */
	WIRE_DEP, /* KEY; data: names of layers, a line each */
};

enum { WIRE_DATA_MAX = 64 << 10, WIRE_MOUNT = 1 << 16 };

struct wire {
	uint32_t type, step, arg;
	int64_t ns;
	char key[HASH_LEN + 1];
	struct cached c;
	char data[WIRE_DATA_MAX];
};
struct err *wire_send(int sock, const struct wire *w, size_t len) MUST_CHECK;
/* *RET_LEN is that of DATA; type 0 at the end of file. */
struct err *wire_recv(int sock, struct wire *w, size_t *ret_len) MUST_CHECK;

struct worker {
	struct build_plan *p;
	struct stage *s;
	size_t first; /* the step to begin with; those before are done */
	int sock;
	/* the process' own */
	struct store st;
	char *dir_name; /* under tmp/ */
	int dir;
	struct step_net *net;
	struct strv layers; /* so far */
	size_t n_packs;
	struct packing *packs;
	struct wire *out;
};

/* For userns_start(): ARG is the struct worker. */
struct err *worker_before(void *arg) MUST_CHECK;
struct err *worker_main(void *arg, struct str *result) MUST_CHECK;

/* The builder's side of WIRE_FILES: opens the files of the tree as the caller and hands them over.  In a process of
 * its own: it waits for the worker to take them. */
void worker_send_files(int sock, const struct tree *t, int root);

/* -- between worker.c, runstep.c and copy.c ---------------------------------------------------------------------- */

/* The process' own store and directory under tmp/; after worker_before().  Their end. */
struct err *worker_begin(struct worker *w) MUST_CHECK;
void worker_finish(struct worker *w);
/* tmp/<dir_name>/NAME with empty upper, work and root. */
struct err *worker_make_dirs(struct worker *w, const char *name) MUST_CHECK;
/* An overlay of LAYERS (and a fresh top) below tmp/<dir_name>/NAME; *RET_ROOT is its root. */
struct err *worker_mount(struct worker *w, const char *name, const struct strv *layers, int *ret_root)
	MUST_CHECK;
void worker_unmount(struct worker *w, const char *name);
/* Receive the files of a tree in a context, in order; for place_tree().  ARG is a struct receiver. */
struct receiver {
	struct worker *w;
	int fds[16];
	size_t n, at;
};
struct err *worker_ask_files(struct worker *w, struct step *t, unsigned arg, struct receiver *ret)
	MUST_CHECK;
struct err *worker_next_file(void *arg, size_t i, int *ret_fd) MUST_CHECK;

void worker_note(struct worker *w, const struct step *t, const char *text);
/* Output of a step; ARG is a struct worker_log. */
struct worker_log {
	struct worker *w;
	struct step *t;
};
void worker_log(void *arg, bool is_stderr, const char *data, size_t len);
/* *RET_FOUND: a layer with the same files was in the cache, t->result is it. */
struct err *copy_exec(struct worker *w, struct step *t, const char *before, const char *name,
		      bool *ret_found) MUST_CHECK;
struct err *run_exec(struct worker *w, struct step *t, const char *name) MUST_CHECK;
/* Put the files of TREE (of WIRE_FILES' ARG) or of stage FROM into the directory ROOT as "/src". */
struct err *copy_bind(struct worker *w, struct step *t, unsigned arg, const struct tree *tree,
		      int root) MUST_CHECK;

#endif
