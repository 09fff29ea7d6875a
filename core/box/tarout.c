#include "core/box/tarout.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/fd.h"

enum { BLOCK = 512, BUF = 256 << 10, DEPTH_MAX = 1000, XATTR_NAMES_MAX = 4096 };

struct tarout_link {
	dev_t dev;
	ino_t ino;
	char *name;
};

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], type, link[100],
		magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a tar header is one block");

/* -- headers ----------------------------------------------------------------------------------------------------- */

/* "LEN KEY=VALUE\n", LEN counting itself. */
static void pax_record(struct str *out, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest + 1;

	while (total != rest + (size_t)snprintf(NULL, 0, "%zu", total))
		total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	str_addf(out, "%zu %s=", total, key);
	str_addn(out, value, len);
	str_addc(out, '\n');
}

/* A number that does not fit is left 0: its pax record counts. */
static void octal(char *to, size_t size, uint64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)n);

	if (len > (int)size - 1)
		memset(to, '0', size - 1);
	else
		memcpy(to, text, size - 1);
	to[size - 1] = '\0';
}

static void put_text(char *to, size_t size, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n < size ? n : size);
}

static void add_header(struct str *out, const char *name, const char *link, char type,
		       const struct stat *st, uint64_t size)
{
	struct ustar h = { .type = type, .magic = "ustar", .version = { '0', '0' } };
	unsigned sum = 0;
	char text[8];

	put_text(h.name, sizeof(h.name), name);
	put_text(h.link, sizeof(h.link), link);
	octal(h.mode, sizeof(h.mode), st->st_mode & 07777);
	octal(h.uid, sizeof(h.uid), st->st_uid);
	octal(h.gid, sizeof(h.gid), st->st_gid);
	octal(h.size, sizeof(h.size), size);
	octal(h.mtime, sizeof(h.mtime), st->st_mtim.tv_sec < 0 ? 0 : (uint64_t)st->st_mtim.tv_sec);
	octal(h.major, sizeof(h.major), type == '3' || type == '4' ? major(st->st_rdev) : 0);
	octal(h.minor, sizeof(h.minor), type == '3' || type == '4' ? minor(st->st_rdev) : 0);
	memset(h.chksum, ' ', sizeof(h.chksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += ((const unsigned char *)&h)[i];
	snprintf(text, sizeof(text), "%06o", sum & 0777777);
	memcpy(h.chksum, text, 7);
	str_addn(out, &h, BLOCK);
}

static void pad(struct str *out)
{
	static const char zero[BLOCK];

	if (out->len % BLOCK)
		str_addn(out, zero, BLOCK - out->len % BLOCK);
}

void tarout_header(const char *name, const char *link, char type, const struct stat *st,
		   const struct str *xattrs, struct str *out)
{
	_cleanup_str_ struct str pax = { 0 }, mtime = { 0 }, n = { 0 };
	uint64_t size = type == '0' ? (uint64_t)st->st_size : 0;

	if (strlen(name) > 100)
		pax_record(&pax, "path", name, strlen(name));
	if (strlen(link) > 100)
		pax_record(&pax, "linkpath", link, strlen(link));
	if (size > 077777777777) {
		str_addf(&n, "%llu", (unsigned long long)size);
		pax_record(&pax, "size", n.s, n.len);
	}
	if (st->st_uid > 07777777) {
		n.len = 0;
		str_addf(&n, "%u", st->st_uid);
		pax_record(&pax, "uid", n.s, n.len);
	}
	if (st->st_gid > 07777777) {
		n.len = 0;
		str_addf(&n, "%u", st->st_gid);
		pax_record(&pax, "gid", n.s, n.len);
	}
	if (st->st_mtim.tv_nsec || st->st_mtim.tv_sec < 0 || st->st_mtim.tv_sec > 077777777777) {
		/* -1.25 is written as it reads: whole seconds are cut towards zero */
		int64_t sec = st->st_mtim.tv_sec;
		long nsec = st->st_mtim.tv_nsec;

		if (sec < 0 && nsec) {
			sec++;
			nsec = 1000000000 - nsec;
		}
		str_addf(&mtime, "%s%lld.%09ld", st->st_mtim.tv_sec < 0 && !sec ? "-" : "",
			 (long long)sec, nsec);
		pax_record(&pax, "mtime", mtime.s, mtime.len);
	}
	if (xattrs && xattrs->len)
		str_addn(&pax, xattrs->s, xattrs->len);
	if (pax.len) {
		struct stat plain = { .st_mode = S_IFREG | 0644 };

		add_header(out, "././@PaxHeader", "", 'x', &plain, pax.len);
		str_addn(out, pax.s, pax.len);
		pad(out);
	}
	add_header(out, name, link, type, st, size);
}

/* -- trees ------------------------------------------------------------------------------------------------------- */

static struct err *emit(struct tarout *t, const void *data, size_t len)
{
	return t->sink ? t->sink(t->arg, data, len) : fd_write_all(t->fd, "the tar stream", data, len);
}

/* SOURCE_DATE_EPOCH: what is younger gets that time, here and in the stream. */
static void clamp_time(const struct tarout *t, int dir, const char *name, struct stat *st)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT } };

	if (!t->latest_s || st->st_mtim.tv_sec < *t->latest_s)
		return;
	st->st_mtim = (struct timespec){ .tv_sec = *t->latest_s };
	ts[1] = st->st_mtim;
	if (utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* best effort: the stream is what counts */
}

static void read_xattrs(int fd, struct str *out, bool *ret_opaque)
{
	char names[XATTR_NAMES_MAX];
	_cleanup_free_ char *value = NULL;
	ssize_t n = flistxattr(fd, names, sizeof(names));

	*ret_opaque = false;
	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		_cleanup_free_ char *key = NULL;
		ssize_t len;

		if (!str_starts(name, "user.") && !str_eq(name, "security.capability"))
			continue;
		value = value ?: xmalloc(XATTR_SIZE_MAX);
		len = fgetxattr(fd, name, value, XATTR_SIZE_MAX);
		if (str_eq(name, "user.overlay.opaque"))
			*ret_opaque = len == 1 && *value == 'y';
		if (len < 0 || str_starts(name, "user.overlay."))
			continue;
		key = xasprintf("SCHILY.xattr.%s", name);
		pax_record(out, key, value, (size_t)len);
	}
}

/* Exactly the size that the header says, whatever happens to the file meanwhile. */
static struct err *content(struct tarout *t, int fd, uint64_t size)
{
	static const char zero[BLOCK];
	uint64_t left = size;
	struct err *e = NULL;

	t->buf = t->buf ?: xmalloc(BUF);
	while (left && !e) {
		ssize_t n = read(fd, t->buf, left < BUF ? left : BUF);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "reading it");
		if (n == 0) { /* it became shorter */
			memset(t->buf, 0, BUF);
			n = (ssize_t)(left < BUF ? left : BUF);
		}
		e = emit(t, t->buf, (size_t)n);
		left -= (uint64_t)n;
		t->bytes += (uint64_t)n;
	}
	if (!e && size % BLOCK)
		e = emit(t, zero, BLOCK - size % BLOCK);
	return e;
}

/* The name under which this file has been written already, or NULL: then it is remembered. */
static const char *seen(struct tarout *t, const struct stat *st, const char *name)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].ino == st->st_ino && t->links[i].dev == st->st_dev)
			return t->links[i].name;
	t->links = xgrow(t->links, t->n_links, &t->links_cap, sizeof(*t->links));
	t->links[t->n_links++] = (struct tarout_link){ st->st_dev, st->st_ino, xstrdup(name) };
	return NULL;
}

static uint32_t inner(const struct id_range *r, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= r[i].outside && id - r[i].outside < r[i].count)
			return r[i].inside + (id - r[i].outside);
	return 0;
}

static struct err *whiteout(struct tarout *t, const char *as)
{
	const char *slash = strrchr(as, '/'), *base = slash ? slash + 1 : as;
	_cleanup_free_ char *name = xasprintf("%.*s.wh.%s", (int)(base - as), as, base);
	struct stat st = { .st_mode = S_IFREG };
	_cleanup_str_ struct str head = { 0 };

	tarout_header(name, "", '0', &st, NULL, &head);
	return emit(t, head.s, head.len);
}

static struct err *entry(struct tarout *t, int dir, const char *name, const char *as, bool follow,
			 unsigned depth);

static struct err *children(struct tarout *t, int fd, const char *as, unsigned depth)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = err_wrap(fd_list(fd, &names), "%s", as);

	for (size_t i = 0; !e && i < names.n; i++) {
		_cleanup_free_ char *child = xasprintf("%s%s%s", as, *as ? "/" : "", names.v[i]);

		e = entry(t, fd, names.v[i], child, false, depth + 1);
	}
	return e;
}

static struct err *put_dir(struct tarout *t, int fd, const struct stat *st, const char *as, unsigned depth)
{
	_cleanup_free_ char *name = xasprintf("%s/", *as ? as : ".");
	_cleanup_str_ struct str head = { 0 }, xattrs = { 0 };
	bool opaque;
	struct err *e;

	read_xattrs(fd, &xattrs, &opaque);
	tarout_header(name, "", '5', st, &xattrs, &head);
	/* a layer's own root says nothing: it has the time and mode of our directory */
	e = t->layer && !*as ? NULL : emit(t, head.s, head.len);
	if (!e && t->layer && opaque) {
		_cleanup_free_ char *mark = xasprintf("%s%s.wh..opq", as, *as ? "/" : "");

		e = whiteout(t, mark);
	}
	return e ?: children(t, fd, as, depth);
}

static struct err *put_file(struct tarout *t, int dir, const char *name, const char *as,
			    bool follow, const struct stat *want)
{
	_cleanup_str_ struct str head = { 0 }, xattrs = { 0 };
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool opaque;
	struct err *e;

	/* it may have become a fifo meanwhile: O_NONBLOCK */
	e = fd_open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW), 0, &fd);
	if (e)
		return e;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_new(0, "%s changed while it was read", as);
	st.st_uid = want->st_uid;
	st.st_gid = want->st_gid;
	st.st_mtim = want->st_mtim;
	read_xattrs(fd, &xattrs, &opaque);
	tarout_header(as, "", '0', &st, &xattrs, &head);
	e = emit(t, head.s, head.len);
	return e ?: content(t, fd, (uint64_t)st.st_size);
}

static struct err *put_other(struct tarout *t, int dir, const char *name, const char *as,
			     const struct stat *st)
{
	char type = S_ISLNK(st->st_mode)    ? '2'
		    : S_ISCHR(st->st_mode)  ? '3'
		    : S_ISBLK(st->st_mode)  ? '4'
		    : S_ISFIFO(st->st_mode) ? '6'
					    : 0;
	char target[PATH_MAX] = "";
	_cleanup_str_ struct str head = { 0 };

	if (!type) /* a socket means nothing elsewhere */
		return NULL;
	if (type == '2' && readlinkat(dir, name, target, sizeof(target) - 1) < 0)
		return err_new(errno, "reading the link %s", as);
	tarout_header(as, target, type, st, NULL, &head);
	return emit(t, head.s, head.len);
}

static struct err *entry(struct tarout *t, int dir, const char *name, const char *as, bool follow,
			 unsigned depth)
{
	_cleanup_close_ int fd = -1;
	const char *first;
	struct stat st;
	struct err *e;

	if (depth > DEPTH_MAX)
		return err_new(ELOOP, "%s is nested too deeply", as);
	if (fstatat(dir, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT && depth) /* removed meanwhile */
			return NULL;
		return err_new(errno, "looking at %s", as);
	}
	if (t->skip && t->skip(as, &st))
		return NULL;
	if (t->layer && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return whiteout(t, as);
	clamp_time(t, dir, name, &st);
	if (t->ids) {
		st.st_uid = inner(t->ids->uid, t->ids->n_uid, st.st_uid);
		st.st_gid = inner(t->ids->gid, t->ids->n_gid, st.st_gid);
	}
	if (S_ISDIR(st.st_mode)) {
		e = fd_open(dir, name, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW), 0, &fd);
		return err_wrap(e, "reading %s", *as ? as : "the directory")
			       ?: put_dir(t, fd, &st, as, depth);
	}
	first = st.st_nlink > 1 && !S_ISLNK(st.st_mode) ? seen(t, &st, as) : NULL;
	if (first) {
		_cleanup_str_ struct str head = { 0 };

		tarout_header(as, first, '1', &st, NULL, &head);
		return emit(t, head.s, head.len);
	}
	if (!S_ISREG(st.st_mode))
		return put_other(t, dir, name, as, &st);
	e = put_file(t, dir, name, as, follow, &st);
	return err_is(e, EPIPE) ? e : err_wrap(e, "reading %s", as);
}

struct err *tarout_tree(struct tarout *t, int dir, const char *name, const char *as, bool follow)
{
	return entry(t, dir, name, as, follow, 0);
}

struct err *tarout_end(struct tarout *t)
{
	static const char zero[2 * BLOCK];

	return emit(t, zero, sizeof(zero));
}

void tarout_done(struct tarout *t)
{
	for (size_t i = 0; i < t->n_links; i++)
		free(t->links[i].name);
	free(t->links);
	free(t->buf);
	t->links = NULL;
	t->buf = NULL;
	t->n_links = t->links_cap = 0;
}
