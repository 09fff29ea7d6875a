/* slirp/stack.h -- the user-mode TCP/IP stack (libslirp) on our event loop: the way out of a network.
 *
 * Lives in the process of a network, in the host's user and network namespaces.  Frames come from and go to the switch
 * (slirp/switch.h); the rest of the world is reached through ordinary sockets of the user.
 *   - the gateway answers ping; what else is sent to it goes to the host's loopback: the caller lets through what may
 *   - TCP to port 53 of the name server's address goes to a unix socket, where the network's name server listens
 * Frames are hostile input: they have passed frame_check() (slirp/frame.h) before they come here.
 * SIGPIPE must be ignored in the process (libslirp writes to sockets whose peer may be gone): stack_new() does that. */
#ifndef SLIRP_STACK_H
#define SLIRP_STACK_H

#include "core/base/loop.h"
#include "slirp/addrs.h"

struct stack_cfg {
	struct net_addrs addrs; /* of the network: gateway, name server, prefixes; any address in it */
	bool ipv6;
	const char *dns_socket; /* path of a listening unix stream socket, or NULL: no name server over TCP */
	/* A frame for a container, by its destination address; at most FRAME_MAX bytes, to be cut to the MTU. */
	void (*output)(void *arg, const uint8_t *frame, size_t len);
	/* The hardware address of the container with address IP; false if there is none. */
	bool (*find)(void *arg, struct in_addr ip, uint8_t ret_mac[NET_MAC_LEN]);
	void *arg;
};

struct stack;
/* LOOP must outlive it. */
struct err *stack_new(struct loop *loop, const struct stack_cfg *cfg, struct stack **ret) MUST_CHECK;
/* A frame from a container. */
void stack_input(struct stack *st, const uint8_t *frame, size_t len);
/* The hardware address under which the stack answers for the IPv4 address IP of its own. */
void stack_mac(struct in_addr ip, uint8_t ret[NET_MAC_LEN]);
/* Ends all connections.  The loop must not be inside a batch of the stack's events. */
void stack_free(struct stack *st);

#endif
