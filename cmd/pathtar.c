#include "cmd/pathtar.h"

#include <fcntl.h>
#include <stdlib.h>

#include "core/base/fd.h"

enum { LINK_MAX = 4096 };

struct source {
	char *parent, *base; /* base "" is the parent itself */
	bool contents, must_dir;
};

static void source_done(struct source *s)
{
	free(s->parent);
	free(s->base);
}

static void source_split(const char *path, struct source *ret)
{
	_cleanup_free_ char *clean = str_clean_path(path);
	char *slash = strrchr(clean, '/');

	ret->contents = str_ends(path, "/.") || str_eq(path, ".");
	ret->must_dir = ret->contents || str_ends(path, "/");
	if (str_eq(clean, "/") || str_eq(clean, ".") || str_eq(clean, "..") || str_ends(clean, "/..")) {
		ret->parent = xstrdup(clean);
		ret->base = xstrdup("");
		ret->contents = true;
		return;
	}
	ret->base = xstrdup(slash ? slash + 1 : clean);
	ret->parent = !slash	       ? xstrdup(".")
		      : slash == clean ? xstrdup("/")
				       : xstrndup(clean, (size_t)(slash - clean));
}

/* The directory that it is in, and what it is. */
static struct err *look(const struct pathtar *p, const struct source *s, int *ret_dir,
			struct stat *ret, bool *ret_follow)
{
	bool follow = p->follow || s->must_dir || !*s->base;
	struct err *e;

	e = p->root < 0 ? fd_open(AT_FDCWD, s->parent, O_PATH | O_DIRECTORY, 0, ret_dir)
			: fd_open_in_root(p->root, s->parent, O_PATH | O_DIRECTORY, 0, ret_dir);
	if (!e && fstatat(*ret_dir, *s->base ? s->base : ".", ret, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "lstat %s", p->path);
	if ((err_is(e, ENOENT) || err_is(e, ENOTDIR)) && p->root >= 0) {
		err_free(e);
		return err_new(0, "Could not find the file %s in container %s", p->path, p->container);
	}
	if (!e && s->must_dir && !S_ISDIR(ret->st_mode))
		e = err_new(0, "not a directory: %s", p->path);
	*ret_follow = follow;
	return e;
}

struct err *pathtar_write(const struct pathtar *p, struct tarout *t)
{
	_cleanup_(source_done) struct source s = { 0 };
	_cleanup_close_ int dir = -1;
	bool follow;
	struct stat st;
	struct err *e;

	source_split(p->path, &s);
	e = look(p, &s, &dir, &st, &follow);
	e = e ?: tarout_tree(t, dir, *s.base ? s.base : ".", s.contents ? "" : s.base, follow);
	return e ?: tarout_end(t);
}

struct err *pathtar_stat(const struct pathtar *p, struct stat *ret, char **ret_link)
{
	_cleanup_(source_done) struct source s = { 0 };
	_cleanup_close_ int dir = -1;
	char link[LINK_MAX];
	ssize_t n = -1;
	bool follow;
	struct err *e;

	source_split(p->path, &s);
	e = look(p, &s, &dir, ret, &follow);
	if (e)
		return e;
	if (S_ISLNK(ret->st_mode))
		n = readlinkat(dir, s.base, link, sizeof(link) - 1);
	*ret_link = NULL;
	if (n >= 0) {
		link[n] = '\0';
		*ret_link = *link == '/' ? xstrdup(link) : xasprintf("%s/%s", s.parent, link);
	}
	return NULL;
}
