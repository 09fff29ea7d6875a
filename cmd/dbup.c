/* cmd/dbup.c -- devbox db up, create */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/access.h"
#include "cmd/db.h"
#include "cmd/envfile.h"
#include "cmd/pull.h"
#include "core/base/fd.h"
#include "core/branch/envfile.h"

enum { IDLE_DEFAULT_MS = 15 * 60 * 1000, ENV_FILE_MAX = 1 << 20 };

/* --- up --------------------------------------------------------------------------------------- */

static struct strv opt_env, opt_env_files, opt_binds;
static const char *opt_name, *opt_version, *opt_from, *opt_branch, *opt_pull = "missing";
static int64_t opt_idle_ms = -1, opt_ttl_ms = -1;
static bool opt_no_env_file, opt_quiet;

static struct err *set_env(const char *value, UNUSED void *to)
{
	return env_add(value, &opt_env);
}

/* Absolute, for the record outlives the current directory. */
static struct err *set_bind(const char *value, UNUSED void *to)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	struct mounts m = { 0 };
	struct err *e = mount_parse_volume(value, cwd ?: "/", &m);

	if (!e && (m.v[0].type != MOUNT_BIND || m.v[0].anonymous))
		e = err_new(0, "only files and directories of the host: each branch has volumes of its own");
	if (!e)
		strv_addf(&opt_binds, "%s:%s%s", m.v[0].source, m.v[0].target,
			  m.v[0].read_only ? ":ro" : "");
	mounts_done(&m);
	return e;
}

#define SERVICE_OPTS                                                                               \
	{ 'e', "env", NULL, "Set environment variables of the image", OPT_CALL, NULL, set_env },   \
		{ 0,	    "env-file",	    NULL, "Read in a file of environment variables",       \
		  OPT_LIST, &opt_env_files, NULL },                                                \
		{ 'v',	    "volume",                                                              \
		  NULL,	    "Mount a file or directory of the host in every branch's container",   \
		  OPT_CALL, NULL,                                                                  \
		  set_bind },                                                                      \
		{ 0,	    "version",                                                             \
		  "string", "The image's tag: --version 8.4 mysql is mysql:8.4",                   \
		  OPT_STR,  &opt_version,                                                          \
		  NULL },                                                                          \
		{ 0,                                                                               \
		  "idle",                                                                          \
		  "duration",                                                                      \
		  "Stop the server after this long without a connection; the next one\n"           \
		  "starts it (default 15m; 0 is never)",                                           \
		  OPT_CALL,                                                                        \
		  &opt_idle_ms,                                                                    \
		  db_duration },                                                                   \
		{ 0,	    "pull",                                                                \
		  "string", "Pull the image before: always, missing or never (default missing)",   \
		  OPT_STR,  &opt_pull,                                                             \
		  NULL },                                                                          \
	{                                                                                          \
		'q', "quiet", NULL, "Say nothing but errors", OPT_BOOL, &opt_quiet, NULL           \
	}

static const struct opt up_opts[] = {
	SERVICE_OPTS,
	{ 'b', "branch", "string", "For this branch (default: the one that is checked out)",
	  OPT_STR, &opt_branch, NULL },
	{ 0, "from", "branch", "Make its data from this branch's (default: the one it was cut from)",
	  OPT_STR, &opt_from, NULL },
	{ 0, "name", "string", "Call the database so (default: the image's name)", OPT_STR,
	  &opt_name, NULL },
	{ 0, "no-env-file", NULL, "Do not write .env.devbox", OPT_BOOL, &opt_no_env_file, NULL },
	{ 0, "ttl", "duration",
	  "Remove a branch's data when it was not used for so long (7d, 12h;\n"
	  "default never)",
	  OPT_CALL, &opt_ttl_ms, db_duration },
	{ 'P', "project", "string", "The project, by name (default: that of the current directory)",
	  OPT_STR, &opt_db_project, NULL },
	{ 0 },
};

/* "mysql" of "example.org/library/mysql:8.4@sha256:..." */
static char *service_name(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *last = slash ? slash + 1 : image;
	_cleanup_free_ char *name = xstrndup(last, strcspn(last, ":@"));

	return slug_make(name);
}

static struct err *read_env(struct strv *ret)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < opt_env_files.n; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, opt_env_files.v[i], ENV_FILE_MAX, &text, &len);
		e = e ?: env_file_parse(text, len, opt_env_files.v[i], ret);
	}
	strv_copy(ret, &opt_env);
	return e;
}

static bool has_all(const struct strv *recorded, const struct strv *given)
{
	for (size_t i = 0; i < given->n; i++)
		if (!strv_has(recorded, given->v[i]))
			return false;
	return true;
}

/* What was said now has to be what the service was made with: its data was set up so. */
static struct err *check_same(const struct dbservice *s, const char *image,
			      const struct dbservice_want *want)
{
	const char *what = strcmp(s->image, image) && opt_version ? "version"
			   : !has_all(&s->env, &want->env)	  ? "environment"
			   : !has_all(&s->args, &want->args)	  ? "arguments"
			   : !has_all(&s->binds, &want->binds)	  ? "mounts"
								  : NULL;

	if (!what)
		return NULL;
	return err_hint(err_new(0, "database %s was made with another %s", s->name, what),
			"another one beside it: --name NAME; or remove it with its data: devbox db rm --all -s %s",
			s->name);
}

/* The service NAME in the project of DB: found, or defined by the image.  Adopts options that may change. */
static struct err *ensure_service(struct db *db, const char *project_name, const char *image,
				  int argc, char **argv, char **ret_name)
{
	_cleanup_free_ char *name = opt_name ? slug_make(opt_name) : service_name(image);
	_cleanup_free_ char *full =
		opt_version ? xasprintf("%s:%s", image, opt_version) : xstrdup(image);
	struct dbservice_want want = { .name = name, .image = full };
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_image_ struct image *img = NULL;
	struct dbproject p = { 0 };
	struct dbservice *s = dbproject_service(&db->p, name);
	struct work_tree *t;
	struct err *e = read_env(&want.env);

	for (int i = 0; i < argc; i++)
		strv_add(&want.args, argv[i]);
	strv_copy(&want.binds, &opt_binds);
	want.idle_ms = opt_idle_ms >= 0 ? opt_idle_ms : IDLE_DEFAULT_MS;
	want.ttl_ms = opt_ttl_ms >= 0 ? opt_ttl_ms : 0;
	if (!e && !s)
		e = image_get_shown(db->st, full, NULL, opt_pull, opt_quiet, &img);
	e = e
		    ?: dbproject_make(db->st, db->repo.dir && !project_name ? &db->repo : NULL,
				      project_name, &d, &p);
	if (e)
		goto out;
	free(db->id);
	db->id = xstrdup(p.id);
	s = dbproject_service(&p, name); /* somebody may have been faster */
	if (s)
		e = check_same(s, full, &want);
	else if (img)
		e = dbservice_define(db->st, &p, &want, img, &s);
	else
		e = err_new(EAGAIN, "database %s was just removed", name);
	if (!e) {
		s->up = true;
		s->idle_ms = opt_idle_ms >= 0 ? opt_idle_ms : s->idle_ms;
		s->ttl_ms = opt_ttl_ms >= 0 ? opt_ttl_ms : s->ttl_ms;
		e = dbproject_ensure_tree(db->st, &d, &p, project_name ? NULL : &db->repo, &t);
	}
	if (!e) {
		t->env_file = !project_name && !opt_no_env_file;
		if (project_name && !t->pinned)
			t->pinned = xstrdup("main");
		e = dbproject_save(&d, &p);
		*ret_name = TAKE_PTR(name);
	} else if (!p.n_services && !p.n_branches) {
		err_free(dbproject_remove(db->st, &d, &p)); /* made for nothing */
	}
	dbproject_done(&p);
out:
	strv_done(&want.env);
	strv_done(&want.args);
	strv_done(&want.binds);
	return e;
}

static void print_up(const struct db *db, const struct dbservice *s, const char *branch,
		     const struct branch_result *r, bool stable)
{
	const struct branch *b = dbproject_branch(&db->p, branch);
	const struct work_tree *t = dbproject_tree(&db->p, db->repo.dir ?: "");
	_cleanup_free_ char *settings = NULL;
	struct db_access a;

	if (opt_quiet || !b)
		return;
	fprintf(stderr, "%s of branch %s is ready%s%s%s\n", s->name, branch,
		r->made && r->parent	? ", forked from "
		: r->made && !r->parent ? ", a new database"
					: "",
		r->made && r->parent ? r->parent : "",
		r->made && r->origin ? " (data that was kept)" : "");
	fprintf(stderr, "  this branch        %s:%u  (%s.%s.localhost)\n", b->address, s->port,
		b->slug, db->id);
	if (t && stable)
		fprintf(stderr, "  checked-out branch %s:%u  (always; for the application's settings)\n",
			t->address, s->port);
	dbservice_access(s, t && stable ? t->address : b->address, &a);
	settings = db_access_format(&a, ENV_DOTENV);
	fprintf(stderr, "\n%s\n", settings);
	db_access_done(&a);
}

static struct err *up_one(struct db *db, const char *service, const char *branch, bool stable)
{
	struct branch_result r = { 0 };
	struct err *e = branch_up(db->st, db->id, service, branch, db->repo.dir ? &db->repo : NULL,
				  opt_from, &r);

	e = e ?: db_reread(db);
	if (!e)
		print_up(db, dbproject_service(&db->p, service), branch, &r, stable);
	branch_result_done(&r);
	return e;
}

/* `db up` without an image: all that the project has. */
static struct err *up_all(struct db *db)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	struct dbproject p = { 0 };
	struct work_tree *t = NULL;
	struct err *e = dbproject_open(db->st, db->id, true, &d, &p);

	if (!e && (db->repo.dir && str_eq(p.common, db->repo.common))) {
		e = dbproject_ensure_tree(db->st, &d, &p, &db->repo, &t);
		if (!e && !opt_no_env_file)
			t->env_file = true;
	}
	for (size_t i = 0; i < p.n_services; i++) {
		p.services[i].up = true;
		p.services[i].idle_ms = opt_idle_ms >= 0 ? opt_idle_ms : p.services[i].idle_ms;
		p.services[i].ttl_ms = opt_ttl_ms >= 0 ? opt_ttl_ms : p.services[i].ttl_ms;
	}
	e = e ?: dbproject_save(&d, &p);
	dbproject_done(&p);
	return e;
}

static struct err *write_env_file(struct db *db)
{
	const struct work_tree *t = dbproject_tree(&db->p, db->repo.dir);

	if (!t || !t->env_file || !db->current)
		return NULL;
	return err_wrap(envfile_write(&db->p, t, db->current), "writing %s", ENVFILE_NAME);
}

static struct err *up(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_free_ char *service = NULL;
	const char *branch = NULL;
	bool stable;
	struct err *e = argc ? db_open(&db, opt_db_project) : db_need(&db, opt_db_project);

	if (!e && argc && !db.repo.dir && !db.id)
		e = err_hint(err_new(0, "not in a git work tree"),
			     "%s db create NAME %s makes a database without one", prog(), argv[0]);
	e = e ?: db_branch(&db, opt_branch, &branch);
	if (e)
		return e;
	stable = str_eq(branch, db.current);
	if (argc) {
		_cleanup_free_ char *other =
			opt_db_project && !str_eq(db.p.common, db.repo.common) ? xstrdup(db.id) : NULL;

		e = other ? err_new(0, "--project with an image: make it in its own work tree")
			  : ensure_service(&db, NULL, argv[0], argc - 1, argv + 1, &service);
		e = e ?: up_one(&db, service, branch, stable);
	} else {
		if (!db.p.n_services)
			return err_hint(err_new(0, "project %s has no database yet", db.id),
					"devbox db up mysql");
		e = up_all(&db);
		for (size_t i = 0; i < db.p.n_services && !e; i++) {
			_cleanup_free_ char *name = xstrdup(db.p.services[i].name);

			e = up_one(&db, name, branch, stable);
		}
	}
	e = e ?: db_tell(&db);
	e = e ?: db_reread(&db);
	if (db.repo.dir)
		e = e ?: write_env_file(&db);
	return e ?: db_ask_gone(&db);
}

const struct verb verb_db_up = {
	.name = "up",
	.args = "[IMAGE [ARG...]]",
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = up_opts,
	.summary = "Give the checked-out git branch a database of its own, forked from its parent's",
	.more = "Without IMAGE: every database that the project has.  IMAGE is one of mysql, mariadb, postgres,\n"
		"redis, valkey, mongo, or made from them; ARGs go to its server.\n\n"
		"    devbox db up mysql -e MYSQL_DATABASE=app\n"
		"    git switch -c feature && devbox db up      forks main's data\n\n"
		"The settings printed (and kept in .env.devbox) stay the same for all branches: their address leads\n"
		"to the branch that is checked out at the moment of a connection.",
	.run = up,
};

/* --- create ----------------------------------------------------------------------------------- */

static const struct opt create_opts[] = {
	SERVICE_OPTS,
	{ 0, "from", "branch", "Make its data from this branch's (default: the current one)",
	  OPT_STR, &opt_from, NULL },
	{ 'P', "project", "string", NULL, OPT_STR, &opt_db_project, NULL },
	{ 0 },
};

/* A database beside all repositories: a project of its own, with one branch. */
static struct err *create_alone(struct db *db, const char *name, int argc, char **argv)
{
	_cleanup_free_ char *slug = slug_make(name), *service = NULL;
	struct err *e;

	if (strcmp(slug, name))
		return err_new(0, "'%s' is no name for a database: lower-case letters, digits and dashes",
			       name);
	git_repo_done(&db->repo);
	opt_no_env_file = true;
	e = ensure_service(db, name, argv[0], argc - 1, argv + 1, &service);
	if (err_is(e, EEXIST)) {
		err_free(e);
		return err_hint(err_new(0, "there is a database %s", name), "%s db rm --all -P %s",
				prog(), name);
	}
	e = e ?: up_one(db, service, "main", true);
	e = e ?: db_tell(db);
	if (!e)
		puts(name);
	return e;
}

/* Data that belongs to no branch of git, beside those that do. */
static struct err *create_beside(struct db *db, const char *name)
{
	const char *from;
	struct err *e = db_branch(db, opt_from, &from);

	if (!e && !git_name_ok(name))
		e = err_new(0, "'%s' is no name for a branch", name);
	if (!e && dbproject_branch(&db->p, name))
		e = err_hint(err_new(0, "branch %s has data already", name), "%s db reset %s",
			     prog(), name);
	for (size_t i = 0; i < db->p.n_services && !e; i++) {
		struct branch_result r = { 0 };

		e = branch_make(db->st, db->id, db->p.services[i].name, name, NULL, from, &r);
		branch_result_done(&r);
	}
	if (!e) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject p = { 0 };

		e = dbproject_open(db->st, db->id, true, &d, &p);
		if (!e && dbproject_branch(&p, name)) {
			dbproject_branch(&p, name)->keep = true; /* git never had it */
			e = dbproject_save(&d, &p);
		}
	}
	e = e ?: db_tell(db);
	if (!e)
		puts(name);
	return e;
}

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	struct err *e = argc > 1 ? db_open(&db, NULL) : db_need(&db, opt_db_project);

	if (e)
		return e;
	return argc > 1 ? create_alone(&db, argv[0], argc - 1, argv + 1) : create_beside(&db, argv[0]);
}

const struct verb verb_db_create = {
	.name = "create",
	.args = "NAME [IMAGE [ARG...]]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_ANYWHERE,
	.opts = create_opts,
	.summary = "Make a database that no git branch decides about",
	.more = "With IMAGE: on its own, to be used from anywhere (-P NAME).  Without: a further copy of the current\n"
		"branch's data in the project, which `devbox db switch NAME` can put behind its address.",
	.run = create,
};
