/* slirp/stack.h -- the user-mode TCP/IP stack (libslirp) on our event loop: the way out of the container.
 *
 * Lives in the monitor, in the host's user and network namespaces.  Frames come from and go to packet descriptors made
 * by slirp/netns.h; the rest of the world is reached through ordinary sockets of the user.
 *   - gateway (10.0.2.2): answers ping; the host's loopback only with host_loopback
 *   - name server (10.0.2.3, fd00::3): passes on to the host's resolvers of the moment (slirp/dns.h)
 * Frames are hostile input: they pass frame_check() (slirp/frame.h) before libslirp sees them; frames to the host's
 * loopback addresses are dropped.
 * SIGPIPE must be ignored in the process (libslirp writes to sockets whose peer may be gone): stack_new() does that;
 * children must restore it before they execute something. */
#ifndef SLIRP_STACK_H
#define SLIRP_STACK_H

#include "core/base/loop.h"
#include "slirp/addrs.h"
#include "slirp/netns.h"

struct stack_cfg {
	struct net_addrs addrs;
	bool ipv6;
	bool host_loopback; /* the gateway's address reaches the host's 127.0.0.1 and ::1 */
};

struct stack;
/* A stack without any container yet.  LOOP must outlive it. */
struct err *stack_new(struct loop *loop, const struct stack_cfg *cfg, struct stack **ret) MUST_CHECK;
/* Attach a container's packet descriptor; takes ownership of it in every case.  MAC is the container's. */
struct stack_port;
struct err *stack_attach(struct stack *st, int packet_fd, enum packet_kind kind,
			 const uint8_t mac[NET_MAC_LEN], struct stack_port **ret) MUST_CHECK;
/* The container has ended: forget it.  Returns the descriptor; closing a tap takes milliseconds (the kernel
 * unregisters a device), so the caller closes it when nobody waits any more. */
int stack_detach(struct stack_port *p);
/* Ends all connections and ports.  The loop must not be inside a batch of the stack's events. */
void stack_free(struct stack *st);

#endif
