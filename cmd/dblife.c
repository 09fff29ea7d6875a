/* cmd/dblife.c -- devbox db stop, sleep, switch, reset, rm, prune, protect, rename: what becomes of branches' data */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/db.h"
#include "core/base/proc.h"
#include "core/store/trash.h"

static const char *opt_from;
static bool opt_force;

/* --- stop, sleep ------------------------------------------------------------------------------ */

static const struct opt db_opts[] = { DB_OPTS, { 0 } };

static struct err *set_down(struct db *db)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct err *e = dbproject_open(db->st, db->id, true, &d, &p);

	for (size_t i = 0; i < p.n_services; i++)
		if (!opt_db_service || !strcmp(p.services[i].name, opt_db_service))
			p.services[i].up = false;
	return e ?: dbproject_save(&d, &p);
}

static struct err *stop(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: set_down(&db);
	e = e ?: db_tell(&db); /* first nobody can wake them any more */
	if (e)
		return e;
	for (size_t i = 0; i < db.p.n_services; i++) {
		const struct dbservice *s = &db.p.services[i];

		if (opt_db_service && strcmp(s->name, opt_db_service))
			continue;
		for (size_t k = 0; k < s->n_forks; k++)
			e = err_also(e, branch_stop(db.st, &s->forks[k]));
	}
	return e;
}

const struct verb verb_db_stop = {
	.name = "stop",
	.args = "",
	.opts = db_opts,
	.summary = "Stop a project's databases and free their addresses; `up` brings them back",
	.run = stop,
};

static struct err *sleep_fork(struct db *db, UNUSED struct dbservice *s, struct fork *f, UNUSED void *arg)
{
	return branch_stop(db->st, f);
}

static struct err *sleep_now(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	const char *branch;
	struct err *e = db_need(&db, opt_db_project);

	if (!argc) {
		e = e ?: db_branch(&db, NULL, &branch);
		return e ?: db_each_fork(&db, branch, sleep_fork, NULL);
	}
	for (int i = 0; i < argc && !e; i++)
		e = db_each_fork(&db, argv[i], sleep_fork, NULL);
	return e;
}

const struct verb verb_db_sleep = {
	.name = "sleep",
	.args = "[BRANCH...]",
	.max_args = -1,
	.opts = db_opts,
	.summary = "Stop a branch's server now; the next connection starts it again",
	.run = sleep_now,
};

/* --- switch ----------------------------------------------------------------------------------- */

static struct err *switch_to(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	bool follow = !strcmp(argv[0], "-");
	struct work_tree *t = NULL;
	struct err *e = db_need(&db, opt_db_project);

	if (!e && !follow && !dbproject_branch(&db.p, argv[0]))
		e = err_hint(err_new(0, "branch %s has no data", argv[0]),
			     "%s db create %s makes a copy of the current branch's", prog(), argv[0]);
	e = e ?: dbproject_open(db.st, db.id, true, &d, &p);
	if (e)
		return e;
	if (db.repo.dir && str_eq(p.common, db.repo.common))
		e = dbproject_ensure_tree(db.st, &d, &p, &db.repo, &t);
	else if (p.n_trees)
		t = &p.trees[0];
	if (!e && !t)
		e = err_new(0, "project %s has no work tree", p.id);
	if (e)
		return e;
	free(t->pinned);
	t->pinned = follow ? NULL : xstrdup(argv[0]);
	e = dbproject_save(&d, &p);
	dbproject_close(&d);
	return e ?: db_tell(&db);
}

const struct verb verb_db_switch = {
	.name = "switch",
	.args = "BRANCH|-",
	.min_args = 1,
	.max_args = 1,
	.opts = db_opts,
	.summary = "Let this work tree's address lead to BRANCH, whatever is checked out; \"-\": follow git again",
	.run = switch_to,
};

/* --- reset, rm -------------------------------------------------------------------------------- */

static const struct opt reset_opts[] = {
	{ 0, "from", "branch", "Take this branch's data (default: the one it was forked from)",
	  OPT_STR, &opt_from, NULL },
	DB_OPTS,
	{ 0 },
};

static struct err *reset_fork(struct db *db, struct dbservice *s, struct fork *f, UNUSED void *arg)
{
	struct branch_result r = { 0 };
	struct err *e = branch_reset(db->st, db->id, s->name, f->branch, opt_from, &r);

	if (!e)
		fprintf(stderr, "%s of branch %s is %s%s now\n", s->name, f->branch,
			r.parent ? "what it is on " : "empty", r.parent ?: "");
	branch_result_done(&r);
	return e;
}

static struct err *reset(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	const char *branch;
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: db_branch(&db, argc ? argv[0] : NULL, &branch);
	e = e ?: db_each_fork(&db, branch, reset_fork, NULL);
	return e ?: db_tell(&db);
}

const struct verb verb_db_reset = {
	.name = "reset",
	.args = "[BRANCH]",
	.max_args = 1,
	.opts = reset_opts,
	.summary = "Put a branch's data back to what its parent has now",
	.run = reset,
};

static bool opt_all;
static const struct opt rm_opts[] = {
	{ 'a', "all", NULL, "All branches of the project, and the project itself", OPT_BOOL,
	  &opt_all, NULL },
	{ 'f', "force", NULL, "Also what is protected", OPT_BOOL, &opt_force, NULL },
	DB_OPTS,
	{ 0 },
};

/* Services without a fork are forgotten, then the project. */
static struct err *forget_services(struct db *db)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct err *e = dbproject_open(db->st, db->id, true, &d, &p);

	for (size_t i = p.n_services; !e && i-- > 0;)
		if (!p.services[i].n_forks &&
		    (!opt_db_service || !strcmp(p.services[i].name, opt_db_service)))
			dbproject_drop_service(&p, p.services[i].name);
	e = e ?: dbproject_save(&d, &p);
	e = e ?: switchboard_update(db->st, db->id, NULL);
	if (!e && !p.n_services && !p.n_stacks)
		e = dbproject_remove(db->st, &d, &p);
	return e;
}

static struct err *rm_all(struct db *db, char *batch)
{
	struct err *all = opt_db_service ? NULL : set_down(db);

	all = all ?: switchboard_update(db->st, db->id, NULL);
	for (size_t i = 0; i < db->p.n_services; i++) {
		const struct dbservice *s = &db->p.services[i];

		if (opt_db_service && strcmp(s->name, opt_db_service))
			continue;
		for (size_t k = 0; k < s->n_forks; k++)
			all = err_also(all, branch_remove(db->st, db->id, s->name,
							  s->forks[k].branch, opt_force, batch));
	}
	for (size_t i = 0; i < db->p.n_stacks && !opt_db_service; i++) {
		const struct stack *s = &db->p.stacks[i];

		for (size_t k = 0; k < s->n_forks; k++)
			all = err_also(all, stack_remove(db->st, db->id, s->name,
							 s->forks[k].branch, opt_force, batch));
	}
	return all ?: forget_services(db);
}

static struct err *rm(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	struct err *all = db_need(&db, opt_db_project);

	if (!all && opt_all)
		return rm_all(&db, batch);
	if (!all && !argc)
		return err_hint(err_new(0, "which branch?"), "%s db rm BRANCH, or --all", prog());
	if (all)
		return all;
	for (int i = 0; i < argc; i++) {
		struct err *e = db_remove_branch(&db, argv[i], opt_force, batch);

		if (!e)
			puts(argv[i]);
		all = err_also(all, e);
	}
	return err_also(all, db_tell(&db));
}

const struct verb verb_db_rm = {
	.name = "rm",
	.args = "BRANCH...",
	.max_args = -1,
	.opts = rm_opts,
	.summary = "Remove the data of branches; `devbox undo` brings it back",
	.run = rm,
};

/* --- prune ------------------------------------------------------------------------------------ */

static const struct opt prune_opts[] = {
	{ 'f', "force", NULL, "Do not ask", OPT_BOOL, &opt_force, NULL },
	DB_OPTS,
	{ 0 },
};

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_strv_ struct strv gone = { 0 }, expired = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: branch_gone(&db.p, &gone);
	if (e)
		return e;
	for (size_t i = 0; i < gone.n && !e; i++) {
		_cleanup_free_ char *question =
			xasprintf("git no longer has the branch %s. Remove its data?", gone.v[i]);

		if (!opt_force && !confirm(question))
			continue;
		opt_db_service = NULL;
		e = db_remove_branch(&db, gone.v[i], true, batch);
		if (!e)
			puts(gone.v[i]);
	}
	e = e ?: branch_expire(db.st, db.id, &expired);
	for (size_t i = 0; i < expired.n; i++)
		puts(expired.v[i]);
	return e ?: db_tell(&db);
}

const struct verb verb_db_prune = {
	.name = "prune",
	.args = "",
	.opts = prune_opts,
	.summary = "Remove the data of branches that git no longer has, or that were not used for their time",
	.run = prune,
};

/* --- protect, rename -------------------------------------------------------------------------- */

static bool opt_off;
static const struct opt protect_opts[] = {
	{ 0, "off", NULL, "Take the protection away", OPT_BOOL, &opt_off, NULL },
	DB_OPTS,
	{ 0 },
};

static struct err *protect(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	const char *name;
	struct branch *b;
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: db_branch(&db, argc ? argv[0] : NULL, &name);
	e = e ?: dbproject_open(db.st, db.id, true, &d, &p);
	if (e)
		return e;
	b = dbproject_branch(&p, name);
	if (!b)
		return err_hint(err_new(0, "branch %s has no data", name), "devbox db ls");
	b->protected = !opt_off;
	return dbproject_save(&d, &p);
}

const struct verb verb_db_protect = {
	.name = "protect",
	.args = "[BRANCH]",
	.max_args = 1,
	.opts = protect_opts,
	.summary = "Refuse to reset or remove a branch's data",
	.run = protect,
};

static struct err *rename_branch(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: branch_rename(db.st, db.id, argv[0], argv[1]);
	return e ?: db_tell(&db);
}

const struct verb verb_db_rename = {
	.name = "rename",
	.args = "BRANCH NEW",
	.min_args = 2,
	.max_args = 2,
	.opts = db_opts,
	.summary = "Let the data of one branch belong to another name",
	.more = "After `git branch -m` this happens by itself.",
	.run = rename_branch,
};
