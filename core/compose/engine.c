#include "core/compose/engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "core/base/fd.h"
#include "core/box/control.h"
#include "core/box/recipe.h"
#include "core/compose/jobs.h"
#include "core/compose/request.h"

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

/* The new one is there before the old one goes: whatever happens in between, its volumes have an owner. */
static struct err *recreate(const struct work *w, int out)
{
	struct box *old = w->step->old->box, *b = NULL;
	_cleanup_free_ char *beside = xasprintf("%.12s_%s", old->spec.id, name_of(w));
	struct err *e = make(w, old, beside, out, &b);

	e = e ?: box_refresh(old);
	if (!e && state_is_up(&old->state))
		e = box_stop(old, w->en->stop_timeout_s);
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

	if (!e && !state_is_up(&b->state))
		e = box_start(b, NULL);
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
	return state_is_up(&b->state) ? NULL : ended_early(b);
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
		return state_is_up(&w->step->old->box->state)
			       ? box_stop(w->step->old->box, w->en->stop_timeout_s)
			       : NULL;
	case STEP_REMOVE:
		/* with force: it may have been started again meanwhile */
		return box_rm(w->step->old->box, true, w->en->volumes);
	case STEP_RENAME:
		return rename_leftover(w);
	case STEP_WAIT:
		if (w->en->wait_timeout_s)
			alarm(w->en->wait_timeout_s); /* jobs.c knows what its signal means */
		return await(w);
	default:
		return NULL;
	}
}

/* --- steps ------------------------------------------------------------------------------------ */

enum progress { STEP_TODO, STEP_RUNNING, STEP_OVER };

static const char *const working[] = { "Creating", "Recreate", "Starting", "Stopping",
				       "Removing", "Renaming", "Waiting" };
static const char *const done[] = { "Created", "Recreated", "Started", "Stopped",
				    "Removed", "Renamed",   "Healthy" };
_Static_assert(ARRAY_LEN(working) == STEP_KIND_MAX && ARRAY_LEN(done) == STEP_KIND_MAX,
	       "words for each");

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

static bool may_run(const struct step *s, const enum progress *at)
{
	for (size_t i = 0; i < s->n_after; i++)
		if (at[s->after[i]] != STEP_OVER)
			return false;
	return true;
}

/* Start what may run.  *RET_LEFT: steps that are not done. */
static struct err *start_steps(struct compose *en, const struct project_plan *plan,
			       enum progress *at, struct jobs *jobs, size_t *ret_left)
{
	struct err *e = NULL;
	size_t left = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct work w = { en, &plan->v[i] };

		left += at[i] != STEP_OVER;
		if (e || at[i] != STEP_TODO || jobs_full(jobs) || !may_run(&plan->v[i], at))
			continue;
		tell_step(en, &plan->v[i], ENGINE_WORKING);
		e = jobs_start(jobs, i, run_step, &w);
		at[i] = STEP_RUNNING;
	}
	*ret_left = left;
	return e;
}

struct err *engine_steps(struct compose *en, const struct project_plan *plan)
{
	_cleanup_free_ enum progress *at = xcalloc(plan->n + 1, sizeof(*at));
	_cleanup_jobs_ struct jobs jobs = { .limit = en->parallel };
	struct err *all = NULL;
	size_t left = 0;

	for (;;) {
		struct job_word word;
		struct err *e = NULL;

		if (!all)
			all = start_steps(en, plan, at, &jobs, &left);
		if (!jobs.n)
			break;
		e = jobs_next(&jobs, -1, &word);
		if (e)
			return err_also(all, e);
		if (word.kind == NOTE)
			say(en, word.text);
		if (word.kind)
			continue;
		at[word.id] = STEP_OVER;
		if (word.error && plan->v[word.id].optional) {
			_cleanup_free_ char *line = err_line(word.error);

			say(en, line);
			err_free(word.error);
			word.error = NULL;
		}
		tell_step(en, &plan->v[word.id], word.error ? ENGINE_FAILED : ENGINE_DONE);
		all = err_also(all, word.error);
	}
	return all;
}
