/* cmd/network.c -- devbox network connect, create, disconnect, ls, prune, rm (inspect is in cmd/inspect.c) */
#include "core/store/network.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/envfile.h"
#include "cmd/filter.h"
#include "cmd/list.h"
#include "cmd/network.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"

/* --- create ----------------------------------------------------------------------------------- */

static struct network_request req;
static bool opt_ipv4 = true;

static struct err *add_label(const char *value, void *to)
{
	return label_add(value, to);
}

static const struct opt create_opts[] = {
	{ 0, "attachable", NULL, NULL, OPT_BOOL, &req.attachable, NULL },
	{ 'd', "driver", NULL, "Driver to manage the Network: bridge (default \"bridge\")", OPT_STR,
	  &req.driver, NULL },
	{ 0, "gateway", NULL, "IPv4 or IPv6 Gateway for the subnet", OPT_LIST, &req.gateways, NULL },
	{ 0, "internal", NULL, "Restrict external access to the network", OPT_BOOL, &req.internal, NULL },
	{ 0, "ip-range", NULL, "Allocate container ip from a sub-range", OPT_LIST, &req.ip_ranges, NULL },
	{ 0, "ipv4", NULL, NULL, OPT_BOOL, &opt_ipv4, NULL },
	{ 0, "ipv6", NULL, "Enable IPv6 networking", OPT_BOOL, &req.ipv6, NULL },
	{ 0, "label", NULL, "Set metadata on a network", OPT_CALL, &req.labels, add_label },
	{ 'o', "opt", NULL, "Set driver specific options: com.docker.network.driver.mtu=1500",
	  OPT_LIST, &req.options, NULL },
	{ 0, "subnet", NULL, "Subnet in CIDR format that represents a network segment", OPT_LIST,
	  &req.subnets, NULL },
	{ 0 },
};

static struct err *create(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_network_ struct network n = { 0 };
	_cleanup_store_ struct store *st = NULL;
	struct err *e = store_open(&st);

	if (!e && !opt_ipv4)
		e = err_new(0, "a network without IPv4 is not supported");
	req.name = argv[0];
	e = e ?: network_create(st, &req, &n);
	if (!e)
		puts(n.id);
	return e;
}

/* --- connect, disconnect ---------------------------------------------------------------------- */

static struct net_want want;
static const char *opt_ip, *opt_ip6;
static struct strv opt_links;
static bool opt_force;

static const struct opt connect_opts[] = {
	{ 0, "alias", NULL, "Add network-scoped alias for the container", OPT_LIST, &want.aliases, NULL },
	{ 0, "ip", "string", "IPv4 address (e.g., \"172.30.100.104\")", OPT_STR, &opt_ip, NULL },
	{ 0, "ip6", "string", "IPv6 address (e.g., \"2001:db8::33\")", OPT_STR, &opt_ip6, NULL },
	{ 0, "link", "list", "Add link to another container, from the next start on", OPT_LIST,
	  &opt_links, NULL },
	{ 0 },
};

static struct err *connect_it(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[1], &b);
	want.name = argv[0];
	want.ip = (char *)opt_ip;
	want.ip6 = (char *)opt_ip6;
	return e ?: box_connect(b, &want, &opt_links);
}

static const struct opt disconnect_opts[] = {
	{ 'f', "force", NULL, "Force the container to disconnect from a network", OPT_BOOL,
	  &opt_force, NULL },
	{ 0 },
};

static struct err *disconnect(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[1], &b);
	return e ?: box_disconnect(b, argv[0]);
}

/* --- ls --------------------------------------------------------------------------------------- */

static bool opt_quiet, opt_no_trunc;
static const char *opt_format;
static struct strv opt_filters;

static const struct opt ls_opts[] = {
	{ 'f', "filter", "filter", "Provide filter values: dangling, driver, id, label, name, scope, type",
	  OPT_LIST, &opt_filters, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0, "no-trunc", NULL, "Do not truncate the output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 'q', "quiet", NULL, "Only display network IDs", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "ID", "NETWORK ID" }, { "Name", "NAME" },	    { "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },	{ "IPv6", "IPV6" },	    { "Internal", "INTERNAL" },
	{ "Labels", "LABELS" }, { "CreatedAt", "CREATED" }, { NULL, NULL },
};

static bool match_name(const char *value, const void *of)
{
	return strstr(((const struct network *)of)->name, value) != NULL;
}

static bool match_id(const char *value, const void *of)
{
	return str_starts(((const struct network *)of)->id, value);
}

static bool match_driver(const char *value, const void *of)
{
	return !strcmp(((const struct network *)of)->driver, value);
}

static bool match_scope(const char *value, UNUSED const void *of)
{
	return !strcmp(value, "local");
}

static bool match_type(const char *value, const void *of)
{
	return !strcmp(value, network_is_predefined(((const struct network *)of)->name) ? "builtin"
											: "custom");
}

/* Is a container on it, running or not? */
static bool is_used(const struct network *n, struct box *const *boxes, size_t n_boxes)
{
	for (size_t i = 0; i < n_boxes; i++)
		if (net_wants_find(&boxes[i]->spec.nets, n->name))
			return true;
	return false;
}

struct seen {
	const struct network *n;
	bool used;
};

static bool match_dangling(const char *value, const void *of)
{
	const struct seen *s = of;
	bool dangling = !s->used && !network_is_predefined(s->n->name);

	return (!strcmp(value, "true") || !strcmp(value, "1")) == dangling;
}

static bool wanted(const struct strv *filters, const struct network *n, struct box *const *boxes,
		   size_t n_boxes)
{
	struct seen s = { n, is_used(n, boxes, n_boxes) };

	return filters_pass(filters, "name", match_name, n) &&
	       filters_pass(filters, "id", match_id, n) &&
	       filters_pass(filters, "driver", match_driver, n) &&
	       filters_pass(filters, "scope", match_scope, n) &&
	       filters_pass(filters, "type", match_type, n) &&
	       filters_pass(filters, "dangling", match_dangling, &s) &&
	       filters_labels(filters, &n->labels);
}

static void boxes_free(struct box **boxes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		box_free(boxes[i]);
	free(boxes);
}

struct err *networks_filtered(struct store *st, const struct strv *filters, struct network **ret,
			      size_t *ret_n)
{
	static const char *const known[] = { "dangling", "driver", "id",   "label",
					     "name",	 "scope",  "type", NULL };
	struct network *all = NULL;
	struct box **boxes = NULL;
	size_t n = 0, n_boxes = 0, kept = 0;
	struct err *e = filters_check(filters, known);

	e = e ?: network_list(st, &all, &n);
	if (filters->n)
		e = e ?: box_list(st, &boxes, &n_boxes);
	for (size_t i = 0; i < n; i++) {
		if (!e && wanted(filters, &all[i], boxes, n_boxes))
			all[kept++] = all[i];
		else
			network_done(&all[i]);
	}
	boxes_free(boxes, n_boxes);
	*ret = all;
	*ret_n = kept;
	return e;
}

static struct err *add_row(struct list *l, const struct network *n)
{
	_cleanup_free_ char *id = xstrndup(n->id, opt_no_trunc ? ID_LEN : ID_SHORT);
	_cleanup_str_ struct str labels = { 0 }, created = { 0 };

	for (size_t i = 0; i < n->labels.n; i++)
		str_addf(&labels, "%s%s", i ? "," : "", n->labels.v[i]);
	human_time(n->created_ns, &created);
	list_row(l);
	list_put(l, "ID", id);
	list_put(l, "Name", n->name);
	list_put(l, "Driver", n->driver);
	list_put(l, "Scope", "local");
	list_put(l, "IPv6", n->ipv6 ? "true" : "false");
	list_put(l, "Internal", n->internal ? "true" : "false");
	list_put(l, "Labels", labels.s ?: "");
	list_put(l, "CreatedAt", created.s ?: "");
	return list_end_row(l);
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_list_ struct list l = { 0 };
	struct network *some = NULL;
	size_t n = 0;
	struct err *e = store_open(&st);

	e = e ?: networks_filtered(st, &opt_filters, &some, &n);
	e = e
		    ?: list_open(&l, opt_quiet ? "{{.ID}}" : opt_format,
				 "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", columns);
	for (size_t i = 0; i < n; i++) {
		e = e ?: add_row(&l, &some[i]);
		network_done(&some[i]);
	}
	free(some);
	if (!e)
		list_close(&l);
	return e;
}

/* --- rm, prune -------------------------------------------------------------------------------- */

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, "Do not error if the network does not exist", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *all = store_open(&st);

	if (all)
		return all;
	for (int i = 0; i < argc; i++) {
		_cleanup_network_ struct network n = { 0 };
		struct err *e = network_find(st, argv[i], &n);

		if (err_is(e, ENOENT) && opt_force) {
			err_free(e);
			continue;
		}
		if (err_is(e, ENOENT))
			e->errnum = 0;
		e = e ?: network_remove(st, &n);
		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return all;
}

struct err *networks_prune(struct store *st, const struct strv *filters, int64_t until_ns,
			   struct strv *removed)
{
	struct network *all = NULL;
	struct box **boxes = NULL;
	size_t n = 0, n_boxes = 0;
	struct err *e = network_list(st, &all, &n);

	e = e ?: box_list(st, &boxes, &n_boxes);
	for (size_t i = 0; i < n; i++) {
		if (!e && !network_is_predefined(all[i].name) && !is_used(&all[i], boxes, n_boxes) &&
		    all[i].created_ns < until_ns && filters_labels(filters, &all[i].labels)) {
			e = network_remove(st, &all[i]);
			if (!e)
				strv_add(removed, all[i].name);
		}
		network_done(&all[i]);
	}
	free(all);
	boxes_free(boxes, n_boxes);
	return e;
}

static const struct opt prune_opts[] = {
	{ 0, "filter", "filter", "Provide filter values: label, label!, until", OPT_LIST,
	  &opt_filters, NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv removed = { 0 };
	struct err *e = filters_check(&opt_filters, known);
	int64_t until_ns = INT64_MAX;

	e = e ?: filters_until(&opt_filters, &until_ns);

	if (e)
		return e;
	if (!opt_force) {
		puts("WARNING! This will remove all custom networks not used by at least one container.");
		if (!confirm("Are you sure you want to continue?"))
			return NULL;
	}
	e = store_open(&st);
	e = e ?: networks_prune(st, &opt_filters, until_ns, &removed);
	if (removed.n)
		puts("Deleted Networks:");
	for (size_t i = 0; i < removed.n; i++)
		puts(removed.v[i]);
	if (removed.n)
		putchar('\n');
	return e;
}

const struct verb verb_network_create = { .name = "create",
					  .args = "NETWORK",
					  .min_args = 1,
					  .max_args = 1,
					  .opts = create_opts,
					  .summary = "Create a network",
					  .run = create };
const struct verb verb_network_connect = { .name = "connect",
					   .args = "NETWORK CONTAINER",
					   .min_args = 2,
					   .max_args = 2,
					   .opts = connect_opts,
					   .summary = "Connect a container to a network",
					   .run = connect_it };
const struct verb verb_network_disconnect = { .name = "disconnect",
					      .args = "NETWORK CONTAINER",
					      .min_args = 2,
					      .max_args = 2,
					      .opts = disconnect_opts,
					      .summary = "Disconnect a container from a network",
					      .run = disconnect };
const struct verb verb_network_ls = {
	.name = "ls", .args = "", .opts = ls_opts, .summary = "List networks", .run = ls
};
const struct verb verb_network_rm = { .name = "rm",
				      .args = "NETWORK [NETWORK...]",
				      .min_args = 1,
				      .max_args = -1,
				      .opts = rm_opts,
				      .summary = "Remove one or more networks",
				      .run = rm };
const struct verb verb_network_prune = {
	.name = "prune", .args = "", .opts = prune_opts, .summary = "Remove all unused networks", .run = prune
};
