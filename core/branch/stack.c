#include "core/branch/stack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/proc.h"
#include "core/box/boxfork.h"
#include "core/branch/branch_priv.h"
#include "core/branch/switchboard.h"
#include "core/store/network.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

enum { CHAIN_MAX = 32 };

void stack_place_done(struct stack_place *w)
{
	free(w->id);
	free(w->branch);
	free(w->slug);
	*w = (struct stack_place){ 0 };
}

char *stack_volume_name(const struct stack_volume *v, const char *slug)
{
	return slug ? xasprintf("%s-%s%s", v->head, slug, v->tail)
		    : xasprintf("%s%s", v->head, v->tail);
}

/* --- where we are ----------------------------------------------------------------------------- */

static struct err *make_place(struct store *st, const struct git_repo *repo, struct stack_place *w)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct branch *b = NULL;
	struct work_tree *t = NULL;
	struct err *e = dbproject_make(st, repo, NULL, &d, &p);

	if (e)
		return e;
	branch_follow_rename(&p, repo, w->branch);
	e = dbproject_ensure_tree(st, &d, &p, repo, &t);
	e = e ?: dbproject_ensure_branch(st, &d, &p, w->branch, &b);
	if (e)
		return e;
	w->id = xstrdup(p.id);
	w->slug = xstrdup(b->slug);
	memcpy(w->address, b->address, sizeof(w->address));
	memcpy(w->stable, t->address, sizeof(w->stable));
	return dbproject_save(&d, &p);
}

static struct err *find_place(struct store *st, const struct git_repo *repo, struct stack_place *w)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	const struct work_tree *t;
	const struct branch *b;
	struct err *e = dbproject_find(st, repo, &w->id);

	if (!e && w->id)
		e = dbproject_open(st, w->id, false, &d, &p);
	if (e)
		return e;
	branch_follow_rename(&p, repo, w->branch);
	b = dbproject_branch(&p, w->branch);
	t = dbproject_tree(&p, repo->dir);
	w->slug = b ? xstrdup(b->slug) : slug_make(w->branch);
	if (b)
		memcpy(w->address, b->address, sizeof(w->address));
	if (t)
		memcpy(w->stable, t->address, sizeof(w->stable));
	return NULL;
}

struct err *stack_enter(struct store *st, const char *directory, bool make, struct stack_place *ret)
{
	_cleanup_git_ struct git_repo repo = { 0 };
	_cleanup_git_head_ struct git_head head = { 0 };
	struct stack_place w = { 0 };
	struct err *e = git_find(directory, &repo);

	e = e ?: git_head(&repo, &head);
	if (!e && !head.branch && !*head.commit)
		e = err_new(0, "no branch is checked out");
	if (e)
		return e;
	w.branch = branch_of_head(&head);
	e = make ? make_place(st, &repo, &w) : find_place(st, &repo, &w);
	if (e)
		stack_place_done(&w);
	else
		*ret = w;
	return e;
}

struct err *stack_is_known(struct store *st, const char *directory, const char *name, bool *ret)
{
	_cleanup_git_ struct git_repo repo = { 0 };
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_free_ char *id = NULL;
	struct err *e = git_find(directory, &repo);

	*ret = false;
	if (e) {
		err_free(e); /* no repository */
		return NULL;
	}
	e = dbproject_find(st, &repo, &id);
	if (e || !id)
		return e;
	e = dbproject_open(st, id, false, &d, &p);
	*ret = !e && dbproject_stack(&p, name);
	return e;
}

/* --- volumes ---------------------------------------------------------------------------------- */

static bool volume_exists(struct store *st, const char *name)
{
	return faccessat(st->volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Has the branch with SLUG (NULL: the project without --branch) any of those that are missing? */
static bool has_any(struct store *st, const struct stack_volume *v, const bool *missing, size_t n,
		    const char *slug)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *name = missing[i] ? stack_volume_name(&v[i], slug) : NULL;

		if (name && volume_exists(st, name))
			return true;
	}
	return false;
}

struct search {
	struct store *st;
	const struct dbproject *p;
	const struct stack_volume *v;
	const bool *missing;
	size_t n;
};

/* The branch of P to fork from; NULL if none has anything. */
static const struct branch *find_parent(const struct search *s, const struct git_repo *repo,
					const char *branch)
{
	_cleanup_git_head_ struct git_head head = { 0 };
	_cleanup_strv_ struct strv seen = { 0 };

	if (*branch == '@')
		err_free(git_head(repo, &head)); /* only a guess less */
	strv_add(&seen, branch);
	if (head.from)
		strv_add(&seen, head.from);
	/* breadth first: seen[] is the queue as well */
	for (size_t at = 0; at < seen.n && at < CHAIN_MAX; at++) {
		const struct branch *b = dbproject_branch(s->p, seen.v[at]);
		_cleanup_strv_ struct strv next = { 0 };

		if (at && b && has_any(s->st, s->v, s->missing, s->n, b->slug))
			return b;
		git_parents(repo, seen.v[at], &next);
		for (size_t i = 0; i < next.n; i++)
			if (!strv_has(&seen, next.v[i]))
				strv_add(&seen, next.v[i]);
	}
	return NULL;
}

/* Those that SLUG has, to TO. */
static struct err *fork_from(const struct search *s, const char *slug, const char *to,
			     struct stack_made *ret)
{
	struct fork_pair *pairs = xcalloc(s->n + 1, sizeof(*pairs));
	_cleanup_strv_ struct strv from = { 0 }, names = { 0 };
	struct err *e = NULL;

	for (size_t i = 0; i < s->n; i++) {
		char *theirs = s->missing[i] ? stack_volume_name(&s->v[i], slug) : NULL;

		if (!theirs || !volume_exists(s->st, theirs)) {
			free(theirs);
			continue;
		}
		strv_take(&from, theirs);
		strv_take(&names, stack_volume_name(&s->v[i], to));
		pairs[from.n - 1] = (struct fork_pair){ .labels = &s->v[i].labels };
	}
	for (size_t i = 0; i < from.n; i++) { /* the lists have moved while they grew */
		pairs[i].from = from.v[i];
		pairs[i].to = names.v[i];
	}
	e = box_fork_volumes(s->st, pairs, from.n, &ret->still_ms);
	if (!e)
		ret->forked = from.n;
	free(pairs);
	return e;
}

/* What is new is forked sooner or later, also while it is in use: it is thin from its beginning. */
static struct err *make_empty(const struct search *s, const char *slug)
{
	struct err *e = NULL;

	for (size_t i = 0; i < s->n && !e; i++) {
		_cleanup_free_ char *name = s->missing[i] ? stack_volume_name(&s->v[i], slug) : NULL;
		bool created;

		if (!name || volume_exists(s->st, name))
			continue;
		e = volume_create(s->st, name, false, &s->v[i].labels, &created);
		e = e ?: fork_prepare(s->st, name);
	}
	return e;
}

/* Somebody died while he made them: no container was made above them yet, and they need not be of one instant. */
static struct err *drop_half_made(struct store *st, struct stack_fork *f)
{
	struct err *e = NULL;

	for (size_t i = 0; i < f->filling.n && !e; i++)
		e = trash_volume(st, f->filling.v[i], "compose --branch", NULL);
	strv_done(&f->filling);
	return e;
}

struct err *stack_fill(struct store *st, const struct stack_place *w, const char *name,
		       const struct stack_volume *volumes, size_t n, struct stack_made *ret)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_git_ struct git_repo repo = { 0 };
	_cleanup_free_ bool *missing = xcalloc(n + 1, sizeof(*missing));
	struct search s = { st, &p, volumes, missing, n };
	const struct branch *parent = NULL;
	struct stack_fork *f;
	struct err *e = dbproject_open(st, w->id, true, &d, &p);

	*ret = (struct stack_made){ 0 };
	e = e ?: branch_find_repo(&p, &repo);
	if (e)
		return e;
	f = stack_ensure_fork(dbproject_ensure_stack(&p, name), w->branch);
	e = drop_half_made(st, f);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *own = stack_volume_name(&volumes[i], w->slug);

		missing[i] = !volume_exists(st, own);
		if (!strv_has(&f->volumes, own))
			strv_add(&f->volumes, own);
		if (missing[i])
			strv_add(&f->filling, own);
	}
	e = e ?: dbproject_save(&d, &p);
	if (e)
		return e;
	parent = find_parent(&s, &repo, w->branch);
	if (parent || has_any(st, volumes, missing, n, NULL)) {
		e = fork_from(&s, parent ? parent->slug : NULL, w->slug, ret);
		ret->from = e ? NULL : xstrdup(parent ? parent->name : "");
	}
	e = e ?: make_empty(&s, w->slug);
	strv_done(&f->filling);
	if (e)
		return err_also(e, dbproject_save(&d, &p));
	f->used_ns = time_now_ns();
	if (!f->created_ns)
		f->created_ns = f->used_ns;
	if (parent) {
		free(f->parent);
		f->parent = xstrdup(parent->name);
	}
	return dbproject_save(&d, &p);
}

/* --- up and down ------------------------------------------------------------------------------ */

/* Nothing of it is left but the record. */
static bool is_over(struct store *st, const struct stack_fork *f)
{
	for (size_t i = 0; i < f->volumes.n; i++)
		if (volume_exists(st, f->volumes.v[i]))
			return false;
	return !f->up;
}

struct err *stack_is(struct store *st, const struct stack_place *w, const char *name, bool up,
		     struct stack *ports, struct strv *notes)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct stack_fork *f;
	struct stack *s;
	struct err *e = dbproject_open(st, w->id, true, &d, &p);

	if (e)
		return e;
	s = dbproject_ensure_stack(&p, name);
	f = stack_ensure_fork(s, w->branch);
	f->up = up;
	if (up) {
		stack_drop_ports(s);
		s->ports = TAKE_PTR(ports->ports);
		s->n_ports = ports->n_ports;
		ports->n_ports = 0;
	} else if (is_over(st, f)) {
		stack_drop_fork(s, w->branch);
		if (!s->n_forks)
			dbproject_drop_stack(&p, name);
		dbproject_drop_branch(&p, w->branch);
	}
	e = dbproject_save(&d, &p);
	dbproject_close(&d);
	return e ?: switchboard_update(st, w->id, notes);
}

/* The containers of a branch's stack; the caller frees each and the list. */
static struct err *list_boxes(struct store *st, const char *name, const char *slug,
			      struct box ***ret, size_t *ret_n)
{
	_cleanup_free_ char *project = xasprintf("%s-%s", name, slug);
	struct box **v = NULL;
	size_t total = 0, n = 0;
	struct err *e = box_list(st, &v, &total);

	for (size_t i = 0; i < total; i++) {
		struct box *b = v[i];

		if (str_eq(strv_env(&b->spec.labels, STACK_LABEL "project"), project))
			v[n++] = b;
		else
			box_free(b);
	}
	*ret = v;
	*ret_n = n;
	return e;
}

struct err *stack_find_box(struct store *st, const char *name, const char *slug,
			   const char *service, struct box **ret)
{
	struct box **v = NULL;
	size_t n = 0;
	struct err *e = list_boxes(st, name, slug, &v, &n);

	*ret = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct strv *labels = &v[i]->spec.labels;

		if (!*ret && v[i]->state.status == BOX_RUNNING &&
		    str_eq(strv_env(labels, STACK_LABEL "service"), service) &&
		    !str_eq(strv_env(labels, STACK_LABEL "oneoff"), "True"))
			*ret = v[i];
		else
			box_free(v[i]);
	}
	free(v);
	return e;
}

struct err *stack_count(struct store *st, const char *name, const char *slug, size_t *ret_n,
			size_t *ret_running)
{
	struct box **v = NULL;
	struct err *e = list_boxes(st, name, slug, &v, ret_n);

	*ret_running = 0;
	for (size_t i = 0; i < *ret_n; i++) {
		*ret_running += v[i]->state.status == BOX_RUNNING;
		box_free(v[i]);
	}
	free(v);
	return e;
}

static struct err *remove_boxes(struct store *st, const char *name, const char *slug)
{
	struct box **v = NULL;
	size_t n = 0;
	struct err *e = list_boxes(st, name, slug, &v, &n);

	for (size_t i = 0; i < n; i++) {
		if (!e && state_is_up(&v[i]->state))
			e = box_stop(v[i], -1); /* in good order: the data may be wanted again */
		e = e ?: box_rm(v[i], true, true);
		box_free(v[i]);
	}
	free(v);
	return e;
}

static struct err *remove_networks(struct store *st, const char *name, const char *slug)
{
	_cleanup_free_ char *project = xasprintf("%s-%s", name, slug);
	struct network *v = NULL;
	size_t n = 0;
	struct err *e = network_list(st, &v, &n);

	for (size_t i = 0; i < n; i++) {
		if (!e && str_eq(strv_env(&v[i].labels, STACK_LABEL "project"), project))
			e = network_remove(st, &v[i]);
		network_done(&v[i]);
	}
	free(v);
	return e;
}

struct err *stack_remove(struct store *st, const char *id, const char *name, const char *branch,
			 bool force, const char *batch)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	const struct branch *b;
	struct stack_fork *f;
	struct stack *s;
	struct err *e = dbproject_open(st, id, true, &d, &p);

	s = e ? NULL : dbproject_stack(&p, name);
	f = s ? stack_fork(s, branch) : NULL;
	b = f ? dbproject_branch(&p, branch) : NULL;
	if (!b)
		return e;
	if (!force)
		e = branch_refuse_protected(&p, branch, "removed");
	e = e ?: remove_boxes(st, name, b->slug);
	e = e ?: remove_networks(st, name, b->slug);
	for (size_t i = 0; i < f->volumes.n && !e; i++)
		if (volume_exists(st, f->volumes.v[i]))
			e = trash_volume(st, f->volumes.v[i], "db rm", batch);
	if (e)
		return e;
	stack_drop_fork(s, branch);
	if (!s->n_forks)
		dbproject_drop_stack(&p, name);
	dbproject_drop_branch(&p, branch);
	return dbproject_save(&d, &p);
}
