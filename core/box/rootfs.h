/* core/box/rootfs.h -- the container's file tree, built by the child that becomes its first process.
 * Called inside the new user and mount namespaces.  Paths of the image are resolved inside its root (openat2), and
 * mounted onto through descriptors, so that a symbolic link in an image leads nowhere else. */
#ifndef CORE_BOX_ROOTFS_H
#define CORE_BOX_ROOTFS_H

#include "core/box/spec.h"
#include "core/store/fork.h"

struct rootfs_cfg {
	const struct spec *spec;
	const char *store_path; /* host's view; "." if it is the working directory */
	/* The container's directory in the store: upper, work, root, files of /etc.  NULL: containers/<id>; others are
	 * used once, so nothing of them is synced. */
	const char *dir;
	bool ran; /* it did before: a volume that is empty now is left as it is */
	bool host_net; /* the network namespace is not ours: /sys is bound, not mounted */
	const struct userns_ids *ids; /* the mapping; needed where spec->userns is */
	bool api; /* the monitor serves Docker's socket, see apisock.h */
	const int *trees; /* of thin volumes, one per spec->mounts entry or -1 (rootfs_open_thin()); NULL: none is */
};

/* The thin ones among a container's volumes, before its namespaces are made: it has to be in the user namespace that
 * comes with them.  USERNS: see fork_mounts_open(). */
struct err *rootfs_open_thin(struct store *st, const struct mounts *m, int userns, int parent,
			     struct fork_mounts *ret) MUST_CHECK;

/* Detached copies of the bind mounts' sources: taken before the identity changes, while host paths are still walked
 * with the caller's own rights. */
struct rootfs_binds {
	int *fds; /* one per spec->mounts entry: the tree of a bind or a thin volume, -1 for others */
	int store; /* the store in the new mount namespace */
};
struct err *rootfs_open_binds(const struct rootfs_cfg *cfg, struct rootfs_binds *ret) MUST_CHECK;
/* Mount everything on containers/<id>/root and make it the root directory.  As the namespace's root.
 * CONSOLE: the terminal's slave side to show as /dev/console, or NULL; made by rootfs_pty(). */
struct err *rootfs_mount(const struct rootfs_cfg *cfg, const struct rootfs_binds *binds,
			 int *ret_root) MUST_CHECK;
/* The files alone, for who looks at a container that does not run: layers, and with MOUNTS the user's mounts. */
struct err *rootfs_mount_files(const struct rootfs_cfg *cfg, const struct rootfs_binds *binds,
			       bool mounts, int *ret_root) MUST_CHECK;
/* A terminal from the container's own devpts: master and slave; the slave also becomes /dev/console. */
struct err *rootfs_pty(int root, bool console, int *ret_master, int *ret_slave) MUST_CHECK;
struct err *rootfs_pivot(int root, bool read_only) MUST_CHECK;

#endif
