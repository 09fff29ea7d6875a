/* core/compose/supply.h -- the image of a service: whether it has to be pulled or built, and doing that in a job. */
#ifndef CORE_COMPOSE_SUPPLY_H
#define CORE_COMPOSE_SUPPLY_H

#include "core/compose/engine.h"
#include "core/compose/jobs.h"

enum supply_need { SUPPLY_NOTHING, SUPPLY_PULL, SUPPLY_BUILD };

struct supply {
	const struct service *s;
	const char *image;
	enum supply_need need;
	/* The service that brings the image: this one, or another with the same image; SUPPLY_BY_NONE: it is there. */
	long by;
	struct str kept; /* what its build wrote last */
};
enum { SUPPLY_BY_NONE = -1 };

bool image_is_there(const struct compose *en, const char *image);

/* One for each service of the project, those not PICKED empty.  supplies_free() frees them.
 * Errors: an image is not there and must not be pulled. */
struct err *supplies_decide(struct compose *en, const bool *picked, struct supply **ret) MUST_CHECK;
void supplies_free(struct supply *all, size_t n);

/* In the job: pull or build. */
struct err *supply_run(struct compose *en, const struct supply *su, int out) MUST_CHECK;
/* In the starter: pass on what the job tells. */
void supply_word(struct compose *en, struct supply *su, const struct job_word *word);
void supply_tell(const struct compose *en, const struct supply *su, enum engine_state state,
		 const char *text);
/* The end of what a build wrote that was not told as it came. */
void supply_tell_kept(const struct compose *en, const struct supply *su);

#endif
