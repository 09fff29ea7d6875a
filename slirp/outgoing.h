/* slirp/outgoing.h -- TCP from a container to the world without the user-mode stack: connections are made here,
 * outside, and their sockets handed to the container's relay (slirp/relay_out.c has the whole picture).
 *
 * One object a container, used by the switch for each TCP frame that may leave the network:
 *	OUTGOING_TAKEN   nothing to be done: a connection is being made, or the answer has been sent
 *	OUTGOING_BACK    of a connection that has been handed over: the frame goes back to the container
 *	OUTGOING_STACK   there is no relay to be had: the stack's
 * The visible behaviour is the stack's: refused is refused (a reset), unreachable goes the way of the stack, which
 * says so.  What comes too fast (OUTGOING_MAX) is dropped; TCP asks again. */
#ifndef SLIRP_OUTGOING_H
#define SLIRP_OUTGOING_H

#include "core/base/loop.h"
#include "slirp/addrs.h"
#include "slirp/frame.h"

enum { OUTGOING_MAX = 512 };

struct outgoing_cfg {
	const struct net_addrs *addrs; /* of the network: the gateway means the host's loopback */
	void (*ask)(void *arg); /* for a channel to the relay: outgoing_channel() is called, sooner or later */
	void (*refuse)(void *arg, const uint8_t *frame, size_t len);
	void (*stack)(void *arg, const uint8_t *frame, size_t len);
	void *arg;
};

enum outgoing_verdict { OUTGOING_TAKEN, OUTGOING_BACK, OUTGOING_STACK };

struct outgoing;
struct outgoing *outgoing_new(struct loop *loop, const struct outgoing_cfg *cfg);
/* INFO of FRAME, which has passed frame_check() if it begins a connection. */
enum outgoing_verdict outgoing_tcp(struct outgoing *o, const struct frame_info *info,
				   const uint8_t *frame, size_t len) MUST_CHECK;
bool outgoing_begins(const struct frame_info *info); /* a SYN */
/* The channel that was asked for (SOCK_SEQPACKET, non-blocking; a struct relay_outgoing and a socket are sent on it),
 * or -1: there will be none. */
void outgoing_channel(struct outgoing *o, int fd);
/* The loop must run once more before it ends. */
void outgoing_free(struct outgoing *o);

#endif
