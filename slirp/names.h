/* slirp/names.h -- who is called what in one network, and the answers of its name server.  Pure, no I/O.
 *
 *	names_new(&cfg)                            with the network
 *	names_add(t, &member)                      when a container joins; again when its names or addresses change
 *	names_remove(t, member.id)                 when it leaves
 *	names_answer(t, query, len, ...)           for every datagram to the name server, and every message over TCP:
 *	    NAMES_ANSWER   send the answer back
 *	    NAMES_FORWARD  not ours: ask the host's resolvers (slirp/dns.h)
 *	    NAMES_DROP     no query: silence
 *
 * Known are, in letters of any case: every name of every member and that name with ".NETWORK" behind it; several
 * members may share a name (a service), which then has all their addresses, in turn another one first; addresses
 * backwards (PTR), as "first name.NETWORK"; and the gateway, as host.docker.internal and the like.
 * Of our names nothing is ever asked outside: what they do not have (an IPv6 address, a mail server) gets an empty
 * answer; a name whose members have all left does not exist any more (NXDOMAIN), nor do addresses of the network that
 * nobody has.  A closed network (--internal) knows no others.
 * Answers live for NAMES_TTL_S, so that a change is seen at once.
 * Source: RFC 1035, 2308 (negative answers), 3596 (AAAA), 6891 (EDNS). */
#ifndef SLIRP_NAMES_H
#define SLIRP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"
#include "slirp/addrs.h"

enum {
	NAMES_TTL_S = 1, /* 0 makes some resolvers ask twice */
	NAMES_GONE_MAX = 1024, /* names without members that are remembered */
	NAMES_UDP_MAX = 4096, /* room for any answer over UDP */
	NAMES_TCP_MAX = 65535,
};

struct names_cfg {
	const char *network; /* its name */
	struct net_addrs addrs; /* of the network: prefixes, gateways, any address in it; no container's */
	bool ipv6; /* addrs.ip6 and what belongs to it count */
	bool closed; /* no other names exist */
};

struct names_member {
	const char *id; /* what tells members apart */
	const char *const *names; /* NULL-ended, the container's own name first: then short id, aliases, services... */
	struct in_addr ip; /* 0: none */
	struct in6_addr ip6; /* zero: none */
};

struct names;
struct names *names_new(const struct names_cfg *cfg);
/* Copies everything.  A member with the same id is replaced.  Names that are no domain names are left out. */
void names_add(struct names *t, const struct names_member *m);
void names_remove(struct names *t, const char *id); /* one who is not there: nothing happens */

enum names_verdict { NAMES_ANSWER, NAMES_FORWARD, NAMES_DROP };
/* OUT has room for MAX bytes: NAMES_UDP_MAX or NAMES_TCP_MAX, which also tells how the query came. */
enum names_verdict names_answer(struct names *t, const uint8_t *query, size_t len, uint8_t *out,
				size_t max, size_t *ret_len) MUST_CHECK;
void names_free(struct names *t);

#endif
