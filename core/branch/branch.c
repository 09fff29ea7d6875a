#include "core/branch/branch_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/boxfork.h"
#include "core/box/procs.h"
#include "core/box/recipe.h"
#include "core/store/fork.h"
#include "core/store/names.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

enum { COMMIT_DIGITS = 12, CHAIN_MAX = 32, NAME_TRIES = 100, UNUSED_MS = 10000 };

void branch_result_done(struct branch_result *r)
{
	free(r->parent);
	free(r->origin);
	free(r->box);
	*r = (struct branch_result){ 0 };
}

char *branch_of_head(const struct git_head *h)
{
	return h->branch ? xstrdup(h->branch) : xasprintf("@%.*s", COMMIT_DIGITS, h->commit);
}

struct err *branch_of_tree(const struct work_tree *t, char **ret)
{
	_cleanup_git_ struct git_repo r = { 0 };
	_cleanup_git_head_ struct git_head h = { 0 };
	struct err *e;

	if (t->pinned) {
		*ret = xstrdup(t->pinned);
		return NULL;
	}
	if (!*t->dir)
		return err_new(0, "no branch was chosen");
	e = git_open_dir(t->dir, &r);
	e = e ?: git_head(&r, &h);
	if (!e)
		*ret = branch_of_head(&h);
	return e;
}

/* --- services --------------------------------------------------------------------------------- */

struct err *dbservice_define(struct store *st, struct dbproject *p, const struct dbservice_want *want,
			     const struct image *img, struct dbservice **ret)
{
	struct run_request req = { .image = want->image, .stop_timeout_s = -1 };
	struct spec spec = { 0 };
	struct dbservice *s;
	struct err *e;

	(void)st;
	if (dbproject_service(p, want->name))
		return err_new(EEXIST, "service %s", want->name);
	req.env = want->env;
	req.args = want->args;
	e = spec_resolve(&req, img, &spec); /* as a container of its own would be */
	if (!e && !spec.recipe)
		e = err_hint(err_new(0, "%s is no database that devbox knows", want->image),
			     "mysql, mariadb, postgres, redis, valkey or mongo, and images made from them");
	if (e) {
		spec_done(&spec);
		return e;
	}
	s = dbproject_add_service(p, want->name);
	s->image = xstrdup(want->image);
	s->image_id = xstrdup(spec.image_id);
	s->recipe = xstrdup(spec.recipe);
	s->port = recipe_port(recipe_by_name(spec.recipe));
	strv_copy(&s->env, &want->env);
	strv_copy(&s->args, &want->args);
	strv_copy(&s->binds, &want->binds);
	s->made_password = spec.made_password;
	if (spec.made_password) { /* one for all branches: the application's settings stay */
		struct db_access a;

		recipe_access(recipe_by_name(spec.recipe), &spec.env, &spec.cmd, "", 0, &a);
		if (a.password)
			recipe_add_password(recipe_by_name(spec.recipe), a.password, &s->env);
		db_access_done(&a);
	}
	for (size_t i = 0; i < spec.mounts.n; i++)
		if (spec.mounts.v[i].type == MOUNT_VOLUME)
			strv_add(&s->targets, spec.mounts.v[i].target);
	s->idle_ms = want->idle_ms;
	s->ttl_ms = want->ttl_ms;
	spec_done(&spec);
	if (!s->targets.n) {
		dbproject_drop_service(p, want->name);
		return err_new(0, "the image %s says of no directory that it holds its data (VOLUME)",
			       want->image);
	}
	*ret = s;
	return NULL;
}

/* --- standing still --------------------------------------------------------------------------- */

struct holding {
	struct box *b;
	struct box_held held;
};

static struct err *hold_stop(void *arg)
{
	struct holding *h = arg;

	return box_is_paused(h->b) ? NULL : box_hold(h->b, &h->held);
}

static void hold_go(void *arg)
{
	struct holding *h = arg;

	err_free(box_let_go(&h->held)); /* it has ended meanwhile */
}

struct err *branch_find_box(struct store *st, const struct fork *f, struct box **ret)
{
	char id[ID_LEN + 1];
	struct err *e;

	*ret = NULL;
	e = f->box ? name_find(st, f->box, id) : err_new(ENOENT, "container");
	if (e) {
		err_free(e); /* no such container */
		return NULL;
	}
	return box_find(st, f->box, ret);
}

/* It was forked too often while its server ran: that one makes a pause, in which the layers are merged. */
static struct err *copy_in_a_pause(struct store *st, struct box *b, const struct strv *from,
				   struct fork_pair *pairs)
{
	struct err *e = box_stop(b, -1);

	for (size_t i = 0; i < from->n && !e; i++)
		fork_wait_unused(st, from->v[i], UNUSED_MS);
	e = e ?: fork_tidy(st);
	e = e ?: fork_volumes(st, pairs, from->n, NULL);
	e = e ?: box_start(b, NULL);
	return e ?: box_wait_ready(b, READY_TIMEOUT_S);
}

struct err *branch_copy(struct store *st, const struct dbservice *s, const struct fork *f,
			const struct strv *from, const struct strv *to)
{
	struct fork_pair *pairs = xcalloc(from->n, sizeof(*pairs));
	struct box *b = NULL;
	struct err *e = branch_find_box(st, f, &b);
	bool runs = !e && b && b->state.status == BOX_RUNNING;
	struct holding holding = { .b = b };
	struct fork_hold hold = { hold_stop, hold_go, &holding };

	(void)s;
	if (runs)
		e = box_flush(b);
	/* they appear one after the other: where the first one is, all are (make_fork()) */
	for (size_t i = 0; i < from->n; i++)
		pairs[from->n - 1 - i] = (struct fork_pair){ .from = from->v[i], .to = to->v[i] };
	e = e ?: fork_volumes(st, pairs, from->n, runs ? &hold : NULL);
	if (runs && err_is(e, EMLINK)) {
		err_free(e);
		e = copy_in_a_pause(st, b, from, pairs);
	}
	box_free(b);
	free(pairs);
	return e;
}

/* --- making ----------------------------------------------------------------------------------- */

void branch_volume_names(const struct dbproject *p, const struct dbservice *s,
			 const struct branch *b, struct strv *ret)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		if (i)
			strv_addf(ret, "db.%s.%s.%s.%zu", p->id, s->name, b->slug, i + 1);
		else
			strv_addf(ret, "db.%s.%s.%s", p->id, s->name, b->slug);
	}
}

static bool volume_exists(struct store *st, const char *name)
{
	return faccessat(st->volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* "shop-mysql-main", or with a number behind it. */
static char *free_box_name(struct store *st, const char *base)
{
	for (unsigned n = 1; n < NAME_TRIES; n++) {
		char *name = n == 1 ? xstrdup(base) : xasprintf("%s-%u", base, n);

		if (faccessat(st->names, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return name;
		free(name);
	}
	return name_make();
}

/* ENV without the variable that a made-up password goes into. */
static void without_password(const struct recipe *r, const struct strv *env, struct strv *ret)
{
	_cleanup_strv_ struct strv one = { 0 };

	recipe_add_password(r, "", &one);
	for (size_t i = 0; i < env->n; i++)
		if (!str_starts(env->v[i], one.v[0]))
			strv_add(ret, env->v[i]);
}

/* The password its data was set up with becomes that of all branches. */
static void adopt_password(struct dbservice *s, const struct spec *spec)
{
	const struct recipe *r = recipe_by_name(s->recipe);
	struct db_access a;

	recipe_access(r, &spec->env, &spec->cmd, "", 0, &a);
	if (a.password)
		recipe_add_password(r, a.password, &s->env);
	db_access_done(&a);
}

/* NEW: for data that is to be set up now. */
static struct err *make_box(struct store *st, const struct dbproject *p, struct dbservice *s,
			    bool new, const struct branch *b, struct fork *f, bool *ret_filled)
{
	_cleanup_free_ char *base = xasprintf("%s-%s-%s", p->id, s->name, b->slug), *name = NULL;
	struct run_request req = { .image = s->image, .hostname = b->slug, .stop_timeout_s = -1 };
	struct image *img = NULL;
	struct box *box = NULL;
	bool made_up;
	struct err *e = image_find(st, s->image_id, &img);

	if (err_is(e, ENOENT)) { /* it was removed and pulled again */
		err_free(e);
		e = image_find(st, s->image, &img);
	}
	e = err_hint(e, "devbox pull %s", s->image);
	name = free_box_name(st, base);
	req.name = name;
	/* a made-up password for the first one may come from the init cache, with the data */
	made_up = new && s->made_password && s->n_forks == 1;
	if (made_up)
		without_password(recipe_by_name(s->recipe), &s->env, &req.env);
	else
		strv_copy(&req.env, &s->env);
	strv_copy(&req.args, &s->args);
	strv_copy(&req.args, &f->args);
	for (size_t i = 0; i < s->targets.n; i++) {
		struct mount_spec *m = mounts_add(&req.mounts);

		m->type = MOUNT_VOLUME;
		m->source = xstrdup(f->volumes.v[i]);
		m->target = xstrdup(s->targets.v[i]);
	}
	for (size_t i = 0; i < s->binds.n; i++)
		e = e ?: mount_parse_volume(s->binds.v[i], "/", &req.mounts);
	strv_addf(&req.labels, "devbox.project=%s", p->id);
	strv_addf(&req.labels, "devbox.service=%s", s->name);
	strv_addf(&req.labels, "devbox.branch=%s", b->name);
	e = e ?: box_create(st, &req, img, &box);
	if (!e) {
		free(f->box);
		f->box = xstrdup(box->spec.id);
		if (made_up)
			adopt_password(s, &box->spec);
		if (ret_filled)
			*ret_filled = box->from_init_cache;
	}
	box_free(box);
	image_free(img);
	strv_done(&req.env);
	strv_done(&req.args);
	strv_done(&req.labels);
	mounts_done(&req.mounts);
	return e;
}

/* New volumes that will be forked sooner or later: quickly then.  What the init cache has put into them is
 * sealed, and kept as the snapshot "initial"; empty ones are made ready. */
static struct err *make_forkable(struct store *st, const struct fork *f, bool filled)
{
	_cleanup_strv_ struct strv to = { 0 };
	struct fork_pair *pairs = xcalloc(f->volumes.n, sizeof(*pairs));
	struct err *e = NULL;

	for (size_t i = 0; i < f->volumes.n && !e; i++) {
		if (!filled)
			e = fork_prepare(st, f->volumes.v[i]);
		strv_addf(&to, "%s@" SNAP_INITIAL, f->volumes.v[i]);
		if (filled)
			err_free(snapshot_remove(st, to.v[i])); /* of an earlier one of the name, mostly absent */
		pairs[i] = (struct fork_pair){ .from = f->volumes.v[i], .to = to.v[i] };
	}
	if (filled)
		e = e ?: fork_volumes(st, pairs, f->volumes.n, NULL);
	free(pairs);
	return e;
}

struct err *branch_make_empty(struct store *st, const struct dbproject *p, struct dbservice *s,
			      struct fork *f)
{
	bool filled = false;
	struct err *e = make_box(st, p, s, true, dbproject_branch(p, f->branch), f, &filled);

	if (!e)
		err_free(make_forkable(st, f, filled)); /* its forks are copies then */
	return e;
}

struct err *branch_find_repo(const struct dbproject *p, struct git_repo *ret)
{
	if (!p->common)
		return err_new(ENOENT, "project %s belongs to no repository", p->id);
	return git_open_dir(p->common, ret);
}

/* The nearest branch with data that BRANCH descends from. */
static struct fork *find_parent(const struct dbproject *p, const struct dbservice *s,
				const struct git_repo *repo, const char *branch, const char *left)
{
	_cleanup_strv_ struct strv seen = { 0 };
	struct fork *found = NULL;

	if (left && (found = dbservice_fork(s, left)))
		return found;
	strv_add(&seen, branch);
	(void)p;
	/* breadth first: seen[] is the queue as well */
	for (size_t at = 0; at < seen.n && at < CHAIN_MAX && !found; at++) {
		_cleanup_strv_ struct strv next = { 0 };

		git_parents(repo, seen.v[at], &next);
		for (size_t i = 0; i < next.n && !found; i++) {
			struct fork *f = dbservice_fork(s, next.v[i]);

			if (f && strcmp(f->branch, branch) && !f->replica_of)
				found = f;
			else if (!strv_has(&seen, next.v[i]))
				strv_add(&seen, next.v[i]);
		}
	}
	return found;
}

/* The branch was renamed with git: its data goes with it. */
void branch_follow_rename(struct dbproject *p, const struct git_repo *repo, const char *branch)
{
	_cleanup_free_ char *old = git_renamed_from(repo, branch);
	_cleanup_strv_ struct strv all = { 0 };
	struct branch *b = dbproject_branch(p, old);
	struct err *e;

	if (!b || dbproject_branch(p, branch))
		return;
	e = git_branches(repo, &all);
	if (!e && !strv_has(&all, old)) {
		free(b->name);
		b->name = xstrdup(branch);
		dbproject_rename_branch(p, old, branch);
	}
	err_free(e); /* then it is a new one */
}

/* Data and container for BRANCH of S.  The project's lock is held; the record is the caller's to save. */
static struct err *make_fork(struct store *st, const struct dbproject_dir *d, struct dbproject *p,
			     const char *service, const char *branch, const struct git_repo *repo,
			     const char *from, const struct strv *replica_args)
{
	_cleanup_git_head_ struct git_head head = { 0 };
	struct dbservice *s = dbproject_service(p, service);
	struct fork *f, *parent = NULL;
	_cleanup_free_ char *name = NULL;
	struct branch *b;
	bool kept;
	struct err *e = dbproject_ensure_branch(st, d, p, branch, &b);

	if (e)
		return e;
	if (*branch == '@') {
		b->ttl_ms = DETACHED_TTL_S * INT64_C(1000);
		if (repo)
			err_free(git_head(repo, &head)); /* only a guess less */
	}
	if (from) {
		parent = dbservice_fork(s, from);
		if (!parent)
			return err_hint(err_new(0, "branch %s has no data of %s", from, service),
					"devbox db ls");
	} else if (repo) {
		parent = find_parent(p, s, repo, branch, head.from);
	}
	name = parent ? xstrdup(parent->branch) : NULL; /* the list of forks may move */
	f = dbservice_add_fork(s, branch);
	parent = dbservice_fork(s, name);
	branch_volume_names(p, s, b, &f->volumes);
	if (replica_args) {
		f->replica_of = xstrdup(from);
		strv_copy(&f->args, replica_args);
	}
	f->created_ns = f->used_ns = time_now_ns();
	kept = volume_exists(st, f->volumes.v[0]);
	if (parent)
		f->parent = xstrdup(parent->branch);
	if (kept) /* of a try that was cut short, or brought back by undo */
		f->origin = xstrdup("data that was kept");
	else if (parent)
		e = branch_copy(st, s, parent, &parent->volumes, &f->volumes);
	if (!kept && !parent)
		e = e ?: branch_make_empty(st, p, s, f);
	else
		e = e ?: make_box(st, p, s, false, b, f, NULL);
	if (e) {
		for (size_t i = 0; !kept && i < f->volumes.n; i++)
			err_free(volume_remove(st, f->volumes.v[i])); /* half made; the first failure counts */
		dbservice_drop_fork(s, branch);
	}
	return e;
}

static struct err *no_service(const struct dbproject *p, const char *service)
{
	return err_hint(err_new(0, "project %s has no database %s", p->id, service),
			"devbox db up %s", service);
}

/* Fork found or made, container there; the record saved. */
static struct err *ensure_fork(struct store *st, const char *project, const char *service,
			       const char *branch, const struct git_repo *repo, const char *from,
			       struct branch_result *ret)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_git_ struct git_repo own = { 0 };
	struct box *b = NULL;
	struct dbservice *s;
	struct fork *f;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	if (e)
		return e;
	s = dbproject_service(&p, service);
	if (!s)
		return no_service(&p, service);
	if (!repo && p.common) {
		err_free(branch_find_repo(&p, &own)); /* it is gone: no parents to look for */
		repo = own.dir ? &own : NULL;
	}
	if (repo && !dbservice_fork(s, branch))
		branch_follow_rename(&p, repo, branch);
	f = dbservice_fork(s, branch);
	if (!f) {
		e = make_fork(st, &d, &p, service, branch, repo, from, NULL);
		if (e)
			return e;
		ret->made = true;
		s = dbproject_service(&p, service);
		f = dbservice_fork(s, branch);
	} else {
		e = branch_find_box(st, f, &b);
		if (!e && !b) /* somebody removed the container: the data is what counts */
			e = make_box(st, &p, s, false, dbproject_branch(&p, branch), f, NULL);
		box_free(b);
	}
	if (e)
		return e;
	f->used_ns = time_now_ns();
	free(TAKE_PTR(f->error));
	free(TAKE_PTR(p.error));
	ret->parent = xstrdup(f->parent);
	ret->origin = xstrdup(f->origin);
	ret->box = xstrdup(f->box);
	return dbproject_save(&d, &p);
}

/* Keep why it could not be brought up, for who was not there. */
static void note_error(struct store *st, const char *project, const char *service,
		       const char *branch, const struct err *failure)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct dbservice *s;
	struct fork *f;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	f = s ? dbservice_fork(s, branch) : NULL;
	if (!e) {
		char **at = f ? &f->error : &p.error;

		free(*at);
		*at = err_line(failure);
		e = dbproject_save(&d, &p);
	}
	err_free(e); /* the failure itself is what counts */
}

struct err *branch_make(struct store *st, const char *project, const char *service, const char *branch,
			const struct git_repo *repo, const char *from, struct branch_result *ret)
{
	struct err *e = ensure_fork(st, project, service, branch, repo, from, ret);

	return err_wrap(e, "%s for branch %s", service, branch);
}

struct err *branch_up(struct store *st, const char *project, const char *service, const char *branch,
		      const struct git_repo *repo, const char *from, struct branch_result *ret)
{
	struct box *b = NULL;
	struct err *e = ensure_fork(st, project, service, branch, repo, from, ret);

	e = e ?: box_find(st, ret->box, &b);
	if (!e && box_is_paused(b))
		e = box_unpause(b);
	if (!e && !state_is_up(&b->state)) {
		e = box_start(b, NULL);
		ret->started = !e;
	}
	e = e ?: box_wait_ready(b, READY_TIMEOUT_S);
	box_free(b);
	e = err_wrap(e, "%s for branch %s", service, branch);
	if (e)
		note_error(st, project, service, branch, e);
	return e;
}

struct err *branch_make_replica(struct store *st, const char *project, const char *service,
				const char *name, const char *source, const struct strv *args,
				struct branch_result *ret)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct fork *f;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	if (!e && !dbproject_service(&p, service))
		e = no_service(&p, service);
	if (!e && dbproject_branch(&p, name))
		e = err_hint(err_new(0, "%s exists already", name), "devbox db rm %s", name);
	e = e ?: make_fork(st, &d, &p, service, name, NULL, source, args);
	if (e)
		return e;
	f = dbservice_fork(dbproject_service(&p, service), name);
	ret->made = true;
	ret->box = xstrdup(f->box);
	ret->parent = xstrdup(f->parent);
	dbproject_branch(&p, name)->keep = true; /* git never had it */
	return dbproject_save(&d, &p);
}

struct err *branch_set_args(struct store *st, const char *project, const char *service,
			    const char *branch, const struct strv *args, const char *replica_of)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct dbservice *s;
	struct box *b = NULL;
	struct fork *f;
	bool up = false;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	f = s ? dbservice_fork(s, branch) : NULL;
	if (!e && !f)
		e = err_new(ENOENT, "branch %s has no data of %s", branch, service);
	e = e ?: branch_find_box(st, f, &b);
	if (!e && b) {
		up = state_is_up(&b->state);
		e = up ? box_stop(b, -1) : NULL;
		e = e ?: box_rm(b, true, false);
		box_free(b);
	}
	if (e)
		return e;
	strv_done(&f->args);
	strv_copy(&f->args, args);
	free(f->replica_of);
	f->replica_of = xstrdup(replica_of);
	e = make_box(st, &p, s, false, dbproject_branch(&p, branch), f, NULL);
	e = e ?: dbproject_save(&d, &p);
	dbproject_close(&d);
	if (!e && up) {
		struct branch_result r = { 0 };

		e = branch_up(st, project, service, branch, NULL, NULL, &r);
		branch_result_done(&r);
	}
	return e;
}
