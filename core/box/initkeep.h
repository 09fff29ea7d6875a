/* core/box/initkeep.h -- a monitor's child that puts a new database into the init cache, and the care that the
 * container goes on afterwards whatever becomes of the child. */
#ifndef CORE_BOX_INITKEEP_H
#define CORE_BOX_INITKEEP_H

#include "core/base/loop.h"
#include "core/box/box.h"

struct initkeep {
	struct source src;
	struct timer limit;
	struct loop *loop;
	struct box *b;
	uint16_t port;
	pid_t pid; /* 0: none */
	bool only_go; /* the child before ended badly: this one only lets the container go on */
	void (*done)(struct initkeep *k);
};
/* Before anything else; nothing is started. */
void initkeep_init(struct initkeep *k);
/* Start the child for B, whose server answers at PORT.  DONE is called when the container runs on.  Errors: no
 * child. */
struct err *initkeep_start(struct initkeep *k, struct loop *loop, struct box *b, uint16_t port,
			   void (*done)(struct initkeep *k)) MUST_CHECK;
/* The container has ended: so does the child. */
void initkeep_stop(struct initkeep *k);

#endif
