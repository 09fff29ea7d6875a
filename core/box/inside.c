/* How it works
 *  running   the child enters init's user and mount namespaces; INSIDE_ROOT is a detached copy of
 * the root mount alone
 *  else      we hold the container's lock; the child makes namespaces of its own, mounts layers, upper and (for
 *            INSIDE_MOUNTS) the user's mounts, and pivots there; all of it goes away with the child */
#include "core/box/inside.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/box/rootfs.h"
#include "core/box/state.h"

struct inside {
	struct box *b;
	enum inside_view view;
	struct err *(*fn)(int root, void *arg, struct str *result);
	void *arg;
	struct rootfs_cfg cfg;
	struct rootfs_binds binds;
};

static struct err *in_running(void *arg, struct str *result)
{
	struct inside *in = arg;
	_cleanup_close_ int root = -1;
	struct err *e = NULL;

	umask(0);
	if (in->view == INSIDE_MOUNTS) {
		e = fd_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, &root);
	} else {
		root = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (root < 0)
			e = err_new(errno, "opening the container's root");
	}
	return e ?: in->fn(root, in->arg, result);
}

static struct err *before_stopped(void *arg)
{
	struct inside *in = arg;
	struct err *e = userns_check_shared(&in->b->ids);

	if (e)
		return e;
	if (unshare(CLONE_NEWNS) < 0)
		return err_new(errno, "making a mount namespace");
	return rootfs_open_binds(&in->cfg, &in->binds);
}

static struct err *in_stopped(void *arg, struct str *result)
{
	struct inside *in = arg;
	_cleanup_close_ int root = -1;
	struct err *e;

	umask(0);
	e = rootfs_mount_files(&in->cfg, &in->binds, in->view == INSIDE_MOUNTS, &root);
	e = e ?: rootfs_pivot(root, in->b->spec.read_only);
	return e ?: in->fn(root, in->arg, result);
}

struct err *box_inside(struct box *b, enum inside_view view,
		       struct err *(*fn)(int root, void *arg, struct str *result), void *arg,
		       struct str *ret_result)
{
	struct inside in = { .b = b, .view = view, .fn = fn, .arg = arg };
	_cleanup_close_ int pidfd = -1, lock = -1;
	struct fork_mounts thin = { .userns = -1 };
	struct err *e;

	if (b->state.status == BOX_RUNNING) {
		e = box_init_pidfd(b, &pidfd);
		return e ?: userns_call_in(pidfd, b->st->ids.single, in_running, &in, ret_result);
	}
	e = box_lock(b, &lock);
	if (!e && lock < 0)
		e = err_new(0, "container %s was started meanwhile", b->spec.name);
	if (!e && view == INSIDE_MOUNTS)
		e = rootfs_open_thin(b->st, &b->spec.mounts, -1, -1, &thin);
	in.cfg = (struct rootfs_cfg){ .spec = &b->spec,
				      .store_path = b->st->path,
				      .ran = b->state.started_ns != 0,
				      .trees = thin.trees };
	if (!e && thin.userns >= 0)
		e = userns_call_at(thin.userns, b->ids.single, before_stopped, in_stopped, &in,
				   ret_result);
	else if (!e)
		e = userns_call_from(&b->ids, before_stopped, in_stopped, &in, ret_result);
	fork_mounts_done(&thin);
	return e;
}
