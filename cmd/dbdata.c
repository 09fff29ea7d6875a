/* cmd/dbdata.c -- devbox db import, snapshot */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/db.h"
#include "cmd/list.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "cmd/pull.h"
#include "core/branch/import.h"
#include "core/branch/share.h"
#include "core/store/fork.h"

/* --- import ----------------------------------------------------------------------------------- */

static const char *opt_branch, *opt_database;
static bool opt_quiet;

static const struct opt import_opts[] = {
	{ 'b', "branch", "string", "Into this branch's data (default: the one that is checked out)",
	  OPT_STR, &opt_branch, NULL },
	{ 'd', "database", "string", "Into this database of the server, made if it is missing",
	  OPT_STR, &opt_database, NULL },
	{ 'q', "quiet", NULL, "No progress", OPT_BOOL, &opt_quiet, NULL },
	DB_OPTS,
	{ 0 },
};

/* In the feeding child: at most ten times a second. */
static void show_progress(UNUSED void *arg, const char *what, uint64_t done, uint64_t total)
{
	static int64_t last_ms;
	int64_t now_ms = time_mono_ms();
	_cleanup_str_ struct str size = { 0 };

	if (now_ms - last_ms < 100)
		return;
	last_ms = now_ms;
	human_size(done, false, &size);
	if (total)
		dprintf(STDERR_FILENO, "\r\033[K%s: %s, %llu%%", what, size.s,
			(unsigned long long)(done * 100 / total));
	else
		dprintf(STDERR_FILENO, "\r\033[K%s: %s", what, size.s);
}

static struct err *import(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	bool bar = !opt_quiet && isatty(STDERR_FILENO);
	struct import_opts opts = { .database = opt_database, .progress = bar ? show_progress : NULL };
	struct branch_result r = { 0 };
	_cleanup_box_ struct box *b = NULL;
	struct dbservice *s = NULL;
	const char *branch = NULL;
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: db_one_service(&db, &s);
	e = e ?: db_branch(&db, opt_branch, &branch);
	e = e ?: branch_up(db.st, db.id, s->name, branch, db.repo.dir ? &db.repo : NULL, NULL, &r);
	e = e ?: db_tell(&db);
	e = e ?: box_find(db.st, r.box, &b);
	for (int i = 0; i < argc && !e; i++) {
		bool address = strstr(argv[i], "://");

		if (!opt_quiet && !bar)
			fprintf(stderr, "importing %s into branch %s\n",
				address ? "from a server" : argv[i], branch);
		e = import_source(b, argv[i], &opts, STDERR_FILENO);
		if (bar)
			fputs("\r\033[K", stderr);
	}
	branch_result_done(&r);
	return e;
}

const struct verb verb_db_import = {
	.name = "import",
	.args = "FILE|DIRECTORY|ADDRESS|- ...",
	.min_args = 1,
	.max_args = -1,
	.opts = import_opts,
	.summary = "Load SQL dumps, or another server's database, into a branch's data",
	.more = "    devbox db import dump.sql.zst            .sql, gzip, zstd, xz or bzip2\n"
		"    devbox db import seeds/                  its .sql files, by name\n"
		"    devbox db import mysql://me:pw@db.example.org/shop\n"
		"    ssh db mysqldump shop | devbox db import -",
	.run = import,
};

/* --- snapshot --------------------------------------------------------------------------------- */

static const char *opt_format;

static const struct opt snapshot_opts[] = {
	{ 'b', "branch", "string", "Of this branch (default: the one that is checked out)", OPT_STR,
	  &opt_branch, NULL },
	{ 0, "format", "string", "With ls: format output using a custom template", OPT_STR,
	  &opt_format, NULL },
	{ 'q', "quiet", NULL, "With ls: only names", OPT_BOOL, &opt_quiet, NULL },
	DB_OPTS,
	{ 0 },
};

static struct err *check_snapshot_name(const char *name)
{
	if (*name && strlen(name) <= 100 &&
	    !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
		return NULL;
	return err_new(0, "'%s' is no name for a snapshot: letters, digits and \"_.-\"", name);
}

static struct err *create_one(struct db *db, struct dbservice *s, struct fork *f, void *name)
{
	_cleanup_strv_ struct strv to = { 0 };

	for (size_t i = 0; i < f->volumes.n; i++)
		strv_addf(&to, "%s@%s", f->volumes.v[i], (char *)name);
	return err_wrap(branch_copy(db->st, s, f, &f->volumes, &to), "%s of branch %s", s->name,
			f->branch);
}

static struct err *restore_one(struct db *db, struct dbservice *s, struct fork *f, void *name)
{
	_cleanup_strv_ struct strv from = { 0 };
	_cleanup_free_ char *origin = xasprintf("snapshot %s", (char *)name);
	struct err *e;

	for (size_t i = 0; i < f->volumes.n; i++)
		strv_addf(&from, "%s@%s", f->volumes.v[i], (char *)name);
	e = branch_replace(db->st, db->id, s->name, f->branch, &from, origin);
	if (!e)
		fprintf(stderr, "%s of branch %s is what it was in %s\n", s->name, f->branch,
			(char *)name);
	return e;
}

static struct err *remove_one(struct db *db, UNUSED struct dbservice *s, struct fork *f, void *name)
{
	struct err *e = NULL;

	for (size_t i = 0; i < f->volumes.n && !e; i++) {
		_cleanup_free_ char *text = xasprintf("%s@%s", f->volumes.v[i], (char *)name);

		e = snapshot_remove(db->st, text);
	}
	return e;
}

static const struct column columns[] = {
	{ "Name", "SNAPSHOT" },	    { "Branch", "BRANCH" }, { "Service", "DATABASE" },
	{ "CreatedAt", "CREATED" }, { NULL, NULL },
};

static struct err *list_fork(struct list *l, const struct db *db, const struct dbservice *s,
			     const struct fork *f)
{
	struct snapshots snaps = { 0 };
	struct err *e = snapshot_list(db->st, f->volumes.v[0], &snaps);

	for (size_t i = 0; i < snaps.n && !e; i++) {
		_cleanup_str_ struct str made = { 0 };

		human_ago(snaps.v[i].made_ns, time_now_ns(), &made);
		list_row(l);
		list_put(l, "Name", snaps.v[i].name);
		list_put(l, "Branch", f->branch);
		list_put(l, "Service", s->name);
		list_put(l, "CreatedAt", made.s);
		e = list_end_row(l);
	}
	snapshots_done(&snaps);
	return e;
}

static struct err *list_snapshots(struct db *db)
{
	_cleanup_list_ struct list l = { 0 };
	struct err *e = list_open(&l, opt_quiet ? "{{.Name}}" : opt_format,
				  "{{.Name}}\t{{.Branch}}\t{{.Service}}\t{{.CreatedAt}}", columns);

	for (size_t i = 0; i < db->p.n_services; i++)
		for (size_t k = 0; k < db->p.services[i].n_forks && !e; k++) {
			const struct dbservice *s = &db->p.services[i];

			if ((opt_branch && strcmp(s->forks[k].branch, opt_branch)) ||
			    (opt_db_service && strcmp(s->name, opt_db_service)))
				continue;
			e = list_fork(&l, db, s, &s->forks[k]);
		}
	if (!e)
		list_close(&l);
	return e;
}

/* --- push, pull: through a registry --- */

/* What the service's next snapshot stands on. */
static struct err *note_shared(struct db *db, const char *service, const char *ref)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct dbservice *s;
	struct err *e = dbproject_open(db->st, db->id, true, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	if (!s)
		return e;
	free(s->shared);
	s->shared = xstrdup(ref);
	return dbproject_save(&d, &p);
}

/* The last snapshot of the service that was pushed or pulled, if it is still here. */
static void find_base(struct db *db, const struct dbservice *s, struct image **ret)
{
	struct err *e = s->shared ? image_find(db->st, s->shared, ret) : NULL;

	err_free(e); /* then everything is new */
	if (*ret && !share_is_snapshot(*ret)) {
		image_free(*ret);
		*ret = NULL;
	}
}

static struct err *push_snapshot(struct db *db, struct dbservice *s, struct fork *f, const char *ref)
{
	_cleanup_image_ struct image *base = NULL;
	_cleanup_free_ char *digest = NULL;
	int64_t size;
	struct err *e;

	find_base(db, s, &base);
	if (!opt_quiet)
		fprintf(stderr, "making a snapshot of %s of branch %s%s%s\n", s->name, f->branch,
			base ? ", on top of " : "", base ? s->shared : "");
	e = share_make(db->st, s, f, base, ref);
	e = e ?: push_shown(db->st, ref, opt_quiet, STDERR_FILENO, &digest, &size);
	if (!e)
		puts(digest);
	return e ?: note_shared(db, s->name, ref);
}

static struct err *pull_snapshot(struct db *db, struct dbservice *s, struct fork *f, const char *ref)
{
	_cleanup_image_ struct image *img = NULL;
	struct err *e = image_get_shown(db->st, ref, NULL, "always", opt_quiet, &img);

	e = e ?: share_take(db->st, db->id, s->name, f->branch, img);
	if (!e)
		fprintf(stderr, "%s of branch %s is what it was in %s\n", s->name, f->branch, ref);
	if (!e && s->made_password)
		fprintf(stderr,
			"%s: its passwords are those of where it was pushed (devbox db up -e sets one for all)\n",
			prog());
	return e ?: note_shared(db, s->name, ref);
}

static struct err *through_registry(struct db *db, const char *name, bool push)
{
	_cleanup_free_ char *ref = NULL;
	struct branch_result r = { 0 };
	struct image_ref parsed;
	struct dbservice *s = NULL;
	struct fork *f = NULL;
	const char *branch = NULL;
	struct err *e = image_ref_parse(name, &parsed);

	if (e)
		return err_wrap(e, "%s", name);
	ref = image_ref_full(&parsed);
	image_ref_done(&parsed);
	e = db_one_service(db, &s);
	e = e ?: db_branch(db, opt_branch, &branch);
	if (!e && !dbservice_fork(s, branch)) {
		_cleanup_free_ char *service = xstrdup(s->name);

		e = branch_make(db->st, db->id, service, branch, db->repo.dir ? &db->repo : NULL,
				NULL, &r);
		branch_result_done(&r);
		e = e ?: db_reread(db);
		s = e ? NULL : dbproject_service(&db->p, service);
	}
	f = s ? dbservice_fork(s, branch) : NULL;
	if (e)
		return e;
	return push ? push_snapshot(db, s, f, ref) : pull_snapshot(db, s, f, ref);
}

static struct err *snapshot(UNUSED struct call *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		struct err *(*fn)(struct db *db, struct dbservice *s, struct fork *f, void *arg);
	} actions[] = { { "create", create_one }, { "restore", restore_one }, { "rm", remove_one } };
	_cleanup_db_ struct db db = { 0 };
	const char *branch;
	struct err *e = db_need(&db, opt_db_project);

	if (e)
		return e;
	if (!strcmp(argv[0], "ls") || !strcmp(argv[0], "list"))
		return list_snapshots(&db);
	if (argc != 2)
		return err_new(0, "snapshot %s needs the snapshot's name", argv[0]);
	if (!strcmp(argv[0], "push") || !strcmp(argv[0], "pull"))
		return through_registry(&db, argv[1], !strcmp(argv[0], "push"));
	e = check_snapshot_name(argv[1]);
	e = e ?: db_branch(&db, opt_branch, &branch);
	for (size_t i = 0; i < ARRAY_LEN(actions) && !e; i++)
		if (!strcmp(argv[0], actions[i].name)) {
			e = db_each_fork(&db, branch, actions[i].fn, argv[1]);
			if (!e && actions[i].fn == create_one)
				puts(argv[1]);
			return e;
		}
	return e ?: err_new(0, "create, ls, restore, rm, push or pull, not '%s'", argv[0]);
}

const struct verb verb_db_snapshot = {
	.name = "snapshot",
	.args = "create|ls|restore|rm|push|pull [NAME]",
	.min_args = 1,
	.max_args = 2,
	.opts = snapshot_opts,
	.summary = "Keep a branch's data as it is now, and put it back later",
	.more = "    devbox db snapshot create before-migration\n"
		"    devbox db snapshot restore before-migration\n"
		"    devbox db snapshot push registry.example.org/shop/data:monday\n"
		"    devbox db snapshot pull registry.example.org/shop/data:monday\n\n"
		"push sends only what has changed since the last one; pull puts it in place of the branch's data.",
	.run = snapshot,
};
