/* cmd/dblist.c -- devbox db ls, url, hosts, diff-size */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/access.h"
#include "cmd/db.h"
#include "cmd/list.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/box/recipe.h"
#include "core/branch/envfile.h"
#include "core/store/fork.h"

/* --- ls --------------------------------------------------------------------------------------- */

static bool opt_all, opt_quiet;
static const char *opt_format;

static const struct opt ls_opts[] = {
	{ 'a', "all", NULL, "Of all projects", OPT_BOOL, &opt_all, NULL },
	{ 0, "format", "string", "Format output using a custom template: 'table', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only the names of branches", OPT_BOOL, &opt_quiet, NULL },
	DB_OPTS,
	{ 0 },
};

static const struct column columns[] = {
	{ "Branch", "BRANCH" }, { "Project", "PROJECT" }, { "Service", "DATABASE" },
	{ "State", "STATE" },	{ "Address", "ADDRESS" }, { "From", "FROM" },
	{ "Size", "SIZE" },	{ "Used", "USED" },	  { "Notes", "NOTES" },
	{ NULL, NULL },
};

static const char table[] = "{{.Branch}}\t{{.Service}}\t{{.State}}\t{{.Address}}\t{{.From}}\t{{.Size}}\t"
			    "{{.Used}}\t{{.Notes}}",
		  table_all[] = "{{.Project}}\t{{.Branch}}\t{{.Service}}\t{{.State}}\t{{.Address}}\t"
				"{{.From}}\t{{.Size}}\t{{.Used}}\t{{.Notes}}";

/* "running", "asleep" (a connection starts it), "stopped", "failed". */
static const char *state_of(struct store *st, const struct dbservice *s, const struct fork *f)
{
	struct box *b = NULL;
	struct err *e = box_find(st, f->box, &b);
	bool up = !e && state_is_up(&b->state), ready = up && b->state.ready;

	err_free(e); /* no container: it is made when it is needed */
	box_free(b);
	return ready	  ? "running"
	       : up	  ? "starting"
	       : f->error ? "failed"
	       : s->up	  ? "asleep"
			  : "stopped";
}

/* What they take for themselves, what they share not counted. */
static uint64_t volumes_bytes(struct store *st, const struct strv *volumes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < volumes->n; i++) {
		struct fork_info info = { 0 };
		struct err *e = fork_info(st, volumes->v[i], &info);

		err_free(e); /* only a number for people */
		sum += info.own_bytes;
		fork_info_done(&info);
	}
	return sum;
}

static void add_note(struct str *s, const char *text)
{
	if (text)
		str_addf(s, "%s%s", s->len ? ", " : "", text);
}

static struct err *put_fork(struct list *l, const struct db *db, const struct dbservice *s,
			    const struct fork *f, const struct strv *gone)
{
	const struct branch *b = dbproject_branch(&db->p, f->branch);
	_cleanup_free_ char *name = xasprintf("%s%s", str_eq(f->branch, db->current) ? "* " : "",
					      f->branch),
			    *address = xasprintf("%s:%u", b ? b->address : "?", s->port);
	_cleanup_str_ struct str size = { 0 }, used = { 0 }, notes = { 0 };
	const char *state = state_of(db->st, s, f);

	human_size(volumes_bytes(db->st, &f->volumes), false, &size);
	human_ago(f->used_ns, time_now_ns(), &used);
	add_note(&notes, b && b->protected ? "protected" : NULL);
	add_note(&notes, strv_has(gone, f->branch) ? "gone from git" : NULL);
	add_note(&notes, f->replica_of ? "replica" : NULL);
	add_note(&notes, !strcmp(state, "failed") ? f->error : NULL);
	list_row(l);
	list_put(l, "Branch", opt_quiet ? f->branch : name);
	list_put(l, "Project", db->id);
	list_put(l, "Service", s->name);
	list_put(l, "State", state);
	list_put(l, "Address", address);
	list_put(l, "From", f->replica_of ?: f->parent ?: f->origin ?: "");
	list_put(l, "Size", size.s);
	list_put(l, "Used", used.s);
	list_put(l, "Notes", notes.s ?: "");
	return list_end_row(l);
}

/* Of a compose project: all of its containers are one row. */
static struct err *put_stack(struct list *l, const struct db *db, const struct stack *s,
			     const struct stack_fork *f, const struct strv *gone)
{
	const struct branch *b = dbproject_branch(&db->p, f->branch);
	_cleanup_free_ char *name = xasprintf("%s%s", str_eq(f->branch, db->current) ? "* " : "",
					      f->branch),
			    *what = xasprintf("compose %s", s->name), *state = NULL;
	_cleanup_str_ struct str size = { 0 }, used = { 0 }, notes = { 0 };
	size_t n = 0, running = 0;
	struct err *e = b ? stack_count(db->st, s->name, b->slug, &n, &running) : NULL;

	if (e)
		return e;
	state = n ? xasprintf("running %zu/%zu", running, n) : xstrdup("down");
	human_size(volumes_bytes(db->st, &f->volumes), false, &size);
	human_ago(f->used_ns, time_now_ns(), &used);
	add_note(&notes, b && b->protected ? "protected" : NULL);
	add_note(&notes, strv_has(gone, f->branch) ? "gone from git" : NULL);
	list_row(l);
	list_put(l, "Branch", opt_quiet ? f->branch : name);
	list_put(l, "Project", db->id);
	list_put(l, "Service", what);
	list_put(l, "State", state);
	list_put(l, "Address", b ? b->address : "?");
	list_put(l, "From", f->parent ?: "");
	list_put(l, "Size", size.s);
	list_put(l, "Used", used.s);
	list_put(l, "Notes", notes.s ?: "");
	return list_end_row(l);
}

static struct err *put_project(struct list *l, const struct db *db)
{
	_cleanup_strv_ struct strv gone = { 0 };
	struct err *e = branch_gone(&db->p, &gone);

	err_free(TAKE_PTR(e)); /* the repository is gone: so are all its branches, nothing to mark */
	for (size_t i = 0; i < db->p.n_services && !e; i++) {
		const struct dbservice *s = &db->p.services[i];

		if (opt_db_service && strcmp(s->name, opt_db_service))
			continue;
		for (size_t k = 0; k < s->n_forks && !e; k++)
			e = put_fork(l, db, s, &s->forks[k], &gone);
	}
	for (size_t i = 0; i < db->p.n_stacks && !opt_db_service; i++)
		for (size_t k = 0; k < db->p.stacks[i].n_forks && !e; k++)
			e = put_stack(l, db, &db->p.stacks[i], &db->p.stacks[i].forks[k], &gone);
	return e;
}

static struct err *list_all(struct list *l)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv ids = { 0 };
	struct err *e = store_open(&st);

	e = e ?: dbproject_list(st, &ids);
	for (size_t i = 0; i < ids.n && !e; i++) {
		_cleanup_db_ struct db db = { 0 };

		e = db_open(&db, ids.v[i]);
		e = e ?: put_project(l, &db);
	}
	return e;
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	_cleanup_list_ struct list l = { 0 };
	struct err *e = opt_all ? NULL : db_need(&db, opt_db_project);

	e = e
		    ?: list_open(&l, opt_quiet ? "{{.Branch}}" : opt_format,
				 opt_all ? table_all : table, columns);
	if (!e)
		e = opt_all ? list_all(&l) : put_project(&l, &db);
	if (e)
		return e;
	list_close(&l);
	if (!opt_all && db.p.error)
		fprintf(stderr, "%s: last failure: %s\n", prog(), db.p.error);
	return opt_all || opt_quiet || opt_format ? NULL : db_ask_gone(&db);
}

const struct verb verb_db_ls = {
	.name = "ls", .args = "", .opts = ls_opts, .summary = "List the branches that have data", .run = ls
};

/* --- url, hosts ------------------------------------------------------------------------------- */

static bool opt_own;
static const struct opt url_opts[] = {
	{ 0, "own", NULL, "The current branch's own address, not the one that follows git",
	  OPT_BOOL, &opt_own, NULL },
	DB_OPTS,
	{ 0 },
};

/* No database follows git here, as E says: then one of those that run is meant. */
static struct err *other_url(const char *name, struct err *e)
{
	_cleanup_str_ struct str out = { 0 };
	struct err *none = env_urls(name, &out);

	if (none) {
		err_free(none);
		return e;
	}
	err_free(e);
	fputs(out.s ?: "", stdout);
	return NULL;
}

static struct err *url(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	const struct work_tree *t;
	const struct branch *b;
	struct dbservice *s = NULL;
	struct db_access a;
	const char *name = NULL;
	struct err *e = db_need(&db, opt_db_project);

	if (e && !opt_db_project)
		return other_url(argc ? argv[0] : NULL, e);
	e = e ?: db_one_service(&db, &s);
	e = e ?: db_branch(&db, argc ? argv[0] : NULL, &name);
	if (e)
		return e;
	t = dbproject_tree(&db.p, db.repo.dir ?: "");
	b = dbproject_branch(&db.p, name);
	if (!b && (argc || opt_own || !t))
		return err_hint(err_new(0, "branch %s has no data", name), "devbox db ls");
	dbservice_access(s, t && !argc && !opt_own ? t->address : b->address, &a);
	puts(a.url);
	db_access_done(&a);
	return NULL;
}

const struct verb verb_db_url = {
	.name = "url",
	.args = "[BRANCH|CONTAINER|SERVICE]",
	.max_args = 1,
	.opts = url_opts,
	.summary = "Print the URL of a database, to paste into a client",
	.more = "Where no database follows git: the URLs of those that run in the compose project of the current\n"
		"directory, or of the one that is named.",
	.run = url,
};

static struct err *hosts(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	struct err *e = db_need(&db, opt_db_project);

	for (size_t i = 0; !e && i < db.p.n_trees; i++)
		printf("%s\t%s%s.localhost\n", db.p.trees[i].address, i ? "worktree." : "", db.id);
	for (size_t i = 0; !e && i < db.p.n_branches; i++)
		printf("%s\t%s.%s.localhost\n", db.p.branches[i].address, db.p.branches[i].slug, db.id);
	return e;
}

static const struct opt hosts_opts[] = { DB_OPTS, { 0 } };

const struct verb verb_db_hosts = {
	.name = "hosts",
	.args = "",
	.opts = hosts_opts,
	.summary = "Print lines for /etc/hosts: a name for every branch's address",
	.more = "Without them a resolver knows no name that ends in .localhost, or (systemd-resolved, nss-myhostname,\n"
		"browsers) says 127.0.0.1 for all of them; only root can teach it better.\n\n"
		"    devbox db hosts | sudo tee -a /etc/hosts",
	.run = hosts,
};

/* --- diff-size -------------------------------------------------------------------------------- */

static struct err *diff_fork(struct db *db, struct dbservice *s, struct fork *f, void *other)
{
	const struct fork *o = dbservice_fork(s, other ?: f->parent);
	_cleanup_str_ struct str a = { 0 }, b = { 0 };
	uint64_t own = 0, others = 0;

	if (!o)
		return other ? err_new(0, "branch %s has no data of %s", (char *)other, s->name)
			     : err_hint(err_new(0, "%s of branch %s was forked from nothing",
						s->name, f->branch),
					"name two branches");
	for (size_t i = 0; i < f->volumes.n; i++) {
		uint64_t x = 0, y = 0;
		struct err *e = fork_diff_size(db->st, f->volumes.v[i], o->volumes.v[i], &x, &y);

		if (e)
			return e;
		own += x;
		others += y;
	}
	human_size(own, false, &a);
	human_size(others, false, &b);
	printf("%s\t%s\t%s\n%s\t%s\t%s\n", s->name, f->branch, a.s, s->name, o->branch, b.s);
	return NULL;
}

static struct err *diff_size(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	const char *branch;
	struct err *e = db_need(&db, opt_db_project);

	e = e ?: db_branch(&db, argc ? argv[0] : NULL, &branch);
	return e ?: db_each_fork(&db, branch, diff_fork, argc > 1 ? argv[1] : NULL);
}

const struct verb verb_db_diff_size = {
	.name = "diff-size",
	.args = "[BRANCH [OTHER]]",
	.max_args = 2,
	.opts = hosts_opts,
	.summary = "Print what a branch and its parent each have for themselves, of what they once shared",
	.run = diff_size,
};
