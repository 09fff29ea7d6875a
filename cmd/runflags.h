/* cmd/runflags.h -- the options of `run` and `create`, and the request they make. */
#ifndef CMD_RUNFLAGS_H
#define CMD_RUNFLAGS_H

#include "cmd/opt.h"
#include "core/box/spec.h"

struct run_flags {
	struct run_request req;
	const char *cidfile, *pull, *platform, *detach_keys;
	bool detach, quiet, wait, sig_proxy;
};
extern struct run_flags run_flags;

enum { RUN_ONLY = 4 }; /* the first ones of the table; create has those behind them */
extern const struct opt run_flag_table[];

/* Put the rest into the request: the words ARGV (IMAGE [COMMAND...]), and what the files say that options name. */
struct err *runflags_finish(int argc, char **argv) MUST_CHECK;

#endif
