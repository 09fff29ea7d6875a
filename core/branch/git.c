#include "core/branch/git.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"

enum {
	SMALL_MAX = 8192, /* HEAD, .git, commondir */
	PACKED_MAX = 64 << 20,
	LOG_MAX = 16 << 20,
	REFS_MAX = 20000, /* loose branches that are looked at */
	DEPTH_MAX = 32,
	PASSING_MAX = 200, /* branches whose logs are read in search of a parent */
};

static const char heads[] = "refs/heads/";

void git_repo_done(struct git_repo *r)
{
	free(r->work_tree);
	free(r->dir);
	free(r->common);
	*r = (struct git_repo){ 0 };
}

void git_head_done(struct git_head *h)
{
	free(h->branch);
	free(h->from);
	*h = (struct git_head){ 0 };
}

/* --- finding ---------------------------------------------------------------------------------- */

static struct err *read_small(const char *dir, const char *name, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return fd_read_file(AT_FDCWD, path, SMALL_MAX, ret, ret_len);
}

static bool exists(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return access(path, F_OK) == 0;
}

/* PATH as seen from DIR, without links. */
static struct err *resolve(const char *dir, const char *path, char **ret)
{
	_cleanup_free_ char *full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
	char *real = realpath(full, NULL);

	if (!real)
		return err_new(errno, "%s", full);
	*ret = real;
	return NULL;
}

struct err *git_open_dir(const char *dir, struct git_repo *ret)
{
	struct git_repo r = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e = resolve("/", dir, &r.dir);

	if (!e && !exists(r.dir, "HEAD"))
		e = err_new(ENOENT, "%s is not a git directory", dir);
	if (!e && exists(r.dir, "commondir")) {
		e = read_small(r.dir, "commondir", &text, &len);
		if (!e) {
			text[strcspn(text, "\r\n")] = '\0';
			e = resolve(r.dir, text, &r.common);
		}
	} else if (!e) {
		r.common = xstrdup(r.dir);
	}
	if (!e && !exists(r.common, "objects"))
		e = err_new(ENOENT, "%s is not a git directory", r.common);
	if (e)
		git_repo_done(&r);
	else
		*ret = r;
	return e;
}

/* DIR/.git, a directory or a file that names one. */
static struct err *open_dot_git(const char *dir, struct git_repo *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/.git", dir), *text = NULL, *to = NULL, *real = NULL;
	struct stat st;
	size_t len;
	struct err *e;

	if (stat(path, &st) < 0)
		return err_new(errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return git_open_dir(path, ret);
	e = read_small(dir, ".git", &text, &len);
	e = e ?: git_parse_file(text, len, &to);
	e = e ?: resolve(dir, to, &real);
	return err_wrap(e ?: git_open_dir(real, ret), "%s", path);
}

struct err *git_find(const char *start, struct git_repo *ret)
{
	_cleanup_free_ char *dir = realpath(start, NULL);
	struct git_repo r = { 0 };
	struct err *e;

	if (!dir)
		return err_new(errno, "%s", start);
	for (;;) {
		if (exists(*dir ? dir : "/", ".git")) {
			e = open_dot_git(dir, &r);
			if (!e) {
				r.work_tree = xstrdup(*dir ? dir : "/");
				*ret = r;
				return NULL;
			}
			if (!err_is(e, ENOENT))
				return e;
			err_free(e); /* an empty directory of that name is passed over, as git does */
		}
		if (!*dir || !strcmp(dir, "/"))
			return err_new(ENOENT, "%s is not in a git work tree", start);
		*strrchr(dir, '/') = '\0';
	}
}

/* --- pure ------------------------------------------------------------------------------------- */

bool git_name_ok(const char *name)
{
	size_t len = strlen(name);
	char before = '/';

	if (!len || len > GIT_NAME_MAX || *name == '-' || !strcmp(name, "@") || !strcmp(name, "HEAD"))
		return false;
	for (const char *p = name; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= ' ' || c == 0x7f || strchr("~^:?*[\\", c) || (c == '@' && p[1] == '{'))
			return false;
		if ((c == '.' && (before == '/' || before == '.')) || (c == '/' && before == '/'))
			return false;
		if (c == '/' && p - name >= 5 && !memcmp(p - 5, ".lock", 5))
			return false;
		before = (char)c;
	}
	return before != '/' && before != '.' && !str_ends(name, ".lock");
}

/* A line without its end; false when TEXT is at its end. */
static bool next_line(const char **text, size_t *len, const char **ret, size_t *ret_len)
{
	const char *end;
	size_t n;

	if (!*len)
		return false;
	end = memchr(*text, '\n', *len);
	n = end ? (size_t)(end - *text) : *len;
	*ret = *text;
	*ret_len = n && (*text)[n - 1] == '\r' ? n - 1 : n;
	n += end != NULL;
	*text += n;
	*len -= n;
	return true;
}

static bool is_commit(const char *s, size_t len)
{
	return (len == 40 || len == 64) && str_is_hex(s, len);
}

struct err *git_parse_head(const char *text, size_t len, char **ret_ref, char commit[GIT_COMMIT_MAX + 1])
{
	const char *line = "";
	size_t n = 0;

	next_line(&text, &len, &line, &n);
	commit[0] = '\0';
	*ret_ref = NULL;
	if (is_commit(line, n)) {
		memcpy(commit, line, n);
		commit[n] = '\0';
		return NULL;
	}
	if (n > 4 && !memcmp(line, "ref:", 4)) {
		_cleanup_free_ char *ref = NULL;

		for (line += 4, n -= 4; n && (*line == ' ' || *line == '\t'); line++, n--)
			;
		ref = xstrndup(line, n);
		if (strlen(ref) == n && str_starts(ref, "refs/") && git_name_ok(ref + 5)) {
			*ret_ref = TAKE_PTR(ref);
			return NULL;
		}
		if (!strcmp(ref, "refs/heads/.invalid")) /* what git writes where no file says it */
			return err_new(ENOTSUP, "its references are not kept in files");
	}
	return err_new(0, "HEAD is neither a branch nor a commit");
}

struct err *git_parse_file(const char *text, size_t len, char **ret_path)
{
	static const char key[] = "gitdir: ";
	const char *line = "";
	size_t n = 0;

	next_line(&text, &len, &line, &n);
	if (n <= sizeof(key) - 1 || memcmp(line, key, sizeof(key) - 1))
		return err_new(0, "it names no git directory");
	line += sizeof(key) - 1;
	n -= sizeof(key) - 1;
	if (memchr(line, '\0', n) || n >= PATH_MAX)
		return err_new(0, "it names no git directory");
	*ret_path = xstrndup(line, n);
	return NULL;
}

void git_parse_packed(const char *text, size_t len, struct strv *ret)
{
	const char *line;
	size_t n;

	while (next_line(&text, &len, &line, &n)) {
		const char *space = memchr(line, ' ', n);
		_cleanup_free_ char *ref = NULL;
		const char *name;

		if (!space || !is_commit(line, (size_t)(space - line)))
			continue;
		ref = xstrndup(space + 1, n - (size_t)(space + 1 - line));
		name = str_after(ref, heads);
		if (name && git_name_ok(name))
			strv_add(ret, name);
	}
}

/* "<old> <new> Who <mail> time zone\t<message>": the message, or NULL. */
static char *log_message(const char *line, size_t n)
{
	const char *tab = memchr(line, '\t', n);

	return tab ? xstrndup(tab + 1, n - (size_t)(tab + 1 - line)) : NULL;
}

char *git_log_origin(const char *text, size_t len)
{
	_cleanup_free_ char *msg = NULL;
	const char *line, *from;
	size_t n;

	if (!next_line(&text, &len, &line, &n))
		return NULL;
	msg = log_message(line, n);
	from = msg ? str_after(msg, "branch: Created from ") : NULL;
	return from && *from ? xstrdup(from) : NULL;
}

char *git_log_renamed(const char *text, size_t len)
{
	char *found = NULL;
	const char *line;
	size_t n;

	while (next_line(&text, &len, &line, &n)) {
		_cleanup_free_ char *msg = log_message(line, n);
		const char *from = msg ? str_after(msg, "Branch: renamed refs/heads/") : NULL;
		const char *end = from ? strstr(from, " to ") : NULL;

		if (!end)
			continue;
		free(found);
		found = xstrndup(from, (size_t)(end - from));
	}
	if (found && !git_name_ok(found)) {
		free(found);
		found = NULL;
	}
	return found;
}

/* "checkout: moving from A to B" */
static bool moves_to(const char *msg, const char *to, char **ret_from)
{
	const char *from = msg ? str_after(msg, "checkout: moving from ") : NULL;
	const char *mid = NULL;

	/* a name has no blanks, so the first " to " ends it */
	mid = from ? strstr(from, " to ") : NULL;
	if (!mid || (strcmp(mid + 4, to) &&
		     !(strlen(to) >= 7 && str_is_hex(to, strlen(to)) && !strncmp(mid + 4, to, 7))))
		return false;
	*ret_from = xstrndup(from, (size_t)(mid - from));
	return true;
}

char *git_log_moved(const char *text, size_t len, const char *to, bool last)
{
	char *found = NULL;
	const char *line;
	size_t n;

	while (next_line(&text, &len, &line, &n)) {
		_cleanup_free_ char *msg = log_message(line, n);
		char *from;

		if (!moves_to(msg, to, &from))
			continue;
		free(found);
		found = from;
		if (!last)
			break;
	}
	if (found && !git_name_ok(found)) {
		free(found);
		found = NULL;
	}
	return found;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A file of a few kilobytes that holds one reference: rebase-merge/head-name, BISECT_START.  NULL if it is absent or
 * names no branch. */
static char *named_branch(const struct git_repo *r, const char *file)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e = read_small(r->dir, file, &text, &len);
	const char *name;

	err_free(e); /* mostly it is absent */
	if (!text)
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	name = str_after(text, heads) ?: text;
	return git_name_ok(name) && (strlen(name) < 40 || !str_is_hex(name, strlen(name)))
		       ? xstrdup(name)
		       : NULL;
}

/* HEAD is detached while git works on a branch: the branch it will return to. */
static char *branch_in_work(const struct git_repo *r)
{
	return named_branch(r, "rebase-merge/head-name")
		       ?: named_branch(r, "rebase-apply/head-name") ?: named_branch(r, "BISECT_START");
}

static char *read_log(const char *dir, const char *name, size_t *ret_len)
{
	_cleanup_free_ char *path = xasprintf("%s/logs/%s", dir, name);
	char *text = NULL;
	struct err *e = fd_read_file(AT_FDCWD, path, LOG_MAX, &text, ret_len);

	err_free(e); /* reflogs can be turned off, and expire */
	return text;
}

struct err *git_head(const struct git_repo *r, struct git_head *ret)
{
	struct git_head h = { 0 };
	_cleanup_free_ char *text = NULL, *ref = NULL, *log = NULL;
	const char *name;
	size_t len;
	struct err *e = read_small(r->dir, "HEAD", &text, &len);

	e = e ?: git_parse_head(text, len, &ref, h.commit);
	if (err_is(e, ENOTSUP))
		return err_wrap(err_hint(e, "git refs migrate --ref-format=files"),
				"reading %s/HEAD", r->dir);
	if (e)
		return err_wrap(e, "reading %s/HEAD", r->dir);
	if (ref) {
		name = str_after(ref, heads);
		if (!name)
			return err_new(0, "reading %s/HEAD: %s is no branch", r->dir, ref);
		h.branch = xstrdup(name);
		*ret = h;
		return NULL;
	}
	h.branch = branch_in_work(r);
	if (h.branch) {
		h.commit[0] = '\0';
	} else {
		log = read_log(r->dir, "HEAD", &len);
		h.from = log ? git_log_moved(log, len, h.commit, true) : NULL;
	}
	*ret = h;
	return NULL;
}

/* Loose branches below DIR (refs/heads/PREFIX). */
static void add_loose(int dir, const char *prefix, unsigned depth, struct strv *ret)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	struct dirent *de;

	if (!d) {
		close(dir);
		return;
	}
	while ((de = readdir(d)) != NULL && ret->n < REFS_MAX) {
		_cleanup_free_ char *name = xasprintf("%s%s", prefix, de->d_name), *below = NULL;
		int sub;

		if (*de->d_name == '.')
			continue;
		sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub < 0) {
			if (errno == ENOTDIR && git_name_ok(name))
				strv_add(ret, name);
			continue;
		}
		below = xasprintf("%s/", name);
		if (depth < DEPTH_MAX && strlen(below) <= GIT_NAME_MAX)
			add_loose(sub, below, depth + 1, ret);
		else
			close(sub);
	}
}

static void sort_unique(struct strv *l)
{
	size_t n = 0;

	strv_sort(l);
	for (size_t i = 0; i < l->n; i++) {
		if (n && !strcmp(l->v[n - 1], l->v[i]))
			free(l->v[i]);
		else
			l->v[n++] = l->v[i];
	}
	l->n = n;
	if (l->v)
		l->v[n] = NULL;
}

struct err *git_branches(const struct git_repo *r, struct strv *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/refs/heads", r->common), *text = NULL, *packed = NULL;
	_cleanup_git_head_ struct git_head h = { 0 };
	_cleanup_strv_ struct strv found = { 0 };
	size_t len = 0;
	struct err *e = git_head(r, &h); /* also tells whether references are files */
	int dir;

	if (e)
		return e;
	if (h.branch)
		strv_add(&found, h.branch);
	packed = xasprintf("%s/packed-refs", r->common);
	e = fd_read_file(AT_FDCWD, packed, PACKED_MAX, &text, &len);
	if (e && !err_is(e, ENOENT))
		return e;
	err_free(e); /* nothing was packed yet */
	git_parse_packed(text ?: "", len, &found);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		add_loose(dir, "", 0, &found);
	sort_unique(&found);
	strv_copy(ret, &found);
	return NULL;
}

static void add_parent(struct strv *l, const char *branch, const char *name)
{
	/* "origin/main" and "refs/heads/main" are main */
	const char *plain = str_after(name, heads) ?: str_after(name, "refs/remotes/") ?: name;
	const char *local = str_after(plain, "origin/") ?: plain;

	if (git_name_ok(local) && strcmp(local, branch) && !strv_has(l, local))
		strv_add(l, local);
}

/* "refs/remotes/origin/main", where the remote's default branch is known. */
static void add_default(const struct git_repo *r, const char *branch, struct strv *ret)
{
	_cleanup_free_ char *text = NULL, *ref = NULL;
	char commit[GIT_COMMIT_MAX + 1];
	size_t len;
	struct err *e = read_small(r->common, "refs/remotes/origin/HEAD", &text, &len);

	e = e ?: git_parse_head(text, len, &ref, commit);
	err_free(e); /* no remote */
	if (ref)
		add_parent(ret, branch, ref);
	add_parent(ret, branch, "main");
	add_parent(ret, branch, "master");
}

/* Does the reflog pass through COMMIT? */
static bool log_reached(const char *text, size_t len, const char *commit)
{
	const char *line;
	size_t n, digits = strlen(commit);

	while (next_line(&text, &len, &line, &n))
		if (n > 2 * digits + 1 && line[digits] == ' ' &&
		    !memcmp(line + digits + 1, commit, digits))
			return true;
	return false;
}

/* The commit at which the branch began: the second word of its log's first line. */
static bool log_begin(const char *text, size_t len, char commit[GIT_COMMIT_MAX + 1])
{
	const char *line, *space;
	size_t n;

	if (!next_line(&text, &len, &line, &n))
		return false;
	space = memchr(line, ' ', n);
	n = space ? (size_t)(space - line) : 0;
	if (!is_commit(line, n) || strlen(space) < 2 + n || !is_commit(space + 1, n))
		return false;
	memcpy(commit, space + 1, n);
	commit[n] = '\0';
	return true;
}

/* Every branch that has once been where BRANCH began. */
static void add_passing(const struct git_repo *r, const char *branch, const char *commit,
			struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct err *e = git_branches(r, &all);

	err_free(e); /* a guess less */
	for (size_t i = 0; i < all.n && i < PASSING_MAX; i++) {
		_cleanup_free_ char *name = xasprintf("%s%s", heads, all.v[i]), *log = NULL;
		size_t len = 0;

		log = read_log(r->common, name, &len);
		if (log && log_reached(log, len, commit))
			add_parent(ret, branch, all.v[i]);
	}
}

/* A work tree's HEAD was moved to BRANCH: from where? */
static void add_left(const char *dir, const char *branch, struct strv *ret)
{
	_cleanup_free_ char *log = NULL, *from = NULL;
	size_t len = 0;

	log = read_log(dir, "HEAD", &len);
	from = log ? git_log_moved(log, len, branch, false) : NULL;
	if (from)
		add_parent(ret, branch, from);
}

void git_parents(const struct git_repo *r, const char *branch, struct strv *ret)
{
	_cleanup_free_ char *name = xasprintf("%s%s", heads, branch), *log = NULL, *origin = NULL;
	char commit[GIT_COMMIT_MAX + 1];
	size_t len = 0;

	log = read_log(r->common, name, &len);
	origin = log ? git_log_origin(log, len) : NULL;
	/* `git switch -c x` is "Created from HEAD", and HEAD's own log tells what that was; a named origin is better
	 * than where one stood when first going there */
	if (origin && strcmp(origin, "HEAD") &&
	    !(strlen(origin) >= 7 && str_is_hex(origin, strlen(origin))))
		add_parent(ret, branch, origin);
	add_left(r->dir, branch, ret);
	if (strcmp(r->dir, r->common))
		add_left(r->common, branch, ret);
	if (log && log_begin(log, len, commit)) {
		_cleanup_strv_ struct strv usual = { 0 };

		/* several may have been there: a default branch among them is the better guess */
		add_default(r, branch, &usual);
		for (size_t i = 0; i < usual.n; i++) {
			_cleanup_free_ char *path = xasprintf("%s%s", heads, usual.v[i]), *other = NULL;
			size_t other_len = 0;

			other = read_log(r->common, path, &other_len);
			if (other && log_reached(other, other_len, commit))
				add_parent(ret, branch, usual.v[i]);
		}
		add_passing(r, branch, commit, ret);
	}
	add_default(r, branch, ret);
}

char *git_renamed_from(const struct git_repo *r, const char *branch)
{
	_cleanup_free_ char *name = xasprintf("%s%s", heads, branch), *log = NULL;
	size_t len = 0;

	log = read_log(r->common, name, &len);
	return log ? git_log_renamed(log, len) : NULL;
}
