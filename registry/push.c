/* How it works
 *
 *	devbox push ── child in the user namespace ── SLOTS threads, each bringing up a blob (registry/upload.c)
 *
 * 1 parent: reads configuration and credentials as the user, the manifest, and which repositories of the same
 *   registry are known to have which blobs; holds cache/gc.lock (shared), so that nothing of it is cleared away.
 * 2 child: brings up layers and configuration, the largest first, and then the manifest.
 * 3 parent: writes down what the registry calls the image now. */
#include "registry/push.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/lock.h"
#include "core/base/proc.h"
#include "registry/client.h"
#include "registry/image.h"
#include "registry/index.h"
#include "registry/manifest.h"
#include "registry/upload.h"

enum {
	SLOTS = 3, /* blobs at once */
	SISTERS_MAX = 20, /* repositories in one token */
	PROGRESS_MS = 100,
};

/* A blob to bring up: a layer, or the configuration. */
struct item {
	struct push *p;
	const struct descriptor *d;
	int layer; /* its number, or -1 */
	const char *from; /* a repository of the registry that has it, or NULL */
	int64_t told_ms;
};

struct push {
	/* the parent's, read by all */
	struct store *st;
	const struct push_opts *opts;
	struct registry_config cfg;
	struct image_ref ref;
	char *manifest_digest, *media_type, *text;
	size_t len;
	struct manifest manifest;
	struct strv sisters; /* repositories that blobs may be mounted from */
	struct item *items;
	size_t n_items;
	/* the child's */
	struct client *client;
	struct store child_st;
	atomic_size_t next;
	atomic_bool failed;
	pthread_mutex_t lock; /* of ERROR and the progress function */
	struct err *error; /* the first one */
};

/* --- progress --------------------------------------------------------------------------------- */

static void tell(struct push *p, enum pull_phase phase, const struct item *it, uint64_t done,
		 const char *text)
{
	struct pull_event ev = {
		.phase = phase,
		.layer = it ? it->layer : -1,
		.n_layers = (int)p->manifest.n_layers,
		.digest = it ? it->d->digest : NULL,
		.done_bytes = done,
		.total_bytes = it ? (uint64_t)it->d->size : 0,
		.text = text,
	};

	if (!p->opts->progress)
		return;
	pthread_mutex_lock(&p->lock);
	p->opts->progress(p->opts->arg, &ev);
	pthread_mutex_unlock(&p->lock);
}

static void on_note(void *arg, const char *text)
{
	tell(arg, PULL_RETRY, NULL, 0, text);
}

static void on_blob_note(void *arg, const char *text)
{
	on_note(((struct item *)arg)->p, text);
}

static void on_progress(void *arg, uint64_t done)
{
	struct item *it = arg;
	int64_t now = time_mono_ms();

	if (now - it->told_ms < PROGRESS_MS)
		return;
	it->told_ms = now;
	tell(it->p, PUSH_UPLOADING, it, done, NULL);
}

/* --- the child -------------------------------------------------------------------------------- */

static struct err *push_item(struct item *it, struct http *h)
{
	struct push *p = it->p;
	struct upload_watch watch = { on_progress, on_blob_note, it };
	enum upload_outcome outcome = UPLOAD_EXISTED;
	struct err *e;

	tell(p, PUSH_PREPARING, it, 0, NULL);
	e = upload_blob(&p->child_st, p->client, h, it->d, it->from, &watch, &outcome);
	if (e)
		return e;
	tell(p,
	     outcome == UPLOAD_SENT	 ? PUSH_DONE
	     : outcome == UPLOAD_MOUNTED ? PUSH_MOUNTED
					 : PUSH_EXISTS,
	     it, (uint64_t)it->d->size, outcome == UPLOAD_MOUNTED ? it->from : NULL);
	return NULL;
}

static void *slot_thread(void *arg)
{
	struct push *p = arg;
	struct http *h = http_new(&p->cfg);

	while (!p->failed) {
		size_t i = p->next++;
		struct err *e;

		if (i >= p->n_items)
			break;
		e = push_item(&p->items[i], h);
		if (!e)
			continue;
		pthread_mutex_lock(&p->lock);
		if (p->error)
			err_free(e); /* most likely a consequence */
		else
			p->error = e;
		pthread_mutex_unlock(&p->lock);
		p->failed = true;
	}
	http_free(h);
	return NULL;
}

static struct err *push_items(struct push *p)
{
	pthread_t threads[SLOTS];
	size_t n;
	int rc = 0;

	for (n = 0; n < SLOTS && n < p->n_items && !rc; n++) {
		rc = pthread_create(&threads[n], NULL, slot_thread, p);
		if (rc)
			break;
	}
	while (n)
		pthread_join(threads[--n], NULL);
	return err_also(TAKE_PTR(p->error), rc ? err_new(rc, "starting a thread") : NULL);
}

static struct err *read_manifest(void *arg, uint64_t offset, void *buf, size_t size, size_t *ret_len)
{
	const struct push *p = arg;
	size_t rest = p->len - (size_t)offset;

	*ret_len = rest < size ? rest : size;
	memcpy(buf, p->text + offset, *ret_len);
	return NULL;
}

static struct err *push_manifest(struct push *p, struct http *h)
{
	_cleanup_free_ char *path = xasprintf("manifests/%s", p->ref.tag);
	struct client_req req = {
		.path = path,
		.method = "PUT",
		.content_type = p->media_type,
		.source = read_manifest,
		.source_arg = p,
		.source_len = p->len,
	};
	struct http_resp r;
	struct err *e = client_ask(p->client, h, &req, &r);

	if (e)
		return e;
	if (r.docker_content_digest && !str_eq(r.docker_content_digest, p->manifest_digest))
		e = err_new(0, "the registry calls the manifest %.19s instead of %.19s",
			    r.docker_content_digest, p->manifest_digest);
	http_resp_done(&r);
	return e;
}

/* Step 2.  What is allocated goes with the process. */
static struct err *push_child(void *arg, struct str *result UNUSED)
{
	struct push *p = arg;
	struct http *h;
	struct err *e;

	umask(0);
	http_global_init();
	p->child_st = *p->st;
	p->child_st.ids.direct = false; /* this process is the inner root, see registry/pull.c */
	p->client = client_new(&p->cfg, &p->ref, on_note, p);
	client_push(p->client, &p->sisters);
	pthread_mutex_init(&p->lock, NULL);
	e = push_items(p);
	if (e)
		return e;
	h = http_new(&p->cfg);
	e = push_manifest(p, h);
	http_free(h);
	return e;
}

/* --- the parent ------------------------------------------------------------------------------- */

static struct err *load_manifest(struct store *st, const char *digest, const char *media_type,
				 char **ret_text, size_t *ret_len, struct manifest *ret)
{
	struct platform any = { 0 };
	struct err *e;

	e = blob_read(st, digest, MANIFEST_MAX_BYTES, true, ret_text, ret_len);
	platform_own(&any);
	e = e ?: manifest_parse(*ret_text, *ret_len, media_type, &any, ret, NULL);
	platform_done(&any);
	return err_wrap(e, "the image's manifest");
}

static bool has_blob(const struct manifest *m, const char *digest)
{
	for (size_t i = 0; i < m->n_layers; i++)
		if (str_eq(m->layers[i].digest, digest))
			return true;
	return false;
}

/* REF's repository if it is on the registry we push to, and not the one we push to. */
static char *sister_repo(const struct push *p, const char *full)
{
	struct image_ref ref;
	struct err *e = image_ref_parse(full, &ref);
	char *repo = NULL;

	if (e) {
		err_free(e); /* a name of another tool */
		return NULL;
	}
	if (str_eq(ref.host, p->ref.host) && !str_eq(ref.repo, p->ref.repo))
		repo = xstrdup(ref.repo);
	image_ref_done(&ref);
	return repo;
}

/* REPO as one of p->sisters, which it joins. */
static const char *sister(struct push *p, const char *repo)
{
	for (size_t i = 0; i < p->sisters.n; i++)
		if (str_eq(p->sisters.v[i], repo))
			return p->sisters.v[i];
	strv_add(&p->sisters, repo);
	return p->sisters.v[p->sisters.n - 1];
}

/* What was pulled from or pushed to another repository of this registry has its blobs there. */
static void find_sisters(struct push *p, const struct index *ix)
{
	for (size_t i = 0; i < ix->n && p->sisters.n < SISTERS_MAX; i++) {
		const struct index_entry *en = &ix->v[i];
		_cleanup_free_ char *repo = en->ref && en->repo_digest ? sister_repo(p, en->ref) : NULL;
		_cleanup_free_ char *text = NULL;
		struct manifest m = { 0 };
		struct err *e;
		size_t len;

		if (!repo)
			continue;
		e = load_manifest(p->st, en->digest, en->media_type, &text, &len, &m);
		for (size_t k = 0; !e && k < p->n_items; k++)
			if (!p->items[k].from && has_blob(&m, p->items[k].d->digest))
				p->items[k].from = sister(p, repo);
		err_free(e); /* damaged: no source */
		manifest_done(&m);
	}
}

static int largest_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->d->size != y->d->size)
		return x->d->size < y->d->size ? 1 : -1;
	return x->layer - y->layer;
}

/* Every blob once. */
static void list_items(struct push *p)
{
	const struct manifest *m = &p->manifest;

	p->items = xcalloc(m->n_layers + 1, sizeof(*p->items));
	for (size_t i = 0; i < m->n_layers; i++) {
		bool again = false;

		for (size_t k = 0; k < p->n_items; k++)
			again |= str_eq(p->items[k].d->digest, m->layers[i].digest);
		if (!again)
			p->items[p->n_items++] =
				(struct item){ .p = p, .d = &m->layers[i], .layer = (int)i };
	}
	p->items[p->n_items++] = (struct item){ .p = p, .d = &m->config, .layer = -1 };
	qsort(p->items, p->n_items, sizeof(*p->items), largest_first);
}

static struct err *prepare(struct push *p, const char *full)
{
	_cleanup_index_ struct index ix = { 0 };
	struct index_entry *entry;
	struct err *e = index_load(p->st, &ix);

	if (e)
		return e;
	entry = index_find(&ix, full);
	if (!entry) {
		_cleanup_free_ char *repo = image_ref_familiar_repo(&p->ref);

		return err_new(0, "An image does not exist locally with the tag: %s:%s", repo,
			       p->ref.tag);
	}
	p->manifest_digest = xstrdup(entry->digest);
	e = load_manifest(p->st, entry->digest, entry->media_type, &p->text, &p->len, &p->manifest);
	if (e)
		return e;
	p->media_type = xstrdup(p->manifest.media_type);
	list_items(p);
	find_sisters(p, &ix);
	return NULL;
}

/* Step 3. */
static struct err *record(struct push *p, const char *full)
{
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_close_ int lock = -1;
	struct index_entry *entry;
	struct err *e;

	e = store_lock(p->st, &lock);
	e = e ?: index_load(p->st, &ix);
	entry = e ? NULL : index_find(&ix, full);
	if (!entry || !str_eq(entry->digest, p->manifest_digest) ||
	    str_eq(entry->repo_digest, p->manifest_digest))
		return e; /* the name has another image by now, or nothing is new */
	free(entry->repo_digest);
	entry->repo_digest = xstrdup(p->manifest_digest);
	return index_save(p->st, &ix);
}

struct err *push_image(struct store *st, const char *ref, const struct push_opts *opts,
		       char **ret_digest, int64_t *ret_size)
{
	struct push p = { .st = st, .opts = opts };
	_cleanup_str_ struct str nothing = { 0 };
	_cleanup_free_ char *familiar = NULL;
	_cleanup_close_ int lock = -1;
	struct err *e;

	e = image_ref_parse(ref, &p.ref);
	if (e)
		return e;
	familiar = image_ref_familiar(&p.ref);
	if (p.ref.digest) {
		image_ref_done(&p.ref);
		return err_new(0, "cannot push a digest reference");
	}
	e = lock_take(st->cache, "gc.lock", true, &lock);
	e = e ?: prepare(&p, ref);
	e = e ?: registry_config_load(p.ref.host, &p.cfg);
	if (!e)
		registry_config_use(&p.cfg, opts->creds);
	e = e ?: userns_call(&st->ids, push_child, &p, &nothing);
	e = e ?: record(&p, ref);
	if (!e) {
		_cleanup_free_ char *repo = image_ref_familiar_repo(&p.ref);

		image_event(st, "push", familiar, repo);
		*ret_digest = TAKE_PTR(p.manifest_digest);
		*ret_size = (int64_t)p.len;
	}
	registry_config_done(&p.cfg);
	manifest_done(&p.manifest);
	image_ref_done(&p.ref);
	strv_done(&p.sisters);
	free(p.manifest_digest);
	free(p.media_type);
	free(p.text);
	free(p.items);
	e = err_wrap(e, "pushing %s", familiar);
	return err_printable(e);
}
