/* cmd/composeup.c -- devbox compose up, create, scale, start, down: the verbs that follow a plan. */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "cmd/compose.h"
#include "core/base/proc.h"
#include "core/box/state.h"
#include "core/compose/request.h"

static bool opt_detach, opt_build, opt_no_build, opt_force, opt_no_recreate, opt_no_deps,
	opt_orphans, opt_no_start, opt_wait, opt_abort, opt_abort_failure, opt_always_deps,
	opt_renew, opt_quiet_pull, opt_timestamps, opt_no_color, opt_no_prefix, opt_volumes,
	opt_yes, opt_menu, opt_quiet_build, opt_attach_deps, opt_watch;
static const char *opt_code_from, *opt_rmi;
static int opt_timeout = -1;
static unsigned opt_wait_timeout;
static enum pull_when opt_pull;
static struct strv opt_scale, opt_attach, opt_no_attach;

/* --- up --------------------------------------------------------------------------------------- */

static struct err *set_pull(const char *value, UNUSED void *to)
{
	static const char *const words[] = {
		[PULL_AS_FILE] = "policy", [PULL_ALWAYS] = "always", [PULL_MISSING] = "missing", [PULL_NEVER] = "never"
	};

	for (enum pull_when w = 0; w < ARRAY_LEN(words); w++)
		if (!strcmp(value, words[w])) {
			opt_pull = w;
			return NULL;
		}
	return err_new(0, "it must be \"always\", \"missing\", \"never\" or \"policy\"");
}

#define MAKING_OPTS                                                                                  \
	{ 0, "build", NULL, "Build images before starting containers", OPT_BOOL, &opt_build, NULL }, \
		{ 0,                                                                                 \
		  "force-recreate",                                                                  \
		  NULL,                                                                              \
		  "Recreate containers even if their configuration and image haven't changed",       \
		  OPT_BOOL,                                                                          \
		  &opt_force,                                                                        \
		  NULL },                                                                            \
		{ 0,	    "no-build",	   NULL, "Don't build an image, even if it's policy",        \
		  OPT_BOOL, &opt_no_build, NULL },                                                   \
		{ 0,	    "no-recreate",                                                           \
		  NULL,	    "If containers already exist, don't recreate them",                      \
		  OPT_BOOL, &opt_no_recreate,                                                        \
		  NULL },                                                                            \
		{ 0,	    "pull",                                                                  \
		  "string", "Pull image before running (always|missing|never|policy)",               \
		  OPT_CALL, NULL,                                                                    \
		  set_pull },                                                                        \
		{ 0,	    "quiet-build",    NULL, "Suppress the build output",                     \
		  OPT_BOOL, &opt_quiet_build, NULL },                                                \
		{ 0,	    "quiet-pull",    NULL, "Pull without printing progress information",     \
		  OPT_BOOL, &opt_quiet_pull, NULL },                                                 \
		{ 0,	    "remove-orphans",                                                        \
		  NULL,	    "Remove containers for services not defined in the Compose file",        \
		  OPT_BOOL, &opt_orphans,                                                            \
		  NULL },                                                                            \
		{ 0,                                                                                 \
		  "scale",                                                                           \
		  "SERVICE=N",                                                                       \
		  "Scale SERVICE to N instances. Overrides the `scale` setting in the Compose file", \
		  OPT_LIST,                                                                          \
		  &opt_scale,                                                                        \
		  NULL },                                                                            \
	{                                                                                            \
		'y', "yes", NULL, NULL, OPT_BOOL, &opt_yes, NULL                                     \
	}

static const struct opt create_opts[] = { MAKING_OPTS, COMPOSE_OPTS_END };

static const struct opt up_opts[] = {
	BRANCH_OPT,
	{ 'd', "detach", NULL, "Detached mode: Run containers in the background", OPT_BOOL,
	  &opt_detach, NULL },
	{ 0, "abort-on-container-exit", NULL, "Stops all containers if any container was stopped",
	  OPT_BOOL, &opt_abort, NULL },
	{ 0, "abort-on-container-failure", NULL,
	  "Stops all containers if any container exited with failure", OPT_BOOL, &opt_abort_failure,
	  NULL },
	{ 0, "always-recreate-deps", NULL, "Recreate dependent containers", OPT_BOOL,
	  &opt_always_deps, NULL },
	{ 0, "attach", NULL, "Restrict attaching to the specified services", OPT_LIST, &opt_attach, NULL },
	{ 0, "attach-dependencies", NULL, "Automatically attach to log output of dependent services",
	  OPT_BOOL, &opt_attach_deps, NULL },
	{ 0, "exit-code-from", "SERVICE",
	  "Return the exit code of the selected service container. Implies --abort-on-container-exit",
	  OPT_STR, &opt_code_from, NULL },
	{ 0, "menu", NULL, NULL, OPT_BOOL, &opt_menu, NULL },
	{ 0, "no-attach", NULL, "Do not attach (stream logs) to the specified services", OPT_LIST,
	  &opt_no_attach, NULL },
	{ 0, "no-color", NULL, "Produce monochrome output", OPT_BOOL, &opt_no_color, NULL },
	{ 0, "no-deps", NULL, "Don't start linked services", OPT_BOOL, &opt_no_deps, NULL },
	{ 0, "no-log-prefix", NULL, "Don't print prefix in logs", OPT_BOOL, &opt_no_prefix, NULL },
	{ 0, "no-start", NULL, "Don't start the services after creating them", OPT_BOOL,
	  &opt_no_start, NULL },
	{ 'V', "renew-anon-volumes", NULL,
	  "Recreate anonymous volumes instead of retrieving data from the previous containers",
	  OPT_BOOL, &opt_renew, NULL },
	{ 't', "timeout", "int", "Use this timeout in seconds for container shutdown", OPT_INT,
	  &opt_timeout, NULL },
	{ 0, "timestamps", NULL, "Show timestamps", OPT_BOOL, &opt_timestamps, NULL },
	{ 0, "wait", NULL, "Wait for services to be running|healthy. Implies detached mode",
	  OPT_BOOL, &opt_wait, NULL },
	{ 0, "wait-timeout", "int",
	  "Maximum duration in seconds to wait for the project to be running|healthy", OPT_UINT,
	  &opt_wait_timeout, NULL },
	{ 'w', "watch", NULL, NULL, OPT_BOOL, &opt_watch, NULL },
	MAKING_OPTS,
	COMPOSE_OPTS_END,
};

static struct err *check_up(void)
{
	if (opt_force && opt_no_recreate)
		return err_new(0, "--force-recreate and --no-recreate are incompatible");
	if (opt_build && opt_no_build)
		return err_new(0, "--build and --no-build are incompatible");
	if (opt_watch)
		return err_hint(err_new(0, "--watch: the terminal is for the containers' output"),
				"%s compose watch in another one", prog());
	if (opt_always_deps && opt_no_recreate)
		return err_new(0, "--always-recreate-deps and --no-recreate are incompatible");
	if (opt_attach.n && opt_attach_deps)
		return err_new(0, "cannot combine --attach and --attach-dependencies");
	if (opt_detach && (opt_abort || opt_abort_failure || opt_code_from))
		return err_new(0, "--abort-on-container-exit and --exit-code-from cannot be used with --detach");
	return NULL;
}

/* "web=3" for each of LIST. */
static struct err *read_scale(const struct project *p, const struct strv *list, int *scale)
{
	for (size_t i = 0; i < p->n_services; i++)
		scale[i] = -1;
	for (size_t i = 0; i < list->n; i++) {
		const char *eq = strchr(list->v[i], '=');
		_cleanup_free_ char *name = xstrndup(list->v[i], eq ? (size_t)(eq - list->v[i]) : 0);
		const struct service *s = project_service(p, name);
		uint64_t n = 0;
		struct err *e;

		if (!eq)
			return err_new(0, "invalid scale specifier: %s (hint: it is SERVICE=NUMBER)",
				       list->v[i]);
		if (!s)
			return err_new(0, "no such service: %s", name);
		e = str_to_u64(eq + 1, 0, 1000, &n);
		if (e)
			return err_wrap(e, "invalid scale specifier: %s", list->v[i]);
		if (n > 1 && node_get(s->node, "container_name"))
			return err_new(0, "service %s has a container_name, which only one container can have",
				       name);
		scale[s - p->services] = (int)n;
	}
	return NULL;
}

static void tell_orphans(struct session *s)
{
	_cleanup_str_ struct str names = { 0 };

	for (size_t i = 0; i < s->a.n; i++)
		if (!s->a.v[i].oneoff && !project_service(s->p, s->a.v[i].service))
			str_addf(&names, "%s%s", names.len ? ", " : "", s->a.v[i].name);
	if (names.len && !opt_orphans)
		fprintf(stderr,
			"%s: found containers of services that are not in the files: %s "
			"(--remove-orphans removes them)\n",
			prog(), names.s);
}

struct err *compose_remove_orphans(struct session *s)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_project_plan_ struct project_plan plan = { 0 };

	for (size_t i = 0; i < s->a.n; i++)
		if (!project_service(s->p, s->a.v[i].service))
			strv_add(&names, s->a.v[i].service);
	if (!names.n)
		return NULL;
	project_plan_down(s->p, &s->a, &names, true, true, false, &plan);
	return session_run(s, &plan);
}

static bool uses_network(const struct service *s, const struct strv *keys)
{
	const struct node *own = node_get(s->node, "networks");

	for (size_t i = 0; i < keys->n; i++)
		if (node_is(own, NODE_MAP) && node_member(own, keys->v[i]))
			return true;
	return false;
}

/* A network that the file wants otherwise now is made again; the containers on it only stop for that. */
static struct err *renew_networks(struct session *s, const bool *picked)
{
	_cleanup_strv_ struct strv keys = { 0 }, users = { 0 };
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct err *e = engine_changed_networks(&s->c, picked, &keys);

	if (e || !keys.n)
		return e;
	for (size_t i = 0; i < s->p->n_services; i++) {
		const struct service *of = &s->p->services[i];

		if (!uses_network(of, &keys))
			continue;
		if (of->enabled && !picked[i]) {
			fprintf(stderr,
				"%s: network %s is not as the files say: `up` of all services makes it again\n",
				prog(), keys.v[0]);
			return NULL;
		}
		strv_add(&users, of->name);
	}
	project_plan_down(s->p, &s->a, &users, false, false, false, &plan);
	e = session_run(s, &plan);
	for (size_t i = 0; i < s->a.n && !e && !compose_dry_run; i++) {
		_cleanup_close_ int lock = -1;

		/* what has ended gives its addresses back with its monitor's end */
		if (strv_has(&users, s->a.v[i].service))
			e = box_lock(s->a.v[i].box, &lock);
	}
	for (size_t i = 0; i < keys.n && !e; i++)
		e = engine_remove_network(&s->c, keys.v[i]);
	return e;
}

/* What `up` is to do: which services, how many of each. */
struct bring_up {
	struct plan_opts o;
	int *scale; /* of each service; -1: what the files say */
	bool *picked; /* those that are acted on */
};

static struct err *decide(struct session *s, const struct strv *services, const struct strv *scales,
			  struct bring_up *u)
{
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct err *e = read_scale(s->p, scales, u->scale);

	u->o = (struct plan_opts){ .services = services,
				   .no_deps = opt_no_deps,
				   .force_recreate = opt_force,
				   .no_recreate = opt_no_recreate,
				   .always_recreate_deps = opt_always_deps,
				   .remove_orphans = opt_orphans,
				   .no_start = opt_no_start,
				   .wait = opt_wait,
				   .underscores = s->c.underscores,
				   .scale = u->scale };
	s->c.build = opt_build;
	s->c.no_build = opt_no_build;
	s->c.pull = opt_pull;
	s->c.quiet_pull = opt_quiet_pull;
	s->c.quiet_build = opt_quiet_build;
	s->c.renew_volumes = opt_renew;
	s->c.wait_timeout_s = opt_wait_timeout;
	s->c.stop_timeout_s = opt_timeout;
	/* which services are meant is known first: their images are not */
	e = e ?: project_plan_up(s->p, &s->a, &u->o, u->picked, &plan);
	for (size_t i = 0; i < s->p->n_services && !e; i++)
		if (u->picked[i])
			e = request_check(s->p, &s->p->services[i]);
	return e;
}

static struct err *carry_out(struct session *s, const struct bring_up *u)
{
	struct err *e = renew_networks(s, u->picked);

	e = e ?: engine_up(&s->c, &u->o, u->picked);
	return err_also(e, session_refresh(s));
}

struct err *compose_bring_up(struct session *s, const struct strv *services,
			     const struct strv *scales, bool *picked)
{
	_cleanup_free_ int *scale = xcalloc(s->p->n_services + 1, sizeof(*scale));
	struct bring_up u = { .scale = scale, .picked = picked };
	struct err *e = decide(s, services, scales, &u);

	return e ?: carry_out(s, &u);
}

struct err *compose_bring_up_built(struct session *s, const struct strv *services,
				   const struct strv *scales, bool *picked)
{
	opt_build = true;
	return compose_bring_up(s, services, scales, picked);
}

static struct err *kill_one(struct box *b, UNUSED void *arg)
{
	int code;
	struct err *e = box_refresh(b);

	if (e || !state_is_up(&b->state))
		return e;
	e = box_kill(b, SIGKILL);
	return e ?: box_wait(b, &code);
}

/* Ctrl-C, from now on, is an event: those that `up` has started are stopped in order. */
static struct err *catch_signals(struct session *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->c.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->c.signals < 0 ? err_new(errno, "waiting for signals") : NULL;
}

/* Stop SERVICES in order; Ctrl-C (again, if ASKED by the first) kills what still runs. */
static struct err *stop_gracefully(struct session *s, const struct strv *services, bool asked)
{
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct signalfd_siginfo told;
	struct err *e = session_refresh(s);

	while (read(s->c.signals, &told, sizeof(told)) > 0)
		;
	fprintf(stderr, "%s\n",
		asked ? "\nGracefully Stopping... press Ctrl+C again to force"
		      : "Aborting on container exit...");
	project_plan_down(s->p, &s->a, services, false, false, false, &plan);
	s->c.interrupted = false;
	e = e ?: session_run(s, &plan);
	if (!e && s->c.interrupted)
		e = session_each(s, services, "Killing", "Killed", kill_one, NULL);
	return e;
}

/* Does `up SERVICES` show what S writes?  By itself not what only is depended on. */
static bool is_attached(const struct service *s, const struct strv *services)
{
	const struct node *own = node_get(s->node, "attach");

	if (strv_has(&opt_no_attach, s->name))
		return false;
	if (opt_attach.n)
		return strv_has(&opt_attach, s->name);
	if (services->n && !opt_attach_deps && !strv_has(services, s->name))
		return false;
	return !own || node_true(s->node, "attach");
}

static void keep_error(struct session *s, struct err *e)
{
	if (s->viewer_error)
		err_free(e); /* the first one says enough */
	else
		s->viewer_error = e;
}

static void container_runs(void *arg, const char *name)
{
	struct session *s = arg;
	struct err *e = viewer_add(s->viewer, name);

	keep_error(s, e ?: viewer_pump(s->viewer));
}

static void attend(void *arg)
{
	struct session *s = arg;

	keep_error(s, viewer_pump(s->viewer));
	if (s->viewer_error)
		s->c.beside = -1;
}

/* What the containers write is shown from now on, each from its start. */
static void attach(struct session *s, const struct strv *services, const struct bring_up *u,
		   const struct log_opts *o)
{
	s->viewer = viewer_new(s, o);
	for (size_t i = 0; i < s->p->n_services; i++) {
		const struct service *of = &s->p->services[i];
		unsigned n = u->scale[i] >= 0 ? (unsigned)u->scale[i] : of->scale;

		for (unsigned k = 1; u->picked[i] && is_attached(of, services) && k <= n; k++)
			viewer_expect(s->viewer, container_name(s->p, of, k, s->c.underscores));
	}
	s->c.runs = container_runs;
	s->c.beside = viewer_fd(s->viewer);
	s->c.attend = attend;
}

/* Show what they write; Ctrl-C, or the end of one of them, stops all. */
static struct err *watch_over(struct call *c, struct session *s, const bool *picked,
			      const struct log_opts *o)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct err *e = TAKE_PTR(s->viewer_error);

	s->c.runs = NULL;
	s->c.beside = -1;
	for (size_t i = 0; i < s->p->n_services; i++)
		if (picked[i])
			strv_add(&all, s->p->services[i].name);
	for (size_t i = 0; i < s->a.n && !e; i++) /* what has been there, and has ended */
		if (is_meant(&s->a.v[i], &all))
			e = viewer_add(s->viewer, s->a.v[i].name);
	tasks_done(&s->tasks);
	if (!e && !s->c.interrupted)
		e = viewer_follow(s->viewer, &c->status, &s->c.interrupted);
	if (!e && o->code_from && !s->c.interrupted)
		e = compose_code_of(s, o->code_from, &c->status);
	if (!e && (s->c.interrupted || o->abort_on_exit || o->abort_on_failure)) {
		c->status = s->c.interrupted ? 130 : c->status;
		e = stop_gracefully(s, &all, s->c.interrupted);
	}
	return e;
}

static struct err *up(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_free_ bool *picked = NULL;
	_cleanup_free_ int *scale = NULL;
	struct log_opts o = { .follow = true,
			      .tail = UINT64_MAX,
			      .attached = true,
			      .timestamps = opt_timestamps,
			      .no_color = opt_no_color,
			      .no_prefix = opt_no_prefix,
			      .abort_on_exit = opt_abort || opt_code_from,
			      .abort_on_failure = opt_abort_failure,
			      .code_from = opt_code_from,
			      .since_ns = time_now_ns() };
	bool attached = !opt_detach && !opt_wait && !opt_no_start && !compose_dry_run;
	struct bring_up u = { 0 };
	struct err *e = check_up();

	e = e ?: session_open(&s, SESSION_FILES);
	e = e ?: session_services(&s, argc, argv, &services);
	if (!e && opt_code_from && !project_service(s.p, opt_code_from))
		e = err_new(0, "no such service: %s", opt_code_from);
	if (e)
		return e;
	tell_orphans(&s);
	u.picked = picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	u.scale = scale = xcalloc(s.p->n_services + 1, sizeof(*scale));
	e = decide(&s, &services, &opt_scale, &u);
	if (!e && attached) {
		e = catch_signals(&s);
		o.signals = s.c.signals;
		attach(&s, &services, &u, &o);
	}
	e = e ?: carry_out(&s, &u);
	e = e ?: compose_branch_up(&s);
	return e || !attached ? e : watch_over(c, &s, picked, &o);
}

const struct verb verb_compose_up = {
	.name = "up",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = up_opts,
	.summary = "Create and start containers",
	.run = up,
};

/* --- create, scale ---------------------------------------------------------------------------- */

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e = check_up();

	e = e ?: session_open(&s, SESSION_FILES);
	e = e ?: session_services(&s, argc, argv, &services);
	if (e)
		return e;
	opt_no_start = true;
	picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	return compose_bring_up(&s, &services, &opt_scale, picked);
}

const struct verb verb_compose_create = {
	.name = "create",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = create_opts,
	.summary = "Creates containers for a service",
	.run = create,
};

static const struct opt scale_opts[] = {
	{ 0, "no-deps", NULL, "Don't start linked services", OPT_BOOL, &opt_no_deps, NULL },
	{ 't', "timeout", "int", NULL, OPT_INT, &opt_timeout, NULL },
	COMPOSE_OPTS_END,
};

static struct err *scale(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, scales = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct err *e = session_open(&s, SESSION_FILES);

	if (e)
		return e;
	for (int i = 0; i < argc; i++) {
		strv_add(&scales, argv[i]);
		strv_take(&services, xstrndup(argv[i], strcspn(argv[i], "=")));
	}
	opt_no_recreate = true;
	picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	return compose_bring_up(&s, &services, &scales, picked);
}

const struct verb verb_compose_scale = {
	.name = "scale",
	.args = "SERVICE=REPLICAS...",
	.min_args = 1,
	.max_args = -1,
	.opts = scale_opts,
	.summary = "Scale services",
	.run = scale,
};

/* --- start ------------------------------------------------------------------------------------ */

static const struct opt start_opts[] = {
	{ 0, "wait", NULL, "Wait for services to be running|healthy. Implies detached mode",
	  OPT_BOOL, &opt_wait, NULL },
	COMPOSE_OPTS_END,
};

static struct err *start(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct plan_opts o = { .services = &services, .no_deps = argc > 0 };
	struct err *e = session_open(&s, SESSION_FILES);

	e = e ?: session_services(&s, argc, argv, &services);
	o.wait = opt_wait;
	o.underscores = s.c.underscores;
	for (int i = 0; i < argc && !e; i++) {
		size_t n = 0;

		actuals_of(&s.a, argv[i], &n);
		if (!n)
			e = err_hint(err_new(0, "service \"%s\" has no container to start", argv[i]),
				     "devbox compose up -d %s", argv[i]);
	}
	e = e ?: project_plan_start(s.p, &s.a, &o, &plan);
	return e ?: session_run(&s, &plan);
}

const struct verb verb_compose_start = {
	.name = "start",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = start_opts,
	.summary = "Start services",
	.run = start,
};

/* --- down ------------------------------------------------------------------------------------- */

static struct err *set_rmi(const char *value, UNUSED void *to)
{
	if (strcmp(value, "local") && strcmp(value, "all"))
		return err_new(0, "it must be \"local\" or \"all\"");
	opt_rmi = value;
	return NULL;
}

static const struct opt down_opts[] = {
	BRANCH_OPT,
	{ 0, "remove-orphans", NULL, "Remove containers for services not defined in the Compose file",
	  OPT_BOOL, &opt_orphans, NULL },
	{ 0, "rmi", "string",
	  "Remove images used by services: \"local\" those without a tag of their own, or \"all\"",
	  OPT_CALL, NULL, set_rmi },
	{ 't', "timeout", "int", "Specify a shutdown timeout in seconds", OPT_INT, &opt_timeout, NULL },
	{ 'v', "volumes", NULL,
	  "Remove named volumes of the project and anonymous volumes of its containers; named ones stay in the "
	  "trash for a while",
	  OPT_BOOL, &opt_volumes, NULL },
	COMPOSE_OPTS_END,
};

static struct err *down(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	if (s.p && !argc)
		tell_orphans(&s);
	s.c.stop_timeout_s = opt_timeout;
	s.c.volumes = opt_volumes;
	project_plan_down(s.p, &s.a, &services, true, opt_orphans || !s.p, !argc, &plan);
	e = session_run(&s, &plan);
	if (argc)
		return e;
	if (!s.p) { /* networks and volumes are found by their labels alone */
		s.c.p = xcalloc(1, sizeof(*s.c.p));
		s.c.p->name = s.name;
		e = err_also(e, engine_down(&s.c, opt_volumes, NULL));
		free(s.c.p);
		return e;
	}
	e = err_also(e, engine_down(&s.c, opt_volumes, opt_rmi));
	return err_also(e, compose_branch_down(&s));
}

const struct verb verb_compose_down = {
	.name = "down",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = down_opts,
	.summary = "Stop and remove containers, networks",
	.run = down,
};
