/* slirp/switch.h -- a network's switch: frames between its ports, and to the way out.
 *
 * A port is a container, of one of two kinds: with a packet descriptor of its own, or behind a bridge of the kernel's
 * (slirp/bridge.h), whose packet descriptor it shares with the others there.  What those say to each other does not
 * come here, but for what the bridge leaves for us to judge.
 *
 * Frames travel with their virtio header as they are: a TCP segment of 64 KiB with its checksum unfinished crosses in
 * one read and one write.  What is not for a container goes to the user-mode stack (slirp/stack.h), as far as the
 * container may:
 *   - the name server's address: questions over UDP go to query(), TCP to the stack
 *   - the gateway's address: ping; the host's loopback for containers with host_loopback, or a published port of a
 *     container of this network; the rest is refused (TCP reset, port unreachable)
 *   - the world, unless the network is INTERNAL; TCP past the stack where that is possible (slirp/outgoing.h)
 * A container sends with its own hardware address only, and does not answer for another's address
 * (slirp/claim.h).
 * Source: linux/virtio_net.h, RFC 826 (ARP). */
#ifndef SLIRP_SWITCH_H
#define SLIRP_SWITCH_H

#include "core/base/loop.h"
#include "slirp/addrs.h"
#include "slirp/frame.h"
#include "slirp/join.h"

struct switch_port;
struct switch_bridge;

struct switch_cfg {
	struct net_addrs addrs; /* of the network: gateway, name server, prefixes, MTU */
	bool ipv6;
	bool internal;
	const char *dns_socket; /* see struct stack_cfg */
	/* A question to the name server, to be answered by switch_answer() with the same HEAD, now or later. */
	void (*query)(void *arg, const uint8_t head[FRAME_UDP_HEAD], const uint8_t *msg, size_t len);
	/* P's container wants to connect outside: switch_relay() with a channel to its relay, or -1, now or later. */
	void (*want_relay)(void *arg, struct switch_port *p);
	void *arg;
};

struct netswitch;
struct err *switch_new(struct loop *loop, const struct switch_cfg *cfg, struct netswitch **ret)
	MUST_CHECK;
void switch_answer(struct netswitch *sw, const uint8_t head[FRAME_UDP_HEAD], const uint8_t *msg,
		   size_t len);

/* Attach a bridge; it stays until the end.  Takes ownership of PACKET_FD in every case. */
struct err *switch_bridge(struct netswitch *sw, int packet_fd, struct switch_bridge **ret) MUST_CHECK;
/* Attach a container.  Takes ownership of PACKET_FD in every case; J is copied as far as it is needed. */
struct err *switch_attach(struct netswitch *sw, int packet_fd, const struct join *j,
			  struct switch_port **ret) MUST_CHECK;
/* Attach one that is behind BRIDGE. */
struct switch_port *switch_attach_behind(struct switch_bridge *bridge, const struct join *j);
/* What J says about host_loopback and ports replaces what was said before. */
void switch_update(struct switch_port *p, const struct join *j);
/* See struct outgoing_cfg, ask(); takes over FD. */
void switch_relay(struct switch_port *p, int fd);
/* Closes the descriptor.  Closing the last one of a tap takes milliseconds (the kernel unregisters a device), so the
 * container's monitor holds another one. */
void switch_detach(struct switch_port *p);
void switch_free(struct netswitch *sw);

#endif
