/* cmd/composeps.c -- devbox compose ps, ls, images, volumes, port, version: what there is. */
#include <stdio.h>

#include "cmd/compose.h"
#include "cmd/list.h"
#include "cmd/ps.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/box/procs.h"
#include "core/compose/request.h"
#include "core/store/volume.h"

static bool opt_all, opt_quiet, opt_services, opt_no_trunc, opt_orphans = true, opt_short;
static const char *opt_format, *opt_protocol = "tcp";
static unsigned opt_index;
static struct strv opt_filters, opt_status;

static void put_taken(struct list *l, const char *key, struct str *value)
{
	list_put(l, key, value->s ?: "");
	str_done(value);
}

/* --- ps --------------------------------------------------------------------------------------- */

static const struct opt ps_opts[] = {
	{ 'a', "all", NULL, "Show all stopped containers (including those created by the run command)",
	  OPT_BOOL, &opt_all, NULL },
	{ 0, "filter", "string", "Filter services by a property (supported filters: status)",
	  OPT_LIST, &opt_filters, NULL },
	{ 0, "format", "string", "Format output: table, json, or a Go template", OPT_STR,
	  &opt_format, NULL },
	{ 0, "no-trunc", NULL, "Don't truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 0, "orphans", NULL, "Include orphaned services (not declared by project) (default true)",
	  OPT_BOOL, &opt_orphans, NULL },
	{ 'q', "quiet", NULL, "Only display IDs", OPT_BOOL, &opt_quiet, NULL },
	{ 0, "services", NULL, "Display services", OPT_BOOL, &opt_services, NULL },
	{ 0, "status", "stringArray",
	  "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]",
	  OPT_LIST, &opt_status, NULL },
	COMPOSE_OPTS_END,
};

static const struct column ps_columns[] = {
	{ "Name", "NAME" },	     { "Image", "IMAGE" },
	{ "Command", "COMMAND" },    { "Service", "SERVICE" },
	{ "RunningFor", "CREATED" }, { "Status", "STATUS" },
	{ "Ports", "PORTS" },	     { "ID", "CONTAINER ID" },
	{ "Project", "PROJECT" },    { "CreatedAt", "CREATED AT" },
	{ "State", "STATE" },	     { "Health", "HEALTH" },
	{ "ExitCode", "EXIT CODE" }, { "Labels", "LABELS" },
	{ "Names", "NAMES" },	     { NULL, NULL },
};

#define PS_TABLE                                                                                   \
	"{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t"                                      \
	"{{.RunningFor}}\t{{.Status}}\t{{.Ports}}"

static const char *state_word(const struct box *b)
{
	return box_is_paused(b) ? "paused" : box_status_names[b->state.status];
}

static bool is_shown(const struct session *s, const struct actual *c, const struct strv *services)
{
	bool by_status = opt_status.n || opt_filters.n, match = !by_status;

	for (size_t i = 0; i < opt_status.n; i++)
		match = match || !strcmp(opt_status.v[i], state_word(c->box));
	for (size_t i = 0; i < opt_filters.n; i++)
		match = match || str_eq(str_after(opt_filters.v[i], "status="), state_word(c->box));
	if (!match || (c->oneoff && !opt_all) || (services->n && !strv_has(services, c->service)))
		return false;
	if (!opt_orphans && s->p && !project_service(s->p, c->service))
		return false;
	return opt_all || by_status || c->up;
}

static struct err *ps_row(struct list *l, const struct session *s, const struct actual *c, int64_t now)
{
	const struct box *b = c->box;
	struct str text = { 0 };

	list_row(l);
	str_addn(&text, b->spec.id, opt_no_trunc ? strlen(b->spec.id) : ID_SHORT);
	put_taken(l, "ID", &text);
	list_put(l, "Name", b->spec.name);
	list_put(l, "Names", b->spec.name);
	list_put(l, "Image", b->spec.image);
	ps_command(&b->spec, opt_no_trunc, &text);
	put_taken(l, "Command", &text);
	list_put(l, "Project", s->name);
	list_put(l, "Service", c->service);
	human_time(b->spec.created_ns, &text);
	put_taken(l, "CreatedAt", &text);
	human_ago(b->spec.created_ns, now, &text);
	put_taken(l, "RunningFor", &text);
	list_put(l, "State", state_word(b));
	ps_status(b, now, &text);
	put_taken(l, "Status", &text);
	list_put(l, "Health", b->state.health.status ? health_names[b->state.health.status] : "");
	str_addf(&text, "%d", b->state.exit_code);
	put_taken(l, "ExitCode", &text);
	if (b->spec.net != NET_HOST && b->state.status == BOX_RUNNING)
		ports_ps_text(&b->state.published, &b->spec.exposed, &text);
	put_taken(l, "Ports", &text);
	for (size_t i = 0; i < b->spec.labels.n; i++)
		str_addf(&text, "%s%s", i ? "," : "", b->spec.labels.v[i]);
	put_taken(l, "Labels", &text);
	return list_end_row(l);
}

/* For people: browsers and curl take every name that ends in .localhost for this machine. */
static void print_urls(const struct session *s, const struct actual *c)
{
	static const struct {
		uint16_t port, usual; /* in the container; the one that addresses need not say */
		const char *scheme;
	} web[] = {
		{ 80, 80, "http" },	{ 3000, 80, "http" }, { 5000, 80, "http" },
		{ 8000, 80, "http" },	{ 8080, 80, "http" }, { 443, 443, "https" },
		{ 8443, 443, "https" },
	};
	const struct ports *all = &c->box->state.published;

	for (size_t i = 0; i < all->n && c->up; i++)
		for (size_t k = 0; k < ARRAY_LEN(web); k++) {
			const struct port *p = &all->v[i];

			if (p->ctr != web[k].port || p->proto != PORT_TCP ||
			    (strcmp(p->ip, "127.0.0.1") && strcmp(p->ip, "0.0.0.0")))
				continue;
			printf("%s://%s.localhost", web[k].scheme, s->name);
			if (p->host != web[k].usual)
				printf(":%u", p->host);
			printf(" leads to %s\n", c->name);
		}
}

static struct err *print_services(const struct session *s, const struct strv *services)
{
	const char *last = NULL;

	for (size_t i = 0; i < s->a.n; i++) {
		const struct actual *c = &s->a.v[i];

		if (is_shown(s, c, services) && !str_eq(last, c->service))
			puts(last = c->service);
	}
	return NULL;
}

/* Every filter must be KEY=VALUE. */
static struct err *check_filters(const char *key)
{
	for (size_t i = 0; i < opt_filters.n; i++) {
		const char *f = opt_filters.v[i];

		if (!strchr(f, '='))
			return err_new(0, "arguments to --filter should be in form KEY=VAL");
		if (strlen(key) != strcspn(f, "=") || !str_starts(f, key))
			return err_new(0, "unknown filter %.*s", (int)strcspn(f, "="), f);
	}
	return NULL;
}

static struct err *ps(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_list_ struct list l = { 0 };
	int64_t now = time_now_ns();
	struct err *e = check_filters("status");

	e = e ?: session_look(&s, argc, argv, &services);
	if (!e && opt_services)
		return print_services(&s, &services);
	e = e ?: list_open(&l, opt_quiet ? "{{.ID}}" : opt_format, PS_TABLE, ps_columns);
	if (opt_quiet)
		opt_no_trunc = true;
	for (size_t i = 0; !e && i < s.a.n; i++)
		if (is_shown(&s, &s.a.v[i], &services))
			e = ps_row(&l, &s, &s.a.v[i], now);
	if (e)
		return e;
	list_close(&l);
	for (size_t i = 0; i < s.a.n && !opt_format && !opt_quiet && isatty(STDOUT_FILENO); i++)
		if (is_shown(&s, &s.a.v[i], &services))
			print_urls(&s, &s.a.v[i]);
	return NULL;
}

const struct verb verb_compose_ps = {
	.name = "ps",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = ps_opts,
	.summary = "List containers",
	.run = ps,
};

/* --- ls --------------------------------------------------------------------------------------- */

static const struct opt ls_opts[] = {
	{ 'a', "all", NULL, "Show all stopped Compose projects", OPT_BOOL, &opt_all, NULL },
	{ 0, "filter", "string", "Filter output based on conditions provided: name=TEXT", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string", "Format the output. Values: [table | json]", OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display project names", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

static const struct column ls_columns[] = {
	{ "Name", "NAME" }, { "Status", "STATUS" }, { "ConfigFiles", "CONFIG FILES" }, { NULL, NULL }
};

static bool name_passes(const char *name)
{
	for (size_t i = 0; i < opt_filters.n; i++) {
		const char *want = str_after(opt_filters.v[i], "name=");

		if (want && !strstr(name, want))
			return false;
	}
	return true;
}

/* "running(2), exited(1)" of project NAME; *RET_UP: how many of them run. */
static void status_of(const struct actuals *a, const char *name, struct str *out, size_t *ret_up)
{
	*ret_up = 0;
	for (enum box_status st = 0; st < BOX_STATUS_MAX; st++) {
		size_t n = 0;

		for (size_t i = 0; i < a->n; i++)
			n += a->v[i].box->state.status == st &&
			     str_eq(box_label(a->v[i].box, LABEL_PROJECT), name);
		if (n)
			str_addf(out, "%s%s(%zu)", out->len ? ", " : "", box_status_names[st], n);
		*ret_up += st == BOX_RUNNING || st == BOX_RESTARTING ? n : 0;
	}
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_actuals_ struct actuals a = { 0 };
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_list_ struct list l = { 0 };
	struct err *e = check_filters("name");

	e = e ?: store_open(&st);
	e = e ?: actuals_load(st, NULL, &a);
	e = e
		    ?: list_open(&l, opt_quiet ? "{{.Name}}" : opt_format,
				 "{{.Name}}\t{{.Status}}\t{{.ConfigFiles}}", ls_columns);
	for (size_t i = 0; i < a.n; i++)
		if (!strv_has(&names, box_label(a.v[i].box, LABEL_PROJECT)))
			strv_add(&names, box_label(a.v[i].box, LABEL_PROJECT));
	strv_sort(&names);
	for (size_t i = 0; !e && i < names.n; i++) {
		_cleanup_str_ struct str status = { 0 };
		const char *files = NULL;
		size_t up;

		status_of(&a, names.v[i], &status, &up);
		if ((!up && !opt_all) || !name_passes(names.v[i]))
			continue;
		for (size_t k = 0; k < a.n && !files; k++)
			if (str_eq(box_label(a.v[k].box, LABEL_PROJECT), names.v[i]))
				files = box_label(a.v[k].box, LABEL_FILES);
		list_row(&l);
		list_put(&l, "Name", names.v[i]);
		list_put(&l, "Status", status.s);
		list_put(&l, "ConfigFiles", files ?: "");
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

const struct verb verb_compose_ls = {
	.name = "ls",
	.args = "",
	.opts = ls_opts,
	.summary = "List running compose projects",
	.run = ls,
};

/* --- images ----------------------------------------------------------------------------------- */

static const struct opt images_opts[] = {
	{ 0, "format", "string", "Format the output. Values: [table | json]", OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display IDs", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

static const struct column images_columns[] = {
	{ "ContainerName", "CONTAINER" },
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Platform", "PLATFORM" },
	{ "ID", "IMAGE ID" },
	{ "Size", "SIZE" },
	{ "CreatedAt", "CREATED" },
	{ NULL, NULL },
};

#define IMAGES_TABLE                                                                               \
	"{{.ContainerName}}\t{{.Repository}}\t{{.Tag}}\t{{.Platform}}\t"                           \
	"{{.ID}}\t{{.Size}}\t{{.CreatedAt}}"

static struct err *image_row(struct list *l, const struct session *s, const struct box *b)
{
	_cleanup_image_ struct image *img = NULL;
	_cleanup_free_ char *name = NULL;
	struct image_ref ref = { 0 };
	struct str text = { 0 };

	err_free(image_find(s->st, b->spec.image_id, &img)); /* it may be gone */
	err_free(image_ref_parse(b->spec.image_ref ?: b->spec.image, &ref));
	name = ref.repo ? image_ref_familiar_repo(&ref) : NULL;
	list_row(l);
	list_put(l, "ContainerName", b->spec.name);
	list_put(l, "Repository", name ?: "<none>");
	list_put(l, "Tag", ref.tag ?: "<none>");
	list_put(l, "Platform", b->spec.platform ?: "");
	if (opt_quiet)
		str_add(&text, str_after(b->spec.image_id, "sha256:") ?: b->spec.image_id);
	else
		human_short_id(b->spec.image_id, &text);
	put_taken(l, "ID", &text);
	if (img)
		human_size((uint64_t)img->size_bytes, false, &text);
	put_taken(l, "Size", &text);
	human_ago(img ? img->created_ns : 0, time_now_ns(), &text);
	put_taken(l, "CreatedAt", &text);
	image_ref_done(&ref);
	return list_end_row(l);
}

static struct err *images(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_list_ struct list l = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	e = e ?: list_open(&l, opt_quiet ? "{{.ID}}" : opt_format, IMAGES_TABLE, images_columns);
	for (size_t i = 0; !e && i < s.a.n; i++)
		if (is_meant(&s.a.v[i], &services))
			e = image_row(&l, &s, s.a.v[i].box);
	if (!e)
		list_close(&l);
	return e;
}

const struct verb verb_compose_images = {
	.name = "images",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = images_opts,
	.summary = "List images used by the created containers",
	.run = images,
};

/* --- volumes ---------------------------------------------------------------------------------- */

static const struct opt volumes_opts[] = {
	{ 0, "format", "string", "Format output: table, json, or a Go template", OPT_STR,
	  &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display volume names", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

static const struct column volumes_columns[] = {
	{ "Driver", "DRIVER" },
	{ "Name", "VOLUME NAME" },
	{ "Mountpoint", "MOUNTPOINT" },
	{ NULL, NULL },
};

/* Does a container of one of SERVICES mount the volume NAME? */
static bool is_mounted(const struct session *s, const struct strv *services, const char *name)
{
	for (size_t i = 0; i < s->a.n; i++) {
		const struct mounts *m = &s->a.v[i].box->spec.mounts;

		for (size_t k = 0; k < m->n && strv_has(services, s->a.v[i].service); k++)
			if (m->v[k].type == MOUNT_VOLUME && str_eq(m->v[k].source, name))
				return true;
	}
	return false;
}

static struct err *volumes(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, names = { 0 };
	_cleanup_list_ struct list l = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	e = e
		    ?: list_open(&l, opt_quiet ? "{{.Name}}" : opt_format, "{{.Driver}}\t{{.Name}}",
				 volumes_columns);
	e = e ?: volume_list(s.st, &names);
	for (size_t i = 0; !e && i < names.n; i++) {
		_cleanup_strv_ struct strv labels = { 0 };
		_cleanup_free_ char *at = NULL;

		volume_labels(s.st, names.v[i], &labels);
		if (!str_eq(strv_env(&labels, LABEL_PROJECT), s.name) ||
		    (argc && !is_mounted(&s, &services, names.v[i])))
			continue;
		at = xasprintf("%s/volumes/%s/data", s.st->path, names.v[i]);
		list_row(&l);
		list_put(&l, "Driver", "local");
		list_put(&l, "Name", names.v[i]);
		list_put(&l, "Mountpoint", at);
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

const struct verb verb_compose_volumes = {
	.name = "volumes",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = volumes_opts,
	.summary = "List volumes",
	.run = volumes,
};

/* --- port ------------------------------------------------------------------------------------- */

static const struct opt port_opts[] = {
	{ 0, "index", "int", "Index of the container if service has multiple replicas", OPT_UINT,
	  &opt_index, NULL },
	{ 0, "protocol", "string", "tcp or udp (default tcp)", OPT_STR, &opt_protocol, NULL },
	COMPOSE_OPTS_END,
};

static struct err *port(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	struct box *b = NULL;
	uint64_t want = 0;
	struct err *e = session_look(&s, 1, argv, &services);

	e = e ?: err_wrap(str_to_u64(argv[1], 1, 65535, &want), "invalid port");
	e = e ?: session_container(&s, argv[0], opt_index, &b);
	for (size_t i = 0; !e && i < b->state.published.n; i++) {
		const struct port *p = &b->state.published.v[i];
		_cleanup_str_ struct str text = { 0 };

		if (p->ctr != want || strcmp(port_proto_names[p->proto], opt_protocol))
			continue;
		port_host_text(p->ip, p->host, &text);
		puts(text.s);
		return NULL;
	}
	return e ?: err_new(0, "no port %s/%s for container %s", argv[1], opt_protocol, b->spec.name);
}

const struct verb verb_compose_port = {
	.name = "port",
	.args = "SERVICE PRIVATE_PORT",
	.min_args = 2,
	.max_args = 2,
	.opts = port_opts,
	.summary = "Print the public port for a port binding",
	.run = port,
};

/* --- version ---------------------------------------------------------------------------------- */

static const struct opt version_opts[] = {
	{ 'f', "format", "string", "Format the output. Values: [pretty | json]", OPT_STR,
	  &opt_format, NULL },
	{ 0, "short", NULL, "Shows only Compose's version number", OPT_BOOL, &opt_short, NULL },
	COMPOSE_OPTS_END,
};

/* The version of Docker's Compose whose ways are followed: scripts compare it. */
#define COMPOSE_VERSION "2.40.3"

static struct err *version(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	if (str_eq(opt_format, "json"))
		puts("{\"version\":\"v" COMPOSE_VERSION "\"}");
	else
		puts(opt_short ? COMPOSE_VERSION
			       : "Docker Compose version v" COMPOSE_VERSION " (devbox)");
	return NULL;
}

const struct verb verb_compose_version = {
	.name = "version",
	.args = "",
	.opts = version_opts,
	.summary = "Show the Docker Compose version information",
	.run = version,
};
