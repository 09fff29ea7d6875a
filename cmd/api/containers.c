/* cmd/api/containers.c -- /containers: lists and descriptions */
#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/boxfilter.h"
#include "cmd/describe.h"
#include "cmd/verb.h"

static struct err *list(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 };
	const char *limit = api_query(c, "limit");
	uint64_t room = SIZE_MAX;
	struct box **boxes = NULL;
	struct boxfilter f;
	struct json_out o;
	size_t n = 0;
	bool all;
	struct err *e = api_filters(c, &filters);

	if (!e && *limit && strcmp(limit, "0") && *limit != '-')
		e = api_fail(err_wrap(str_to_u64(limit, 0, UINT32_MAX, &room), "limit"), 400);
	e = e ?: api_fail(boxfilter_open(&f, c->st, &filters), 400);
	e = e ?: box_list(c->st, &boxes, &n);
	if (e)
		return e;
	all = api_query_bool(c, "all", false) || room != SIZE_MAX || boxfilter_names_state(&f);
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < n; i++) {
		if (room && (all || state_is_up(&boxes[i]->state)) && boxfilter_passes(&f, boxes[i])) {
			describe_box_row(boxes[i], api_query_bool(c, "size", false), &o);
			room--;
		}
		box_free(boxes[i]);
	}
	free(boxes);
	json_close(&o, ']');
	return api_json(c, 200, &o);
}

static struct err *inspect(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);
	struct json_out o;

	if (e)
		return e;
	json_out_init(&o, false);
	describe_box(b, api_query_bool(c, "size", false), &o);
	return api_json(c, 200, &o);
}

const struct api_route api_container_routes[] = {
	{ "GET", "/containers/json", list },
	{ "GET", "/containers/*/json", inspect },
	{ 0 },
};
