#include "slirp/relay_priv.h"

#include <ifaddrs.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <netinet/tcp.h>

#include "core/base/str.h"
#include "slirp/netlink.h"
#include "slirp/netns.h"

/* How outgoing connections get past the user-mode stack
 *
 *	container's socket, SYN-SENT -- SYN --> eth0 --> network's process (slirp/outgoing.c), which keeps it
 *	1 the network's process connects outside.  Refused or unreachable: it says so to the container, and that is all
 *	2 connected: it hands the socket to us
 *	3 we add a rule for the two addresses and ports: what the container sends on this connection is delivered on lo
 *	4 we make a socket with the server's address and port, and connect it to the container's, over lo: both have
 *	  sent a SYN, which TCP calls a simultaneous open (RFC 9293 3.5)
 *	Without the rule (there is a limit, and its end comes before the last segment) the container's segments leave
 *	through eth0 as before, and the network's process sends them back: they come in from the container's own
 *	address, which one more rule takes for "is delivered here, whoever it is for"
 *
 * That is a connection like those to published ports: two kernel sockets, spliced.  The container sees nothing of it
 * but addresses and ports as they should be. */

enum {
	ADDRS_MAX = 64, /* of the container, that are prepared */
	RULES_MAX = 128, /* every new route in the namespace goes through all of them */
	RULE_CONN = 0xdb, /* priorities */
	RULE_BACK = 0xdc,
};

struct relay_out {
	int netlink;
	size_t n_rules;
	union sock_addr addrs[ADDRS_MAX];
	size_t n_addrs;
};

static const void *addr_of(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr;
}

static size_t addr_len(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->v6.sin6_addr) : sizeof(a->v4.sin_addr);
}

union sock_addr relay_out_addr(const struct relay_outgoing *o, bool server)
{
	union sock_addr a = { .sa.sa_family = o->v6 ? AF_INET6 : AF_INET };

	memcpy((void *)addr_of(&a), server ? o->server : o->client, addr_len(&a));
	a.v6.sin6_port = htons(server ? o->server_port : o->client_port); /* the same place in both */
	return a;
}

/* The device that has the address A. */
static bool device_of(const union sock_addr *a, char ret[IF_NAMESIZE])
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		const union sock_addr *has = (const void *)i->ifa_addr;

		if (!has || has->sa.sa_family != a->sa.sa_family ||
		    memcmp(addr_of(has), addr_of(a), addr_len(a)) != 0)
			continue;
		snprintf(ret, IF_NAMESIZE, "%s", i->ifa_name);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

static struct err *run(struct relay *r, struct netlink_batch *b)
{
	struct err *e = netlink_run(r->out->netlink, b);

	return e ?: netlink_failed(b, 0);
}

/* "ip rule add iif DEVICE from A lookup TABLE". */
static struct err *accept_own(struct relay *r, const union sock_addr *a, const char *device)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)a->sa.sa_family,
				     .src_len = (uint8_t)(addr_len(a) * 8),
				     .table = NETNS_TABLE,
				     .action = FR_ACT_TO_TBL };
	struct netlink_batch b;
	struct err *e;

	netlink_batch_init(&b);
	netlink_begin(&b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof(rule),
		      "adding a rule for what comes back");
	netlink_attr_u32(&b, FRA_PRIORITY, RULE_BACK);
	netlink_attr(&b, FRA_IIFNAME, device, strlen(device) + 1);
	netlink_attr(&b, FRA_SRC, addr_of(a), (uint16_t)addr_len(a));
	e = run(r, &b);
	if (err_is(e, EEXIST)) { /* from an earlier relay */
		err_free(e);
		e = NULL;
	}
	return e;
}

static struct err *prepare_addr(struct relay *r, const union sock_addr *a)
{
	_cleanup_free_ char *path = NULL;
	char device[IF_NAMESIZE];

	if (r->out->n_addrs == ADDRS_MAX)
		return err_new(0, "too many addresses");
	if (!device_of(a, device))
		return err_new(0, "an address of no device");
	path = xasprintf("/proc/sys/net/ipv4/conf/%s/accept_local", device);
	if (a->sa.sa_family == AF_INET && !netns_sysctl(path, "1"))
		return err_new(errno, "writing %s", path);
	r->out->addrs[r->out->n_addrs++] = *a;
	return accept_own(r, a, device);
}

/* Rules of connections that ended with an earlier relay. */
static void remove_old_rules(struct relay *r)
{
	for (int i = 0; i < 2 * RULES_MAX; i++) {
		struct fib_rule_hdr rule = { .family = i < RULES_MAX ? AF_INET : AF_INET6,
					     .table = NETNS_TABLE };
		struct netlink_batch b;
		struct err *e;

		netlink_batch_init(&b);
		netlink_begin(&b, RTM_DELRULE, 0, &rule, sizeof(rule), "removing an old rule");
		netlink_attr_u32(&b, FRA_PRIORITY, RULE_CONN);
		e = run(r, &b);
		if (e)
			i = i < RULES_MAX ? RULES_MAX - 1 : 2 * RULES_MAX; /* there are no more */
		err_free(e);
	}
}

struct err *relay_out_prepare(struct relay *r, const struct relay_outgoing *o)
{
	union sock_addr client = relay_out_addr(o, false);
	struct err *e = NULL;

	if (!r->cfg.transparent)
		return err_new(0, "the namespace is not prepared for foreign addresses");
	if (!r->out) {
		r->out = xcalloc(1, sizeof(*r->out));
		r->out->netlink = -1;
		e = netlink_open(&r->out->netlink);
		if (!e)
			remove_old_rules(r);
	}
	for (size_t i = 0; i < r->out->n_addrs; i++) {
		const union sock_addr *a = &r->out->addrs[i];

		if (a->sa.sa_family == client.sa.sa_family &&
		    !memcmp(addr_of(a), addr_of(&client), addr_len(a)))
			return NULL;
	}
	client.v6.sin6_port = 0;
	return e ?: prepare_addr(r, &client);
}

void relay_devices_changed(struct relay *r)
{
	if (r->out)
		r->out->n_addrs = 0;
}

int relay_out_socket(struct relay *r, const struct relay_outgoing *o)
{
	union sock_addr server = relay_out_addr(o, true);
	_cleanup_close_ int fd = relay_socket_open(r, server.sa.sa_family, SOCK_STREAM);
	int on = 1, off = TCP_REPAIR_OFF_NO_WP;

	if (fd < 0)
		return -1;
	if (bind(fd, &server.sa, sock_addr_len(&server)) == 0)
		return TAKE_FD(fd);
	/* A server in the container may listen on this port, for all addresses: to bind nevertheless is what a socket
	 * under repair may do (tcp(7) does not say so, net/ipv4/tcp.c does). */
	if (errno != EADDRINUSE || setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
	    bind(fd, &server.sa, sock_addr_len(&server)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* "ip rule add|del from CLIENT to SERVER ipproto tcp sport PORT dport PORT lookup TABLE". */
static struct err *own_rule(struct relay *r, const struct relay_outgoing *o, bool add)
{
	const union sock_addr client = relay_out_addr(o, false), server = relay_out_addr(o, true);
	uint8_t bits = (uint8_t)(addr_len(&client) * 8), tcp = IPPROTO_TCP;
	struct fib_rule_hdr rule = { .family = (uint8_t)client.sa.sa_family,
				     .src_len = bits,
				     .dst_len = bits,
				     .table = NETNS_TABLE,
				     .action = FR_ACT_TO_TBL };
	struct fib_rule_port_range from = { o->client_port, o->client_port },
				   to = { o->server_port, o->server_port };
	struct netlink_batch b;

	netlink_batch_init(&b);
	netlink_begin(&b, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE : 0, &rule,
		      sizeof(rule), "changing the rule of a connection");
	netlink_attr_u32(&b, FRA_PRIORITY, RULE_CONN);
	netlink_attr(&b, FRA_SRC, addr_of(&client), bits / 8);
	netlink_attr(&b, FRA_DST, addr_of(&server), bits / 8);
	netlink_attr(&b, FRA_IP_PROTO, &tcp, sizeof(tcp));
	netlink_attr(&b, FRA_SPORT_RANGE, &from, sizeof(from));
	netlink_attr(&b, FRA_DPORT_RANGE, &to, sizeof(to));
	return run(r, &b);
}

bool relay_out_shorten(struct relay *r, const struct relay_outgoing *o)
{
	struct err *e;

	if (r->out->n_rules == RULES_MAX)
		return false;
	e = own_rule(r, o, true);
	r->out->n_rules += !e;
	err_free(e); /* it goes on by the longer way */
	return !e;
}

void relay_out_unshorten(struct relay *r, const struct relay_outgoing *o)
{
	err_free(own_rule(r, o, false)); /* it does no harm: the ports are not used together again soon */
	r->out->n_rules--;
}
