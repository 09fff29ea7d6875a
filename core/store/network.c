#include "core/store/network.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/store/events.h"

enum {
	ENDING_MS = 500,
	RECORD_MAX = 1 << 20,
	ROUTES_MAX = 4 << 20,
	NAME_LEN_MAX = 200,
	PREFIX_MAX = 29
};

static const struct {
	const char *name, *driver;
} predefined[] = { { NETWORK_DEFAULT, "bridge" }, { "host", "host" }, { "none", "null" } };

void network_done(struct network *n)
{
	free(n->name);
	free(n->driver);
	strv_done(&n->labels);
	strv_done(&n->options);
	*n = (struct network){ 0 };
}

bool network_is_predefined(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(predefined); i++)
		if (str_eq(name, predefined[i].name))
			return true;
	return false;
}

static struct err *check_name(const char *name)
{
	bool good = name && isalnum((unsigned char)*name) && strlen(name) <= NAME_LEN_MAX;

	for (const char *p = name; good && *p; p++)
		good = isalnum((unsigned char)*p) || strchr("_.-", *p);
	if (!good)
		return err_new(0, "invalid network name '%s', only \"[a-zA-Z0-9][a-zA-Z0-9_.-]*\" is allowed",
			       name ?: "");
	return NULL;
}

/* -- the record ------------------------------------------------------------------------------------------------ */

static void put_ip(struct json_out *o, const char *key, int family, const void *ip)
{
	char text[INET6_ADDRSTRLEN];

	json_put_str(o, key, inet_ntop(family, ip, text, sizeof(text)));
}

static char *to_json(const struct network *n, size_t *ret_len)
{
	char text[SUBNET_TEXT_MAX];
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "name", n->name);
	json_put_str(&o, "id", n->id);
	json_put_str(&o, "driver", n->driver);
	if (n->subnet.prefix) {
		subnet_text(&n->subnet, text);
		json_put_str(&o, "subnet", text);
		put_ip(&o, "gateway", AF_INET, &n->gateway);
	}
	if (n->ip_range.prefix) {
		subnet_text(&n->ip_range, text);
		json_put_str(&o, "ip_range", text);
	}
	if (n->ipv6) {
		subnet_text6(&n->subnet6, text);
		json_put_str(&o, "subnet6", text);
		put_ip(&o, "gateway6", AF_INET6, &n->gateway6);
	}
	json_put_bool(&o, "internal", n->internal);
	json_put_bool(&o, "attachable", n->attachable);
	json_put_strv(&o, "labels", &n->labels);
	json_put_strv(&o, "options", &n->options);
	json_put_int(&o, "created_ns", n->created_ns);
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

static struct err *from_json(json *j, const char *name, struct network *n)
{
	const char *id = json_str(j, "id"), *subnet = json_str(j, "subnet");
	const char *range = json_str(j, "ip_range"), *subnet6 = json_str(j, "subnet6");
	struct err *e = NULL;

	n->name = xstrdup(name);
	n->driver = xstrdup(json_str(j, "driver") ?: "bridge");
	if (!id || strlen(id) != ID_LEN || !str_is_hex(id, ID_LEN))
		return err_new(0, "no valid id");
	memcpy(n->id, id, ID_LEN + 1);
	if (subnet) {
		e = subnet_parse(subnet, &n->subnet);
		if (!e && (inet_pton(AF_INET, json_str(j, "gateway") ?: "", &n->gateway) != 1 ||
			   n->subnet.prefix < 1 || n->subnet.prefix > PREFIX_MAX))
			e = err_new(0, "no valid subnet");
	}
	if (range)
		e = e ?: subnet_parse(range, &n->ip_range);
	n->ipv6 = subnet6 != NULL;
	if (subnet6) {
		e = e ?: subnet_parse6(subnet6, &n->subnet6);
		if (!e && inet_pton(AF_INET6, json_str(j, "gateway6") ?: "", &n->gateway6) != 1)
			e = err_new(0, "no valid IPv6 gateway");
	}
	n->internal = json_bool(j, "internal", false);
	n->attachable = json_bool(j, "attachable", false);
	json_strv(json_get(j, "labels") ? j : NULL, "labels", &n->labels);
	json_strv(json_get(j, "options") ? j : NULL, "options", &n->options);
	n->created_ns = json_int(j, "created_ns", 0);
	return e;
}

/* Errors: ENOENT if there is none. */
static struct err *read_record(struct store *st, const char *name, struct network *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/network.json", name), *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct network n = { 0 };
	size_t len;
	struct err *e = fd_read_file(st->networks, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, "network.json", &j);
	if (e)
		return e;
	e = from_json(j, name, &n);
	if (e) {
		network_done(&n);
		return err_wrap(e, "network %s: network.json", name);
	}
	*ret = n;
	return NULL;
}

/* Under the store's lock.  Errors: EEXIST. */
static struct err *put_in_place(struct store *st, const struct network *n)
{
	_cleanup_free_ char *stage = NULL, *text = NULL;
	_cleanup_close_ int dir = -1;
	size_t len;
	struct err *e = store_stage(st, "network", &stage, &dir);

	if (e)
		return e;
	text = to_json(n, &len);
	e = fd_write_atomic(dir, "network.json", text, len, 0600, true);
	if (!e && mkdirat(dir, "leases", 0700) < 0)
		e = err_new(errno, "making a directory");
	if (!e && renameat2(st->tmp, stage, st->networks, n->name, RENAME_NOREPLACE) < 0)
		e = err_new(errno, "putting it into place");
	if (e)
		e = err_also(e, store_rm_tree(st, st->tmp, stage));
	return e;
}

/* -- making ---------------------------------------------------------------------------------------------------- */

/* What new subnets must not overlap: other networks, and with ROUTES the host's routes. */
static struct err *used_subnets(struct store *st, bool routes, struct subnets *ret)
{
	_cleanup_free_ char *text = NULL;
	struct network *all = NULL;
	size_t n = 0;
	struct err *e = network_list(st, &all, &n);

	for (size_t i = 0; i < n; i++) {
		if (all[i].subnet.prefix)
			subnets_add(ret, &all[i].subnet);
		network_done(&all[i]);
	}
	free(all);
	if (e || !routes)
		return e;
	e = fd_read_file(AT_FDCWD, "/proc/net/route", ROUTES_MAX, &text, NULL);
	if (e)
		err_free(e); /* a machine without a network has no routes */
	else
		subnets_add_routes(ret, text);
	return NULL;
}

static struct err *pick_subnet(struct store *st, bool default_net, struct network *n)
{
	_cleanup_subnets_ struct subnets used = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err *e = NULL;

	if (default_net) { /* among the first things that are made: other networks are asked by its name alone */
		e = fd_read_file(AT_FDCWD, "/proc/net/route", ROUTES_MAX, &text, NULL);
		if (!e)
			subnets_add_routes(&used, text);
		err_free(TAKE_PTR(e));
	} else {
		e = used_subnets(st, true, &used);
	}
	if (!e && !subnet_pick(&used, default_net, &n->subnet))
		e = err_hint(err_new(0, "all predefined address pools have been fully subnetted"),
			     "remove networks (%s network prune), or give a --subnet", "devbox");
	n->gateway = subnet_at(&n->subnet, 1);
	return e;
}

static struct err *ensure_predefined(struct store *st, const char *name)
{
	_cleanup_network_ struct network n = { .created_ns = time_now_ns() };
	struct err *e = NULL;

	n.name = xstrdup(name);
	id_make(n.id);
	for (size_t i = 0; i < ARRAY_LEN(predefined); i++)
		if (str_eq(name, predefined[i].name))
			n.driver = xstrdup(predefined[i].driver);
	if (str_eq(n.driver, "bridge")) {
		e = pick_subnet(st, true, &n);
		n.ipv6 = true;
		n.subnet6 = (struct subnet6){ { .s6_addr = { 0xfd } }, 64 };
		n.gateway6 = subnet_at6(&n.subnet6, 1);
	}
	e = e ?: put_in_place(st, &n);
	if (err_is(e, EEXIST))
		err_free(TAKE_PTR(e)); /* somebody else made it meanwhile */
	return err_wrap(e, "making the network %s", name);
}

/* Is the network's process there?  Cheap: it removes its socket at its end; one that was killed leaves it behind, and
 * the network where it is, which is no harm. */
static bool is_served(struct store *st, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/ctl", name);

	return faccessat(st->networks, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool hides_route(const struct subnet *s)
{
	_cleanup_subnets_ struct subnets routes = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err *e = fd_read_file(AT_FDCWD, "/proc/net/route", ROUTES_MAX, &text, NULL);

	err_free(e); /* no routes */
	if (text)
		subnets_add_routes(&routes, text);
	for (size_t i = 0; i < routes.n; i++)
		if (subnet_overlap(&routes.v[i], s))
			return true;
	return false;
}

struct err *network_settle_default(struct store *st)
{
	_cleanup_network_ struct network n = { 0 };
	_cleanup_close_ int lock = -1, dir = -1;
	_cleanup_subnets_ struct subnets used = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e;

	if (is_served(st, NETWORK_DEFAULT))
		return NULL;
	e = network_find(st, NETWORK_DEFAULT, &n);
	if (e || !hides_route(&n.subnet))
		return e;
	e = store_lock(st, &lock);
	e = e ?: used_subnets(st, true, &used);
	if (e || is_served(st, NETWORK_DEFAULT) || !subnet_pick(&used, true, &n.subnet))
		return e; /* without another one it stays */
	n.gateway = subnet_at(&n.subnet, 1);
	text = to_json(&n, &len);
	e = network_open(st, NETWORK_DEFAULT, &dir);
	return e ?: fd_write_atomic(dir, "network.json", text, len, 0600, true);
}

/* Sort the texts of one flag by family; at most one of each. */
static struct err *one_each(const struct strv *texts, const char *flag, const char **ret4,
			    const char **ret6)
{
	*ret4 = *ret6 = NULL;
	for (size_t i = 0; i < texts->n; i++) {
		const char **to = strchr(texts->v[i], ':') ? ret6 : ret4;

		if (*to)
			return err_new(0, "%s %s: a network has one %s of each family", flag,
				       texts->v[i], flag);
		*to = texts->v[i];
	}
	return NULL;
}

static struct err *set_ipv4(struct store *st, const char *subnet, const char *gateway,
			    const char *range, struct network *n)
{
	_cleanup_subnets_ struct subnets used = { 0 };
	struct err *e;

	if (!subnet) {
		if (gateway || range)
			return err_new(0, "invalid argument: a --gateway or --ip-range needs a --subnet");
		return pick_subnet(st, false, n);
	}
	e = subnet_parse(subnet, &n->subnet);
	if (!e && (n->subnet.prefix < 8 || n->subnet.prefix > PREFIX_MAX))
		e = err_new(0, "invalid subnet %s: from /8 to /%d are possible", subnet, PREFIX_MAX);
	e = e ?: used_subnets(st, false, &used);
	for (size_t i = 0; i < used.n && !e; i++)
		if (subnet_overlap(&used.v[i], &n->subnet))
			e = err_new(0, "invalid pool request: Pool overlaps with other one on this "
				       "address space");
	n->gateway = subnet_at(&n->subnet, 1);
	if (!e && range) {
		e = subnet_parse(range, &n->ip_range);
		if (!e && (n->ip_range.prefix < n->subnet.prefix ||
			   !subnet_has(&n->subnet, n->ip_range.ip)))
			e = err_new(0, "no matching subnet for range %s", range);
	}
	if (!e && gateway &&
	    (inet_pton(AF_INET, gateway, &n->gateway) != 1 || !subnet_has(&n->subnet, n->gateway)))
		e = err_new(0, "no matching subnet for gateway %s", gateway);
	return e;
}

static struct err *set_ipv6(struct store *st, const char *subnet, const char *gateway, struct network *n)
{
	struct network *all = NULL;
	size_t n_all = 0;
	struct err *e = NULL;

	if (!n->ipv6 && !subnet)
		return gateway ? err_new(0, "no matching subnet for gateway %s", gateway) : NULL;
	n->ipv6 = true;
	if (subnet)
		e = subnet_parse6(subnet, &n->subnet6);
	else
		subnet_make6(&n->subnet6);
	if (!e && (n->subnet6.prefix < 8 || n->subnet6.prefix > 96))
		e = err_new(0, "invalid subnet %s: from /8 to /96 are possible", subnet);
	e = e ?: network_list(st, &all, &n_all);
	for (size_t i = 0; i < n_all; i++) {
		if (!e && all[i].ipv6 && subnet_overlap6(&all[i].subnet6, &n->subnet6))
			e = err_new(0, "invalid pool request: Pool overlaps with other one on this "
				       "address space");
		network_done(&all[i]);
	}
	free(all);
	n->gateway6 = subnet_at6(&n->subnet6, 1);
	if (!e && gateway &&
	    (inet_pton(AF_INET6, gateway, &n->gateway6) != 1 || !subnet_has6(&n->subnet6, &n->gateway6)))
		e = err_new(0, "no matching subnet for gateway %s", gateway);
	return e;
}

static void event(struct store *st, const struct network *n, const char *action)
{
	_cleanup_strv_ struct strv attrs = { 0 };

	strv_addf(&attrs, "name=%s", n->name);
	strv_addf(&attrs, "type=%s", n->driver);
	event_add(st, "network", action, n->id, &attrs);
}

struct err *network_create(struct store *st, const struct network_request *req, struct network *ret)
{
	const char *subnet, *subnet6, *gateway, *gateway6, *range, *range6;
	struct network n = { .created_ns = time_now_ns(),
			     .internal = req->internal,
			     .attachable = req->attachable,
			     .ipv6 = req->ipv6 };
	_cleanup_close_ int lock = -1;
	struct err *e = check_name(req->name);

	if (e)
		return e;
	if (network_is_predefined(req->name) || !strcmp(req->name, "default") ||
	    !strcmp(req->name, "container"))
		return err_new(0, "operation is not permitted on predefined %s network", req->name);
	if (req->driver && *req->driver && strcmp(req->driver, "bridge") &&
	    strcmp(req->driver, "default"))
		return err_hint(err_new(0, "could not find plugin %s in v1 plugin registry: plugin not found",
					req->driver),
				"\"bridge\" is the driver there is: containers of one machine");
	e = one_each(&req->subnets, "subnet", &subnet, &subnet6);
	e = e ?: one_each(&req->gateways, "gateway", &gateway, &gateway6);
	e = e ?: one_each(&req->ip_ranges, "ip-range", &range, &range6);
	if (!e && range6)
		e = err_new(0, "ip-range %s: IPv6 addresses follow the IPv4 ones", range6);
	e = e ?: store_lock(st, &lock);
	if (e)
		return e;
	if (faccessat(st->networks, req->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_new(0, "network with name %s already exists", req->name);
	n.name = xstrdup(req->name);
	n.driver = xstrdup("bridge");
	id_make(n.id);
	strv_copy(&n.labels, &req->labels);
	strv_copy(&n.options, &req->options);
	e = set_ipv4(st, subnet, gateway, range, &n);
	e = e ?: set_ipv6(st, subnet6, gateway6, &n);
	e = e ?: err_wrap(put_in_place(st, &n), "making the network %s", n.name);
	if (e) {
		network_done(&n);
		return e;
	}
	event(st, &n, "create");
	*ret = n;
	return NULL;
}

/* -- finding --------------------------------------------------------------------------------------------------- */

static struct err *list_names(struct store *st, struct strv *ret)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->networks);
	struct dirent *de;

	if (!d)
		return err_new(errno, "listing networks");
	while ((de = readdir(d)) != NULL)
		if (*de->d_name != '.')
			strv_add(ret, de->d_name);
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct network *)a)->name, ((const struct network *)b)->name);
}

struct err *network_list(struct store *st, struct network **ret, size_t *ret_n)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct network *all = NULL;
	size_t n = 0, cap = 0;
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(predefined) && !e; i++)
		if (faccessat(st->networks, predefined[i].name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			e = ensure_predefined(st, predefined[i].name);
	e = e ?: list_names(st, &names);
	for (size_t i = 0; i < names.n && !e; i++) {
		all = xgrow(all, n, &cap, sizeof(*all));
		e = read_record(st, names.v[i], &all[n]);
		if (e)
			err_free(TAKE_PTR(e)); /* just removed, or a crash's garbage */
		else
			n++;
	}
	if (e)
		return e;
	if (n)
		qsort(all, n, sizeof(*all), by_name);
	*ret = all;
	*ret_n = n;
	return NULL;
}

static struct err *find_by_id(struct store *st, const char *text, struct network *ret)
{
	size_t len = strlen(text), n = 0, found = 0;
	struct network *all = NULL;
	struct err *e;

	if (!len || len > ID_LEN || !str_is_hex(text, len))
		return err_new(ENOENT, "network %s not found", text);
	e = network_list(st, &all, &n);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(all[i].id, text, len) == 0 && !found++)
			*ret = all[i];
		else
			network_done(&all[i]);
	}
	free(all);
	if (!e && found != 1) {
		if (found)
			network_done(ret);
		e = found ? err_new(0, "network %s is ambiguous (%zu matches found on name)", text, found)
			  : err_new(ENOENT, "network %s not found", text);
	}
	return e;
}

/* Not with the system's words for ENOENT, which say the same again. */
static struct err *not_found(struct err *e, const char *text)
{
	err_free(e);
	e = err_new(ENOENT, "network %s not found", text);
	return e;
}

struct err *network_find(struct store *st, const char *text, struct network *ret)
{
	const char *name = strcmp(text, "default") == 0 ? NETWORK_DEFAULT : text;
	struct err *e = check_name(name);

	if (e)
		return not_found(e, text);
	e = read_record(st, name, ret);
	if (!err_is(e, ENOENT))
		return e;
	err_free(e);
	if (network_is_predefined(name))
		return ensure_predefined(st, name) ?: read_record(st, name, ret);
	return find_by_id(st, text, ret);
}

struct err *network_get(struct store *st, const char *text, struct network *ret)
{
	struct err *e = network_find(st, text, ret);

	if (err_is(e, ENOENT))
		e->errnum = 0;
	return e;
}

struct in_addr network_dns(const struct network *n)
{
	return subnet_at(&n->subnet, subnet_size(&n->subnet) - 2);
}

struct err *network_open(struct store *st, const char *name, int *ret_dir)
{
	struct err *e = fd_open(st->networks, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_dir);

	if (err_is(e, ENOENT)) {
		e = not_found(e, name);
		e->errnum = 0;
	}
	return e;
}

/* Take the store's lock when nobody who runs has an address in N; *RET_N: how many still do.  A container that was just
 * stopped is waited for: its monitor lives a moment longer. */
static struct err *lock_unused(struct store *st, const struct network *n, int *ret_lock,
			       struct lease_holder *ret_first, size_t *ret_n)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int64_t end = time_mono_ms() + ENDING_MS;
	struct err *e;

	for (;;) {
		struct lease_holder *v = NULL;

		*ret_n = 0;
		e = store_lock(st, ret_lock);
		e = e ?: lease_list(st, n, true, &v, ret_n);
		if (*ret_n)
			*ret_first = v[0];
		free(v);
		if (e || !*ret_n || time_mono_ms() >= end)
			return e;
		close(TAKE_FD(*ret_lock));
		nanosleep(&pause, NULL);
	}
}

struct err *network_remove(struct store *st, const struct network *n)
{
	_cleanup_free_ char *gone = xasprintf("rm.%s", n->id);
	_cleanup_close_ int lock = -1;
	struct lease_holder first;
	size_t n_holders = 0;
	struct err *e;

	if (network_is_predefined(n->name))
		return err_new(0, "%s is a pre-defined network and cannot be removed", n->name);
	e = lock_unused(st, n, &lock, &first, &n_holders);
	if (!e && n_holders)
		e = err_hint(err_new(0, "error while removing network: network %s id %s has active endpoints",
				     n->name, n->id),
			     "container %.12s is on it: stop it, or devbox network disconnect",
			     first.id);
	if (e)
		return e;
	if (renameat(st->networks, n->name, st->tmp, gone) < 0)
		return errno == ENOENT ? err_new(0, "network %s not found", n->name)
				       : err_new(errno, "removing network %s", n->name);
	event(st, n, "destroy");
	return err_wrap(store_rm_tree(st, st->tmp, gone), "removing network %s", n->name);
}
