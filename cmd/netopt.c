#include "cmd/netopt.h"

#include "core/store/network.h"

/* Docker's long form: "name=mynet,alias=web,alias=www,ip=172.30.0.5,ip6=...,mac-address=...". */
static struct err *long_form(const char *value, struct run_request *req)
{
	_cleanup_free_ char *copy = xstrdup(value);
	_cleanup_strv_ struct strv aliases = { 0 };
	char *rest = copy, *field;
	const char *name = NULL, *ip = NULL, *ip6 = NULL, *mac = NULL;
	struct net_want *w;

	while ((field = strsep(&rest, ",")) != NULL) {
		char *v = strchr(field, '=');

		if (!v)
			return err_new(0, "invalid field %s", field);
		*v++ = '\0';
		if (!strcmp(field, "name"))
			name = v;
		else if (!strcmp(field, "alias"))
			strv_add(&aliases, v);
		else if (!strcmp(field, "ip"))
			ip = v;
		else if (!strcmp(field, "ip6"))
			ip6 = v;
		else if (!strcmp(field, "mac-address"))
			mac = v;
		else if (strcmp(field, "gw-priority") && strcmp(field, "link-local-ip") &&
			 strcmp(field, "driver-opt"))
			return err_new(0, "invalid field key %s", field);
		else
			return err_new(0, "%s is not supported", field);
	}
	if (!name || !*name)
		return err_new(0, "network name is not specified");
	w = net_wants_add(&req->nets, name);
	strv_copy(&w->aliases, &aliases);
	w->ip = xstrdup(ip);
	w->ip6 = xstrdup(ip6);
	w->mac = xstrdup(mac);
	return NULL;
}

struct err *netopt_network(const char *value, struct run_request *req)
{
	const char *other = str_after(value, "container:");
	enum net_mode mode = !strcmp(value, "none")   ? NET_NONE
			     : !strcmp(value, "host") ? NET_HOST
			     : other		      ? NET_CONTAINER
						      : NET_DEFAULT;

	if ((req->net != NET_DEFAULT || mode != NET_DEFAULT) && (req->nets.n || req->net != NET_DEFAULT))
		return err_new(0, "conflicting options: cannot attach both user-defined and "
				  "non-user-defined network-modes");
	if (!*value || (other && !*other))
		return err_new(0, "invalid container format container:<name|id>");
	req->net = mode;
	req->net_container = other;
	if (mode != NET_DEFAULT)
		return NULL;
	if (strchr(value, '='))
		return long_form(value, req);
	net_wants_add(&req->nets, strcmp(value, "default") ? value : NETWORK_DEFAULT);
	return NULL;
}

struct err *netopt_finish(const struct netopt *o, struct run_request *req)
{
	struct net_want *w;

	if (!o->aliases.n && !o->ip && !o->ip6)
		return NULL;
	if (req->net != NET_DEFAULT)
		return err_new(0, "conflicting options: %s cannot be used with the network mode %s",
			       o->aliases.n ? "--network-alias" : "--ip", net_mode_names[req->net]);
	w = req->nets.n ? req->nets.v : net_wants_add(&req->nets, NETWORK_DEFAULT);
	strv_copy(&w->aliases, &o->aliases);
	w->ip = w->ip ?: xstrdup(o->ip);
	w->ip6 = w->ip6 ?: xstrdup(o->ip6);
	return NULL;
}
