#include "core/compose/plan.h"

#include "core/compose/request.h"

enum { NONE = -1 };

/* What a service becomes; steps are told by their index, NONE for "nothing to wait for". */
struct fate {
	bool picked;
	bool made_again; /* one of its containers at least is another one now */
	bool held; /* what becomes of it is not known yet: its image is on its way, or a peer's is */
	long supply; /* the STEP_SUPPLY that brings its image */
	size_t first, n; /* its steps that start containers: N from FIRST, not all of them STEP_START */
	long wait[DEPEND_WHEN_MAX]; /* its STEP_WAITs */
};

struct planner {
	struct project *p;
	const struct actuals *a;
	const struct plan_opts *o;
	struct project_plan plan;
	struct fate *fate;
	bool start_only; /* nothing is made or removed */
};

/* --- steps ------------------------------------------------------------------------------------ */

static size_t add_step(struct project_plan *plan, enum step_kind kind, const struct service *s,
		       unsigned number, struct actual *old)
{
	plan->v = xgrow(plan->v, plan->n, &plan->cap, sizeof(*plan->v));
	plan->v[plan->n] = (struct step){ .kind = kind, .service = s, .number = number, .old = old };
	return plan->n++;
}

static void wait_for(struct project_plan *plan, size_t step, long before)
{
	struct step *s = &plan->v[step];

	if (before == NONE)
		return;
	for (size_t i = 0; i < s->n_after; i++)
		if (s->after[i] == (size_t)before)
			return;
	s->after = xgrow(s->after, s->n_after, &s->after_cap, sizeof(*s->after));
	s->after[s->n_after++] = (size_t)before;
}

void project_plan_done(struct project_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		free(plan->v[i].after);
	free(plan->v);
	*plan = (struct project_plan){ 0 };
}

/* --- which services --------------------------------------------------------------------------- */

static size_t index_of(const struct planner *pl, const struct service *s)
{
	return (size_t)(s - pl->p->services);
}

static void pick(struct planner *pl, const struct service *s)
{
	struct fate *f = &pl->fate[index_of(pl, s)];

	if (f->picked || !s->enabled)
		return;
	f->picked = true;
	for (size_t i = 0; i < s->n_depends && !pl->o->no_deps; i++) {
		const struct service *d = project_service(pl->p, s->depends[i].service);

		if (d)
			pick(pl, d);
	}
}

static struct err *pick_all(struct planner *pl)
{
	struct project *p = pl->p;

	if (!pl->o->services || !pl->o->services->n) {
		for (size_t i = 0; i < p->n_services; i++)
			pick(pl, &p->services[i]);
		return NULL;
	}
	for (size_t i = 0; i < pl->o->services->n; i++) {
		const char *name = pl->o->services->v[i];
		struct err *e = project_enable(p, name);

		if (e)
			return e;
		pick(pl, project_service(p, name));
	}
	return NULL;
}

static bool is_asked_for(const struct planner *pl, const struct service *s)
{
	return !pl->o->services || !pl->o->services->n || strv_has(pl->o->services, s->name);
}

/* --- images that are on their way ------------------------------------------------------------- */

/* Does S's build start from the image of OTHER ("service:x" in additional_contexts)? */
static bool builds_on(const struct service *s, const char *other)
{
	const struct node *contexts = node_get(node_get(s->node, "build"), "additional_contexts");

	for (size_t i = 0; i < node_len(contexts); i++) {
		const char *name = str_after(contexts->m[i].value->text, "service:");

		if (name && !strcmp(name, other))
			return true;
	}
	return false;
}

static void plan_supplies(struct planner *pl)
{
	const struct project *p = pl->p;

	for (size_t i = 0; i < p->n_services && pl->o->supply; i++)
		if (pl->fate[i].picked && pl->o->supply[i] == (long)i)
			pl->fate[i].supply =
				(long)add_step(&pl->plan, STEP_SUPPLY, &p->services[i], 0, NULL);
	for (size_t i = 0; i < pl->plan.n; i++)
		for (size_t k = 0; k < pl->plan.n; k++)
			if (i != k && builds_on(pl->plan.v[i].service, pl->plan.v[k].service->name))
				wait_for(&pl->plan, i, (long)k);
	/* one image, several services */
	for (size_t i = 0; i < p->n_services && pl->o->supply; i++)
		if (pl->fate[i].picked && pl->o->supply[i] != NONE)
			pl->fate[i].supply = pl->fate[pl->o->supply[i]].supply;
}

/* --- what a service waits for ----------------------------------------------------------------- */

static long wait_step(struct planner *pl, const struct service *on, enum depend_when when, bool optional)
{
	struct fate *f = &pl->fate[index_of(pl, on)];

	if (f->wait[when] == NONE) {
		size_t w = add_step(&pl->plan, STEP_WAIT, on, 0, NULL);

		pl->plan.v[w].when = when;
		pl->plan.v[w].optional = optional;
		for (size_t i = 0; i < f->n; i++)
			wait_for(&pl->plan, w, (long)(f->first + i));
		f->wait[when] = (long)w;
	}
	return f->wait[when];
}

/* START waits for everything that depends_on names. */
static void order_start(struct planner *pl, const struct service *s, size_t start)
{
	for (size_t i = 0; i < s->n_depends; i++) {
		const struct depend *d = &s->depends[i];
		const struct service *on = project_service(pl->p, d->service);
		const struct fate *f = on ? &pl->fate[index_of(pl, on)] : NULL;

		if (!f || !f->picked)
			continue; /* --no-deps, or one that need not be there */
		if (d->when == DEPEND_STARTED) {
			for (size_t k = 0; k < f->n; k++)
				wait_for(&pl->plan, start, (long)(f->first + k));
		} else {
			long w = wait_step(pl, on, d->when, !d->required);

			pl->plan.v[w].dependency = true;
			wait_for(&pl->plan, start, w);
		}
	}
}

/* Does S name containers of the service OTHER, so that it must be made after them and with them? */
static bool refers_to(const struct service *s, const char *other)
{
	static const char *const lists[] = { "links", "volumes_from" };
	const char *mode = node_str(s->node, "network_mode"),
		   *of = mode ? str_after(mode, "service:") : NULL;

	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		const struct node *l = node_get(s->node, lists[k]);

		for (size_t i = 0; i < node_len(l); i++) {
			const char *text = l->m[i].value->text;

			if (strcspn(text, ":") == strlen(other) && str_starts(text, other))
				return true;
		}
	}
	return of && !strcmp(of, other);
}

/* CREATE waits until what its links and the like name is there. */
static bool order_create(struct planner *pl, const struct service *s, long create)
{
	bool again = false;

	for (size_t i = 0; i < s->n_depends; i++) {
		const struct service *on = project_service(pl->p, s->depends[i].service);
		const struct fate *f = on ? &pl->fate[index_of(pl, on)] : NULL;

		if (!f || !f->picked || !refers_to(s, on->name))
			continue;
		again = again || f->made_again;
		for (size_t k = 0; k < pl->plan.n && create != NONE; k++) {
			const struct step *t = &pl->plan.v[k];

			if (t->service == on && (t->kind == STEP_CREATE || t->kind == STEP_RECREATE))
				wait_for(&pl->plan, (size_t)create, (long)k);
		}
	}
	return again;
}

/* --- one service ------------------------------------------------------------------------------ */

static unsigned wanted_number(const struct planner *pl, const struct service *s)
{
	int scale = pl->o->scale ? pl->o->scale[index_of(pl, s)] : -1;

	return scale >= 0 ? (unsigned)scale : s->scale;
}

static bool differs(const struct planner *pl, const struct service *s, const struct actual *c,
		    bool peers_again)
{
	const char *image = pl->o->image_ids ? pl->o->image_ids[index_of(pl, s)] : NULL;
	char hash[65];

	if (pl->o->no_recreate)
		return false;
	if (pl->o->force_recreate && (is_asked_for(pl, s) || pl->o->always_recreate_deps))
		return true;
	if (pl->o->always_recreate_deps && !is_asked_for(pl, s))
		return true;
	service_hash(pl->p, s, hash);
	return peers_again || strcmp(hash, c->hash) != 0 || (image && strcmp(image, c->image_id) != 0);
}

/* A container that stands beside the one it was to replace: the work of an `up` that was ended. */
static bool is_leftover(const struct planner *pl, const struct service *s, const struct actual *c)
{
	return c->replaces &&
	       strcmp(c->name, container_name(pl->p, s, c->number, pl->o->underscores)) != 0;
}

static long stop_and_remove(struct planner *pl, const struct service *s, struct actual *c)
{
	size_t stop = add_step(&pl->plan, STEP_STOP, s, c->number, c),
	       gone = add_step(&pl->plan, STEP_REMOVE, s, c->number, c);

	wait_for(&pl->plan, gone, (long)stop);
	return (long)gone;
}

/* The container that has NUMBER now.  Doubles of an interrupted `up` are tidied away. */
static struct actual *holder_of(struct planner *pl, const struct service *s, struct actual *own,
				size_t n, unsigned number, long *ret_after)
{
	struct actual *found = NULL, *leftover = NULL;

	for (size_t i = 0; i < n; i++) {
		if (own[i].oneoff || own[i].number != number)
			continue;
		if (is_leftover(pl, s, &own[i]) && !leftover)
			leftover = &own[i];
		else if (!found && !is_leftover(pl, s, &own[i]))
			found = &own[i];
		else
			stop_and_remove(pl, s, &own[i]);
	}
	if (found && leftover) /* its name is wanted when FOUND is made again */
		*ret_after = stop_and_remove(pl, s, leftover);
	if (!found && leftover)
		*ret_after = (long)add_step(&pl->plan, STEP_RENAME, s, number, leftover);
	return found ?: leftover;
}

/* Does S ask (depends_on's restart) to be restarted because what it depends on is made again? */
static bool follows(const struct planner *pl, const struct service *s)
{
	for (size_t i = 0; i < s->n_depends; i++) {
		const struct service *on = project_service(pl->p, s->depends[i].service);

		if (on && s->depends[i].restart && pl->fate[index_of(pl, on)].made_again)
			return true;
	}
	return false;
}

static void plan_orphans(struct planner *pl)
{
	for (size_t i = 0; i < pl->a->n; i++) {
		struct actual *c = &pl->a->v[i];

		if (!project_service(pl->p, c->service) && !c->oneoff)
			stop_and_remove(pl, NULL, c);
	}
}

/* A container that goes may have the name that the new one is to get. */
static void after_orphans(struct planner *pl, const struct service *s, unsigned number, size_t create)
{
	const char *name = container_name(pl->p, s, number, pl->o->underscores);

	for (size_t i = 0; i < create; i++)
		if (pl->plan.v[i].kind == STEP_REMOVE && !strcmp(pl->plan.v[i].old->name, name))
			wait_for(&pl->plan, create, (long)i);
}

static void plan_number(struct planner *pl, const struct service *s, struct actual *own, size_t n,
			unsigned number, bool peers_again)
{
	struct fate *f = &pl->fate[index_of(pl, s)];
	long before = NONE;
	struct actual *c = holder_of(pl, s, own, n, number, &before);
	bool make = !c || differs(pl, s, c, peers_again);

	if (make) {
		long create = (long)add_step(&pl->plan, c ? STEP_RECREATE : STEP_CREATE, s, number, c);

		wait_for(&pl->plan, (size_t)create, before);
		order_create(pl, s, create);
		after_orphans(pl, s, number, (size_t)create);
		f->made_again = f->made_again || c;
		before = create;
	}
	if (!make && c->up && follows(pl, s)) {
		before = (long)add_step(&pl->plan, STEP_STOP, s, number, c);
		wait_for(&pl->plan, add_step(&pl->plan, STEP_START, s, number, c), before);
	} else if (!pl->o->no_start && (make || !c->up)) {
		wait_for(&pl->plan, add_step(&pl->plan, STEP_START, s, number, make ? NULL : c), before);
	}
}

/* Until the image of S, or of what its links and the like name, has come, it is not known whether S's containers are
 * made again: a step that stands for all of them waits. */
static bool hold(struct planner *pl, const struct service *s)
{
	struct fate *f = &pl->fate[index_of(pl, s)];
	_cleanup_free_ long *before = xcalloc(s->n_depends + 1, sizeof(*before));
	size_t n = 0;

	if (f->supply != NONE)
		before[n++] = f->supply;
	for (size_t i = 0; i < s->n_depends; i++) {
		const struct service *on = project_service(pl->p, s->depends[i].service);
		const struct fate *of = on ? &pl->fate[index_of(pl, on)] : NULL;

		if (of && of->held && refers_to(s, on->name))
			before[n++] = (long)of->first;
	}
	if (!n)
		return false;
	f->held = true;
	f->first = add_step(&pl->plan, STEP_HOLD, s, 0, NULL);
	f->n = 1;
	while (n)
		wait_for(&pl->plan, f->first, before[--n]);
	return true;
}

static void plan_service(struct planner *pl, const struct service *s)
{
	struct fate *f = &pl->fate[index_of(pl, s)];
	unsigned want = wanted_number(pl, s);
	bool again = order_create(pl, s, NONE);
	size_t n = 0, from = pl->plan.n;
	struct actual *own = actuals_of(pl->a, s->name, &n);

	for (size_t i = n; i-- > 0 && !pl->start_only;)
		if (!own[i].oneoff && own[i].number > want)
			stop_and_remove(pl, s, &own[i]);
	for (unsigned number = 1; number <= want && !pl->start_only; number++)
		plan_number(pl, s, own, n, number, again);
	for (size_t i = 0; i < n && pl->start_only; i++)
		if (!own[i].oneoff && !own[i].up)
			add_step(&pl->plan, STEP_START, s, own[i].number, &own[i]);
	f->first = from;
	f->n = pl->plan.n - from;
	/* only now: its own waits must not be among its steps */
	for (size_t i = from; i < from + f->n; i++)
		if (pl->plan.v[i].kind == STEP_START)
			order_start(pl, s, i);
}

/* Dependencies first; there is no circle (resolve.c). */
static void visit(struct planner *pl, const struct service *s, bool *seen)
{
	size_t self = index_of(pl, s);

	if (seen[self] || !pl->fate[self].picked)
		return;
	seen[self] = true;
	for (size_t i = 0; i < s->n_depends; i++) {
		const struct service *d = project_service(pl->p, s->depends[i].service);

		if (d)
			visit(pl, d, seen);
	}
	if (!hold(pl, s))
		plan_service(pl, s);
}

static struct err *plan_all(struct planner *pl, bool *picked, struct project_plan *ret)
{
	struct project *p = pl->p;
	_cleanup_free_ bool *seen = xcalloc(p->n_services + 1, sizeof(*seen));
	struct err *e;

	pl->fate = xcalloc(p->n_services + 1, sizeof(*pl->fate));
	for (size_t i = 0; i < p->n_services; i++) {
		pl->fate[i].supply = NONE;
		for (enum depend_when w = 0; w < DEPEND_WHEN_MAX; w++)
			pl->fate[i].wait[w] = NONE;
	}
	e = pick_all(pl);
	if (!e)
		plan_supplies(pl);
	if (!e && pl->o->remove_orphans)
		plan_orphans(pl);
	for (size_t i = 0; i < p->n_services && !e; i++)
		visit(pl, &p->services[i], seen);
	for (size_t i = 0; i < p->n_services && !e; i++) {
		if (picked)
			picked[i] = pl->fate[i].picked;
		if (pl->o->wait && pl->fate[i].picked)
			wait_step(pl, &p->services[i], DEPEND_HEALTHY, false);
	}
	free(pl->fate);
	if (e)
		project_plan_done(&pl->plan);
	else
		*ret = pl->plan;
	return e;
}

struct err *project_plan_up(struct project *p, const struct actuals *a, const struct plan_opts *o,
			    bool *picked, struct project_plan *ret)
{
	struct planner pl = { .p = p, .a = a, .o = o };

	return plan_all(&pl, picked, ret);
}

void project_plan_images(struct project *p, const struct plan_opts *o, const bool *picked,
			 struct project_plan *ret)
{
	struct planner pl = { .p = p, .o = o };

	pl.fate = xcalloc(p->n_services + 1, sizeof(*pl.fate));
	for (size_t i = 0; i < p->n_services; i++)
		pl.fate[i].picked = picked[i];
	plan_supplies(&pl);
	free(pl.fate);
	*ret = pl.plan;
}

struct err *project_plan_start(struct project *p, const struct actuals *a,
			       const struct plan_opts *o, struct project_plan *ret)
{
	struct planner pl = { .p = p, .a = a, .o = o, .start_only = true };

	return plan_all(&pl, NULL, ret);
}

/* --- the other way ---------------------------------------------------------------------------- */

/* Does container C say that it depends on SERVICE? */
static bool label_names(const struct actual *c, const char *service)
{
	const char *list = c->box ? box_label(c->box, LABEL_DEPENDS) : NULL;
	size_t len = strlen(service);

	for (; list && *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
		if (str_starts(list, service) && (list[len] == ':' || list[len] == ',' || !list[len]))
			return true;
	return false;
}

static bool depends_on(const struct project *p, const struct actual *c, const char *service)
{
	const struct service *s = p ? project_service(p, c->service) : NULL;

	if (!s)
		return label_names(c, service);
	for (size_t i = 0; i < s->n_depends; i++)
		if (!strcmp(s->depends[i].service, service))
			return true;
	return false;
}

void project_plan_down(const struct project *p, const struct actuals *a, const struct strv *services,
		       bool remove, bool orphans, bool oneoff, struct project_plan *ret)
{
	struct project_plan plan = { 0 };
	_cleanup_free_ long *last = xcalloc(a->n + 1, sizeof(*last)); /* the step that ends container I */

	for (size_t i = 0; i < a->n; i++) {
		struct actual *c = &a->v[i];
		const struct service *s = p ? project_service(p, c->service) : NULL;
		size_t stop;

		last[i] = NONE;
		if ((c->oneoff && !oneoff) || (p && !s && !orphans))
			continue;
		if (services && services->n && !strv_has(services, c->service))
			continue;
		if (!remove && !c->up)
			continue;
		stop = add_step(&plan, STEP_STOP, s, c->number, c);
		last[i] = (long)stop;
		if (remove) {
			last[i] = (long)add_step(&plan, STEP_REMOVE, s, c->number, c);
			wait_for(&plan, (size_t)last[i], (long)stop);
		}
	}
	for (size_t k = 0; k < plan.n; k++)
		for (size_t i = 0; i < a->n && plan.v[k].kind == STEP_STOP; i++)
			if (last[i] != NONE && depends_on(p, &a->v[i], plan.v[k].old->service) &&
			    strcmp(a->v[i].service, plan.v[k].old->service))
				wait_for(&plan, k, last[i]);
	*ret = plan;
}

void project_plan_wait(const struct project *p, const struct service *s, struct project_plan *ret)
{
	struct project_plan plan = { 0 };

	for (size_t i = 0; i < s->n_depends; i++) {
		const struct depend *d = &s->depends[i];
		const struct service *on = project_service(p, d->service);
		size_t w;

		if (!on || !on->enabled || d->when == DEPEND_STARTED)
			continue;
		w = add_step(&plan, STEP_WAIT, on, 0, NULL);
		plan.v[w].when = d->when;
		plan.v[w].optional = !d->required;
		plan.v[w].dependency = true;
	}
	*ret = plan;
}
