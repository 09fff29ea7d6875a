/* cmd/api/life.c -- a container's life: start, stop, restart, kill, pause, unpause, rename, update, remove, prune */
#include <signal.h>
#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/api/runreq.h"
#include "cmd/life.h"
#include "cmd/prune.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/procs.h"
#include "core/box/update.h"

/* --- start, stop ------------------------------------------------------------------------------------------------ */

/* A program that cannot be executed is the request's fault.  The CLI knows what may not be executed by Go's words. */
static struct err *start_failed(struct err *e)
{
	struct err *in_go;

	if (!e || (e->status != 126 && e->status != 127))
		return e;
	if (e->errnum != EACCES)
		return api_fail(e, 400);
	in_go = err_new(0, "%s: permission denied", e->text);
	err_free(e);
	return api_fail(in_go, 400);
}

static struct err *start(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	if (!e && state_is_up(&b->state))
		return api_empty(c, 304);
	e = e ?: api_to_end();
	e = e ?: start_failed(box_start(b, NULL));
	if (e)
		return e;
	life_notes(b); /* the API has no place for them */
	return api_empty(c, 204);
}

/* How long until SIGKILL, and by which signal. */
static struct err *stop_params(const struct api_call *c, const char **ret_by, int *ret_timeout_s)
{
	const char *t = api_query(c, "t"), *by = api_query(c, "signal");
	uint64_t s = 0;
	struct err *e = NULL;
	int sig;

	*ret_timeout_s = -1;
	if (!strcmp(t, "-1"))
		*ret_timeout_s = INT32_MAX;
	else if (*t)
		e = err_wrap(str_to_u64(t, 0, INT32_MAX, &s), "t");
	if (!e && *t && *t != '-')
		*ret_timeout_s = (int)s;
	if (!e && *by)
		e = sig_parse(by, &sig);
	*ret_by = *by ? by : NULL;
	return api_fail(e, 400);
}

static struct err *stop(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	const char *by;
	int timeout_s;
	struct err *e = api_box(c, &b);

	e = e ?: stop_params(c, &by, &timeout_s);
	if (!e && !state_is_up(&b->state))
		return api_empty(c, 304);
	e = e ?: api_to_end();
	e = e ?: life_stop(b, by, timeout_s);
	return e ?: api_empty(c, 204);
}

static struct err *restart(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	const char *by;
	int timeout_s;
	struct err *e = api_box(c, &b);

	e = e ?: stop_params(c, &by, &timeout_s);
	e = e ?: api_to_end(); /* who asks may be in there */
	e = e ?: start_failed(life_restart(b, by, timeout_s));
	if (e)
		return e;
	life_notes(b);
	return api_empty(c, 204);
}

static struct err *kill_box(struct api_call *c)
{
	const char *by = api_query(c, "signal");
	_cleanup_box_ struct box *b = NULL;
	int sig = SIGKILL;
	struct err *e = api_box(c, &b);

	if (!e && *by)
		e = api_fail(sig_parse(by, &sig), 400);
	e = e ?: api_fail(box_kill(b, sig), 409);
	return e ?: api_empty(c, 204);
}

static struct err *pause_box(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	e = e ?: api_fail(box_pause(b), 409);
	return e ?: api_empty(c, 204);
}

static struct err *unpause(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	e = e ?: api_fail(box_unpause(b), 409);
	return e ?: api_empty(c, 204);
}

/* --- rename, update --------------------------------------------------------------------------------------------- */

static struct err *rename_box(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	e = e ?: box_rename(b, api_query(c, "name"));
	if (e && !e->errnum)
		e = api_fail(e, str_starts(e->text, "Conflict.") ? 409 : 400);
	return e ?: api_empty(c, 204);
}

static bool any_limit(const struct limits *l)
{
	return limits_any(l) || l->memory_swap || l->pids || l->cpu_period || l->cpu_quota;
}

static struct err *update(struct api_call *c)
{
	_cleanup_(limits_done) struct limits limits = { 0 };
	_cleanup_strv_ struct strv warnings = { 0 };
	_cleanup_box_ struct box *b = NULL;
	_cleanup_json_ json *body = NULL;
	struct restart_policy policy;
	bool restarts = false;
	struct json_out o;
	struct err *e = api_box(c, &b);

	e = e ?: api_body_json(c, &body);
	e = e ?: api_fail(runreq_limits(body, &limits, &warnings), 400);
	e = e ?: api_fail(runreq_restart(body, &policy, &restarts), 400);
	if (!e && any_limit(&limits))
		e = box_update_limits(b, &limits);
	if (!e && restarts)
		e = box_set_restart(b, &policy);
	if (e)
		return e->errnum ? e : api_fail(e, 400);
	strv_copy(&warnings, &b->notes);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strv(&o, "Warnings", &warnings);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

/* --- removing --------------------------------------------------------------------------------------------------- */

static struct err *remove_box(struct api_call *c)
{
	bool force = api_query_bool(c, "force", false);
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	if (!e && api_query_bool(c, "link", false))
		e = api_fail(err_new(0, "removing a link is not supported: a container's links are its own"),
			     400);
	if (e)
		return e;
	e = box_rm(b, force, api_query_bool(c, "v", false));
	if (e && str_starts(e->text, "No such container"))
		e = api_fail(e, 404);
	else if (e && !e->errnum && !force)
		e = api_fail(e, 409);
	return e ?: api_empty(c, 204);
}

static struct err *prune(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 }, removed = { 0 };
	uint64_t freed = 0;
	struct json_out o;
	struct err *e = api_filters(c, &filters);

	e = e ?: boxes_prune(c->st, &filters, &removed, &freed);
	if (e)
		return e->errnum ? e : api_fail(e, 400);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strv(&o, "ContainersDeleted", &removed);
	json_put_int(&o, "SpaceReclaimed", (int64_t)freed);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

const struct api_route api_life_routes[] = {
	{ "POST", "/containers/prune", prune },
	{ "POST", "/containers/*/start", start },
	{ "POST", "/containers/*/stop", stop },
	{ "POST", "/containers/*/restart", restart },
	{ "POST", "/containers/*/kill", kill_box },
	{ "POST", "/containers/*/pause", pause_box },
	{ "POST", "/containers/*/unpause", unpause },
	{ "POST", "/containers/*/rename", rename_box },
	{ "POST", "/containers/*/update", update },
	{ "DELETE", "/containers/*", remove_box },
	{ 0 },
};
