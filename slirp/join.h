/* slirp/join.h -- the words between the monitor of a container and the process of a network.  Pure, no I/O.
 *
 * A SOCK_SEQPACKET unix socket, networks/<name>/ctl.  A monitor connects and sends one message: a JSON object, with a
 * descriptor beside it: the container's packet descriptor, or for PACKET_BRIDGE
 *   - with "device", the container's network namespace: a device of this name is wished for, at the other end a port of
 *     the network's bridge.  The process answers JOIN_BRIDGED with a descriptor of the bridge's namespace, or
 *     JOIN_ALONE: that cannot be had, and the monitor sends another message, with a packet descriptor
 *   - without, the bridge's namespace: the port is there; the process may be a new one, and takes the bridge over
 * Further messages on the connection take the place of the first: other names.  When the connection ends, the container
 * has left; a message "{}" says so, and the process ends the connection when it has let go of the descriptor.
 * The process may send JOIN_RELAY: it wishes for a channel to the container's relay (slirp/outgoing.h).  The monitor
 * answers with one byte and the descriptor, or without it if there is none to be had.
 * Everything that can open the socket is the user's own, but for containers that were given his home directory. */
#ifndef SLIRP_JOIN_H
#define SLIRP_JOIN_H

#include <netinet/in.h>
#include <stdint.h>

#include "core/base/str.h"
#include "slirp/addrs.h"
#include "slirp/netns.h"
#include "slirp/port.h"

enum { JOIN_MAX = 65536, JOIN_NAMES_MAX = 256, JOIN_PORTS_MAX = 4096 };

enum join_answer { JOIN_RELAY = 'r', JOIN_BRIDGED = 'b', JOIN_ALONE = 'a' };

struct join {
	char *id; /* the container's; NULL: it leaves */
	struct strv names; /* its own first */
	struct in_addr ip;
	struct in6_addr ip6; /* its names mean it; zero: none */
	struct in6_addr device_ip6; /* its device has it, with or without names */
	uint8_t mac[NET_MAC_LEN];
	enum packet_kind kind;
	char *device; /* PACKET_BRIDGE: the name of the one that is wished for; NULL: it is there */
	bool host_loopback; /* the gateway's address leads it to the host's 127.0.0.1 and ::1 */
	struct strv others; /* the names of further networks it is on, whose names it may know */
	struct ports ports; /* what it publishes on the host: others reach that through the gateway */
};
void join_done(struct join *j);
#define _cleanup_join_ _cleanup_(join_done)

/* The message; the caller frees it. */
char *join_pack(const struct join *j, size_t *ret_len);
/* Errors: what is wrong with it. */
struct err *join_parse(const char *msg, size_t len, struct join *ret) MUST_CHECK;

#endif
