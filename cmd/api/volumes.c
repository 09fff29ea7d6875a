/* cmd/api/volumes.c -- /volumes */
#include "cmd/volume.h"

#include "cmd/api/call.h"
#include "cmd/describe.h"
#include "cmd/filter.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

enum { PRUNES_ANONYMOUS = 42 /* from this version on named volumes are spared, unless all=true */ };

static struct err *list(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 }, names = { 0 };
	struct json_out o;
	struct err *e = api_filters(c, &filters);

	e = e ?: volumes_filtered(c->st, &filters, &names);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "Volumes", '[');
	for (size_t i = 0; i < names.n; i++)
		err_free(describe_volume(c->st, names.v[i], NULL, &o)); /* removed meanwhile */
	json_close(&o, ']');
	json_put_null(&o, "Warnings");
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

static struct err *answer(struct api_call *c, int status, const char *name)
{
	struct json_out o;
	struct err *e;

	json_out_init(&o, false);
	e = describe_volume(c->st, name, NULL, &o);
	if (!e)
		return api_json(c, status, &o);
	json_out_done(&o);
	return e;
}

static struct err *inspect(struct api_call *c)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = volume_list(c->st, &names);

	if (!e && !strv_has(&names, c->arg))
		e = api_fail(err_new(0, "get %s: no such volume", c->arg), 404);
	return e ?: answer(c, 200, c->arg);
}

static struct err *create(struct api_call *c)
{
	_cleanup_free_ char *name = NULL;
	struct volume_request rq = { 0 };
	_cleanup_json_ json *j = NULL;
	struct err *e = api_body_json(c, &j);

	if (e)
		return e;
	rq.name = json_str(j, "Name");
	rq.driver = json_str(j, "Driver");
	if (rq.name && !*rq.name)
		rq.name = NULL;
	if (rq.driver && !*rq.driver)
		rq.driver = NULL;
	if (json_len(json_get(j, "ClusterVolumeSpec")))
		return api_fail(err_new(0, "cluster volumes are not supported"), 400);
	api_map(j, "DriverOpts", &rq.driver_opts);
	api_map(j, "Labels", &rq.labels);
	api_mark(&rq.labels);
	e = volume_make(c->st, &rq, &name);
	return e ?: answer(c, 201, name);
}

static struct err *discard(struct api_call *c)
{
	_cleanup_free_ char *batch = trash_batch();
	struct err *e = volume_discard(c->st, c->arg, batch);

	if (err_is(e, ENOENT) && api_query_bool(c, "force", false)) {
		err_free(e);
		e = NULL;
	}
	return e ?: api_empty(c, 204);
}

static struct err *prune(struct api_call *c)
{
	static const char *const known[] = { "all", "label", "label!", NULL };
	_cleanup_strv_ struct strv filters = { 0 }, removed = { 0 };
	uint64_t freed = 0;
	struct json_out o;
	bool all;
	struct err *e = api_filters(c, &filters);

	e = e ?: filters_check(&filters, known);
	e = e ?: filters_check_bool(&filters, "all");
	all = c->minor < PRUNES_ANONYMOUS || strv_has(&filters, "all=true") ||
	      strv_has(&filters, "all=1");
	e = e ?: volumes_prune(c->st, all, &filters, &removed, &freed);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strv(&o, "VolumesDeleted", &removed);
	json_put_int(&o, "SpaceReclaimed", (int64_t)freed);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

const struct api_route api_volume_routes[] = {
	{ "GET", "/volumes", list },	     { "POST", "/volumes/create", create },
	{ "POST", "/volumes/prune", prune }, { "GET", "/volumes/*", inspect },
	{ "DELETE", "/volumes/*", discard }, { 0 },
};
