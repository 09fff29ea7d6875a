/* cmd/composelife.c -- devbox compose stop, restart, kill, rm, pause, unpause, wait: verbs on containers that are
 * there. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "cmd/compose.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

static int opt_timeout = -1;
static bool opt_no_deps, opt_force, opt_stop, opt_volumes, opt_orphans, opt_down_project;
static const char *opt_signal = "SIGKILL";

/* --- stop, restart ---------------------------------------------------------------------------- */

static const struct opt stop_opts[] = {
	{ 't', "timeout", "int", "Specify a shutdown timeout in seconds", OPT_INT, &opt_timeout, NULL },
	COMPOSE_OPTS_END,
};

static struct err *stop(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	s.c.stop_timeout_s = opt_timeout;
	project_plan_down(s.p, &s.a, &services, false, !s.p, false, &plan);
	return session_run(&s, &plan);
}

const struct verb verb_compose_stop = {
	.name = "stop",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = stop_opts,
	.summary = "Stop services",
	.run = stop,
};

static const struct opt restart_opts[] = {
	{ 0, "no-deps", NULL, "Don't restart dependent services", OPT_BOOL, &opt_no_deps, NULL },
	{ 't', "timeout", "int", "Specify a shutdown timeout in seconds", OPT_INT, &opt_timeout, NULL },
	COMPOSE_OPTS_END,
};

/* Services that ask to be restarted with one of SERVICES. */
static void add_dependents(const struct project *p, struct strv *services)
{
	for (size_t k = 0; k < services->n; k++)
		for (size_t i = 0; i < p->n_services; i++) {
			const struct service *s = &p->services[i];

			for (size_t d = 0; d < s->n_depends; d++)
				if (s->depends[d].restart &&
				    !strcmp(s->depends[d].service, services->v[k]) &&
				    !strv_has(services, s->name))
					strv_add(services, s->name);
		}
}

static struct err *restart(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_project_plan_ struct project_plan down = { 0 }, up = { 0 };
	struct plan_opts o = { .services = &services, .no_deps = true };
	struct err *e;

	compose_project_opts.no_env_resolution = true;
	e = session_open(&s, SESSION_FILES);
	e = e ?: session_services(&s, argc, argv, &services);
	if (e)
		return e;
	if (argc && !opt_no_deps)
		add_dependents(s.p, &services);
	s.c.stop_timeout_s = opt_timeout;
	o.underscores = s.c.underscores;
	project_plan_down(s.p, &s.a, &services, false, false, false, &down);
	e = session_run(&s, &down);
	e = e ?: project_plan_start(s.p, &s.a, &o, &up);
	return e ?: session_run(&s, &up);
}

const struct verb verb_compose_restart = {
	.name = "restart",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = restart_opts,
	.summary = "Restart service containers",
	.run = restart,
};

/* --- kill, pause, unpause --------------------------------------------------------------------- */

static const struct opt kill_opts[] = {
	{ 0, "remove-orphans", NULL, NULL, OPT_BOOL, &opt_orphans, NULL },
	{ 's', "signal", "string", "SIGNAL to send to the container (default SIGKILL)", OPT_STR,
	  &opt_signal, NULL },
	COMPOSE_OPTS_END,
};

static struct err *kill_one(struct box *b, void *arg)
{
	int sig = *(const int *)arg, code;
	struct err *e = NULL;

	if (!state_is_up(&b->state))
		return NULL;
	e = box_kill(b, sig);
	if (!e && sig == SIGKILL) /* nothing withstands it: who asks next finds it ended */
		e = box_wait(b, &code);
	return e;
}

static struct err *kill_verb(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	int sig = SIGKILL;
	struct err *e = sig_parse(opt_signal, &sig);

	e = e ?: session_look(&s, argc, argv, &services);
	for (size_t i = 0; !e && !argc && s.p && !opt_orphans && i < s.a.n; i++)
		if (!project_service(s.p, s.a.v[i].service))
			s.a.v[i].oneoff = true; /* not meant */
	return e ?: session_each(&s, &services, "Killing", "Killed", kill_one, &sig);
}

const struct verb verb_compose_kill = {
	.name = "kill",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = kill_opts,
	.summary = "Force stop service containers",
	.run = kill_verb,
};

static struct err *pause_one(struct box *b, UNUSED void *arg)
{
	return box_pause(b);
}

static struct err *pause_verb(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	return e ?: session_each(&s, &services, "Pausing", "Paused", pause_one, NULL);
}

const struct verb verb_compose_pause = {
	.name = "pause",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = compose_common_opts,
	.summary = "Pause services",
	.run = pause_verb,
};

static struct err *unpause_one(struct box *b, UNUSED void *arg)
{
	return box_is_paused(b) ? box_unpause(b) : NULL;
}

static struct err *unpause(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	return e ?: session_each(&s, &services, "Unpausing", "Unpaused", unpause_one, NULL);
}

const struct verb verb_compose_unpause = {
	.name = "unpause",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = compose_common_opts,
	.summary = "Unpause services",
	.run = unpause,
};

/* --- rm --------------------------------------------------------------------------------------- */

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, "Don't ask to confirm removal", OPT_BOOL, &opt_force, NULL },
	{ 's', "stop", NULL, "Stop the containers, if required, before removing", OPT_BOOL,
	  &opt_stop, NULL },
	{ 'v', "volumes", NULL, "Remove any anonymous volumes attached to containers", OPT_BOOL,
	  &opt_volumes, NULL },
	COMPOSE_OPTS_END,
};

static struct err *rm_one(struct box *b, UNUSED void *arg)
{
	return state_is_up(&b->state) ? NULL : box_rm(b, false, opt_volumes);
}

static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_str_ struct str question = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	if (!e && opt_stop) {
		_cleanup_project_plan_ struct project_plan plan = { 0 };

		project_plan_down(s.p, &s.a, &services, false, !s.p, false, &plan);
		e = session_run(&s, &plan);
		tasks_done(&s.tasks); /* a question follows */
	}
	if (e)
		return e;
	for (size_t i = 0; i < s.a.n; i++)
		if (is_meant(&s.a.v[i], &services) && !s.a.v[i].up)
			str_addf(&question, "%s%s", question.len ? ", " : "Going to remove ",
				 s.a.v[i].name);
	if (!question.len) {
		fprintf(stderr, "No stopped containers\n");
		return NULL;
	}
	if (!opt_force && !confirm(question.s))
		return NULL;
	/* what runs stays, and is not shown */
	for (size_t i = 0; i < s.a.n; i++)
		if (s.a.v[i].up)
			s.a.v[i].oneoff = true;
	return session_each(&s, &services, "Removing", "Removed", rm_one, NULL);
}

const struct verb verb_compose_rm = {
	.name = "rm",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = rm_opts,
	.summary = "Removes stopped service containers",
	.run = rm,
};

/* --- wait ------------------------------------------------------------------------------------- */

static const struct opt wait_opts[] = {
	{ 0, "down-project", NULL, "Drops project when the first container stops", OPT_BOOL,
	  &opt_down_project, NULL },
	COMPOSE_OPTS_END,
};

/* Until the first of them has ended. */
static struct err *wait_verb(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_free_ struct actual **meant = NULL;
	_cleanup_free_ struct pollfd *fds = NULL;
	size_t n = 0, first = SIZE_MAX;
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	meant = session_meant(&s, &services, false, &n);
	if (!n)
		return err_new(0, "no containers of these services run");
	for (size_t i = 0; i < n && compose_dry_run; i++)
		session_is_dry(&s, meant[i]->name, "Waited");
	if (compose_dry_run)
		return NULL;
	fds = xcalloc(n, sizeof(*fds));
	for (size_t i = 0; i < n && !e; i++) {
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		e = watch_end(meant[i]->box, &fds[i].fd);
		if (!e && fds[i].fd < 0)
			first = i; /* just now */
	}
	while (!e && first == SIZE_MAX) {
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			e = err_new(errno, "waiting");
		for (size_t i = 0; i < n && first == SIZE_MAX; i++)
			if (fds[i].revents)
				first = i;
	}
	for (size_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	e = e ?: box_wait(meant[first]->box, &c->status);
	if (e)
		return e;
	printf("container \"%s\" exited with status code %d\n", meant[first]->name, c->status);
	if (opt_down_project) {
		_cleanup_project_plan_ struct project_plan plan = { 0 };

		e = session_refresh(&s);
		project_plan_down(s.p, &s.a, NULL, true, !s.p, false, &plan);
		e = e ?: session_run(&s, &plan);
		if (!e && s.p)
			e = engine_down(&s.c, false, NULL);
		return e;
	}
	return NULL;
}

const struct verb verb_compose_wait = {
	.name = "wait",
	.args = "SERVICE [SERVICE...]",
	.min_args = 1,
	.max_args = -1,
	.opts = wait_opts,
	.summary = "Block until containers of all (or specified) services stop",
	.run = wait_verb,
};
