/* core/compose/engine.h -- carries out what plan.h has decided, everything at once that does not wait for another.
 *
 * How it works
 *  1. it is decided which images are missing (supply.h)
 *  2. the plan is made, and a job (jobs.h) started for each step whose predecessors are over: images are pulled and
 *     built while the containers of other services are made and start; networks and volumes are made (supplies.c)
 *     before the first container
 *  3. when an image has come, the plan is made again with what is known now, and 2 goes on with it
 *  4. what hangs on a step that failed is given up; all else goes on
 * Nothing is remembered outside the containers' labels: whoever comes after a crash sees how far it got. */
#ifndef CORE_COMPOSE_ENGINE_H
#define CORE_COMPOSE_ENGINE_H

#include "core/branch/stack.h"
#include "core/compose/imagebuild.h"
#include "core/compose/plan.h"

enum engine_state { ENGINE_WORKING, ENGINE_DONE, ENGINE_FAILED };

/* What happens to one thing: "Container shop-web-1", "Starting". */
struct engine_event {
	/* NULL: TEXT is a sentence for the user, or, with WORDS, a line that the build of service WORDS writes */
	const char *subject;
	const char *words;
	const char *text; /* further: "12 MB / 30 MB", the line a build writes, an error */
	enum engine_state state;
};

enum pull_when { PULL_AS_FILE, PULL_ALWAYS, PULL_MISSING, PULL_NEVER };

struct compose {
	const struct stack_place *place; /* with --branch: where its volumes come from; else NULL */
	struct store *st;
	struct project *p;
	struct actuals *a; /* what PLAN points into */
	bool underscores;
	unsigned parallel; /* jobs at once; 0: no limit */
	int stop_timeout_s; /* -1: each container's own */
	bool volumes; /* removed containers take their anonymous volumes with them */
	bool build; /* also what has an image */
	bool no_build;
	bool build_lines; /* what builds write is told as it comes; else only of one that fails, the end of it */
	bool quiet_pull, quiet_build; /* pulls, builds are not told, unless they fail */
	struct build_extra build_extra;
	bool renew_volumes; /* a container that is made again gets new anonymous volumes */
	unsigned wait_timeout_s; /* of STEP_WAIT; 0: none */
	bool pull_failures_pass; /* pull --ignore-pull-failures */
	enum pull_when pull;
	bool dry_run; /* tell what would be done, do nothing */
	int signals; /* a signalfd that ends the work early, -1: none */
	bool interrupted; /* it did; jobs that ran then are killed, as by a crash */
	void (*event)(void *arg, const struct engine_event *ev); /* may be NULL */
	/* Container NAME runs: it has been started, or was running and stays as it is.  May be NULL. */
	void (*runs)(void *arg, const char *name);
	int beside; /* when it is readable, attend() is called in between; -1: none */
	void (*attend)(void *arg);
	void *arg;
};

/* Pull and build what the services I with PICKED[I] need. */
struct err *engine_images(struct compose *en, const bool *picked) MUST_CHECK;
/* Networks and volumes that the picked services use; CHECK: nothing is made, only looked at.
 * Errors: an external one is missing. */
struct err *engine_resources(struct compose *en, const bool *picked, bool check) MUST_CHECK;
/* Keys of networks of the project's own that the picked services use, and that the files now want otherwise. */
struct err *engine_changed_networks(struct compose *en, const bool *picked, struct strv *ret) MUST_CHECK;
struct err *engine_remove_network(struct compose *en, const char *key) MUST_CHECK;
/* All of it, from images to running containers; O lacks only what is told of images. */
struct err *engine_up(struct compose *en, const struct plan_opts *o, const bool *picked) MUST_CHECK;
/* Containers alone. */
struct err *engine_steps(struct compose *en, struct project_plan *plan) MUST_CHECK;

/* What `down` does after the containers are gone.  VOLUMES: named ones, into the trash; IMAGES: NULL, "local" or
 * "all". */
struct err *engine_down(struct compose *en, bool volumes, const char *images) MUST_CHECK;

/* For request_opts.peer; ARG is the struct compose. */
const char *engine_peer(void *arg, const char *service, unsigned number);
void engine_tell(const struct compose *en, enum engine_state state, const char *kind,
		 const char *name, const char *words);

#endif
