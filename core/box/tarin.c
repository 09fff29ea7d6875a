#include "core/box/tarin.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "registry/layer.h"

enum { READ_SIZE = 256 << 10, ENTRIES_MAX = 20000000 };

struct late {
	char *path;
	mode_t mode;
	struct timespec mtime;
};

struct unpack {
	struct tarin *t;
	struct archive *a;
	char *first; /* COPY: the first entry's name, of which all others are below */
	char *target; /* what takes its place */
	char *dir_path; /* the directory used last, and its descriptor */
	int dir;
	struct late *late; /* directories made by us: their mode and time come at the end */
	size_t n_late, late_cap;
	bool ended; /* without what has to follow the last file */
};

/* -- where things go --------------------------------------------------------------------------------------------- */

/* O_PATH of PATH with links followed, or -1. */
static int look(int root, const char *path, struct stat *st)
{
	int fd = -1;
	struct err *e = fd_open_in_root(root, *path ? path : ".", O_PATH, 0, &fd);

	if (e || fstat(fd, st) < 0) {
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	err_free(e); /* what is not there will be made, or fails with the right words */
	return fd;
}

/* The first entry decides, as with cp(1) and Docker. */
static struct err *choose_target(struct unpack *u, const char *name, bool is_dir)
{
	struct tarin *t = u->t;
	_cleanup_free_ char *parent = NULL;
	_cleanup_close_ int fd = -1, parent_fd = -1;
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	bool slash = str_ends(t->dest, "/") || str_ends(t->dest, "/.");
	struct stat st, pst;
	char *cut;

	fd = look(t->root, t->dest, &st);
	u->first = xstrdup(name);
	if (fd >= 0 && S_ISDIR(st.st_mode)) {
		u->target = *base && !(is_dir && t->contents) ? xasprintf("%s/%s", t->dest, base)
							      : xstrdup(t->dest);
		return NULL;
	}
	if (fd >= 0 && is_dir)
		return err_new(0, "cannot copy directory");
	if (fd >= 0 && slash)
		return err_new(0, "not a directory: %s", t->dest);
	if (fd < 0 && slash && !is_dir)
		return err_new(0, "the destination directory must exist: %s", t->dest);
	u->target = str_clean_path(t->dest);
	parent = xstrdup(u->target);
	cut = strrchr(parent, '/');
	if (cut)
		*cut = '\0';
	else
		*parent = '\0';
	parent_fd = look(t->root, parent, &pst);
	if (parent_fd < 0 || !S_ISDIR(pst.st_mode))
		return err_new(0, "invalid output path: directory \"%s\" does not exist",
			       *parent ? parent : "/");
	return NULL;
}

/* The path in ROOT for the clean NAME of the stream; NULL if it does not belong to what is copied. */
static char *place(const struct unpack *u, const char *name)
{
	const char *rest;

	if (!u->t->copy)
		return xasprintf("%s/%s", u->t->dest, name);
	if (!*u->first)
		return xasprintf("%s/%s", u->target, name);
	rest = str_after(name, u->first);
	return !rest || (*rest && *rest != '/') ? NULL : xasprintf("%s%s", u->target, rest);
}

/* The directory of PATH, made if missing; the descriptor stays U's. */
static struct err *locate(struct unpack *u, const char *path, int *ret_dir, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
	struct err *e;
	int fd = -1;

	*ret_base = slash ? slash + 1 : path;
	if (!u->dir_path || strcmp(u->dir_path, parent)) {
		e = fd_mkdir_p(u->t->root, *parent ? parent : ".", 0755, &fd);
		if (e)
			return e;
		if (u->dir >= 0)
			close(u->dir);
		free(u->dir_path);
		u->dir = fd;
		u->dir_path = TAKE_PTR(parent);
	}
	*ret_dir = u->dir;
	return NULL;
}

/* -- entries ----------------------------------------------------------------------------------------------------- */

static uint32_t outer(const struct id_range *r, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= r[i].inside && id - r[i].inside < r[i].count)
			return r[i].outside + (uint32_t)(id - r[i].inside);
	return r[0].outside;
}

static struct err *set_owner(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
	const struct userns_ids *ids = u->t->ids;

	if (u->t->owner == TARIN_OWN)
		return NULL;
	if (u->t->fixed) {
		uid = u->t->uid;
		gid = u->t->gid;
	} else if (u->t->owner == TARIN_OUTSIDE) {
		uid = outer(ids->uid, ids->n_uid, uid);
		gid = outer(ids->gid, ids->n_gid, gid);
	} else { /* what is not mapped here stays with the namespace's root */
		uid = uid >= 0 && uid < UINT32_MAX && userns_has_uid(ids, (uint32_t)uid) ? uid : 0;
		gid = gid >= 0 && gid < UINT32_MAX && userns_has_gid(ids, (uint32_t)gid) ? gid : 0;
	}
	if (fchownat(dir, base, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "setting the owner");
	return NULL;
}

static struct timespec mtime_of(struct archive_entry *ae)
{
	long ns = archive_entry_mtime_nsec(ae);

	return (struct timespec){ archive_entry_mtime(ae), ns >= 0 && ns < 1000000000 ? ns : 0 };
}

static void set_time(int dir, const char *base, struct timespec t)
{
	struct timespec ts[2] = { t, t };

	if (utimensat(dir, base, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* best effort: a copy without its time is a copy */
}

/* Docker's client, where it puts a Dockerfile into a context, sends neither the zeros that fill up that last file's
 * block nor an archive's end; Go's reader of archives does not miss them. */
static struct err *write_content(struct unpack *u, struct archive_entry *ae, int fd)
{
	const void *data;
	int64_t offset, end = 0;
	size_t len;
	int rc;

	while ((rc = archive_read_data_block(u->a, &data, &len, &offset)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		struct err *e;

		u->t->bytes += len;
		if (u->t->bytes_max && u->t->bytes > u->t->bytes_max)
			return err_new(0, "it holds more than %llu MB of data",
				       (unsigned long long)(u->t->bytes_max >> 20));
		if (offset != end && lseek(fd, offset, SEEK_SET) < 0)
			return err_new(errno, "seeking");
		e = fd_write_all(fd, "it", data, len);
		if (e)
			return e;
		end = offset + (int64_t)len;
	}
	u->ended = rc == ARCHIVE_FATAL && u->t->unpadded && end && end == archive_entry_size(ae);
	return rc == ARCHIVE_EOF || u->ended
		       ? NULL
		       : err_new(0, "%s", archive_error_string(u->a) ?: "damaged tar data");
}

/* Something that is no directory takes the place of BASE. */
static struct err *make_room(int dir, const char *base)
{
	struct stat st;

	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "looking at it");
	if (S_ISDIR(st.st_mode))
		return err_new(0, "cannot overwrite directory with non-directory");
	return unlinkat(dir, base, 0) < 0 ? err_new(errno, "replacing it") : NULL;
}

static struct err *put_file(struct unpack *u, int dir, const char *base, struct archive_entry *ae)
{
	mode_t mode = archive_entry_perm(ae) & (u->t->owner == TARIN_OWN ? 01777 : 07777);
	_cleanup_close_ int fd = -1;
	struct err *e = make_room(dir, base);
	bool mounted = err_is(e, EBUSY);
	const char *name;
	const void *value;
	size_t size;

	if (mounted) { /* a file is mounted there (/etc/hosts): give it the new content */
		err_free(e);
		e = fd_open(dir, base, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0, &fd);
	} else {
		e = e ?: fd_open(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
	}
	if (!e && archive_entry_size(ae) > 0)
		e = write_content(u, ae, fd);
	if (e || mounted)
		return e;
	if (archive_entry_size(ae) > 0 && ftruncate(fd, archive_entry_size(ae)) < 0)
		return err_new(errno, "giving it its size");
	e = set_owner(u, dir, base, ae);
	if (!e && fchmod(fd, mode) < 0)
		e = err_new(errno, "setting its mode");
	archive_entry_xattr_reset(ae);
	while (!e && u->t->owner != TARIN_OWN &&
	       archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK)
		if (name && (str_starts(name, "user.") || str_eq(name, "security.capability")) &&
		    fsetxattr(fd, name, value, size, 0) < 0)
			continue; /* best effort: not on every file system */
	if (!e)
		set_time(dir, base, mtime_of(ae));
	return e;
}

static struct err *put_dir(struct unpack *u, const char *path, struct archive_entry *ae)
{
	const char *base;
	struct stat st;
	struct err *e;
	int dir;

	_cleanup_close_ int there = look(u->t->root, path, &st);

	if (there >= 0) /* through a link, too, as a merge does */
		return S_ISDIR(st.st_mode)
			       ? NULL
			       : err_new(0, "cannot overwrite non-directory with directory");
	e = locate(u, path, &dir, &base);
	if (e)
		return e;
	if (mkdirat(dir, base, 0700) < 0)
		return err_new(errno, "making it");
	e = set_owner(u, dir, base, ae);
	u->late = xgrow(u->late, u->n_late, &u->late_cap, sizeof(*u->late));
	u->late[u->n_late++] =
		(struct late){ xstrdup(path), archive_entry_perm(ae) & 07777, mtime_of(ae) };
	return e;
}

static struct err *put_hard_link(struct unpack *u, const char *hard, int dir, const char *base)
{
	_cleanup_free_ char *clean = NULL, *path = NULL;
	_cleanup_close_ int own = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	const char *from_base;
	struct err *e;
	int from;

	if (!layer_clean_name(hard, &clean) || !(path = place(u, clean)))
		return err_new(0, "a hard link that leads out of what is copied");
	e = locate(u, path, &from, &from_base);
	e = e ?: make_room(own, base);
	if (!e && linkat(from, from_base, own, base, 0) < 0)
		e = err_new(errno, "making a hard link");
	return e;
}

static struct err *put_entry(struct unpack *u, const char *path, struct archive_entry *ae)
{
	const char *base, *hard = archive_entry_hardlink(ae), *to = archive_entry_symlink(ae);
	mode_t type = archive_entry_filetype(ae);
	struct err *e;
	int dir;

	if (!hard && type == AE_IFDIR)
		return put_dir(u, path, ae);
	if (!hard && type != AE_IFREG && type != AE_IFLNK && type != AE_IFIFO)
		return NULL;
	e = locate(u, path, &dir, &base);
	if (e)
		return e;
	if (hard)
		return put_hard_link(u, hard, dir, base);
	if (type == AE_IFREG)
		return put_file(u, dir, base, ae);
	e = make_room(dir, base);
	if (!e && type == AE_IFLNK && (!to || symlinkat(to, dir, base) < 0))
		e = err_new(to ? errno : 0, "making a symbolic link");
	if (!e && type == AE_IFIFO && mkfifoat(dir, base, archive_entry_perm(ae) & 0777) < 0)
		e = err_new(errno, "making a fifo");
	e = e ?: set_owner(u, dir, base, ae);
	if (!e)
		set_time(dir, base, mtime_of(ae));
	return e;
}

static struct err *finish_dirs(struct unpack *u)
{
	struct err *e = NULL;

	while (u->n_late && !e) {
		struct late *l = &u->late[u->n_late - 1];
		const char *base;
		_cleanup_close_ int fd = -1;
		int dir;

		e = locate(u, l->path, &dir, &base);
		e = e ?: fd_open(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);
		if (!e && fchmod(fd, u->t->owner == TARIN_OWN ? l->mode & 01777 : l->mode) < 0)
			e = err_new(errno, "setting the mode of %s", l->path);
		if (!e)
			set_time(dir, base, l->mtime);
		free(l->path);
		u->n_late--;
	}
	while (u->n_late)
		free(u->late[--u->n_late].path);
	return e;
}

static struct err *read_entries(struct unpack *u)
{
	struct archive_entry *ae;
	struct err *e = NULL;
	size_t n = 0;
	int rc = ARCHIVE_EOF;

	while (!e && !u->ended &&
	       ((rc = archive_read_next_header(u->a, &ae)) == ARCHIVE_OK || rc == ARCHIVE_WARN)) {
		const char *name = archive_entry_pathname(ae);
		_cleanup_free_ char *clean = NULL, *path = NULL;

		if (!name || !layer_clean_name(name, &clean))
			return err_new(0, "%s leads out of the archive",
				       name ?: "an entry without a name");
		if (++n > ENTRIES_MAX)
			return err_new(0, "more than %d entries", ENTRIES_MAX);
		if (u->t->copy && !u->first) {
			e = choose_target(u, clean, archive_entry_filetype(ae) == AE_IFDIR);
			if (e)
				return e;
		}
		path = place(u, clean);
		if (path)
			e = err_wrap(put_entry(u, path, ae), "copying to %s", path);
	}
	if (!e && !u->ended && rc != ARCHIVE_EOF)
		e = err_new(0, "damaged tar data: %s", archive_error_string(u->a) ?: "no reason given");
	return e;
}

static struct archive *new_reader(void)
{
	struct archive *a = archive_read_new();

	if (!a)
		abort();
	archive_read_support_format_tar(a);
	/* by name: filter_all would also run programs, and these would be the container's */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	return a;
}

bool tarin_is_archive(int fd)
{
	struct archive *a = new_reader();
	struct archive_entry *ae;
	bool is = archive_read_open_fd(a, fd, READ_SIZE) == ARCHIVE_OK &&
		  archive_read_next_header(a, &ae) == ARCHIVE_OK;

	archive_read_free(a);
	return lseek(fd, 0, SEEK_SET) == 0 && is;
}

struct err *tarin_unpack(struct tarin *t)
{
	struct unpack u = { .t = t, .dir = -1, .a = new_reader() };
	struct err *e = NULL;

	archive_read_support_format_empty(u.a);
	if (!t->copy) {
		struct stat st;
		_cleanup_close_ int fd = look(t->root, t->dest, &st);

		if (fd < 0)
			e = err_new(ENOENT, "looking for %s", t->dest);
		else if (!S_ISDIR(st.st_mode))
			e = err_new(0, "destination \"%s\" must be a directory", t->dest);
	}
	if (!e && archive_read_open_fd(u.a, t->fd, READ_SIZE) != ARCHIVE_OK)
		e = err_new(0, "reading the tar stream: %s",
			    archive_error_string(u.a) ?: "no reason given");
	e = e ?: read_entries(&u);
	e = err_also(e, finish_dirs(&u));
	archive_read_free(u.a);
	if (u.dir >= 0)
		close(u.dir);
	free(u.dir_path);
	free(u.first);
	free(u.target);
	free(u.late);
	return e;
}
