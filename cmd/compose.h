/* cmd/compose.h -- what the verbs of `devbox compose` share. */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include "cmd/ui/tasks.h"
#include "cmd/verb.h"
#include "core/compose/engine.h"

/* Options in front of the verb: -f, -p, --profile, ... */
extern const struct opt compose_opts[];
extern struct project_opts compose_project_opts;

/* One invocation: the project, the store, what is there, and where progress goes. */
struct session {
	struct store *st;
	struct project *p; /* NULL: only its name is known */
	const char *name; /* of the project */
	struct actuals a;
	struct compose c;
	struct tasks tasks;
};

enum session_need {
	SESSION_FILES, /* the files must be there; what they say in vain is told */
	/* To look or to take away: without files the project's name (-p) is enough, its containers say the rest. */
	SESSION_NAME,
};
struct err *session_open(struct session *s, enum session_need need) MUST_CHECK;
/* A session that looks or takes away: every profile counts, and nothing is checked that only making needs.  With the
 * services that ARGV names. */
struct err *session_look(struct session *s, int argc, char **argv, struct strv *services) MUST_CHECK;
/* Read again what containers there are. */
struct err *session_refresh(struct session *s) MUST_CHECK;
void session_done(struct session *s);
#define _cleanup_session_ _cleanup_(session_done)

/* Load the project that the options and the directory mean.  SAY_NOTES: what was ignored and the like goes to
 * stderr. */
struct err *compose_load(struct project **ret, bool say_notes) MUST_CHECK;

/* Mark S, and with DEPS all it depends on, in PICKED, which has room for all services. */
void pick_service(const struct project *p, const struct service *s, bool deps, bool *picked);

/* The names in ARGV must be services of the project (or have containers).  TO points into ARGV's texts. */
struct err *session_services(struct session *s, int argc, char **argv, struct strv *to) MUST_CHECK;
/* Does C belong to one of SERVICES (any, if that is empty)?  `run`'s containers do not. */
bool is_meant(const struct actual *c, const struct strv *services);
/* FN for each container meant, at the same time, shown as "Container NAME  WORKING" and "DONE". */
struct err *session_each(struct session *s, const struct strv *services, const char *working,
			 const char *done, struct err *(*fn)(struct box *b, void *arg), void *arg)
	MUST_CHECK;
/* Container INDEX (from 1) of SERVICE; 0: the first that runs. */
struct err *session_container(struct session *s, const char *service, unsigned index,
			      struct box **ret) MUST_CHECK;
/* Those of SERVICES that run (or ALL), for logs and ps; pointers into s->a.  The caller frees it. */
struct actual **session_meant(struct session *s, const struct strv *services, bool all, size_t *ret_n);

/* Carry out PLAN, then read again what is there. */
struct err *session_run(struct session *s, struct project_plan *plan) MUST_CHECK;

/* Images, networks, volumes, containers of SERVICES: everything up to "started", as the options of the verb say.
 * SCALES: "web=3".  PICKED has room for all services: those that were acted on. */
struct err *compose_bring_up(struct session *s, const struct strv *services,
			     const struct strv *scales, bool *picked) MUST_CHECK;

/* The same, with images built again. */
struct err *compose_bring_up_built(struct session *s, const struct strv *services,
				   const struct strv *scales, bool *picked) MUST_CHECK;

/* Show what the containers of SERVICES write, until they have all ended: cmd/composelogs.c */
struct log_opts {
	bool follow, timestamps, no_color, no_prefix;
	uint64_t tail; /* UINT64_MAX: all */
	int64_t since_ns, until_ns;
	/* `up`: when a container ends */
	bool attached; /* say "web-1 exited with code 0" */
	int signals; /* when it is readable, the following ends; -1: none */
	bool abort_on_exit, abort_on_failure;
	const char *code_from; /* this service's exit code is ours */
};
/* *RET_CODE: what `up` ends with.  *RET_INTERRUPTED: by SIGNALS. */
struct err *compose_logs(struct session *s, const struct strv *services, const struct log_opts *o,
			 int *ret_code, bool *ret_interrupted) MUST_CHECK;

extern const struct verb verb_compose_config, verb_compose_create, verb_compose_down,
	verb_compose_images, verb_compose_kill, verb_compose_logs, verb_compose_ls,
	verb_compose_pause, verb_compose_port, verb_compose_ps, verb_compose_pull,
	verb_compose_restart, verb_compose_rm, verb_compose_scale, verb_compose_start,
	verb_compose_stop, verb_compose_unpause, verb_compose_up, verb_compose_build,
	verb_compose_attach, verb_compose_cp, verb_compose_events, verb_compose_exec,
	verb_compose_push, verb_compose_run, verb_compose_stats, verb_compose_top,
	verb_compose_version, verb_compose_wait, verb_compose_watch;

#endif
