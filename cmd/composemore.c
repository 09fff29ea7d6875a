/* cmd/composemore.c -- devbox compose top, stats, cp, attach, commit, export, events: verbs of containers, with
 * services' names; and those that are not there. */
#include <stdio.h>
#include <time.h>

#include "cmd/compose.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "core/compose/request.h"

static bool opt_json, opt_all;
static unsigned opt_index;
static const char *opt_since, *opt_until;

#define INDEX_OPT                                                                                  \
	{                                                                                          \
		0, "index", "int", "Index of the container if service has multiple replicas",      \
			OPT_UINT, &opt_index, NULL                                                 \
	}

static struct err *top(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	_cleanup_free_ struct actual **meant = NULL;
	size_t n = 0;
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	meant = session_meant(&s, &services, false, &n);
	for (size_t i = 0; i < n && !e; i++) {
		char *words[2] = { meant[i]->box->spec.name, NULL };

		printf("%s\n", meant[i]->name);
		e = verb_top.run(c, 1, words);
		putchar('\n');
	}
	return e;
}

const struct verb verb_compose_top = {
	.name = "top",
	.args = "[SERVICES...]",
	.max_args = -1,
	.opts = compose_common_opts,
	.summary = "Display the running processes",
	.run = top,
};

static const struct opt compose_stats_opts[] = { COMPOSE_DRY_RUN, { .to = (void *)stats_opts } };

static struct err *stats(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, names = { 0 };
	_cleanup_free_ struct actual **meant = NULL;
	size_t n = 0;
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	meant = session_meant(&s, &services, false, &n);
	for (size_t i = 0; i < n; i++)
		strv_add(&names, meant[i]->name);
	if (!n)
		return err_new(0, "no containers of this project run");
	return verb_stats.run(c, (int)n, names.v);
}

const struct verb verb_compose_stats = {
	.name = "stats",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = compose_stats_opts,
	.summary = "Display a live stream of container(s) resource usage statistics",
	.run = stats,
};

static const struct opt compose_cp_opts[] = {
	{ 0, "all", NULL, "Include containers created by the run command", OPT_BOOL, &opt_all, NULL },
	INDEX_OPT,
	COMPOSE_DRY_RUN,
	{ .to = (void *)cp_opts },
};

/* "web:/path": the service, and the path that follows; NULL: ARG is a path of the host. */
static char *service_of(const char *arg, const char **ret_path)
{
	const char *colon = strchr(arg, ':'), *slash = strchr(arg, '/');

	if (!colon || colon == arg || (slash && slash < colon))
		return NULL;
	*ret_path = colon + 1;
	return xstrndup(arg, (size_t)(colon - arg));
}

/* The containers of SERVICE that cp is about; running or not. */
static struct err *containers_of(struct session *s, const char *service, struct strv *ret)
{
	size_t n = 0;
	struct actual *own = actuals_of(&s->a, service, &n);

	for (size_t i = 0; i < n; i++)
		if ((!own[i].oneoff || opt_all) && (!opt_index || own[i].number == opt_index))
			strv_add(ret, own[i].name);
	if (ret->n)
		return NULL;
	if (opt_index && n)
		return err_new(0, "service \"%s\" has no container %u", service, opt_index);
	if (n || (s->p && project_service(s->p, service)))
		return err_new(0, "no container found for service \"%s\"", service);
	return err_new(0, "no such service: %s", service);
}

/* From the first container of a service, or into all of them. */
static struct err *cp(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv none = { 0 }, names = { 0 };
	const char *path = NULL;
	_cleanup_free_ char *from = service_of(argv[0], &path),
			    *to = from ? NULL : service_of(argv[1], &path);
	struct err *e = session_look(&s, 0, NULL, &none);

	if (!e && !from && !to)
		e = err_new(0, "unknown copy direction: one of the two must be SERVICE:PATH");
	e = e ?: containers_of(&s, from ?: to, &names);
	for (size_t i = 0; !e && i < (from ? 1 : names.n); i++) {
		_cleanup_free_ char *inside = xasprintf("%s:%s", names.v[i], path);
		char *words[3] = { from ? inside : argv[0], from ? argv[1] : inside, NULL };

		if (!session_is_dry(&s, names.v[i], "Copied"))
			e = verb_cp.run(c, 2, words);
	}
	return e;
}

const struct verb verb_compose_cp = {
	.name = "cp",
	.args = "SERVICE:SRC_PATH DEST_PATH|-  or  SRC_PATH|- SERVICE:DEST_PATH",
	.min_args = 2,
	.max_args = 2,
	.opts = compose_cp_opts,
	.summary = "Copy files/folders between a service container and the local filesystem",
	.run = cp,
};

/* VERB with the container of ARGV's first word in its place; WORDS: what --dry-run tells. */
static struct err *on_container(struct call *c, const struct verb *verb, const char *words,
				int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv none = { 0 };
	char *passed[3] = { NULL, argc > 1 ? argv[1] : NULL, NULL };
	struct box *b = NULL;
	size_t n = 0;
	struct err *e = session_look(&s, 0, NULL, &none);
	const struct actual *own = e ? NULL : actuals_of(&s.a, argv[0], &n);

	/* for what does not ask for a running one, the first that is there */
	e = e
		    ?: session_container(&s, argv[0],
					 opt_index
						 ?: own && verb != &verb_attach ? own->number
										: 0,
					 &b);
	if (e || (words && session_is_dry(&s, b->spec.name, words)))
		return e;
	passed[0] = b->spec.name;
	return verb->run(c, argc, passed);
}

static const struct opt compose_attach_opts[] = {
	INDEX_OPT,
	COMPOSE_DRY_RUN,
	{ .to = (void *)attach_opts },
};

static struct err *attach(struct call *c, int argc, char **argv)
{
	return on_container(c, &verb_attach, "Attached", argc, argv);
}

const struct verb verb_compose_attach = {
	.name = "attach",
	.args = "SERVICE",
	.min_args = 1,
	.max_args = 1,
	.opts = compose_attach_opts,
	.summary = "Attach local standard input, output, and error streams to a service's running container",
	.run = attach,
};

static const struct opt compose_commit_opts[] = {
	INDEX_OPT,
	COMPOSE_DRY_RUN,
	{ .to = (void *)commit_opts },
};

static struct err *commit(struct call *c, int argc, char **argv)
{
	return on_container(c, &verb_commit, "Committed", argc, argv);
}

const struct verb verb_compose_commit = {
	.name = "commit",
	.args = "SERVICE [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.opts = compose_commit_opts,
	.summary = "Create a new image from a service container's changes",
	.run = commit,
};

static const struct opt compose_export_opts[] = {
	INDEX_OPT,
	COMPOSE_DRY_RUN,
	{ .to = (void *)export_opts },
};

static struct err *export(struct call *c, int argc, char **argv)
{
	return on_container(c, &verb_export, "Exported", argc, argv);
}

const struct verb verb_compose_export = {
	.name = "export",
	.args = "SERVICE",
	.min_args = 1,
	.max_args = 1,
	.opts = compose_export_opts,
	.summary = "Export a service container's filesystem as a tar archive",
	.run = export,
};

static const struct opt events_opts[] = {
	{ 0, "json", NULL, "Output events as a stream of json objects", OPT_BOOL, &opt_json, NULL },
	{ 0, "since", "string", "Show all events created since timestamp", OPT_STR, &opt_since, NULL },
	{ 0, "until", "string", "Stream events until this timestamp", OPT_STR, &opt_until, NULL },
	COMPOSE_OPTS_END,
};

/* "2026-01-02 03:04:05.000006" */
static void event_time(int64_t ns, char *buf, size_t size)
{
	time_t sec = (time_t)(ns / 1000000000);
	struct tm tm = { 0 };
	char day[32];

	localtime_r(&sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf, size, "%s.%06lld", day, (long long)(ns / 1000 % 1000000));
}

/* As Compose shows them: the service's name, and of the labels those that are the user's. */
static void print_event(void *arg, const void *event)
{
	const struct strv *services = arg;
	json *actor = json_get(event, "Actor"), *attrs = json_get(actor, "Attributes");
	const char *service = json_str(attrs, LABEL_SERVICE) ?: "",
		   *id = json_str(actor, "ID") ?: "", *action = json_str(event, "Action") ?: "";
	struct json_out o;
	int64_t ns = json_int(event, "timeNano", 0);
	char when[64], full[TIME_TEXT_MAX];
	bool any = false;

	if (services->n && !strv_has(services, service))
		return;
	event_time(ns, when, sizeof(when));
	time_format(ns, full);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "action", action);
	json_open(&o, "attributes", '{');
	if (!opt_json)
		printf("%s container %s %s (", when, action, id);
	for (size_t i = 0; i < json_len(attrs); i++) {
		json *value = NULL;
		const char *key = json_key_at(attrs, i, &value);

		if (str_starts(key, LABEL_PREFIX))
			continue;
		json_put_str(&o, key, json_text(value) ?: "");
		if (!opt_json)
			printf("%s%s=%s", any ? ", " : "", key, json_text(value) ?: "");
		any = true;
	}
	json_close(&o, '}');
	json_put_str(&o, "id", id);
	json_put_str(&o, "service", service);
	json_put_str(&o, "time", full);
	json_put_str(&o, "type", "container");
	json_close(&o, '}');
	if (opt_json) {
		_cleanup_free_ char *text = json_out_take(&o, NULL);

		puts(text);
	} else {
		puts(")");
		free(json_out_take(&o, NULL));
	}
}

static struct err *events(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, filters = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	strv_add(&filters, "type=container");
	strv_addf(&filters, "label=%s=%s", LABEL_PROJECT, s.name);
	strv_addf(&filters, "label=%s=False", LABEL_ONEOFF);
	return events_show(&filters, opt_since, opt_until, print_event, &services);
}

const struct verb verb_compose_events = {
	.name = "events",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = events_opts,
	.summary = "Receive real time events from containers",
	.run = events,
};

/* --- what is not there ------------------------------------------------------------------------ */

static struct err *alpha(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	return err_new(0, "the experimental commands (viz, generate, publish) are not there");
}

const struct verb verb_compose_alpha = {
	.name = "alpha",
	.args = "COMMAND",
	.max_args = -1,
	.grammar = OPT_FIRST,
	.opts = compose_common_opts,
	.summary = "Experimental commands: none",
	.run = alpha,
};

static struct err *bridge(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	return err_hint(
		err_new(0, "there is no bridge: its transformations are images that want an engine's socket"),
		"%s compose config --format kubernetes writes the project for a cluster", prog());
}

const struct verb verb_compose_bridge = {
	.name = "bridge",
	.args = "COMMAND",
	.max_args = -1,
	.grammar = OPT_FIRST,
	.opts = compose_common_opts,
	.summary = "Convert compose files into another model: see config --format kubernetes",
	.run = bridge,
};

static bool opt_ignored;
static const char *opt_ignored_word;

static const struct opt publish_opts[] = {
	{ 0, "app", NULL, NULL, OPT_BOOL, &opt_ignored, NULL },
	{ 0, "oci-version", "string", NULL, OPT_STR, &opt_ignored_word, NULL },
	{ 0, "resolve-image-digests", NULL, NULL, OPT_BOOL, &opt_ignored, NULL },
	{ 0, "with-env", NULL, NULL, OPT_BOOL, &opt_ignored, NULL },
	{ 'y', "yes", NULL, NULL, OPT_BOOL, &opt_ignored, NULL },
	COMPOSE_OPTS_END,
};

static struct err *publish(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	return err_hint(
		err_new(0, "compose files are not published to registries, and not read from there"),
		"`%s compose config --resolve-image-digests -o FILE` writes one file to hand on",
		prog());
}

const struct verb verb_compose_publish = {
	.name = "publish",
	.args = "REPOSITORY[:TAG]",
	.max_args = -1,
	.opts = publish_opts,
	.summary = "Publish compose application: not supported",
	.run = publish,
};
