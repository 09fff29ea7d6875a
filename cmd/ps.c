/* cmd/ps.c -- devbox ps [-a] [-q] [-l] [-n N] [-s] [--no-trunc] [--filter K=V] [--format F] */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/boxfilter.h"
#include "cmd/list.h"
#include "cmd/ps.h"
#include "cmd/verb.h"
#include "cmd/volume.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

static bool opt_all, opt_quiet, opt_latest, opt_no_trunc, opt_size;
static int opt_last = -1;
static const char *opt_format;
static struct strv opt_filters;

static const struct opt opts[] = {
	{ 'a', "all", NULL, "Show all containers (default shows just running)", OPT_BOOL, &opt_all, NULL },
	{ 'f', "filter", "filter", "Filter output based on conditions provided", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'n', "last", NULL, "Show n last created containers (includes all states) (default -1)",
	  OPT_INT, &opt_last, NULL },
	{ 'l', "latest", NULL, "Show the latest created container (includes all states)", OPT_BOOL,
	  &opt_latest, NULL },
	{ 0, "no-trunc", NULL, "Don't truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 'q', "quiet", NULL, "Only display container IDs", OPT_BOOL, &opt_quiet, NULL },
	{ 's', "size", NULL, "Display total file sizes", OPT_BOOL, &opt_size, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "Ports", "PORTS" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{ "Size", "SIZE" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Mounts", "MOUNTS" },
	{ "Networks", "NETWORKS" },
	{ NULL, NULL },
};

/* --- rows ------------------------------------------------------------------------------------- */

static void put_taken(struct list *l, const char *key, struct str *value)
{
	list_put(l, key, value->s ?: "");
	str_done(value);
}

static void add_status(const struct box *b, bool paused, int64_t now, struct str *out)
{
	const struct state *s = &b->state;

	switch (s->status) {
	case BOX_CREATED:
		str_add(out, "Created");
		break;
	case BOX_RUNNING:
		str_add(out, "Up ");
		human_duration(now - s->started_ns, out);
		if (paused)
			str_add(out, " (Paused)");
		else if (s->health.status)
			str_addf(out, s->health.status == HEALTH_STARTING ? " (health: %s)" : " (%s)",
				 health_names[s->health.status]);
		break;
	case BOX_RESTARTING:
	case BOX_EXITED:
		str_addf(out, "%s (%d) ", s->status == BOX_EXITED ? "Exited" : "Restarting",
			 s->exit_code);
		human_ago(s->finished_ns, now, out);
		if (s->oom_killed)
			str_addf(out, ", %s", s->error ?: "memory limit");
		break;
	case BOX_REMOVING:
		str_add(out, "Removal In Progress");
		break;
	case BOX_DEAD:
	case BOX_STATUS_MAX:
		str_add(out, "Dead");
		break;
	}
}

void ps_status(const struct box *b, int64_t now, struct str *out)
{
	add_status(b, box_is_paused(b), now, out);
}

/* Arguments with blanks are shown in quotes, as Docker has it. */
static void add_word(struct str *words, const char *word)
{
	const char *quote = words->len && strchr(word, ' ') ? "'" : "";

	str_addf(words, "%s%s%s%s", words->len ? " " : "", quote, word, quote);
}

void ps_command(const struct spec *s, bool whole, struct str *out)
{
	_cleanup_str_ struct str words = { 0 }, cut = { 0 };

	for (size_t i = 0; i < s->entrypoint.n; i++)
		add_word(&words, s->entrypoint.v[i]);
	for (size_t i = 0; i < s->cmd.n; i++)
		add_word(&words, s->cmd.v[i]);
	human_ellipsis(words.s ?: "", whole ? SIZE_MAX : 20, &cut);
	human_quote(cut.s ?: "", out);
}

static void put_mounts(struct list *l, const struct spec *s)
{
	_cleanup_str_ struct str names = { 0 }, count = { 0 };
	unsigned volumes = 0;

	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct mount_spec *m = &s->mounts.v[i];

		if (m->type == MOUNT_TMPFS)
			continue;
		volumes += m->type == MOUNT_VOLUME;
		str_add(&names, names.len ? "," : "");
		human_ellipsis(m->source, opt_no_trunc ? SIZE_MAX : 15, &names);
	}
	str_addf(&count, "%u", volumes);
	put_taken(l, "LocalVolumes", &count);
	put_taken(l, "Mounts", &names);
}

static void put_size(struct list *l, const struct box *b)
{
	_cleanup_str_ struct str s = { 0 };

	if (opt_size)
		human_size(tree_bytes(b->st, b->dir, "upper"), false, &s);
	list_put(l, "Size", s.s ?: "");
}

static struct err *add_row(struct list *l, const struct box *b, int64_t now)
{
	const struct spec *s = &b->spec;
	struct str id = { 0 }, text = { 0 };
	bool paused = box_is_paused(b);

	list_row(l);
	str_addn(&id, s->id, opt_no_trunc ? strlen(s->id) : 12);
	put_taken(l, "ID", &id);
	list_put(l, "Image", s->image);
	ps_command(s, opt_no_trunc, &text);
	put_taken(l, "Command", &text);
	if (list_wants(l, "CreatedAt"))
		human_time(s->created_ns, &text);
	put_taken(l, "CreatedAt", &text);
	human_ago(s->created_ns, now, &text);
	put_taken(l, "RunningFor", &text);
	if (s->net == NET_HOST)
		list_put(l, "Ports", "");
	else if (b->state.status == BOX_RUNNING)
		ports_ps_text(&b->state.published, &s->exposed, &text);
	if (s->net != NET_HOST)
		put_taken(l, "Ports", &text);
	list_put(l, "State", paused ? "paused" : box_status_names[b->state.status]);
	add_status(b, paused, now, &text);
	put_taken(l, "Status", &text);
	put_size(l, b);
	list_put(l, "Names", s->name);
	for (size_t i = 0; i < s->labels.n; i++)
		str_addf(&text, "%s%s", i ? "," : "", s->labels.v[i]);
	put_taken(l, "Labels", &text);
	put_mounts(l, s);
	for (size_t i = 0; i < s->nets.n; i++)
		str_addf(&text, "%s%s", i ? "," : "", s->nets.v[i].name);
	if (!s->nets.n && s->net != NET_CONTAINER)
		str_add(&text, net_mode_names[s->net]);
	put_taken(l, "Networks", &text);
	return list_end_row(l);
}

static struct err *print(const struct boxfilter *f, struct box *const *boxes, size_t n)
{
	static const char table[] =
		"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
	_cleanup_list_ struct list l = { 0 };
	_cleanup_free_ char *sized = xasprintf("%s\t{{.Size}}", table);
	const char *format = opt_format;
	size_t room = opt_latest ? 1 : opt_last >= 0 ? (size_t)opt_last : SIZE_MAX;
	bool all = opt_all || opt_latest || opt_last >= 0 || boxfilter_names_state(f);
	int64_t now = time_now_ns();
	struct err *e;

	if (opt_quiet && (!format || !strcmp(format, "table")))
		format = "{{.ID}}";
	e = list_open(&l, format, opt_size ? sized : table, columns);
	for (size_t i = 0; !e && i < n && room; i++) {
		if ((!all && !state_is_up(&boxes[i]->state)) || !boxfilter_passes(f, boxes[i]))
			continue;
		room--;
		e = add_row(&l, boxes[i], now);
	}
	if (!e)
		list_close(&l);
	return e;
}

static struct err *ps(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct box **boxes = NULL;
	struct boxfilter f;
	size_t n = 0;
	struct err *e = store_open(&st);

	e = e ?: boxfilter_open(&f, st, &opt_filters);
	e = e ?: box_list(st, &boxes, &n);
	e = e ?: print(&f, boxes, n);
	for (size_t i = 0; i < n; i++)
		box_free(boxes[i]);
	free(boxes);
	return e;
}

const struct verb verb_ps = {
	.name = "ps",
	.args = "",
	.opts = opts,
	.summary = "List containers",
	.run = ps,
};
