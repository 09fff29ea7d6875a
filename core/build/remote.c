/* A context from elsewhere.  Source: Docker's documentation, "Build context" (the forms of a URL). */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/tarin.h"
#include "core/build/plan.h"

static bool is_web(const char *s)
{
	return str_starts(s, "http://") || str_starts(s, "https://");
}

bool remote_is_repo(const char *s)
{
	_cleanup_free_ char *path = xstrndup(s, strcspn(s, "#"));

	return str_starts(s, "git://") || str_starts(s, "git@") || str_starts(s, "ssh://") ||
	       (is_web(s) && str_ends(path, ".git"));
}

bool remote_is(const char *context)
{
	return remote_is_repo(context) || is_web(context);
}

/* Run git with ARGS in DIR, quietly; its own words become the error's.  RET_TEXT, the caller's: what it printed, or
 * NULL where nobody asks. */
static struct err *git(const char *dir, const struct strv *args, char **ret_text)
{
	_cleanup_strv_ struct strv argv = { 0 }, env = { 0 };
	_cleanup_close_ int output = -1;
	_cleanup_free_ char *text = NULL;
	posix_spawn_file_actions_t fa;
	int fds[2], rc, status = 0;
	struct err *e;
	char *last;
	pid_t pid;

	strv_add(&argv, "git");
	strv_add(&argv, "-C");
	strv_add(&argv, dir);
	strv_copy(&argv, args);
	for (char **v = environ; *v; v++)
		strv_add(&env, *v);
	strv_env_set(&env, "GIT_TERMINAL_PROMPT=0");
	strv_env_set(&env, "GIT_ALLOW_PROTOCOL=http:https:git:ssh"); /* no program named by a URL */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	output = fds[0];
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fa, fds[1], STDERR_FILENO);
	rc = posix_spawnp(&pid, "git", &fa, NULL, argv.v, env.v);
	posix_spawn_file_actions_destroy(&fa);
	close(fds[1]);
	if (rc == ENOENT)
		return err_hint(err_new(0, "a git repository needs the program git"),
				"install the package git, or clone it by hand");
	if (rc)
		return err_new(rc, "starting git");
	e = fd_read_all(output, "git's output", 1 << 20, &text, NULL);
	err_free(e); /* too much of it: the status counts */
	e = proc_wait_pid(pid, &status);
	for (size_t n = text ? strlen(text) : 0; n && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
	if (!e && !status && ret_text)
		*ret_text = TAKE_PTR(text);
	if (e || !status)
		return e;
	last = text ? strrchr(text, '\n') : NULL;
	return err_new(0, "git %s: %s", args->v[0],
		       last	       ? last + 1
		       : text && *text ? text
				       : "failed");
}

static void add_words(struct strv *l, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		strv_take(l, xstrndup(text, n));
		text += n + strspn(text + n, " ");
	}
}

struct err *repo_open(struct build_plan *p, const char *url, struct context *c, char **ret_commit)
{
	size_t len = strcspn(url, "#");
	_cleanup_free_ char *dir = NULL, *ref = NULL;
	_cleanup_strv_ struct strv init = { 0 }, fetch = { 0 }, which = { 0 }, checkout = { 0 };
	const char *after = url[len] ? url + len + 1 : "", *sub = strchr(after, ':');
	struct err *e = store_stage(p->st, "context", &c->stage, &c->stage_fd);

	if (e)
		return e;
	ref = sub ? xstrndup(after, (size_t)(sub - after)) : xstrdup(after);
	if (*ref == '-')
		return err_new(0, "\"%s\" is no branch, tag or commit", ref);
	dir = xasprintf("%s/tmp/%s", p->st->path, c->stage);
	add_words(&init, "init -q");
	add_words(&fetch, "fetch -q --depth=1 --");
	strv_take(&fetch, xstrndup(url, len));
	strv_add(&fetch, *ref ? ref : "HEAD");
	add_words(&which, "rev-parse FETCH_HEAD^{commit}");
	add_words(&checkout, "checkout -q FETCH_HEAD");
	e = git(dir, &init, NULL);
	e = e ?: git(dir, &fetch, NULL);
	e = e ?: git(dir, &which, ret_commit);
	e = e ?: git(dir, &checkout, NULL);
	c->path = xstrdup(dir);
	e = e
		    ?: fd_open_in_root(c->stage_fd, sub && sub[1] ? sub + 1 : ".",
				       O_RDONLY | O_DIRECTORY, 0, &c->root);
	return err_wrap(e, "%s", url);
}

/* The context is the commit's files alone. */
static struct err *repo_context(struct build_plan *p, const char *url, struct context *c)
{
	_cleanup_free_ char *commit = NULL;
	struct err *e = repo_open(p, url, c, &commit);

	return e ?: fd_rm_tree(c->stage_fd, ".git");
}

struct err *remote_open(struct build_plan *p, const char *url, struct context *c, char **ret_text)
{
	_cleanup_str_ struct str digest = { 0 };
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int stage_fd = -1, fd = -1;
	struct err *e;
	size_t len;

	if (remote_is_repo(url))
		return repo_context(p, url, c);
	e = url_fetch(p->st, url, &stage, &stage_fd, &digest);
	e = e ?: fd_open(stage_fd, "file", O_RDONLY, 0, &fd);
	if (!e && tarin_is_archive(fd))
		e = context_unpack(p, c, fd);
	else if (!e)
		e = fd_read_all(fd, url, DOCKERFILE_MAX, ret_text, &len);
	if (stage)
		err_free(store_rm_tree(p->st, p->st->tmp, stage)); /* best effort: the next sweep does it */
	return e;
}
