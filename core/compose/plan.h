/* core/compose/plan.h -- from what is wanted and what is there to steps, each with the steps it waits for.  Pure.
 *
 * The rules of `up`:
 *  - a container whose config-hash label and image are those wanted stays; else it is made again under its number
 *  - numbers that are missing are made; those above the scale go, the highest first
 *  - a service whose links, volumes_from or network_mode name a container that is made again is made again too
 *  - with depends_on's restart, a container is restarted when what it depends on is made again
 *  - a service is started when those it depends on are started, healthy or completed, as depends_on says
 *  - each service goes its own way: while the image of one is pulled or built, those that do not wait for it are
 *    made and started.  Whether a container must be made again is known when its image is there: a plan that has a
 *    STEP_SUPPLY is made again when that is over.  The later plan has all of the earlier one's steps that are not
 *    STEP_HOLD or over, and only more of them
 * A crash at any point leaves a state from which the same rules lead on: a container that stands beside the one it
 * was to replace (its name has the other's id in front) takes its place, or goes. */
#ifndef CORE_COMPOSE_PLAN_H
#define CORE_COMPOSE_PLAN_H

#include "core/compose/actual.h"
#include "core/compose/model.h"

enum step_kind {
	STEP_CREATE, /* make container NUMBER of the service */
	STEP_RECREATE, /* the same in place of OLD: make, stop the old one, remove it, take its name */
	STEP_START, /* NUMBER, whichever container it is by then */
	STEP_STOP, /* OLD */
	STEP_REMOVE, /* OLD, which runs no more */
	STEP_RENAME, /* OLD gets the name of container NUMBER */
	STEP_WAIT, /* until the containers of the service are WHEN */
	STEP_SUPPLY, /* pull or build the image of the service */
	STEP_HOLD, /* nothing: it stands for the steps of a service that cannot be told yet */
	STEP_KIND_MAX
};

struct step {
	enum step_kind kind;
	const struct service *service; /* NULL: a container of none, see OLD */
	unsigned number;
	struct actual *old;
	enum depend_when when; /* of STEP_WAIT */
	bool dependency; /* of STEP_WAIT: others depend on it; else it is what `up --wait` waits for */
	bool optional; /* of STEP_WAIT, STEP_SUPPLY: that it fails is told, no more */
	size_t *after; /* steps that must be done before */
	size_t n_after, after_cap;
};

struct project_plan {
	struct step *v;
	size_t n, cap;
};
void project_plan_done(struct project_plan *plan);
#define _cleanup_project_plan_ _cleanup_(project_plan_done)

struct plan_opts {
	/* Services to act on, with NO_DEPS only these; empty: all that are enabled. */
	const struct strv *services;
	bool no_deps;
	bool force_recreate, no_recreate, always_recreate_deps;
	bool remove_orphans; /* containers of services that the files do not know (any more) */
	bool no_start; /* create only */
	bool wait; /* up --wait: until all are healthy, or run */
	bool underscores;
	/* How many containers of service I of the project; NULL: what the files say. */
	const int *scale; /* -1: what the files say */
	/* The image's id of service I, or NULL where it is not known: then the image does not count. */
	const char *const *image_ids;
	/* The service that still has to bring the image of service I (I itself or another), -1: it is there.  NULL:
	 * all are. */
	const long *supply;
};

/* What `up` does.  PICKED, if not NULL, has room for a bool for every service of P: whether it is acted on. */
struct err *project_plan_up(struct project *p, const struct actuals *a, const struct plan_opts *o,
			    bool *picked, struct project_plan *ret) MUST_CHECK;
/* Only the images of PICKED. */
void project_plan_images(struct project *p, const struct plan_opts *o, const bool *picked,
			 struct project_plan *ret);
/* Stop (and with REMOVE remove) the containers of the services (all if empty), dependents first.  ORPHANS: those of
 * services that P does not have, too.  P may be NULL: the containers' depends_on labels tell the order.  ONEOFF: also
 * those of `run`. */
void project_plan_down(const struct project *p, const struct actuals *a, const struct strv *services,
		       bool remove, bool orphans, bool oneoff, struct project_plan *ret);
/* Wait until what S depends on is as S wants it; for `run`, whose container is in no plan. */
void project_plan_wait(const struct project *p, const struct service *s, struct project_plan *ret);
/* Start what is stopped, in order; nothing is made. */
struct err *project_plan_start(struct project *p, const struct actuals *a,
			       const struct plan_opts *o, struct project_plan *ret) MUST_CHECK;

#endif
