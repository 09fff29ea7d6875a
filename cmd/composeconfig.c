/* cmd/composeconfig.c -- devbox compose config [OPTIONS] [SERVICE...] */
#include <fcntl.h>
#include <stdio.h>

#include "cmd/compose.h"
#include "cmd/list.h"
#include "core/base/fd.h"
#include "core/compose/interp.h"
#include "core/compose/kube.h"
#include "registry/blob.h"
#include "registry/query.h"

static bool opt_quiet, opt_services, opt_volumes, opt_networks, opt_images, opt_profiles,
	opt_environment, opt_no_interpolate, opt_no_path, opt_no_env, opt_no_normalize,
	opt_no_consistency, opt_models, opt_variables, opt_lock, opt_resolve;
static const char *opt_format = "yaml", *opt_hash, *opt_output;

static const struct opt opts[] = {
	{ 0, "environment", NULL, "Print environment used for interpolation.", OPT_BOOL,
	  &opt_environment, NULL },
	{ 0, "format", "string", "Format the output. Values: [yaml | json | kubernetes]", OPT_STR,
	  &opt_format, NULL },
	{ 0, "hash", "string", "Print the service config hash, one per line.", OPT_STR, &opt_hash, NULL },
	{ 0, "images", NULL, "Print the image names, one per line.", OPT_BOOL, &opt_images, NULL },
	{ 0, "lock-image-digests", NULL, "Produces an override file with image digests", OPT_BOOL,
	  &opt_lock, NULL },
	{ 0, "models", NULL, "Print the model names, one per line.", OPT_BOOL, &opt_models, NULL },
	{ 0, "networks", NULL, "Print the network names, one per line.", OPT_BOOL, &opt_networks, NULL },
	{ 0, "no-consistency", NULL, "Don't check model consistency", OPT_BOOL, &opt_no_consistency,
	  NULL },
	{ 0, "no-env-resolution", NULL, "Don't resolve service env files", OPT_BOOL, &opt_no_env, NULL },
	{ 0, "no-interpolate", NULL, "Don't interpolate environment variables", OPT_BOOL,
	  &opt_no_interpolate, NULL },
	{ 0, "no-normalize", NULL, "Don't normalize compose model", OPT_BOOL, &opt_no_normalize, NULL },
	{ 0, "no-path-resolution", NULL, "Don't resolve file paths", OPT_BOOL, &opt_no_path, NULL },
	{ 'o', "output", "string", "Save to file (default to stdout)", OPT_STR, &opt_output, NULL },
	{ 0, "profiles", NULL, "Print the profile names, one per line.", OPT_BOOL, &opt_profiles, NULL },
	{ 'q', "quiet", NULL, "Only validate the configuration, don't print anything", OPT_BOOL,
	  &opt_quiet, NULL },
	{ 0, "resolve-image-digests", NULL, "Pin image tags to digests", OPT_BOOL, &opt_resolve, NULL },
	{ 0, "services", NULL, "Print the service names, one per line.", OPT_BOOL, &opt_services, NULL },
	{ 0, "variables", NULL, "Print model variables and default values.", OPT_BOOL,
	  &opt_variables, NULL },
	{ 0, "volumes", NULL, "Print the volume names, one per line.", OPT_BOOL, &opt_volumes, NULL },
	COMPOSE_OPTS_END,
};

/* Only what was asked for stays enabled, with what it needs. */
static void keep(struct project *p, const char *name, struct strv *kept)
{
	const struct service *s = project_service(p, name);

	if (!s || strv_has(kept, name))
		return;
	strv_add(kept, name);
	for (size_t i = 0; i < s->n_depends; i++)
		keep(p, s->depends[i].service, kept);
}

static struct err *select_services(struct project *p, int n, char **names)
{
	_cleanup_strv_ struct strv kept = { 0 };
	struct err *e = NULL;

	for (int i = 0; i < n && !e; i++) {
		e = project_enable(p, names[i]);
		keep(p, names[i], &kept);
	}
	for (size_t i = 0; i < p->n_services && n; i++)
		p->services[i].enabled = p->services[i].enabled && strv_has(&kept, p->services[i].name);
	return e;
}

static void add_keys(const struct node *map, struct str *out)
{
	for (size_t i = 0; i < node_len(map); i++)
		str_addf(out, "%s\n", map->m[i].key);
}

static void add_once(struct strv *l, const char *s)
{
	if (!strv_has(l, s))
		strv_add(l, s);
}

static void add_sorted(struct strv *l, struct str *out)
{
	strv_sort(l);
	for (size_t i = 0; i < l->n; i++)
		str_addf(out, "%s\n", l->v[i]);
}

static void add_lists(struct project *p, struct str *out)
{
	_cleanup_strv_ struct strv images = { 0 }, profiles = { 0 }, env = { 0 };

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		const struct node *own = node_get(s->node, "profiles");

		if (s->enabled && opt_services)
			str_addf(out, "%s\n", s->name);
		if (s->enabled && opt_images)
			add_once(&images, service_image(p, s));
		for (size_t k = 0; k < node_len(own); k++)
			add_once(&profiles, own->m[k].value->text);
	}
	if (opt_images)
		add_sorted(&images, out);
	if (opt_profiles)
		add_sorted(&profiles, out);
	if (opt_volumes || opt_networks) {
		struct arena a = { 0 };

		add_keys(node_get(project_used(p, &a), opt_volumes ? "volumes" : "networks"), out);
		arena_done(&a);
	}
	if (opt_models)
		add_keys(node_get(p->root, "models"), out);
	if (opt_environment) {
		strv_copy(&env, &p->env);
		add_sorted(&env, out);
	}
}

static struct err *add_hashes(struct project *p, struct str *out)
{
	char hash[65];
	size_t n = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		bool wanted = !strcmp(opt_hash, "*");

		for (const char *c = opt_hash; *c && !wanted;
		     c += strcspn(c, ",") + (c[strcspn(c, ",")] == ','))
			wanted = strlen(s->name) == strcspn(c, ",") && str_starts(c, s->name);
		if (!wanted || !s->enabled)
			continue;
		service_hash(p, s, hash);
		str_addf(out, "%s %s\n", s->name, hash);
		n++;
	}
	return n ? NULL : err_new(0, "no such service: %s", opt_hash);
}

static struct err *read_file(const char *path, char **ret, size_t *ret_len)
{
	return fd_read_file(AT_FDCWD, path, KUBE_FILE_MAX, ret, ret_len);
}

/* The objects go out, what they do not say to stderr. */
static struct err *add_kubernetes(struct project *p, struct str *out)
{
	_cleanup_strv_ struct strv lost = { 0 };
	_cleanup_free_ char *text = NULL;
	struct err *e;

	if (p->raw)
		return err_new(0, "--format kubernetes needs the variables' values: leave out --no-interpolate");
	e = kube_text(p, read_file, &lost, &text);
	for (size_t i = 0; !e && i < lost.n; i++)
		fprintf(stderr, "%s: warning: kubernetes: %s\n", prog(), lost.v[i]);
	str_add(out, text ?: "");
	return e;
}

/* --- digests ---------------------------------------------------------------------------------- */

/* "redis:7" -> "docker.io/library/redis:7@sha256:...", as its registry has it now. */
static struct err *pinned(const char *image, char **ret)
{
	_cleanup_free_ char *text = NULL, *full = NULL;
	struct image_ref ref = { 0 };
	struct sha256 *sum;
	char digest[DIGEST_LEN + 1];
	size_t len = 0;
	struct err *e = image_ref_parse(image, &ref);

	if (e)
		return err_wrap(e, "%s", image);
	full = image_ref_full(&ref);
	if (ref.digest) {
		*ret = TAKE_PTR(full);
	} else {
		e = query_manifest(&ref, NULL, false, &text, &len);
		sum = sha256_new();
		sha256_add(sum, text ?: "", len);
		sha256_text(sum, digest);
		sha256_free(sum);
		if (!e)
			*ret = xasprintf("%s@%s", full, digest);
	}
	image_ref_done(&ref);
	return e;
}

static struct err *pin_images(struct project *p)
{
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_services && !e; i++) {
		const struct service *s = &p->services[i];
		_cleanup_free_ char *image = NULL;

		if (!s->enabled || !node_str(s->node, "image"))
			continue;
		e = pinned(node_str(s->node, "image"), &image);
		if (!e)
			node_set_str(&p->arena, s->node, "image", image);
	}
	return e;
}

/* A file that pins the images, and says nothing else. */
static void add_lock(struct project *p, struct str *out)
{
	struct arena a = { 0 };
	struct node *root = node_new(&a, NODE_MAP, NULL, &p->root->pos),
		    *services = node_new(&a, NODE_MAP, NULL, &p->root->pos);

	node_set(&a, root, "services", &p->root->pos, services);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		struct node *one = node_new(&a, NODE_MAP, NULL, &s->pos);

		if (!s->enabled || !node_str(s->node, "image"))
			continue;
		node_set_str(&a, one, "image", node_str(s->node, "image"));
		node_set(&a, services, s->name, &s->pos, one);
	}
	node_yaml(root, out);
	arena_done(&a);
}

/* --- variables -------------------------------------------------------------------------------- */

struct variable {
	char *name, *dflt, *alternate;
	bool required;
};

struct variables {
	struct variable *v;
	size_t n, cap;
};

static void see_variable(void *arg, const char *name, char op, const char *word)
{
	struct variables *all = arg;
	struct variable *v = NULL;

	for (size_t i = 0; i < all->n && !v; i++)
		v = strcmp(all->v[i].name, name) ? NULL : &all->v[i];
	if (!v) {
		all->v = xgrow(all->v, all->n, &all->cap, sizeof(*all->v));
		v = &all->v[all->n++];
		*v = (struct variable){ .name = xstrdup(name) };
	}
	v->required = v->required || op == '?';
	if (op == '-' && !v->dflt)
		v->dflt = xstrdup(word);
	if (op == '+' && !v->alternate)
		v->alternate = xstrdup(word);
}

static struct err *see_variables(const struct node *n, const struct interp *in)
{
	_cleanup_str_ struct str out = { 0 };
	struct err *e = NULL;

	if (!node_is(n, NODE_MAP) && !node_is(n, NODE_LIST))
		return n && n->text ? pos_wrap(&n->pos, interp_expand(in, n->text, &out)) : NULL;
	for (size_t i = 0; i < n->n && !e; i++)
		e = see_variables(n->m[i].value, in);
	return e;
}

static int by_variable(const void *a, const void *b)
{
	return strcmp(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

static struct err *print_variables(struct project *p)
{
	static const struct column columns[] = { { "Name", "NAME" },
						 { "Required", "REQUIRED" },
						 { "DefaultValue", "DEFAULT VALUE" },
						 { "PresenceValue", "ALTERNATE VALUE" },
						 { NULL, NULL } };
	_cleanup_list_ struct list l = { 0 };
	struct variables all = { 0 };
	struct interp in = { .seen = see_variable, .arg = &all };
	struct err *e = see_variables(p->root, &in);

	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_variable);
	e = e
		    ?: list_open(&l, strcmp(opt_format, "json") ? NULL : "json",
				 "{{.Name}}\t{{.Required}}\t{{.DefaultValue}}\t{{.PresenceValue}}",
				 columns);
	for (size_t i = 0; i < all.n; i++) {
		const struct variable *v = &all.v[i];

		if (!e) {
			list_row(&l);
			list_put(&l, "Name", v->name);
			list_put(&l, "Required", v->required ? "true" : "false");
			list_put(&l, "DefaultValue", v->dflt ?: "");
			list_put(&l, "PresenceValue", v->alternate ?: "");
			e = list_end_row(&l);
		}
		free(v->name);
		free(v->dflt);
		free(v->alternate);
	}
	if (!e)
		list_close(&l);
	free(all.v);
	return e;
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct err *config(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_project_ struct project *p = NULL;
	_cleanup_str_ struct str out = { 0 };
	struct err *e = NULL;

	if (strcmp(opt_format, "yaml") && strcmp(opt_format, "json") && strcmp(opt_format, "kubernetes"))
		return err_hint(err_new(0, "unsupported format \"%s\"", opt_format),
				"yaml, json or kubernetes");
	compose_project_opts.no_interpolate = opt_no_interpolate || opt_variables;
	compose_project_opts.no_path_resolution = opt_no_path;
	compose_project_opts.no_env_resolution = opt_no_env;
	compose_project_opts.no_normalize = opt_no_normalize;
	compose_project_opts.no_consistency = opt_no_consistency || opt_no_interpolate || opt_variables;
	compose_project_opts.all_profiles = opt_profiles;
	e = compose_load(&p, true, &st, NULL);
	e = e ?: select_services(p, argc, argv);
	if (e || opt_quiet)
		return e;
	if (opt_variables)
		return print_variables(p);
	if (opt_lock || opt_resolve)
		e = pin_images(p);
	if (e)
		return e;
	if (opt_hash)
		e = add_hashes(p, &out);
	else if (opt_services || opt_images || opt_profiles || opt_volumes || opt_networks ||
		 opt_environment || opt_models)
		add_lists(p, &out);
	else if (opt_lock)
		add_lock(p, &out);
	else if (!strcmp(opt_format, "kubernetes"))
		e = add_kubernetes(p, &out);
	else {
		_cleanup_free_ char *text =
			project_text(p, !strcmp(opt_format, "json") ? CONFIG_JSON : CONFIG_YAML);

		str_add(&out, text);
	}
	if (!e && opt_output) {
		_cleanup_close_ int fd = -1;

		e = fd_open(AT_FDCWD, opt_output, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd);
		return e ?: fd_write_all(fd, opt_output, out.s ?: "", out.len);
	}
	if (!e)
		fwrite(out.s ?: "", 1, out.len, stdout);
	return e;
}

const struct verb verb_compose_config = {
	.name = "config",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = opts,
	.summary = "Parse, resolve and render compose file in canonical format",
	.run = config,
};
