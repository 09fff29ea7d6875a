/* cmd/api/images.c -- /images, /auth, /distribution */
#include "cmd/images.h"

#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/api/flow.h"
#include "cmd/api/transfer.h"
#include "cmd/describe.h"
#include "cmd/filter.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "registry/load.h"
#include "registry/login.h"
#include "registry/query.h"
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
			describe_image_row(some[i], some, n_some, -1, c->minor < NO_NONE, &o);
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

/* --- registries --------------------------------------------------------------------------------------------------- */

/* NAME as one reference with the tag or digest TAG, which may be "". */
static char *with_tag(const char *name, const char *tag_or_digest)
{
	bool digest = strchr(tag_or_digest, ':') != NULL;

	return xasprintf("%s%s%s", name, !*tag_or_digest ? "" : digest ? "@" : ":", tag_or_digest);
}

static bool names_tag(const char *name)
{
	return strpbrk(strrchr(name, '/') ?: name, ":@") != NULL;
}

/* The images that NAME means: itself, or without a tag all that its repository has. */
static struct err *to_pull(const char *name, const struct image_ref *ref,
			   const struct auth_creds *creds, struct strv *ret)
{
	_cleanup_strv_ struct strv tags = { 0 };
	struct err *e;

	if (names_tag(name)) {
		strv_add(ret, name);
		return NULL;
	}
	e = err_wrap(query_tags(ref, creds, &tags), "listing the tags of %s", name);
	for (size_t i = 0; i < tags.n && i < TAGS_AT_ONCE; i++)
		strv_addf(ret, "%s:%s", name, tags.v[i]);
	if (!e && !tags.n)
		e = err_new(0, "%s has no tags: not found", name);
	return e;
}

static struct err *pull(struct api_call *c, const char *from)
{
	_cleanup_free_ char *name = with_tag(from, api_query(c, "tag"));
	const char *platform = api_query(c, "platform");
	_cleanup_strv_ struct strv names = { 0 };
	struct auth_creds creds = { 0 };
	struct transfer *t;
	struct image_ref ref;
	bool found = false;
	struct err *e = image_ref_parse(name, &ref);

	if (e)
		return api_fail(err_wrap(e, "invalid reference format: %s", name), 400);
	e = transfer_creds(c, &ref, &creds, &found);
	e = e ?: to_pull(name, &ref, found ? &creds : NULL, &names);
	image_ref_done(&ref);
	t = transfer_new(c);
	for (size_t i = 0; i < names.n && !e; i++)
		e = transfer_pull(t, names.v[i], *platform ? platform : NULL, found ? &creds : NULL);
	auth_creds_done(&creds);
	e = transfer_end(t, e);
	transfer_free(t);
	return e;
}

static struct err *create(struct api_call *c)
{
	const char *from = api_query(c, "fromImage");

	if (*from)
		return pull(c, from);
	return api_fail(err_new(0, "invalid request: fromImage is needed"), 400);
}

/* Every tag that REPO ("docker.io/me/app") has here, or the one of the query. */
static struct err *to_push(struct api_call *c, const char *repo, struct strv *ret)
{
	struct image **all = NULL;
	const char *only = api_query(c, "tag");
	size_t n = 0;
	struct err *e = image_list(c->st, &all, &n);

	for (size_t i = 0; i < n; i++) {
		const char *rest = all[i]->ref ? str_after(all[i]->ref, repo) : NULL;

		if (rest && *rest == ':' && (!*only || !strcmp(rest + 1, only)))
			strv_add(ret, rest + 1);
	}
	images_free(all, n);
	if (!e && !ret->n)
		e = api_fail(err_new(0, "An image does not exist locally with the tag: %s", c->arg),
			     404);
	return e;
}

static struct err *push(struct api_call *c)
{
	_cleanup_free_ char *repo = NULL, *line = NULL;
	_cleanup_strv_ struct strv tags = { 0 };
	struct auth_creds creds = { 0 };
	struct transfer *t;
	struct image_ref ref;
	bool found = false;
	struct err *e = image_ref_parse(c->arg, &ref);

	if (e)
		return api_fail(err_wrap(e, "invalid reference format: %s", c->arg), 400);
	repo = xasprintf("%s/%s", ref.host, ref.repo);
	line = xasprintf("The push refers to repository [%s]", repo);
	e = to_push(c, repo, &tags);
	e = e ?: transfer_creds(c, &ref, &creds, &found);
	image_ref_done(&ref);
	t = transfer_new(c);
	e = e ?: transfer_say(t, line, NULL);
	for (size_t i = 0; i < tags.n && !e; i++) {
		_cleanup_free_ char *full = xasprintf("%s:%s", repo, tags.v[i]);

		e = transfer_push(t, full, tags.v[i], found ? &creds : NULL);
	}
	auth_creds_done(&creds);
	e = transfer_end(t, e);
	transfer_free(t);
	return e;
}

static char *member(json *j, const char *key)
{
	const char *text = json_str(j, key);

	return text && *text ? xstrdup(text) : NULL;
}

/* Are they good?  Where they are kept is the client's business. */
static struct err *auth(struct api_call *c)
{
	_cleanup_free_ char *host = NULL;
	_cleanup_json_ json *j = NULL;
	struct auth_creds creds = { 0 };
	const char *server;
	struct json_out o;
	struct err *e = api_body_json(c, &j);

	server = json_str(j, "serveraddress");
	e = e ?: api_fail(login_host(server && *server ? server : NULL, &host), 400);
	if (e)
		return e;
	creds.user = member(j, "username");
	creds.password = member(j, "password");
	creds.identity_token = member(j, "identitytoken");
	if ((!creds.user || !creds.password) && !creds.identity_token)
		e = api_fail(err_new(0, "invalid request: username and password are needed"), 400);
	e = e ?: login_check(host, &creds);
	if (!e) {
		json_out_init(&o, false);
		json_open(&o, NULL, '{');
		json_put_str(&o, "Status", "Login Succeeded");
		json_put_str(&o, "IdentityToken", creds.identity_token ?: "");
		json_close(&o, '}');
		e = api_json(c, 200, &o);
	}
	auth_creds_done(&creds);
	return e;
}

static void put_platform(struct json_out *o, json *p)
{
	static const char *const keys[] = { "architecture", "os", "variant" };

	json_open(o, NULL, '{');
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_str(p, keys[i]))
			json_put_str(o, keys[i], json_str(p, keys[i]));
	json_close(o, '}');
}

/* What a registry has under a name, without pulling it. */
static struct err *distribution(struct api_call *c)
{
	_cleanup_free_ char *text = NULL;
	struct auth_creds creds = { 0 };
	_cleanup_json_ json *j = NULL;
	struct image_ref ref;
	struct json_out o;
	bool found = false;
	size_t len;
	struct err *e = image_ref_parse(c->arg, &ref);

	if (e)
		return api_fail(err_wrap(e, "invalid reference format: %s", c->arg), 400);
	e = transfer_creds(c, &ref, &creds, &found);
	e = e ?: query_descriptor(&ref, found ? &creds : NULL, &text, &len);
	auth_creds_done(&creds);
	image_ref_done(&ref);
	e = e ?: json_parse(text, len, "the descriptor", &j);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put(&o, "Descriptor", json_get(j, "descriptor"));
	json_open(&o, "Platforms", '[');
	for (size_t i = 0; i < json_len(json_get(j, "platforms")); i++)
		put_platform(&o, json_at(json_get(j, "platforms"), i));
	json_close(&o, ']');
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

enum { SEARCH_DEFAULT = 25, SEARCH_MAX = 100 };

static struct err *search(struct api_call *c)
{
	_cleanup_strv_ struct strv filters = { 0 };
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	uint64_t limit = SEARCH_DEFAULT;
	json *found;
	struct json_out o;
	size_t len;
	struct err *e = api_filters(c, &filters);

	if (!e && *api_query(c, "limit") && strcmp(api_query(c, "limit"), "0"))
		e = api_fail(err_wrap(str_to_u64(api_query(c, "limit"), 1, SEARCH_MAX, &limit), "limit"),
			     400);
	e = e ?: api_fail(search_filters_check(&filters), 400);
	e = e ?: query_search(api_query(c, "term"), (unsigned)limit, &text, &len);
	e = e ?: json_parse(text, len, "Docker Hub's answer", &j);
	if (e)
		return e;
	found = json_get(j, "results");
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < json_len(found) && i < limit; i++) {
		json *one = json_at(found, i);

		if (!search_filters_pass(&filters, one))
			continue;
		json_open(&o, NULL, '{');
		json_put_str(&o, "name", json_str(one, "name") ?: "");
		json_put_str(&o, "description", json_str(one, "description") ?: "");
		json_put_int(&o, "star_count", json_int(one, "star_count", 0));
		json_put_bool(&o, "is_official", json_bool(one, "is_official", false));
		json_put_bool(&o, "is_automated", json_bool(one, "is_automated", false));
		json_close(&o, '}');
	}
	json_close(&o, ']');
	return api_json(c, 200, &o);
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
	{ "GET", "/images/json", list },
	{ "POST", "/images/create", create },
	{ "POST", "/images/load", load },
	{ "POST", "/images/prune", prune },
	{ "GET", "/images/search", search },
	{ "GET", "/images/get", save_some },
	{ "GET", "/images/*/json", inspect },
	{ "GET", "/images/*/history", history },
	{ "GET", "/images/*/get", save_one },
	{ "POST", "/images/*/tag", tag },
	{ "POST", "/images/*/push", push },
	{ "DELETE", "/images/*", discard },
	{ "POST", "/auth", auth },
	{ "GET", "/distribution/*/json", distribution },
	{ 0 },
};
