/* cmd/fork.c -- devbox volume fork, devbox snapshot create, ls, restore, rm, diff-size */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/box/boxfork.h"
#include "core/branch/stack.h"
#include "core/store/volume.h"

/* "mysql-data -> mysql-data-2: cow, 12 ms" for people. */
static void tell(const struct fork_pair *p, int64_t took_ms, int64_t still_ms)
{
	if (still_ms)
		fprintf(stderr, "%s: %s, %lld ms; its containers stood still for %lld ms\n", p->to,
			fork_method_names[p->method], (long long)took_ms, (long long)still_ms);
	else
		fprintf(stderr, "%s: %s, %lld ms\n", p->to, fork_method_names[p->method],
			(long long)took_ms);
}

/* --- fork, snapshot create -------------------------------------------------------------------- */

static bool opt_quiet, opt_copy;

static const struct opt fork_opts[] = {
	{ 0, "copy", NULL, "Make a plain copy, a directory like any other", OPT_BOOL, &opt_copy, NULL },
	{ 'q', "quiet", NULL, "Say nothing about how it was done", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static struct err *make(const struct strv *from, const struct strv *to)
{
	_cleanup_free_ struct fork_pair *pairs = xcalloc(from->n + 1, sizeof(*pairs));
	_cleanup_store_ struct store *st = NULL;
	int64_t began_ms = time_mono_ms(), still_ms = 0, took_ms;
	struct err *e = store_open(&st);

	for (size_t i = 0; i < from->n; i++)
		pairs[i] = (struct fork_pair){ .from = from->v[i], .to = to->v[i], .plain = opt_copy };
	e = e ?: box_fork_volumes(st, pairs, from->n, &still_ms);
	took_ms = time_mono_ms() - began_ms;
	for (size_t i = 0; i < from->n && !e; i++) {
		puts(to->v[i]);
		if (!opt_quiet)
			tell(&pairs[i], took_ms, still_ms);
	}
	return e;
}

static struct err *run_fork(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_strv_ struct strv from = { 0 }, to = { 0 };

	if (argc % 2)
		return err_status(err_new(0, "each FROM needs a TO, got %d names", argc), 1);
	for (int i = 0; i < argc; i += 2) {
		if (strchr(argv[i + 1], '@'))
			return err_hint(
				err_status(err_new(0, "%s is the name of a snapshot", argv[i + 1]), 1),
				"devbox snapshot create %s", argv[i + 1]);
		strv_add(&from, argv[i]);
		strv_add(&to, argv[i + 1]);
	}
	return make(&from, &to);
}

#define PROJECT_OPT                                                                                \
	{                                                                                          \
		'p', "project", "string",                                                          \
			"All named volumes of this compose project, as `compose ls` names it",     \
			OPT_STR, &opt_project, NULL                                                \
	}

static const char *opt_project;

/* Append the volumes whose label says that they are opt_project's. */
static struct err *project_volumes(struct store *st, struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct err *e = volume_list(st, &all);

	for (size_t i = 0; i < all.n && !e; i++) {
		_cleanup_strv_ struct strv labels = { 0 };

		volume_labels(st, all.v[i], &labels);
		if (str_eq(strv_env(&labels, STACK_LABEL "project"), opt_project))
			strv_add(ret, all.v[i]);
	}
	strv_sort(ret);
	if (!e && !ret->n)
		e = err_hint(err_status(err_new(0, "compose project %s has no volumes", opt_project), 1),
			     "devbox compose ls -a");
	return e;
}

static const struct opt snapshot_opts[] = {
	PROJECT_OPT,
	{ 'q', "quiet", NULL, "Say nothing about how it was done", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

/* VOLUME@NAME, or VOLUME: the time of day makes a name. */
static struct err *run_snapshot(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_strv_ struct strv from = { 0 }, to = { 0 };
	char now[TIME_TEXT_MAX], day[32];

	time_format(time_now_ns(), now); /* 2026-11-21T03:45:29.123... */
	snprintf(day, sizeof(day), "%.10s_%.2s.%.2s.%.2s", now, now + 11, now + 14, now + 17);
	if (opt_project) {
		_cleanup_store_ struct store *st = NULL;
		struct err *e = argc > 1 ? err_new(0, "--project takes one name for all snapshots")
					 : store_open(&st);

		e = e ?: project_volumes(st, &from);
		for (size_t i = 0; i < from.n; i++)
			strv_addf(&to, "%s@%s", from.v[i], argc ? argv[0] : day);
		return e ?: make(&from, &to);
	}
	if (!argc)
		return err_status(err_new(0, "which volume? VOLUME[@NAME], or --project"), 1);
	for (int i = 0; i < argc; i++) {
		size_t len = strcspn(argv[i], "@");

		strv_take(&from, xstrndup(argv[i], len));
		if (argv[i][len])
			strv_add(&to, argv[i]);
		else
			strv_addf(&to, "%s@%s", argv[i], day);
	}
	return make(&from, &to);
}

/* --- ls --------------------------------------------------------------------------------------- */

static const char *opt_format;

static const struct opt ls_opts[] = {
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display snapshot names", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Name", "SNAPSHOT" },	       { "Volume", "VOLUME" }, { "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" }, { "Size", "SIZE" },     { NULL, NULL },
};

static struct err *ls_row(struct store *st, struct list *l, const struct snapshot *s)
{
	_cleanup_free_ char *name = xasprintf("%s@%s", s->volume, s->name);
	_cleanup_str_ struct str age = { 0 }, size = { 0 };
	struct fork_info info = { 0 };
	char made[TIME_TEXT_MAX];
	struct err *e = NULL;

	if (!opt_quiet)
		e = fork_info(st, name, &info);
	if (e)
		return e;
	human_ago(s->made_ns, time_now_ns(), &age);
	time_format(s->made_ns, made);
	human_size(info.own_bytes, true, &size);
	list_row(l);
	list_put(l, "Name", name);
	list_put(l, "Volume", s->volume);
	list_put(l, "CreatedSince", age.s);
	list_put(l, "CreatedAt", made);
	list_put(l, "Size", size.s);
	fork_info_done(&info);
	return list_end_row(l);
}

static struct err *run_ls(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_list_ struct list l = { 0 };
	struct snapshots all = { 0 };
	struct err *e = store_open(&st);

	e = e ?: snapshot_list(st, argc ? argv[0] : NULL, &all);
	e = e
		    ?: list_open(&l, opt_quiet ? "{{.Name}}" : opt_format,
				 "{{.Name}}\t{{.CreatedSince}}\t{{.Size}}", columns);
	for (size_t i = 0; i < all.n && !e; i++)
		e = ls_row(st, &l, &all.v[i]);
	if (!e)
		list_close(&l);
	snapshots_done(&all);
	return e;
}

/* --- restore, rm, diff-size ------------------------------------------------------------------- */

static const struct opt restore_opts[] = { PROJECT_OPT, { 0 } };

static struct err *run_restore(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_strv_ struct strv volumes = { 0 }, texts = { 0 };
	_cleanup_store_ struct store *st = NULL;
	struct err *e = store_open(&st);

	if (!opt_project)
		strv_add(&texts, argv[0]);
	else
		e = e ?: project_volumes(st, &volumes);
	for (size_t i = 0; i < volumes.n; i++)
		strv_addf(&texts, "%s@%s", volumes.v[i], argv[0]);
	e = e ?: box_fork_restore(st, &texts);
	for (size_t i = 0; i < texts.n && !e; i++)
		printf("%.*s\n", (int)strcspn(texts.v[i], "@"), texts.v[i]);
	return e;
}

static struct err *run_rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *all = store_open(&st);

	for (int i = 0; st && i < argc; i++) {
		struct err *e = snapshot_remove(st, argv[i]);

		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return all;
}

static struct err *run_diff(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_str_ struct str a = { 0 }, b = { 0 };
	_cleanup_store_ struct store *st = NULL;
	uint64_t bytes[2];
	struct err *e = store_open(&st);

	e = e ?: fork_diff_size(st, argv[0], argv[1], &bytes[0], &bytes[1]);
	if (e)
		return e;
	human_size(bytes[0], true, &a);
	human_size(bytes[1], true, &b);
	printf("%s\t%s\n%s\t%s\n", argv[0], a.s, argv[1], b.s);
	return NULL;
}

const struct verb verb_volume_fork = {
	.name = "fork",
	.args = "FROM TO [FROM TO...]",
	.min_args = 2,
	.max_args = -1,
	.opts = fork_opts,
	.summary = "Make volumes with the content of others (or of snapshots), at one instant",
	.run = run_fork,
};
const struct verb verb_snapshot_create = {
	.name = "create",
	.args = "VOLUME[@NAME] [VOLUME[@NAME]...] | --project PROJECT [NAME]",
	.max_args = -1,
	.opts = snapshot_opts,
	.summary = "Keep what volumes have now, at one instant",
	.run = run_snapshot,
};
const struct verb verb_snapshot_ls = {
	.name = "ls",
	.args = "[VOLUME]",
	.max_args = 1,
	.opts = ls_opts,
	.summary = "List snapshots of volumes",
	.run = run_ls,
};
const struct verb verb_snapshot_restore = {
	.name = "restore",
	.args = "VOLUME@NAME | --project PROJECT NAME",
	.min_args = 1,
	.max_args = 1,
	.opts = restore_opts,
	.summary = "Bring a volume back to a snapshot; what it has now goes to the trash",
	.run = run_restore,
};
const struct verb verb_snapshot_rm = {
	.name = "rm",
	.args = "VOLUME@NAME [VOLUME@NAME...]",
	.min_args = 1,
	.max_args = -1,
	.summary = "Remove snapshots",
	.run = run_rm,
};
const struct verb verb_snapshot_diff = {
	.name = "diff-size",
	.args = "A B",
	.min_args = 2,
	.max_args = 2,
	.summary = "How much two volumes or snapshots differ: what each has for itself",
	.run = run_diff,
};
