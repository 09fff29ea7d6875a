/* cmd/compose.h -- what the verbs of `devbox compose` share. */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include "cmd/verb.h"
#include "core/compose/model.h"

/* Options in front of the verb: -f, -p, --profile, ... */
extern const struct opt compose_opts[];
extern struct project_opts compose_project_opts;

/* Load the project that the options and the directory mean; its notes go to stderr. */
struct err *compose_load(struct project **ret) MUST_CHECK;

extern const struct verb verb_compose_config;

#endif
