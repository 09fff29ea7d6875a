/* cmd/history.c -- devbox history IMAGE: the steps an image was made in */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/images.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "registry/mark.h"

enum { BY_WIDTH = 45 };

static bool opt_human = true, opt_no_trunc, opt_quiet;
static const char *opt_format;

static const struct opt opts[] = {
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'H', "human", NULL, "Print sizes and dates in human readable format (default true)",
	  OPT_BOOL, &opt_human, NULL },
	{ 0, "no-trunc", NULL, "Don't truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 'q', "quiet", NULL, "Only show image IDs", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
	{ NULL, NULL },
};

static void put_id(struct list *l, const struct image *img, bool top)
{
	_cleanup_str_ struct str id = { 0 };

	if (!top)
		str_add(&id, "<missing>");
	else if (opt_no_trunc)
		str_add(&id, img->id);
	else
		human_short_id(img->id, &id);
	list_put(l, "ID", id.s);
}

/* "2026-11-21T03:45:29+01:00", in the local time zone; "" for 0. */
static void iso_time(int64_t ns, char buf[32])
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	*buf = '\0';
	if (!ns || !localtime_r(&t, &tm))
		return;
	n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S%z", &tm);
	if (n > 5 && !strcmp(buf + n - 5, "+0000"))
		snprintf(buf + n - 5, 6, "Z");
	else if (n > 2) /* +0100 -> +01:00 */
		snprintf(buf + n - 2, 8, ":%c%c", buf[n - 2], buf[n - 1]);
}

static void put_created(struct list *l, json *step)
{
	const char *created = json_str(step, "created");
	_cleanup_str_ struct str since = { 0 };
	int64_t ns = 0;
	char at[32];

	if (created)
		err_free(time_parse(created, 0, &ns)); /* unreadable: not known */
	iso_time(ns, at);
	if (opt_human)
		human_ago(ns, time_now_ns(), &since);
	list_put(l, "CreatedSince", opt_human ? since.s : at);
	list_put(l, "CreatedAt", at);
}

/* In columns a step is one line. */
static void put_created_by(struct list *l, json *step)
{
	_cleanup_free_ char *flat = xstrdup(json_str(step, "created_by") ?: "");
	_cleanup_str_ struct str shown = { 0 };

	for (char *p = flat; *p; p++)
		if (*p == '\t' || (*p == '\n' && !opt_no_trunc))
			*p = ' ';
	if (opt_no_trunc)
		str_add(&shown, flat);
	else
		human_ellipsis(flat, BY_WIDTH, &shown);
	list_put(l, "CreatedBy", shown.s ?: "");
}

static void put_size(struct list *l, uint64_t bytes)
{
	_cleanup_str_ struct str size = { 0 };

	if (opt_human)
		human_size(bytes, false, &size);
	else
		str_addf(&size, "%llu", (unsigned long long)bytes);
	list_put(l, "Size", size.s);
}

/* SIZES: one for each step. */
static struct err *print(const struct image *img, const uint64_t *sizes)
{
	json *steps = json_get(img->config, "history");
	const char *format = opt_format;
	_cleanup_list_ struct list l = { 0 };
	struct err *e;

	if (opt_quiet && !format)
		format = "{{.ID}}";
	e = list_open(&l, format,
		      "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}", columns);
	for (size_t i = json_len(steps); !e && i-- > 0;) {
		json *step = json_at(steps, i);

		list_row(&l);
		put_id(&l, img, i + 1 == json_len(steps));
		put_created(&l, step);
		put_created_by(&l, step);
		put_size(&l, sizes[i]);
		list_put(&l, "Comment", json_str(step, "comment") ?: "");
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

uint64_t *history_sizes(struct store *st, const struct image *img)
{
	json *steps = json_get(img->config, "history");
	json *ids = json_get(json_get(img->config, "rootfs"), "diff_ids");
	uint64_t *sizes = xcalloc(json_len(steps) + 1, sizeof(*sizes));
	size_t layer = 0;

	for (size_t i = 0; i < json_len(steps); i++) /* each step with a layer has the next one */
		if (!json_bool(json_at(steps, i), "empty_layer", false) && layer < json_len(ids))
			mark_check(st, json_text(json_at(ids, layer++)), &sizes[i]);
	return sizes;
}

static struct err *history(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_image_ struct image *img = NULL;
	_cleanup_free_ uint64_t *sizes = NULL;
	struct err *e = store_open(&st);

	e = e ?: image_find(st, argv[0], &img);
	if (err_is(e, ENOENT))
		e->errnum = 0;
	if (e)
		return e;
	sizes = history_sizes(st, img);
	return print(img, sizes);
}

const struct verb verb_history = {
	.name = "history",
	.args = "IMAGE",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.summary = "Show the history of an image",
	.run = history,
};
