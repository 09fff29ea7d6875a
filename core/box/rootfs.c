/* How the root is built (rootfs_mount):
 *   1 overlay of the layers, upper and work, on containers/<id>/root
 *   2 /proc /sys /dev /dev/pts /dev/shm /dev/mqueue, devices of the host bound one by one
 *   3 the user's mounts in the order of their targets' depth, an empty volume first filled from the image
 *   4 /etc/hosts, /etc/hostname, /etc/resolv.conf bound from the container's record
 *   5 what must not be seen or written of /proc and /sys
 * Then rootfs_pivot() makes it the root and lets go of the host's tree.
 *
 * Every mount goes onto a descriptor's /proc/self/fd/N: the path was resolved inside the root before. */
#include "core/box/rootfs.h"

#include <fcntl.h>
#include <fts.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/box/apisock.h"
#include "core/box/keepid.h"
#include "core/box/runopt.h"
#include "core/box/userdb.h"
#include "core/store/fork.h"

enum { COPIED_FILE_MAX = 4 << 20 }; /* of a secret */

static int sys_open_tree(int dir, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir, path, flags);
}

static int sys_move_mount(int from, int to)
{
	return (int)syscall(SYS_move_mount, from, "", to, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int sys_mount_setattr(int fd, unsigned flags, struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, attr, sizeof(*attr));
}

static void fd_path(int fd, char buf[32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
}

struct err *rootfs_open_thin(struct store *st, const struct mounts *m, int userns, int parent,
			     struct fork_mounts *ret)
{
	_cleanup_free_ const char **volumes = xcalloc(m->n + 1, sizeof(*volumes));

	for (size_t i = 0; i < m->n; i++)
		volumes[i] = m->v[i].type == MOUNT_VOLUME ? m->v[i].source : NULL;
	return fork_mounts_open(st, volumes, m->n, userns, parent, ret);
}

/* Where the layer lies, from the layers' directory: layers that are being built have no digest yet, but a path. */
static const char *layer_path(const char *layer)
{
	return str_after(layer, "sha256:") ?: layer;
}

/* The container's directory, from the store's. */
static char *own_dir(const struct rootfs_cfg *cfg, const char *name)
{
	return cfg->dir ? xasprintf("%s/%s", cfg->dir, name)
			: xasprintf("containers/%s/%s", cfg->spec->id, name);
}

/* The socket that the monitor serves.  Without a monitor there is nothing to mount. */
static struct err *open_apisock(const struct rootfs_cfg *cfg, int store, int *ret)
{
	_cleanup_free_ char *path = own_dir(cfg, APISOCK_NAME);

	if (!cfg->api)
		return NULL;
	*ret = sys_open_tree(store, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return *ret < 0 ? err_new(errno, "opening %s", path) : NULL;
}

struct err *rootfs_open_binds(const struct rootfs_cfg *cfg, struct rootfs_binds *ret)
{
	const struct mounts *m = &cfg->spec->mounts;
	struct err *e;

	ret->fds = xmalloc((m->n + 1) * sizeof(int));
	for (size_t i = 0; i < m->n; i++)
		ret->fds[i] = -1;
	e = fd_open(AT_FDCWD, cfg->store_path, O_PATH | O_DIRECTORY, 0, &ret->store);
	for (size_t i = 0; i < m->n && !e; i++) {
		if (m->v[i].type == MOUNT_VOLUME && cfg->trees)
			ret->fds[i] = cfg->trees[i];
		if (m->v[i].type != MOUNT_BIND)
			continue;
		if (apisock_stands_in(&m->v[i])) {
			e = open_apisock(cfg, ret->store, &ret->fds[i]);
			continue;
		}
		ret->fds[i] = sys_open_tree(AT_FDCWD, m->v[i].source,
					    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (ret->fds[i] < 0)
			e = err_new(errno, "mounting %s", m->v[i].source);
	}
	return e;
}

/* The overlay through the new mount API: any number of layers (lowerdir+, Linux 6.5). */
static int overlay_new_api(const struct strv *layers, const char *upper, const char *work,
			   bool is_volatile)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	int rc;

	if (fs < 0)
		return -1;
	rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", "devbox", 0);
	for (size_t i = layers->n; i-- > 0 && rc == 0;) /* topmost first */
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+",
				  layer_path(layers->v[i]), 0);
	if (rc == 0)
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "upperdir", upper, 0);
	if (rc == 0)
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "workdir", work, 0);
	if (rc == 0)
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0);
	if (rc == 0 && is_volatile)
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0);
	if (rc == 0)
		rc = (int)syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return rc < 0 ? -1 : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

/* The same by mount(2), whose options must fit a page: layers as short /proc/self/fd/N. */
static struct err *overlay_old_api(const struct strv *layers, const char *upper, const char *work,
				   bool is_volatile, int target)
{
	_cleanup_str_ struct str opt = { 0 };
	char path[32];
	struct err *e = NULL;
	int *fds = xmalloc(layers->n * sizeof(int));
	size_t n = 0;

	for (; n < layers->n && !e; n++) {
		const char *name = layer_path(layers->v[layers->n - 1 - n]);

		e = fd_open(AT_FDCWD, name, O_PATH | O_DIRECTORY, 0, &fds[n]);
		if (e)
			break;
		str_addf(&opt, "%s/proc/self/fd/%d", n ? ":" : "lowerdir=", fds[n]);
	}
	str_addf(&opt, ",upperdir=%s,workdir=%s,userxattr%s", upper, work,
		 is_volatile ? ",volatile" : "");
	fd_path(target, path);
	if (!e && mount("devbox", path, "overlay", 0, opt.s) < 0)
		e = err_new(errno, "mounting the container's layers (overlayfs)");
	while (n-- > 0)
		close(fds[n]);
	free(fds);
	return err_hint(e, "'devbox doctor' tells whether this kernel and file system allow it");
}

/* A volatile overlay cannot be mounted a second time: only the container itself may have one. */
static struct err *overlay(const struct rootfs_cfg *cfg, int store, bool is_volatile, int *ret_root)
{
	const struct spec *s = cfg->spec;
	_cleanup_free_ char *own_upper = own_dir(cfg, "upper"), *own_work = own_dir(cfg, "work");
	_cleanup_free_ char *upper = xasprintf("../%s", own_upper);
	_cleanup_free_ char *work = xasprintf("../%s", own_work);
	_cleanup_free_ char *root = own_dir(cfg, "root");
	_cleanup_close_ int layers = -1, target = -1, fs = -1;
	struct err *e;

	e = fd_open(store, "layers", O_PATH | O_DIRECTORY, 0, &layers);
	e = e ?: fd_open(store, root, O_PATH | O_DIRECTORY, 0, &target);
	/* layer names are given relative to the working directory */
	if (!e && fchdir(layers) < 0)
		e = err_new(errno, "entering the layers' directory");
	if (e)
		return e;
	/* an image without layers is an empty directory */
	if (!s->layers.n) {
		_cleanup_close_ int tree =
			sys_open_tree(AT_FDCWD, upper, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

		if (tree < 0 || sys_move_mount(tree, target) < 0)
			return err_new(errno, "mounting the container's directory");
		return fd_open(store, root, O_PATH | O_DIRECTORY, 0, ret_root);
	}
	fs = overlay_new_api(&s->layers, upper, work, is_volatile);
	if (fs < 0 && errno == EINVAL && is_volatile) {
		_cleanup_close_ int dir = -1;

		/* a volatile mount whose end was a kill left its mark, overlayfs wants it taken away by hand */
		e = fd_open(store, own_work, O_RDONLY | O_DIRECTORY, 0, &dir);
		e = e ?: fd_rm_tree(dir, "work");
		if (e)
			return e;
		fs = overlay_new_api(&s->layers, upper, work, true);
	}
	if (fs >= 0 && sys_move_mount(fs, target) < 0)
		return err_new(errno, "mounting the container's layers");
	if (fs < 0)
		e = overlay_old_api(&s->layers, upper, work, is_volatile, target);
	return e ?: fd_open(store, root, O_PATH | O_DIRECTORY, 0, ret_root);
}

/* Open ROOT/PATH for mounting onto it, made if missing: a directory, or an empty file. */
static struct err *target_open(int root, const char *path, bool directory, int *ret)
{
	return directory ? fd_mkdir_p(root, path, 0755, ret) : fd_create_p(root, path, 0644, ret);
}

static struct err *mount_at(int root, const char *path, const char *type, unsigned long flags,
			    const char *data)
{
	_cleanup_close_ int target = -1;
	char to[32];
	struct err *e = target_open(root, path, true, &target);

	if (e)
		return err_wrap(e, "mounting /%s", path);
	fd_path(target, to);
	if (mount(type, to, type, flags, data) < 0)
		return err_new(errno, "mounting /%s", path);
	return NULL;
}

/* Bind the host's SOURCE (a path of ours) onto ROOT/PATH. */
static struct err *bind_at(int root, const char *path, const char *source, unsigned long flags)
{
	_cleanup_close_ int target = -1;
	char to[32];
	struct err *e = target_open(root, path, false, &target);

	if (e)
		return err_wrap(e, "mounting /%s", path);
	fd_path(target, to);
	if (mount(source, to, NULL, MS_BIND | flags, NULL) < 0)
		return err_new(errno, "mounting %s on /%s", source, path);
	return NULL;
}

static struct err *set_read_only(int fd, bool recursive)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return sys_mount_setattr(fd, recursive ? AT_RECURSIVE : 0, &attr) < 0
		       ? err_new(errno, "making a mount read-only")
		       : NULL;
}

/* Mount the detached tree on ROOT/TARGET, which becomes a directory or a file as the tree's root is one. */
static struct err *attach_at(int root, const char *target, int tree, bool read_only)
{
	_cleanup_close_ int at = -1;
	struct stat st;
	struct err *e;

	if (fstat(tree, &st) < 0)
		return err_new(errno, "looking at the source of %s", target);
	e = target_open(root, target + 1, S_ISDIR(st.st_mode), &at);
	if (!e && read_only)
		e = set_read_only(tree, true);
	if (!e && sys_move_mount(tree, at) < 0)
		e = err_new(errno, S_ISDIR(st.st_mode)
					   ? "mounting"
					   : "mounting a file (is the target a directory?)");
	return err_wrap(e, "mounting %s", target);
}

static bool dir_is_empty(int fd)
{
	_cleanup_dir_ DIR *d = fd_opendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			return false;
	return true;
}

/* Docker's first-use rule: an empty volume takes over what the image has at its target, owner and mode included.  Once
 * for every container: the one that comes back must not undo what another one did to the directory. */
static struct err *fill_volume(int root, const char *target, int tree)
{
	_cleanup_close_ int src = -1, dst = -1;
	struct err *e;

	e = fd_open_in_root(root, target, O_RDONLY | O_DIRECTORY, 0, &src);
	if (e) {
		err_free(e); /* the image has nothing there */
		return NULL;
	}
	e = fd_open(tree, ".", O_RDONLY | O_DIRECTORY, 0, &dst);
	if (!e && dir_is_empty(dst))
		e = copy_tree(src, dst);
	return err_wrap(e, "filling the volume at %s", target);
}

/* -v :U.  Nothing of the container runs yet, and fts(3) sees through a directory that is swapped for
 * a link by others. */
static struct err *chown_tree(int tree, uid_t uid, gid_t gid)
{
	char path[32];
	char *const roots[] = { path, NULL };
	struct err *e = NULL;
	FTSENT *f;
	FTS *walk;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/", tree);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	if (!walk)
		return err_new(errno, "changing the owner");
	while (!e && (errno = 0, f = fts_read(walk)) != NULL) {
		if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR || f->fts_info == FTS_NS)
			e = err_new(f->fts_errno, "changing the owner of %s", f->fts_name);
		else if (f->fts_info != FTS_DP &&
			 (f->fts_statp->st_uid != uid || f->fts_statp->st_gid != gid) &&
			 lchown(f->fts_accpath, uid, gid) < 0)
			e = err_new(errno, "changing the owner of %s", f->fts_name);
	}
	fts_close(walk);
	return e;
}

static struct err *give_to_user(const struct spec *s, const char *target, int root, int tree)
{
	struct user u = { 0 };
	struct err *e = user_lookup(root, s->user, &u);

	e = e ?: chown_tree(tree, u.uid, u.gid);
	user_done(&u);
	return err_wrap(e, "mounting %s (U)", target);
}

/* A detached copy of the volume, or of what is at the path inside it. */
static struct err *open_volume(const struct mount_spec *m, int store, int *ret_tree)
{
	_cleanup_free_ char *data = xasprintf("volumes/%s/data", m->source);
	_cleanup_close_ int dir = -1, sub = -1;
	struct err *e = fd_open(store, data, O_PATH | O_DIRECTORY, 0, &dir);

	if (!e && m->subpath)
		e = err_wrap(fd_open_in_root(dir, m->subpath, O_PATH, 0, &sub),
			     "path %s of the volume", m->subpath);
	if (e)
		return err_wrap(e, "opening volume %s", m->source);
	*ret_tree = sys_open_tree(m->subpath ? sub : dir, "",
				  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return *ret_tree < 0 ? err_new(errno, "opening volume %s", m->source) : NULL;
}

/* The path inside a volume that is a mount of its own: only what is attached can be cloned. */
static struct err *take_subpath(const struct mount_spec *m, int root, int *tree)
{
	_cleanup_close_ int at = -1, top = -1, sub = -1;
	char path[32];
	struct err *e = target_open(root, m->target + 1, true, &at);

	if (!e && sys_move_mount(*tree, at) < 0)
		e = err_new(errno, "mounting the volume");
	e = e ?: fd_open_in_root(root, m->target + 1, O_PATH | O_DIRECTORY, 0, &top);
	e = e
		    ?: err_wrap(fd_open_in_root(top, m->subpath, O_PATH, 0, &sub),
				"path %s of the volume", m->subpath);
	if (e)
		return e;
	close(TAKE_FD(*tree));
	*tree = sys_open_tree(sub, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	fd_path(top, path);
	if (*tree < 0 || umount2(path, MNT_DETACH) < 0)
		return err_new(errno, "mounting path %s of the volume", m->subpath);
	return NULL;
}

/* A detached file in memory with the content of what TREE is. */
static struct err *copy_file(const struct mount_spec *m, int tree, int *ret)
{
	_cleanup_close_ int fs = -1, top = -1, file = -1;
	_cleanup_free_ char *text = NULL;
	char path[32];
	size_t len;
	struct err *e;

	fd_path(tree, path);
	e = fd_read_file(AT_FDCWD, path, COPIED_FILE_MAX, &text, &len);
	if (e)
		return e;
	fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		top = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				   MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (top < 0)
		return err_new(errno, "making a file in memory");
	e = fd_open(top, "file", O_WRONLY | O_CREAT | O_EXCL, 0600, &file);
	e = e ?: fd_write_all(file, "a file in memory", text, len);
	explicit_bzero(text, len);
	if (!e && (fchown(file, m->uid, m->gid) < 0 || fchmod(file, m->mode) < 0))
		e = err_new(errno, "giving a file to %u:%u", m->uid, m->gid);
	if (e)
		return e;
	*ret = sys_open_tree(top, "file", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return *ret < 0 ? err_new(errno, "opening a file in memory") : NULL;
}

static struct err *user_mount(const struct rootfs_cfg *cfg, size_t entry, int root, int store, int bind)
{
	const struct spec *s = cfg->spec;
	const struct mount_spec *m = &s->mounts.v[entry];
	_cleanup_close_ int tree = -1;
	struct err *e = NULL;

	if (m->type == MOUNT_TMPFS)
		return mount_at(root, m->target + 1, "tmpfs",
				MS_NODEV | (m->suid ? 0 : MS_NOSUID) | (m->exec ? 0 : MS_NOEXEC) |
					(m->read_only ? MS_RDONLY : 0),
				m->options && *m->options ? m->options : NULL);
	if (m->type == MOUNT_VOLUME) {
		if (bind >= 0) {
			tree = bind;
			e = m->subpath ? take_subpath(m, root, &tree) : NULL;
		} else {
			e = open_volume(m, store, &tree);
		}
		if (!e && !m->no_copy && !m->subpath && !cfg->ran)
			e = fill_volume(root, m->target, tree);
		bind = tree;
	}
	if (!e && bind < 0) /* Docker's socket, which nobody serves now */
		return NULL;
	if (m->copied) {
		e = err_wrap(copy_file(m, bind, &tree), "mounting %s", m->target);
		bind = tree;
	}
	if (!e && m->chown)
		e = give_to_user(s, m->target, root, bind);
	return e ?: attach_at(root, m->target, bind, m->read_only);
}

static size_t path_depth(const char *p)
{
	size_t n = 0;

	for (; *p; p++)
		n += *p == '/' && p[1];
	return n;
}

/* Parents before children, whatever order they were given in. */
static struct err *user_mounts(const struct rootfs_cfg *cfg, const struct rootfs_binds *b, int root)
{
	const struct mounts *m = &cfg->spec->mounts;
	struct err *e = NULL;
	size_t done = 0;

	for (size_t depth = 0; done < m->n && !e; depth++)
		for (size_t i = 0; i < m->n && !e; i++)
			if (path_depth(m->v[i].target) == depth) {
				e = user_mount(cfg, i, root, b->store, b->fds[i]);
				done++;
			}
	return e;
}

static struct err *dev(const struct spec *s, int root)
{
	static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
	static const struct {
		const char *name, *to;
	} links[] = { { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
		      { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
		      { "core", "/proc/kcore" },       { "ptmx", "pts/ptmx" } };
	_cleanup_close_ int dir = -1;
	char shm[48];
	struct err *e;

	e = mount_at(root, "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k");
	e = e ?: fd_open_in_root(root, "dev", O_PATH | O_DIRECTORY, 0, &dir);
	for (size_t i = 0; i < ARRAY_LEN(nodes) && !e; i++) {
		_cleanup_free_ char *host = xasprintf("/dev/%s", nodes[i]);

		e = bind_at(dir, nodes[i], host, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(links) && !e; i++)
		if (symlinkat(links[i].to, dir, links[i].name) < 0)
			e = err_new(errno, "making /dev/%s", links[i].name);
	if (!e) {
		e = mount_at(dir, "pts", "devpts", MS_NOSUID | MS_NOEXEC,
			     "newinstance,ptmxmode=0666,mode=0620,gid=5");
		if (err_is(e, EINVAL)) { /* only one id is mapped: there is no group 5 */
			err_free(e);
			e = mount_at(dir, "pts", "devpts", MS_NOSUID | MS_NOEXEC,
				     "newinstance,ptmxmode=0666,mode=0620");
		}
	}
	snprintf(shm, sizeof(shm), "mode=1777,size=%lld",
		 (long long)(s->shm_bytes ? s->shm_bytes : SHM_DEFAULT));
	e = e ?: mount_at(dir, "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, shm);
	return e ?: mount_at(dir, "mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static struct err *sys(const struct rootfs_cfg *cfg, int root)
{
	const unsigned long flags =
		MS_NOSUID | MS_NODEV | MS_NOEXEC | (cfg->spec->privileged ? 0 : MS_RDONLY);
	_cleanup_close_ int tree = -1;
	struct err *e;

	if (!cfg->host_net) {
		e = mount_at(root, "sys", "sysfs", flags, NULL);
		if (!e) /* best effort: a machine without cgroup v2 has nothing to show */
			err_free(mount_at(root, "sys/fs/cgroup", "cgroup2", flags, NULL));
		return e;
	}
	/* sysfs shows a network namespace and is mountable only by its owner: show the host's, read-only */
	tree = sys_open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return err_new(errno, "mounting /sys");
	return attach_at(root, "/sys", tree, true);
}

static struct err *set_sysctls(const struct spec *s, int root)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < s->sysctls.n; i++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_close_ int fd = -1;
		const char *value;

		e = sysctl_parse(s->sysctls.v[i], s->net, &path, &value);
		e = e ?: fd_open_in_root(root, path, O_WRONLY, 0, &fd);
		if (!e && write(fd, value, strlen(value)) < 0)
			e = err_new(errno, "writing /%s", path);
		e = err_wrap(e, "sysctl %s", s->sysctls.v[i]);
	}
	return e;
}

static struct err *hide(int root)
{
	static const char *const masked[] = { "proc/asound",	  "proc/acpi",
					      "proc/interrupts",  "proc/kcore",
					      "proc/keys",	  "proc/latency_stats",
					      "proc/timer_list",  "proc/timer_stats",
					      "proc/sched_debug", "proc/scsi",
					      "sys/firmware",	  "sys/devices/virtual/powercap" };
	static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
						 "proc/sysrq-trigger" };
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(masked) && !e; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		char to[32];

		e = fd_open_in_root(root, masked[i], O_PATH | O_NOFOLLOW, 0, &fd);
		if (e) {
			err_free(e); /* this kernel has no such file */
			e = NULL;
			continue;
		}
		fd_path(fd, to);
		if (fstat(fd, &st) < 0 ||
		    (S_ISDIR(st.st_mode) ? mount("tmpfs", to, "tmpfs", MS_RDONLY, "size=0")
					 : mount("/dev/null", to, NULL, MS_BIND, NULL)) < 0)
			e = err_new(errno, "hiding /%s", masked[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(read_only) && !e; i++) {
		_cleanup_close_ int at = -1, tree = -1;

		e = fd_open_in_root(root, read_only[i], O_PATH, 0, &at);
		if (e) {
			err_free(e); /* as above */
			e = NULL;
			continue;
		}
		tree = sys_open_tree(
			at, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (tree < 0)
			e = err_new(errno, "protecting /%s", read_only[i]);
		e = e ?: set_read_only(tree, true);
		if (!e && sys_move_mount(tree, at) < 0)
			e = err_new(errno, "protecting /%s", read_only[i]);
	}
	return e;
}

static bool is_mount_target(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->mounts.n; i++)
		if (!strcmp(s->mounts.v[i].target, path))
			return true;
	return false;
}

static struct err *etc_files(const struct rootfs_cfg *cfg, int root, int store)
{
	static const char *const files[] = { "hosts", "hostname", "resolv.conf" };
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(files) && !e; i++) {
		_cleanup_free_ char *from = own_dir(cfg, files[i]);
		_cleanup_free_ char *to = xasprintf("/etc/%s", files[i]);
		_cleanup_close_ int tree = -1;

		if (is_mount_target(cfg->spec, to))
			continue; /* the user brings an own one */
		tree = sys_open_tree(store, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (tree < 0)
			e = err_new(errno, "opening %s", from);
		e = e ?: attach_at(root, to, tree, false);
	}
	return e;
}

struct err *rootfs_mount(const struct rootfs_cfg *cfg, const struct rootfs_binds *binds, int *ret_root)
{
	_cleanup_close_ int root = -1;
	struct err *e = NULL;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_new(errno, "making mounts private");
	e = overlay(cfg, binds->store, cfg->spec->auto_remove, &root);
	e = e ?: mount_at(root, "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	e = e ?: sys(cfg, root);
	e = e ?: dev(cfg->spec, root);
	e = e ?: user_mounts(cfg, binds, root);
	e = e ?: etc_files(cfg, root, binds->store);
	e = e ?: set_sysctls(cfg->spec, root);
	if (!e && cfg->spec->userns)
		e = keepid_settle(root, cfg->ids, cfg->spec);
	if (!e && !cfg->spec->unmasked)
		e = hide(root);
	if (!e)
		*ret_root = TAKE_FD(root);
	return e;
}

struct err *rootfs_mount_files(const struct rootfs_cfg *cfg, const struct rootfs_binds *binds,
			       bool mounts, int *ret_root)
{
	_cleanup_close_ int root = -1;
	struct err *e = NULL;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_new(errno, "making mounts private");
	e = overlay(cfg, binds->store, cfg->dir != NULL, &root);
	if (!e && mounts)
		e = user_mounts(cfg, binds, root);
	if (!e)
		*ret_root = TAKE_FD(root);
	return e;
}

struct err *rootfs_pty(int root, bool console, int *ret_master, int *ret_slave)
{
	_cleanup_close_ int master = -1, slave = -1;
	struct err *e;
	int unlock = 0;
	char from[32];

	e = fd_open_in_root(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, &master);
	if (!e && (ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
		   (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0))
		e = err_new(errno, "opening a terminal");
	if (!e && console) {
		fd_path(slave, from);
		e = bind_at(root, "dev/console", from, 0);
	}
	if (e)
		return e;
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return NULL;
}

struct err *rootfs_pivot(int root, bool read_only)
{
	struct err *e = read_only ? set_read_only(root, false) : NULL;

	if (e)
		return e;
	/* pivot_root(2), "pivot_root(".", ".")": the old root lies over the new one and is taken away */
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_new(errno, "changing to the container's root");
	return NULL;
}
