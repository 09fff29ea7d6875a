#include "core/build/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "registry/blob.h"

enum { READ_SIZE = 256 << 10, DEPTH_MAX = 1000, BELOW_ALL = 1 << 20 };

void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].path);
		free(t->v[i].link);
	}
	free(t->v);
	*t = (struct tree){ 0 };
}

struct walk {
	struct tree *t;
	const struct tree_opts *o;
	size_t under, pivot; /* see tree_file.under; --parents: where names begin */
	const struct pattern *pattern; /* what to take, or NULL: everything */
	unsigned parts; /* the pattern's: nothing below fits */
	struct err *(*found)(struct walk *w, int dir, const char *name, const char *path,
			     const struct stat *st);
};

static struct err *by_dir(struct walk *w, int fd, const char *path, unsigned depth);

static struct err *append(struct walk *w, int dir, const char *name, const char *path, size_t under,
			  const struct stat *st)
{
	struct tree *t = w->t;
	char target[PATH_MAX];
	struct tree_file f = { .mode = st->st_mode,
			       .under = (uint32_t)under,
			       .uid = st->st_uid,
			       .gid = st->st_gid,
			       .size = (uint64_t)st->st_size,
			       .mtime = st->st_mtim,
			       .ctime = st->st_ctim,
			       .dev = st->st_dev,
			       .ino = st->st_ino };

	if (t->n >= TREE_MAX)
		return err_new(0, "more than %d files", TREE_MAX);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

		if (n < 0)
			return err_new(errno, "reading the link %s", path);
		f.link = xstrndup(target, (size_t)n);
	}
	f.path = xstrdup(path);
	t->v = xgrow(t->v, t->n, &t->cap, sizeof(*t->v));
	t->v[t->n++] = f;
	return NULL;
}

static void drop_last(struct tree *t)
{
	free(t->v[--t->n].path);
	free(t->v[t->n].link);
}

static bool skipped(const struct walk *w, const char *path)
{
	const char *under = path + (strlen(path) > w->under ? w->under : strlen(path));

	return (w->o->ignore && ignore_match(w->o->ignore, path)) ||
	       (w->o->exclude && *under && ignore_match(w->o->exclude, under));
}

/* Everything below a directory that is copied. */
static struct err *take(struct walk *w, int dir, const char *name, const char *path,
			const struct stat *st, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	struct tree *t = w->t;
	bool skip = skipped(w, path);
	size_t before;
	struct err *e;

	if (!S_ISDIR(st->st_mode)) {
		if (skip || S_ISSOCK(st->st_mode))
			return NULL;
		if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
			return err_new(0, "%s is a device: it cannot be copied", path);
		return append(w, dir, name, path, w->under, st);
	}
	if (depth > DEPTH_MAX)
		return err_new(ELOOP, "%s is nested too deeply", path);
	if (skip && w->o->ignore && ignore_prunes(w->o->ignore, path))
		return NULL;
	e = fd_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);
	e = e ?: append(w, dir, name, path, w->under, st);
	before = t->n;
	e = e ?: by_dir(w, fd, path, depth + 1);
	if (!e && skip && t->n == before)
		drop_last(t); /* nothing below was taken back with "!" */
	return e;
}

static struct err *by_dir(struct walk *w, int fd, const char *path, unsigned depth)
{
	_cleanup_strv_ struct strv list = { 0 };
	struct err *e = err_wrap(fd_list(fd, &list), "%s", *path ? path : ".");

	for (size_t i = 0; i < list.n && !e; i++) {
		_cleanup_free_ char *full = xasprintf("%s%s%s", path, *path ? "/" : "", list.v[i]);
		struct stat st;

		if (strlen(full) >= PATH_MAX)
			return err_new(ENAMETOOLONG, "%.60s...%s", full, full + strlen(full) - 20);
		if (fstatat(fd, list.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT) /* removed meanwhile */
				e = err_new(errno, "looking at %s", full);
			continue;
		}
		e = take(w, fd, list.v[i], full, &st, depth);
	}
	return e;
}

/* -- sources ----------------------------------------------------------------------------------------------------- */

/* PATH is copied: a file under its own name, of a directory what is in it; with --parents under its whole path. */
static struct err *take_source(struct walk *w, int root, const char *path)
{
	_cleanup_close_ int fd = -1;
	const char *slash = strrchr(path, '/');
	size_t first = w->t->n;
	struct stat st;
	struct err *e;

	e = fd_open_in_root(root, *path ? path : ".", O_PATH, 0, &fd);
	if (!e && fstat(fd, &st) < 0)
		e = err_new(errno, "looking at %s", path);
	if (e)
		return e;
	if (!S_ISDIR(st.st_mode)) {
		w->under = w->o->parents ? w->pivot : slash ? (size_t)(slash + 1 - path) : 0;
		if (skipped(w, path))
			return NULL;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISSOCK(st.st_mode))
			return err_new(0, "%s is a %s: it cannot be copied", path,
				       S_ISSOCK(st.st_mode) ? "socket" : "device");
		return append(w, root, path, path, w->under, &st);
	}
	w->t->has_dir = true;
	w->under = w->o->parents ? w->pivot : *path ? strlen(path) + 1 : 0;
	close(TAKE_FD(fd));
	e = fd_open_in_root(root, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0, &fd);
	e = e ?: append(w, root, path, path, w->o->parents ? w->pivot : strlen(path), &st);
	if (e)
		return e;
	w->t->v[first].top = !w->o->parents;
	e = by_dir(w, fd, path, 0);
	if (!e && w->t->n == first + 1 && *path && skipped(w, path))
		drop_last(w->t);
	return e;
}

static unsigned count_parts(const char *s)
{
	unsigned n = 1;

	for (; *s; s++)
		n += *s == '/';
	return n;
}

/* Paths that fit the pattern, below the directory FD. */
static struct err *search(struct walk *w, int root, int fd, const char *path, unsigned depth,
			  struct strv *hits)
{
	_cleanup_strv_ struct strv list = { 0 };
	struct err *e = depth > DEPTH_MAX ? err_new(ELOOP, "%s", path)
					  : err_wrap(fd_list(fd, &list), "%s", *path ? path : ".");

	for (size_t i = 0; i < list.n && !e; i++) {
		_cleanup_free_ char *full = xasprintf("%s%s%s", path, *path ? "/" : "", list.v[i]);
		_cleanup_close_ int sub = -1;

		if (strlen(full) >= PATH_MAX)
			continue;
		if (pattern_fits(w->pattern, full)) {
			strv_add(hits, full);
			continue;
		}
		if (count_parts(full) >= w->parts || (w->o->ignore && ignore_prunes(w->o->ignore, full)))
			continue;
		sub = openat(fd, list.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			e = search(w, root, sub, full, depth + 1, hits);
	}
	return e;
}

static struct err *take_pattern(struct walk *w, int root, const char *source)
{
	size_t fixed = strcspn(source, "*?[\\");
	_cleanup_free_ char *dir = NULL;
	_cleanup_strv_ struct strv hits = { 0 };
	_cleanup_close_ int fd = -1;
	struct pattern *p = NULL;
	struct err *e;

	while (fixed && source[fixed - 1] != '/')
		fixed--;
	dir = xstrndup(source, fixed ? fixed - 1 : 0);
	e = pattern_new(source, &p);
	if (e)
		return e;
	w->pattern = p;
	w->parts = strstr(source, "**") ? BELOW_ALL : count_parts(source);
	e = fd_open_in_root(root, *dir ? dir : ".", O_RDONLY | O_DIRECTORY, 0, &fd);
	if (e) {
		err_free(e); /* nothing fits then */
		e = NULL;
	} else {
		e = search(w, root, fd, dir, 0, &hits);
	}
	pattern_free(p);
	for (size_t i = 0; i < hits.n && !e; i++)
		e = take_source(w, root, hits.v[i]);
	if (hits.n > 1)
		w->t->has_dir = true;
	return e;
}

struct err *tree_add(struct tree *t, int root, const char *source, const struct tree_opts *o)
{
	const char *pivot = o->parents ? strstr(source, "/./") : NULL;
	_cleanup_free_ char *before = pivot ? xstrndup(source, (size_t)(pivot - source)) : NULL;
	_cleanup_free_ char *rooted = xasprintf("/%s", source);
	_cleanup_free_ char *clean = str_clean_path(rooted);
	const char *path = clean + 1;
	struct walk w = { .t = t, .o = o };
	size_t first = t->n;
	struct err *e;

	if (before) {
		_cleanup_free_ char *head = NULL, *full = xasprintf("/%s", before);

		head = str_clean_path(full);
		w.pivot = strlen(head); /* "/a" is followed by a slash: what comes behind both */
		w.pivot = head[1] ? w.pivot : 0;
	}
	if (strlen(path) >= PATH_MAX)
		return err_new(ENAMETOOLONG, "%.60s...", source);
	e = pattern_is_literal(path) ? take_source(&w, root, path) : take_pattern(&w, root, path);
	if (err_is(e, ENOENT) || err_is(e, ENOTDIR)) {
		err_free(e);
		return err_new(0, "\"%s\" was not found in %s", source, o->where);
	}
	if (!e && t->n == first) {
		e = err_new(0, "\"%s\" was not found in %s", source, o->where);
		if (o->ignore && ignore_match(o->ignore, path))
			e = err_hint(e, "it is excluded by .dockerignore");
	}
	return e;
}

/* -- contents ---------------------------------------------------------------------------------------------------- */

static struct err *open_file(const struct tree_file *f, int root, int *ret)
{
	struct stat st;
	struct err *e = fd_open_in_root(root, f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, ret);

	if (e)
		return err_wrap(e, "%s", f->path);
	if (fstat(*ret, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size ||
	    st.st_mtim.tv_sec != f->mtime.tv_sec || st.st_mtim.tv_nsec != f->mtime.tv_nsec) {
		close(TAKE_FD(*ret));
		return err_new(0, "%s was changed while it was copied", f->path);
	}
	return NULL;
}

struct err *tree_open(const struct tree *t, size_t i, int root, int *ret_fd)
{
	*ret_fd = -1;
	return open_file(&t->v[i], root, ret_fd);
}

static void digest_raw(struct sha256 *s, unsigned char ret[32])
{
	char text[DIGEST_LEN + 1];

	sha256_text(s, text);
	for (size_t i = 0; i < 32; i++) {
		const char *hex = text + strlen(DIGEST_PREFIX) + 2 * i;
		unsigned v = 0;

		for (int k = 0; k < 2; k++)
			v = v * 16 + (unsigned)(hex[k] <= '9' ? hex[k] - '0' : hex[k] - 'a' + 10);
		ret[i] = (unsigned char)v;
	}
}

static struct err *read_file(struct tree_file *f, int root, struct sha256 *s, char *buf)
{
	_cleanup_close_ int fd = -1;
	struct err *e = open_file(f, root, &fd);
	ssize_t n;

	while (!e && (n = read(fd, buf, READ_SIZE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			e = err_new(errno, "reading %s", f->path);
		else
			sha256_add(s, buf, (size_t)n);
	}
	if (!e)
		digest_raw(s, f->digest);
	return e;
}

struct err *tree_read(struct tree *t, int root, struct fingerprints *fp)
{
	_cleanup_free_ char *buf = xmalloc(READ_SIZE);
	struct sha256 *s = sha256_new();
	struct err *e = NULL;

	for (size_t i = 0; i < t->n && !e; i++) {
		struct tree_file *f = &t->v[i];

		if (!S_ISREG(f->mode) || (fp && fingerprints_find(fp, f, f->digest)))
			continue;
		e = read_file(f, root, s, buf);
		if (!e && fp)
			fingerprints_add(fp, f);
	}
	sha256_free(s);
	return e;
}

void tree_hash(const struct tree *t, bool owners, char ret[HASH_LEN + 1])
{
	struct sha256 *s = sha256_new();
	char text[DIGEST_LEN + 1];

	for (size_t i = 0; i < t->n; i++) {
		const struct tree_file *f = &t->v[i];
		const char *name = f->path + f->under;
		struct {
			uint32_t mode, uid, gid, link;
		} head = { f->top ? f->mode & S_IFMT : f->mode, owners ? f->uid : 0,
			   owners ? f->gid : 0, f->link ? (uint32_t)strlen(f->link) : 0 };

		sha256_add(s, name, strlen(name) + 1);
		sha256_add(s, &head, sizeof(head));
		if (f->link)
			sha256_add(s, f->link, head.link);
		if (S_ISREG(f->mode))
			sha256_add(s, f->digest, sizeof(f->digest));
	}
	sha256_text(s, text);
	sha256_free(s);
	memcpy(ret, text + strlen(DIGEST_PREFIX), HASH_LEN + 1);
}
