/* cmd/composebuild.c -- devbox compose build, pull, push: the images of services. */
#include <stdio.h>

#include "cmd/compose.h"
#include "cmd/pull.h"

static bool opt_no_cache, opt_pull, opt_quiet, opt_deps, opt_ignore_failures, opt_push,
	opt_ignore_buildable;
static struct strv opt_args, opt_ssh;
static enum pull_when opt_policy = PULL_ALWAYS;

/* A session about the images of the services named, with DEPS also of those they depend on, or of all. */
static struct err *open_images(struct session *s, int argc, char **argv, bool **ret_picked)
{
	bool *picked;
	struct err *e;

	compose_project_opts.no_env_resolution = true;
	e = session_open(s, SESSION_FILES);
	if (e)
		return e;
	if (opt_quiet) {
		s->tasks.quiet = true;
		s->tasks.tty = s->c.build_lines = false;
	}
	picked = xcalloc(s->p->n_services + 1, sizeof(*picked));
	for (int i = 0; i < argc && !e; i++) {
		e = project_enable(s->p, argv[i]);
		if (!e)
			pick_service(s->p, project_service(s->p, argv[i]), opt_deps, picked);
	}
	for (size_t i = 0; i < s->p->n_services && !argc; i++)
		pick_service(s->p, &s->p->services[i], false, picked);
	*ret_picked = picked;
	return e;
}

static bool is_buildable(const struct service *s)
{
	return node_get(s->node, "build");
}

/* --- build ------------------------------------------------------------------------------------ */

static bool opt_check, opt_print;

static const struct opt build_opts[] = {
	{ 0, "build-arg", NULL, "Set build-time variables for services", OPT_LIST, &opt_args, NULL },
	{ 0, "check", NULL, NULL, OPT_BOOL, &opt_check, NULL },
	{ 0, "no-cache", NULL, "Do not use cache when building the image", OPT_BOOL, &opt_no_cache, NULL },
	{ 0, "print", NULL, NULL, OPT_BOOL, &opt_print, NULL },
	{ 0, "pull", NULL, "Always attempt to pull a newer version of the image", OPT_BOOL,
	  &opt_pull, NULL },
	{ 0, "push", NULL, "Push service images", OPT_BOOL, &opt_push, NULL },
	{ 'q', "quiet", NULL, "Suppress the build output", OPT_BOOL, &opt_quiet, NULL },
	{ 0, "ssh", "string", "Set SSH authentications used when building service images", OPT_LIST,
	  &opt_ssh, NULL },
	{ 0, "with-dependencies", NULL, "Also build dependencies (transitively)", OPT_BOOL,
	  &opt_deps, NULL },
	COMPOSE_OPTS_END,
};

static struct err *push_one(struct session *s, const char *image)
{
	struct err *e;

	if (!opt_quiet)
		engine_tell(&s->c, ENGINE_WORKING, "Image", image, "Pushing");
	e = s->c.dry_run ? NULL : push_quietly(s->st, image);
	if (!opt_quiet)
		engine_tell(&s->c, e ? ENGINE_FAILED : ENGINE_DONE, "Image", image,
			    e ? "Error" : "Pushed");
	return e;
}

static struct err *push_images(struct session *s, const bool *picked)
{
	struct err *all = NULL;

	for (size_t i = 0; i < s->p->n_services; i++) {
		struct err *e;

		if (!picked[i] || !node_get(s->p->services[i].node, "image"))
			continue; /* a name that is ours alone belongs to no registry */
		e = push_one(s, service_image(s->p, &s->p->services[i]));
		if (e && opt_ignore_failures) {
			_cleanup_free_ char *line = err_line(e);

			fprintf(stderr, "%s: %s\n", prog(), line);
			err_free(e);
			continue;
		}
		all = err_also(all, e);
	}
	return all;
}

static struct err *build(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e = NULL;

	if (opt_check)
		return err_new(0, "--check: Dockerfiles are not judged; a build tells what is wrong in what it needs");
	if (opt_print)
		return err_new(0, "--print: there is no bake, and so no file for it");
	e = open_images(&s, argc, argv, &picked);
	for (size_t i = 0; !e && i < s.p->n_services; i++)
		picked[i] = picked[i] && is_buildable(&s.p->services[i]);
	s.c.build = true;
	s.c.build_extra = (struct build_extra){
		.args = opt_args, .ssh = opt_ssh, .no_cache = opt_no_cache, .pull = opt_pull
	};
	e = e ?: engine_images(&s.c, picked);
	return e || !opt_push ? e : push_images(&s, picked);
}

const struct verb verb_compose_build = {
	.name = "build",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = build_opts,
	.summary = "Build or rebuild services",
	.run = build,
};

/* --- pull ------------------------------------------------------------------------------------- */

static struct err *set_policy(const char *value, UNUSED void *to)
{
	if (strcmp(value, "missing") && strcmp(value, "always"))
		return err_new(0, "it must be \"missing\" or \"always\"");
	opt_policy = strcmp(value, "always") ? PULL_MISSING : PULL_ALWAYS;
	return NULL;
}

static const struct opt pull_opts[] = {
	{ 0, "ignore-buildable", NULL, "Ignore images that can be built", OPT_BOOL,
	  &opt_ignore_buildable, NULL },
	{ 0, "ignore-pull-failures", NULL, "Pull what it can and ignores images with pull failures",
	  OPT_BOOL, &opt_ignore_failures, NULL },
	{ 0, "include-deps", NULL, "Also pull services declared as dependencies", OPT_BOOL,
	  &opt_deps, NULL },
	{ 0, "policy", "string", "Apply pull policy (missing|always)", OPT_CALL, NULL, set_policy },
	{ 'q', "quiet", NULL, "Pull without printing progress information", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

static struct err *pull(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e = open_images(&s, argc, argv, &picked);

	for (size_t i = 0; !e && i < s.p->n_services; i++) {
		const struct service *of = &s.p->services[i];

		if (is_buildable(of) && (opt_ignore_buildable || !node_get(of->node, "image")))
			picked[i] = false;
	}
	s.c.pull = opt_policy;
	s.c.no_build = true;
	s.c.pull_failures_pass = opt_ignore_failures;
	return e ?: engine_images(&s.c, picked);
}

const struct verb verb_compose_pull = {
	.name = "pull",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = pull_opts,
	.summary = "Pull service images",
	.run = pull,
};

/* --- push ------------------------------------------------------------------------------------- */

static const struct opt push_opts[] = {
	{ 0, "ignore-push-failures", NULL, "Push what it can and ignores images with push failures",
	  OPT_BOOL, &opt_ignore_failures, NULL },
	{ 0, "include-deps", NULL, "Also push images of services declared as dependencies",
	  OPT_BOOL, &opt_deps, NULL },
	{ 'q', "quiet", NULL, "Push without printing progress information", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

static struct err *push(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e = open_images(&s, argc, argv, &picked);

	for (size_t i = 0; !e && i < s.p->n_services; i++)
		picked[i] = picked[i] && is_buildable(&s.p->services[i]);
	return e ?: push_images(&s, picked);
}

const struct verb verb_compose_push = {
	.name = "push",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = push_opts,
	.summary = "Push service images",
	.run = push,
};
