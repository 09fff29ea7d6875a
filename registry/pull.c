/* How it works
 *
 *	devbox pull ── child in the user namespace ── SLOTS threads, each fetching a layer ── its unpacker
 *
 * 1 parent: reads configuration and credentials as the user, holds cache/gc.lock (shared, see registry/image.c).
 * 2 child: resolves the name: manifest (of the index: the one for the platform), configuration.
 * 3 child, per layer: see registry/fetch.h.
 * 4 parent: under the store's lock the image gets its entry in index.json: now it exists.
 * 5 a grandchild, detached: syncfs(2), then marks layers and entry as being on disk.  Until then they carry this
 *   boot's id, and after a power loss they count as absent: no fsync per file, nobody waits for the disk.
 *
 * kill -9 at any moment leaves staging directories (store_sweep() clears them) and .part files (the next pull goes on
 * there, image_prune() clears them). */
#include "registry/pull.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/fetch.h"
#include "registry/image.h"
#include "registry/index.h"
#include "registry/manifest.h"
#include "registry/mark.h"
#include "registry/put.h"
#include "registry/schema1.h"

struct pull {
	/* the parent's, read by all */
	struct store *st;
	const struct pull_opts *opts;
	struct registry_config cfg;
	struct image_ref ref;
	char *full; /* the image's name in index.json */
	struct platform platform;
	/* the child's */
	struct store child_st; /* the same directories, as seen by the namespace's root */
	struct client *client;
	struct manifest manifest;
	struct strv diff_ids;
	char *repo_digest, *manifest_digest;
	size_t manifest_size;
	bool up_to_date;
	bool old; /* the manifest is of schema 1 */
	uint64_t image_size;
	struct fetch *fetch;
};

static void on_note(void *arg, const char *text)
{
	fetch_tell(((struct pull *)arg)->fetch, PULL_RETRY, -1, 0, text);
}

/* --- the image's documents
 * ----------------------------------------------------------------------------------------- */

/* Do what we have and what is asked for have the same platform? */
static bool entry_fits(struct pull *p, const struct index_entry *entry)
{
	_cleanup_free_ char *text = NULL, *config = NULL;
	_cleanup_strv_ struct strv diff_ids = { 0 };
	struct manifest m = { 0 };
	struct err *e;
	size_t len;
	uint64_t size;
	bool fits;

	e = blob_read(p->st, entry->digest, MANIFEST_MAX_BYTES, false, &text, &len);
	e = e ?: manifest_parse(text, len, entry->media_type, &p->platform, &m, NULL);
	if (!e && m.kind != MANIFEST_IMAGE)
		e = err_new(0, "not an image");
	e = e ?: blob_read(p->st, m.config.digest, CONFIG_BLOB_MAX_BYTES, false, &config, &len);
	e = e ?: config_parse(config, len, m.n_layers, &p->platform, &diff_ids);
	fits = !e;
	for (size_t i = 0; fits && i < diff_ids.n; i++)
		fits = mark_check(p->st, diff_ids.v[i], &size);
	err_free(e); /* whatever it is: a pull mends it */
	manifest_done(&m);
	return fits;
}

/* A complete image of this name, or NULL.  The result belongs to IX. */
static struct index_entry *have_entry(struct pull *p, struct index *ix)
{
	struct err *e = index_load(p->st, ix);
	struct index_entry *entry;

	if (e) {
		err_free(e); /* reported when the image is recorded */
		*ix = (struct index){ 0 };
		return NULL;
	}
	entry = index_find(ix, p->full);
	return entry && entry_fits(p, entry) ? entry : NULL;
}

/* HEAD is not counted by the Hub's pull limit, GET is. */
static struct err *ask_head(struct pull *p, struct http *h, const char *path, bool *ret_same)
{
	_cleanup_index_ struct index ix = { 0 };
	struct client_req req = { .path = path, .method = "HEAD", .accept = MANIFEST_ACCEPT };
	struct index_entry *entry = have_entry(p, &ix);
	struct http_resp r;
	struct err *e;

	*ret_same = false;
	if (!entry || !entry->repo_digest)
		return NULL;
	e = client_ask(p->client, h, &req, &r);
	if (e)
		return e;
	if (str_eq(r.docker_content_digest, entry->repo_digest)) {
		*ret_same = true;
		p->repo_digest = xstrdup(entry->repo_digest);
	}
	http_resp_done(&r);
	return NULL;
}

/* The document the name stands for; checked against the digest if the name has one. */
static struct err *get_top(struct pull *p, struct http *h, const char *path, struct http_resp *r)
{
	struct client_req req = { .path = path, .accept = MANIFEST_ACCEPT, .body_max = MANIFEST_MAX_BYTES };
	char digest[DIGEST_LEN + 1];
	const char *said;
	struct err *e;

	e = client_ask(p->client, h, &req, r);
	if (e)
		return e;
	p->old = schema1_is(r->body.s ?: "", r->body.len);
	if (p->old)
		schema1_digest(r->body.s, r->body.len, digest);
	else
		blob_digest(r->body.s ?: "", r->body.len, digest);
	said = p->ref.digest
		       ?: digest_is_valid(r->docker_content_digest) ? r->docker_content_digest
								    : digest;
	if (p->ref.digest)
		said = p->ref.digest;
	if (!str_eq(said, digest)) {
		http_resp_done(r);
		return err_new(0, "the manifest's bytes have the digest %.19s, not %.19s", digest, said);
	}
	p->repo_digest = xstrdup(digest);
	return NULL;
}

/* The blob that DOC is, into the store. */
static struct err *put_doc(struct pull *p, const char *doc, size_t len, const char *type,
			   struct descriptor *ret)
{
	char digest[DIGEST_LEN + 1];

	blob_digest(doc, len, digest);
	*ret = (struct descriptor){ xstrdup(type), xstrdup(digest), (int64_t)len };
	return blob_write(&p->child_st, digest, doc, len);
}

/* A manifest of schema 1, TEXT: its layers are fetched, for nothing else tells what is in them; then it is an image of
 * today's kind, with the same layers. */
static struct err *resolve_old(struct pull *p, const char *text, size_t len)
{
	_cleanup_free_ char *config = NULL, *manifest = NULL;
	struct descriptor d = { 0 };
	size_t config_len = 0;
	struct err *e = schema1_parse(text, len, &p->platform, &p->manifest);

	e = e ?: fetch_learn(p->fetch, &p->cfg, p->client, &p->manifest, &p->diff_ids);
	e = e ?: schema1_config(text, len, &p->diff_ids, &config, &config_len);
	e = e ?: put_doc(p, config, config_len, CONFIG_TYPE, &p->manifest.config);
	if (e)
		return e;
	manifest = manifest_text(&p->manifest, &p->manifest_size);
	e = put_doc(p, manifest, p->manifest_size, MANIFEST_TYPE, &d);
	p->manifest_digest = xstrdup(d.digest);
	descriptor_done(&d);
	return e;
}

static struct err *resolve(struct pull *p, struct http *h)
{
	_cleanup_free_ char *path = xasprintf("manifests/%s", p->ref.digest ?: p->ref.tag);
	_cleanup_free_ char *text = NULL, *config = NULL, *quota = NULL;
	struct descriptor entry = { 0 };
	struct http_resp r;
	bool by_index;
	struct err *e;
	size_t len;

	e = ask_head(p, h, path, &p->up_to_date);
	if (e || p->up_to_date)
		return e;
	e = get_top(p, h, path, &r);
	if (e)
		return e;
	quota = client_quota_text(r.ratelimit_limit, r.ratelimit_remaining);
	if (quota)
		fetch_tell(p->fetch, PULL_RESOLVING, -1, 0, quota);
	len = r.body.len;
	text = str_take(&r.body);
	if (p->old) {
		http_resp_done(&r);
		return resolve_old(p, text, len);
	}
	e = manifest_parse(text, len, r.content_type, &p->platform, &p->manifest, &entry);
	http_resp_done(&r);
	by_index = !e && p->manifest.kind == MANIFEST_INDEX;
	if (by_index) {
		manifest_done(&p->manifest);
		free(TAKE_PTR(text));
		e = blob_fetch(&p->child_st, p->client, h, "manifests", &entry, &text, &len);
		e = e ?: manifest_parse(text, len, entry.media_type, &p->platform, &p->manifest, &entry);
		if (!e && p->manifest.kind == MANIFEST_INDEX)
			e = err_new(0, "malformed index: it leads to another index");
	}
	descriptor_done(&entry);
	if (e)
		return e;
	p->manifest_digest = xmalloc(DIGEST_LEN + 1);
	blob_digest(text, len, p->manifest_digest);
	p->manifest_size = len;
	if (!by_index)
		e = blob_write(&p->child_st, p->manifest_digest, text, len);
	e = e ?: blob_fetch(&p->child_st, p->client, h, "blobs", &p->manifest.config, &config, &len);
	/* the index's word on the platform is good enough; without one, the image's own */
	return e
		       ?: config_parse(config, len, p->manifest.n_layers,
				       by_index ? NULL : &p->platform, &p->diff_ids);
}

static void put_result(struct pull *p, struct str *result)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "repo_digest", p->repo_digest);
	json_put_bool(&o, "up_to_date", p->up_to_date);
	if (!p->up_to_date) {
		json_put_str(&o, "media_type", p->manifest.media_type);
		json_put_str(&o, "digest", p->manifest_digest);
		json_put_str(&o, "id", p->manifest.config.digest);
		json_put_int(&o, "size", (int64_t)p->manifest_size);
		json_put_int(&o, "image_size", (int64_t)p->image_size);
		json_put_strv(&o, "diff_ids", &p->diff_ids);
	}
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	str_addn(result, text, len);
}

/* Step 2 and 3, inside the user namespace.  What is allocated goes with the process. */
static struct err *pull_child(void *arg, struct str *result)
{
	struct pull *p = arg;
	struct http *h;
	struct err *e;

	umask(0);
	http_global_init();
	p->child_st = *p->st;
	p->child_st.ids.direct =
		false; /* this process is the inner root: what it makes has the right owner */
	p->client = client_new(&p->cfg, &p->ref, on_note, p);
	p->fetch = fetch_new(&p->child_st, p->opts->progress, p->opts->arg);
	h = http_new(&p->cfg);
	e = resolve(p, h);
	if (!e && !p->up_to_date)
		e = fetch_layers(p->fetch, &p->cfg, p->client, &p->manifest, &p->diff_ids,
				 &p->image_size);
	if (!e)
		put_result(p, result);
	http_free(h);
	return e;
}

/* --- the parent
 * ---------------------------------------------------------------------------------------------------- */

static struct err *record(struct pull *p, json *result)
{
	_cleanup_strv_ struct strv diff_ids = { 0 };
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_close_ int lock = -1;
	struct index_entry entry = {
		.media_type = (char *)(uintptr_t)json_str(result, "media_type"),
		.digest = (char *)(uintptr_t)json_str(result, "digest"),
		.size = json_int(result, "size", 0),
		.id = (char *)(uintptr_t)json_str(result, "id"),
		.repo_digest = (char *)(uintptr_t)json_str(result, "repo_digest"),
		.image_size = json_int(result, "image_size", 0),
		.boot = (char *)(uintptr_t)proc_boot_id(),
	};
	struct err *e;

	json_strv(result, "diff_ids", &diff_ids);
	e = store_lock(p->st, &lock);
	e = e ?: index_load(p->st, &ix);
	if (e)
		return e;
	index_set(&ix, p->full, &entry);
	e = index_save(p->st, &ix);
	if (e)
		return err_wrap(e, "recording the image");
	close(TAKE_FD(lock));
	image_sync_later(p->st, entry.digest, &diff_ids); /* step 5 */
	return NULL;
}

static struct err *run_child(struct pull *p, struct pull_result *ret)
{
	_cleanup_str_ struct str result = { 0 };
	_cleanup_json_ json *j = NULL;
	_cleanup_close_ int lock = -1;
	struct err *e;

	e = lock_take(p->st->cache, "gc.lock", true, &lock);
	e = e ?: userns_call(&p->st->ids, pull_child, p, &result);
	e = e ?: json_parse(result.s ?: "", result.len, "the pull's result", &j);
	if (e)
		return e;
	ret->up_to_date = json_bool(j, "up_to_date", false);
	ret->digest = xstrdup(json_str(j, "repo_digest"));
	ret->ref = xstrdup(p->full);
	return ret->up_to_date ? NULL : record(p, j);
}

/* A name with a digest that is here needs no network at all. */
static bool have_digest(struct pull *p, struct pull_result *ret)
{
	_cleanup_index_ struct index ix = { 0 };
	struct index_entry *entry;

	if (!p->ref.digest)
		return false;
	entry = have_entry(p, &ix);
	if (!entry)
		return false;
	*ret = (struct pull_result){ xstrdup(p->full), xstrdup(p->ref.digest), true };
	return true;
}

/* As Docker has it, the name stands in for the id. */
static void pulled_event(struct store *st, const struct image_ref *ref)
{
	_cleanup_free_ char *name = image_ref_familiar(ref), *repo = image_ref_familiar_repo(ref);

	image_event(st, "pull", name, repo);
}

struct err *pull_image(struct store *st, const char *text, const struct pull_opts *opts,
		       struct pull_result *ret)
{
	struct pull p = { .st = st, .opts = opts };
	struct err *e;

	*ret = (struct pull_result){ 0 };
	e = image_ref_parse(text, &p.ref);
	if (e)
		return err_wrap(e, "%s", text);
	if (opts->platform)
		e = platform_parse(opts->platform, &p.platform);
	else
		platform_own(&p.platform);
	p.full = image_ref_full(&p.ref);
	if (!e && !have_digest(&p, ret)) {
		store_sweep(st);
		e = registry_config_load(p.ref.host, &p.cfg);
		if (!e)
			registry_config_use(&p.cfg, opts->creds);
		e = e ?: run_child(&p, ret);
		if (!e)
			pulled_event(st, &p.ref);
	}
	registry_config_done(&p.cfg);
	platform_done(&p.platform);
	image_ref_done(&p.ref);
	free(p.full);
	return err_printable(err_wrap(e, "pulling %s", text));
}

void pull_result_done(struct pull_result *r)
{
	free(r->ref);
	free(r->digest);
	*r = (struct pull_result){ 0 };
}
