/* cmd/env.c -- devbox env [--format FORMAT] [CONTAINER|SERVICE] */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/access.h"
#include "cmd/db.h"
#include "cmd/verb.h"
#include "core/branch/envfile.h"
#include "core/compose/actual.h"
#include "core/compose/request.h"

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

/* Is B of the compose project that CWD is in? */
static bool is_here(const struct box *b, const char *cwd)
{
	const char *dir = box_label(b, LABEL_DIRECTORY), *rest = dir ? str_after(cwd, dir) : NULL;

	return rest && (!*rest || *rest == '/');
}

/* The databases that run; with CWD, those of the compose project there; with SERVICE, those of that service.
 * *RET is the first one, the caller's. */
static struct err *databases(struct store *st, const char *cwd, const char *service,
			     struct str *ret_names, size_t *ret_n, struct box **ret)
{
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &boxes, &n);

	*ret = NULL;
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		struct box *b = boxes[i];

		if (b->spec.recipe && b->state.status == BOX_RUNNING && (!cwd || is_here(b, cwd)) &&
		    (!service || str_eq(box_label(b, LABEL_SERVICE), service))) {
			str_addf(ret_names, "%s%s", (*ret_n)++ ? ", " : "", b->spec.name);
			if (!*ret) {
				*ret = b;
				continue;
			}
		}
		box_free(b);
	}
	free(boxes);
	return e;
}

/* The one database that runs, here if there are more. */
static struct err *only_database(struct store *st, const char *cwd, struct box **ret)
{
	_cleanup_str_ struct str names = { 0 }, here = { 0 };
	size_t n = 0;
	struct err *e = databases(st, cwd, NULL, &here, &n, ret);

	if (e || n == 1)
		return e;
	box_free(*ret);
	e = databases(st, NULL, NULL, &names, &n, ret);
	if (!e && n != 1) {
		e = n ? err_hint(err_new(0, "%zu databases are running", n), "name one of %s", names.s)
		      : err_hint(err_new(0, "no database is running"), "%s run mysql -p 3306", prog());
		box_free(*ret);
		*ret = NULL;
	}
	return e;
}

/* NAME is a container's, or a service's of the compose project here. */
static struct err *named_database(struct store *st, const char *cwd, const char *name, struct box **ret)
{
	_cleanup_str_ struct str names = { 0 };
	size_t n = 0;
	struct err *missing = box_find(st, name, ret), *e;

	if (!missing)
		return NULL;
	e = databases(st, cwd, name, &names, &n, ret);
	if (*ret) {
		err_free(missing);
		return NULL;
	}
	err_free(e); /* what was asked for is a name that is none */
	return missing;
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
	_cleanup_free_ char *text = NULL, *cwd = getcwd(NULL, 0);
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
		e = argc ? named_database(st, cwd ?: "", argv[0], &b)
			 : only_database(st, cwd ?: "", &b);
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
	.args = "[CONTAINER|SERVICE]",
	.max_args = 1,
	.opts = opts,
	.summary = "Print how to reach a database: DB_* settings and DATABASE_URL",
	.more = "SERVICE is one of the compose project in the current directory.  Without a name: the databases of\n"
		"this git repository (devbox db up), else the only one that runs, here or at all.\n\n"
		"    eval \"$(devbox env)\"             in a shell\n"
		"    devbox env -f dotenv db > .env    for a project",
	.run = env,
};
