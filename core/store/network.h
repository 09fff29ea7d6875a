/* core/store/network.h -- networks as records: networks/<name>/
 *
 *	network.json          what it is, immutable
 *	leases/<ip> -> <id>   an address belongs to a container by one symlink(2); it keeps it until it is removed
 *	lock, ctl             of the process that runs the network while containers are on it (core/box/netproc.h)
 *
 * "bridge" (or "default") is there for containers that name no network, "host" and "none" stand for those two; all
 * three appear by themselves and stay. */
#ifndef CORE_STORE_NETWORK_H
#define CORE_STORE_NETWORK_H

#include "core/store/dirs.h"
#include "core/store/names.h"
#include "core/store/subnet.h"

#define NETWORK_DEFAULT "bridge"

struct network {
	char *name;
	char id[ID_LEN + 1];
	char *driver; /* "bridge", "host", "null" */
	struct subnet subnet; /* prefix 0 for host and none */
	struct in_addr gateway;
	struct subnet ip_range; /* addresses come from here; prefix 0: from all of the subnet */
	bool ipv6;
	struct subnet6 subnet6; /* with IPV6 */
	struct in6_addr gateway6;
	bool internal; /* no way out */
	bool attachable; /* shown only */
	struct strv labels; /* key=value */
	struct strv options; /* driver options, key=value, shown only */
	int64_t created_ns;
};
void network_done(struct network *n);
#define _cleanup_network_ _cleanup_(network_done)

/* What the user asked for; members may be NULL or empty. */
struct network_request {
	const char *name;
	const char *driver; /* NULL: "bridge" */
	struct strv subnets, gateways, ip_ranges; /* each at most one of IPv4 and one of IPv6 */
	bool internal, ipv6, attachable;
	struct strv labels, options;
};

/* Errors in Docker's words: "network with name X already exists", "Pool overlaps with other one on this address
 * space", ... */
struct err *network_create(struct store *st, const struct network_request *req, struct network *ret)
	MUST_CHECK;
/* By name, id, or unique prefix of an id; "default" is NETWORK_DEFAULT.  Errors: ENOENT "network X not found". */
struct err *network_find(struct store *st, const char *text, struct network *ret) MUST_CHECK;
/* The same, where it must be there: the error is for people, without the system's words. */
struct err *network_get(struct store *st, const char *text, struct network *ret) MUST_CHECK;
/* The default network, before its first container comes: it moves to another pool if a route of the host has come up
 * that it would hide (a VPN's).  Nothing happens while containers are on it. */
struct err *network_settle_default(struct store *st) MUST_CHECK;
/* All, by name.  The caller ends each of *RET with network_done() and frees *RET. */
struct err *network_list(struct store *st, struct network **ret, size_t *ret_n) MUST_CHECK;
/* Errors: "bridge is a pre-defined network and cannot be removed", "... has active endpoints". */
struct err *network_remove(struct store *st, const struct network *n) MUST_CHECK;
bool network_is_predefined(const char *name);

/* The address of its name server: the last one before the broadcast address.  No container gets it. */
struct in_addr network_dns(const struct network *n);
/* The directory networks/<name>. */
struct err *network_open(struct store *st, const char *name, int *ret_dir) MUST_CHECK;

/* -- addresses -- */

struct lease {
	struct in_addr ip;
	struct in6_addr ip6; /* with n->ipv6 */
};
/* The addresses of container ID on N.  WANT says what it wishes (0: anything) and gets an error if that cannot be;
 * KEPT is what it had before, which it gets if it still can. */
struct err *lease_take(struct store *st, const struct network *n, const char *id,
		       const struct lease *want, const struct lease *kept, struct lease *ret) MUST_CHECK;
/* Give up what ID has on the network NAME. */
void lease_drop(struct store *st, const char *name, const char *id);
/* The containers with addresses on N, those that are gone left out: ids and addresses, in pairs.  RUNNING: only those
 * whose monitor lives. */
struct lease_holder {
	char id[ID_LEN + 1];
	struct lease lease;
};
struct err *lease_list(struct store *st, const struct network *n, bool running,
		       struct lease_holder **ret, size_t *ret_n) MUST_CHECK;

#endif
