/* cmd/env.c -- devbox env [--format FORMAT] [CONTAINER] */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/access.h"
#include "cmd/db.h"
#include "cmd/verb.h"
#include "core/branch/envfile.h"

static const char *opt_format = "shell";

static const struct opt opts[] = {
	{ 'f', "format", "string",
	  "shell, dotenv, django, laravel, rails, node or json (default \"shell\")", OPT_STR,
	  &opt_format, NULL },
	{ 0 },
};

static struct err *parse_format(enum env_format *ret)
{
	for (enum env_format f = 0; f < ENV_FORMAT_MAX; f++)
		if (!strcmp(opt_format, env_format_names[f])) {
			*ret = f;
			return NULL;
		}
	return err_hint(err_new(0, "unknown format '%s'", opt_format),
			"shell, dotenv, django, laravel, rails, node or json");
}

/* The one database that runs, if it is one. */
static struct err *only_database(struct store *st, struct box **ret)
{
	_cleanup_str_ struct str names = { 0 };
	struct box **boxes = NULL, *found = NULL;
	size_t n = 0, running = 0;
	struct err *e = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		struct box *b = boxes[i];

		if (b->spec.recipe && b->state.status == BOX_RUNNING) {
			str_addf(&names, "%s%s", running++ ? ", " : "", b->spec.name);
			if (!found) {
				found = b;
				continue;
			}
		}
		box_free(b);
	}
	free(boxes);
	if (!e && running != 1) {
		e = running ? err_hint(err_new(0, "%zu databases are running", running),
				       "name one of %s", names.s)
			    : err_hint(err_new(0, "no database is running"), "%s run mysql -p 3306",
				       prog());
		box_free(found);
		found = NULL;
	}
	*ret = found;
	return e;
}

/* Those of the repository that the current directory is in: they lead to the branch that is checked out.
 * *RET_DONE: it has some. */
static struct err *print_project(enum env_format format, bool *ret_done)
{
	_cleanup_db_ struct db db = { 0 };
	const struct work_tree *t;
	struct err *e = db_open(&db, NULL);

	t = !e && db.id && db.repo.dir ? dbproject_tree(&db.p, db.repo.dir) : NULL;
	*ret_done = t && db.p.n_services;
	for (size_t i = 0; *ret_done && i < db.p.n_services; i++) {
		_cleanup_free_ char *text = NULL;
		struct db_access a;

		dbservice_access(&db.p.services[i], t->address, &a);
		text = db_access_format(&a, format);
		fputs(text, stdout);
		db_access_done(&a);
	}
	return e;
}

static struct err *env(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_free_ char *text = NULL;
	struct db_access a = { 0 };
	enum env_format format = ENV_SHELL;
	bool done = false;
	struct err *e;

	e = parse_format(&format);
	if (!e && !argc)
		e = print_project(format, &done);
	if (done)
		return e;
	e = e ?: store_open(&st);
	if (!e)
		e = argc ? box_find(st, argv[0], &b) : only_database(st, &b);
	e = e ?: access_find(b, &a);
	if (e)
		return e;
	text = db_access_format(&a, format);
	fputs(text, stdout);
	db_access_done(&a);
	return NULL;
}

const struct verb verb_env = {
	.name = "env",
	.args = "[CONTAINER]",
	.max_args = 1,
	.opts = opts,
	.summary = "Print how to reach a database: DB_* settings and DATABASE_URL",
	.more = "Without CONTAINER: the databases of this git repository (devbox db up), else the only one that\n"
		"runs.\n\n"
		"    eval \"$(devbox env)\"             in a shell\n"
		"    devbox env -f dotenv db > .env    for a project",
	.run = env,
};
