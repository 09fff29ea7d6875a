/* slirp/netns.h -- the container's side of the network, made from inside its fresh network namespace.
 *
 * The caller is single-threaded, in the container's user and network namespaces with all capabilities there, and still
 * sees the host's /dev and /proc (before pivot_root).  Done here, in this order:
 *   1 eth0, eth1...: those that the networks' bridges have put here already (slirp/bridge.h) excepted, a tap each
 *     (/dev/net/tun), or where that cannot be opened a veth pair whose far end lies in a network namespace of its own,
 *     hidden from the container, and is read through a packet socket
 *   2 one batch of netlink for each: up, addresses (no duplicate detection: the network's leases see to that), the
 *     default route on one of them; with the first also lo, and for the relay (slirp/relay.h): marked packets are
 *     delivered locally whatever their address
 *   3 sysctls: ping and low ports for everybody as Docker has it
 * The packet descriptors go to the processes of the networks (slirp/hub.h); struct netns is flat, so both can be
 * sent in one message (fd_send).  Frames on it carry a struct virtio_net_hdr of 10 bytes. */
#ifndef SLIRP_NETNS_H
#define SLIRP_NETNS_H

#include "core/base/err.h"
#include "core/ns/userns.h"
#include "slirp/addrs.h"

enum packet_kind { PACKET_TAP, PACKET_SOCKET, PACKET_BRIDGE, PACKET_KIND_MAX };
extern const char *const packet_kind_names[]; /* "tap", "packet socket", "bridge" */

/* The relay's fwmark and routing tables, in the container's namespace; the relay fills the second one. */
enum { NETNS_MARK = 0xdb, NETNS_TABLE = 0xdb, NETNS_UDP_TABLE = 0xdc };

struct netns {
	int packet_fd; /* non-blocking, close-on-exec; the caller's; PACKET_BRIDGE: -1 */
	enum packet_kind kind;
	bool transparent; /* routes for the relay's foreign source addresses are there */
	bool ipv6; /* IPv6 is there */
};

/* Write a sysctl of the calling process's network namespace; false if it is not there (older kernels) or refused. */
bool netns_sysctl(const char *path, const char *value);

/* A device to be made. */
struct netns_link {
	struct net_addrs addrs;
	bool ipv6; /* addrs.ip6 counts */
	bool route; /* the default route goes through its gateway */
	bool bridged; /* a bridge has put the device here */
};
enum { NETNS_LINKS_MAX = 16 };

/* eth0... for the N LINKS, in RET; none: lo only.  IDS: those of the user namespace, when there are links. */
struct err *netns_setup(const struct netns_link *links, size_t n, const struct userns_ids *ids,
			struct netns *ret) MUST_CHECK;
/* One more, with the first free name, in the calling process's namespace, which may be in use; without a default route
 * there is one already, or none wanted. */
struct err *netns_add(const struct netns_link *link, struct netns *ret) MUST_CHECK;
/* Take the device of LINK away, which a bridge has put here. */
struct err *netns_remove(const struct netns_link *link) MUST_CHECK;
/* A device NAME with a packet descriptor alone. */
struct err *netns_device(const char *name, struct netns *ret) MUST_CHECK;
/* The device of LINK, which is there, has the default route from now on. */
struct err *netns_route(const struct netns_link *link) MUST_CHECK;

#endif
