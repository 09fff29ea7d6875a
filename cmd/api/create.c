/* cmd/api/create.c -- POST /containers/create */
#include "cmd/api/call.h"
#include "cmd/api/runreq.h"
#include "cmd/verb.h"
#include "core/box/recipe.h"
#include "core/compose/request.h"
#include "registry/manifest.h"

/* The CLI pulls what is answered with 404. */
static struct err *find_image(struct api_call *c, const char *name, struct image **ret)
{
	const char *wanted = api_query(c, "platform");
	struct platform p = { 0 };
	struct err *e = *wanted ? api_fail(platform_parse(wanted, &p), 400) : NULL;

	if (e)
		return e;
	e = image_find(c->st, name, ret);
	if (err_is(e, ENOENT)) {
		err_free(e);
		e = err_new(0, "No such image: %s", name);
	}
	if (!e && p.arch && (*ret)->arch && strcmp(p.arch, (*ret)->arch)) {
		e = err_new(0,
			    "image with reference %s was found but its platform (linux/%s) does not match "
			    "the specified platform (%s)",
			    name, (*ret)->arch, wanted);
		image_free(TAKE_PTR(*ret));
	}
	platform_done(&p);
	return api_fail(e, 404);
}

/* Whose fault it is: the name's, another member's of the request, the machine's.  Never 404: the CLI would pull. */
static int status_of(const struct err *e)
{
	return str_starts(e->text, "Conflict.")	  ? 409
	       : e->errnum && e->errnum != ENOENT ? 500
						  : 400;
}

static struct err *answer_made(struct api_call *c, const struct box *b, struct strv *warnings)
{
	struct json_out o;

	if (b->spec.made_password)
		strv_addf(warnings,
			  "no password was given for %s: one was made up, see its Env in inspect",
			  b->spec.recipe);
	for (size_t i = 0; i < b->notes.n; i++)
		strv_add(warnings, b->notes.v[i]);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Id", b->spec.id);
	json_put_strv(&o, "Warnings", warnings);
	json_close(&o, '}');
	return api_json(c, 201, &o);
}

static struct err *create(struct api_call *c)
{
	const char *name = api_query(c, "name");
	_cleanup_(request_done) struct run_request rq = { 0 };
	_cleanup_strv_ struct strv warnings = { 0 };
	_cleanup_image_ struct image *img = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_json_ json *body = NULL;
	struct err *e = api_body_json(c, &body);

	e = e ?: api_fail(runreq_parse(body, &rq, &warnings), 400);
	e = e ?: find_image(c, rq.image, &img);
	if (e)
		return e;
	name += *name == '/';
	rq.name = *name ? name : NULL;
	api_mark(&rq.labels);
	if (rq.entrypoint_set && !rq.entrypoint && !rq.args.n)
		strv_copy(&rq.args, &img->cmd);
	e = box_create(c->st, &rq, img, &b);
	if (e)
		return api_fail(e, status_of(e));
	return answer_made(c, b, &warnings);
}

const struct api_route api_create_routes[] = {
	{ "POST", "/containers/create", create },
	{ 0 },
};
