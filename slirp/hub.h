/* slirp/hub.h -- the process of a network: switch, way out and name server for the containers that are on it. */
#ifndef SLIRP_HUB_H
#define SLIRP_HUB_H

#include "core/base/cleanup.h"
#include "slirp/addrs.h"

struct hub_cfg {
	const char *name; /* the network's */
	struct net_addrs addrs; /* gateway, name server, prefixes, MTU; any address in it */
	bool ipv6, internal;
	int dir; /* networks/<name>: for its sockets */
	int lock; /* held while it lives */
	int parent; /* the first containers' (core/ns/parent.h), for a bridge while they are being made; or -1 */
	int listen; /* "ctl" in DIR: bound, listening, SOCK_SEQPACKET, non-blocking */
};

/* Body of the process: in a session of its own, with no other descriptors than these.  It ends when the last container
 * has left, or if the first one does not come within some seconds. */
NORETURN void hub_main(const struct hub_cfg *cfg);

#endif
