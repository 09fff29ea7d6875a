/* Changes are read off the overlay's upper directory as the namespace's root: what is there was added or changed, a
 * character device 0:0 stands for what was deleted, and the attribute user.overlay.opaque for a directory that hides
 * the one below. */
#include "core/box/changes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/box/inside.h"
#include "core/box/tarout.h"

enum { DEPTH_MAX = 1000 };

struct changes {
	struct box *b;
	int upper, out;
	int *layers; /* topmost first */
	size_t n_layers;
};

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_opaque(int fd)
{
	char value = 0;

	return fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* What the layers had at PATH (without a slash at its start). */
static bool lower_stat(const struct changes *c, const char *path, struct stat *ret)
{
	for (size_t i = 0; i < c->n_layers; i++) {
		bool hidden = false;

		for (const char *slash = path; !hidden; slash++) {
			_cleanup_free_ char *part = NULL;
			_cleanup_close_ int fd = -1;
			struct stat st;

			slash += strcspn(slash, "/");
			part = xstrndup(path, (size_t)(slash - path));
			if (fstatat(c->layers[i], part, &st, AT_SYMLINK_NOFOLLOW) < 0)
				break;
			if (!*slash) {
				*ret = st;
				return !is_whiteout(&st);
			}
			if (!S_ISDIR(st.st_mode))
				return false;
			fd = openat(c->layers[i], part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0 && is_opaque(fd)) {
				/* nothing further down counts; what is in this layer does */
				if (fstatat(c->layers[i], path, ret, AT_SYMLINK_NOFOLLOW) == 0)
					return !is_whiteout(ret);
				hidden = true;
			}
		}
		if (hidden)
			return false;
	}
	return false;
}

/* What starting a container makes, to mount onto. */
static bool is_ours(const char *path, const struct stat *st)
{
	static const char *const files[] = { "etc/hosts", "etc/hostname", "etc/resolv.conf" };
	static const char *const dirs[] = { "dev", "proc", "sys" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!strcmp(path, files[i]))
			return S_ISREG(st->st_mode) && st->st_size == 0;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (!strcmp(path, dirs[i]))
			return S_ISDIR(st->st_mode);
	return false;
}

/* The entries of the layers' PATH that an opaque directory with the entries HERE hides. */
static struct err *hidden(const struct changes *c, const char *path, const struct strv *here,
			  struct str *out)
{
	_cleanup_strv_ struct strv below = { 0 };
	struct err *e = NULL;
	struct stat st;

	for (size_t i = 0; !e && i < c->n_layers; i++) {
		_cleanup_close_ int fd =
			openat(c->layers[i], path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			e = fd_list(fd, &below);
	}
	strv_sort(&below);
	for (size_t i = 0; !e && i < below.n; i++) {
		_cleanup_free_ char *full = xasprintf("%s/%s", path, below.v[i]);

		if ((i == 0 || strcmp(below.v[i], below.v[i - 1])) && !strv_has(here, below.v[i]) &&
		    lower_stat(c, full, &st))
			str_addf(out, "D /%s\n", full);
	}
	return e;
}

static struct err *walk(const struct changes *c, int dir, const char *path, unsigned depth,
			struct str *out)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = depth > DEPTH_MAX ? err_new(ELOOP, "/%s", path) : fd_list(dir, &names);

	if (!e && *path && is_opaque(dir))
		e = hidden(c, path, &names, out);
	for (size_t i = 0; !e && i < names.n; i++) {
		_cleanup_free_ char *full = xasprintf("%s%s%s", path, *path ? "/" : "", names.v[i]);
		_cleanup_str_ struct str below = { 0 };
		_cleanup_close_ int fd = -1;
		struct stat st, old = { 0 };
		bool had;

		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* removed meanwhile */
		had = lower_stat(c, full, &old);
		if (is_whiteout(&st)) {
			if (had)
				str_addf(out, "D /%s\n", full);
			continue;
		}
		if (is_ours(full, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			e = fd_open(dir, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);
			e = e ?: walk(c, fd, full, depth + 1, &below);
			/* copied up on the way to something that is ours */
			if (!e && had && !below.len && st.st_mode == old.st_mode &&
			    st.st_uid == old.st_uid && st.st_gid == old.st_gid &&
			    (st.st_mtim.tv_sec == old.st_mtim.tv_sec || str_eq(full, "etc")))
				continue;
		}
		str_addf(out, "%c /%s\n", had ? 'C' : 'A', full);
		if (below.len)
			str_addn(out, below.s, below.len);
	}
	return e;
}

static struct err *changes_inside(void *arg, UNUSED struct str *result)
{
	struct changes *c = arg;
	_cleanup_str_ struct str out = { 0 };
	struct err *e = walk(c, c->upper, "", 0, &out);

	return e ?: out.len ? fd_write_all(c->out, "the list of changes", out.s, out.len) : NULL;
}

static struct err *layer_inside(void *arg, UNUSED struct str *result)
{
	struct changes *c = arg;
	struct tarout t = { .fd = c->out, .layer = true, .skip = is_ours };
	struct err *e = tarout_tree(&t, c->upper, ".", "", false);

	e = e ?: tarout_end(&t);
	tarout_done(&t);
	return e;
}

static struct err *export_inside(int root, void *arg, UNUSED struct str *result)
{
	struct tarout t = { .fd = *(const int *)arg };
	struct err *e = tarout_tree(&t, root, ".", "", false);

	e = e ?: tarout_end(&t);
	tarout_done(&t);
	return e;
}

static struct err *in_upper(struct box *b, int out, struct err *(*fn)(void *, struct str *))
{
	const struct strv *ids = &b->spec.layers;
	struct changes c = { .b = b, .out = out, .upper = -1, .layers = xcalloc(ids->n + 1, sizeof(int)) };
	struct err *e = fd_open(b->dir, "upper", O_PATH | O_DIRECTORY, 0, &c.upper);

	for (size_t i = ids->n; i-- > 0 && !e; c.n_layers++) {
		e = fd_open(b->st->layers, ids->v[i] + strlen("sha256:"), O_PATH | O_DIRECTORY, 0,
			    &c.layers[c.n_layers]);
		if (e)
			break;
	}
	e = e ?: userns_call(&b->ids, fn, &c, NULL);
	while (c.n_layers)
		close(c.layers[--c.n_layers]);
	free(c.layers);
	if (c.upper >= 0)
		close(c.upper);
	return e;
}

struct err *box_changes(struct box *b, struct str *ret)
{
	_cleanup_close_ int out = memfd_create("changes", MFD_CLOEXEC);
	char buf[65536];
	struct err *e;
	ssize_t n;

	if (out < 0)
		return err_new(errno, "making a memory file");
	e = in_upper(b, out, changes_inside);
	if (!e && lseek(out, 0, SEEK_SET) < 0)
		e = err_new(errno, "rewinding");
	while (!e && (n = read(out, buf, sizeof(buf))) > 0)
		str_addn(ret, buf, (size_t)n);
	return e;
}

struct err *box_layer(struct box *b, int fd)
{
	return in_upper(b, fd, layer_inside);
}

struct err *box_export(struct box *b, int fd)
{
	return box_inside(b, INSIDE_ROOT, export_inside, &fd, NULL);
}
