/* How it works
 *
 *	devbox pull ── child in the user namespace ── SLOTS threads, each fetching a layer ── its unpacker
 *
 * 1 parent: reads configuration and credentials as the user, holds cache/gc.lock (shared, see registry/image.c).
 * 2 child: resolves the name: manifest (of the index: the one for the platform), configuration.
 * 3 child, per layer: socket -> SHA-256 -> cache/<hex>.part -> decompressor -> ring -> SHA-256 -> tar -> files in
 *   tmp/layer.<random>.  If both digests fit: .part becomes blobs/sha256/<hex>, the staging directory becomes
 *   layers/<diff id>, and its mark is written.  A lock per diff id makes a second pull wait and then find it there.
 * 4 parent: under the store's lock the image gets its entry in index.json: now it exists.
 * 5 a grandchild, detached: syncfs(2), then marks layers and entry as being on disk.  Until then they carry this
 *   boot's id, and after a power loss they count as absent: no fsync per file, nobody waits for the disk.
 *
 * kill -9 at any moment leaves staging directories (store_sweep() clears them) and .part files (the next pull goes on
 * there, image_prune() clears them). */
#include "registry/pull.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/client.h"
#include "registry/index.h"
#include "registry/inflate.h"
#include "registry/layer.h"
#include "registry/manifest.h"
#include "registry/mark.h"
#include "registry/put.h"
#include "registry/ring.h"

enum {
	SLOTS = 3, /* layers at once: more only shares the same line and disk */
	PROGRESS_MS = 100,
};

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
	int *order; /* of the layers: the largest first, or it would be alone at the end */
	atomic_size_t next; /* place in ORDER of the layer to begin */
	atomic_bool failed; /* begin no further one */
	atomic_ullong image_size;
	pthread_mutex_t lock; /* of what follows, and of the progress function */
	struct err *error; /* the first one */
	struct late_layer *late;
	size_t n_late, late_cap;
};

/* A layer with hard links to files of the layers below: complete only when those are. */
struct late_layer {
	int number;
	char *stage_name;
	int stage;
	uint64_t bytes;
	struct layer_links links;
};

/* One layer on its way. */
struct job {
	struct pull *p;
	int number;
	const struct descriptor *d;
	const char *diff_id;
	struct ring *ring;
	struct inflate *inflate;
	int stage; /* staging directory */
	int64_t told_ms; /* when progress was last reported */
	/* the unpacking thread's result */
	struct layer_stats stats;
	struct layer_links links;
	struct err *unpack_error;
	char got_diff_id[DIGEST_LEN + 1];
};

/* --- progress
 * ------------------------------------------------------------------------------------------------------ */

static void tell(struct pull *p, enum pull_phase phase, int layer, uint64_t done, const char *text)
{
	const struct descriptor *d = layer >= 0 ? &p->manifest.layers[layer] : NULL;
	struct pull_event ev = {
		.phase = phase,
		.layer = layer,
		.n_layers = (int)p->manifest.n_layers,
		.digest = d ? d->digest : NULL,
		.done_bytes = done,
		.total_bytes = d ? (uint64_t)d->size : 0,
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
	tell(arg, PULL_RETRY, -1, 0, text);
}

static void on_progress(void *arg, uint64_t done)
{
	struct job *j = arg;
	int64_t now = time_mono_ms();

	if (now - j->told_ms < PROGRESS_MS)
		return;
	j->told_ms = now;
	tell(j->p, PULL_DOWNLOADING, j->number, done, NULL);
}

static void on_waiting(void *arg)
{
	struct job *j = arg;

	tell(j->p, PULL_WAITING, j->number, 0, NULL);
}

/* --- one layer
 * ----------------------------------------------------------------------------------------------------- */

static struct err *on_room(void *arg, void **ret_buf, size_t *ret_size)
{
	return ring_room(((struct job *)arg)->ring, ret_buf, ret_size);
}

static struct err *on_done(void *arg, size_t len)
{
	return ring_done(((struct job *)arg)->ring, len);
}

static struct err *on_feed(void *arg, const void *data, size_t len)
{
	struct job *j = arg;
	struct err *e = inflate_feed(j->inflate, data, len);

	/* set before the ring was closed, which is what makes inflate_feed() fail so */
	if (err_is(e, ECANCELED) && j->unpack_error && !j->unpack_error->errnum) {
		err_free(e);
		e = err_new(0, "damaged layer");
	}
	return e;
}

struct hashed_read {
	struct ring *ring;
	struct sha256 *sha;
};

static struct err *on_read(void *arg, const void **ret_data, size_t *ret_len)
{
	struct hashed_read *hr = arg;
	struct err *e = ring_read(hr->ring, ret_data, ret_len);

	if (!e && *ret_len)
		sha256_add(hr->sha, *ret_data, *ret_len);
	return e;
}

static void *unpack_thread(void *arg)
{
	struct job *j = arg;
	struct hashed_read hr = { j->ring, sha256_new() };
	struct layer_source src = { on_read, &hr };

	j->unpack_error = layer_unpack(j->stage, &j->p->child_st.ids, &src, &j->stats, &j->links);
	ring_close(j->ring); /* after an error the writer must not wait for room */
	sha256_text(hr.sha, j->got_diff_id);
	sha256_free(hr.sha);
	return NULL;
}

/* Fetch, decompress and unpack into the staging directory; both threads are done afterwards. */
static struct err *stream_layer(struct job *j, struct http *h, bool *ret_again)
{
	struct inflate_sink sink = { on_room, on_done, j };
	struct blob_follower follower = { on_feed, on_progress, on_waiting, j };
	struct blob_outcome outcome = { 0 };
	struct err *e;
	pthread_t thread;
	int rc;

	j->ring = ring_new();
	j->inflate = inflate_new(&sink);
	rc = pthread_create(&thread, NULL, unpack_thread, j);
	if (rc) {
		e = err_new(rc, "starting a thread");
	} else {
		e = blob_stream(&j->p->child_st, j->p->client, h, j->d, &follower, &outcome);
		e = e ?: inflate_end(j->inflate);
		ring_end(j->ring, !e);
		if (!e)
			tell(j->p, PULL_EXTRACTING, j->number, (uint64_t)j->d->size, NULL);
		pthread_join(thread, NULL);
		/* it knows better, unless it only failed because there was nothing to read any more */
		if (j->unpack_error && !outcome.wrong_digest && !err_is(j->unpack_error, ECANCELED)) {
			err_free(e);
			e = TAKE_PTR(j->unpack_error);
		}
		err_free(TAKE_PTR(j->unpack_error));
		e = err_wrap(e, "layer %.19s", j->d->digest);
	}
	*ret_again = outcome.again;
	inflate_free(TAKE_PTR(j->inflate));
	ring_free(TAKE_PTR(j->ring));
	return e;
}

static struct err *check_diff_id(const struct job *j)
{
	if (str_eq(j->got_diff_id, j->diff_id))
		return NULL;
	return err_new(0, "layer %.19s unpacks to %.19s, but the image's configuration says %.19s",
		       j->d->digest, j->got_diff_id, j->diff_id);
}

/* Under its final name, complete, or not at all. */
static struct err *install_layer(struct store *st, const char *stage_name, const char *diff_id,
				 uint64_t bytes)
{
	const char *name = blob_name(diff_id);
	struct err *e;

	mark_remove(st, diff_id); /* of a layer that is no longer trusted, and goes now */
	e = store_rm_tree(st, st->layers, name);
	if (!e && renameat(st->tmp, stage_name, st->layers, name) < 0)
		e = err_new(errno, "putting layer %.19s into its place", diff_id);
	return e ?: mark_write(st, diff_id, bytes, false);
}

static void put_off(struct job *j, char **stage_name, int *stage)
{
	struct pull *p = j->p;

	pthread_mutex_lock(&p->lock);
	p->late = xgrow(p->late, p->n_late, &p->late_cap, sizeof(*p->late));
	p->late[p->n_late++] = (struct late_layer){
		.number = j->number,
		.stage_name = TAKE_PTR(*stage_name),
		.stage = TAKE_FD(*stage),
		.bytes = j->stats.bytes,
		.links = j->links,
	};
	j->links = (struct layer_links){ 0 };
	pthread_mutex_unlock(&p->lock);
}

static struct err *make_layer(struct job *j, struct http *h)
{
	struct store *st = &j->p->child_st;
	struct err *e = NULL;

	for (int tries = 0; tries < 2; tries++) {
		_cleanup_free_ char *stage_name = NULL;
		_cleanup_close_ int stage = -1;
		bool again = false;

		e = store_stage(st, "layer", &stage_name, &stage);
		if (e)
			return e;
		j->stage = stage;
		e = stream_layer(j, h, &again);
		e = e ?: check_diff_id(j);
		if (!e && j->links.n) {
			put_off(j, &stage_name, &stage);
			return NULL;
		}
		layer_links_done(&j->links);
		e = e ?: install_layer(st, stage_name, j->diff_id, j->stats.bytes);
		if (!e)
			return NULL;
		err_free(store_rm_tree(st, st->tmp, stage_name)); /* best effort: the next sweep tries again */
		if (!again || tries)
			break;
		err_free(e);
	}
	return e;
}

/* All layers below are in their places: copy from them what this one links to. */
static struct err *finish_late(struct pull *p, struct late_layer *l)
{
	struct store *st = &p->child_st;
	const char *diff_id = p->diff_ids.v[l->number];
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", blob_name(diff_id));
	_cleanup_free_ int *lower = xcalloc((size_t)l->number + 1, sizeof(*lower));
	struct err *e;
	uint64_t size;
	int lock = -1, n = 0;

	e = lock_hold(st->cache, lock_name, NULL, NULL, &lock);
	while (!e && n < l->number) {
		const char *name = blob_name(p->diff_ids.v[l->number - 1 - n]);

		e = fd_open(st->layers, name, O_RDONLY | O_DIRECTORY, 0, &lower[n]);
		n += !e;
	}
	e = e ?: layer_copy_links(l->stage, lower, (size_t)n, &l->links);
	e = err_wrap(e, "layer %.19s", p->manifest.layers[l->number].digest);
	if (!e && !mark_check(st, diff_id, &size))
		e = install_layer(st, l->stage_name, diff_id, l->bytes);
	while (n)
		close(lower[--n]);
	if (lock >= 0)
		lock_drop(st->cache, lock_name, lock);
	return e;
}

static int by_number(const void *a, const void *b)
{
	const struct late_layer *x = a, *y = b;

	return x->number - y->number;
}

/* Also after an error, which then is E: the staging directories go. */
static struct err *finish_late_layers(struct pull *p, struct err *e)
{
	struct store *st = &p->child_st;

	if (p->n_late)
		qsort(p->late, p->n_late, sizeof(*p->late), by_number);
	for (size_t i = 0; i < p->n_late; i++) {
		struct late_layer *l = &p->late[i];

		e = e ?: finish_late(p, l);
		err_free(store_rm_tree(st, st->tmp, l->stage_name)); /* gone already if all went well */
		close(l->stage);
		free(l->stage_name);
		layer_links_done(&l->links);
	}
	free(p->late);
	return e;
}

static struct err *on_nothing(void *arg UNUSED, const void *data UNUSED, size_t len UNUSED)
{
	return NULL;
}

/* The layer is here, unpacked from a blob that was compressed in another way: the manifest names
 * this one, and who reads the store as an OCI layout expects to find it. */
static struct err *complete_layout(struct job *j, struct http *h)
{
	struct blob_follower follower = { on_nothing, on_progress, on_waiting, j };
	struct blob_outcome outcome = { .again = true };
	struct err *e = NULL;

	for (int tries = 0; outcome.again && tries < 2; tries++) {
		err_free(e);
		e = blob_stream(&j->p->child_st, j->p->client, h, j->d, &follower, &outcome);
	}
	return err_wrap(e, "layer %.19s", j->d->digest);
}

static void tell_omissions(struct job *j)
{
	_cleanup_free_ char *text = NULL;

	if (!j->stats.owners)
		return;
	text = xasprintf("%.19s: %llu files belong to users or groups that are not mapped here; they are root's now",
			 j->d->digest, (unsigned long long)j->stats.owners);
	tell(j->p, PULL_RETRY, j->number, 0, text);
}

static struct err *do_layer(struct job *j, struct http *h)
{
	struct store *st = &j->p->child_st;
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", blob_name(j->diff_id));
	uint64_t size = 0;
	struct err *e;
	int lock = -1;

	e = lock_hold(st->cache, lock_name, on_waiting, j, &lock);
	if (e)
		return e;
	if (mark_check(st, j->diff_id, &size)) {
		if (!blob_exists(st, j->d->digest))
			e = complete_layout(j, h);
		lock_drop(st->cache, lock_name, lock);
		if (e)
			return e;
		j->p->image_size += size;
		tell(j->p, PULL_EXISTS, j->number, (uint64_t)j->d->size, NULL);
		return NULL;
	}
	tell(j->p, PULL_DOWNLOADING, j->number, 0, NULL);
	e = make_layer(j, h);
	lock_drop(st->cache, lock_name, lock);
	if (e)
		return e;
	j->p->image_size += j->stats.bytes;
	tell_omissions(j);
	tell(j->p, PULL_DONE, j->number, (uint64_t)j->d->size, NULL);
	return NULL;
}

/* --- all layers
 * ---------------------------------------------------------------------------------------------------- */

static void keep_first_error(struct pull *p, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	if (p->error)
		err_free(e); /* most likely a consequence */
	else
		p->error = e;
	pthread_mutex_unlock(&p->lock);
	p->failed = true;
}

static void *slot_thread(void *arg)
{
	struct pull *p = arg;
	struct http *h = http_new(&p->cfg);

	while (!p->failed) {
		struct job j = { .p = p, .stage = -1 };
		size_t i = p->next++;
		struct err *e;

		if (i >= p->manifest.n_layers)
			break;
		j.number = p->order[i];
		j.d = &p->manifest.layers[j.number];
		j.diff_id = p->diff_ids.v[j.number];
		e = do_layer(&j, h);
		if (e)
			keep_first_error(p, e);
	}
	http_free(h);
	return NULL;
}

static int largest_first(const void *a, const void *b, void *arg)
{
	const struct descriptor *layers = arg, *x = &layers[*(const int *)a],
				*y = &layers[*(const int *)b];

	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return *(const int *)a - *(const int *)b;
}

static struct err *do_layers(struct pull *p)
{
	pthread_t threads[SLOTS];
	size_t n;

	p->order = xcalloc(p->manifest.n_layers + 1, sizeof(*p->order));
	for (size_t i = 0; i < p->manifest.n_layers; i++)
		p->order[i] = (int)i;
	qsort_r(p->order, p->manifest.n_layers, sizeof(*p->order), largest_first, p->manifest.layers);

	for (n = 0; n < SLOTS && n < p->manifest.n_layers; n++) {
		int rc = pthread_create(&threads[n], NULL, slot_thread, p);

		if (rc) {
			keep_first_error(p, err_new(rc, "starting a thread"));
			break;
		}
	}
	while (n)
		pthread_join(threads[--n], NULL);
	return finish_late_layers(p, TAKE_PTR(p->error));
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
	struct client_req req = { .path = path, .head = true, .accept = MANIFEST_ACCEPT };
	struct index_entry *entry = have_entry(p, &ix);
	struct http_resp r;
	struct err *e;

	*ret_same = false;
	if (!entry || !entry->repo_digest)
		return NULL;
	e = client_get(p->client, h, &req, &r);
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

	e = client_get(p->client, h, &req, r);
	if (e)
		return e;
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
		tell(p, PULL_RESOLVING, -1, 0, quota);
	len = r.body.len;
	text = str_take(&r.body);
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
	pthread_mutex_init(&p->lock, NULL);
	h = http_new(&p->cfg);
	e = resolve(p, h);
	if (!e && !p->up_to_date)
		e = do_layers(p);
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

/* What a registry said may hold anything, and goes to a terminal. */
static struct err *printable(struct err *e)
{
	for (char *s = e ? e->text : NULL; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	return e;
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
		e = e ?: run_child(&p, ret);
	}
	registry_config_done(&p.cfg);
	platform_done(&p.platform);
	image_ref_done(&p.ref);
	free(p.full);
	return printable(err_wrap(e, "pulling %s", text));
}

void pull_result_done(struct pull_result *r)
{
	free(r->ref);
	free(r->digest);
	*r = (struct pull_result){ 0 };
}
