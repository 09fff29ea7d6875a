/* core/compose/imagebuild.h -- a service's `build:` becomes a request of core/build. */
#ifndef CORE_COMPOSE_IMAGEBUILD_H
#define CORE_COMPOSE_IMAGEBUILD_H

#include "core/build/build.h"
#include "core/compose/model.h"

/* What the user adds to it: compose build --build-arg, --no-cache, ... */
struct build_extra {
	struct strv args, ssh;
	bool no_cache, pull;
};

/* Build S's image and tag it with IMAGE and the tags of the file.  PROGRESS and ARG as in core/build/build.h.
 * Errors carry the place in the compose or Dockerfile. */
struct err *service_build(struct project *p, const struct service *s, struct store *st,
			  const char *image, const struct build_extra *extra,
			  void (*progress)(void *arg, const struct build_event *ev), void *arg)
	MUST_CHECK;

#endif
