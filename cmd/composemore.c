/* cmd/composemore.c -- devbox compose top, stats, cp, attach, events: verbs of containers, with services' names. */
#include <stdio.h>

#include "cmd/compose.h"
#include "core/compose/request.h"

static bool opt_json;

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
	.summary = "Display the running processes",
	.run = top,
};

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
	.opts = stats_opts,
	.summary = "Display a live stream of container(s) resource usage statistics",
	.run = stats,
};

/* "web:/path" becomes "shop-web-1:/path"; a path of the host stays. */
static struct err *with_container(struct session *s, const char *arg, char **ret)
{
	const char *colon = strchr(arg, ':'), *slash = strchr(arg, '/');
	_cleanup_free_ char *service = NULL;
	struct box *b = NULL;
	size_t n = 0;
	struct err *e;

	if (!colon || colon == arg || (slash && slash < colon)) {
		*ret = xstrdup(arg);
		return NULL;
	}
	service = xstrndup(arg, (size_t)(colon - arg));
	actuals_of(&s->a, service, &n);
	e = session_container(s, service, n ? actuals_of(&s->a, service, &n)->number : 1, &b);
	if (!e)
		*ret = xasprintf("%s%s", b->spec.name, colon);
	return e;
}

static struct err *cp(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv none = { 0 };
	_cleanup_free_ char *from = NULL, *to = NULL;
	char *words[3] = { NULL, NULL, NULL };
	struct err *e = session_look(&s, 0, NULL, &none);

	e = e ?: with_container(&s, argv[0], &from);
	e = e ?: with_container(&s, argv[1], &to);
	words[0] = from;
	words[1] = to;
	return e ?: verb_cp.run(c, 2, words);
}

const struct verb verb_compose_cp = {
	.name = "cp",
	.args = "SERVICE:SRC_PATH DEST_PATH|-  or  SRC_PATH|- SERVICE:DEST_PATH",
	.min_args = 2,
	.max_args = 2,
	.opts = cp_opts,
	.summary = "Copy files/folders between a service container and the local filesystem",
	.run = cp,
};

static struct err *attach(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	char *words[2] = { NULL, NULL };
	struct box *b = NULL;
	struct err *e = session_look(&s, 1, argv, &services);

	e = e ?: session_container(&s, argv[0], 0, &b);
	if (!e)
		words[0] = b->spec.name;
	return e ?: verb_attach.run(c, 1, words);
}

const struct verb verb_compose_attach = {
	.name = "attach",
	.args = "SERVICE",
	.min_args = 1,
	.max_args = 1,
	.opts = attach_opts,
	.summary = "Attach local standard input, output, and error streams to a service's running container",
	.run = attach,
};

static const struct opt events_opts[] = {
	{ 0, "json", NULL, "Output events as a stream of json objects", OPT_BOOL, &opt_json, NULL },
	{ 0 },
};

static struct err *events(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, filters = { 0 };
	struct err *e = session_look(&s, argc, argv, &services);

	if (e)
		return e;
	strv_addf(&filters, "label=%s=%s", LABEL_PROJECT, s.name);
	for (int i = 0; i < argc; i++)
		strv_addf(&filters, "label=%s=%s", LABEL_SERVICE, argv[i]);
	return events_show(c, &filters, opt_json ? "json" : NULL);
}

const struct verb verb_compose_events = {
	.name = "events",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = events_opts,
	.summary = "Receive real time events from containers",
	.run = events,
};
