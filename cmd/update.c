/* cmd/update.c -- devbox update --restart POLICY CONTAINER... */
#include "cmd/verb.h"

static struct restart_policy policy = { RESTART_MAX, 0 };

static struct err *set_restart(const char *value, UNUSED void *to)
{
	return restart_parse(value, &policy);
}

static const struct opt opts[] = {
	{ 0, "restart", "string", "Restart policy to apply when a container exits", OPT_CALL, NULL,
	  set_restart },
	{ 0 },
};

static struct err *update_one(struct box *b, UNUSED void *arg)
{
	return box_set_restart(b, &policy);
}

static struct err *update(UNUSED struct call *c, int argc, char **argv)
{
	if (policy.when == RESTART_MAX)
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
