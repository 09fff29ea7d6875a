/* How it works
 *
 * libarchive takes the stream apart; every entry is made relative to a descriptor of its directory, of which the last
 * few are kept.  A file costs openat, write per 256 KiB, utimensat and close, plus fchown for an owner other than root
 * and fchmod for set-id bits (which open() sets too, but chown takes away).
 *
 * Directories get their owner, set-id bits and time at the end: a set-group-id directory would hand its group to what
 * is put into it, and every entry changes the time.
 *
 * The process runs in the "C" locale: libarchive then hands names through as they are, byte by byte, and only warns
 * (ARCHIVE_WARN) about those that are not ASCII.  In a UTF-8 locale it would normalize them. */
#include "registry/layer_priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/fd.h"

enum {
	DIRS_KEPT = 32,
	HOLE_MIN = 4096, /* zeros shorter than this are written */
	ENTRIES_MAX = 20000000,
	LINKS_MAX = 100000, /* to files of the layers below */
	DIR_TEXT_MAX = 256 << 20, /* names of directories waiting for their attributes */
};
#define CONTENT_MAX ((uint64_t)1 << 42) /* 4 TiB */

struct open_dir {
	char *path; /* clean; NULL: slot is free */
	size_t len;
	int fd; /* O_PATH */
	uint64_t used;
};

struct late_dir {
	char *path;
	mode_t mode;
	bool chmod; /* was not made with these bits */
	int64_t uid, gid;
	struct timespec mtime;
};

struct unpack {
	int root;
	const struct userns_ids *ids;
	const struct layer_source *src;
	struct err *src_error;
	struct archive *a;
	struct layer_stats st;
	struct open_dir dirs[DIRS_KEPT];
	uint64_t clock;
	struct layer_links *links;
	struct late_dir *late;
	size_t n_late, late_cap, late_text;
	bool replaced; /* some name was given to something else */
	bool stale; /* so the descriptors in DIRS may be of other directories than their paths say */
};

/* --- names -------------------------------------------------------------------------------- */

bool layer_clean_name(const char *name, char **ret)
{
	_cleanup_free_ char *out = xmalloc(strlen(name) + 1);
	size_t len = 0;

	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && name[0] == '.' && name[1] == '.') {
			if (!len)
				return false;
			while (len && out[len - 1] != '/')
				len--;
			if (len)
				len--;
		} else if (n && !(n == 1 && *name == '.')) {
			if (len)
				out[len++] = '/';
			memcpy(out + len, name, n);
			len += n;
		}
		name += n;
		name += *name == '/';
	}
	out[len] = '\0';
	*ret = TAKE_PTR(out);
	return true;
}

/* --- directories
 * --------------------------------------------------------------------------------------------------- */

static void forget_dirs(struct unpack *u)
{
	for (size_t i = 0; i < DIRS_KEPT; i++) {
		if (u->dirs[i].path)
			close(u->dirs[i].fd);
		free(u->dirs[i].path);
		u->dirs[i] = (struct open_dir){ 0 };
	}
}

static int keep_dir(struct unpack *u, const char *path, size_t len, int fd)
{
	struct open_dir *d = &u->dirs[0];

	for (size_t i = 0; i < DIRS_KEPT; i++)
		if (u->dirs[i].used < d->used)
			d = &u->dirs[i];
	if (d->path)
		close(d->fd);
	free(d->path);
	*d = (struct open_dir){ xstrndup(path, len), len, fd, ++u->clock };
	return fd;
}

int layer_open_below(int root, const char *path, int *ret_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0)
		return errno;
	*ret_fd = fd;
	return 0;
}

static struct err *get_dir(struct unpack *u, const char *path, size_t len, int *ret_fd);

/* Split clean PATH into its directory's descriptor (kept by U) and its last component; "." for the root. */
static struct err *locate(struct unpack *u, const char *path, int *ret_dir, const char **ret_base)
{
	const char *slash = strrchr(path, '/');

	*ret_base = slash ? slash + 1 : *path ? path : ".";
	return get_dir(u, path, slash ? (size_t)(slash - path) : 0, ret_dir);
}

/* Directories that no entry announced are made as Docker makes them: root's, 0755. */
static struct err *make_dir(struct unpack *u, const char *path, int *ret_fd)
{
	const char *base;
	struct err *e;
	int dir, rc;

	e = locate(u, path, &dir, &base);
	if (e)
		return e;
	if (mkdirat(dir, base, 0755) < 0 && errno != EEXIST)
		return err_new(errno, "creating directory %s", path);
	rc = layer_open_below(u->root, path, ret_fd);
	return rc ? err_new(rc, "opening directory %s", path) : NULL;
}

/* The directory PATH[0..LEN), if it is there; *ret_fd is -1 if not.  The descriptor stays U's. */
static struct err *find_dir(struct unpack *u, const char *path, size_t len, int *ret_fd)
{
	_cleanup_free_ char *copy = NULL;
	int fd = -1, rc;

	*ret_fd = u->root;
	if (!len)
		return NULL;
	for (size_t i = 0; i < DIRS_KEPT; i++) {
		struct open_dir *d = &u->dirs[i];

		if (d->len == len && d->path && !memcmp(d->path, path, len)) {
			d->used = ++u->clock;
			*ret_fd = d->fd;
			return NULL;
		}
	}
	copy = xstrndup(path, len);
	rc = layer_open_below(u->root, copy, &fd);
	if (rc && rc != ENOENT)
		return err_new(rc, "opening directory %s", copy);
	*ret_fd = rc ? -1 : keep_dir(u, path, len, fd);
	return NULL;
}

/* The same, made if it is missing. */
static struct err *get_dir(struct unpack *u, const char *path, size_t len, int *ret_fd)
{
	struct err *e = find_dir(u, path, len, ret_fd);
	_cleanup_free_ char *copy = NULL;
	int fd = -1;

	if (e || *ret_fd >= 0)
		return e;
	copy = xstrndup(path, len);
	e = make_dir(u, copy, &fd);
	if (!e)
		*ret_fd = keep_dir(u, path, len, fd);
	return e;
}

static void add_late(struct unpack *u, char *path, bool kept, struct archive_entry *ae)
{
	u->late = xgrow(u->late, u->n_late, &u->late_cap, sizeof(*u->late));
	u->late_text += strlen(path) + sizeof(*u->late);
	u->late[u->n_late++] = (struct late_dir){
		.path = path,
		.mode = archive_entry_perm(ae) & 07777,
		.chmod = kept || (archive_entry_perm(ae) & 07000),
		.uid = archive_entry_uid(ae),
		.gid = archive_entry_gid(ae),
		.mtime = { archive_entry_mtime(ae), archive_entry_mtime_nsec(ae) },
	};
}

/* --- attributes
 * ---------------------------------------------------------------------------------------------------- */

/* Which of the two can be given away here; the rest stays with the inner root, and is counted. */
static bool want_owner(struct unpack *u, int64_t *uid, int64_t *gid)
{
	bool uid_ok = *uid >= 0 && *uid < UINT32_MAX && userns_has_uid(u->ids, (uint32_t)*uid);
	bool gid_ok = *gid >= 0 && *gid < UINT32_MAX && userns_has_gid(u->ids, (uint32_t)*gid);

	u->st.owners += !uid_ok || !gid_ok;
	if (!uid_ok)
		*uid = 0;
	if (!gid_ok)
		*gid = 0;
	return *uid || *gid;
}

/* DIR/BASE, or FD if it is not -1. */
static struct err *set_owner(struct unpack *u, int fd, int dir, const char *base, int64_t uid,
			     int64_t gid)
{
	int rc;

	if (!want_owner(u, &uid, &gid))
		return NULL;
	if (fd >= 0)
		rc = fchown(fd, (uid_t)uid, (gid_t)gid);
	else
		rc = fchownat(dir, base, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW);
	if (rc < 0 && errno != EINVAL && errno != EPERM)
		return err_new(errno, "giving it to %lld:%lld", (long long)uid, (long long)gid);
	u->st.owners += rc < 0;
	return NULL;
}

bool layer_wants_xattr(const char *name)
{
	if (str_starts(name, "user.overlay."))
		return false; /* would speak to overlayfs in the layer's name */
	return str_starts(name, "user.") || str_eq(name, "security.capability");
}

static struct err *set_xattrs(struct unpack *u, int fd, int dir, const char *base,
			      struct archive_entry *ae)
{
	_cleanup_free_ char *path = NULL;
	const char *name;
	const void *value;
	size_t size;

	if (!archive_entry_xattr_reset(ae))
		return NULL;
	while (archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK) {
		int rc;

		if (!name || !layer_wants_xattr(name))
			continue;
		if (fd < 0 && !path)
			path = xasprintf("/proc/self/fd/%d/%s", dir, base);
		rc = fd >= 0 ? fsetxattr(fd, name, value, size, 0)
			     : lsetxattr(path, name, value, size, 0);
		if (rc < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
			return err_new(errno, "setting attribute %s", name);
		u->st.attributes += rc < 0; /* not on links, not on this file system, not ours to give */
	}
	return NULL;
}

static void get_times(struct archive_entry *ae, struct timespec ts[2])
{
	ts[1].tv_sec = archive_entry_mtime(ae);
	ts[1].tv_nsec = archive_entry_mtime_nsec(ae);
	if (ts[1].tv_nsec < 0 || ts[1].tv_nsec > 999999999)
		ts[1].tv_nsec = 0;
	ts[0] = ts[1];
}

/* Everything but the time, of what is no regular file. */
static struct err *set_attributes(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	struct timespec ts[2];
	struct err *e;

	e = set_owner(u, -1, dir, base, archive_entry_uid(ae), archive_entry_gid(ae));
	e = e ?: set_xattrs(u, -1, dir, base, ae);
	if (e)
		return e;
	get_times(ae, ts);
	if (utimensat(dir, base, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "setting its time");
	return NULL;
}

/* --- making room
 * --------------------------------------------------------------------------------------------------- */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static struct err *set_opaque(int dir, const char *base)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", dir, base);

	if (lsetxattr(path, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_hint(err_new(errno, "marking it opaque"),
				errno == ENOTSUP ? "the file system of the storage has no user attributes"
						 : "'devbox doctor' looks at the storage");
	return NULL;
}

/* BASE exists in DIR and an entry of the same name comes.  A directory stays if another one comes (*ret_kept). */
static struct err *make_room(struct unpack *u, int dir, const char *base, bool dir_comes,
			     bool *ret_kept, bool *ret_was_whiteout)
{
	struct stat st;

	*ret_kept = *ret_was_whiteout = false;
	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "looking at it");
	if (S_ISDIR(st.st_mode)) {
		if (dir_comes || !strcmp(base, ".")) {
			*ret_kept = true;
			return NULL;
		}
		u->replaced = u->stale = true;
		return fd_rm_tree(dir, base);
	}
	*ret_was_whiteout = is_whiteout(&st);
	u->replaced = u->stale = true; /* a link on the way to a kept directory may go */
	if (unlinkat(dir, base, 0) < 0)
		return err_new(errno, "replacing it");
	return NULL;
}

/* --- entries
 * ------------------------------------------------------------------------------------------------------- */

static bool all_zero(const char *p, size_t len)
{
	return len && !*p && !memcmp(p, p + 1, len - 1);
}

/* Long runs of zeros become holes: a file of nothing else costs no disk, however well it was compressed. */
static struct err *write_content(struct unpack *u, int fd, int64_t size)
{
	int64_t at = 0, end = 0; /* written up to; position of the descriptor */
	const void *data;
	size_t len;
	int64_t offset;
	int rc;

	while ((rc = archive_read_data_block(u->a, &data, &len, &offset)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		struct err *e;

		if (offset < at || offset > INT64_MAX - (int64_t)len || offset + (int64_t)len > size)
			return err_new(0, "its contents are larger than its size says");
		at = offset + (int64_t)len;
		if (!len || (len >= HOLE_MIN && all_zero(data, len)))
			continue;
		if (offset != end && lseek(fd, offset, SEEK_SET) < 0)
			return err_new(errno, "seeking");
		e = fd_write_all(fd, "its contents", data, len);
		if (e)
			return e;
		end = at;
		u->st.bytes += len;
		if (u->st.bytes > CONTENT_MAX)
			return err_new(EFBIG, "the layer's contents");
	}
	if (rc != ARCHIVE_EOF)
		return err_new(0, "%s", archive_error_string(u->a) ?: "damaged tar data");
	if (end < size && ftruncate(fd, size) < 0)
		return err_new(errno, "giving it its size");
	return NULL;
}

static struct err *put_file(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae), size = archive_entry_size(ae);
	mode_t mode = archive_entry_perm(ae) & 07777;
	_cleanup_close_ int fd = -1;
	bool kept, whiteout;
	struct timespec ts[2];
	struct err *e;

	for (int tries = 0; fd < 0; tries++) {
		/* O_EXCL: follows no link, opens nothing that was there before */
		fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    mode & 0777);
		if (fd >= 0)
			break;
		if (errno != EEXIST || tries)
			return err_new(errno, "creating it");
		e = make_room(u, dir, base, false, &kept, &whiteout);
		if (e)
			return e;
	}
	e = size > 0 ? write_content(u, fd, size) : NULL;
	e = e ?: set_owner(u, fd, -1, NULL, uid, gid);
	if (!e && (mode & 07000) && fchmod(fd, mode) < 0)
		e = err_new(errno, "setting its mode");
	e = e ?: set_xattrs(u, fd, -1, NULL, ae); /* after the owner: changing that drops capabilities */
	if (e)
		return e;
	get_times(ae, ts);
	if (futimens(fd, ts) < 0)
		return err_new(errno, "setting its time");
	return NULL;
}

static struct err *put_dir(struct unpack *u, int dir, const char *base, struct archive_entry *ae,
			   char **path)
{
	bool kept = false, whiteout;
	struct err *e = NULL;

	if (mkdirat(dir, base, archive_entry_perm(ae) & 0777) < 0) {
		if (errno != EEXIST)
			return err_new(errno, "creating it");
		e = make_room(u, dir, base, true, &kept, &whiteout);
		if (!e && !kept && mkdirat(dir, base, archive_entry_perm(ae) & 0777) < 0)
			e = err_new(errno, "creating it");
		/* removed below and made anew here: what is below must not shine through */
		if (!e && whiteout)
			e = set_opaque(dir, base);
	}
	if (!e && u->late_text > DIR_TEXT_MAX)
		e = err_new(0, "too many directories");
	if (!e)
		add_late(u, TAKE_PTR(*path), kept, ae);
	return e ?: set_xattrs(u, -1, dir, base, ae);
}

static struct err *put_link(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	const char *target = archive_entry_symlink(ae);
	bool kept, whiteout;
	struct err *e;

	if (!target || !*target)
		return err_new(0, "a symbolic link to nothing");
	if (symlinkat(target, dir, base) < 0) {
		if (errno != EEXIST)
			return err_new(errno, "creating a symbolic link");
		e = make_room(u, dir, base, false, &kept, &whiteout);
		if (e)
			return e;
		if (kept || symlinkat(target, dir, base) < 0)
			return err_new(errno, "creating a symbolic link");
	}
	return set_attributes(u, dir, base, ae);
}

/* The target is not in this layer. */
static struct err *put_lower_link(struct unpack *u, const char *path, char **target)
{
	struct layer_links *l = u->links;

	if (u->st.devices) {
		u->st.devices++; /* another name of one that was left out */
		return NULL;
	}
	if (l->n >= LINKS_MAX)
		return err_new(0, "more than %d hard links to files of other layers", LINKS_MAX);
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = (struct layer_link){ xstrdup(path), TAKE_PTR(*target) };
	return NULL;
}

static bool is_same_file(int dir, const char *name, int dir2, const char *name2)
{
	struct stat a, b;

	return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir2, name2, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static struct err *put_hard_link(struct unpack *u, const char *path, const char *target)
{
	_cleanup_close_ int target_dir = -1;
	_cleanup_free_ char *clean = NULL;
	const char *target_base, *slash, *base;
	bool kept, whiteout;
	int kept_fd, dir;
	struct err *e;

	if (!layer_clean_name(target, &clean))
		return err_new(0, "a hard link that leads out of the layer, to %s", target);
	if (str_eq(clean, path))
		return NULL; /* to itself: there already, or not at all */
	slash = strrchr(clean, '/');
	target_base = slash ? slash + 1 : clean;
	e = find_dir(u, clean, slash ? (size_t)(slash - clean) : 0, &kept_fd);
	if (e)
		return err_wrap(e, "a hard link to %s", target);
	if (kept_fd < 0)
		return put_lower_link(u, path, &clean);
	/* a copy of its own: making room may close kept ones */
	target_dir = fcntl(kept_fd, F_DUPFD_CLOEXEC, 3);
	e = locate(u, path, &dir, &base);
	if (e || target_dir < 0)
		return e ?: err_new(errno, "duplicating a descriptor");
	if (linkat(target_dir, target_base, dir, base, 0) == 0)
		return NULL;
	if (errno == ENOENT)
		return put_lower_link(u, path, &clean);
	if (errno == EEXIST) {
		if (is_same_file(target_dir, target_base, dir, base))
			return NULL;
		if (faccessat(target_dir, target_base, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return put_lower_link(u, path, &clean);
		e = make_room(u, dir, base, false, &kept, &whiteout);
		if (e || linkat(target_dir, target_base, dir, base, 0) == 0)
			return e;
	}
	return err_new(errno, "a hard link to %s", target);
}

static struct err *put_fifo(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	mode_t mode = S_IFIFO | (archive_entry_perm(ae) & 0777);
	bool kept, whiteout;
	struct err *e;

	if (mknodat(dir, base, mode, 0) < 0) {
		if (errno != EEXIST)
			return err_new(errno, "creating a fifo");
		e = make_room(u, dir, base, false, &kept, &whiteout);
		if (e)
			return e;
		if (mknodat(dir, base, mode, 0) < 0)
			return err_new(errno, "creating a fifo");
	}
	return set_attributes(u, dir, base, ae);
}

/* BASE is ".wh.NAME". */
static struct err *put_whiteout(int dir, const char *base)
{
	const char *name = base + strlen(".wh.");
	struct stat st;

	if (str_eq(name, ".wh..opq"))
		return set_opaque(dir, ".");
	if (str_starts(name, ".wh."))
		return NULL; /* aufs' own book-keeping */
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return err_new(0, "a whiteout of nothing");
	if (mknodat(dir, name, S_IFCHR, makedev(0, 0)) == 0)
		return NULL;
	if (errno != EEXIST)
		return err_new(errno, "creating a whiteout");
	/* the layer's own entry wins; it removes what is below, but a directory would let that shine through */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return set_opaque(dir, name);
	return NULL;
}

static struct err *put_entry(struct unpack *u, const char *name, struct archive_entry *ae)
{
	const char *base, *hard = archive_entry_hardlink(ae);
	_cleanup_free_ char *path = NULL;
	mode_t type = archive_entry_filetype(ae);
	struct err *e;
	int dir;

	if (!layer_clean_name(name, &path))
		return err_new(0, "it leads out of the layer");
	if (u->stale)
		forget_dirs(u);
	u->stale = false;
	e = locate(u, path, &dir, &base);
	if (e)
		return e;
	if (str_starts(base, ".wh."))
		return put_whiteout(dir, base);
	if (str_eq(base, ".") && (hard || type != AE_IFDIR))
		return err_new(0, "the root of a layer is a directory");
	if (hard)
		return put_hard_link(u, path, hard);
	switch (type) {
	case AE_IFREG:
		return put_file(u, dir, base, ae);
	case AE_IFDIR:
		return put_dir(u, dir, base, ae, &path);
	case AE_IFLNK:
		return put_link(u, dir, base, ae);
	case AE_IFIFO:
		return put_fifo(u, dir, base, ae);
	default: /* character and block devices, sockets */
		u->st.devices++;
		return NULL;
	}
}

static struct err *finish_dir(struct unpack *u, const struct late_dir *d)
{
	struct timespec ts[2] = { d->mtime, d->mtime };
	const char *base;
	struct err *e;
	struct stat st;
	int dir;

	e = locate(u, d->path, &dir, &base);
	if (e)
		return e;
	if (u->replaced && (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
		return NULL; /* a later entry took its place */
	e = set_owner(u, -1, dir, base, d->uid, d->gid);
	if (!e && d->chmod && fchmodat(dir, base, d->mode, 0) < 0)
		e = err_new(errno, "setting its mode");
	if (ts[0].tv_nsec < 0 || ts[0].tv_nsec > 999999999)
		ts[0].tv_nsec = ts[1].tv_nsec = 0;
	if (!e && utimensat(dir, base, ts, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "setting its time");
	return e;
}

/* --- the stream
 * ---------------------------------------------------------------------------------------------------- */

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct unpack *u = arg;
	size_t len = 0;

	u->src_error = u->src->read(u->src->arg, ret, &len);
	if (u->src_error) {
		archive_set_error(a, EIO, "no more data");
		return -1;
	}
	return (la_ssize_t)len;
}

static struct err *tar_error(struct unpack *u)
{
	const char *text = archive_error_string(u->a);

	if (u->src_error)
		return TAKE_PTR(u->src_error);
	return err_new(0, "damaged tar data: %s", text ?: "no reason given");
}

static struct err *read_entries(struct unpack *u)
{
	struct archive_entry *ae;
	struct err *e;
	int rc;

	while ((rc = archive_read_next_header(u->a, &ae)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(ae);

		if (!name)
			return err_new(0, "damaged tar data: an entry without a name");
		if (++u->st.entries > ENTRIES_MAX)
			return err_new(0, "more than %d entries", ENTRIES_MAX);
		e = put_entry(u, name, ae);
		if (u->src_error) { /* the cause of whatever put_entry() says */
			err_free(e);
			return TAKE_PTR(u->src_error);
		}
		if (e)
			return err_wrap(e, "%.200s", name);
	}
	return rc == ARCHIVE_EOF ? NULL : tar_error(u);
}

/* Behind the end of the archive: its bytes belong to the digest all the same. */
static struct err *drain(struct unpack *u)
{
	const void *data;
	struct err *e;
	size_t len;

	do
		e = u->src->read(u->src->arg, &data, &len);
	while (!e && len);
	return e;
}

struct err *layer_unpack(int root, const struct userns_ids *ids, const struct layer_source *src,
			 struct layer_stats *ret, struct layer_links *links)
{
	struct unpack u = { .root = root, .ids = ids, .src = src, .links = links, .a = archive_read_new() };
	struct err *e = NULL;

	*links = (struct layer_links){ 0 };
	if (!u.a)
		abort();
	archive_read_support_format_tar(u.a);
	archive_read_support_format_empty(u.a);
	archive_read_set_read_callback(u.a, on_read);
	archive_read_set_callback_data(u.a, &u);
	if (fchmod(root, 0755) < 0) /* also drops a set-group-id bit inherited from the storage's place */
		e = err_new(errno, "setting the mode of a layer");
	if (!e && archive_read_open1(u.a) != ARCHIVE_OK)
		e = tar_error(&u);
	e = e ?: read_entries(&u);
	e = e ?: drain(&u);
	forget_dirs(&u);
	for (size_t i = 0; !e && i < u.n_late; i++)
		e = err_wrap(finish_dir(&u, &u.late[i]), "%s", *u.late[i].path ? u.late[i].path : "/");
	forget_dirs(&u);
	for (size_t i = 0; i < u.n_late; i++)
		free(u.late[i].path);
	free(u.late);
	err_free(u.src_error);
	archive_read_free(u.a);
	if (!e)
		*ret = u.st;
	return e;
}
