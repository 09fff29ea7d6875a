/* cmd/compose.h -- what the verbs of `devbox compose` share. */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include "cmd/ui/tasks.h"
#include "cmd/verb.h"
#include "core/compose/engine.h"

/* Options in front of the verb: -f, -p, --profile, ... */
extern const struct opt compose_opts[];
extern struct project_opts compose_project_opts;
extern bool compose_opt_version; /* -v: instead of a verb */
/* What each verb takes beside its own, and the end of its table. */
extern bool compose_dry_run;
#define COMPOSE_DRY_RUN                                                                            \
	{                                                                                          \
		0, "dry-run", NULL, "Tell what would be done, and do nothing", OPT_BOOL,           \
			&compose_dry_run, NULL                                                     \
	}
#define COMPOSE_OPTS_END                                                                           \
	COMPOSE_DRY_RUN,                                                                           \
	{                                                                                          \
		0                                                                                  \
	}
extern const struct opt compose_common_opts[]; /* nothing else */

/* One invocation: the project, the store, what is there, and where progress goes. */
struct session {
	struct store *st;
	struct project *p; /* NULL: only its name is known */
	const char *name; /* of the project */
	struct actuals a;
	struct stack_place place; /* --branch */
	struct compose c;
	struct tasks tasks;
	struct viewer *viewer; /* of `up` in the foreground */
	struct err *viewer_error; /* what went wrong with it while containers were started */
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

/* --branch: cmd/composebranch.c */
extern bool opt_compose_branch;
#define BRANCH_OPT                                                                                     \
	{                                                                                              \
		0, "branch", NULL,                                                                     \
			"A copy of the project for the git branch that is checked out, with volumes\n" \
			"forked from the branch it was cut from",                                      \
			OPT_BOOL, &opt_compose_branch, NULL                                            \
	}
/* Does this invocation follow the branch: by the option, or a variable of P?  Then compose_project_opts say so
 * when this returns, and P has to be loaded again.  MAKE: the branch's address is recorded.  *ST is NULL before, and
 * afterwards the store if it was opened. */
struct err *compose_enter_branch(const struct project *p, bool make, struct store **st,
				 struct stack_place *ret, bool *ret_follows) MUST_CHECK;
/* It was brought up: its address leads to it, and the user hears of it. */
struct err *compose_branch_up(struct session *s) MUST_CHECK;
struct err *compose_branch_down(struct session *s) MUST_CHECK;

/* Load the project that the options and the directory mean.  SAY_NOTES: what was ignored and the like goes to
 * stderr.  PLACE (NULL: the caller makes nothing): where its branch has its own, all zeroes if it has not.  *ST is NULL
 * before, and afterwards the store if it was opened. */
struct err *compose_load(struct project **ret, bool say_notes, struct store **st,
			 struct stack_place *place) MUST_CHECK;

/* Mark S, and with DEPS all it depends on, in PICKED, which has room for all services. */
void pick_service(const struct project *p, const struct service *s, bool deps, bool *picked);

/* The names in ARGV must be services of the project (or have containers).  TO points into ARGV's texts. */
struct err *session_services(struct session *s, int argc, char **argv, struct strv *to) MUST_CHECK;
/* Does C belong to one of SERVICES (any, if that is empty)?  `run`'s containers do not. */
bool is_meant(const struct actual *c, const struct strv *services);
/* With --dry-run: tell "Container NAME  WORDS", and true. */
bool session_is_dry(struct session *s, const char *name, const char *words);
/* For verbs that --dry-run has nothing to tell of: WHY they do not take it. */
struct err *compose_not_dry(const char *why) MUST_CHECK;
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

/* Containers of services that the files do not have go. */
struct err *compose_remove_orphans(struct session *s) MUST_CHECK;

/* The same as compose_bring_up(), with images built again. */
struct err *compose_bring_up_built(struct session *s, const struct strv *services,
				   const struct strv *scales, bool *picked) MUST_CHECK;

/* What containers write, in the order they write it: cmd/composelogs.c */
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
struct viewer;
struct viewer *viewer_new(struct session *s, const struct log_opts *o); /* O must stay */
void viewer_expect(struct viewer *vw, const char *name); /* a container that will be shown */
/* It has started, or was there.  Nothing if it is not expected, or was added before. */
struct err *viewer_add(struct viewer *vw, const char *name) MUST_CHECK;
int viewer_fd(const struct viewer *vw); /* readable: there is something for viewer_pump() */
struct err *viewer_pump(struct viewer *vw) MUST_CHECK;
/* Until all have ended.  *RET_CODE: what `up` ends with.  *RET_INTERRUPTED: by SIGNALS. */
struct err *viewer_follow(struct viewer *vw, int *ret_code, bool *ret_interrupted) MUST_CHECK;
void viewer_free(struct viewer *vw);
static inline void cleanup_viewer(struct viewer **vw)
{
	viewer_free(*vw);
}
#define _cleanup_viewer_ _cleanup_(cleanup_viewer)
/* The exit code of SERVICE's container once it has ended; it is stopped for that. */
struct err *compose_code_of(struct session *s, const char *service, int *ret) MUST_CHECK;

extern const struct verb verb_compose_config, verb_compose_create, verb_compose_down,
	verb_compose_images, verb_compose_kill, verb_compose_logs, verb_compose_ls, verb_compose_pause,
	verb_compose_port, verb_compose_ps, verb_compose_pull, verb_compose_restart,
	verb_compose_rm, verb_compose_scale, verb_compose_start, verb_compose_stop,
	verb_compose_unpause, verb_compose_up, verb_compose_build, verb_compose_attach,
	verb_compose_cp, verb_compose_events, verb_compose_exec, verb_compose_push,
	verb_compose_run, verb_compose_stats, verb_compose_top, verb_compose_version,
	verb_compose_wait, verb_compose_watch, verb_compose_alpha, verb_compose_bridge,
	verb_compose_commit, verb_compose_export, verb_compose_publish, verb_compose_volumes;

#endif
