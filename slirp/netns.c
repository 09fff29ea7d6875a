#include "slirp/netns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "slirp/netlink.h"

/* How it works
 *
 *	container's network namespace                     host
 *	eth0 (tap) ------------------ packet_fd --------> process of the network: slirp/switch.c
 *	or
 *	eth0 (veth) -- far end in a namespace without a process -- packet socket = packet_fd --> the same
 *
 * or, where the kernel connects the containers, a veth pair whose other end is a bridge's port (slirp/bridge.h).
 *
 * The hidden namespace lives as long as the packet socket; when that is closed the pair disappears.
 *
 * Published ports: the relay sits in this namespace and speaks to the container from sockets bound to foreign
 * addresses (IP_TRANSPARENT).  Its packets travel over lo.  The answers must come back over lo too and not leave
 * through eth0: the relay marks its sockets, what answers a marked packet is marked too
 * (sysctls set by the relay), and marked packets are routed by a table that says "every address is local". */

const char *const packet_kind_names[] = {
	[PACKET_TAP] = "tap", [PACKET_SOCKET] = "packet socket", [PACKET_BRIDGE] = "bridge"
};
static_assert(ARRAY_LEN(packet_kind_names) == PACKET_KIND_MAX, "one name a kind");

enum { LO_INDEX = 1, FAR_MTU = 65535, FAR_QUEUE = 4 << 20, FEATURES_MAX = 1024, DEVICES_MAX = 64 };
#define FAR_NAME "far0"
enum {
	GSO_IPV4_MAX_SIZE = 63, /* IFLA_GSO_IPV4_MAX_SIZE, which headers before 6.3 lack */
	LO_SEGMENT = 524280, /* the most that lo takes (GSO_MAX_SIZE, less a header) */
};

static struct err *open_tap(const char *name, int *ret_fd)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0)
		return err_new(errno, "opening /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_new(errno, "making a tap device");
	/* Segments of up to 64 KiB and unfinished checksums: fewer, larger frames are the only thing that makes the
	 * user-mode stack faster. */
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		return err_new(errno, "setting the tap's offloads");
	*ret_fd = TAKE_FD(fd);
	return NULL;
}

static unsigned link_index(int any_socket, const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(any_socket, SIOCGIFINDEX, &ifr) < 0 ? 0 : (unsigned)ifr.ifr_ifindex;
}

/* No address is made up from the hardware address: nothing asks around on the link. */
static void add_no_auto_ipv6(struct netlink_batch *b)
{
	uint8_t none = IN6_ADDR_GEN_MODE_NONE;

	netlink_nest(b, IFLA_AF_SPEC);
	netlink_nest(b, AF_INET6);
	netlink_attr(b, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	netlink_nest_end(b);
	netlink_nest_end(b);
}

/* In the hidden namespace: a pair whose near end is put into the namespace CTR_NS as NAME. */
static struct err *make_veth(int ctr_ns, const char *name, unsigned *ret_index)
{
	struct ifinfomsg far = { .ifi_family = AF_UNSPEC,
				 .ifi_flags = IFF_UP | IFF_NOARP,
				 .ifi_change = IFF_UP | IFF_NOARP },
			 near = { 0 };
	_cleanup_close_ int fd = -1;
	struct netlink_batch b;
	struct err *e = netlink_open(&fd);

	if (e)
		return e;
	netlink_batch_init(&b);
	netlink_begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &far, sizeof(far),
		      "making a veth pair");
	netlink_attr(&b, IFLA_IFNAME, FAR_NAME, sizeof(FAR_NAME));
	netlink_attr_u32(&b, IFLA_MTU, FAR_MTU);
	netlink_nest(&b, IFLA_LINKINFO);
	netlink_attr(&b, IFLA_INFO_KIND, "veth", 4);
	netlink_nest(&b, IFLA_INFO_DATA);
	netlink_nest(&b, VETH_INFO_PEER);
	netlink_raw(&b, &near, sizeof(near));
	netlink_attr(&b, IFLA_IFNAME, name, strlen(name) + 1);
	netlink_attr_u32(&b, IFLA_NET_NS_FD, (uint32_t)ctr_ns);
	netlink_nest_end(&b);
	netlink_nest_end(&b);
	netlink_nest_end(&b);
	netlink_begin(&b, RTM_SETLINK, 0, &near, sizeof(near), "calming the veth pair");
	netlink_attr(&b, IFLA_IFNAME, FAR_NAME, sizeof(FAR_NAME));
	add_no_auto_ipv6(&b); /* a failure is a kernel without IPv6 */
	netlink_begin(&b, RTM_SETLINK, 0, &far, sizeof(far), "starting the veth pair");
	netlink_attr(&b, IFLA_IFNAME, FAR_NAME, sizeof(FAR_NAME));
	e = netlink_run(fd, &b);
	e = e ?: netlink_failed(&b, 0);
	e = e ?: netlink_failed(&b, 2);
	if (!e)
		*ret_index = link_index(fd, FAR_NAME);
	return e;
}

static struct err *bind_packet_socket(int fd, unsigned index)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)index };
	int one = 1, queue = FAR_QUEUE;

	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0)
		return err_new(errno, "asking for whole segments");
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		return err_new(errno, "leaving out our own frames");
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)); /* only faster */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)); /* as much as the host allows */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof(queue));
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		return err_new(errno, "binding the packet socket");
	return NULL;
}

static bool ethtool(int any_socket, const char *name, void *request)
{
	struct ifreq ifr = { .ifr_data = request };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(any_socket, SIOCETHTOOL, &ifr) == 0;
}

/* A veth device lets programs send many datagrams as one (UDP_SEGMENT), as a tap of ours does not; the stack takes only
 * single ones.  The kernel cuts them when the device cannot.  Features are known by name: their numbers change.
 * Source: linux/ethtool.h.  Failing costs those programs (QUIC) their packets, nothing else. */
static void no_udp_segments(const char *name)
{
	_cleanup_close_ int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	static const char feature[] = "tx-udp-segmentation";
	_cleanup_free_ struct ethtool_sset_info *info = xcalloc(1, sizeof(*info) + sizeof(uint32_t));
	_cleanup_free_ struct ethtool_gstrings *names = NULL;
	_cleanup_free_ struct ethtool_sfeatures *set = NULL;
	uint32_t words, n;

	*info = (struct ethtool_sset_info){ .cmd = ETHTOOL_GSSET_INFO,
					    .sset_mask = 1ULL << ETH_SS_FEATURES };
	if (!ethtool(any_socket, name, info))
		return;
	n = info->data[0];
	if (!n || n > FEATURES_MAX)
		return;
	words = (n + 31) / 32;
	names = xcalloc(1, sizeof(*names) + (size_t)n * ETH_GSTRING_LEN);
	set = xcalloc(1, sizeof(*set) + words * sizeof(set->features[0]));
	*names = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
					    .string_set = ETH_SS_FEATURES,
					    .len = n };
	if (!ethtool(any_socket, name, names))
		return;
	set->cmd = ETHTOOL_SFEATURES;
	set->size = words;
	for (uint32_t i = 0; i < n; i++) {
		if (strncmp((char *)names->data + i * ETH_GSTRING_LEN, feature, ETH_GSTRING_LEN) == 0)
			set->features[i / 32].valid = 1U << i % 32; /* wanted: 0 */
	}
	ethtool(any_socket, name, set);
}

/* Without /dev/net/tun.  The thread leaves its network namespace for a moment and comes back. */
static struct err *open_packet_socket(const char *name, int *ret_fd)
{
	_cleanup_close_ int ctr_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;
	unsigned index = 0;
	struct err *e = NULL;

	if (ctr_ns < 0)
		return err_new(errno, "opening the network namespace");
	if (unshare(CLONE_NEWNET) < 0)
		return err_new(errno, "making a second network namespace");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		e = err_new(errno, "opening a packet socket");
	e = e ?: make_veth(ctr_ns, name, &index);
	e = e ?: bind_packet_socket(fd, index);
	if (setns(ctr_ns, CLONE_NEWNET) < 0)
		e = err_also(e, err_new(errno, "returning to the network namespace"));
	if (!e)
		*ret_fd = TAKE_FD(fd);
	return e;
}

/* lo up; its traffic may have any source address (the relay's has). */
static void add_lo(struct netlink_batch *b)
{
	struct ifinfomsg lo = { .ifi_index = LO_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	netlink_begin(b, RTM_SETLINK, 0, &lo, sizeof(lo), "starting lo");
	netlink_nest(b, IFLA_AF_SPEC);
	netlink_nest(b, AF_INET);
	netlink_nest(b, IFLA_INET_CONF);
	netlink_attr_u32(b, IPV4_DEVCONF_RP_FILTER, 0);
	netlink_attr_u32(b, IPV4_DEVCONF_ACCEPT_LOCAL, 1);
	netlink_nest_end(b);
	netlink_nest_end(b);
	netlink_nest_end(b);
}

/* "BIG TCP" (Linux 6.3; older kernels refuse): segments of half a megabyte over lo instead of 64 KiB: half the work for
 * the relay's inner connections, and for whatever the container's processes tell each other. */
static void add_big_lo(struct netlink_batch *b)
{
	struct ifinfomsg lo = { .ifi_index = LO_INDEX };

	netlink_begin(b, RTM_SETLINK, 0, &lo, sizeof(lo), "enlarging lo's segments");
	netlink_attr_u32(b, IFLA_GSO_MAX_SIZE, LO_SEGMENT);
	netlink_attr_u32(b, GSO_IPV4_MAX_SIZE, LO_SEGMENT);
}

static void add_addr(struct netlink_batch *b, int family, unsigned index, const void *ip,
		     size_t len, uint8_t prefix)
{
	struct ifaddrmsg ifa = { .ifa_family = (uint8_t)family,
				 .ifa_prefixlen = prefix,
				 .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
				 .ifa_index = index };

	netlink_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa),
		      "adding the address");
	netlink_attr(b, IFA_LOCAL, ip, len);
	netlink_attr(b, IFA_ADDRESS, ip, len);
	if (family == AF_INET) {
		uint32_t host_part = prefix ? ~(~0U << (32 - prefix)) : ~0U, broadcast;

		memcpy(&broadcast, ip, sizeof(broadcast));
		broadcast |= htonl(host_part);
		netlink_attr_u32(b, IFA_BROADCAST, broadcast);
	}
}

static void add_default_route(struct netlink_batch *b, int family, unsigned index,
			      const void *gateway, size_t len)
{
	struct rtmsg rt = { .rtm_family = (uint8_t)family,
			    .rtm_table = RT_TABLE_MAIN,
			    .rtm_protocol = RTPROT_BOOT,
			    .rtm_scope = RT_SCOPE_UNIVERSE,
			    .rtm_type = RTN_UNICAST };

	netlink_begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &rt, sizeof(rt),
		      "setting the default route");
	netlink_attr(b, RTA_GATEWAY, gateway, len);
	netlink_attr_u32(b, RTA_OIF, index);
}

/* "ip rule add fwmark MARK lookup TABLE" and "ip route add local default dev lo table TABLE". */
static void add_mark(struct netlink_batch *b, int family)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)family,
				     .table = NETNS_TABLE,
				     .action = FR_ACT_TO_TBL };
	struct rtmsg rt = { .rtm_family = (uint8_t)family,
			    .rtm_table = NETNS_TABLE,
			    .rtm_protocol = RTPROT_BOOT,
			    .rtm_scope = RT_SCOPE_HOST,
			    .rtm_type = RTN_LOCAL };

	netlink_begin(b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof(rule),
		      "adding the relay's rule");
	netlink_attr_u32(b, FRA_FWMARK, NETNS_MARK);
	netlink_begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rt, sizeof(rt),
		      "adding the relay's route");
	netlink_attr_u32(b, RTA_OIF, LO_INDEX);
}

static void add_link(struct netlink_batch *b, const struct net_addrs *a, int index)
{
	struct ifinfomsg eth = { .ifi_index = index },
			 up = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	netlink_begin(b, RTM_SETLINK, 0, &eth, sizeof(eth), "setting up the device");
	netlink_attr(b, IFLA_ADDRESS, a->mac, sizeof(a->mac));
	netlink_attr_u32(b, IFLA_MTU, a->mtu);
	/* Before it goes up: then it would be too late. */
	netlink_begin(b, RTM_SETLINK, 0, &eth, sizeof(eth), "calming the device");
	add_no_auto_ipv6(b);
	netlink_begin(b, RTM_SETLINK, 0, &up, sizeof(up), "starting the device");
}

/* What was asked for in a batch, and the numbers of its messages. */
struct asked {
	struct netlink_batch b;
	bool needed[NETLINK_BATCH_MSGS]; /* its failure is ours */
	size_t ipv6, n_ipv6, mark, n_mark, mark6, n_mark6; /* first message and how many */
};

static void add_addrs(struct asked *q, const struct netns_link *l, unsigned index)
{
	const struct net_addrs *a = &l->addrs;

	for (size_t i = 0; i < 3; i++) /* but for the one that calms it, which older kernels refuse */
		q->needed[q->b.n + i] = i != 1;
	add_link(&q->b, a, (int)index);
	q->needed[q->b.n] = true;
	add_addr(&q->b, AF_INET, index, &a->ip, sizeof(a->ip), a->prefix);
	if (l->route) {
		q->needed[q->b.n] = true;
		add_default_route(&q->b, AF_INET, index, &a->gateway, sizeof(a->gateway));
	}
	q->ipv6 = q->b.n;
	if (l->ipv6) {
		add_addr(&q->b, AF_INET6, index, &a->ip6, sizeof(a->ip6), a->prefix6);
		if (l->route)
			add_default_route(&q->b, AF_INET6, index, &a->gateway6, sizeof(a->gateway6));
	}
	q->n_ipv6 = q->b.n - q->ipv6;
}

static void add_marks(struct asked *q)
{
	q->mark = q->b.n;
	add_mark(&q->b, AF_INET);
	q->mark6 = q->b.n;
	add_mark(&q->b, AF_INET6);
	q->n_mark = q->mark6 - q->mark;
	q->n_mark6 = q->b.n - q->mark6;
}

static bool all_done(const struct asked *q, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (q->b.errnum[i])
			return false;
	return true;
}

static struct err *run(int fd, struct asked *q)
{
	struct err *e = netlink_run(fd, &q->b);

	for (size_t i = 0; i < q->b.n && !e; i++)
		if (q->needed[i])
			e = netlink_failed(&q->b, i);
	return e;
}

struct err *netns_device(const char *name, struct netns *ret)
{
	struct err *e = open_tap(name, &ret->packet_fd), *other;

	ret->kind = PACKET_TAP;
	if (!e)
		return NULL;
	ret->kind = PACKET_SOCKET;
	other = open_packet_socket(name, &ret->packet_fd);
	if (other)
		return err_also(e, other);
	err_free(e); /* no access to the tun device: the other way worked */
	no_udp_segments(name);
	return NULL;
}

static bool has_mac(int any_socket, const char *name, const uint8_t mac[NET_MAC_LEN])
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(any_socket, SIOCGIFHWADDR, &ifr) == 0 &&
	       !memcmp(ifr.ifr_hwaddr.sa_data, mac, NET_MAC_LEN);
}

/* The device that a bridge has put here for the link A, the newest if there are several; 0: none. */
static unsigned index_of_mac(const struct net_addrs *a)
{
	_cleanup_close_ int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IFNAMSIZ];

	for (int i = DEVICES_MAX - 1; any >= 0 && i >= 0; i--) {
		snprintf(name, sizeof(name), "eth%d", i);
		if (has_mac(any, name, a->mac))
			return if_nametoindex(name);
	}
	return 0;
}

/* Make the device of L, or find it: NAME is that of one which is made. */
static struct err *get_device(const struct netns_link *l, const char *name, struct netns *n,
			      unsigned *ret_index)
{
	struct err *e = NULL;

	n->kind = PACKET_BRIDGE;
	if (!l->bridged)
		e = netns_device(name, n);
	*ret_index = l->bridged ? index_of_mac(&l->addrs) : if_nametoindex(name);
	if (!e && !*ret_index)
		e = err_new(0, "the device is not there");
	return err_wrap(e, "connecting the container to the network");
}

/* FIRST: with it what a namespace needs once; L is NULL if there is nothing else. */
static struct err *make_link(const struct netns_link *l, const char *name, bool first, struct netns *ret)
{
	struct netns n = { .packet_fd = -1 };
	struct asked q = { 0 };
	_cleanup_close_ int fd = -1;
	unsigned index = 0;
	struct err *e = l ? get_device(l, name, &n, &index) : NULL;

	e = e ?: netlink_open(&fd);
	netlink_batch_init(&q.b);
	if (first) {
		q.needed[0] = true;
		add_lo(&q.b);
	}
	if (!e && l) {
		add_addrs(&q, l, index);
	}
	if (first && l) {
		add_marks(&q);
		add_big_lo(&q.b);
	}
	e = e ?: run(fd, &q);
	if (e) {
		if (n.packet_fd >= 0)
			close(n.packet_fd);
		return err_wrap(e, "setting up the container's network");
	}
	n.ipv6 = l && l->ipv6 && all_done(&q, q.ipv6, q.n_ipv6);
	/* A kernel without policy routing: the relay uses the container's own address as source. */
	n.transparent = first && l && all_done(&q, q.mark, q.n_mark) &&
			(!n.ipv6 || all_done(&q, q.mark6, q.n_mark6));
	if (ret)
		*ret = n;
	return NULL;
}

/* "0 2147483647" is Docker's, but both ends must be mapped, and the kernel compares the ids outside: the range goes
 * from the group with the lowest outer id to the one with the highest. */
static void allow_ping(const struct userns_ids *ids)
{
	uint32_t low = 0, high = 0, low_out = UINT32_MAX, high_out = 0;
	_cleanup_free_ char *value = NULL;

	for (size_t i = 0; i < ids->n_gid; i++) {
		const struct id_range *r = &ids->gid[i];

		if (r->outside < low_out) {
			low_out = r->outside;
			low = r->inside;
		}
		if (r->outside + r->count - 1 >= high_out) {
			high_out = r->outside + r->count - 1;
			high = r->inside + r->count - 1;
		}
	}
	if (high > INT32_MAX)
		high = INT32_MAX; /* the kernel's own limit */
	value = xasprintf("%u %u", low, high);
	netns_sysctl("/proc/sys/net/ipv4/ping_group_range", value);
}

static void set_sysctls(const struct userns_ids *ids)
{
	allow_ping(ids);
	netns_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	netns_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "0"); /* the maximum of all and lo counts */
}

struct err *netns_setup(const struct netns_link *links, size_t n, const struct userns_ids *ids,
			struct netns *ret)
{
	struct err *e = make_link(n ? links : NULL, "eth0", true, ret);

	for (unsigned char i = 1; i < n && !e; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "eth%u", i);
		e = make_link(&links[i], name, false, &ret[i]);
		for (size_t k = 0; k < i && e; k++)
			if (ret[k].packet_fd >= 0)
				close(ret[k].packet_fd);
	}
	if (!e && n)
		set_sysctls(ids);
	return e;
}

struct err *netns_add(const struct netns_link *link, struct netns *ret)
{
	char name[IFNAMSIZ] = "";

	for (int i = 0; i < DEVICES_MAX; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		if (if_nametoindex(name) == 0)
			break;
	}
	return make_link(link, name, false, ret);
}

static unsigned index_of_address(int any_socket, struct in_addr ip)
{
	for (int i = 0; i < DEVICES_MAX; i++) {
		struct ifreq ifr = { 0 };
		struct sockaddr_in *sin = (struct sockaddr_in *)(void *)&ifr.ifr_addr;

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "eth%d", i);
		if (ioctl(any_socket, SIOCGIFADDR, &ifr) == 0 && sin->sin_addr.s_addr == ip.s_addr)
			return if_nametoindex(ifr.ifr_name);
	}
	return 0;
}

struct err *netns_route(const struct netns_link *link)
{
	const struct net_addrs *a = &link->addrs;
	_cleanup_close_ int fd = -1, ip = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned index = ip < 0 ? 0 : index_of_address(ip, a->ip);
	struct asked q = { 0 };
	struct err *e = netlink_open(&fd);

	if (!e && !index)
		e = err_new(0, "the container has changed the address of its device");
	netlink_batch_init(&q.b);
	q.needed[0] = true;
	add_default_route(&q.b, AF_INET, index, &a->gateway, sizeof(a->gateway));
	if (link->ipv6)
		add_default_route(&q.b, AF_INET6, index, &a->gateway6, sizeof(a->gateway6));
	return e ?: run(fd, &q);
}

struct err *netns_remove(const struct netns_link *link)
{
	struct ifinfomsg info = { .ifi_index = (int)index_of_mac(&link->addrs) };
	_cleanup_close_ int fd = -1;
	struct netlink_batch b;
	struct err *e = netlink_open(&fd);

	netlink_batch_init(&b);
	if (info.ifi_index)
		netlink_begin(&b, RTM_DELLINK, 0, &info, sizeof(info), "removing the device");
	return e ?: netlink_run(fd, &b);
}

bool netns_sysctl(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
}
