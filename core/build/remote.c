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

/* https://host/x.git, https://host/x.git#branch:dir, git://..., ssh://..., git@host:x */
static bool is_git(const char *s)
{
	_cleanup_free_ char *path = xstrndup(s, strcspn(s, "#"));

	return str_starts(s, "git://") || str_starts(s, "git@") || str_starts(s, "ssh://") ||
	       (is_web(s) && str_ends(path, ".git"));
}

bool remote_is(const char *context)
{
	return is_git(context) || is_web(context);
}

/* Run git with ARGS in DIR, quietly; its own words become the error's. */
static struct err *git(const char *dir, const struct strv *args)
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
		return err_hint(err_new(0, "a git repository as context needs the program git"),
				"install the package git, or clone it and build from there");
	if (rc)
		return err_new(rc, "starting git");
	e = fd_read_all(output, "git's output", 1 << 20, &text, NULL);
	err_free(e); /* too much of it: the status counts */
	e = proc_wait_pid(pid, &status);
	if (e || !status)
		return e;
	for (size_t n = text ? strlen(text) : 0; n && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
	last = text ? strrchr(text, '\n') : NULL;
	return err_new(0, "git %s: %s", args->v[0],
		       last	       ? last + 1
		       : text && *text ? text
				       : "failed");
}

static struct err *git_open(struct build_plan *p, const char *url, struct context *c)
{
	size_t len = strcspn(url, "#");
	_cleanup_free_ char *repo = xstrndup(url, len), *dir = NULL, *ref = NULL;
	_cleanup_strv_ struct strv init = { 0 }, fetch = { 0 }, checkout = { 0 };
	const char *after = url[len] ? url + len + 1 : "", *sub = strchr(after, ':');
	struct err *e = store_stage(p->st, "context", &c->stage, &c->stage_fd);

	if (e)
		return e;
	ref = sub ? xstrndup(after, (size_t)(sub - after)) : xstrdup(after);
	if (*ref == '-')
		return err_new(0, "\"%s\" is no branch, tag or commit", ref);
	dir = xasprintf("%s/tmp/%s", p->st->path, c->stage);
	strv_add(&init, "init");
	strv_add(&init, "-q");
	strv_add(&fetch, "fetch");
	strv_add(&fetch, "-q");
	strv_add(&fetch, "--depth=1");
	strv_add(&fetch, "--");
	strv_add(&fetch, repo);
	strv_add(&fetch, *ref ? ref : "HEAD");
	strv_add(&checkout, "checkout");
	strv_add(&checkout, "-q");
	strv_add(&checkout, "FETCH_HEAD");
	e = git(dir, &init);
	e = e ?: git(dir, &fetch);
	e = e ?: git(dir, &checkout);
	e = e ?: fd_rm_tree(c->stage_fd, ".git");
	c->path = xstrdup(dir);
	e = e
		    ?: fd_open_in_root(c->stage_fd, sub && sub[1] ? sub + 1 : ".",
				       O_RDONLY | O_DIRECTORY, 0, &c->root);
	return err_wrap(e, "%s", url);
}

struct err *remote_open(struct build_plan *p, const char *url, struct context *c, char **ret_text)
{
	_cleanup_str_ struct str digest = { 0 };
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int stage_fd = -1, fd = -1;
	struct err *e;
	size_t len;

	if (is_git(url))
		return git_open(p, url, c);
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
