#include "core/store/dirs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"

static struct err *home_data_dir(char **ret)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		*ret = xasprintf("%s/devbox", xdg);
	else if (home && *home == '/')
		*ret = xasprintf("%s/.local/share/devbox", home);
	else
		return err_hint(
			err_new(0, "no place for devbox's storage: neither XDG_DATA_HOME nor HOME is an absolute path"),
			"set HOME");
	return NULL;
}

static struct err *mkdir_parents(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return err_new(errno, "creating %s", copy);
		*p = '/';
	}
	return NULL;
}

/* Open directory NAME in DIR, made on first use and then given to the inner root. */
static struct err *own_dir(const struct userns_ids *ids, int dir, const char *name, int *ret)
{
	struct err *e;

	*ret = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret >= 0)
		return NULL;
	if (errno != ENOENT)
		return err_new(errno, "opening %s", name);
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_new(errno, "creating %s", name);
	e = fd_open(dir, name, O_RDONLY | O_DIRECTORY, 0, ret);
	if (!e && ids->direct && fchown(*ret, ids->root_uid, ids->root_gid) < 0)
		e = err_new(errno, "giving %s to uid %u", name, ids->root_uid);
	return e;
}

struct err *store_open(struct store **ret)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct store *st = xcalloc(1, sizeof(*st));
	int blobs = -1;
	struct err *e;

	st->root = st->blobs = st->layers = st->containers = st->names = st->volumes =
		st->networks = st->cache = st->tmp = st->sealed = st->trash = st->cow = -1;
	userns_ids_load(&st->ids);
	e = home_data_dir(&st->path);
	if (!e) {
		e = own_dir(&st->ids, AT_FDCWD, st->path, &st->root);
		if (err_is(e, ENOENT)) {
			err_free(e); /* first use: the parents are missing too */
			e = mkdir_parents(st->path);
			e = e ?: own_dir(&st->ids, AT_FDCWD, st->path, &st->root);
		}
	}
	e = e ?: own_dir(&st->ids, st->root, "blobs", &blobs);
	e = e ?: own_dir(&st->ids, blobs, "sha256", &st->blobs);
	if (blobs >= 0)
		close(blobs);
	e = e ?: own_dir(&st->ids, st->root, "layers", &st->layers);
	e = e ?: own_dir(&st->ids, st->root, "containers", &st->containers);
	e = e ?: own_dir(&st->ids, st->root, "names", &st->names);
	e = e ?: own_dir(&st->ids, st->root, "volumes", &st->volumes);
	e = e ?: own_dir(&st->ids, st->root, "networks", &st->networks);
	e = e ?: own_dir(&st->ids, st->root, "cache", &st->cache);
	e = e ?: own_dir(&st->ids, st->root, "tmp", &st->tmp);
	e = e ?: own_dir(&st->ids, st->root, "sealed", &st->sealed);
	e = e ?: own_dir(&st->ids, st->root, "trash", &st->trash);
	e = e ?: own_dir(&st->ids, st->root, "cow", &st->cow);
	if (!e && faccessat(st->root, "oci-layout", F_OK, 0) < 0)
		e = fd_write_atomic(st->root, "oci-layout", layout, sizeof(layout) - 1, 0644, false);
	if (e) {
		e = err_wrap(e, "opening the storage %s", st->path ?: "");
		store_free(st);
		return e;
	}
	*ret = st;
	return NULL;
}

void store_fds(const struct store *st, int ret[STORE_FDS])
{
	const int fds[] = { st->root,  st->blobs,   st->layers,	  st->containers,
			    st->names, st->volumes, st->networks, st->cache,
			    st->tmp,   st->sealed,  st->trash,	  st->cow };

	_Static_assert(ARRAY_LEN(fds) == STORE_FDS, "each of them");
	memcpy(ret, fds, sizeof(fds));
}

void store_free(struct store *st)
{
	if (!st)
		return;

	int fds[STORE_FDS];

	store_fds(st, fds);

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	userns_ids_done(&st->ids);
	free(st->path);
	free(st);
}

struct err *store_lock(struct store *st, int *ret_fd)
{
	return err_wrap(lock_take(st->root, "lock", false, ret_fd), "locking the storage");
}

/* *RET_DIR is -1 if a sweep came between the directory's birth and its lock, and took it for garbage. */
static struct err *try_stage(struct store *st, const char *name, int *ret_dir)
{
	_cleanup_close_ int fd = -1;
	struct err *e = own_dir(&st->ids, st->tmp, name, &fd);
	struct stat sb;

	*ret_dir = -1;
	if (err_is(e, ENOENT)) {
		err_free(e); /* gone before it was opened */
		return NULL;
	}
	if (e)
		return e;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? NULL : err_new(errno, "locking a staging directory");
	if (fstat(fd, &sb) == 0 && sb.st_nlink > 0)
		*ret_dir = TAKE_FD(fd);
	return NULL;
}

struct err *store_stage(struct store *st, const char *prefix, char **ret_name, int *ret_dir)
{
	struct err *e = NULL;
	int fd = -1;

	for (int tries = 0; !e && tries < 100; tries++) {
		unsigned char random[8];
		char hex[2 * sizeof(random) + 1];
		_cleanup_free_ char *name = NULL;

		random_bytes(random, sizeof(random));
		str_hex(random, sizeof(random), hex);
		name = xasprintf("%s.%s", prefix, hex);
		e = try_stage(st, name, &fd);
		if (!e && fd >= 0) {
			*ret_dir = fd;
			*ret_name = TAKE_PTR(name);
			return NULL;
		}
	}
	return e ?: err_new(EBUSY, "making a staging directory");
}

struct rm_arg {
	int dir;
	const char *name;
};

static struct err *rm_inside(void *arg, struct str *result UNUSED)
{
	struct rm_arg *a = arg;

	return fd_rm_tree(a->dir, a->name);
}

struct err *store_rm_tree(struct store *st, int dir, const char *name)
{
	struct rm_arg a = { dir, name };
	struct err *e = fd_rm_tree(dir, name);

	if (!err_is(e, EACCES) && !err_is(e, EPERM))
		return e;
	err_free(e); /* files of mapped users: only the namespace's root can remove them */
	return userns_call(&st->ids, rm_inside, &a, NULL);
}

void store_sweep(struct store *st)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->tmp);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL) {
		_cleanup_close_ int fd = -1;

		if (*de->d_name == '.')
			continue;
		fd = openat(st->tmp, de->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue; /* in use */
		err_free(store_rm_tree(st, st->tmp, de->d_name)); /* best effort: the next sweep tries again */
	}
}
