/* cmd/netopt.h -- the options of run and create that say which networks: --network, --network-alias, --ip, --ip6,
 * --link. */
#ifndef CMD_NETOPT_H
#define CMD_NETOPT_H

#include "core/box/spec.h"

/* --network VALUE: "bridge", "none", "host", "container:X", a network's name, or "name=x,alias=y,ip=z,...". */
struct err *netopt_network(const char *value, struct run_request *req) MUST_CHECK;
/* --network-alias, --ip, --ip6 are wishes for the first network; see netopt_finish(). */
struct netopt {
	struct strv aliases;
	const char *ip, *ip6;
};
/* Join what was said.  Errors: a wish that the network mode cannot grant. */
struct err *netopt_finish(const struct netopt *o, struct run_request *req) MUST_CHECK;

#endif
