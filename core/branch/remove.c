/* Branches' data put back, put aside and brought back. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/proc.h"
#include "core/branch/branch_priv.h"
#include "core/store/fork.h"
#include "core/store/volume.h"

/* --- taking away ------------------------------------------------------------------------------ */

struct err *branch_stop(struct store *st, const struct fork *f)
{
	struct box *b = NULL;
	struct err *e = branch_find_box(st, f, &b);

	if (!e && b && state_is_up(&b->state))
		e = box_stop(b, -1);
	box_free(b);
	return e;
}

struct err *branch_refuse_protected(const struct dbproject *p, const char *branch, const char *what)
{
	const struct branch *b = dbproject_branch(p, branch);

	if (!b || !b->protected)
		return NULL;
	return err_hint(err_new(0, "branch %s is protected: it is not %s", branch, what),
			"devbox db protect --off %s", branch);
}

/* A branch that was renamed keeps the volumes of its old name; in the trash they are called as a branch of the
 * new name would look for them. */
static void name_for_return(struct store *st, const struct dbproject *p, const struct dbservice *s,
			    struct fork *f)
{
	_cleanup_free_ char *slug = slug_make(f->branch);
	struct branch as_new = { .slug = slug };
	_cleanup_strv_ struct strv names = { 0 };

	branch_volume_names(p, s, &as_new, &names);
	for (size_t i = 0; i < names.n && i < f->volumes.n; i++)
		if (strcmp(names.v[i], f->volumes.v[i]) &&
		    renameat2(st->volumes, f->volumes.v[i], st->volumes, names.v[i],
			      RENAME_NOREPLACE) == 0) {
			free(f->volumes.v[i]);
			f->volumes.v[i] = xstrdup(names.v[i]);
		}
}

/* Container gone, volumes in the trash. */
static struct err *drop_data(struct store *st, const struct dbproject *p, const struct dbservice *s,
			     struct fork *f, const char *reason, const char *batch)
{
	struct box *b = NULL;
	struct err *e = branch_find_box(st, f, &b);

	if (!e && b)
		e = box_rm(b, true, false);
	box_free(b);
	for (size_t i = 0; i < f->volumes.n && !e; i++) {
		_cleanup_free_ char *initial = xasprintf("%s@" SNAP_INITIAL, f->volumes.v[i]);

		err_free(snapshot_remove(st, initial)); /* mostly absent */
	}
	if (!e)
		name_for_return(st, p, s, f);
	for (size_t i = 0; i < f->volumes.n && !e; i++)
		e = trash_volume(st, f->volumes.v[i], reason, batch);
	return e;
}

struct err *branch_remove(struct store *st, const char *project, const char *service,
			  const char *branch, bool force, const char *batch)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_free_ char *reason = xasprintf("db rm %s", branch);
	struct dbservice *s;
	struct fork *f, gone;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	f = s ? dbservice_fork(s, branch) : NULL;
	if (!e && !f)
		e = err_new(ENOENT, "branch %s has no data of %s", branch, service);
	if (!e && !force)
		e = branch_refuse_protected(&p, branch, "removed");
	e = e ?: branch_stop(st, f); /* in good order: the data may be wanted again */
	if (e)
		return e;
	/* The record first: what a crash leaves then is data that is taken as it is, see branch.h.  A record
	 * without its data would be given an empty one. */
	dbservice_take_fork(s, branch, &gone);
	dbproject_drop_branch(&p, branch);
	e = dbproject_save(&d, &p);
	e = e ?: drop_data(st, &p, s, &gone, reason, batch);
	dbfork_done(&gone);
	return e;
}

/* The new data is made beside the old, which it takes the place of: what fails before has changed nothing. */
static struct err *put_copies(struct store *st, struct dbservice *s, struct fork *f, struct box *b,
			      const struct strv *from, const char *reason, const char *batch)
{
	_cleanup_strv_ struct strv stage = { 0 };
	struct fork *source = NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < f->volumes.n; i++) {
		strv_addf(&stage, "%s.new", f->volumes.v[i]);
		e = e ?: volume_remove(st, stage.v[i]); /* of a try that was cut short */
	}
	for (size_t i = 0; i < s->n_forks; i++)
		if (from->n && !strcmp(s->forks[i].volumes.v[0], from->v[0]))
			source = &s->forks[i];
	e = e ?: branch_copy(st, s, source ?: f, from, &stage);
	if (b && state_is_up(&b->state))
		e = e ?: box_stop(b, -1);
	for (size_t i = 0; i < stage.n && !e; i++) {
		_cleanup_free_ char *new = xasprintf("volumes/%s", stage.v[i]);

		e = trash_swap(st, f->volumes.v[i], new, reason, batch);
	}
	return e;
}

/* Container and data go, and are made as for a new branch: so is what a crash leaves in between, at the next use. */
static struct err *put_empty(struct store *st, const struct dbproject *p, struct dbservice *s,
			     struct fork *f, struct box *b, const char *reason, const char *batch)
{
	struct err *e = b && state_is_up(&b->state) ? box_stop(b, -1) : NULL;

	if (b)
		e = e ?: box_rm(b, true, false);
	for (size_t i = 0; i < f->volumes.n && !e; i++)
		e = trash_volume(st, f->volumes.v[i], reason, batch);
	return e ?: branch_make_empty(st, p, s, f);
}

struct err *branch_replace(struct store *st, const char *project, const char *service,
			   const char *branch, const struct strv *from_volumes, const char *origin)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_free_ char *reason = xasprintf("db reset %s", branch), *batch = trash_batch();
	struct box *b = NULL;
	struct dbservice *s;
	struct fork *f;
	bool was_up;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	f = s ? dbservice_fork(s, branch) : NULL;
	if (!e && !f)
		e = err_new(ENOENT, "branch %s has no data of %s", branch, service);
	e = e ?: branch_refuse_protected(&p, branch, "reset");
	if (e)
		return e;
	e = branch_find_box(st, f, &b);
	was_up = !e && b && state_is_up(&b->state);
	if (from_volumes)
		e = e ?: put_copies(st, s, f, b, from_volumes, reason, batch);
	else
		e = e ?: put_empty(st, &p, s, f, b, reason, batch);
	if (!e) {
		free(f->origin);
		f->origin = xstrdup(origin);
		f->created_ns = f->used_ns = time_now_ns();
		e = dbproject_save(&d, &p);
	}
	if (!e && !from_volumes) { /* it has another container now */
		box_free(b);
		b = NULL;
		e = branch_find_box(st, f, &b);
	}
	if (was_up && b)
		e = e ?: box_start(b, NULL);
	if (was_up && b)
		e = e ?: box_wait_ready(b, READY_TIMEOUT_S);
	box_free(b);
	return err_wrap(e, "%s of branch %s", service, branch);
}

/* In the fork F of the locked project: the volume of the item's name. */
static struct err *swap_back(struct store *st, const struct fork *f, const struct trash_item *it)
{
	_cleanup_free_ char *batch = trash_batch(), *what = xasprintf("trash/%s/what", it->id);
	struct box *b = NULL;
	bool was_up;
	struct err *e = branch_find_box(st, f, &b);

	was_up = !e && b && state_is_up(&b->state);
	if (was_up)
		e = box_stop(b, -1);
	e = e ?: trash_swap(st, it->name, what, "undo", batch);
	e = e ?: trash_remove(st, it); /* its content is in use again */
	if (was_up)
		e = e ?: box_start(b, NULL) ?: box_wait_ready(b, READY_TIMEOUT_S);
	box_free(b);
	return e;
}

struct err *branch_bring_back(struct store *st, const struct trash_item *it, bool *ret_done)
{
	_cleanup_strv_ struct strv ids = { 0 };
	struct err *e = NULL;

	*ret_done = false;
	if (!str_eq(it->kind, "volume") || !str_starts(it->name, "db."))
		return NULL;
	e = dbproject_list(st, &ids);
	for (size_t i = 0; i < ids.n && !e && !*ret_done; i++) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject p = { 0 };

		e = dbproject_open(st, ids.v[i], true, &d, &p);
		for (size_t k = 0; k < p.n_services && !e; k++)
			for (size_t n = 0; n < p.services[k].n_forks && !e; n++) {
				struct fork *f = &p.services[k].forks[n];

				if (!strv_has(&f->volumes, it->name))
					continue;
				*ret_done = true;
				e = swap_back(st, f, it);
				free(f->origin);
				f->origin = xstrdup("brought back");
				e = e ?: dbproject_save(&d, &p);
			}
	}
	return e;
}

struct err *branch_reset(struct store *st, const char *project, const char *service,
			 const char *branch, const char *from, struct branch_result *ret)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_strv_ struct strv volumes = { 0 };
	_cleanup_free_ char *origin = NULL;
	struct dbservice *s;
	struct fork *f, *parent;
	struct err *e = dbproject_open(st, project, false, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	f = s ? dbservice_fork(s, branch) : NULL;
	if (!e && !f)
		e = err_new(ENOENT, "branch %s has no data of %s", branch, service);
	if (e)
		return e;
	parent = dbservice_fork(s, from ?: f->parent);
	if (from && !parent)
		return err_hint(err_new(0, "branch %s has no data of %s", from, service),
				"devbox db ls");
	if (parent && strcmp(parent->branch, branch)) {
		strv_copy(&volumes, &parent->volumes);
		origin = xasprintf("reset to %s", parent->branch);
		ret->parent = xstrdup(parent->branch);
	} else {
		origin = xstrdup("reset to an empty database");
	}
	return branch_replace(st, project, service, branch, volumes.n ? &volumes : NULL, origin);
}

struct err *branch_rename(struct store *st, const char *project, const char *from, const char *to)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct branch *b;
	struct err *e = dbproject_open(st, project, true, &d, &p);

	b = e ? NULL : dbproject_branch(&p, from);
	if (!e && !b)
		e = err_hint(err_new(0, "branch %s has no data", from), "devbox db ls");
	if (!e && !git_name_ok(to))
		e = err_new(0, "'%s' is no name for a branch", to);
	if (!e && dbproject_branch(&p, to))
		e = err_hint(err_new(0, "branch %s has data already", to), "devbox db rm %s", to);
	if (e)
		return e;
	dbproject_rename_branch(&p, from, to);
	free(b->name);
	b->name = xstrdup(to);
	return dbproject_save(&d, &p);
}

/* --- what is not needed any more -------------------------------------------------------------- */

static void checked_out(const struct dbproject *p, struct strv *ret)
{
	for (size_t i = 0; i < p->n_trees; i++) {
		char *name = NULL;
		struct err *e = branch_of_tree(&p->trees[i], &name);

		err_free(e); /* a work tree that is gone */
		if (name)
			strv_take(ret, name);
	}
}

struct err *branch_gone(const struct dbproject *p, struct strv *ret)
{
	_cleanup_git_ struct git_repo repo = { 0 };
	_cleanup_strv_ struct strv all = { 0 }, out = { 0 };
	struct err *e;

	if (!p->common)
		return NULL;
	e = branch_find_repo(p, &repo);
	e = e ?: git_branches(&repo, &all);
	if (e)
		return e;
	checked_out(p, &out);
	for (size_t i = 0; i < p->n_branches; i++) {
		const struct branch *b = &p->branches[i];
		bool by_hand = true; /* made with `db create`, never a branch of git's */

		for (size_t k = 0; k < p->n_services; k++) {
			const struct fork *f = dbservice_fork(&p->services[k], b->name);

			by_hand &= f && (f->replica_of || str_eq(f->origin, "created by hand"));
		}
		for (size_t k = 0; k < p->n_stacks; k++)
			by_hand &= !stack_fork(&p->stacks[k], b->name);
		if (*b->name != '@' && !b->keep && !b->protected && !by_hand &&
		    !strv_has(&all, b->name) && !strv_has(&out, b->name))
			strv_add(ret, b->name);
	}
	return NULL;
}

struct err *branch_volumes(struct store *st, struct strv *ret)
{
	_cleanup_strv_ struct strv ids = { 0 };
	struct err *e = dbproject_list(st, &ids);

	for (size_t i = 0; i < ids.n && !e; i++) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject p = { 0 };

		e = dbproject_open(st, ids.v[i], false, &d, &p);
		for (size_t k = 0; k < p.n_services; k++)
			for (size_t n = 0; n < p.services[k].n_forks; n++)
				strv_copy(ret, &p.services[k].forks[n].volumes);
		for (size_t k = 0; k < p.n_stacks; k++)
			for (size_t n = 0; n < p.stacks[k].n_forks; n++)
				strv_copy(ret, &p.stacks[k].forks[n].volumes);
	}
	return e;
}

struct err *branch_expire(struct store *st, const char *project, struct strv *ret_removed)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_strv_ struct strv out = { 0 };
	_cleanup_free_ char *batch = trash_batch();
	int64_t now = time_now_ns();
	struct err *e = dbproject_open(st, project, false, &d, &p);

	if (e)
		return e;
	checked_out(&p, &out);
	for (size_t i = 0; i < p.n_services; i++) {
		struct dbservice *s = &p.services[i];

		for (size_t k = 0; k < s->n_forks && !e; k++) {
			struct fork *f = &s->forks[k];
			const struct branch *b = dbproject_branch(&p, f->branch);
			int64_t ttl_ms = !b ? 0 : b->ttl_ms >= 0 ? b->ttl_ms : s->ttl_ms;
			struct box *box = NULL;
			bool up;

			if (!ttl_ms || b->protected || strv_has(&out, f->branch) ||
			    now - f->used_ns < ttl_ms * 1000000)
				continue;
			e = branch_find_box(st, f, &box);
			up = box && state_is_up(&box->state);
			box_free(box);
			if (e || up)
				continue;
			e = branch_remove(st, project, s->name, f->branch, false, batch);
			if (!e)
				strv_add(ret_removed, f->branch);
		}
	}
	return e;
}
