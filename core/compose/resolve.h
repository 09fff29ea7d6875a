/* core/compose/resolve.h -- what a merged project still lacks: defaults, real names, services' variables from files,
 * order, and the checks that need the whole of it. */
#ifndef CORE_COMPOSE_RESOLVE_H
#define CORE_COMPOSE_RESOLVE_H

#include "core/compose/model.h"

struct err *resolve_project(struct project *p, const struct project_opts *o) MUST_CHECK;

#endif
