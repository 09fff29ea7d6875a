/* Addresses of a network's containers: networks/<name>/leases/<ip> -> <id>, one symlink(2) each. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/store/network.h"

enum { TRIES_MAX = 1000 };

static struct err *open_leases(struct store *st, const char *name, int *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/leases", name);
	struct err *e = fd_open(st->networks, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret);

	if (!err_is(e, ENOENT))
		return e;
	err_free(e);
	return err_new(0, "network %s not found", name);
}

static bool read_holder(int leases, const char *ip, char ret[ID_LEN + 1])
{
	ssize_t n = readlinkat(leases, ip, ret, ID_LEN + 1);

	if (n != ID_LEN || !str_is_hex(ret, ID_LEN))
		return false;
	ret[ID_LEN] = '\0';
	return true;
}

static bool exists(struct store *st, const char *id)
{
	return faccessat(st->containers, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool runs(struct store *st, const char *id)
{
	_cleanup_free_ char *path = xasprintf("%s/lock", id);

	return lock_is_held(st->containers, path);
}

enum claim { CLAIMED, TAKEN, FAILED };

/* One address for ID.  From a container that is gone it is taken away; with STEAL also from one that does not run. */
static enum claim claim(struct store *st, int leases, const char *ip, const char *id, bool steal)
{
	char holder[ID_LEN + 1];

	for (int i = 0; i < 3; i++) {
		if (symlinkat(id, leases, ip) == 0)
			return CLAIMED;
		if (errno != EEXIST)
			return FAILED;
		if (read_holder(leases, ip, holder)) {
			if (!strcmp(holder, id))
				return CLAIMED;
			if (exists(st, holder) && (!steal || runs(st, holder)))
				return TAKEN;
		}
		if (unlinkat(leases, ip, 0) < 0 && errno != ENOENT)
			return FAILED;
	}
	return TAKEN;
}

static const char *text4(struct in_addr ip, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &ip, buf, INET6_ADDRSTRLEN);
}

/* IPv6 addresses follow the IPv4 ones, unless they are asked for. */
static struct in6_addr following6(const struct network *n, struct in_addr ip)
{
	return subnet_at6(&n->subnet6, ntohl(ip.s_addr) - ntohl(n->subnet.ip.s_addr));
}

/* Has somebody asked for the IPv6 address that follows IP? */
static bool following_is_asked(const struct network *n, int leases, struct in_addr ip)
{
	struct in6_addr ip6 = following6(n, ip);
	char text[INET6_ADDRSTRLEN];

	return n->ipv6 && inet_ntop(AF_INET6, &ip6, text, sizeof(text)) &&
	       faccessat(leases, text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* May a container have it at all? */
static bool usable(const struct network *n, struct in_addr ip)
{
	uint32_t at = ntohl(ip.s_addr) - ntohl(n->subnet.ip.s_addr);
	struct in6_addr ip6 = following6(n, ip);

	if (n->ipv6 && memcmp(&n->gateway6, &ip6, sizeof(ip6)) == 0)
		return false;
	return subnet_has(&n->subnet, ip) && ip.s_addr != n->gateway.s_addr &&
	       ip.s_addr != network_dns(n).s_addr && at != 0 && at != subnet_size(&n->subnet) - 1;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The IPv4 addresses in use, ascending, in the machine's byte order.  *RET_OWN: one that ID has, or 0. */
static uint32_t *used_numbers(int leases, const char *id, size_t *ret_n, uint32_t *ret_own)
{
	_cleanup_dir_ DIR *d = fd_opendir(leases);
	char holder[ID_LEN + 1];
	uint32_t *v = NULL;
	size_t n = 0, cap = 0;
	struct dirent *de;

	*ret_own = 0;
	while (d && (de = readdir(d)) != NULL) {
		struct in_addr ip;

		if (inet_pton(AF_INET, de->d_name, &ip) != 1)
			continue;
		v = xgrow(v, n, &cap, sizeof(*v));
		v[n++] = ntohl(ip.s_addr);
		if (read_holder(leases, de->d_name, holder) && !strcmp(holder, id))
			*ret_own = ntohl(ip.s_addr);
	}
	if (n)
		qsort(v, n, sizeof(*v), by_number);
	*ret_n = n;
	return v;
}

/* The one it has, or else the lowest free one.  STEAL: all are held; take one from a container that is gone, or does
 * not run. */
static struct err *claim_any(struct store *st, const struct network *n, int leases, const char *id,
			     bool steal, struct in_addr *ret)
{
	const struct subnet *range = n->ip_range.prefix ? &n->ip_range : &n->subnet;
	size_t n_used = 0, at = 0;
	uint32_t own;
	_cleanup_free_ uint32_t *used = used_numbers(leases, id, &n_used, &own);
	uint32_t first = ntohl(range->ip.s_addr), size = subnet_size(range);

	ret->s_addr = htonl(own);
	if (own && usable(n, *ret))
		return NULL;
	for (uint32_t i = 0, tries = 0; i < size && tries < TRIES_MAX; i++) {
		struct in_addr ip = { htonl(first + i) };
		char text[INET6_ADDRSTRLEN];
		enum claim c;

		while (at < n_used && used[at] < first + i)
			at++;
		if (!usable(n, ip) || following_is_asked(n, leases, ip) ||
		    (!steal && at < n_used && used[at] == first + i))
			continue;
		tries++;
		c = claim(st, leases, text4(ip, text), id, steal);
		if (c == FAILED)
			return err_new(errno, "taking an address of network %s", n->name);
		if (c == CLAIMED) {
			*ret = ip;
			return NULL;
		}
	}
	if (!steal)
		return claim_any(st, n, leases, id, true, ret);
	return err_new(0, "no available IPv4 addresses on network %s", n->name);
}

static struct err *take4(struct store *st, const struct network *n, int leases, const char *id,
			 struct in_addr want, struct in_addr kept, struct in_addr *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (want.s_addr) {
		if (!subnet_has(&n->subnet, want))
			return err_new(0, "invalid IP address %s: it does not belong to any of this network's subnets",
				       text4(want, text));
		if (!usable(n, want) || claim(st, leases, text4(want, text), id, true) != CLAIMED)
			return err_new(0, "Address already in use: %s on network %s",
				       text4(want, text), n->name);
		*ret = want;
		return NULL;
	}
	if (kept.s_addr && usable(n, kept) &&
	    claim(st, leases, text4(kept, text), id, false) == CLAIMED) {
		*ret = kept;
		return NULL;
	}
	return claim_any(st, n, leases, id, false, ret);
}

static struct err *take6(struct store *st, const struct network *n, int leases, const char *id,
			 const struct in6_addr *want, struct in_addr ip, struct in6_addr *ret)
{
	static const struct in6_addr none;
	bool wish = memcmp(want, &none, sizeof(none)) != 0;
	struct in6_addr ip6 =
		wish ? *want : subnet_at6(&n->subnet6, ntohl(ip.s_addr) - ntohl(n->subnet.ip.s_addr));
	char text[INET6_ADDRSTRLEN];

	if (wish && !n->ipv6)
		return err_new(0, "network %s has no IPv6", n->name);
	if (!n->ipv6)
		return NULL;
	inet_ntop(AF_INET6, &ip6, text, sizeof(text));
	if (!subnet_has6(&n->subnet6, &ip6))
		return err_new(0, "invalid IP address %s: it does not belong to any of this network's subnets",
			       text);
	if (memcmp(&ip6, &n->gateway6, sizeof(ip6)) == 0)
		return err_new(0, "Address already in use: %s on network %s", text, n->name);
	/* One that was asked for is recorded; one that follows belongs to the IPv4 address' holder, unless somebody
	 * asked for it. */
	if (wish ? claim(st, leases, text, id, true) != CLAIMED
		 : faccessat(leases, text, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		char holder[ID_LEN + 1];

		if (wish ||
		    (read_holder(leases, text, holder) && strcmp(holder, id) && exists(st, holder)))
			return err_new(0, "Address already in use: %s on network %s", text, n->name);
	}
	*ret = ip6;
	return NULL;
}

struct err *lease_take(struct store *st, const struct network *n, const char *id,
		       const struct lease *want, const struct lease *kept, struct lease *ret)
{
	_cleanup_close_ int leases = -1;
	struct lease l = { 0 };
	struct err *e = open_leases(st, n->name, &leases);

	e = e ?: take4(st, n, leases, id, want->ip, kept->ip, &l.ip);
	e = e ?: take6(st, n, leases, id, &want->ip6, l.ip, &l.ip6);
	if (!e)
		*ret = l;
	return e;
}

/* Call FN for each lease. */
static void each(int leases, void (*fn)(int leases, const char *ip, const char *id, void *arg), void *arg)
{
	_cleanup_dir_ DIR *d = fd_opendir(leases);
	char id[ID_LEN + 1];
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (*de->d_name != '.' && read_holder(leases, de->d_name, id))
			fn(leases, de->d_name, id, arg);
}

static void drop_one(int leases, const char *ip, const char *id, void *arg)
{
	if (!strcmp(id, arg))
		unlinkat(leases, ip, 0);
}

void lease_drop(struct store *st, const char *name, const char *id)
{
	_cleanup_close_ int leases = -1;
	_cleanup_free_ char *copy = xstrdup(id);
	struct err *e = open_leases(st, name, &leases);

	if (e)
		err_free(e); /* the network is gone, its leases with it */
	else
		each(leases, drop_one, copy);
}

struct listing {
	struct store *st;
	const struct network *n;
	bool running;
	struct lease_holder *v;
	size_t len, cap;
};

static void list_one(int leases, const char *ip, const char *id, void *arg)
{
	struct listing *l = arg;
	const struct network *n = l->n;
	struct lease_holder h = { 0 };
	struct in6_addr ip6;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, ip, &h.lease.ip) != 1 || !exists(l->st, id) ||
	    (l->running && !runs(l->st, id)))
		return;
	memcpy(h.id, id, ID_LEN + 1);
	if (n->ipv6) {
		char holder[ID_LEN + 1];

		ip6 = following6(n, h.lease.ip);
		inet_ntop(AF_INET6, &ip6, text, sizeof(text));
		if (!read_holder(leases, text, holder) || !strcmp(holder, id))
			h.lease.ip6 = ip6;
	}
	l->v = xgrow(l->v, l->len, &l->cap, sizeof(*l->v));
	l->v[l->len++] = h;
}

struct err *lease_list(struct store *st, const struct network *n, bool running,
		       struct lease_holder **ret, size_t *ret_n)
{
	struct listing l = { .st = st, .n = n, .running = running };
	_cleanup_close_ int leases = -1;
	struct err *e = open_leases(st, n->name, &leases);

	if (e)
		return e;
	each(leases, list_one, &l);
	*ret = l.v;
	*ret_n = l.len;
	return NULL;
}
