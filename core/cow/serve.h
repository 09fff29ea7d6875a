/* core/cow/serve.h -- the process that serves a thin volume to the containers that have it mounted, and how others
 * talk to it.
 *
 *	devbox run -> monitor --fork--> devbox: volume NAME    (its own session; ends after the last mount has)
 *
 * One for each volume that is mounted somewhere.  It is root of the user namespace of whoever started it, stays in the
 * host's other namespaces, holds a shared flock on the volume's directory (see core/store/fork.h) and an exclusive one
 * on NAME.lock, and listens on NAME.sock.  It takes no signals but SIGKILL: a database that is being stopped still
 * writes.  If it is killed, the containers' mounts answer ENOTCONN; what was written is there. */
#ifndef CORE_COW_SERVE_H
#define CORE_COW_SERVE_H

#include "core/cow/tree.h"

/* A volume's directories (each has data/), topmost first; the descriptors are the caller's. */
struct cow_dirs {
	int fd[COW_TREES_MAX];
	unsigned depth[COW_TREES_MAX];
	bool thin[COW_TREES_MAX];
	size_t n;
};

/* Open them; the chain is ended with cow_chain_done() also after an error. */
struct err *cow_open_trees(const struct cow_dirs *dirs, struct cow_chain *ret) MUST_CHECK;
/* Make the root of the topmost tree as a mount would, as root of the user namespace.  DIRS: const struct cow_dirs *. */
struct err *cow_root_make(const struct cow_dirs *dirs) MUST_CHECK;

/* Connect to the process that serves NAME; *ret_conn is -1 if there is none. */
struct err *cow_connect(int sock_dir, const char *name, int *ret_conn) MUST_CHECK;
/* The same; if there is none, start one.
 * HOLD: the locked directory of the volume, which the new process keeps.  USERNS: a pidfd of a process in the user
 * namespace it shall be root of, or -1: the caller's own.  SINGLE: see userns.h. */
struct err *cow_start(int sock_dir, const char *name, const struct cow_dirs *dirs, int hold,
		      int userns, bool single, int *ret_conn) MUST_CHECK;
/* Serve the mount behind FUSE_FD, too. */
struct err *cow_serve_mount(int conn, int fuse_fd) MUST_CHECK;
/* DIR has an empty data/: it becomes the top, of depth DEPTH.  HOLD-locked as above. */
struct err *cow_serve_seal(int conn, int dir, unsigned depth) MUST_CHECK;

#endif
