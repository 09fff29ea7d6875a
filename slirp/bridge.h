/* slirp/bridge.h -- a network's containers connected by the kernel: a bridge in a network namespace of its own.
 *
 *	container A: eth0 ─ veth ─┐                          (each container in a user namespace inside P)
 *	container B: eth0 ─ veth ─┴ br0 ─ up0, a tap ─ the process of the network (slirp/switch.h)
 *	                          └── network namespace N, owned by the user namespace P
 *
 * P is the user namespace around those of the containers (core/ns/parent.h): who has its capabilities, which its maker
 * has, may put devices into all of them.  For the host's root P is the host's.  N has no address and no other way out.
 *
 * What a container may send is what the switch in user space lets pass, too:
 *   - its port takes frames with its own hardware address only (a locked port, Linux 5.18), and nothing is learnt:
 *     where a container's frames go is written down when its port is made
 *   - what goes to nobody here, and a copy of what goes to all, leaves through up0
 *   - ARP and IPv6 neighbour discovery that claim another address than the container's own (slirp/claim.h) go to up0
 *     alone: the process judges, and passes them on
 *
 * N and what is in it live as long as a descriptor of N is open: the kernel goes on forwarding while the process of the
 * network is dead.  The next one takes N over and puts a new up0 into it. */
#ifndef SLIRP_BRIDGE_H
#define SLIRP_BRIDGE_H

#include "core/base/err.h"
#include "slirp/addrs.h"
#include "slirp/netns.h"

struct bridge;

/* A new one for containers like that with the network namespace AROUND, or for those in the user namespace AROUND (P);
 * GATEWAY is the hardware address of the way out.
 * Writes the packet descriptor behind up0, the caller's.  Errors: what the kernel lacks or forbids. */
struct err *bridge_new(int around, const struct net_addrs *a, const uint8_t gateway[NET_MAC_LEN],
		       struct bridge **ret, int *ret_packet_fd) MUST_CHECK;
/* The one in the namespace NS, that another process has made. */
struct err *bridge_take(int ns, const struct net_addrs *a, const uint8_t gateway[NET_MAC_LEN],
			struct bridge **ret, int *ret_packet_fd) MUST_CHECK;
void bridge_free(struct bridge *b);

/* A descriptor of N, which keeps it; it stays the bridge's. */
int bridge_ns(const struct bridge *b);
/* Is N the namespace NS?  Can a container with the network namespace CTR_NS have a port? */
bool bridge_is(const struct bridge *b, int ns);
bool bridge_fits(const struct bridge *b, int ctr_ns);
/* Who is at a port. */
struct bridge_guest {
	uint8_t mac[NET_MAC_LEN];
	struct in_addr ip;
	struct in6_addr ip6; /* zero: none */
};
/* A pair: DEVICE in CTR_NS ("eth%d": the first free number), down, and its end at the bridge.  It is gone with either
 * namespace, or with the device. */
struct err *bridge_port(struct bridge *b, int ctr_ns, const char *device,
			const struct bridge_guest *guest) MUST_CHECK;

/* In a user namespace of the caller's own: can all of this be had here? */
struct err *bridge_try(void) MUST_CHECK;

#endif
