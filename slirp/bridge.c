#include "slirp/bridge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nsfs.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/base/str.h"
#include "core/ns/errand.h"
#include "slirp/claim.h"
#include "slirp/netlink.h"

/* How it works
 *
 * A child enters P (setns(2) asks for that before a network namespace of P's), makes N or enters it, makes br0 and up0,
 * and sends what is needed from then on: descriptors of N, of a route socket in N, of the packet descriptor.  Then it
 * ends; nobody is in N.  The kernel asks for rights twice when a message comes over the socket: of who opened it (the
 * child, in P) and of who sends (we, in the namespace that P lies in, as P's owner).  Both have them over the
 * containers' namespaces, so one message makes a pair with its ends in N and in a container. */

enum {
	PRIO = 1,
	INDEX_BITS = 30, /* of devices' numbers */
	PORT_TRIES = 8,
	LOCKED = 39, /* IFLA_BRPORT_LOCKED, which headers before 5.18 lack */
};
#define BRIDGE_NAME "br0"
#define UP_NAME "up0"
#define PORT_NAME "port%d"

struct bridge {
	int ns, parent, route; /* N; P, -1: our own user namespace; a route socket in N */
	unsigned br, up; /* numbers of the devices */
	uint16_t mtu;
};

/* What the child has made; its descriptors come with it: N, the route socket, the packet descriptor. */
struct made {
	unsigned br, up;
};

/* -- namespaces ------------------------------------------------------------------------------------------------ */

static bool same(int fd, const struct stat *other)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == other->st_dev &&
	       st.st_ino == other->st_ino;
}

static bool same_fd(int a, int b)
{
	struct stat st;

	return b >= 0 && fstat(b, &st) == 0 && same(a, &st);
}

/* USERNS, or -1 if it is our own. */
static int unless_own(int userns)
{
	struct stat own;

	if (stat("/proc/self/ns/user", &own) == 0 && same(userns, &own)) {
		close(userns);
		return -1;
	}
	return userns;
}

/* The user namespace around that which owns NS; NS itself if it is one. */
static struct err *parent_of(int ns, int *ret)
{
	_cleanup_close_ int owner = ioctl(ns, NS_GET_USERNS);
	int parent;

	if (ioctl(ns, NS_GET_NSTYPE) == CLONE_NEWUSER)
		parent = fcntl(ns, F_DUPFD_CLOEXEC, 3);
	else
		parent = owner < 0 ? -1 : ioctl(owner, NS_GET_PARENT);
	if (parent < 0)
		return err_new(errno, "looking at the container's namespaces");
	*ret = unless_own(parent);
	return NULL;
}

/* -- N --------------------------------------------------------------------------------------------------------- */

static struct err *done(int fd, struct netlink_batch *b)
{
	struct err *e = netlink_run(fd, b);

	for (size_t i = 0; i < b->n && !e; i++)
		e = netlink_failed(b, i);
	return e;
}

static struct err *make_bridge(int route)
{
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct netlink_batch b;
	uint8_t off = 0;

	netlink_batch_init(&b);
	netlink_begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up), "making a bridge");
	netlink_attr(&b, IFLA_IFNAME, BRIDGE_NAME, sizeof(BRIDGE_NAME));
	netlink_nest(&b, IFLA_LINKINFO);
	netlink_attr(&b, IFLA_INFO_KIND, "bridge", 6);
	netlink_nest(&b, IFLA_INFO_DATA);
	netlink_attr(&b, IFLA_BR_MCAST_SNOOPING, &off,
		     sizeof(off)); /* groups reach all, also in kernels with it */
	netlink_nest_end(&b);
	netlink_nest_end(&b);
	return done(route, &b);
}

static void add_flag(struct netlink_batch *b, uint16_t flag, uint8_t value)
{
	netlink_attr(b, flag, &value, sizeof(value));
}

static void begin_flags(struct netlink_batch *b, unsigned port, const char *what)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = (int)port };

	netlink_begin(b, RTM_SETLINK, 0, &info, sizeof(info), what);
	netlink_nest(b, IFLA_PROTINFO | NLA_F_NESTED);
	add_flag(b, IFLA_BRPORT_LEARNING, 0);
}

/* Frames for MAC leave through PORT. */
static void add_forward(struct netlink_batch *b, unsigned port, const uint8_t mac[NET_MAC_LEN])
{
	struct ndmsg nd = { .ndm_family = AF_BRIDGE,
			    .ndm_ifindex = (int)port,
			    .ndm_state = NUD_NOARP,
			    .ndm_flags = NTF_MASTER };

	netlink_begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd, sizeof(nd),
		      "writing down a hardware address");
	netlink_attr(b, NDA_LLADDR, mac, NET_MAC_LEN);
}

/* A kernel that knows locked ports refuses a flag without a value; an older one knows nothing of it and does not
 * mind. */
static struct err *check_locking(int route, unsigned port)
{
	struct netlink_batch b;
	struct err *e;

	netlink_batch_init(&b);
	begin_flags(&b, port, "locking a port");
	netlink_attr(&b, LOCKED, NULL, 0);
	netlink_nest_end(&b);
	e = done(route, &b);
	if (!e)
		return err_new(0, "the kernel's bridge has no locked ports (Linux 5.18)");
	err_free(e); /* that was the question */
	return NULL;
}

static struct err *connect_up(int route, const struct made *m, const struct net_addrs *a,
			      const uint8_t gateway[NET_MAC_LEN])
{
	struct ifinfomsg info = { .ifi_index = (int)m->up },
			 up = { .ifi_index = (int)m->up, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct netlink_batch b;

	netlink_batch_init(&b);
	netlink_begin(&b, RTM_SETLINK, 0, &info, sizeof(info), "connecting the bridge");
	netlink_attr_u32(&b, IFLA_MTU, a->mtu);
	netlink_attr_u32(&b, IFLA_MASTER, m->br);
	begin_flags(&b, m->up, "setting up the bridge's way out");
	netlink_nest_end(&b);
	add_forward(&b, m->up, gateway);
	netlink_begin(&b, RTM_SETLINK, 0, &up, sizeof(up), "starting the bridge's way out");
	return done(route, &b);
}

/* In P, or with the rights of the host's root. */
static struct err *set_up(int ns, const struct net_addrs *a, const uint8_t gateway[NET_MAC_LEN],
			  struct made *ret, int fds[3])
{
	struct netns n = { .packet_fd = -1 };
	struct err *e;

	if (ns >= 0 ? setns(ns, CLONE_NEWNET) < 0 : unshare(CLONE_NEWNET) < 0)
		return err_new(errno, "making a network namespace");
	/* no addresses by themselves: nothing is sent on anybody's behalf */
	netns_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	e = fd_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, &fds[0]);
	e = e ?: netlink_open(&fds[1]);
	if (ns < 0)
		e = e ?: make_bridge(fds[1]);
	e = e ?: netns_device(UP_NAME, &n);
	fds[2] = n.packet_fd;
	ret->br = if_nametoindex(BRIDGE_NAME);
	ret->up = if_nametoindex(UP_NAME);
	e = e ?: connect_up(fds[1], ret, a, gateway);
	return e ?: check_locking(fds[1], ret->up);
}

/* The child's work, and what it hands over. */
struct setting {
	int ns; /* N, -1: to be made */
	const struct net_addrs *a;
	const uint8_t *gateway;
	struct made made;
	int fds[3];
};

static struct err *work(void *arg)
{
	struct setting *s = arg;

	return set_up(s->ns, s->a, s->gateway, &s->made, s->fds);
}

/* Takes over PARENT in every case. */
static struct err *open_bridge(int parent, int ns, const struct net_addrs *a,
			       const uint8_t gateway[NET_MAC_LEN], struct bridge **ret,
			       int *ret_packet_fd)
{
	_cleanup_close_ int keep_parent = parent;
	struct setting s = { .ns = ns, .a = a, .gateway = gateway };
	struct err *e = errand_run(&(struct errand){
		.ns = parent,
		.kinds = CLONE_NEWUSER,
		.what = "setting up a bridge",
		.work = work,
		.arg = &s,
		.made = &s.made,
		.made_len = sizeof(s.made),
		.fds = s.fds,
		.n_fds = ARRAY_LEN(s.fds),
	});
	struct bridge *b;

	if (e)
		return e;
	b = xcalloc(1, sizeof(*b));
	*b = (struct bridge){ s.fds[0], TAKE_FD(keep_parent), s.fds[1], s.made.br, s.made.up, a->mtu };
	*ret = b;
	*ret_packet_fd = s.fds[2];
	return NULL;
}

struct err *bridge_new(int around, const struct net_addrs *a, const uint8_t gateway[NET_MAC_LEN],
		       struct bridge **ret, int *ret_packet_fd)
{
	int parent = -1;
	struct err *e = parent_of(around, &parent);

	return e ?: open_bridge(parent, -1, a, gateway, ret, ret_packet_fd);
}

struct err *bridge_take(int ns, const struct net_addrs *a, const uint8_t gateway[NET_MAC_LEN],
			struct bridge **ret, int *ret_packet_fd)
{
	int owner = ioctl(ns, NS_GET_USERNS);

	if (owner < 0)
		return err_new(errno, "looking at the bridge's namespace");
	return open_bridge(unless_own(owner), ns, a, gateway, ret, ret_packet_fd);
}

void bridge_free(struct bridge *b)
{
	if (!b)
		return;
	close(b->ns);
	close(b->route);
	if (b->parent >= 0)
		close(b->parent);
	free(b);
}

int bridge_ns(const struct bridge *b)
{
	return b->ns;
}

bool bridge_is(const struct bridge *b, int ns)
{
	return same_fd(b->ns, ns);
}

bool bridge_fits(const struct bridge *b, int ctr_ns)
{
	int parent = -1;
	struct err *e = parent_of(ctr_ns, &parent);
	bool fits = !e && (parent < 0 ? b->parent < 0 : same_fd(parent, b->parent));

	err_free(e); /* the same as no */
	if (parent >= 0)
		close(parent);
	return fits;
}

/* -- ports ----------------------------------------------------------------------------------------------------- */

static void add_pair(struct netlink_batch *b, const struct bridge *br, unsigned index, int ctr_ns,
		     const char *device, const uint8_t mac[NET_MAC_LEN])
{
	struct ifinfomsg near = { .ifi_index = (int)index }, far = { 0 };

	netlink_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &near, sizeof(near),
		      "making a veth pair");
	netlink_attr(b, IFLA_IFNAME, PORT_NAME, sizeof(PORT_NAME));
	netlink_attr_u32(b, IFLA_MTU, br->mtu);
	netlink_attr_u32(b, IFLA_MASTER, br->br);
	netlink_nest(b, IFLA_LINKINFO);
	netlink_attr(b, IFLA_INFO_KIND, "veth", 4);
	netlink_nest(b, IFLA_INFO_DATA);
	netlink_nest(b, VETH_INFO_PEER);
	netlink_raw(b, &far, sizeof(far));
	netlink_attr(b, IFLA_IFNAME, device, strlen(device) + 1);
	netlink_attr(b, IFLA_ADDRESS, mac, NET_MAC_LEN);
	netlink_attr_u32(b, IFLA_MTU, br->mtu);
	netlink_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)ctr_ns);
	netlink_nest_end(b);
	netlink_nest_end(b);
	netlink_nest_end(b);
}

/* What GUEST's filter says, at the port INDEX, goes out at up0 instead of to the bridge.  Source: tc-bpf(8). */
static void add_filter(struct netlink_batch *b, const struct bridge *br, unsigned index,
		       const struct bridge_guest *guest)
{
	struct sock_filter program[CLAIM_FILTER_LEN];
	struct tcmsg qdisc = { .tcm_ifindex = (int)index,
			       .tcm_parent = TC_H_INGRESS,
			       .tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0) },
		     filter = { .tcm_ifindex = (int)index,
				.tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
				.tcm_info = TC_H_MAKE(PRIO << 16, htons(ETH_P_ALL)) };
	struct tc_mirred redirect = { .action = TC_ACT_STOLEN,
				      .eaction = TCA_EGRESS_REDIR,
				      .ifindex = br->up };
	uint16_t n = ARRAY_LEN(program);

	claim_filter(guest->mac, guest->ip, &guest->ip6, program);
	netlink_begin(b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &qdisc, sizeof(qdisc),
		      "filtering a port");
	netlink_attr(b, TCA_KIND, "ingress", sizeof("ingress"));
	netlink_begin(b, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &filter, sizeof(filter),
		      "filtering a port's claims");
	netlink_attr(b, TCA_KIND, "bpf", sizeof("bpf"));
	netlink_nest(b, TCA_OPTIONS);
	netlink_attr(b, TCA_BPF_OPS_LEN, &n, sizeof(n));
	netlink_attr(b, TCA_BPF_OPS, program, sizeof(program));
	netlink_nest(b, TCA_BPF_ACT);
	netlink_nest(b, 1);
	netlink_attr(b, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	netlink_nest(b, TCA_ACT_OPTIONS);
	netlink_attr(b, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	netlink_nest_end(b);
	netlink_nest_end(b);
	netlink_nest_end(b);
	netlink_nest_end(b);
}

/* Its number is ours to choose, so that one batch can name it. */
static unsigned any_index(void)
{
	unsigned index = 0;

	if (getrandom(&index, sizeof(index), GRND_NONBLOCK) < 0)
		index = (unsigned)time_mono_ms();
	return (index & ((1U << INDEX_BITS) - 1)) | 1U << INDEX_BITS;
}

static void remove_port(struct bridge *br, unsigned index)
{
	struct ifinfomsg info = { .ifi_index = (int)index };
	struct netlink_batch b;

	netlink_batch_init(&b);
	netlink_begin(&b, RTM_DELLINK, 0, &info, sizeof(info), "removing a veth pair");
	err_free(done(br->route, &b)); /* it may not be there */
}

static struct err *try_port(struct bridge *br, unsigned index, int ctr_ns, const char *device,
			    const struct bridge_guest *guest)
{
	struct ifinfomsg up = { .ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct netlink_batch b;

	netlink_batch_init(&b);
	add_pair(&b, br, index, ctr_ns, device, guest->mac);
	begin_flags(&b, index, "locking a port");
	add_flag(&b, IFLA_BRPORT_UNICAST_FLOOD, 0);
	add_flag(&b, LOCKED, 1);
	netlink_nest_end(&b);
	add_forward(&b, index, guest->mac);
	add_filter(&b, br, index, guest);
	netlink_begin(&b, RTM_SETLINK, 0, &up, sizeof(up), "starting a port"); /* when all else is done */
	return done(br->route, &b);
}

struct err *bridge_port(struct bridge *b, int ctr_ns, const char *device, const struct bridge_guest *guest)
{
	struct err *e = NULL;

	for (int i = 0; i < PORT_TRIES; i++) {
		unsigned index = any_index();

		err_free(TAKE_PTR(e));
		e = try_port(b, index, ctr_ns, device, guest);
		if (!e)
			return NULL;
		if (err_is(e, EBUSY)) /* a number that is in use */
			continue;
		remove_port(b, index);
		break;
	}
	return e;
}

/* -- is it there? ---------------------------------------------------------------------------------------------- */

struct err *bridge_try(void)
{
	const struct bridge_guest guest = { .mac = { 2, 0, 0, 0, 0, 1 } };
	struct bridge b = { .ns = -1, .parent = -1, .route = -1, .mtu = NET_MTU };
	struct net_addrs a = { .mtu = NET_MTU };
	int fds[3] = { -1, -1, -1 };
	_cleanup_close_ int ctr_ns = -1;
	struct made made;
	struct err *e;

	if (unshare(CLONE_NEWNET) < 0)
		return err_new(errno, "making a network namespace");
	e = fd_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, &ctr_ns);
	e = e ?: set_up(-1, &a, guest.mac, &made, fds);
	if (e)
		return e;
	b.route = fds[1];
	b.br = made.br;
	b.up = made.up;
	e = bridge_port(&b, ctr_ns, "eth%d", &guest);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	return e;
}
