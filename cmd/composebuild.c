/* cmd/composebuild.c -- devbox compose build, push: the images of services. */
#include <stdio.h>

#include "cmd/compose.h"

static bool opt_no_cache, opt_pull, opt_quiet, opt_deps, opt_ignore_failures, opt_push;
static struct strv opt_args, opt_ssh;
static const char *opt_ignored;

static const struct opt build_opts[] = {
	{ 0, "build-arg", NULL, "Set build-time variables for services", OPT_LIST, &opt_args, NULL },
	{ 0, "builder", "string", NULL, OPT_STR, &opt_ignored, NULL },
	{ 'm', "memory", "bytes", NULL, OPT_STR, &opt_ignored, NULL },
	{ 0, "no-cache", NULL, "Do not use cache when building the image", OPT_BOOL, &opt_no_cache, NULL },
	{ 0, "pull", NULL, "Always attempt to pull a newer version of the image", OPT_BOOL,
	  &opt_pull, NULL },
	{ 0, "push", NULL, "Push service images", OPT_BOOL, &opt_push, NULL },
	{ 'q', "quiet", NULL, "Suppress the build output", OPT_BOOL, &opt_quiet, NULL },
	{ 0, "ssh", "string", "Set SSH authentications used when building service images", OPT_LIST,
	  &opt_ssh, NULL },
	{ 0, "with-dependencies", NULL, "Also build dependencies (transitively)", OPT_BOOL,
	  &opt_deps, NULL },
	{ 0 },
};

/* The services named, or all, that have something to build. */
static struct err *pick_buildable(struct session *s, int argc, char **argv, bool *picked)
{
	struct err *e = NULL;

	for (int i = 0; i < argc && !e; i++) {
		e = project_enable(s->p, argv[i]);
		if (!e)
			pick_service(s->p, project_service(s->p, argv[i]), opt_deps, picked);
	}
	for (size_t i = 0; i < s->p->n_services && !e; i++) {
		if (!argc)
			pick_service(s->p, &s->p->services[i], false, picked);
		picked[i] = picked[i] && node_get(s->p->services[i].node, "build");
	}
	return e;
}

static struct err *push_images(struct call *c, struct session *s, const bool *picked, bool quiet)
{
	struct err *all = NULL;

	for (size_t i = 0; i < s->p->n_services; i++) {
		char *words[2] = { NULL, NULL };
		struct err *e;

		if (!picked[i] || !node_get(s->p->services[i].node, "image"))
			continue; /* a name that is ours alone belongs to no registry */
		words[0] = arena_str(&s->p->arena, service_image(s->p, &s->p->services[i]));
		if (!quiet)
			engine_tell(&s->c, ENGINE_WORKING, "Image", words[0], "Pushing");
		e = verb_push.run(c, 1, words);
		if (!quiet)
			engine_tell(&s->c, e ? ENGINE_FAILED : ENGINE_DONE, "Image", words[0],
				    e ? "Error" : "Pushed");
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

static struct err *build(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	_cleanup_free_ const char **ids = NULL;
	struct err *e;

	compose_project_opts.no_env_resolution = true;
	e = session_open(&s, SESSION_FILES);
	if (e)
		return e;
	picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	ids = xcalloc(s.p->n_services + 1, sizeof(*ids));
	e = pick_buildable(&s, argc, argv, picked);
	s.c.build = true;
	s.c.build_extra = (struct build_extra){
		.args = opt_args, .ssh = opt_ssh, .no_cache = opt_no_cache, .pull = opt_pull
	};
	if (opt_quiet) {
		s.tasks.quiet = true;
		s.tasks.tty = s.c.build_lines = false;
	}
	e = e ?: engine_images(&s.c, picked, ids);
	return e || !opt_push ? e : push_images(c, &s, picked, opt_quiet);
}

const struct verb verb_compose_build = {
	.name = "build",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = build_opts,
	.summary = "Build or rebuild services",
	.run = build,
};

static const struct opt push_opts[] = {
	{ 0, "ignore-push-failures", NULL, "Push what it can and ignores images with push failures",
	  OPT_BOOL, &opt_ignore_failures, NULL },
	{ 0, "include-deps", NULL, "Also push images of services declared as dependencies",
	  OPT_BOOL, &opt_deps, NULL },
	{ 'q', "quiet", NULL, "Push without printing progress information", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static struct err *push(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e;

	compose_project_opts.no_env_resolution = true;
	e = session_open(&s, SESSION_FILES);
	if (e)
		return e;
	picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	e = pick_buildable(&s, argc, argv, picked);
	return e ?: push_images(c, &s, picked, opt_quiet);
}

const struct verb verb_compose_push = {
	.name = "push",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = push_opts,
	.summary = "Push service images",
	.run = push,
};
