/* cmd/volume.c -- devbox volume create, ls, prune, rm (inspect is in cmd/inspect.c) */
#include "cmd/volume.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/filter.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/fd.h"
#include "core/branch/branch.h"
#include "core/store/trash.h"
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

/* Volumes that containers mount, and branches' data; names may repeat. */
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
	return e ?: branch_volumes(st, ret);
}

static bool has_labels(struct store *st, const struct strv *filters, const char *name)
{
	_cleanup_strv_ struct strv labels = { 0 };

	if (filters->n)
		volume_labels(st, name, &labels);
	return filters_labels(filters, &labels);
}

struct err *volumes_prune(struct store *st, bool all, const struct strv *filters,
			  struct strv *removed, uint64_t *ret_freed_bytes)
{
	_cleanup_strv_ struct strv used = { 0 }, names = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	uint64_t freed = 0;
	struct err *e = used_volumes(st, &used);

	e = e ?: volume_list(st, &names);
	for (size_t i = 0; !e && i < names.n; i++) {
		uint64_t bytes;

		if (strv_has(&used, names.v[i]) || (!all && !volume_is_anonymous(st, names.v[i])) ||
		    !has_labels(st, filters, names.v[i]))
			continue;
		bytes = tree_bytes(st, st->volumes, names.v[i]);
		e = trash_volume(st, names.v[i], "volume prune", batch);
		if (!e) {
			freed += bytes;
			strv_add(removed, names.v[i]);
		}
	}
	*ret_freed_bytes = freed;
	return e ?: trash_expire(st, false, NULL);
}

void volumes_tell_trash(struct store *st, size_t removed)
{
	_cleanup_str_ struct str size = { 0 };
	struct trash_policy p = { 0 };
	struct trash_list t = { 0 };
	uint64_t bytes = 0;
	struct err *e = trash_policy(&p);

	e = e ?: trash_list(st, &t);
	for (size_t i = 0; i < t.n; i++)
		bytes += t.v[i].bytes;
	human_size(bytes, true, &size);
	if (!e && removed && t.n)
		fprintf(stderr,
			"The trash has %zu volumes (%s), kept for %u days: '%s undo' brings them back, "
			"'%s undo empty' frees the space\n",
			t.n, size.s, p.days, prog(), prog());
	trash_list_done(&t);
	err_free(e); /* only said for the user's good */
}

/* --- create ----------------------------------------------------------------------------------- */

static struct volume_request req;

static const struct opt create_opts[] = {
	{ 'd', "driver", "string", "Specify volume driver name (only \"local\")", OPT_STR,
	  &req.driver, NULL },
	{ 0, "label", "list", "Set metadata for a volume", OPT_LIST, &req.labels, NULL },
	{ 0, "name", NULL, NULL, OPT_STR, &req.name, NULL }, /* the old way to say it */
	{ 'o', "opt", "map", "Set driver specific options (none are supported)", OPT_LIST,
	  &req.driver_opts, NULL },
	{ 0 },
};

struct err *volume_make(struct store *st, const struct volume_request *rq, char **ret_name)
{
	_cleanup_free_ char *name = rq->name ? xstrdup(rq->name) : volume_make_name();
	bool created;
	struct err *e = NULL;

	if (rq->driver && strcmp(rq->driver, "local") != 0)
		e = err_new(0, "create %s: volume driver \"%s\" is not there, only \"local\"", name,
			    rq->driver);
	else if (rq->driver_opts.n)
		e = err_hint(err_new(0,
				     "create %s: driver option \"%s\" is not supported: it would mount a file system, "
				     "which takes the host's root",
				     name, rq->driver_opts.v[0]),
			     "--mount type=tmpfs or a bind mount of a directory (-v /DIR:/TARGET)");
	for (size_t i = 0; i < rq->labels.n && !e; i++)
		if (!*rq->labels.v[i] || *rq->labels.v[i] == '=')
			e = err_new(0, "invalid label '%s': empty name", rq->labels.v[i]);
	e = e ?: volume_check_name(name);
	e = e ?: volume_create(st, name, !rq->name, &rq->labels, &created);
	if (!e)
		*ret_name = TAKE_PTR(name);
	return e;
}

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *name = NULL;
	struct err *e;

	if (argc && req.name)
		return err_new(0, "conflicting options: either specify --name or provide positional arg, not both");
	if (argc)
		req.name = argv[0];
	e = store_open(&st);
	e = e ?: volume_make(st, &req, &name);
	if (!e)
		puts(name);
	return e;
}

/* --- ls --------------------------------------------------------------------------------------- */

static bool opt_quiet;
static const char *opt_format;
static struct strv opt_filters;

static const struct opt ls_opts[] = {
	{ 'f', "filter", "filter", "Provide filter values: dangling, driver, label, name", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display volume names", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Driver", "DRIVER" }, { "Name", "VOLUME NAME" }, { "Mountpoint", "MOUNTPOINT" },
	{ "Scope", "SCOPE" },	{ "Labels", "LABELS" },	   { NULL, NULL },
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

static bool match_driver(const char *value, UNUSED const void *of)
{
	return !strcmp(value, "local");
}

struct err *volumes_filtered(struct store *st, const struct strv *filters, struct strv *ret)
{
	static const char *const known[] = { "dangling", "driver", "label", "label!", "name", NULL };
	_cleanup_strv_ struct strv names = { 0 }, used = { 0 };
	struct err *e = filters_check(filters, known);

	e = e ?: filters_check_bool(filters, "dangling");
	e = e ?: volume_list(st, &names);
	e = e ?: used_volumes(st, &used);
	if (e)
		return e;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct seen v = { names.v[i], strv_has(&used, names.v[i]) };

		if (filters_pass(filters, "name", match_name, &v) &&
		    filters_pass(filters, "dangling", match_dangling, &v) &&
		    filters_pass(filters, "driver", match_driver, NULL) &&
		    has_labels(st, filters, v.name))
			strv_add(ret, v.name);
	}
	return NULL;
}

static struct err *add_row(struct list *l, struct store *st, const char *name)
{
	_cleanup_free_ char *point = xasprintf("%s/volumes/%s/data", st->path, name);
	_cleanup_strv_ struct strv labels = { 0 };
	_cleanup_str_ struct str text = { 0 };

	volume_labels(st, name, &labels);
	for (size_t k = 0; k < labels.n; k++)
		str_addf(&text, "%s%s", k ? "," : "", labels.v[k]);
	list_row(l);
	list_put(l, "Driver", "local");
	list_put(l, "Name", name);
	list_put(l, "Mountpoint", point);
	list_put(l, "Scope", "local");
	list_put(l, "Labels", text.s ?: "");
	return list_end_row(l);
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_store_ struct store *st = NULL;
	_cleanup_list_ struct list l = { 0 };
	struct err *e = store_open(&st);

	e = e ?: volumes_filtered(st, &opt_filters, &names);
	e = e ?: list_open(&l, opt_quiet ? "{{.Name}}" : opt_format, "{{.Driver}}\t{{.Name}}", columns);
	for (size_t i = 0; !e && i < names.n; i++)
		e = add_row(&l, st, names.v[i]);
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

struct err *volume_discard(struct store *st, const char *name, const char *batch)
{
	_cleanup_strv_ struct strv names = { 0 }, used = { 0 };
	struct err *e = volume_list(st, &names);

	e = e ?: used_volumes(st, &used);
	if (e)
		return e;
	if (!strv_has(&names, name))
		return err_new(ENOENT, "get %s: no such volume", name);
	if (strv_has(&used, name))
		return err_hint(err_new(0, "remove %s: volume is in use", name),
				"%s ps -a --filter volume=%s", prog(), name);
	return trash_volume(st, name, "volume rm", batch);
}

static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *batch = trash_batch();
	struct err *all = store_open(&st);

	if (all)
		return all;
	for (int i = 0; i < argc; i++) {
		struct err *e = volume_discard(st, argv[i], batch);

		if (err_is(e, ENOENT) && opt_force) {
			err_free(e);
			e = NULL;
		} else if (err_is(e, ENOENT)) {
			e->errnum = 0; /* "no such volume" says it */
		}
		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return all;
}

static const struct opt prune_opts[] = {
	{ 'a', "all", NULL, "Remove all unused volumes, not just anonymous ones", OPT_BOOL,
	  &opt_all, NULL },
	{ 0, "filter", "filter", "Provide filter values (e.g. \"label=<label>\")", OPT_LIST,
	  &opt_filters, NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv removed = { 0 };
	_cleanup_str_ struct str size = { 0 };
	static const char *const known[] = { "all", "label", "label!", NULL };
	uint64_t freed = 0;
	struct err *e = filters_check(&opt_filters, known);

	e = e ?: filters_check_bool(&opt_filters, "all");
	if (e)
		return e;
	opt_all |= strv_has(&opt_filters, "all=true") || strv_has(&opt_filters, "all=1");
	printf("%s",
	       opt_force ? ""
	       : opt_all ? "WARNING! This will remove all volumes not used by at least one container.\n"
			 : "WARNING! This will remove anonymous local volumes not used by at least one container.\n");
	if (!opt_force && !confirm("Are you sure you want to continue?"))
		return NULL;
	e = store_open(&st);
	e = e ?: volumes_prune(st, opt_all, &opt_filters, &removed, &freed);
	if (removed.n)
		puts("Deleted Volumes:");
	for (size_t i = 0; i < removed.n; i++)
		puts(removed.v[i]);
	human_size(freed, true, &size);
	printf("%sTotal reclaimed space: %s\n", removed.n ? "\n" : "", size.s);
	if (st)
		volumes_tell_trash(st, removed.n);
	return e;
}

const struct verb verb_volume_create = {
	.name = "create",
	.args = "[VOLUME]",
	.max_args = 1,
	.opts = create_opts,
	.summary = "Create a volume",
	.run = create,
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
