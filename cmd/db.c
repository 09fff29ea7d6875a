/* cmd/db.c -- what the verbs of `devbox db` share */
#include "cmd/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/proc.h"
#include "core/store/trash.h"

const char *opt_db_project, *opt_db_service;

void db_done(struct db *db)
{
	dbproject_done(&db->p);
	git_head_done(&db->head);
	git_repo_done(&db->repo);
	free(db->current);
	free(db->id);
	store_free(db->st);
}

struct err *db_reread(struct db *db)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	struct dbproject p = { 0 };
	struct err *e = dbproject_open(db->st, db->id, false, &d, &p);

	if (e)
		return e;
	dbproject_done(&db->p);
	db->p = p;
	return NULL;
}

struct err *db_open(struct db *db, const char *project)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	struct err *e = store_open(&db->st);

	if (e)
		return e;
	e = git_find(cwd ?: "/", &db->repo);
	if (!e)
		e = git_head(&db->repo, &db->head);
	if (err_is(e, ENOENT)) {
		err_free(e); /* not in a work tree: --project, or nothing */
		e = NULL;
	}
	if (!e && db->repo.dir && (db->head.branch || *db->head.commit))
		db->current = branch_of_head(&db->head);
	if (!e && project)
		db->id = xstrdup(project);
	else if (!e && db->repo.dir)
		e = dbproject_find(db->st, &db->repo, &db->id);
	if (e || !db->id)
		return e;
	e = db_reread(db);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return err_hint(err_new(0, "there is no project %s", db->id), "devbox db ls -a");
	}
	if (!e && project && (!db->repo.dir || !str_eq(db->p.common, db->repo.common))) {
		/* another project's: the current directory says nothing about it */
		free(TAKE_PTR(db->current));
		if (db->p.n_trees)
			e = branch_of_tree(&db->p.trees[0], &db->current);
	}
	if (!e && db->repo.dir) {
		const struct work_tree *t = dbproject_tree(&db->p, db->repo.dir);

		if (t && t->pinned) {
			free(db->current);
			db->current = xstrdup(t->pinned);
		}
	}
	return e;
}

struct err *db_need(struct db *db, const char *project)
{
	struct err *e = db_open(db, project);

	if (e || db->id)
		return e;
	if (!db->repo.dir)
		return err_hint(err_new(0, "not in a git work tree"),
				"cd into one, or name a database with --project (devbox db ls -a)");
	return err_hint(err_new(0, "this repository has no database yet"), "devbox db up mysql");
}

struct err *db_branch(const struct db *db, const char *name, const char **ret)
{
	*ret = name ?: db->current;
	return *ret ? NULL : err_new(0, "which branch? None is checked out here");
}

static struct err *no_data(const struct db *db, const char *branch)
{
	if (opt_db_service && !dbproject_service(&db->p, opt_db_service))
		return err_hint(err_new(0, "project %s has no database %s", db->id, opt_db_service),
				"devbox db ls");
	for (size_t i = 0; i < db->p.n_stacks && !opt_db_service; i++)
		if (stack_fork(&db->p.stacks[i], branch))
			return err_hint(
				err_new(0, "branch %s has no database of its own but a compose project, %s-%s",
					branch, db->p.stacks[i].name,
					dbproject_branch(&db->p, branch)->slug),
				"devbox compose --branch, devbox snapshot --project and db rm deal with it");
	return err_hint(err_new(0, "branch %s has no data%s%s", branch,
				opt_db_service ? " of " : "", opt_db_service ?: ""),
			"devbox db ls");
}

struct err *db_each_fork(struct db *db, const char *branch,
			 struct err *(*fn)(struct db *db, struct dbservice *s, struct fork *f, void *arg),
			 void *arg)
{
	struct err *all = NULL;
	bool any = false;

	for (size_t i = 0; i < db->p.n_services; i++) {
		struct dbservice *s = &db->p.services[i];
		struct fork *f = dbservice_fork(s, branch);

		if (!f || (opt_db_service && strcmp(s->name, opt_db_service)))
			continue;
		any = true;
		all = err_also(all, fn(db, s, f, arg));
	}
	return any ? all : no_data(db, branch);
}

struct err *db_one_service(const struct db *db, struct dbservice **ret)
{
	_cleanup_str_ struct str names = { 0 };

	if (opt_db_service) {
		*ret = dbproject_service(&db->p, opt_db_service);
		return *ret ? NULL : no_data(db, "");
	}
	if (db->p.n_services == 1) {
		*ret = &db->p.services[0];
		return NULL;
	}
	if (!db->p.n_services)
		return err_hint(err_new(0, "project %s has no database", db->id),
				db->p.n_stacks ? "where its compose project answers is told by devbox db ls"
					       : "devbox db up mysql");
	for (size_t i = 0; i < db->p.n_services; i++)
		str_addf(&names, "%s%s", i ? ", " : "", db->p.services[i].name);
	return err_hint(err_new(0, "project %s has %zu databases", db->id, db->p.n_services),
			"name one with -s: %s", names.s ?: "none");
}

struct err *db_tell(struct db *db)
{
	_cleanup_strv_ struct strv notes = { 0 };
	struct err *e = switchboard_update(db->st, db->id, &notes);

	for (size_t i = 0; i < notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), notes.v[i]);
	return e;
}

/* The answer "no" is kept: nobody is asked twice. */
static struct err *keep_branch(struct db *db, const char *name)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct branch *b;
	struct err *e = dbproject_open(db->st, db->id, true, &d, &p);

	b = e ? NULL : dbproject_branch(&p, name);
	if (!b)
		return e;
	b->keep = true;
	return dbproject_save(&d, &p);
}

struct removal {
	const char *batch;
	bool force;
};

static struct err *remove_fork(struct db *db, struct dbservice *s, struct fork *f, void *arg)
{
	const struct removal *r = arg;

	return branch_remove(db->st, db->id, s->name, f->branch, r->force, r->batch);
}

static bool has_forks(const struct db *db, const char *branch)
{
	for (size_t i = 0; i < db->p.n_services; i++)
		if (dbservice_fork(&db->p.services[i], branch))
			return true;
	return false;
}

struct err *db_remove_branch(struct db *db, const char *branch, bool force, const char *batch)
{
	struct removal r = { batch, force };
	struct err *all = NULL;
	bool any = false;

	for (size_t i = 0; i < db->p.n_stacks && !opt_db_service; i++) {
		if (!stack_fork(&db->p.stacks[i], branch))
			continue;
		any = true;
		all = err_also(all, stack_remove(db->st, db->id, db->p.stacks[i].name, branch,
						 force, batch));
	}
	if (!any || has_forks(db, branch))
		all = err_also(all, db_each_fork(db, branch, remove_fork, &r));
	return all;
}

struct err *db_ask_gone(struct db *db)
{
	_cleanup_strv_ struct strv gone = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	struct err *e = branch_gone(&db->p, &gone);

	if (e) {
		err_free(e); /* the repository is not readable now: it can be asked another time */
		return NULL;
	}
	if (gone.n && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))) {
		fprintf(stderr, "%s: git no longer has %s%s%s, whose data is still here (%s db prune)\n",
			prog(), gone.v[0], gone.n > 1 ? " and other branches" : "", "", prog());
		return NULL;
	}
	for (size_t i = 0; i < gone.n && !e; i++) {
		_cleanup_free_ char *question =
			xasprintf("git no longer has the branch %s. Remove its data?", gone.v[i]);

		e = confirm(question) ? db_remove_branch(db, gone.v[i], false, batch)
				      : keep_branch(db, gone.v[i]);
	}
	e = e ?: db_reread(db);
	return gone.n ? e ?: db_tell(db) : e;
}

struct err *db_duration(const char *value, void *to_ms)
{
	int64_t ns = 0;
	struct err *e;

	if (!strcmp(value, "never") || !strcmp(value, "0")) {
		*(int64_t *)to_ms = 0;
		return NULL;
	}
	if (*value == '-')
		return err_new(0, "it cannot be negative");
	/* Go's durations know no days */
	if (str_ends(value, "d")) {
		_cleanup_free_ char *number = xstrndup(value, strlen(value) - 1);
		uint64_t days = 0;

		e = str_to_u64(number, 1, 36500, &days);
		ns = (int64_t)days * 86400 * INT64_C(1000000000);
	} else {
		e = duration_parse(value, &ns);
	}
	if (!e)
		*(int64_t *)to_ms = ns / 1000000 ?: 1;
	return e;
}
