#include "registry/query.h"

#include <stdio.h>
#include <sys/mman.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/ns/userns.h"
#include "registry/blob.h"
#include "registry/client.h"
#include "registry/manifest.h"

enum { ANSWER_MAX = 64 << 20, PAGE_MAX_BYTES = 8 << 20 };

#define SEARCH_URL "https://index.docker.io/v1/search"

struct query {
	const struct image_ref *ref;
	const struct auth_creds *creds;
	struct registry_config cfg;
	struct client *client; /* the child's */
	struct http *h;
	int answer; /* a file in memory, shared with the child: results may be large */
	/* what is asked */
	struct err *(*ask)(struct query *q, struct str *out);
	bool all;
	const char *term;
	unsigned limit;
};

static struct err *query_child(void *arg, struct str *result UNUSED)
{
	struct query *q = arg;
	struct str out = { 0 };
	struct err *e;

	http_global_init();
	if (q->ref)
		q->client = client_new(&q->cfg, q->ref, NULL, NULL);
	q->h = http_new(&q->cfg);
	e = q->ask(q, &out);
	return e ?: fd_write_all(q->answer, "the answer", out.s ?: "", out.len);
}

static struct err *run(struct query *q, const char *host, char **ret, size_t *ret_len)
{
	_cleanup_str_ struct str nothing = { 0 };
	_cleanup_close_ int answer = memfd_create("answer", MFD_CLOEXEC);
	struct userns_ids ids;
	struct err *e;

	if (answer < 0)
		return err_new(errno, "making a file in memory");
	q->answer = answer;
	e = registry_config_load(host, &q->cfg);
	if (e)
		return e;
	registry_config_use(&q->cfg, q->creds);
	userns_ids_load(&ids);
	e = userns_call(&ids, query_child, q, &nothing);
	userns_ids_done(&ids);
	registry_config_done(&q->cfg);
	if (!e && lseek(answer, 0, SEEK_SET) < 0)
		e = err_new(errno, "reading the answer");
	e = e ?: fd_read_all(answer, "the answer", ANSWER_MAX, ret, ret_len);
	return err_printable(e);
}

/* --- tags ------------------------------------------------------------------------------------- */

/* </v2/a/tags/list?last=x&n=100>; rel="next": the address, whole; NULL if there is no further page. */
static char *next_page(const struct http_resp *r)
{
	_cleanup_free_ char *part = NULL;
	const char *from = r->link && strstr(r->link, "rel=\"next\"") ? strchr(r->link, '<') : NULL;
	const char *to = from ? strchr(from, '>') : NULL;

	if (!to)
		return NULL;
	part = xstrndup(from + 1, (size_t)(to - from - 1));
	return http_resolve(r->url, part);
}

static struct err *ask_tags(struct query *q, struct str *out)
{
	_cleanup_free_ char *url = NULL;
	unsigned n = 0;

	for (;;) {
		struct client_req req = { .path = "tags/list", .url = url, .body_max = PAGE_MAX_BYTES };
		_cleanup_json_ json *j = NULL;
		struct http_resp r;
		struct err *e = client_ask(q->client, q->h, &req, &r);
		json *tags;

		if (e)
			return e;
		e = json_parse(r.body.s ?: "", r.body.len, "the list of tags", &j);
		tags = e ? NULL : json_get(j, "tags");
		for (size_t i = 0; i < json_len(tags) && n < QUERY_TAGS_MAX; i++, n++)
			if (json_text(json_at(tags, i)))
				str_addf(out, "%s\n", json_text(json_at(tags, i)));
		free(url);
		url = e ? NULL : next_page(&r);
		http_resp_done(&r);
		if (e || !url || !json_len(tags) || n >= QUERY_TAGS_MAX)
			return e;
	}
}

struct err *query_tags(const struct image_ref *ref, const struct auth_creds *creds, struct strv *ret)
{
	struct query q = { .ref = ref, .creds = creds, .ask = ask_tags };
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e = run(&q, ref->host, &text, &len);

	for (char *line = text, *end; !e && line && (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		strv_add(ret, line);
	}
	return e;
}

/* --- manifests -------------------------------------------------------------------------------- */

static struct err *get_manifest(struct query *q, const char *name, struct http_resp *r)
{
	_cleanup_free_ char *path = xasprintf("manifests/%s", name);
	struct client_req req = { .path = path, .accept = MANIFEST_ACCEPT, .body_max = MANIFEST_MAX_BYTES };
	char digest[DIGEST_LEN + 1];
	struct err *e = client_ask(q->client, q->h, &req, r);

	if (e)
		return e;
	blob_digest(r->body.s ?: "", r->body.len, digest);
	if (digest_is_valid(name) && !str_eq(name, digest)) {
		http_resp_done(r);
		return err_new(0, "the manifest's bytes have the digest %.19s, not %.19s", digest, name);
	}
	return NULL;
}

static bool is_index(json *j)
{
	return json_is_array(json_get(j, "manifests"));
}

/* TEXT is a manifest; ENTRY what the index says of it, NULL if there is no index. */
static struct err *put_whole(struct query *q, struct json_out *o, const struct http_resp *r, json *entry)
{
	_cleanup_free_ char *name = image_ref_familiar(q->ref);
	_cleanup_json_ json *j = NULL;
	char digest[DIGEST_LEN + 1];
	const char *type;
	struct err *e = json_parse(r->body.s ?: "", r->body.len, "the manifest", &j);

	if (e)
		return e;
	blob_digest(r->body.s, r->body.len, digest);
	type = json_str(j, "mediaType") ?: r->content_type ?: "";
	json_open(o, NULL, '{');
	json_put_str(o, "Ref", name);
	json_open(o, "Descriptor", '{');
	json_put_str(o, "mediaType", type);
	json_put_str(o, "digest", digest);
	json_put_int(o, "size", (int64_t)r->body.len);
	if (json_is_object(json_get(entry, "platform")))
		json_put(o, "platform", json_get(entry, "platform"));
	json_close(o, '}');
	json_put(o, strstr(type, "docker") ? "SchemaV2Manifest" : "OCIManifest", j);
	json_close(o, '}');
	return NULL;
}

static struct err *put_all(struct query *q, struct json_out *o, json *index)
{
	json *list = json_get(index, "manifests");
	struct err *e = NULL;

	if (json_len(list) > PLATFORMS_MAX)
		return err_new(0, "the index has more than %d manifests", PLATFORMS_MAX);
	json_open(o, NULL, '[');
	for (size_t i = 0; !e && i < json_len(list); i++) {
		const char *digest = json_str(json_at(list, i), "digest");
		struct http_resp r;

		if (!digest_is_valid(digest))
			return err_new(0, "the index's entry %zu has no digest", i);
		e = get_manifest(q, digest, &r);
		if (e)
			break;
		e = put_whole(q, o, &r, json_at(list, i));
		http_resp_done(&r);
	}
	json_close(o, ']');
	return e;
}

/* The manifest that was asked for, as it came and as JSON.  The caller ends both after success. */
static struct err *get_asked(struct query *q, struct http_resp *ret, json **ret_json)
{
	struct err *e = get_manifest(q, q->ref->digest ?: q->ref->tag, ret);

	if (e)
		return e;
	e = json_parse(ret->body.s ?: "", ret->body.len, "the manifest", ret_json);
	if (e)
		http_resp_done(ret);
	return e;
}

static struct err *ask_manifest(struct query *q, struct str *out)
{
	_cleanup_json_ json *j = NULL;
	_cleanup_free_ char *text = NULL;
	struct http_resp r;
	struct json_out o;
	struct err *e;
	size_t len;

	e = get_asked(q, &r, &j);
	if (e)
		return e;
	json_out_init(&o, true);
	if (!q->all)
		json_put(&o, NULL, j);
	else if (is_index(j))
		e = put_all(q, &o, j);
	else
		e = put_whole(q, &o, &r, NULL);
	http_resp_done(&r);
	text = json_out_take(&o, &len);
	if (!e)
		str_addn(out, text, len);
	return e;
}

struct err *query_manifest(const struct image_ref *ref, const struct auth_creds *creds, bool all,
			   char **ret, size_t *ret_len)
{
	struct query q = { .ref = ref, .creds = creds, .ask = ask_manifest, .all = all };

	return run(&q, ref->host, ret, ret_len);
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

/* The platform of an image is in its configuration. */
static struct err *put_own_platform(struct query *q, struct json_out *o, json *manifest)
{
	const char *digest = json_str(json_get(manifest, "config"), "digest");
	_cleanup_free_ char *path = xasprintf("blobs/%s", digest ?: "");
	struct client_req req = { .path = path, .body_max = CONFIG_BLOB_MAX_BYTES };
	_cleanup_json_ json *config = NULL;
	char got[DIGEST_LEN + 1];
	struct http_resp r;
	struct err *e;

	if (!digest_is_valid(digest))
		return err_new(0, "the manifest names no configuration");
	e = client_ask(q->client, q->h, &req, &r);
	if (e)
		return e;
	blob_digest(r.body.s ?: "", r.body.len, got);
	if (!str_eq(got, digest))
		e = err_new(0, "the configuration's bytes have the digest %.19s, not %.19s", got,
			    digest);
	e = e ?: json_parse(r.body.s ?: "", r.body.len, "the configuration", &config);
	if (!e)
		put_platform(o, config);
	http_resp_done(&r);
	return e;
}

static struct err *ask_descriptor(struct query *q, struct str *out)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	char digest[DIGEST_LEN + 1];
	struct http_resp r;
	struct json_out o;
	struct err *e;
	size_t len;

	e = get_asked(q, &r, &j);
	if (e)
		return e;
	blob_digest(r.body.s ?: "", r.body.len, digest);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "descriptor", '{');
	json_put_str(&o, "mediaType", json_str(j, "mediaType") ?: r.content_type ?: "");
	json_put_str(&o, "digest", digest);
	json_put_int(&o, "size", (int64_t)r.body.len);
	json_close(&o, '}');
	json_open(&o, "platforms", '[');
	for (size_t i = 0;
	     is_index(j) && i < json_len(json_get(j, "manifests")) && i < PLATFORMS_MAX; i++)
		put_platform(&o, json_get(json_at(json_get(j, "manifests"), i), "platform"));
	if (!is_index(j))
		e = put_own_platform(q, &o, j);
	json_close(&o, ']');
	json_close(&o, '}');
	http_resp_done(&r);
	text = json_out_take(&o, &len);
	if (!e)
		str_addn(out, text, len);
	return e;
}

struct err *query_descriptor(const struct image_ref *ref, const struct auth_creds *creds,
			     char **ret, size_t *ret_len)
{
	struct query q = { .ref = ref, .creds = creds, .ask = ask_descriptor };

	return run(&q, ref->host, ret, ret_len);
}

/* --- search ----------------------------------------------------------------------------------- */

static struct err *ask_search(struct query *q, struct str *out)
{
	_cleanup_str_ struct str url = { 0 };
	struct http_req req = { .method = "GET", .accept = "application/json", .body_max = PAGE_MAX_BYTES };
	_cleanup_json_ json *j = NULL;
	char limit[16];
	struct http_resp r;
	struct err *e;

	snprintf(limit, sizeof(limit), "%u", q->limit);
	str_add(&url, SEARCH_URL);
	http_query_add(&url, '?', "q", q->term);
	http_query_add(&url, '&', "n", limit);
	req.url = url.s;
	e = http_do(q->h, &req, &r);
	if (!e && r.status != 200) {
		_cleanup_free_ char *said = registry_error_text(r.body.s ?: "", r.body.len);

		e = err_new(0, "Docker Hub answered %d%s%s", r.status, said ? ": " : "", said ?: "");
	}
	e = e ?: json_parse(r.body.s ?: "", r.body.len, "Docker Hub's answer", &j);
	if (!e)
		str_addn(out, r.body.s, r.body.len);
	http_resp_done(&r);
	return e;
}

struct err *query_search(const char *term, unsigned limit, char **ret, size_t *ret_len)
{
	struct query q = { .ask = ask_search, .term = term, .limit = limit };

	return run(&q, HUB_HOST, ret, ret_len);
}
