/* cmd/dbreplica.c -- devbox db replica add|ls|promote|rm */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/db.h"
#include "core/branch/envfile.h"
#include "core/branch/replica.h"
#include "core/store/trash.h"

static const char *opt_branch;

static const struct opt opts[] = {
	{ 'b', "branch", "string", "With add: of this branch (default: the one that is checked out)",
	  OPT_STR, &opt_branch, NULL },
	DB_OPTS,
	{ 0 },
};

static struct fork *find_replica(struct dbservice *s, const char *name)
{
	struct fork *f = dbservice_fork(s, name);

	return f && f->replica_of ? f : NULL;
}

/* "main-replica", "main-replica-2", ... */
static char *free_name(const struct dbproject *p, const char *branch)
{
	for (unsigned n = 1;; n++) {
		char *name = n == 1 ? xasprintf("%s-replica", branch)
				    : xasprintf("%s-replica-%u", branch, n);

		if (!dbproject_branch(p, name))
			return name;
		free(name);
	}
}

static struct err *add(struct db *db, struct dbservice *s, const char *given)
{
	_cleanup_free_ char *name = NULL, *service = xstrdup(s->name);
	_cleanup_strv_ struct strv notes = { 0 };
	const char *branch;
	struct err *e = db_branch(db, opt_branch, &branch);

	if (!e && given && !git_name_ok(given))
		e = err_new(0, "'%s' is no name for a replica", given);
	if (e)
		return e;
	name = given ? xstrdup(given) : free_name(&db->p, branch);
	e = replica_add(db->st, db->id, service, branch, name, &notes);
	for (size_t i = 0; i < notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), notes.v[i]);
	e = e ?: db_tell(db);
	e = e ?: db_reread(db);
	if (e)
		return e;
	fprintf(stderr,
		"%s replicates %s of branch %s, checked: it has all, and is read-only\n  %s:%u\n",
		name, service, branch, dbproject_branch(&db->p, name)->address,
		dbproject_service(&db->p, service)->port);
	puts(name);
	return NULL;
}

static void list(const struct db *db)
{
	for (size_t i = 0; i < db->p.n_services; i++) {
		const struct dbservice *s = &db->p.services[i];

		for (size_t k = 0; k < s->n_forks; k++)
			if (s->forks[k].replica_of)
				printf("%s\t%s\t%s\t%s:%u\n", s->forks[k].branch, s->name,
				       s->forks[k].replica_of,
				       dbproject_branch(&db->p, s->forks[k].branch)->address, s->port);
	}
}

static struct err *replica(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	struct dbservice *s = NULL;
	struct err *e = db_need(&db, opt_db_project);

	if (!e && (!strcmp(argv[0], "ls") || !strcmp(argv[0], "list"))) {
		list(&db);
		return NULL;
	}
	e = e ?: db_one_service(&db, &s);
	if (e)
		return e;
	if (!strcmp(argv[0], "add"))
		return add(&db, s, argc > 1 ? argv[1] : NULL);
	if (argc < 2)
		return err_new(0, "replica %s needs the replica's name", argv[0]);
	if (!find_replica(s, argv[1]))
		return err_hint(err_new(0, "%s has no replica %s", s->name, argv[1]),
				"%s db replica ls", prog());
	if (!strcmp(argv[0], "promote"))
		e = replica_promote(db.st, db.id, s->name, argv[1]);
	else if (!strcmp(argv[0], "rm") || !strcmp(argv[0], "drop"))
		e = branch_remove(db.st, db.id, s->name, argv[1], false, batch);
	else
		return err_new(0, "add, ls, promote or rm, not '%s'", argv[0]);
	if (!e)
		puts(argv[1]);
	return e ?: db_tell(&db);
}

const struct verb verb_db_replica = {
	.name = "replica",
	.args = "add|ls|promote|rm [NAME]",
	.min_args = 1,
	.max_args = 2,
	.opts = opts,
	.summary = "Make a read replica of a branch's server from a fork of its data, and check it",
	.more = "    devbox db replica add            of the current branch, as BRANCH-replica\n"
		"    devbox db replica promote NAME   it can be written then, and follows nobody\n"
		"    devbox db replica rm NAME",
	.run = replica,
};
