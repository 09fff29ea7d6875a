/* core/box/relay_proc.h -- the process R beside the monitor that works inside the container's
 * network namespace: it relays published ports (slirp/relay.h) and asks a database whether it is
 * ready (core/box/recipe.h). */
#ifndef CORE_BOX_RELAY_PROC_H
#define CORE_BOX_RELAY_PROC_H

#include "core/box/recipe.h"
#include "core/box/spec.h"
#include "slirp/netns.h"
#include "slirp/publish.h"

/* One byte on the control socket, from R: the server answered; to R: accept connections now (see hold below). */
enum { RELAY_READY = 'R', RELAY_OPEN = 'O' };

/* Who has a channel (CTL_RELAY of core/box/control.h) hands over connections that it accepted: one message for
 * each, with two descriptors, the connection and its leash (relay_add_connection()). */
/* The processes of the container's networks do so with outgoing ones: a struct relay_outgoing and one descriptor. */
struct relay_handover {
	uint16_t port; /* of the container */
};

struct relay_proc {
	int init_pidfd; /* whose user and network namespace to enter; -1: stay (host network) */
	bool single; /* see core/ns/userns.h */
	const struct netns *net; /* NULL with host or none network */
	const struct net_addrs *addrs; /* with NET: the container's first address, and its gateway */
	const struct listeners *listeners;
	const struct recipe *probe; /* NULL: nothing to ask */
	const struct strv *env; /* the container's, for the probe's greeting */
	struct relay_traffic *traffic; /* shared with the monitor; NULL: not counted */
	bool hold; /* connections wait in their queues until RELAY_OPEN comes */
	bool stay; /* somebody has a channel, or will have one: there is more to do than LISTENERS and PROBE say */
	/* SOCK_SEQPACKET to the monitor; its end of file ends R.  A message from there carries the end of a
	 * channel */
	int control;
};

/* Body of the forked process; ends when there is nothing (more) to do or the monitor is gone. */
NORETURN void relay_proc_main(const struct relay_proc *p);

#endif
