#include "registry/fetch.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/inflate.h"
#include "registry/layer.h"
#include "registry/mark.h"
#include "registry/ring.h"

enum {
	SLOTS = 3, /* layers at once: more only shares the same line and disk */
	PROGRESS_MS = 100,
};

struct fetch {
	struct store *st;
	void (*progress)(void *arg, const struct pull_event *ev);
	void *arg;
	pthread_mutex_t lock; /* of ERROR, LATE and the progress function */
	/* fetch_layers()'s */
	const struct registry_config *cfg;
	struct client *client;
	const struct manifest *manifest;
	const struct strv *diff_ids; /* NULL: they are to be found out */
	char (*learned)[DIGEST_LEN + 1]; /* by fetch_learn() */
	int *order; /* of the layers: the largest first, or it would be alone at the end */
	atomic_size_t next; /* place in ORDER of the layer to begin */
	atomic_bool failed; /* begin no further one */
	atomic_ullong bytes;
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
	struct fetch *f;
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

/* --- progress --------------------------------------------------------------------------------- */

struct fetch *fetch_new(struct store *st, void (*progress)(void *arg, const struct pull_event *ev),
			void *arg)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	f->st = st;
	f->progress = progress;
	f->arg = arg;
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void fetch_tell(struct fetch *f, enum pull_phase phase, int layer, uint64_t done, const char *text)
{
	const struct descriptor *d = layer >= 0 ? &f->manifest->layers[layer] : NULL;
	struct pull_event ev = {
		.phase = phase,
		.layer = layer,
		.n_layers = f->manifest ? (int)f->manifest->n_layers : 0,
		.digest = d ? d->digest : NULL,
		.done_bytes = done,
		.total_bytes = d && d->size != SIZE_UNKNOWN ? (uint64_t)d->size : 0,
		.text = text,
	};

	if (!f->progress)
		return;
	pthread_mutex_lock(&f->lock);
	f->progress(f->arg, &ev);
	pthread_mutex_unlock(&f->lock);
}

static void on_progress(void *arg, uint64_t done)
{
	struct job *j = arg;
	int64_t now = time_mono_ms();

	if (now - j->told_ms < PROGRESS_MS)
		return;
	j->told_ms = now;
	fetch_tell(j->f, PULL_DOWNLOADING, j->number, done, NULL);
}

static void on_waiting(void *arg)
{
	struct job *j = arg;

	fetch_tell(j->f, PULL_WAITING, j->number, 0, NULL);
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

	j->unpack_error = layer_unpack(j->stage, &j->f->st->ids, &src, &j->stats, &j->links);
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
		e = blob_stream(j->f->st, j->f->client, h, j->d, &follower, &outcome);
		e = e ?: inflate_end(j->inflate);
		ring_end(j->ring, !e);
		if (!e)
			fetch_tell(j->f, PULL_EXTRACTING, j->number, (uint64_t)j->d->size, NULL);
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
	struct fetch *f = j->f;

	pthread_mutex_lock(&f->lock);
	f->late = xgrow(f->late, f->n_late, &f->late_cap, sizeof(*f->late));
	f->late[f->n_late++] = (struct late_layer){
		.number = j->number,
		.stage_name = TAKE_PTR(*stage_name),
		.stage = TAKE_FD(*stage),
		.bytes = j->stats.bytes,
		.links = j->links,
	};
	j->links = (struct layer_links){ 0 };
	pthread_mutex_unlock(&f->lock);
}

static struct err *make_layer(struct job *j, struct http *h)
{
	struct store *st = j->f->st;
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
static struct err *finish_late(struct fetch *f, struct late_layer *l)
{
	struct store *st = f->st;
	const char *diff_id = f->diff_ids->v[l->number];
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", blob_name(diff_id));
	_cleanup_free_ int *lower = xcalloc((size_t)l->number + 1, sizeof(*lower));
	struct err *e;
	uint64_t size;
	int lock = -1, n = 0;

	e = lock_hold(st->cache, lock_name, NULL, NULL, &lock);
	while (!e && n < l->number) {
		const char *name = blob_name(f->diff_ids->v[l->number - 1 - n]);

		e = fd_open(st->layers, name, O_RDONLY | O_DIRECTORY, 0, &lower[n]);
		n += !e;
	}
	e = e ?: layer_copy_links(l->stage, lower, (size_t)n, &l->links);
	e = err_wrap(e, "layer %.19s", f->manifest->layers[l->number].digest);
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
static struct err *finish_late_layers(struct fetch *f, struct err *e)
{
	struct store *st = f->st;

	if (f->n_late)
		qsort(f->late, f->n_late, sizeof(*f->late), by_number);
	for (size_t i = 0; i < f->n_late; i++) {
		struct late_layer *l = &f->late[i];

		e = e ?: finish_late(f, l);
		err_free(store_rm_tree(st, st->tmp, l->stage_name)); /* gone already if all went well */
		close(l->stage);
		free(l->stage_name);
		layer_links_done(&l->links);
	}
	free(TAKE_PTR(f->late));
	f->n_late = f->late_cap = 0;
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
		e = blob_stream(j->f->st, j->f->client, h, j->d, &follower, &outcome);
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
	fetch_tell(j->f, PULL_RETRY, j->number, 0, text);
}

static struct err *do_layer(struct job *j, struct http *h)
{
	struct store *st = j->f->st;
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
		j->f->bytes += size;
		fetch_tell(j->f, PULL_EXISTS, j->number, (uint64_t)j->d->size, NULL);
		return NULL;
	}
	fetch_tell(j->f, PULL_DOWNLOADING, j->number, 0, NULL);
	e = make_layer(j, h);
	lock_drop(st->cache, lock_name, lock);
	if (e)
		return e;
	j->f->bytes += j->stats.bytes;
	tell_omissions(j);
	fetch_tell(j->f, PULL_DONE, j->number, (uint64_t)j->d->size, NULL);
	return NULL;
}

/* --- what a layer unpacks to, for those who do not know
 * ---------------------------------------------------------------------------------------------------- */

struct hash_sink {
	struct sha256 *sha;
	char buf[64 << 10];
};

static struct err *hash_room(void *arg, void **ret_buf, size_t *ret_size)
{
	struct hash_sink *s = arg;

	*ret_buf = s->buf;
	*ret_size = sizeof(s->buf);
	return NULL;
}

static struct err *hash_done(void *arg, size_t len)
{
	struct hash_sink *s = arg;

	sha256_add(s->sha, s->buf, len);
	return NULL;
}

static struct err *on_hash(void *arg, const void *data, size_t len)
{
	struct job *j = arg;

	return inflate_feed(j->inflate, data, len);
}

static struct err *learn_layer(struct job *j, struct http *h)
{
	_cleanup_free_ struct hash_sink *hs = xmalloc(sizeof(*hs));
	struct inflate_sink sink = { hash_room, hash_done, hs };
	struct blob_follower follower = { on_hash, on_progress, on_waiting, j };
	struct blob_outcome outcome = { .again = true };
	struct err *e = NULL;

	fetch_tell(j->f, PULL_DOWNLOADING, j->number, 0, NULL);
	for (int tries = 0; outcome.again && tries < 2; tries++) {
		err_free(e);
		hs->sha = sha256_new();
		j->inflate = inflate_new(&sink);
		e = blob_stream(j->f->st, j->f->client, h, j->d, &follower, &outcome);
		e = e ?: inflate_end(j->inflate);
		sha256_text(hs->sha, j->f->learned[j->number]);
		inflate_free(TAKE_PTR(j->inflate));
		sha256_free(hs->sha);
	}
	return err_wrap(e, "layer %.19s", j->d->digest);
}

/* --- all layers
 * ---------------------------------------------------------------------------------------------------- */

static void keep_first_error(struct fetch *f, struct err *e)
{
	pthread_mutex_lock(&f->lock);
	if (f->error)
		err_free(e); /* most likely a consequence */
	else
		f->error = e;
	pthread_mutex_unlock(&f->lock);
	f->failed = true;
}

static void *slot_thread(void *arg)
{
	struct fetch *f = arg;
	struct http *h = f->client ? http_new(f->cfg) : NULL;

	while (!f->failed) {
		struct job j = { .f = f, .stage = -1 };
		size_t i = f->next++;
		struct err *e;

		if (i >= f->manifest->n_layers)
			break;
		j.number = f->order[i];
		j.d = &f->manifest->layers[j.number];
		j.diff_id = f->diff_ids ? f->diff_ids->v[j.number] : NULL;
		e = j.diff_id ? do_layer(&j, h) : learn_layer(&j, h);
		if (e)
			keep_first_error(f, e);
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

/* The work of slot_thread() by several of them. */
static struct err *run_slots(struct fetch *f, const struct registry_config *cfg, struct client *c,
			     const struct manifest *m, const struct strv *diff_ids)
{
	pthread_t threads[SLOTS];
	size_t n;

	f->cfg = cfg;
	f->client = c;
	f->manifest = m;
	f->diff_ids = diff_ids;
	f->next = 0;
	f->failed = false;
	f->bytes = 0;
	f->order = xcalloc(f->manifest->n_layers + 1, sizeof(*f->order));
	for (size_t i = 0; i < f->manifest->n_layers; i++)
		f->order[i] = (int)i;
	qsort_r(f->order, f->manifest->n_layers, sizeof(*f->order), largest_first, f->manifest->layers);

	for (n = 0; n < SLOTS && n < f->manifest->n_layers; n++) {
		int rc = pthread_create(&threads[n], NULL, slot_thread, f);

		if (rc) {
			keep_first_error(f, err_new(rc, "starting a thread"));
			break;
		}
	}
	while (n)
		pthread_join(threads[--n], NULL);
	free(TAKE_PTR(f->order));
	return TAKE_PTR(f->error);
}

struct err *fetch_layers(struct fetch *f, const struct registry_config *cfg, struct client *c,
			 const struct manifest *m, const struct strv *diff_ids, uint64_t *ret_bytes)
{
	struct err *e = run_slots(f, cfg, c, m, diff_ids);

	e = finish_late_layers(f, e);
	*ret_bytes = f->bytes;
	return e;
}

struct err *fetch_learn(struct fetch *f, const struct registry_config *cfg, struct client *c,
			struct manifest *m, struct strv *ret)
{
	struct err *e;

	f->learned = xcalloc(m->n_layers + 1, sizeof(*f->learned));
	e = run_slots(f, cfg, c, m, NULL);
	for (size_t i = 0; i < m->n_layers && !e; i++) {
		struct stat st;

		if (fstatat(f->st->blobs, blob_name(m->layers[i].digest), &st, 0) < 0)
			e = err_new(errno, "layer %.19s", m->layers[i].digest);
		m->layers[i].size = e ? SIZE_UNKNOWN : (int64_t)st.st_size;
		strv_add(ret, f->learned[i]);
	}
	free(TAKE_PTR(f->learned));
	return e;
}
