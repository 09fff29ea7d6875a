/* core/compose/engine.h -- carries out what plan.h has decided, everything at once that does not wait for another.
 *
 * How it works
 *  1. images (engine_images): pulled and built at the same time, each in a job of its own (jobs.h)
 *  2. networks and volumes are made (engine_resources)
 *  3. steps (engine_steps): a job for each whose predecessors are done, until all are done or one has failed; those
 *     that run then are waited for
 * Nothing is remembered outside the containers' labels: whoever comes after a crash sees how far it got. */
#ifndef CORE_COMPOSE_ENGINE_H
#define CORE_COMPOSE_ENGINE_H

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
	struct build_extra build_extra;
	bool renew_volumes; /* a container that is made again gets new anonymous volumes */
	unsigned wait_timeout_s; /* of STEP_WAIT; 0: none */
	bool pull_failures_pass; /* pull --ignore-pull-failures */
	enum pull_when pull;
	void (*event)(void *arg, const struct engine_event *ev); /* may be NULL */
	void *arg;
};

/* The images of the services I with PICKED[I].  RET_IDS has room for one text a service of the project (the
 * project's arena), NULL stays where an image is not there. */
struct err *engine_images(struct compose *en, const bool *picked, const char **ret_ids) MUST_CHECK;
/* Networks and volumes that the picked services use.  Errors: an external one is missing. */
struct err *engine_resources(struct compose *en, const bool *picked) MUST_CHECK;
struct err *engine_steps(struct compose *en, const struct project_plan *plan) MUST_CHECK;

/* What `down` does after the containers are gone.  VOLUMES: named ones, into the trash; IMAGES: NULL, "local" or
 * "all". */
struct err *engine_down(struct compose *en, bool volumes, const char *images) MUST_CHECK;

/* For request_opts.peer; ARG is the struct compose. */
const char *engine_peer(void *arg, const char *service, unsigned number);
void engine_tell(const struct compose *en, enum engine_state state, const char *kind,
		 const char *name, const char *words);

#endif
