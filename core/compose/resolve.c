#include "core/compose/resolve.h"

#include <fcntl.h>

#include "core/base/fd.h"
#include "core/compose/dotenv.h"
#include "core/compose/find.h"
#include "core/compose/schema.h"

const char *const depend_when_names[] = { "service_started", "service_healthy",
					  "service_completed_successfully" };
_Static_assert(ARRAY_LEN(depend_when_names) == DEPEND_WHEN_MAX, "one name a condition");

enum { SCALE_MAX = 1000 };

static struct node *services_of(const struct project *p)
{
	return node_get(p->root, "services");
}

static struct node *section(struct project *p, const char *name)
{
	struct node *n = node_get(p->root, name);

	if (!n) {
		n = node_new(&p->arena, NODE_MAP, NULL, &p->root->pos);
		node_set(&p->arena, p->root, name, NULL, n);
	}
	return n;
}

static void set_bool(struct project *p, struct node *map, const char *key, bool on)
{
	node_set(&p->arena, map, key, &map->pos,
		 node_new(&p->arena, NODE_BOOL, on ? "true" : "false", &map->pos));
}

/* --- defaults --------------------------------------------------------------------------------- */

/* Services that say nothing of networks are on "default", which then exists. */
static void default_network(struct project *p)
{
	struct node *services = services_of(p), *networks;
	bool used = false;

	for (size_t i = 0; i < services->n; i++) {
		struct node *s = services->m[i].value, *nets = node_get(s, "networks");

		if (node_get(s, "network_mode") || node_get(s, "provider"))
			continue;
		if (!node_len(nets)) {
			nets = node_new(&p->arena, NODE_MAP, NULL, &s->pos);
			node_set(&p->arena, nets, "default", NULL,
				 node_new(&p->arena, NODE_NULL, NULL, &s->pos));
			node_set(&p->arena, s, "networks", NULL, nets);
		}
		used = used || node_member(nets, "default");
	}
	if (!used)
		return;
	networks = section(p, "networks");
	if (!node_member(networks, "default"))
		node_set(&p->arena, networks, "default", NULL,
			 node_new(&p->arena, NODE_NULL, NULL, &p->root->pos));
}

static void depend_on(struct project *p, struct node *s, const char *name, bool restart,
		      const struct pos *at)
{
	struct node *all = node_get(s, "depends_on"), *one;

	if (!all) {
		all = node_new(&p->arena, NODE_MAP, NULL, at);
		node_set(&p->arena, s, "depends_on", at, all);
	}
	if (node_member(all, name))
		return;
	one = node_new(&p->arena, NODE_MAP, NULL, at);
	node_set_str(&p->arena, one, "condition", depend_when_names[DEPEND_STARTED]);
	if (restart)
		set_bool(p, one, "restart", true);
	set_bool(p, one, "required", true);
	node_set(&p->arena, all, name, at, one);
}

/* Links, shared namespaces and volumes_from need their service to be there first. */
static void implied_depends(struct project *p, struct node *s)
{
	static const char *const spaces[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };
	const struct node *links = node_get(s, "links"), *from = node_get(s, "volumes_from");

	for (size_t i = 0; i < node_len(links); i++) {
		const char *text = links->m[i].value->text;

		depend_on(p, s, arena_strn(&p->arena, text, strcspn(text, ":")), true,
			  &links->m[i].value->pos);
	}
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		const char *mode = node_str(s, spaces[i]),
			   *name = mode ? str_after(mode, "service:") : NULL;

		if (name)
			depend_on(p, s, name, true, &node_get(s, spaces[i])->pos);
	}
	for (size_t i = 0; i < node_len(from); i++) {
		const char *text = from->m[i].value->text;

		if (!str_starts(text, "container:"))
			depend_on(p, s, arena_strn(&p->arena, text, strcspn(text, ":")), false,
				  &from->m[i].value->pos);
	}
}

static void build_defaults(struct project *p, struct node *s, const struct project_opts *o)
{
	struct node *b = node_get(s, "build");

	if (!b)
		return;
	if (!node_get(b, "context"))
		node_set_str(&p->arena, b, "context", o->no_path_resolution ? "." : p->directory);
	if (!node_get(b, "dockerfile") && !node_get(b, "dockerfile_inline"))
		node_set_str(&p->arena, b, "dockerfile", "Dockerfile");
}

static void mount_defaults(struct project *p, struct node *list)
{
	for (size_t i = 0; i < node_len(list); i++) {
		struct node *m = list->m[i].value;
		const char *source = node_str(m, "source");

		if (source && !node_get(m, "target"))
			node_set_str(&p->arena, m, "target",
				     arena_printf(&p->arena, "/run/secrets/%s", source));
	}
}

static void port_defaults(struct project *p, struct node *list)
{
	for (size_t i = 0; i < node_len(list); i++) {
		struct node *m = list->m[i].value;

		if (!node_is(m, NODE_MAP))
			continue;
		if (!node_get(m, "mode"))
			node_set_str(&p->arena, m, "mode", "ingress");
		if (!node_get(m, "protocol"))
			node_set_str(&p->arena, m, "protocol", "tcp");
	}
}

static void gpu_defaults(struct project *p, struct node *list)
{
	for (size_t i = 0; i < node_len(list); i++) {
		struct node *g = list->m[i].value;

		if (!node_get(g, "count") && !node_get(g, "device_ids"))
			node_set(&p->arena, g, "count", NULL,
				 node_new(&p->arena, NODE_INT, "-1", &g->pos));
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->value->text, ((const struct member *)b)->value->text);
}

static void sort_words(struct node *list)
{
	if (node_len(list))
		qsort(list->m, list->n, sizeof(*list->m), by_text);
}

static void service_defaults(struct project *p, struct node *s, const struct project_opts *o)
{
	struct node *resources = node_get(node_get(s, "deploy"), "resources");

	build_defaults(p, s, o);
	port_defaults(p, node_get(s, "ports"));
	sort_words(node_get(s, "extra_hosts"));
	sort_words(node_get(node_get(s, "build"), "extra_hosts"));
	mount_defaults(p, node_get(s, "secrets"));
	gpu_defaults(p, node_get(s, "gpus"));
	gpu_defaults(p, node_get(node_get(resources, "reservations"), "devices"));
	if (o->no_normalize)
		return;
	if (str_eq(node_str(s, "pull_policy"), "if_not_present"))
		node_set_str(&p->arena, s, "pull_policy", "missing");
	implied_depends(p, s);
}

static void real_names(struct project *p)
{
	static const char *const sections[] = { "networks", "volumes", "configs", "secrets" };

	for (size_t k = 0; k < ARRAY_LEN(sections); k++) {
		struct node *all = node_get(p->root, sections[k]);

		for (size_t i = 0; i < node_len(all); i++) {
			struct node **n = &all->m[i].value;
			const char *key = all->m[i].key;

			if ((*n)->kind == NODE_NULL)
				*n = node_new(&p->arena, NODE_MAP, NULL, &all->m[i].pos);
			if (node_get(*n, "name")) {
				if (p->suffix && !node_true(*n, "external"))
					node_set_str(&p->arena, *n, "name",
						     arena_printf(&p->arena, "%s-%s",
								  node_str(*n, "name"), p->suffix));
				continue;
			}
			node_set_str(&p->arena, *n, "name",
				     node_true(*n, "external")
					     ? key
					     : arena_printf(&p->arena, "%s_%s", p->name, key));
		}
	}
}

/* --- files of variables and labels ------------------------------------------------------------ */

struct two_envs {
	const struct strv *first, *second;
};

static const char *two_get(void *arg, const char *name)
{
	const struct two_envs *t = arg;

	return strv_env(t->first, name) ?: strv_env(t->second, name);
}

static struct err *read_one(struct project *p, const struct node *path, bool required, bool raw,
			    struct strv *to)
{
	struct two_envs both = { &p->env, to };
	struct interp in = { .lookup = two_get, .unset = NULL, .arg = &both };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct err *e = fd_read_file(AT_FDCWD, path->text, DOTENV_BYTES_MAX, &text, &len);

	if (err_is(e, ENOENT) && !required) {
		err_free(e);
		return NULL;
	}
	if (err_is(e, ENOENT)) {
		err_free(e);
		return err_hint(pos_err(&path->pos, "env file %s not found", path->text),
				"{ path: ..., required: false } makes it optional");
	}
	if (e)
		return pos_wrap(&path->pos, err_wrap(e, "env file %s", path->text));
	return dotenv_parse(path->text, text, len, raw, &in, to);
}

/* What FILES give goes below what the map KEY of S says itself. */
static void lay_below(struct project *p, struct node *s, const char *key, const struct strv *files)
{
	struct node *own = node_get(s, key);

	if (!files->n)
		return;
	if (!own) {
		own = node_new(&p->arena, NODE_MAP, NULL, &s->pos);
		node_set(&p->arena, s, key, NULL, own);
	}
	for (size_t i = 0; i < files->n; i++) {
		const char *eq = strchr(files->v[i], '=');
		char *name = arena_strn(&p->arena, files->v[i], (size_t)(eq - files->v[i]));

		if (!node_member(own, name))
			node_set(&p->arena, own, name, NULL,
				 node_new(&p->arena, NODE_STR, eq + 1, &own->pos));
	}
}

static struct err *read_files(struct project *p, struct node *s)
{
	const struct node *env = node_get(s, "env_file"), *labels = node_get(s, "label_file");
	struct strv got_env = { 0 }, got_labels = { 0 };
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(env) && !e; i++) {
		const struct node *f = env->m[i].value;

		e = read_one(p, node_get(f, "path"), node_true(f, "required"),
			     str_eq(node_str(f, "format"), "raw"), &got_env);
	}
	for (size_t i = 0; i < node_len(labels) && !e; i++)
		e = read_one(p, labels->m[i].value, true, false, &got_labels);
	if (!e) {
		lay_below(p, s, "environment", &got_env);
		lay_below(p, s, "labels", &got_labels);
		node_del(s, "env_file");
		node_del(s, "label_file");
	}
	strv_done(&got_env);
	strv_done(&got_labels);
	return e;
}

/* --- checks ----------------------------------------------------------------------------------- */

#define BAD(node, ...) pos_err(&(node)->pos, __VA_ARGS__)

/* "service "web" refers to undefined network x", with the nearest one there is. */
static struct err *undefined(const struct project *p, const struct service *s, const struct pos *at,
			     const char *what, const char *in, const char *name)
{
	const struct node *all = node_get(p->root, in);
	const char **names = xcalloc(node_len(all) + 1, sizeof(*names)), *near;
	struct err *e = pos_err(at, "service \"%s\" refers to undefined %s %s", s->name, what, name);

	for (size_t i = 0; i < node_len(all); i++)
		names[i] = all->m[i].key;
	near = str_nearest(name, names);
	if (near)
		e = err_hint(e, "did you mean '%s'?", near);
	else if (strcmp(what, "service"))
		e = err_hint(e, "name it below '%s:' at the top level", in);
	free(names);
	return e;
}

static struct err *check_networks(const struct project *p, const struct service *s)
{
	const struct node *nets = node_get(s->node, "networks"),
			  *mode = node_get(s->node, "network_mode");

	if (mode && node_len(nets))
		return BAD(mode, "service %s declares mutually exclusive `network_mode` and `networks`",
			   s->name);
	for (size_t i = 0; i < node_len(nets); i++)
		if (!node_member(node_get(p->root, "networks"), nets->m[i].key))
			return undefined(p, s, &nets->m[i].pos, "network", "networks", nets->m[i].key);
	return NULL;
}

static struct err *check_mounts(const struct project *p, const struct service *s)
{
	const struct node *vols = node_get(s->node, "volumes"), *tmpfs = node_get(s->node, "tmpfs");
	static const char *const kinds[] = { "secret", "config" }, *const in[] = { "secrets", "configs" };

	for (size_t i = 0; i < node_len(vols); i++) {
		const struct node *v = vols->m[i].value;
		const char *source = node_str(v, "source"), *target = node_str(v, "target");

		if (!target || !*target)
			return BAD(v, "a volume of service \"%s\" lacks its target", s->name);
		if (str_eq(node_str(v, "type"), "volume") && source && *source &&
		    !node_member(node_get(p->root, "volumes"), source))
			return undefined(p, s, &v->pos, "volume", "volumes", source);
		for (size_t k = 0; k < i; k++)
			if (str_eq(node_str(vols->m[k].value, "target"), target))
				return BAD(v, "services.%s.volumes[%zu]: target %s already mounted",
					   s->name, i, target);
		for (size_t k = 0; k < node_len(tmpfs); k++) {
			const char *t = tmpfs->m[k].value->text;

			if (strlen(target) == strcspn(t, ":") && str_starts(t, target))
				return BAD(v, "services.%s.volumes[%zu]: target %s already mounted as tmpfs",
					   s->name, i, target);
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const struct node *list = node_get(s->node, in[k]);

		for (size_t i = 0; i < node_len(list); i++) {
			const char *source = node_str(list->m[i].value, "source");

			if (!source || !node_member(node_get(p->root, in[k]), source))
				return undefined(p, s, &list->m[i].value->pos, kinds[k], in[k],
						 source ?: "without a source");
		}
	}
	return NULL;
}

static struct err *check_limits(const struct service *s)
{
	static const char *const pairs[][3] = {
		{ "cpus", "limits", "cpus" },
		{ "mem_limit", "limits", "memory" },
		{ "mem_reservation", "reservations", "memory" },
		{ "pids_limit", "limits", "pids" },
	};
	const struct node *res = node_get(node_get(s->node, "deploy"), "resources");

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		const struct node *own = node_get(s->node, pairs[i][0]),
				  *part = node_get(res, pairs[i][1]);

		if (own && part && !str_eq(own->text, node_str(part, pairs[i][2]) ?: "0"))
			return BAD(own, "services.%s: can't set distinct values on '%s' and 'deploy.resources.%s.%s'",
				   s->name, pairs[i][0], pairs[i][1], pairs[i][2]);
	}
	return NULL;
}

static struct err *check_scale(struct service *s)
{
	struct node *deploy = node_get(s->node, "deploy"), *scale = node_get(s->node, "scale"),
		    *replicas = node_get(deploy, "replicas");
	const struct node *which = scale ?: replicas;
	int64_t n = which ? node_int(scale ? s->node : deploy, scale ? "scale" : "replicas", 1) : 1;

	if (scale && replicas && !str_eq(scale->text, replicas->text))
		return BAD(scale,
			   "services.%s: can't set distinct values on 'scale' and 'deploy.replicas'",
			   s->name);
	if (n < 0 || n > SCALE_MAX)
		return BAD(which, "services.%s: %lld containers: it must be from 0 to %d", s->name,
			   (long long)n, SCALE_MAX);
	if (n > 1 && node_get(s->node, "container_name"))
		return BAD(which,
			   "services.%s: can't set container_name and %s as container name must be unique",
			   s->name, scale ? "scale" : "deploy.replicas");
	s->scale = (unsigned)n;
	return NULL;
}

static struct err *check_health(const struct service *s)
{
	const struct node *test = node_get(node_get(s->node, "healthcheck"), "test");
	const char *how = node_len(test) ? test->m[0].value->text : NULL;

	if (!how || !strcmp(how, "CMD") || !strcmp(how, "CMD-SHELL") || !strcmp(how, "NONE"))
		return NULL;
	return BAD(test, "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"");
}

static struct err *check_pull_policy(const struct service *s)
{
	static const char *const words[] = { "always",	"never",   "build", "if_not_present",
					     "missing", "refresh", "daily", "weekly" };
	const struct node *n = node_get(s->node, "pull_policy");
	const char *every = n && n->text ? str_after(n->text, "every_") : NULL;
	bool good = !n || !n->text || !*n->text;

	for (size_t i = 0; i < ARRAY_LEN(words) && !good; i++)
		good = !strcmp(n->text, words[i]);
	if (every) /* "1w2d3h4m5s" */
		for (good = *every; good && *every; every++) {
			size_t digits = strspn(every, "0123456789");

			every += digits;
			good = digits && *every && strchr("wdhms", *every);
			if (!good)
				break;
		}
	return good ? NULL
		    : BAD(n,
			  "services.%s.pull_policy: it must be always, never, build, missing, refresh, daily, "
			  "weekly or every_<duration>",
			  s->name);
}

static struct err *check_service(const struct project *p, struct service *s)
{
	const struct node *build = node_get(s->node, "build");
	struct err *e = NULL;

	if (!build && !node_get(s->node, "image") && !node_get(s->node, "provider"))
		return pos_err(&s->pos,
			       "service \"%s\" has neither an image nor a build context specified",
			       s->name);
	if (node_get(build, "dockerfile") && node_get(build, "dockerfile_inline"))
		return BAD(build,
			   "service \"%s\" declares mutually exclusive dockerfile and dockerfile_inline",
			   s->name);
	e = check_networks(p, s);
	e = e ?: check_health(s);
	e = e ?: check_pull_policy(s);
	for (size_t i = 0; i < s->n_depends && !e; i++) {
		const struct depend *d = &s->depends[i];
		const struct service *other = project_service(p, d->service);

		if (!d->required || (other && other->enabled))
			continue;
		e = other ? err_hint(pos_err(&d->pos, "service \"%s\" depends on undefined service \"%s\"",
					     s->name, d->service),
				     "its profile is not active: --profile %s",
				     node_get(other->node, "profiles")->m[0].value->text)
			  : undefined(p, s, &d->pos, "service", "services", d->service);
	}
	e = e ?: check_mounts(p, s);
	e = e ?: check_limits(s);
	return e ?: check_scale(s);
}

static struct err *check_file_objects(const struct project *p)
{
	static const char *const in[] = { "secrets", "configs" };
	static const char *const ways[] = { "file", "environment", "content" };

	for (size_t k = 0; k < ARRAY_LEN(in); k++) {
		const struct node *all = node_get(p->root, in[k]);

		for (size_t i = 0; i < node_len(all); i++) {
			const struct node *f = all->m[i].value;
			size_t n = 0;

			for (size_t w = 0; w < ARRAY_LEN(ways); w++)
				n += node_get(f, ways[w]) != NULL;
			if (n > 1)
				return pos_err(&all->m[i].pos,
					       "%s.%s: file|environment|content attributes are mutually exclusive",
					       in[k], all->m[i].key);
			if (!n && !node_get(f, "external") && !node_get(f, "driver"))
				return pos_err(&all->m[i].pos,
					       "%s.%s: one of file|environment%s must be set",
					       in[k], all->m[i].key, k ? "|content" : "");
		}
	}
	return NULL;
}

/* MARK: 0 not seen, 1 on the way, 2 done.  *TRAIL gets the names of a circle. */
static bool finds_circle(const struct project *p, const struct service *s, unsigned char *mark,
			 struct str *trail)
{
	size_t self = (size_t)(s - p->services);

	if (mark[self] == 2)
		return false;
	if (mark[self] == 1) {
		str_add(trail, s->name);
		return true;
	}
	mark[self] = 1;
	for (size_t i = 0; i < s->n_depends; i++) {
		const struct service *other = project_service(p, s->depends[i].service);

		if (other && other->enabled && finds_circle(p, other, mark, trail)) {
			struct str longer = { 0 };

			str_addf(&longer, "%s -> %s", s->name, trail->s);
			str_done(trail);
			*trail = longer;
			return true;
		}
	}
	mark[self] = 2;
	return false;
}

static struct err *check_circles(const struct project *p)
{
	_cleanup_free_ unsigned char *mark = xcalloc(p->n_services + 1, 1);
	_cleanup_str_ struct str trail = { 0 };

	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].enabled && finds_circle(p, &p->services[i], mark, &trail))
			return pos_err(&p->services[i].pos, "dependency cycle detected: %s", trail.s);
	return NULL;
}

/* --- services --------------------------------------------------------------------------------- */

static bool has_profile(const struct project *p, const struct node *s)
{
	const struct node *own = node_get(s, "profiles");

	if (!node_len(own) || strv_has(&p->profiles, "*"))
		return true;
	for (size_t i = 0; i < own->n; i++)
		if (strv_has(&p->profiles, own->m[i].value->text))
			return true;
	return false;
}

static void decode_depends(struct service *s)
{
	const struct node *all = node_get(s->node, "depends_on");

	s->depends = xcalloc(node_len(all) + 1, sizeof(*s->depends));
	for (size_t i = 0; i < node_len(all); i++) {
		const struct member *m = &all->m[i];
		struct depend *d = &s->depends[s->n_depends++];

		*d = (struct depend){ .service = m->key, .pos = m->pos };
		for (enum depend_when w = 0; w < DEPEND_WHEN_MAX; w++)
			if (str_eq(node_str(m->value, "condition"), depend_when_names[w]))
				d->when = w;
		d->restart = node_true(m->value, "restart");
		d->required = node_true(m->value, "required");
	}
}

static void decode_services(struct project *p, const struct project_opts *o)
{
	struct node *all = services_of(p);

	node_sort(all);
	p->services = xcalloc(all->n + 1, sizeof(*p->services));
	for (size_t i = 0; i < all->n; i++) {
		struct service *s = &p->services[p->n_services++];

		*s = (struct service){ .name = all->m[i].key,
				       .node = all->m[i].value,
				       .pos = all->m[i].pos,
				       .scale = 1 };
		s->enabled = o->all_profiles || has_profile(p, s->node);
		decode_depends(s);
	}
}

static struct err *check_names(const struct node *services)
{
	for (size_t i = 0; i < services->n; i++) {
		const struct member *m = &services->m[i];

		for (const char *c = m->key; *c; c++)
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
				    *c))
				return pos_err(&m->pos,
					       "services: '%s' is no name for a service: letters, "
					       "digits, '.', '_' and '-' are",
					       m->key);
		if (m->value->kind != NODE_MAP)
			return pos_err(&m->pos, "services.%s must be a mapping", m->key);
	}
	return NULL;
}

struct err *resolve_project(struct project *p, const struct project_opts *o)
{
	struct node *services = section(p, "services");
	struct err *e = check_names(services);

	if (e)
		return e;
	if (!o->no_normalize)
		default_network(p);
	for (size_t i = 0; i < services->n; i++)
		service_defaults(p, services->m[i].value, o);
	if (!o->no_normalize) {
		node_set_str(&p->arena, p->root, "name", p->name);
		real_names(p);
	}
	decode_services(p, o);
	for (size_t i = 0; i < p->n_services && !e; i++)
		if (p->services[i].enabled && !o->no_consistency)
			e = check_service(p, &p->services[i]);
	if (!o->no_consistency) {
		e = e ?: check_file_objects(p);
		e = e ?: check_circles(p);
	}
	for (size_t i = 0; i < p->n_services && !e; i++)
		if (p->services[i].enabled && !o->no_env_resolution)
			e = read_files(p, p->services[i].node);
	return e;
}

/* --- what others ask -------------------------------------------------------------------------- */

struct service *project_service(const struct project *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (!strcmp(p->services[i].name, name))
			return &p->services[i];
	return NULL;
}

struct err *project_enable(struct project *p, const char *name)
{
	struct service *s = project_service(p, name);
	struct err *e = NULL;

	if (!s)
		return err_new(0, "no such service: %s", name);
	if (s->enabled)
		return NULL;
	s->enabled = true; /* before its dependencies: a circle ends here */
	for (size_t i = 0; i < s->n_depends && !e; i++)
		if (s->depends[i].required)
			e = project_enable(p, s->depends[i].service);
	e = e ?: check_service(p, s);
	e = e ?: check_circles(p);
	return e ?: read_files(p, s->node);
}

const char *service_image(struct project *p, const struct service *s)
{
	return node_str(s->node, "image") ?: arena_printf(&p->arena, "%s-%s", p->name, s->name);
}
