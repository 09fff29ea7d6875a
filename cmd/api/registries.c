/* cmd/api/registries.c -- /images/create, /images/NAME/push, /images/search, /auth, /distribution: what is elsewhere */
#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/api/transfer.h"
#include "cmd/images.h"
#include "registry/login.h"
#include "registry/query.h"

enum { TAGS_AT_ONCE = 1000 };

char *api_name(const char *name, const char *tag_or_digest)
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

struct err *api_pull(struct api_call *c, const char *from)
{
	_cleanup_free_ char *name = api_name(from, api_query(c, "tag"));
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
		image_free(all[i]);
	}
	free(all);
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
	creds.user = api_member(j, "username");
	creds.password = api_member(j, "password");
	creds.identity_token = api_member(j, "identitytoken");
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
	json_put(&o, "Platforms", json_get(j, "platforms"));
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

const struct api_route api_registry_routes[] = {
	{ "GET", "/images/search", search },
	{ "POST", "/images/*/push", push },
	{ "POST", "/auth", auth },
	{ "GET", "/distribution/*/json", distribution },
	{ 0 },
};
