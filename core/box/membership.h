/* core/box/membership.h -- a container on one network, seen from its monitor: the addresses, the connection to the
 * network's process (slirp/hub.h), which is forked when there is none.
 *
 *	membership_prepare()    its addresses are taken (or kept from the last run)
 *	membership_open()       the network's process is there, or on its way
 *	membership_wish()       for a device that leads to the network's bridge (slirp/bridge.h)
 *	membership_answer()     it is there: joined.  Else:
 *	... init makes the device and sends the packet descriptor ...
 *	membership_join()       from now on frames flow
 *	membership_leave()      the end of a run; the addresses stay the container's until it is removed
 *
 * If the network's process is killed, the connection ends: another one is forked, by the first of the network's
 * monitors that notices, and joined again with the same descriptor and addresses. */
#ifndef CORE_BOX_MEMBERSHIP_H
#define CORE_BOX_MEMBERSHIP_H

#include "core/base/loop.h"
#include "core/box/box.h"
#include "core/store/network.h"
#include "slirp/join.h"
#include "slirp/netns.h"

struct membership {
	struct source conn; /* fd -1: not connected */
	struct loop *loop;
	struct timer retry;
	struct network net;
	struct net_addrs addrs;
	struct join join;
	int dir; /* networks/<name> */
	int packet_fd; /* our copy, -1 before it has joined; PACKET_BRIDGE: the bridge's namespace, which we keep */
	int parent; /* the container's, see core/ns/parent.h; -1: the kernel does not connect it.  Set by the owner */
	bool wished; /* for a bridge, and the wish was sent */
	int64_t opened_ms; /* when we last connected */
	/* The network's process wishes for a channel to the container's relay: membership_relay(). */
	void (*want_relay)(void *arg, struct membership *m);
	void *arg;
};

/* Take addresses of the network WANT->name for the container ID: those it wishes, or had before (KEPT may be NULL), or
 * free ones.  Errors: no such network, address in use. */
struct err *membership_prepare(struct store *st, const char *id, const struct net_want *want,
			       const struct net_state *kept, struct membership **ret) MUST_CHECK;
void membership_state(const struct membership *m, struct net_state *ret);

/* LOOP must outlive the membership.  Never waits. */
struct err *membership_open(struct membership *m, struct loop *loop) MUST_CHECK;
/* What others may know: its names, own first, then what m->join says.  Also after a change of them. */
void membership_names(struct membership *m, const struct spec *s, const struct net_want *want);
/* The device shall be DEVICE in the network namespace CTR_NS.  Never waits. */
void membership_wish(struct membership *m, int ctr_ns, const char *device);
/* Waits for the answer to that: is it there? */
struct err *membership_answer(struct membership *m, int ctr_ns, bool *ret_bridged) MUST_CHECK;
/* Takes over PACKET_FD in every case. */
void membership_join(struct membership *m, int packet_fd, enum packet_kind kind);
/* The channel, or -1: there is none to be had.  FD stays the caller's. */
void membership_relay(struct membership *m, int fd);
/* Leave.  The descriptor is the caller's: closing a tap takes milliseconds, so it is closed when nobody waits, and
 * after the network's process has closed its own: WAIT for that, not longer than a second.  -1: there is none. */
int membership_leave(struct membership *m, bool wait);
void membership_free(struct membership *m);

#endif
