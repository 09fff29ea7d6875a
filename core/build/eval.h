/* core/build/eval.h -- between stage.c, which says what a stage is made of, and eval.c, which carries out its
 * instructions one by one. */
#ifndef CORE_BUILD_EVAL_H
#define CORE_BUILD_EVAL_H

#include "core/build/expand.h"
#include "core/build/plan.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct eval {
	struct build_plan *p;
	struct stage *s;
	const struct instr *in; /* the instruction at hand */
	struct expand x;
	bool cmd_set; /* by this stage, not the image it is made from */
};
void eval_init(struct eval *v, struct build_plan *p, struct stage *s);
/* v->in changes the stage's configuration, or becomes a step of it. */
struct err *eval_instr(struct eval *v) MUST_CHECK;

#endif
