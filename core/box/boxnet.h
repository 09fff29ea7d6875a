/* core/box/boxnet.h -- all networks of a container, seen from its monitor: memberships in the order of eth0,
 * eth1..., and the files that say names inside. */
#ifndef CORE_BOX_BOXNET_H
#define CORE_BOX_BOXNET_H

#include "core/box/membership.h"

struct boxnet {
	struct membership *v[NETNS_LINKS_MAX];
	size_t n;
	struct netns ns; /* what the first device's making told of the namespace */
	void (*want_relay)(void *arg, struct membership *m); /* see struct membership; set by the owner */
	void *arg;
	bool up; /* a run is on its way: devices are there, or are being made */
	/* Set by the owner before boxnet_open(): */
	bool bridging; /* the kernel may connect the container to others */
	int parent; /* the namespace that they are in then, see core/ns/parent.h; or -1 */
};

/* Addresses on every network of B, which go to b->state.nets and b->state.ip. */
struct err *boxnet_prepare(struct boxnet *bn, struct box *b) MUST_CHECK;
/* For a run: the networks' processes are there, or on their way.  PUBLISHED: the container's ports on the host. */
struct err *boxnet_open(struct boxnet *bn, struct box *b, struct loop *loop,
			const struct ports *published) MUST_CHECK;
/* The devices that init makes; returns how many. */
size_t boxnet_links(const struct boxnet *bn, struct netns_link ret[NETNS_LINKS_MAX]);
/* INIT_PID has its namespaces, and waits.  Put devices there that lead to the networks' bridges, where that can be
 * done; the others are left to init. */
struct err *boxnet_bridge(struct boxnet *bn, pid_t init_pid, bool ret[NETNS_LINKS_MAX]) MUST_CHECK;
/* Init has made, or found, device I.  Takes over FD in every case; it is -1 for one that was there. */
struct err *boxnet_made(struct boxnet *bn, size_t i, const struct netns *ns, int fd) MUST_CHECK;
/* b->spec has other networks now than BN: join and leave, also inside the running container (INIT_PID, INIT_PIDFD or
 * -1). */
struct err *boxnet_change(struct boxnet *bn, struct box *b, struct loop *loop, pid_t init_pid,
			  int init_pidfd, const struct ports *published) MUST_CHECK;
/* Tell the networks the container's names again. */
void boxnet_tell(struct boxnet *bn, const struct box *b);
/* The end of a run.  WAIT as in membership_leave(); closes the descriptors, which takes milliseconds. */
void boxnet_leave(struct boxnet *bn, bool wait);

/* Write down that B was put on its networks, or taken off ("connect", "disconnect"). */
void boxnet_event(const struct boxnet *bn, const struct box *b, const char *action);
/* In a forked child that lives on: close what is open here. */
void boxnet_close(const struct boxnet *bn);

/* Write resolv.conf, hosts and hostname into the container's directory.  IN_PLACE: they are mounted in a running
 * container. */
struct err *boxnet_write_etc(const struct boxnet *bn, struct box *b, const char *hostname,
			     bool in_place) MUST_CHECK;

#endif
