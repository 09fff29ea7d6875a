/* cmd/update.c -- devbox update [OPTIONS] CONTAINER... */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/limitopt.h"
#include "cmd/verb.h"
#include "core/box/update.h"

static struct restart_policy policy = { RESTART_MAX, 0 };
static struct limits limits;

static struct err *set_restart(const char *value, UNUSED void *to)
{
	return restart_parse(value, &policy);
}

static const struct opt opts[] = {
	LIMIT_OPTS(limits),
	{ 0, "restart", "string", "Restart policy to apply when a container exits", OPT_CALL, NULL,
	  set_restart },
	{ 0 },
};

static bool any_limit(void)
{
	return limits_any(&limits) || limits.memory_swap || limits.pids || limits.cpu_period ||
	       limits.cpu_quota;
}

static struct err *update_one(struct box *b, UNUSED void *arg)
{
	struct err *e = any_limit() ? box_update_limits(b, &limits) : NULL;

	for (size_t i = 0; i < b->notes.n && !e; i++)
		fprintf(stderr, "%s: %s\n", prog(), b->notes.v[i]);
	if (!e && policy.when != RESTART_MAX)
		e = box_set_restart(b, &policy);
	return e;
}

static struct err *update(UNUSED struct call *c, int argc, char **argv)
{
	if (policy.when == RESTART_MAX && !any_limit())
		return err_new(0, "you must provide one or more flags when using this command");
	return each_box(argc, argv, update_one, NULL);
}

const struct verb verb_update = {
	.name = "update",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = -1,
	.opts = opts,
	.summary = "Update configuration of one or more containers",
	.run = update,
};
