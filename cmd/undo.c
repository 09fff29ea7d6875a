/* cmd/undo.c -- devbox undo [ls | empty | NAME...]: bring back what was removed */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/branch/branch.h"
#include "core/store/trash.h"

static const char *opt_as, *opt_format;
static bool opt_quiet;

static const struct opt opts[] = {
	{ 0, "as", "name", "Bring a volume back under another name", OPT_STR, &opt_as, NULL },
	{ 0, "format", "string",
	  "Format the list using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only display ids in the list", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "ID", "ID" },	       { "Kind", "KIND" },
	{ "Name", "NAME" },    { "Reason", "REMOVED BY" },
	{ "Gone", "REMOVED" }, { "Left", "KEPT FOR" },
	{ "Size", "SIZE" },    { NULL, NULL },
};

static struct err *row(struct list *l, const struct trash_item *it)
{
	_cleanup_str_ struct str gone = { 0 }, left = { 0 }, size = { 0 };
	int64_t now = time_now_ns();

	human_ago(it->gone_ns, now, &gone);
	human_duration(it->until_ns > now ? it->until_ns - now : 0, &left);
	human_size(it->bytes, true, &size);
	list_row(l);
	list_put(l, "ID", it->id);
	list_put(l, "Kind", it->kind);
	list_put(l, "Name", it->name);
	list_put(l, "Reason", it->reason);
	list_put(l, "Gone", gone.s);
	list_put(l, "Left", left.s);
	list_put(l, "Size", size.s);
	return list_end_row(l);
}

static struct err *show(const struct trash_list *t)
{
	_cleanup_list_ struct list l = { 0 };
	struct err *e =
		list_open(&l, opt_quiet ? "{{.ID}}" : opt_format,
			  "{{.ID}}\t{{.Kind}}\t{{.Name}}\t{{.Reason}}\t{{.Gone}}\t{{.Left}}\t{{.Size}}",
			  columns);

	for (size_t i = 0; i < t->n && !e; i++)
		e = row(&l, &t->v[i]);
	if (!e)
		list_close(&l);
	return e;
}

static struct err *bring_back(struct store *st, const struct trash_item *it)
{
	bool done = false;
	/* a branch may have other data in its place: they change places */
	struct err *e = opt_as ? NULL : branch_bring_back(st, it, &done);

	if (!e && !done)
		e = trash_restore(st, it, opt_as);
	if (!e)
		printf("%s\n", opt_as ?: it->name);
	return e;
}

/* All that the last command took away. */
static struct err *last(struct store *st, const struct trash_list *t)
{
	struct err *all = NULL;

	if (!t->n)
		return err_status(err_new(0, "there is nothing to bring back"), 1);
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->v[i].batch, t->v[0].batch))
			all = err_also(all, bring_back(st, &t->v[i]));
	return all;
}

/* By id, or the youngest of that name. */
static struct err *by_name(struct store *st, const struct trash_list *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->v[i].id, name) || str_eq(t->v[i].name, name))
			return bring_back(st, &t->v[i]);
	return err_hint(err_status(err_new(0, "%s is not in the trash", name), 1),
			"'%s undo ls' shows what is", prog());
}

static struct err *empty(struct store *st)
{
	_cleanup_str_ struct str size = { 0 };
	uint64_t freed = 0;
	struct err *e = trash_expire(st, true, &freed);

	human_size(freed, true, &size);
	if (!e)
		printf("Total reclaimed space: %s\n", size.s);
	return e;
}

static struct err *undo(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct trash_list t = { 0 };
	struct err *e = store_open(&st);

	e = e ?: trash_list(st, &t);
	if (e)
		return e;
	if (!argc)
		e = last(st, &t);
	else if (argc == 1 && !strcmp(argv[0], "ls"))
		e = show(&t);
	else if (argc == 1 && !strcmp(argv[0], "empty"))
		e = empty(st);
	else
		for (int i = 0; i < argc; i++)
			e = err_also(e, by_name(st, &t, argv[i]));
	trash_list_done(&t);
	return e;
}

const struct verb verb_undo = {
	.name = "undo",
	.args = "[ls | empty | NAME|ID...]",
	.max_args = -1,
	.opts = opts,
	.summary = "Bring back volumes that were removed",
	.more = "Without arguments: all that the last command removed.  'ls' lists what can come back, 'empty' gives\n"
		"it up.  What was removed stays for DEVBOX_TRASH_DAYS (7) days, all of it together in at most\n"
		"DEVBOX_TRASH_BUDGET (20g) bytes.",
	.run = undo,
};
