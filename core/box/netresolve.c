#include "core/box/netresolve.h"

#include <arpa/inet.h>

#include "core/box/box.h"
#include "core/box/links.h"
#include "core/box/runopt.h"
#include "core/store/network.h"

/* A label of a domain name, or several; DNS has no others. */
static bool good_alias(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '/' || *c == '#')
			return false;
	return *s && strlen(s) <= 253;
}

static struct err *check_addresses(const struct network *n, const struct net_want *want)
{
	struct in_addr ip;
	struct in6_addr ip6;
	uint8_t mac[NET_MAC_LEN];

	if (want->ip && *want->ip && inet_pton(AF_INET, want->ip, &ip) != 1)
		return err_new(0, "invalid IPv4 address: %s", want->ip);
	if (want->ip6 && *want->ip6 && inet_pton(AF_INET6, want->ip6, &ip6) != 1)
		return err_new(0, "invalid IPv6 address: %s", want->ip6);
	if (((want->ip && *want->ip) || (want->ip6 && *want->ip6)) && network_is_predefined(n->name))
		return err_hint(err_new(0,
					"invalid config for network %s: invalid endpoint settings: user "
					"specified IP address is supported on user defined networks only",
					n->name),
				"devbox network create --subnet 172.30.0.0/16 NAME");
	if (want->ip && *want->ip && !subnet_has(&n->subnet, ip))
		return err_new(0,
			       "invalid config for network %s: invalid endpoint settings: no configured "
			       "subnet contains IP address %s",
			       n->name, want->ip);
	if (want->mac && *want->mac)
		return mac_parse(want->mac, mac);
	return NULL;
}

struct err *net_want_check(struct store *st, struct net_want *want)
{
	_cleanup_network_ struct network n = { 0 };
	struct err *e = network_get(st, want->name, &n);

	if (!e && strcmp(n.driver, "bridge"))
		e = err_new(0, "container cannot be connected to host or none together with other networks");
	e = e ?: check_addresses(&n, want);
	for (size_t i = 0; i < want->aliases.n && !e; i++)
		if (!good_alias(want->aliases.v[i]))
			e = err_new(0, "invalid network alias: '%s'", want->aliases.v[i]);
	if (!e) {
		free(want->name);
		want->name = xstrdup(n.name);
	}
	return e;
}

static struct err *other_container(struct store *st, const struct run_request *req, struct spec *s)
{
	static const char *const words = "conflicting options: %s and the network mode";
	struct box *other = NULL;
	struct err *e = NULL;

	if (req->hostname && *req->hostname)
		e = err_new(0, words, "hostname");
	else if (req->links.n)
		e = err_new(0, "conflicting options: container type network can't be used with links. "
			       "This would result in undefined behavior");
	else if (req->dns.n)
		e = err_new(0, words, "dns");
	else if (req->add_hosts.n)
		e = err_new(0, "conflicting options: custom host-to-IP mapping and the network mode");
	else if (req->mac)
		e = err_new(0, words, "mac-address");
	else if (req->ports.n || req->publish_all)
		e = err_new(0, "conflicting options: port publishing and the container type network mode");
	else if (req->exposed.n)
		e = err_new(0, "conflicting options: port exposing and the container type network mode");
	e = e ?: box_find(st, req->net_container, &other);
	if (!e && other->spec.net == NET_CONTAINER)
		e = err_new(0, "container %s has no network of its own, it uses another one's",
			    req->net_container);
	if (!e) {
		s->net_container = xstrdup(other->spec.id);
		free(s->hostname);
		s->hostname = xstrdup(other->spec.hostname);
	}
	box_free(other);
	return e;
}

struct err *net_resolve(struct store *st, const struct run_request *req, struct spec *s)
{
	struct err *e = NULL;

	if (req->net == NET_CONTAINER)
		return other_container(st, req, s);
	if (req->net != NET_DEFAULT)
		return req->nets.n ? err_new(0, "conflicting options: cannot attach both user-defined and "
						"non-user-defined network-modes")
				   : NULL;
	net_wants_copy(&s->nets, &req->nets);
	if (!s->nets.n)
		net_wants_add(&s->nets, NETWORK_DEFAULT);
	for (size_t i = 0; i < s->nets.n && !e; i++) {
		e = net_want_check(st, &s->nets.v[i]);
		for (size_t k = 0; k < i && !e; k++)
			if (!strcmp(s->nets.v[i].name, s->nets.v[k].name))
				e = err_new(0, "network %s is specified multiple times",
					    s->nets.v[i].name);
	}
	if (!e && s->mac && !s->nets.v[0].mac)
		s->nets.v[0].mac = xstrdup(s->mac);
	return e ?: links_resolve(st, &req->links, !net_wants_find(&s->nets, NETWORK_DEFAULT), &s->links);
}
