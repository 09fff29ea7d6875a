#include "core/compose/engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "core/base/fd.h"
#include "core/box/control.h"
#include "core/box/recipe.h"
#include "core/compose/hook.h"
#include "core/compose/jobs.h"
#include "core/compose/request.h"
#include "core/compose/supply.h"

/* What a job tells: a sentence for the user. */
enum { NOTE = 'n' };

void engine_tell(const struct compose *en, enum engine_state state, const char *kind,
		 const char *name, const char *words)
{
	_cleanup_free_ char *subject = xasprintf("%s %s", kind, name);
	struct engine_event ev = { .subject = subject, .words = words, .state = state };

	if (en->event)
		en->event(en->arg, &ev);
}

static void say(const struct compose *en, const char *text)
{
	struct engine_event ev = { .text = text };

	if (en->event)
		en->event(en->arg, &ev);
}

/* --- the work of a step, in its job ----------------------------------------------------------- */

struct work {
	struct compose *en;
	const struct step *step;
	const struct supply *supply; /* of STEP_SUPPLY */
};

static bool name_is_taken(const struct compose *en, const char *name)
{
	return faccessat(en->st->names, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Container NUMBER of SERVICE, if it is there. */
const char *engine_peer(void *arg, const char *service, unsigned number)
{
	struct compose *en = arg;
	const struct service *s = project_service(en->p, service);
	const char *name = s ? container_name(en->p, s, number, en->underscores) : NULL;

	return name && name_is_taken(en, name) ? name : NULL;
}

static const char *name_of(const struct work *w)
{
	return container_name(w->en->p, w->step->service, w->step->number, w->en->underscores);
}

static struct err *make(const struct work *w, const struct box *replaces, const char *name, int out,
			struct box **ret)
{
	_cleanup_strv_ struct strv notes = { 0 };
	struct run_request req = { 0 };
	struct image *img = NULL;
	struct request_opts o = { .name = name,
				  .number = w->step->number,
				  .underscores = w->en->underscores,
				  .replaces = replaces,
				  .renew_volumes = w->en->renew_volumes,
				  .peer = engine_peer,
				  .arg = w->en,
				  .notes = &notes };
	struct err *e = image_find(w->en->st, service_image(w->en->p, w->step->service), &img);

	o.image = img;
	e = e ?: request_make(w->en->p, w->step->service, &o, w->en->st, &req);
	if (!e) {
		e = box_create(w->en->st, &req, img, ret);
		request_done(&req);
	}
	for (size_t i = 0; i < notes.n; i++)
		jobs_tell(out, NOTE, notes.v[i]);
	for (size_t i = 0; !e && i < (*ret)->notes.n; i++)
		jobs_tell(out, NOTE, (*ret)->notes.v[i]);
	image_free(img);
	return e;
}

static struct err *create(const struct work *w, int out)
{
	struct box *b = NULL;
	struct err *e = make(w, NULL, NULL, out, &b);

	box_free(b);
	return e;
}

struct hearer {
	int out;
	const char *name;
};

static void tell_line(void *arg, const char *line)
{
	const struct hearer *to = arg;
	_cleanup_free_ char *text = xasprintf("%s -> | %s", to->name, line);

	jobs_tell(to->out, NOTE, text);
}

static struct err *stop(const struct work *w, struct box *b, int out)
{
	struct hearer to = { out, b->spec.name };
	struct err *e = hooks_run(w->step->service, "pre_stop", b, tell_line, &to);

	if (e) { /* who wants it to end must be able to: it is told, no more */
		_cleanup_free_ char *line = err_line(e);

		jobs_tell(out, NOTE, line);
		err_free(e);
	}
	return box_stop(b, w->en->stop_timeout_s);
}

/* The new one is there before the old one goes: whatever happens in between, its volumes have an owner. */
static struct err *recreate(const struct work *w, int out)
{
	struct box *old = w->step->old->box, *b = NULL;
	_cleanup_free_ char *beside = xasprintf("%.12s_%s", old->spec.id, name_of(w));
	struct err *e = make(w, old, beside, out, &b);

	e = e ?: box_refresh(old);
	if (!e && state_is_up(&old->state))
		e = stop(w, old, out);
	e = e ?: box_rm(old, true, w->en->renew_volumes);
	e = e ?: box_rename(b, name_of(w));
	box_free(b);
	return e;
}

static struct err *start(const struct work *w, int out)
{
	struct box *b = NULL;
	/* by its id: a leftover has just got another name */
	struct err *e =
		box_find(w->en->st, w->step->old ? w->step->old->box->spec.id : name_of(w), &b);

	if (!e && !state_is_up(&b->state)) {
		struct hearer to = { out, b->spec.name };

		e = box_start(b, NULL);
		e = e ?: hooks_run(w->step->service, "post_start", b, tell_line, &to);
	}
	for (size_t i = 0; !e && i < b->notes.n; i++) {
		_cleanup_free_ char *note = xasprintf("%s: %s", b->spec.name, b->notes.v[i]);

		jobs_tell(out, NOTE, note);
	}
	box_free(b);
	return e;
}

/* Sleep until B's record changes, or it ends. */
static struct err *await_change(struct box *b, int notify)
{
	_cleanup_close_ int conn = -1;
	struct pollfd p[2] = { { .fd = notify, .events = POLLIN } };
	char drain[4096];
	struct err *e = ctl_connect(b->dir, &conn);

	e = e ?: ctl_send(conn, CTL_WAIT, 0, NULL, 0, -1);
	if (e) { /* it ends just now: the record says so soon */
		err_free(e);
		poll(p, 1, 100);
	} else {
		p[1] = (struct pollfd){ .fd = conn, .events = POLLIN };
		poll(p, 2, -1);
	}
	while (read(notify, drain, sizeof(drain)) > 0)
		;
	return box_refresh(b);
}

static struct err *ended_early(const struct box *b)
{
	return err_hint(err_new(0, "container %s exited (%d)", b->spec.name, b->state.exit_code),
			"devbox logs %s", b->spec.name);
}

static struct err *await_health(struct box *b)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", b->dir);
	struct err *e = NULL;

	if (notify < 0 || inotify_add_watch(notify, path, IN_MOVED_TO) < 0)
		return err_new(errno, "watching container %s", b->spec.name);
	e = box_refresh(b);
	while (!e) {
		if (!state_is_up(&b->state))
			return ended_early(b);
		if (b->state.health.status == HEALTH_HEALTHY)
			return NULL;
		if (b->state.health.status == HEALTH_UNHEALTHY)
			return err_hint(err_new(0, "container %s is unhealthy", b->spec.name),
					"devbox inspect %s shows what its test said", b->spec.name);
		e = await_change(b, notify);
	}
	return e;
}

/* Is SERVICE there for the volumes that others take from it?  It may end after that. */
static bool gives_volumes(const struct project *p, const char *service)
{
	for (size_t i = 0; i < p->n_services; i++) {
		const struct node *from = node_get(p->services[i].node, "volumes_from");

		for (size_t k = 0; k < node_len(from); k++) {
			const char *text = from->m[k].value->text;

			if (strcspn(text, ":") == strlen(service) && str_starts(text, service))
				return true;
		}
	}
	return false;
}

static struct err *await_one(struct work *w, struct box *b)
{
	const char *service = w->step->service->name;
	int code = 0;
	struct err *e;

	if (w->step->when == DEPEND_COMPLETED) {
		e = box_wait(b, &code);
		return e || !code
			       ? e
			       : err_hint(err_new(0, "service \"%s\" didn't complete successfully: exit %d",
						  service, code),
					  "devbox logs %s", b->spec.name);
	}
	if (health_wanted(&b->spec.health))
		return await_health(b);
	if (b->spec.recipe)
		return box_wait_ready(b, 0);
	return state_is_up(&b->state) || (!b->state.exit_code && gives_volumes(w->en->p, service))
		       ? NULL
		       : ended_early(b);
}

static struct err *await(struct work *w)
{
	const char *name;
	struct err *e = NULL;

	for (unsigned k = 1; !e && (name = engine_peer(w->en, w->step->service->name, k)) != NULL; k++) {
		struct box *b = NULL;

		e = box_find(w->en->st, name, &b);
		e = e ?: await_one(w, b);
		box_free(b);
	}
	return e;
}

static struct err *rename_leftover(const struct work *w)
{
	return box_rename(w->step->old->box, name_of(w));
}

static struct err *run_step(void *arg, int out)
{
	struct work *w = arg;

	switch (w->step->kind) {
	case STEP_CREATE:
		return create(w, out);
	case STEP_RECREATE:
		return recreate(w, out);
	case STEP_START:
		return start(w, out);
	case STEP_STOP:
		return state_is_up(&w->step->old->box->state) ? stop(w, w->step->old->box, out) : NULL;
	case STEP_REMOVE:
		/* with force: it may have been started again meanwhile */
		return box_rm(w->step->old->box, true, w->en->volumes);
	case STEP_RENAME:
		return rename_leftover(w);
	case STEP_WAIT:
		if (w->en->wait_timeout_s)
			alarm(w->en->wait_timeout_s); /* jobs.c knows what its signal means */
		return w->step->dependency && w->step->when == DEPEND_HEALTHY
			       ? err_wrap(await(w), "dependency failed to start")
			       : await(w);
	case STEP_SUPPLY:
		return supply_run(w->en, w->supply, out);
	default:
		return NULL;
	}
}

/* --- what the user sees ----------------------------------------------------------------------- */

static const char *const working[] = { "Creating", "Recreate", "Starting", "Stopping",
				       "Removing", "Renaming", "Waiting" };
static const char *const done[] = { "Created", "Recreated", "Started", "Stopped",
				    "Removed", "Renamed",   "Healthy" };
_Static_assert(ARRAY_LEN(working) == STEP_SUPPLY && ARRAY_LEN(done) == STEP_SUPPLY,
	       "words for each that is of containers");

static void tell_step(const struct compose *en, const struct step *s, enum engine_state state)
{
	const char *words = state == ENGINE_WORKING ? working[s->kind] : done[s->kind];

	if (s->kind == STEP_WAIT && s->when == DEPEND_COMPLETED && state == ENGINE_DONE)
		words = "Exited";
	if (state == ENGINE_FAILED)
		words = "Error";
	if (s->kind == STEP_WAIT) {
		const char *name;

		for (unsigned k = 1; (name = engine_peer((void *)en, s->service->name, k)) != NULL; k++)
			engine_tell(en, state, "Container", name, words);
		return;
	}
	engine_tell(en, state, "Container",
		    s->service && s->kind != STEP_STOP && s->kind != STEP_REMOVE
			    ? container_name(en->p, s->service, s->number, en->underscores)
			    : s->old->name,
		    words);
}

/* --- steps ------------------------------------------------------------------------------------ */

enum progress {
	STEP_TODO,
	STEP_RUNNING,
	STEP_OVER,
	STEP_FAILED, /* or not tried, because one before it has failed */
};

/* One run through a plan. */
struct run {
	struct compose *en;
	struct project_plan *plan;
	enum progress *at; /* of each step */
	struct supply *supplies; /* of each service; NULL: the plan has none of them */
	struct jobs jobs;
	size_t *step_of; /* job's id -> its step, which moves when the plan is made again */
	size_t n_jobs, cap;
	const bool *picked; /* services whose networks and volumes are to be made before a container; NULL: they are */
	bool news; /* an image has come */
	struct err *errors;
};

static struct supply *supply_of(const struct run *r, const struct step *s)
{
	return s->kind == STEP_SUPPLY ? &r->supplies[s->service - r->en->p->services] : NULL;
}

static void tell(const struct run *r, const struct step *s, enum engine_state state)
{
	if (s->kind == STEP_SUPPLY)
		supply_tell(r->en, supply_of(r, s), state, NULL);
	else if (s->kind != STEP_HOLD)
		tell_step(r->en, s, state);
}

/* Are the steps before S over?  *RET_FAILED: one of them never will be. */
static bool may_run(const struct run *r, const struct step *s, bool *ret_failed)
{
	bool may = true;

	*ret_failed = false;
	for (size_t i = 0; i < s->n_after; i++) {
		may = may && r->at[s->after[i]] == STEP_OVER;
		*ret_failed = *ret_failed || r->at[s->after[i]] == STEP_FAILED;
	}
	return may;
}

static void step_over(struct run *r, size_t i)
{
	struct supply *su = supply_of(r, &r->plan->v[i]);

	r->at[i] = STEP_OVER;
	if (!su)
		return;
	r->news = true;
	for (size_t k = 0; k < r->en->p->n_services; k++)
		if (r->supplies[k].by == su - r->supplies)
			r->supplies[k].by = SUPPLY_BY_NONE;
}

static struct err *start_step(struct run *r, size_t i)
{
	struct step *s = &r->plan->v[i];
	struct work w = { r->en, s, supply_of(r, s) };

	if (r->picked && (s->kind == STEP_CREATE || s->kind == STEP_RECREATE || s->kind == STEP_START)) {
		struct err *e = engine_resources(r->en, r->picked, false);

		r->picked = NULL;
		if (e)
			return e;
	}
	tell(r, s, ENGINE_WORKING);
	if (r->en->dry_run || s->kind == STEP_HOLD) {
		step_over(r, i);
		tell(r, s, ENGINE_DONE);
		return NULL;
	}
	r->step_of = xgrow(r->step_of, r->n_jobs, &r->cap, sizeof(*r->step_of));
	r->step_of[r->n_jobs] = i;
	r->at[i] = STEP_RUNNING;
	return jobs_start(&r->jobs, r->n_jobs++, run_step, &w);
}

/* Start what may run; what hangs on a failure is given up.  Again, as long as that changes anything. */
static struct err *start_steps(struct run *r)
{
	struct err *e = NULL;
	bool changed = true;

	while (changed && !e && !r->news) {
		changed = false;
		for (size_t i = 0; i < r->plan->n && !e && !jobs_full(&r->jobs); i++) {
			bool failed;

			if (r->at[i] != STEP_TODO || (!may_run(r, &r->plan->v[i], &failed) && !failed))
				continue;
			if (failed)
				r->at[i] = STEP_FAILED;
			else
				e = start_step(r, i);
			changed = changed || r->at[i] != STEP_RUNNING;
		}
	}
	return e;
}

static void step_ended(struct run *r, const struct job_word *word)
{
	size_t i = r->step_of[word->id];
	struct step *s = &r->plan->v[i];

	if (word->error && s->kind == STEP_SUPPLY)
		supply_tell_kept(r->en, supply_of(r, s));
	if (word->error && !s->optional) {
		r->at[i] = STEP_FAILED;
		r->errors = err_also(r->errors, word->error);
	} else {
		step_over(r, i);
	}
	tell(r, s, word->error ? ENGINE_FAILED : ENGINE_DONE);
	if (!word->error && s->kind == STEP_START && r->en->runs)
		r->en->runs(r->en->arg,
			    container_name(r->en->p, s->service, s->number, r->en->underscores));
	if (word->error && s->optional) {
		_cleanup_free_ char *line = err_line(word->error);

		say(r->en, line);
		err_free(word->error);
	}
}

/* Until something changes: nothing more to do (*RET_MORE is false), an image has come, or Ctrl-C. */
static struct err *go_on(struct run *r, bool *ret_more)
{
	*ret_more = true;
	while (!r->news) {
		struct job_word word;
		struct err *e = start_steps(r);

		if (!e && r->news)
			break;
		*ret_more = r->jobs.n > 0;
		if (e || !*ret_more)
			return e;
		e = jobs_next(&r->jobs, &word);
		if (e)
			return e;
		if (word.kind == JOB_WOKEN) {
			*ret_more = false;
			r->en->interrupted = true;
			return NULL;
		}
		if (word.kind == JOB_BESIDE)
			r->en->attend(r->en->arg);
		else if (!word.kind)
			step_ended(r, &word);
		else if (word.kind == NOTE)
			say(r->en, word.text);
		else
			supply_word(r->en, supply_of(r, &r->plan->v[r->step_of[word.id]]), &word);
	}
	return NULL;
}

static void run_done(struct run *r)
{
	jobs_done(&r->jobs);
	free(r->at);
	free(r->step_of);
}

static struct err *run_plan(struct compose *en, struct project_plan *plan, struct supply *supplies)
{
	struct run r = { .en = en,
			 .plan = plan,
			 .at = xcalloc(plan->n + 1, sizeof(*r.at)),
			 .supplies = supplies,
			 .jobs = { .limit = en->parallel, .wake = en->signals, .beside = en->beside } };
	bool more = true;
	struct err *e = NULL;

	while (more && !e) {
		r.news = false; /* this plan is the whole of it */
		e = go_on(&r, &more);
	}
	run_done(&r);
	return err_also(r.errors, e);
}

struct err *engine_steps(struct compose *en, struct project_plan *plan)
{
	return run_plan(en, plan, NULL);
}

/* --- up --------------------------------------------------------------------------------------- */

static bool is_same(const struct step *a, const struct step *b)
{
	return a->kind == b->kind && a->service == b->service && a->number == b->number &&
	       a->old == b->old && a->when == b->when;
}

/* NEXT takes the place of the plan: what is done stays done, what runs goes on. */
static void adopt(struct run *r, struct project_plan *next)
{
	enum progress *at = xcalloc(next->n + 1, sizeof(*at));
	_cleanup_free_ size_t *moved = xcalloc(r->plan->n + 1, sizeof(*moved));

	for (size_t i = 0; i < r->plan->n; i++)
		for (size_t k = 0; k < next->n && r->at[i] != STEP_TODO; k++)
			if (is_same(&r->plan->v[i], &next->v[k])) {
				at[k] = r->at[i];
				moved[i] = k;
			}
	for (size_t k = 0; k < r->n_jobs; k++) /* those of ended jobs mean nothing any more */
		r->step_of[k] = moved[r->step_of[k]];
	free(r->at);
	r->at = at;
	project_plan_done(r->plan);
	*r->plan = *next;
}

/* Containers that are as they should be. */
static void tell_running(const struct compose *en, const struct project_plan *plan, const bool *picked)
{
	for (size_t i = 0; i < en->a->n; i++) {
		const struct actual *c = &en->a->v[i];
		const struct service *of = project_service(en->p, c->service);
		bool changes = !of || !picked[of - en->p->services] || c->oneoff || !c->up;

		for (size_t k = 0; k < plan->n && !changes; k++)
			changes = plan->v[k].old == c ||
				  (plan->v[k].kind == STEP_HOLD && plan->v[k].service == of);
		if (changes)
			continue;
		engine_tell(en, ENGINE_DONE, "Container", c->name, "Running");
		if (en->runs)
			en->runs(en->arg, c->name);
	}
}

/* What is known by now of the images: their ids, and which are still to come. */
static void look_at_images(struct compose *en, const struct supply *supplies, const char **ids, long *by)
{
	struct project *p = en->p;

	for (size_t i = 0; i < p->n_services; i++) {
		struct image *img = NULL;

		by[i] = supplies[i].by;
		if (ids[i] || !supplies[i].image || by[i] != SUPPLY_BY_NONE)
			continue;
		err_free(image_find(en->st, supplies[i].image, &img)); /* told when it is used */
		ids[i] = img ? arena_str(&p->arena, img->id) : NULL;
		image_free(img);
	}
}

struct err *engine_up(struct compose *en, const struct plan_opts *opts, const bool *picked)
{
	struct project *p = en->p;
	_cleanup_free_ const char **ids = xcalloc(p->n_services + 1, sizeof(*ids));
	_cleanup_free_ long *by = xcalloc(p->n_services + 1, sizeof(*by));
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct plan_opts o = *opts;
	struct run r = { .en = en,
			 .plan = &plan,
			 .picked = picked,
			 .jobs = { .limit = en->parallel, .wake = en->signals, .beside = en->beside } };
	bool more = true;
	struct err *e = supplies_decide(en, picked, &r.supplies);

	o.image_ids = ids;
	o.supply = by;
	e = e ?: engine_resources(en, picked, true);
	while (!e && more) {
		struct project_plan next = { 0 };

		look_at_images(en, r.supplies, ids, by);
		e = project_plan_up(p, en->a, &o, NULL, &next);
		if (e)
			break;
		adopt(&r, &next);
		tell_running(en, &plan, picked);
		r.news = false;
		e = go_on(&r, &more);
	}
	run_done(&r);
	supplies_free(r.supplies, p->n_services);
	return err_also(r.errors, e);
}

struct err *engine_images(struct compose *en, const bool *picked)
{
	struct project *p = en->p;
	_cleanup_free_ long *by = xcalloc(p->n_services + 1, sizeof(*by));
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	struct plan_opts o = { .supply = by };
	struct supply *supplies = NULL;
	struct err *e = supplies_decide(en, picked, &supplies);

	if (e)
		return e;
	for (size_t i = 0; i < p->n_services; i++)
		by[i] = supplies[i].by;
	project_plan_images(p, &o, picked, &plan);
	for (size_t i = 0; i < plan.n; i++)
		plan.v[i].optional = en->pull_failures_pass;
	e = run_plan(en, &plan, supplies);
	supplies_free(supplies, p->n_services);
	return e;
}
