/* cmd/volume.c -- devbox volume create, ls, prune, rm (inspect is in cmd/inspect.c) */
#include "cmd/volume.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/filter.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/fd.h"
#include "core/store/volume.h"

struct tree {
	int dir;
	const char *name;
};

static struct err *measure(void *arg, struct str *result)
{
	const struct tree *t = arg;

	str_addf(result, "%llu", (unsigned long long)fd_tree_size(t->dir, t->name));
	return NULL;
}

uint64_t tree_bytes(struct store *st, int dir, const char *name)
{
	struct tree t = { dir, name };
	_cleanup_str_ struct str bytes = { 0 };
	uint64_t n = 0;
	struct err *e = userns_call(&st->ids, measure, &t, &bytes);

	e = e ?: str_to_u64(bytes.s ?: "0", 0, UINT64_MAX, &n);
	err_free(e); /* only a number for people */
	return n;
}

/* Volumes that containers mount; names may repeat. */
static struct err *used_volumes(struct store *st, struct strv *ret)
{
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		const struct mounts *m = &boxes[i]->spec.mounts;

		for (size_t k = 0; k < m->n; k++)
			if (m->v[k].type == MOUNT_VOLUME)
				strv_add(ret, m->v[k].source);
		box_free(boxes[i]);
	}
	free(boxes);
	return e;
}

struct err *volumes_prune(struct store *st, bool all, struct strv *removed, uint64_t *ret_freed_bytes)
{
	_cleanup_strv_ struct strv used = { 0 }, names = { 0 };
	uint64_t freed = 0;
	struct err *e = used_volumes(st, &used);

	e = e ?: volume_list(st, &names);
	for (size_t i = 0; !e && i < names.n; i++) {
		uint64_t bytes;

		if (strv_has(&used, names.v[i]) || (!all && !volume_is_anonymous(st, names.v[i])))
			continue;
		bytes = tree_bytes(st, st->volumes, names.v[i]);
		e = volume_remove(st, names.v[i]);
		if (!e) {
			freed += bytes;
			strv_add(removed, names.v[i]);
		}
	}
	*ret_freed_bytes = freed;
	return e;
}

/* --- create ----------------------------------------------------------------------------------- */

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *name = argc ? xstrdup(argv[0]) : volume_make_name();
	bool created;
	struct err *e = store_open(&st);

	e = e ?: volume_check_name(name);
	e = e ?: volume_ensure(st, name, argc == 0, &created);
	if (!e)
		puts(name);
	return e;
}

/* --- ls --------------------------------------------------------------------------------------- */

static bool opt_quiet;
static const char *opt_format;
static struct strv opt_filters;

static const struct opt ls_opts[] = {
	{ 'f', "filter", "filter", "Provide filter values: dangling, name", OPT_LIST, &opt_filters, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display volume names", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Driver", "DRIVER" },
	{ "Name", "VOLUME NAME" },
	{ "Mountpoint", "MOUNTPOINT" },
	{ "Scope", "SCOPE" },
	{ NULL, NULL },
};

struct seen {
	const char *name;
	bool used;
};

static bool match_name(const char *value, const void *of)
{
	return strstr(((const struct seen *)of)->name, value) != NULL;
}

static bool match_dangling(const char *value, const void *of)
{
	return (!strcmp(value, "true") || !strcmp(value, "1")) == !((const struct seen *)of)->used;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	static const char *const known[] = { "dangling", "name", NULL };
	_cleanup_strv_ struct strv names = { 0 }, used = { 0 };
	_cleanup_store_ struct store *st = NULL;
	_cleanup_list_ struct list l = { 0 };
	struct err *e = filters_check(&opt_filters, known);

	e = e ?: store_open(&st);
	e = e ?: volume_list(st, &names);
	e = e ?: used_volumes(st, &used);
	e = e ?: list_open(&l, opt_quiet ? "{{.Name}}" : opt_format, "{{.Driver}}\t{{.Name}}", columns);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; !e && i < names.n; i++) {
		struct seen v = { names.v[i], strv_has(&used, names.v[i]) };
		_cleanup_free_ char *point = xasprintf("%s/volumes/%s/data", st->path, v.name);

		if (!filters_pass(&opt_filters, "name", match_name, &v) ||
		    !filters_pass(&opt_filters, "dangling", match_dangling, &v))
			continue;
		list_row(&l);
		list_put(&l, "Driver", "local");
		list_put(&l, "Name", v.name);
		list_put(&l, "Mountpoint", point);
		list_put(&l, "Scope", "local");
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

/* --- rm, prune -------------------------------------------------------------------------------- */

static bool opt_force, opt_all;

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, "Do not fail if a volume does not exist", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *rm_one(struct store *st, const struct strv *used, const char *name)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = volume_list(st, &names);

	if (e)
		return e;
	if (!strv_has(&names, name))
		return opt_force ? NULL : err_new(0, "get %s: no such volume", name);
	if (strv_has(used, name))
		return err_hint(err_new(0, "remove %s: volume is in use", name),
				"%s ps -a --filter volume=%s", prog(), name);
	return volume_remove(st, name);
}

static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv used = { 0 };
	struct err *all = store_open(&st);

	all = all ?: used_volumes(st, &used);
	if (all)
		return all;
	for (int i = 0; i < argc; i++) {
		struct err *e = rm_one(st, &used, argv[i]);

		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return all;
}

static const struct opt prune_opts[] = {
	{ 'a', "all", NULL, "Remove all unused volumes, not just anonymous ones", OPT_BOOL,
	  &opt_all, NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv removed = { 0 };
	_cleanup_str_ struct str size = { 0 };
	uint64_t freed = 0;
	struct err *e;

	printf("%s",
	       opt_force ? ""
	       : opt_all ? "WARNING! This will remove all volumes not used by at least one container.\n"
			 : "WARNING! This will remove anonymous local volumes not used by at least one container.\n");
	if (!opt_force && !confirm("Are you sure you want to continue?"))
		return NULL;
	e = store_open(&st);
	e = e ?: volumes_prune(st, opt_all, &removed, &freed);
	if (removed.n)
		puts("Deleted Volumes:");
	for (size_t i = 0; i < removed.n; i++)
		puts(removed.v[i]);
	human_size(freed, true, &size);
	printf("%sTotal reclaimed space: %s\n", removed.n ? "\n" : "", size.s);
	return e;
}

const struct verb verb_volume_create = {
	.name = "create", .args = "[VOLUME]", .max_args = 1, .summary = "Create a volume", .run = create
};
const struct verb verb_volume_ls = {
	.name = "ls", .args = "", .opts = ls_opts, .summary = "List volumes", .run = ls
};
const struct verb verb_volume_rm = {
	.name = "rm",
	.args = "VOLUME [VOLUME...]",
	.min_args = 1,
	.max_args = -1,
	.opts = rm_opts,
	.summary = "Remove one or more volumes",
	.run = rm,
};
const struct verb verb_volume_prune = {
	.name = "prune",
	.args = "",
	.opts = prune_opts,
	.summary = "Remove unused local volumes",
	.run = prune,
};
