/* cmd/api/networks.c -- /networks */
#include "cmd/network.h"

#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/describe.h"
#include "cmd/filter.h"
#include "cmd/verb.h"

static struct err *list(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 };
	struct network *some = NULL;
	struct json_out o;
	size_t n = 0;
	struct err *e = api_filters(c, &filters);

	e = e ?: networks_filtered(c->st, &filters, &some, &n);
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < n; i++) {
		if (!e)
			err_free(describe_network(c->st, &some[i], &o)); /* removed meanwhile */
		network_done(&some[i]);
	}
	free(some);
	json_close(&o, ']');
	if (!e)
		return api_json(c, 200, &o);
	json_out_done(&o);
	return e;
}

static struct err *inspect(struct api_call *c)
{
	_cleanup_network_ struct network n = { 0 };
	struct json_out o;
	struct err *e = network_get(c->st, c->arg, &n);

	if (e)
		return e;
	json_out_init(&o, false);
	e = describe_network(c->st, &n, &o);
	if (!e)
		return api_json(c, 200, &o);
	json_out_done(&o);
	return e;
}

/* What would need more machines than one, or another one to give out addresses. */
static struct err *refuse(json *j)
{
	json *ipam = json_get(j, "IPAM");
	const char *scope = json_str(j, "Scope"), *driver = json_str(ipam, "Driver");
	json *pools = json_get(ipam, "Config");

	if (json_bool(j, "Ingress", false) || json_bool(j, "ConfigOnly", false) ||
	    json_str(json_get(j, "ConfigFrom"), "Network") ||
	    (scope && *scope && strcmp(scope, "local")))
		return err_new(0, "swarm networks are not supported: networks are of one machine");
	if (driver && *driver && strcmp(driver, "default"))
		return err_new(0, "IPAM driver %s is not supported: addresses are given by devbox itself",
			       driver);
	for (size_t i = 0; i < json_len(pools); i++)
		if (json_len(json_get(json_at(pools, i), "AuxiliaryAddresses")))
			return err_new(0, "AuxiliaryAddresses are not supported: addresses are given by devbox itself");
	if (!json_bool(j, "EnableIPv4", true))
		return err_new(0, "a network without IPv4 is not supported");
	return NULL;
}

static void add_text(struct strv *l, json *obj, const char *key)
{
	const char *text = json_str(obj, key);

	if (text && *text)
		strv_add(l, text);
}

static struct err *create(struct api_call *c)
{
	_cleanup_network_ struct network n = { 0 };
	struct network_request rq = { 0 };
	_cleanup_json_ json *j = NULL;
	struct json_out o;
	json *pools;
	struct err *e = api_body_json(c, &j);

	rq.name = json_str(j, "Name");
	if (!e && (!rq.name || !*rq.name))
		e = err_new(0, "invalid name: a network needs one");
	e = e ?: refuse(j);
	if (e)
		return api_fail(e, 400);
	rq.driver = json_str(j, "Driver");
	if (rq.driver && !*rq.driver)
		rq.driver = NULL;
	rq.internal = json_bool(j, "Internal", false);
	rq.attachable = json_bool(j, "Attachable", false);
	rq.ipv6 = json_bool(j, "EnableIPv6", false);
	pools = json_get(json_get(j, "IPAM"), "Config");
	for (size_t i = 0; i < json_len(pools); i++) {
		add_text(&rq.subnets, json_at(pools, i), "Subnet");
		add_text(&rq.gateways, json_at(pools, i), "Gateway");
		add_text(&rq.ip_ranges, json_at(pools, i), "IPRange");
	}
	api_map(j, "Labels", &rq.labels);
	api_mark(&rq.labels);
	api_map(j, "Options", &rq.options);
	e = network_create(c->st, &rq, &n);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Id", n.id);
	json_put_str(&o, "Warning", "");
	json_close(&o, '}');
	return api_json(c, 201, &o);
}

static struct err *discard(struct api_call *c)
{
	_cleanup_network_ struct network n = { 0 };
	struct err *e = network_get(c->st, c->arg, &n);

	e = e ?: network_remove(c->st, &n);
	return e ?: api_empty(c, 204);
}

/* The network and the container that a request to connect or disconnect is about. */
static struct err *both(struct api_call *c, json **ret, struct network *ret_n, struct box **ret_box)
{
	struct err *e = api_body_json(c, ret);
	const char *name = json_str(*ret, "Container");

	if (!e && (!name || !*name))
		e = api_fail(err_new(0, "invalid request: no Container is named"), 400);
	e = e ?: network_get(c->st, c->arg, ret_n);
	return e ?: api_fail(box_find(c->st, name, ret_box), 404);
}

/* What a network has no place for. */
static struct err *refuse_endpoint(json *endpoint)
{
	if (json_len(json_get(json_get(endpoint, "IPAMConfig"), "LinkLocalIPs")))
		return err_new(0, "LinkLocalIPs are not supported: there are none beside IPv6's own");
	if (json_len(json_get(endpoint, "DriverOpts")))
		return err_new(0, "DriverOpts are not supported: networks have none for one container");
	return NULL;
}

static struct err *connect_it(struct api_call *c)
{
	_cleanup_network_ struct network n = { 0 };
	_cleanup_strv_ struct strv links = { 0 };
	_cleanup_json_ json *j = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct net_wants wants = { 0 };
	struct net_want *want;
	json *endpoint, *fixed;
	struct err *e = both(c, &j, &n, &b);

	if (e)
		return e;
	endpoint = json_get(j, "EndpointConfig");
	e = refuse_endpoint(endpoint);
	if (e)
		return api_fail(e, 400);
	fixed = json_get(endpoint, "IPAMConfig");
	want = net_wants_add(&wants, n.name);
	want->ip = api_member(fixed, "IPv4Address");
	want->ip6 = api_member(fixed, "IPv6Address");
	want->mac = api_member(endpoint, "MacAddress");
	json_strv(endpoint, "Aliases", &want->aliases);
	json_strv(endpoint, "Links", &links);
	e = box_connect(b, want, &links);
	net_wants_done(&wants);
	if (e && strstr(e->text, "already exists in network"))
		e->status = 403;
	return e ?: api_empty(c, 200);
}

static struct err *disconnect(struct api_call *c)
{
	_cleanup_network_ struct network n = { 0 };
	_cleanup_json_ json *j = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e = both(c, &j, &n, &b);

	e = e ?: box_disconnect(b, n.name);
	return e ?: api_empty(c, 200);
}

static struct err *prune(struct api_call *c)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	_cleanup_strv_ struct strv filters = { 0 }, removed = { 0 };
	int64_t until_ns = INT64_MAX;
	struct json_out o;
	struct err *e = api_filters(c, &filters);

	e = e ?: filters_check(&filters, known);
	e = e ?: filters_until(&filters, &until_ns);
	e = e ?: networks_prune(c->st, &filters, until_ns, &removed);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strv(&o, "NetworksDeleted", &removed);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

const struct api_route api_network_routes[] = {
	{ "GET", "/networks", list },
	{ "POST", "/networks/create", create },
	{ "POST", "/networks/prune", prune },
	{ "POST", "/networks/*/connect", connect_it },
	{ "POST", "/networks/*/disconnect", disconnect },
	{ "GET", "/networks/*", inspect },
	{ "DELETE", "/networks/*", discard },
	{ 0 },
};
