/* slirp/relay.h -- published ports: from listeners on the host to the container, past the user-mode stack.
 *
 * The process is single-threaded and has entered the container's user and network namespaces (setns); the listeners
 * were opened before in the host's (slirp/publish.h), and still accept there.  The caller owns the loop and may add
 * sources of its own (a readiness probe, a control socket):
 *
 *	relay_new(&loop, &cfg, &r);
 *	for each listener: relay_add_listener(r, &l);
 *	loop_run(&loop);
 *
 * TCP: each accepted connection gets an inner connection to the container's address whose source is the real peer
 * (IP_TRANSPARENT; peers on the host's loopback appear as the gateway).  Half-close, resets and
 * back-pressure pass through; a refused inner connection resets the outer one.  Without descriptors
 * left, accepting pauses until some are free. UDP: one inner socket a peer, the same way; forgotten
 * after RELAY_UDP_IDLE_MS without traffic, the idlest when there are RELAY_UDP_MAX.
 * Buffers are held by connections with data in flight only. */
#ifndef SLIRP_RELAY_H
#define SLIRP_RELAY_H

#include "core/base/loop.h"
#include "slirp/addrs.h"
#include "slirp/publish.h"

enum { RELAY_UDP_IDLE_MS = 120000, RELAY_UDP_MAX = 4096 };

/* Bytes that went to and from the container; read by other processes meanwhile. */
struct relay_traffic {
	uint64_t in, out;
};

struct relay_cfg {
	struct net_addrs addrs;
	bool transparent; /* struct netns: the namespace is prepared for it */
	bool ipv6;
	struct relay_traffic *traffic; /* to be added to; NULL: nobody wants to know */
};

/* A connection that the container asked for and that has been made outside: the socket that asks, and whom it asks. */
struct relay_outgoing {
	bool v6;
	uint8_t client[16], server[16]; /* addresses; the first 4 bytes if not V6 */
	uint16_t client_port, server_port; /* host byte order */
};

struct relay;
/* Raises the soft limit of open descriptors to the hard one.  A relay ends with its process. */
struct err *relay_new(struct loop *loop, const struct relay_cfg *cfg, struct relay **ret) MUST_CHECK;
/* Takes over L->fd in every case. */
struct err *relay_add_listener(struct relay *r, const struct listener *l) MUST_CHECK;
/* Serve FD, a TCP connection that another process has accepted on the host, as if it had come for the container's
 * port CTR.  LEASH, a stream socket or -1: the other process holds its peer, which sees the end of file when the
 * connection has ended; a byte from there ends (resets) the connection; the peer's end means nothing.  Takes over
 * both descriptors. */
struct err *relay_add_connection(struct relay *r, int fd, uint16_t ctr, int leash) MUST_CHECK;
/* Give FD, connected outside, to the container's socket that O names, and that waits in SYN-SENT (see
 * slirp/relay_out.c).  Takes over FD in every case.  Errors: the namespace is not prepared for it. */
struct err *relay_add_outgoing(struct relay *r, int fd, const struct relay_outgoing *o) MUST_CHECK;
/* The container may have its addresses on other devices now. */
void relay_devices_changed(struct relay *r);

#endif
