/* cmd/dbcache.c -- devbox db cache ls|rm */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/list.h"
#include "cmd/ui/human.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/initcache.h"

static bool opt_all, opt_quiet;
static const char *opt_format;

static const struct opt opts[] = {
	{ 'a', "all", NULL, "With rm: every entry", OPT_BOOL, &opt_all, NULL },
	{ 0, "format", "string", "With ls: format output using a custom template", OPT_STR,
	  &opt_format, NULL },
	{ 'q', "quiet", NULL, "With ls: only keys", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Key", "KEY" },   { "Image", "IMAGE" },	{ "Engine", "ENGINE" }, { "Size", "SIZE" },
	{ "Used", "USED" }, { "CreatedAt", "CREATED" }, { NULL, NULL },
};

static struct err *ls(const struct initcache_list *entries)
{
	_cleanup_list_ struct list l = { 0 };
	int64_t now = time_now_ns();
	struct err *e =
		list_open(&l, opt_quiet ? "{{.Key}}" : opt_format,
			  "{{.Key}}\t{{.Image}}\t{{.Size}}\t{{.Used}}\t{{.CreatedAt}}", columns);

	for (size_t i = 0; i < entries->n && !e; i++) {
		const struct initcache_entry *en = &entries->v[i];
		_cleanup_str_ struct str key = { 0 }, size = { 0 }, used = { 0 }, created = { 0 };

		str_addn(&key, en->key, 12);
		human_size(en->bytes, false, &size);
		human_ago(en->used_ns, now, &used);
		human_ago(en->created_ns, now, &created);
		list_row(&l);
		list_put(&l, "Key", key.s);
		list_put(&l, "Image", en->image);
		list_put(&l, "Engine", en->engine);
		list_put(&l, "Size", size.s);
		list_put(&l, "Used", used.s);
		list_put(&l, "CreatedAt", created.s);
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

static struct err *rm(struct store *st, const struct initcache_list *entries, int argc, char **argv)
{
	struct err *all = NULL;

	if (!argc && !opt_all)
		return err_hint(err_new(0, "which entry?"), "%s db cache ls, or --all", prog());
	for (size_t i = 0; opt_all && i < entries->n; i++)
		all = err_also(all, initcache_remove(st, entries->v[i].key));
	for (int i = 0; i < argc; i++) {
		size_t found = 0;

		for (size_t k = 0; k < entries->n; k++)
			if (*argv[i] && (str_starts(entries->v[k].key, argv[i]) ||
					 !strcmp(entries->v[k].image, argv[i]))) {
				struct err *e = initcache_remove(st, entries->v[k].key);

				found++;
				if (!e)
					printf("%.12s\n", entries->v[k].key);
				all = err_also(all, e);
			}
		if (!found)
			all = err_also(all,
				       err_new(0, "the init cache holds nothing called %s", argv[i]));
	}
	return all;
}

static struct err *cache(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct initcache_list entries = { 0 };
	struct err *e = store_open(&st);

	e = e ?: initcache_list(st, &entries);
	if (e)
		return e;
	if (!strcmp(argv[0], "ls") || !strcmp(argv[0], "list"))
		e = ls(&entries);
	else if (!strcmp(argv[0], "rm") || !strcmp(argv[0], "remove"))
		e = rm(st, &entries, argc - 1, argv + 1);
	else
		e = err_new(0, "ls or rm, not '%s'", argv[0]);
	initcache_list_done(&entries);
	return e;
}

const struct verb verb_db_cache = {
	.name = "cache",
	.args = "ls|rm [KEY|IMAGE...]",
	.min_args = 1,
	.max_args = -1,
	.opts = opts,
	.summary = "Look at, or empty, the init cache: first starts of database images, remembered",
	.more = "A container or branch that would set up the same database again starts from a copy: same image,\n"
		"command, environment, and content of what is bound into it.  `run --no-init-cache` and\n"
		"DEVBOX_INIT_CACHE=0 do without; DEVBOX_INIT_CACHE=8g is its size (default 4g).",
	.run = cache,
};
