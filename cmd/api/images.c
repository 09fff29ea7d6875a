/* cmd/api/images.c -- /images, /commit: images that are here */
#include "cmd/images.h"

#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/api/flow.h"
#include "cmd/api/transfer.h"
#include "cmd/changes.h"
#include "cmd/describe.h"
#include "cmd/filter.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "registry/load.h"
#include "registry/save.h"

enum {
	NO_NONE = 43, /* from this version on an image without names has empty lists */
	TAGS_AT_ONCE = 1000
};

static void images_free(struct image **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		image_free(list[i]);
	free(list);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

/* Is there an entry for the same image before the I-th? */
static bool is_further_name(struct image *const *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(list[k]->id, list[i]->id))
			return true;
	return false;
}

/* Entries are names; the answer has images. */
static struct err *list(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 };
	struct image **all = NULL, **some = NULL;
	size_t n = 0, n_some = 0;
	struct imagefilter f;
	struct json_out o;
	struct err *e = api_filters(c, &filters);

	if (*api_query(c, "filter")) /* of old clients */
		strv_addf(&filters, "reference=%s", api_query(c, "filter"));
	e = e ?: imagefilter_open(&f, c->st, &filters);
	e = e ?: image_list(c->st, &all, &n);
	if (e)
		return e;
	some = xcalloc(n + 1, sizeof(struct image *));
	for (size_t i = 0; i < n; i++)
		if (imagefilter_passes(&f, all[i]))
			some[n_some++] = all[i];
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < n_some; i++)
		if (!is_further_name(some, i))
			describe_image_row(some[i], some, n_some, -1, -1, c->minor < API_NO_NONE, &o);
	json_close(&o, ']');
	free(some);
	images_free(all, n);
	return api_json(c, 200, &o);
}

static struct err *find(struct api_call *c, struct image **ret)
{
	return api_judge(image_find(c->st, c->arg, ret));
}

static struct err *inspect(struct api_call *c)
{
	_cleanup_image_ struct image *img = NULL;
	struct image **all = NULL;
	struct json_out o;
	size_t n = 0;
	struct err *e = find(c, &img);

	e = e ?: image_list(c->st, &all, &n);
	if (e)
		return e;
	json_out_init(&o, false);
	describe_image_old(img, all, n, &o);
	images_free(all, n);
	return api_json(c, 200, &o);
}

static struct err *history(struct api_call *c)
{
	_cleanup_image_ struct image *img = NULL;
	_cleanup_free_ uint64_t *sizes = NULL;
	struct json_out o;
	json *steps;
	struct err *e = find(c, &img);

	if (e)
		return e;
	steps = json_get(img->config, "history");
	sizes = history_sizes(c->st, img);
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = json_len(steps); i-- > 0;) {
		json *step = json_at(steps, i);
		const char *created = json_str(step, "created");
		bool top = i + 1 == json_len(steps);
		int64_t ns = 0;

		if (created)
			err_free(time_parse(created, 0, &ns)); /* unreadable: not known */
		json_open(&o, NULL, '{');
		json_put_str(&o, "Id", top ? img->id : "<missing>");
		json_put_int(&o, "Created", ns / 1000000000);
		json_put_str(&o, "CreatedBy", json_str(step, "created_by") ?: "");
		json_put_null(&o, "Tags");
		json_put_int(&o, "Size", (int64_t)sizes[i]);
		json_put_str(&o, "Comment", json_str(step, "comment") ?: "");
		json_close(&o, '}');
	}
	json_close(&o, ']');
	return api_json(c, 200, &o);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static struct err *tag(struct api_call *c)
{
	const char *repo = api_query(c, "repo"), *as = api_query(c, "tag");
	_cleanup_free_ char *target = xasprintf("%s%s%s", repo, *as ? ":" : "", as);
	struct err *e = image_tag(c->st, c->arg, target);

	if (e && !str_starts(e->text, "No such image"))
		return api_fail(e, 400);
	return e ?: api_empty(c, 201);
}

/* "Untagged: x" -> {"Untagged": "x"} */
static void put_report(struct json_out *o, const char *key, const struct strv *report)
{
	json_open(o, key, '[');
	for (size_t i = 0; i < report->n; i++) {
		const char *colon = strchr(report->v[i], ':');
		_cleanup_free_ char *word = xstrndup(report->v[i], (size_t)(colon - report->v[i]));

		*word = *word >= 'a' ? (char)(*word - 'a' + 'A') : *word;
		json_open(o, NULL, '{');
		json_put_str(o, word, colon + 2);
		json_close(o, '}');
	}
	json_close(o, ']');
}

static struct err *discard(struct api_call *c)
{
	_cleanup_strv_ struct strv in_use = { 0 }, report = { 0 };
	struct json_out o;
	struct err *e = images_in_use(c->st, &in_use);

	e = e ?: image_remove(c->st, c->arg, api_query_bool(c, "force", false), &in_use, &report);
	if (e)
		return e;
	json_out_init(&o, false);
	put_report(&o, NULL, &report);
	return api_json(c, 200, &o);
}

static struct err *prune(struct api_call *c)
{
	static const char *const known[] = { "label", "label!", "until", "dangling", NULL };
	_cleanup_strv_ struct strv filters = { 0 }, removed = { 0 };
	int64_t until_ns = INT64_MAX;
	uint64_t freed = 0;
	struct json_out o;
	bool all;
	struct err *e = api_filters(c, &filters);

	e = e ?: filters_check(&filters, known);
	e = e ?: filters_check_bool(&filters, "dangling");
	e = e ?: filters_until(&filters, &until_ns);
	all = strv_has(&filters, "dangling=false") || strv_has(&filters, "dangling=0");
	e = e ?: images_prune(c->st, all, &filters, until_ns, &removed, &freed);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	put_report(&o, "ImagesDeleted", &removed);
	json_put_int(&o, "SpaceReclaimed", (int64_t)freed);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

/* --- made here ---------------------------------------------------------------------------------------------------- */

/* "&changes=CMD x&changes=ENV a=b", or several of them in one, a line each. */
static void read_changes(struct api_call *c, struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };

	api_query_all(c, "changes", &all);
	for (size_t i = 0; i < all.n; i++)
		for (const char *s = all.v[i]; *s; s += *s == '\n') {
			size_t n = strcspn(s, "\n");

			if (n)
				strv_take(ret, xstrndup(s, n));
			s += n;
		}
}

/* "repo" and "tag" of the query as one name; NULL without. */
static char *query_name(struct api_call *c)
{
	return *api_query(c, "repo") ? api_name(api_query(c, "repo"), api_query(c, "tag")) : NULL;
}

static struct err *import(struct api_call *c, const char *from)
{
	_cleanup_strv_ struct strv changes = { 0 };
	_cleanup_free_ char *name = query_name(c), *id = NULL;
	const char *message = api_query(c, "message");
	struct import_request rq = {
		.name = name, .from = "-", .message = *message ? message : NULL, .changes = &changes
	};
	_cleanup_close_ int fd = -1;
	struct json_out o;
	struct err *e = NULL;

	if (strcmp(from, "-"))
		e = api_fail(err_new(0, "import from a URL is not supported: send the archive"), 400);
	read_changes(c, &changes);
	e = e ?: api_body_fd(c, &fd);
	e = e ?: import_image(c->st, fd, &rq, &id);
	if (e)
		return e;
	close(TAKE_FD(fd));
	e = api_stream(c, "application/json");
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "status", id);
	json_close(&o, '}');
	return e ?: api_piece_json(c, &o);
}

static struct err *create(struct api_call *c)
{
	const char *image = api_query(c, "fromImage"), *from = api_query(c, "fromSrc");

	if (*image)
		return api_pull(c, image);
	if (*from)
		return import(c, from);
	return api_fail(err_new(0, "invalid request: fromImage or fromSrc is needed"), 400);
}

static void member_keys(json *j, const char *key, struct strv *ret)
{
	json *map = json_get(j, key);

	for (size_t i = 0; json_is_object(map) && i < json_len(map); i++)
		strv_add(ret, json_key_at(map, i, NULL));
}

/* An image of a container's changes; the body may say more about its configuration. */
static struct err *commit(struct api_call *c)
{
	_cleanup_(image_conf_done) struct image_conf over = { 0 };
	_cleanup_strv_ struct strv changes = { 0 };
	_cleanup_free_ char *name = query_name(c), *id = NULL;
	const char *author = api_query(c, "author"), *message = api_query(c, "comment");
	struct commit_request rq = { .name = name,
				     .author = *author ? author : NULL,
				     .message = *message ? message : NULL,
				     .changes = &changes,
				     .over = &over,
				     .pause = api_query_bool(c, "pause", true) };
	_cleanup_json_ json *j = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct json_out o;
	struct err *e = api_body_json(c, &j);

	read_changes(c, &changes);
	json_strv(j, "Cmd", &over.cmd);
	json_strv(j, "Entrypoint", &over.entrypoint);
	json_strv(j, "Env", &over.env);
	api_map(j, "Labels", &over.labels);
	member_keys(j, "ExposedPorts", &over.exposed);
	member_keys(j, "Volumes", &over.volumes);
	over.workdir = api_member(j, "WorkingDir");
	over.user = api_member(j, "User");
	over.stop_signal = api_member(j, "StopSignal");
	e = e ?: api_fail(box_find(c->st, api_query(c, "container"), &b), 404);
	e = e ?: commit_box(b, &rq, &id);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Id", id);
	json_close(&o, '}');
	return api_json(c, 201, &o);
}

/* --- archives ----------------------------------------------------------------------------------------------------- */

struct saving {
	struct store *st;
	const struct strv *names;
};

static struct err *write_archive(void *arg, int fd)
{
	struct saving *s = arg;

	return image_save(s->st, s->names, fd);
}

static struct err *save_names(struct api_call *c, const struct strv *names)
{
	struct saving s = { c->st, names };

	return api_send_output(c, "application/x-tar", write_archive, &s);
}

static struct err *save_one(struct api_call *c)
{
	_cleanup_strv_ struct strv names = { 0 };

	strv_add(&names, c->arg);
	return save_names(c, &names);
}

static struct err *save_some(struct api_call *c)
{
	_cleanup_strv_ struct strv names = { 0 };

	api_query_all(c, "names", &names);
	if (!names.n)
		return api_fail(err_new(0, "invalid request: names are needed"), 400);
	return save_names(c, &names);
}

static struct err *load(struct api_call *c)
{
	_cleanup_strv_ struct strv report = { 0 };
	_cleanup_close_ int fd = -1;
	struct load_opts lo = { 0 };
	struct json_out o;
	struct err *e = api_body_fd(c, &fd);

	e = e ?: image_load(c->st, fd, &lo, &report);
	if (e)
		return err_wrap(e, "loading");
	close(TAKE_FD(fd));
	e = api_stream(c, "application/json");
	for (size_t i = 0; i < report.n && !e; i++) {
		_cleanup_free_ char *line = xasprintf("%s\n", report.v[i]);

		json_out_init(&o, false);
		json_open(&o, NULL, '{');
		json_put_str(&o, "stream", line);
		json_close(&o, '}');
		e = api_piece_json(c, &o);
	}
	return e;
}

const struct api_route api_image_routes[] = {
	{ "GET", "/images/json", list },	 { "POST", "/images/create", create },
	{ "POST", "/images/load", load },	 { "POST", "/images/prune", prune },
	{ "GET", "/images/get", save_some },	 { "GET", "/images/*/json", inspect },
	{ "GET", "/images/*/history", history }, { "GET", "/images/*/get", save_one },
	{ "POST", "/images/*/tag", tag },	 { "DELETE", "/images/*", discard },
	{ "POST", "/commit", commit },		 { 0 },
};
