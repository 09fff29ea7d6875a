/* What the build is made from, opened with the caller's own rights. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/box/tarin.h"
#include "core/build/plan.h"

enum { SECRET_MAX = 500 << 10, RESOLV_MAX = 64 << 10 };

/* -- contexts ---------------------------------------------------------------------------------------------------- */

struct context *context_new(struct build_plan *p, const char *name)
{
	struct context *c = xcalloc(1, sizeof(*c));

	c->name = xstrdup(name);
	c->root = c->stage_fd = -1;
	p->contexts = xrealloc(p->contexts, (p->n_contexts + 1) * sizeof(struct context *));
	p->contexts[p->n_contexts++] = c;
	return c;
}

struct err *context_unpack(struct build_plan *p, struct context *c, int fd)
{
	struct tarin t = { .fd = fd, .dest = ".", .owner = TARIN_OWN, .unpadded = true, .ids = &p->st->ids };
	struct err *e = store_stage(p->st, "context", &c->stage, &c->stage_fd);

	t.root = c->stage_fd;
	e = e ?: tarin_unpack(&t);
	c->root = fcntl(c->stage_fd, F_DUPFD_CLOEXEC, 3);
	c->path = xasprintf("%s/tmp/%s", p->st->path, c->stage ?: "");
	return err_wrap(e, "reading the build context");
}

static struct err *open_context(struct build_plan *p, struct context *c, const char *path)
{
	_cleanup_close_ int fd = -1;
	char real[PATH_MAX];
	struct stat st;
	struct err *e = fd_open(AT_FDCWD, path, O_RDONLY, 0, &fd);

	if (e)
		return err_wrap(e, "unable to prepare the context: path \"%s\"", path);
	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at %s", path);
	if (!S_ISDIR(st.st_mode))
		return context_unpack(p, c, fd);
	c->path = xstrdup(realpath(path, real) ? real : path);
	c->root = TAKE_FD(fd);
	return NULL;
}

/* --build-context name=DIR */
static struct err *named_contexts(struct build_plan *p)
{
	struct err *e = NULL;

	for (size_t i = 0; i < p->req->contexts.n && !e; i++) {
		const char *text = p->req->contexts.v[i], *path = strchr(text, '=');
		_cleanup_free_ char *name = path ? xstrndup(text, (size_t)(path - text)) : NULL;

		if (!path || path == text)
			return err_new(0, "--build-context %s: it is name=DIRECTORY or name=docker-image://IMAGE",
				       text);
		if (!str_starts(path + 1, "docker-image://"))
			e = open_context(p, context_new(p, name), path + 1);
	}
	return e;
}

/* -- the Dockerfile ---------------------------------------------------------------------------------------------- */

static struct err *read_ignore(struct build_plan *p, int dir, const char *path, const char *shown,
			       bool *ret_found)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct err *e;
	size_t len;

	*ret_found = false;
	if (dir < 0 && dir != AT_FDCWD)
		return NULL;
	e = dir == AT_FDCWD ? fd_open(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd)
			    : fd_open_in_root(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	*ret_found = true;
	e = e ?: fd_read_all(fd, shown, IGNORE_MAX, &text, &len);
	return e ?: ignore_parse(text, len, shown, &p->contexts[0]->ignore);
}

static struct err *parse_file(struct build_plan *p, int dir, const char *path, const char *shown)
{
	_cleanup_free_ char *text = NULL, *own = xasprintf("%s.dockerignore", path);
	_cleanup_close_ int fd = -1;
	bool found;
	struct err *e;
	size_t len;

	e = dir == AT_FDCWD ? fd_open(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd)
			    : fd_open_in_root(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd);
	e = e ?: fd_read_all(fd, shown, DOCKERFILE_MAX, &text, &len);
	if (e)
		return err_wrap(e, "failed to read the Dockerfile");
	e = dockerfile_parse(text, len, shown, &p->file);
	e = e ?: read_ignore(p, dir, own, own, &found);
	if (!e && !found)
		e = read_ignore(p, p->contexts[0]->root, ".dockerignore", ".dockerignore", &found);
	return e;
}

static struct err *find_file(struct build_plan *p)
{
	static const char *const names[] = { "Dockerfile", "dockerfile", "Containerfile" };
	const struct build_request *req = p->req;
	const char *text = req->dockerfile_text ?: p->remote_text;
	int root = p->contexts[0]->root;
	bool found;
	struct err *e;

	if (text) {
		e = dockerfile_parse(text, strlen(text), "Dockerfile", &p->file);
		return e ?: read_ignore(p, root, ".dockerignore", ".dockerignore", &found);
	}
	if (req->dockerfile) {
		bool inside = req->dockerfile_in_context || p->contexts[0]->stage;

		if (!inside && faccessat(AT_FDCWD, req->dockerfile, F_OK, 0) == 0)
			return parse_file(p, AT_FDCWD, req->dockerfile, req->dockerfile);
		return parse_file(p, *req->dockerfile == '/' && !inside ? AT_FDCWD : root,
				  req->dockerfile, req->dockerfile);
	}
	if (root < 0)
		return err_new(0, "there is neither a Dockerfile nor a context");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (faccessat(root, names[i], F_OK, 0) == 0)
			return parse_file(p, root, names[i], names[i]);
	return err_hint(err_new(0, "failed to read the Dockerfile: there is no file Dockerfile in %s",
				p->contexts[0]->path),
			"-f names another file");
}

/* -- secrets ----------------------------------------------------------------------------------------------------- */

/* The value of KEY in "id=x,src=y". */
static char *csv_get(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *s = text; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (!strncmp(s, key, len) && s[len] == '=')
			return xstrndup(s + len + 1, strcspn(s + len + 1, ","));
	}
	return NULL;
}

static struct err *read_secret(struct build_plan *p, const char *text)
{
	_cleanup_free_ char *id = csv_get(text, "id"), *env = csv_get(text, "env");
	_cleanup_free_ char *src = csv_get(text, "src") ?: csv_get(text, "source");
	struct secret *s;
	const char *value;
	struct err *e = NULL;

	if (!id || !*id)
		return err_new(0, "--secret %s: it needs an id, as in id=token,src=FILE", text);
	p->secrets = xrealloc(p->secrets, (p->n_secrets + 1) * sizeof(*s));
	s = &p->secrets[p->n_secrets++];
	*s = (struct secret){ .id = xstrdup(id) };
	if (!src && !env && getenv(id))
		env = xstrdup(id);
	if (env) {
		value = getenv(env);
		if (!value)
			return err_new(0, "--secret %s: the variable %s is not set", text, env);
		s->data = xstrdup(value);
		s->len = strlen(value);
		return NULL;
	}
	e = fd_read_file(AT_FDCWD, src ?: id, SECRET_MAX, &s->data, &s->len);
	return err_wrap(e, "--secret %s", text);
}

static struct err *read_agent(struct build_plan *p, const char *text)
{
	const char *eq = strchr(text, '='), *path = eq ? eq + 1 : getenv("SSH_AUTH_SOCK");
	char real[PATH_MAX];

	if (!path || !*path)
		return err_new(0, "--ssh %s: SSH_AUTH_SOCK is not set", text);
	if (!realpath(path, real))
		return err_new(errno, "--ssh %s", text);
	p->agents = xrealloc(p->agents, (p->n_agents + 1) * sizeof(*p->agents));
	p->agents[p->n_agents] =
		(struct agent){ .id = eq ? xstrndup(text, (size_t)(eq - text)) : xstrdup(text),
				.path = xstrdup(real),
				.stage_fd = -1 };
	return agent_share(p, &p->agents[p->n_agents++]);
}

struct err *build_plan_open(struct build_plan *p)
{
	const struct build_request *req = p->req;
	struct context *c = context_new(p, NULL);
	struct err *e = NULL;

	if (req->context_is_fd)
		e = context_unpack(p, c, req->context_fd);
	else if (req->context && remote_is(req->context))
		e = remote_open(p, req->context, c, &p->remote_text);
	else if (req->context)
		e = open_context(p, c, req->context);
	e = e ?: named_contexts(p);
	e = e ?: find_file(p);
	for (size_t i = 0; i < req->secrets.n && !e; i++)
		e = read_secret(p, req->secrets.v[i]);
	for (size_t i = 0; i < req->ssh.n && !e; i++)
		e = read_agent(p, req->ssh.v[i]);
	if (!e) {
		err_free(fd_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &p->resolv, NULL)); /* may be absent */
	}
	return e;
}

void build_plan_close(struct build_plan *p)
{
	for (size_t i = 0; i < p->n_contexts; i++) {
		struct context *c = p->contexts[i];

		if (c->fp)
			fingerprints_save(c->fp);
		fingerprints_free(c->fp);
		if (c->stage)
			err_free(store_rm_tree(p->st, p->st->tmp, c->stage)); /* best effort: the next sweep does it */
		if (c->root >= 0)
			close(c->root);
		if (c->stage_fd >= 0)
			close(c->stage_fd);
		ignore_done(&c->ignore);
		free(c->stage);
		free(c->name);
		free(c->path);
		free(c);
	}
	free(p->contexts);
	for (size_t i = 0; i < p->n_secrets; i++) {
		free(p->secrets[i].id);
		if (p->secrets[i].data)
			explicit_bzero(p->secrets[i].data, p->secrets[i].len);
		free(p->secrets[i].data);
	}
	free(p->secrets);
	for (size_t i = 0; i < p->n_agents; i++)
		agent_done(p, &p->agents[i]);
	free(p->agents);
	free(p->resolv);
	free(p->remote_text);
}
