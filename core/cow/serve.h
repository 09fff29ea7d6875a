/* core/cow/serve.h -- the process that serves a thin volume to the containers that have it mounted, and how others
 * talk to it.
 *
 *	devbox run -> monitor --fork--> devbox: volume NAME    (its own session; ends after the last mount has)
 *
 * One for each volume that is mounted somewhere.  It is root of a user namespace and has a mount namespace of its own,
 * in which the volume is mounted once: every container that wants it gets a clone of that mount, so all of them see one
 * file system with one cache and one set of locks.  The kernel lets nobody into a mount of FUSE but members of the user
 * namespace that made it (fuse(4), allow_other), so containers that share a volume share that namespace, too.
 *
 * It holds a shared flock on the volume's directory (see core/store/fork.h) and an exclusive one
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
/* The same with the name of its socket in SOCK_DIR. */
struct err *cow_connect_file(int sock_dir, const char *file, int *ret_conn) MUST_CHECK;
/* The same by the volume's NAME; if there is none, start one.
 * HOLD: the locked directory of the volume, which the new process keeps.  USERNS: the user namespace it shall be root
 * of, or -1: the caller's own.  SINGLE: see userns.h. */
struct err *cow_start(int sock_dir, const char *name, const struct cow_dirs *dirs, int hold,
		      int userns, bool single, int *ret_conn) MUST_CHECK;
/* The user namespace it is in, for setns(2). */
struct err *cow_serve_userns(int conn, int *ret_userns) MUST_CHECK;
/* A detached mount of the volume, to be attached in a mount namespace of that user namespace.  CONN stays open as long
 * as it is used: the process ends when nobody is connected who has one, and the last mount is gone. */
struct err *cow_serve_mount(int conn, int *ret_tree) MUST_CHECK;
/* DIR has an empty data/: it becomes the top, of depth DEPTH.  HOLD-locked as above. */
struct err *cow_serve_seal(int conn, int dir, unsigned depth) MUST_CHECK;

#endif
