/* cmd/compose.c -- devbox compose [OPTIONS] VERB: the options in front of the verb, and what its verbs share. */
#include "cmd/compose.h"

#include <stdio.h>

#include "core/base/proc.h"
#include "core/compose/find.h"
#include "core/compose/jobs.h"
#include "core/compose/request.h"

struct project_opts compose_project_opts;
bool compose_opt_version, compose_dry_run;

static const char *opt_progress;
static bool opt_compatibility, opt_ansi_never, opt_ignored;
static int opt_parallel;

static struct err *set_no_ansi(UNUSED const char *value, UNUSED void *to)
{
	opt_ansi_never = true;
	return NULL;
}

static struct err *set_name(const char *value, UNUSED void *to)
{
	compose_project_opts.name = value;
	return NULL;
}

static struct err *set_ansi(const char *value, UNUSED void *to)
{
	if (strcmp(value, "never") && strcmp(value, "always") && strcmp(value, "auto"))
		return err_new(0, "it must be \"never\", \"always\" or \"auto\"");
	opt_ansi_never = !strcmp(value, "never");
	return NULL;
}

static struct err *set_progress(const char *value, UNUSED void *to)
{
	static const char *const known[] = { "auto", "tty", "plain", "json", "quiet", NULL };

	for (size_t i = 0; known[i]; i++)
		if (!strcmp(value, known[i])) {
			opt_progress = strcmp(value, "json") ? value : "plain";
			return NULL;
		}
	return err_new(0, "it must be \"auto\", \"tty\", \"plain\" or \"quiet\"");
}

const struct opt compose_opts[] = {
	{ 0, "all-resources", NULL, "Include all resources, even those not used by services",
	  OPT_BOOL, &compose_project_opts.all_resources, NULL },
	{ 0, "ansi", "string", "Control when to print ANSI control characters (never|always|auto)",
	  OPT_CALL, NULL, set_ansi },
	BRANCH_OPT,
	{ 0, "compatibility", NULL,
	  "Name containers as version 1 did, with underscores (COMPOSE_COMPATIBILITY=true)",
	  OPT_BOOL, &opt_compatibility, NULL },
	{ 0, "env-file", "file", "Specify an alternate environment file", OPT_LIST,
	  &compose_project_opts.env_files, NULL },
	{ 'f', "file", "file", "Compose configuration files", OPT_LIST, &compose_project_opts.files,
	  NULL },
	{ 0, "no-ansi", NULL, NULL, OPT_CALL_FLAG, NULL, set_no_ansi },
	{ 0, "parallel", "int", "Control max parallelism, -1 for unlimited (default -1)", OPT_INT,
	  &opt_parallel, NULL },
	{ 0, "profile", "name", "Specify a profile to enable", OPT_LIST,
	  &compose_project_opts.profiles, NULL },
	{ 0, "progress", "string", "Set type of progress output (auto, tty, plain, quiet)",
	  OPT_CALL, NULL, set_progress },
	{ 0, "project-directory", "directory",
	  "Specify an alternate working directory (default: the path of the first file)", OPT_STR,
	  &compose_project_opts.directory, NULL },
	{ 'p', "project-name", "name", "Project name", OPT_CALL, NULL, set_name },
	{ 0, "verbose", NULL, NULL, OPT_BOOL, &opt_ignored, NULL },
	{ 'v', "version", NULL, "Show the Docker Compose version information", OPT_BOOL,
	  &compose_opt_version, NULL },
	{ 0, "workdir", "directory", NULL, OPT_STR, &compose_project_opts.directory, NULL },
	COMPOSE_OPTS_END,
};

const struct opt compose_common_opts[] = { COMPOSE_OPTS_END };

struct err *compose_load(struct project **ret, bool say_notes, struct store **st,
			 struct stack_place *place)
{
	struct stack_place own = { 0 };
	struct project *p = NULL;
	bool follows = false;
	struct err *e = project_load(&compose_project_opts, &p);

	e = e ?: compose_enter_branch(p, place && say_notes && !compose_dry_run, st, &own, &follows);
	if (!e && follows) {
		project_free(TAKE_PTR(p));
		e = project_load(&compose_project_opts, &p);
	}
	for (size_t i = 0; !e && say_notes && i < p->notes.n; i++)
		fprintf(stderr, "%s: warning: %s\n", prog(), p->notes.v[i]);
	compose_project_opts.suffix = compose_project_opts.address = NULL; /* they pointed there */
	if (e || !place)
		stack_place_done(&own);
	else
		*place = own;
	if (e)
		project_free(p);
	else
		*ret = p;
	return e;
}

/* --- a session -------------------------------------------------------------------------------- */

static void on_event(void *arg, const struct engine_event *ev)
{
	struct session *s = arg;
	_cleanup_free_ char *line = NULL, *subject = NULL;

	if (ev->subject) {
		subject = xasprintf("%s%s", compose_dry_run ? "DRY-RUN MODE -  " : "", ev->subject);
		tasks_set(&s->tasks, subject, ev->words, ev->text, (enum task_state)ev->state);
		return;
	}
	line = ev->words ? xasprintf("[%s] %s", ev->words, ev->text)
			 : xasprintf("%s: %s", prog(), ev->text);
	tasks_note(&s->tasks, line);
}

/* The name when there are no files: -p, or what the variable says. */
static const char *bare_name(void)
{
	return compose_project_opts.name ?: getenv("COMPOSE_PROJECT_NAME");
}

struct err *session_open(struct session *s, enum session_need need)
{
	struct err *e;

	*s = (struct session){ 0 };
	tasks_init(&s->tasks, STDERR_FILENO, opt_ansi_never && !opt_progress ? "plain" : opt_progress);
	e = compose_load(&s->p, need == SESSION_FILES, &s->st, &s->place);
	if (!e) {
		s->name = s->p->name;
	} else if (need == SESSION_NAME && bare_name() && !compose_project_opts.files.n &&
		   str_starts(e->text, "no configuration file")) {
		err_free(e);
		s->name = bare_name();
		e = project_name_check(s->name);
	}
	if (!e && !s->st)
		e = store_open(&s->st);
	e = e ?: session_refresh(s);
	s->c = (struct compose){ .st = s->st,
				 .place = s->place.id ? &s->place : NULL,
				 .p = s->p,
				 .a = &s->a,
				 .underscores =
					 opt_compatibility ||
					 (s->p && project_env_true(s->p, "COMPOSE_COMPATIBILITY")),
				 .parallel = opt_parallel > 0 ? (unsigned)opt_parallel : 0,
				 .dry_run = compose_dry_run,
				 .build_lines = !s->tasks.tty && !s->tasks.quiet,
				 .stop_timeout_s = -1,
				 .signals = -1,
				 .beside = -1,
				 .event = on_event,
				 .arg = s };
	return e;
}

struct err *session_look(struct session *s, int argc, char **argv, struct strv *services)
{
	struct err *e;

	compose_project_opts.all_profiles = true;
	compose_project_opts.no_env_resolution = true;
	compose_project_opts.no_consistency = true;
	e = session_open(s, SESSION_NAME);
	return e ?: session_services(s, argc, argv, services);
}

struct err *session_refresh(struct session *s)
{
	actuals_done(&s->a);
	return actuals_load(s->st, s->name, &s->a);
}

void session_done(struct session *s)
{
	tasks_done(&s->tasks);
	viewer_free(s->viewer);
	err_free(s->viewer_error);
	if (s->c.signals >= 0 && s->c.st) /* a session that was never opened is all zeroes */
		close(s->c.signals);
	actuals_done(&s->a);
	project_free(s->p);
	stack_place_done(&s->place);
	store_free(s->st);
}

struct err *session_services(struct session *s, int argc, char **argv, struct strv *to)
{
	for (int i = 0; i < argc; i++) {
		size_t n = 0;

		actuals_of(&s->a, argv[i], &n);
		if (!n && !(s->p && project_service(s->p, argv[i])))
			return err_new(0, "no such service: %s", argv[i]);
		strv_add(to, argv[i]);
	}
	return NULL;
}

bool is_meant(const struct actual *c, const struct strv *services)
{
	return !c->oneoff && (!services->n || strv_has(services, c->service));
}

struct actual **session_meant(struct session *s, const struct strv *services, bool all, size_t *ret_n)
{
	struct actual **v = xcalloc(s->a.n + 1, sizeof(struct actual *));
	size_t n = 0;

	for (size_t i = 0; i < s->a.n; i++)
		if (is_meant(&s->a.v[i], services) && (all || s->a.v[i].up))
			v[n++] = &s->a.v[i];
	*ret_n = n;
	return v;
}

struct each {
	struct err *(*fn)(struct box *b, void *arg);
	struct box *b;
	void *arg;
};

static struct err *each_job(void *arg, UNUSED int out)
{
	struct each *e = arg;

	return e->fn(e->b, e->arg);
}

bool session_is_dry(struct session *s, const char *name, const char *words)
{
	if (compose_dry_run)
		engine_tell(&s->c, ENGINE_DONE, "Container", name, words);
	return compose_dry_run;
}

struct err *compose_not_dry(const char *why)
{
	return compose_dry_run ? err_new(0, "--dry-run is not for this command: %s", why) : NULL;
}

struct err *session_each(struct session *s, const struct strv *services, const char *working,
			 const char *done, struct err *(*fn)(struct box *b, void *arg), void *arg)
{
	_cleanup_jobs_ struct jobs jobs = { .limit = s->c.parallel, .wake = -1, .beside = -1 };
	struct err *all = NULL;
	size_t next = 0;

	for (;;) {
		struct job_word word;
		struct err *e = NULL;

		for (; next < s->a.n && !e && !jobs_full(&jobs); next++) {
			struct each each = { fn, s->a.v[next].box, arg };

			if (!is_meant(&s->a.v[next], services))
				continue;
			engine_tell(&s->c, ENGINE_WORKING, "Container", s->a.v[next].name, working);
			if (session_is_dry(s, s->a.v[next].name, done))
				continue;
			e = jobs_start(&jobs, next, each_job, &each);
		}
		if (!e && !jobs.n)
			return all;
		e = e ?: jobs_next(&jobs, &word);
		if (e)
			return err_also(all, e);
		if (word.kind)
			continue;
		engine_tell(&s->c, word.error ? ENGINE_FAILED : ENGINE_DONE, "Container",
			    s->a.v[word.id].name, word.error ? "Error" : done);
		all = err_also(all, word.error);
	}
}

struct err *session_container(struct session *s, const char *service, unsigned index, struct box **ret)
{
	size_t n = 0;
	struct actual *own = actuals_of(&s->a, service, &n);

	for (size_t i = 0; i < n; i++)
		if (!own[i].oneoff && (index ? own[i].number == index : own[i].up)) {
			*ret = own[i].box;
			return NULL;
		}
	if (!n && !(s->p && project_service(s->p, service)))
		return err_new(0, "no such service: %s", service);
	if (index)
		return err_new(0, "service \"%s\" has no container %u", service, index);
	return err_hint(err_new(0, "service \"%s\" is not running", service),
			"devbox compose up -d %s", service);
}

struct err *session_run(struct session *s, struct project_plan *plan)
{
	struct err *e = engine_steps(&s->c, plan);

	return err_also(e, session_refresh(s));
}

void pick_service(const struct project *p, const struct service *s, bool deps, bool *picked)
{
	if (!s || !s->enabled || picked[s - p->services])
		return;
	picked[s - p->services] = true;
	for (size_t i = 0; i < s->n_depends && deps; i++)
		pick_service(p, project_service(p, s->depends[i].service), deps, picked);
}
