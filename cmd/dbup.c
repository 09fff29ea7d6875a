/* cmd/dbup.c -- devbox db up, create, stop, sleep, switch, reset, rm, prune, protect, rename */
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
#include "core/store/trash.h"

enum { IDLE_DEFAULT_MS = 15 * 60 * 1000, ENV_FILE_MAX = 1 << 20 };

/* --- up --------------------------------------------------------------------------------------- */

static struct strv opt_env, opt_env_files, opt_binds;
static const char *opt_name, *opt_version, *opt_from, *opt_branch, *opt_pull = "missing";
static int64_t opt_idle_ms = -1, opt_ttl_ms = -1;
static bool opt_no_env_file, opt_quiet, opt_force;

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
