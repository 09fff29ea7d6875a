/* core/box/netresolve.h -- the networks of a request become those of a spec. */
#ifndef CORE_BOX_NETRESOLVE_H
#define CORE_BOX_NETRESOLVE_H

#include "core/box/spec.h"
#include "core/store/dirs.h"

/* Fill S->nets, links and net_container from REQ: networks by their names, the default one if there is none; links and
 * the container of "--network container:X" by their ids.  Errors in Docker's words: "network X not found", "conflicting
 * options: hostname and the network mode", ... */
struct err *net_resolve(struct store *st, const struct run_request *req, struct spec *s) MUST_CHECK;
/* One wish, its network by name.  Errors: the network is not there, or cannot grant it. */
struct err *net_want_check(struct store *st, struct net_want *want) MUST_CHECK;

#endif
