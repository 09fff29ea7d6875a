/* How it works
 * 1 parent: a staging directory; holds cache/gc.lock (shared).
 * 2 child, the namespace's root: spools the archive's files into it (registry/spool.c), finds the images, moves their
 *   blobs into the store and has the layers unpacked (registry/fetch.c).  What it found goes into the file "result".
 * 3 parent: under the store's lock the images get their entries in index.json: now they exist. */
#include "registry/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "registry/archive_docs.h"
#include "registry/blob.h"
#include "registry/fetch.h"
#include "registry/image.h"
#include "registry/index.h"
#include "registry/manifest.h"
#include "registry/pack.h"
#include "registry/put.h"
#include "registry/spool.h"

enum { READ_SIZE = 256 << 10, NESTING_MAX = 3, RESULT_MAX_BYTES = 16 << 20 };

#define PLAIN_LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"
#define RESULT "result"

/* An image that is in the store but for its entry. */
struct loaded {
	char *media_type, *digest, *id;
	int64_t size, image_size;
	struct strv refs, diff_ids;
};

/* A plain layer of the archive, compressed. */
struct packed {
	bool done;
	char digest[DIGEST_LEN + 1];
	int64_t size;
};

struct load {
	struct store *st; /* in the child: as the namespace's root sees it */
	int fd, stage;
	const struct load_opts *opts;
	struct platform platform;
	struct spool spool;
	struct packed *packed; /* by number of the spooled file */
	struct fetch *fetch;
	struct loaded *v;
	size_t n, cap;
};

/* --- blobs ------------------------------------------------------------------------------------ */

/* The file NAME of the staging directory becomes the blob DIGEST, which its bytes have. */
static struct err *move_blob(struct load *l, const char *name, const char *digest)
{
	if (blob_exists(l->st, digest)) /* here before, or twice in the archive */
		return NULL;
	if (renameat(l->stage, name, l->st->blobs, blob_name(digest)) < 0)
		return err_new(errno, "putting blob %.19s into its place", digest);
	return NULL;
}

static struct err *move_file(struct load *l, const struct spool_file *f)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", f->number);
	return move_blob(l, name, f->digest);
}

/* The content of a file that may have become a blob already. */
static struct err *file_text(struct load *l, const struct spool_file *f, size_t max,
			     char **ret_text, size_t *ret_len)
{
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (f->size > max)
		return err_new(0, "%.200s in the archive is larger than %zu bytes", f->name, max);
	e = spool_open(&l->spool, f, &fd);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return blob_read(l->st, f->digest, max, false, ret_text, ret_len);
	}
	return e ?: fd_read_all(fd, f->name, max, ret_text, ret_len);
}

static struct err *find_blob(struct load *l, const struct descriptor *d, const struct spool_file **ret)
{
	_cleanup_free_ char *name = xasprintf("blobs/sha256/%s", blob_name(d->digest));
	const struct spool_file *f = spool_find(&l->spool, name);

	if (!f)
		return err_new(0, "blob %.19s is not in the archive", d->digest);
	if (!str_eq(f->digest, d->digest))
		return err_new(0, "blob %.19s in the archive has the digest %.19s: it is damaged",
			       d->digest, f->digest);
	if (f->size != (uint64_t)d->size)
		return err_new(0, "blob %.19s has %llu bytes, but the manifest says %lld",
			       d->digest, (unsigned long long)f->size, (long long)d->size);
	*ret = f;
	return NULL;
}

/* From the archive, unless it is here already: archives may leave out what the other side has. */
static struct err *take_blob(struct load *l, const struct descriptor *d)
{
	const struct spool_file *f;
	struct err *e;

	if (blob_exists(l->st, d->digest))
		return NULL;
	e = find_blob(l, d, &f);
	return e ?: move_file(l, f);
}

/* --- an image whose blobs are in the store ------------------------------------------------------ */

static struct loaded *find_loaded(struct load *l, const char *digest)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].digest, digest))
			return &l->v[i];
	return NULL;
}

static void add_ref(struct loaded *v, const char *ref)
{
	if (ref && !strv_has(&v->refs, ref))
		strv_add(&v->refs, ref);
}

/* TEXT is the manifest M. */
static struct err *install(struct load *l, const char *text, size_t len, const struct manifest *m,
			   struct loaded **ret)
{
	_cleanup_free_ char *config = NULL, *digest = xmalloc(DIGEST_LEN + 1);
	_cleanup_strv_ struct strv diff_ids = { 0 };
	uint64_t bytes = 0;
	struct err *e;
	size_t config_len;

	blob_digest(text, len, digest);
	*ret = find_loaded(l, digest);
	if (*ret)
		return NULL;
	e = take_blob(l, &m->config);
	for (size_t i = 0; !e && i < m->n_layers; i++)
		e = take_blob(l, &m->layers[i]);
	e = e ?: blob_read(l->st, m->config.digest, CONFIG_BLOB_MAX_BYTES, true, &config, &config_len);
	e = e ?: config_parse(config, config_len, m->n_layers, NULL, &diff_ids);
	if (!e && l->opts->progress)
		l->opts->progress(l->opts->arg, 0, true);
	e = e ?: fetch_layers(l->fetch, NULL, NULL, m, &diff_ids, &bytes);
	e = e ?: blob_write(l->st, digest, text, len);
	if (e)
		return e;
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	*ret = &l->v[l->n++];
	**ret = (struct loaded){
		.media_type = xstrdup(m->media_type),
		.digest = TAKE_PTR(digest),
		.id = xstrdup(m->config.digest),
		.size = (int64_t)len,
		.image_size = (int64_t)bytes,
		.diff_ids = diff_ids,
	};
	diff_ids = (struct strv){ 0 };
	return NULL;
}

/* --- OCI layout ------------------------------------------------------------------------------- */

/* The manifest for this platform that D leads to, through indexes. */
static struct err *oci_image(struct load *l, const struct descriptor *d, unsigned depth,
			     struct loaded **ret)
{
	_cleanup_free_ char *text = NULL;
	const struct spool_file *f;
	struct descriptor entry = { 0 };
	struct manifest m = { 0 };
	struct err *e;
	size_t len;

	if (depth > NESTING_MAX)
		return err_new(0, "index.json: indexes in indexes");
	e = find_blob(l, d, &f);
	e = e ?: file_text(l, f, MANIFEST_MAX_BYTES, &text, &len);
	e = e ?: manifest_parse(text, len, d->media_type, &l->platform, &m, &entry);
	if (!e && m.kind == MANIFEST_INDEX)
		e = oci_image(l, &entry, depth + 1, ret);
	else if (!e)
		e = install(l, text, len, &m, ret);
	manifest_done(&m);
	descriptor_done(&entry);
	return e;
}

/* An entry of index.json for another platform, beside others? */
static bool for_others(const struct load *l, json *entry, size_t n)
{
	json *p = json_get(entry, "platform");

	return n > 1 && json_is_object(p) &&
	       (!str_eq(json_str(p, "os"), l->platform.os) ||
		!str_eq(json_str(p, "architecture"), l->platform.arch));
}

static struct err *load_oci(struct load *l)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct err *e;
	size_t len;
	json *list;

	e = spool_text(&l->spool, "index.json", MANIFEST_MAX_BYTES, &text, &len);
	e = e ?: json_parse(text, len, "index.json", &j);
	list = e ? NULL : json_get(j, "manifests");
	if (!e && (!json_is_array(list) || !json_len(list)))
		e = err_new(0, "index.json: it names no image");
	if (!e && json_len(list) > ARCHIVE_IMAGES_MAX)
		e = err_new(0, "index.json: more than %d images", ARCHIVE_IMAGES_MAX);
	for (size_t i = 0; !e && i < json_len(list); i++) {
		json *en = json_at(list, i), *notes = json_get(en, "annotations");
		struct descriptor d = {
			.media_type = (char *)(uintptr_t)json_str(en, "mediaType"),
			.digest = (char *)(uintptr_t)json_str(en, "digest"),
			.size = json_int(en, "size", -1),
		};
		_cleanup_free_ char *ref =
			archive_ref(json_str(notes, "io.containerd.image.name"),
				    json_str(notes, "org.opencontainers.image.ref.name"));
		struct loaded *v = NULL;

		if (for_others(l, en, json_len(list)))
			continue;
		if (!digest_is_valid(d.digest))
			e = err_new(0, "index.json: entry %zu has no digest", i);
		e = e ?: oci_image(l, &d, 0, &v);
		if (!e)
			add_ref(v, ref);
	}
	if (!e && !l->n)
		e = err_new(0, "index.json: no image for this platform");
	return e;
}

/* --- Docker's older form ------------------------------------------------------------------------ */

static struct err *pack_file(int from, int to, struct packed *ret)
{
	_cleanup_free_ char *buf = xmalloc(READ_SIZE);
	char diff_id[DIGEST_LEN + 1];
	struct pack *p = pack_new(to);
	uint64_t size = 0;
	struct err *e = NULL;
	ssize_t n;

	while (!e && (n = read(from, buf, READ_SIZE)) != 0) {
		if (n > 0)
			e = pack_add(p, buf, (size_t)n);
		else if (errno != EINTR)
			e = err_new(errno, "reading a layer");
	}
	e = e ?: pack_end(p, diff_id, ret->digest, &size);
	ret->size = (int64_t)size;
	pack_free(p);
	return e;
}

/* The plain layer F as a compressed blob of the store. */
static struct err *pack_layer(struct load *l, const struct spool_file *f, int from)
{
	struct packed *packed = &l->packed[f->number];
	_cleanup_free_ char *name = xasprintf("packed.%u", f->number);
	_cleanup_close_ int to = -1;
	struct err *e;

	if (packed->done)
		return NULL;
	e = fd_open(l->stage, name, O_WRONLY | O_CREAT | O_EXCL, 0644, &to);
	e = e ?: pack_file(from, to, packed);
	e = e ?: move_blob(l, name, packed->digest);
	packed->done = !e;
	return e;
}

/* The file PATH, and its compression as in a media type: "+gzip", "+zstd" or "". */
static struct err *open_layer(struct load *l, const char *path, const struct spool_file **ret,
			      int *ret_fd, const char **ret_suffix)
{
	const struct spool_file *f = spool_find(&l->spool, path);
	_cleanup_close_ int fd = -1;
	unsigned char magic[4] = { 0 };
	struct err *e;

	if (!f)
		return err_new(0, "manifest.json names %.200s, which is not in the archive", path);
	e = spool_open(&l->spool, f, &fd);
	if (err_is(e, ENOENT)) { /* it is a blob of an image before this one */
		err_free(e);
		e = fd_open(l->st->blobs, blob_name(f->digest), O_RDONLY, 0, &fd);
	}
	if (!e && pread(fd, magic, sizeof(magic), 0) < 0)
		e = err_new(errno, "reading a layer");
	if (e)
		return e;
	*ret_suffix = !memcmp(magic, "\x28\xb5\x2f\xfd", 4) ? "+zstd"
		      : !memcmp(magic, "\x1f\x8b", 2)	    ? "+gzip"
							    : "";
	*ret = f;
	*ret_fd = TAKE_FD(fd);
	return NULL;
}

/* A layer of the archive as a descriptor, its blob in the store. */
static struct err *take_layer(struct load *l, const char *path, struct descriptor *ret)
{
	const struct spool_file *f;
	_cleanup_close_ int fd = -1;
	const char *suffix;
	bool plain;
	struct err *e = open_layer(l, path, &f, &fd, &suffix);

	if (e)
		return e;
	plain = !*suffix;
	e = plain ? pack_layer(l, f, fd) : move_file(l, f);
	if (e)
		return e;
	*ret = (struct descriptor){
		.media_type = xasprintf(PLAIN_LAYER_TYPE "%s", plain ? "+gzip" : suffix),
		.digest = xstrdup(plain ? l->packed[f->number].digest : f->digest),
		.size = plain ? l->packed[f->number].size : (int64_t)f->size,
	};
	return NULL;
}

static struct err *docker_image(struct load *l, const struct archive_image *img, struct loaded **ret)
{
	const struct spool_file *f = spool_find(&l->spool, img->config);
	_cleanup_strv_ struct strv diff_ids = { 0 };
	_cleanup_free_ char *config = NULL, *text = NULL;
	struct manifest m = { .kind = MANIFEST_IMAGE };
	struct err *e;
	size_t len;

	if (!f)
		return err_new(0, "manifest.json names %.200s, which is not in the archive",
			       img->config);
	e = file_text(l, f, CONFIG_BLOB_MAX_BYTES, &config, &len);
	/* before the work with the layers: is it an image at all? */
	e = e ?: config_parse(config, len, img->layers.n, NULL, &diff_ids);
	e = e ?: move_file(l, f);
	if (e)
		return e;
	m.media_type = xstrdup(MANIFEST_TYPE);
	m.config = (struct descriptor){ xstrdup(CONFIG_TYPE), xstrdup(f->digest), (int64_t)f->size };
	m.layers = xcalloc(img->layers.n + 1, sizeof(*m.layers));
	for (size_t i = 0; !e && i < img->layers.n; i++, m.n_layers += !e)
		e = take_layer(l, img->layers.v[i], &m.layers[i]);
	if (!e) {
		text = manifest_text(&m, &len);
		e = install(l, text, len, &m, ret);
	}
	manifest_done(&m);
	return e;
}

/* Docker writes both forms since version 25, with layers that are not compressed: the older form is taken then, which
 * changes digests that no registry knows. */
static bool has_plain_layers(struct load *l)
{
	_cleanup_free_ char *text = NULL;
	struct archive_images images = { 0 };
	bool plain = false;
	size_t len;
	struct err *e = spool_text(&l->spool, "manifest.json", MANIFEST_MAX_BYTES, &text, &len);

	e = e ?: archive_images_parse(text, len, &images);
	for (size_t i = 0; !e && !plain && i < images.n; i++)
		for (size_t k = 0; !e && !plain && k < images.v[i].layers.n; k++) {
			const struct spool_file *f;
			_cleanup_close_ int fd = -1;
			const char *suffix = "";

			e = open_layer(l, images.v[i].layers.v[k], &f, &fd, &suffix);
			plain = !e && !*suffix;
		}
	err_free(e); /* the newer form then */
	archive_images_done(&images);
	return plain;
}

static struct err *load_docker(struct load *l)
{
	_cleanup_free_ char *text = NULL;
	struct archive_images images = { 0 };
	struct err *e;
	size_t len;

	l->packed = xcalloc(l->spool.n_files + 1, sizeof(*l->packed));
	e = spool_text(&l->spool, "manifest.json", MANIFEST_MAX_BYTES, &text, &len);
	e = e ?: archive_images_parse(text, len, &images);
	for (size_t i = 0; !e && i < images.n; i++) {
		struct loaded *v = NULL;

		e = docker_image(l, &images.v[i], &v);
		for (size_t k = 0; !e && k < images.v[i].refs.n; k++)
			add_ref(v, images.v[i].refs.v[k]);
	}
	if (!e && !images.n)
		e = err_new(0, "manifest.json: it names no image");
	archive_images_done(&images);
	return e;
}

/* --- the child -------------------------------------------------------------------------------- */

static struct err *write_result(struct load *l)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < l->n; i++) {
		const struct loaded *v = &l->v[i];

		json_open(&o, NULL, '{');
		json_put_str(&o, "media_type", v->media_type);
		json_put_str(&o, "digest", v->digest);
		json_put_str(&o, "id", v->id);
		json_put_int(&o, "size", v->size);
		json_put_int(&o, "image_size", v->image_size);
		json_put_strv(&o, "refs", &v->refs);
		json_put_strv(&o, "diff_ids", &v->diff_ids);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	text = json_out_take(&o, &len);
	return fd_write_atomic(l->stage, RESULT, text, len, 0644, false);
}

static void on_spooled(void *arg, uint64_t done)
{
	struct load *l = arg;

	if (l->opts->progress)
		l->opts->progress(l->opts->arg, done, false);
}

/* Step 2.  What is allocated goes with the process. */
static struct err *load_child(void *arg, struct str *result UNUSED)
{
	struct load *l = arg;
	struct store st = *l->st;
	struct err *e;

	umask(0);
	st.ids.direct = false; /* this process is the inner root, see registry/pull.c */
	l->st = &st;
	l->fetch = fetch_new(&st, NULL, NULL);
	platform_own(&l->platform);
	e = spool_read(l->fd, l->stage, on_spooled, l, &l->spool);
	if (e)
		return e;
	if (spool_find(&l->spool, "index.json") && !has_plain_layers(l))
		e = load_oci(l);
	else if (spool_find(&l->spool, "manifest.json"))
		e = load_docker(l);
	else
		e = err_hint(err_new(0, "neither index.json nor manifest.json is in it: not an archive of images"),
			     "import makes an image of a file system");
	return e ?: write_result(l);
}

/* --- the parent ------------------------------------------------------------------------------- */

static void add_entries(struct index *ix, json *image, struct strv *report)
{
	_cleanup_strv_ struct strv refs = { 0 };
	struct index_entry entry = {
		.media_type = (char *)(uintptr_t)json_str(image, "media_type"),
		.digest = (char *)(uintptr_t)json_str(image, "digest"),
		.size = json_int(image, "size", 0),
		.id = (char *)(uintptr_t)json_str(image, "id"),
		.image_size = json_int(image, "image_size", 0),
		.boot = (char *)(uintptr_t)proc_boot_id(),
	};

	json_strv(image, "refs", &refs);
	for (size_t i = 0; i < refs.n; i++) {
		_cleanup_free_ char *name = image_ref_shown(refs.v[i]);

		index_set(ix, refs.v[i], &entry);
		strv_addf(report, "Loaded image: %s", name);
	}
	if (!refs.n) {
		index_set_dangling(ix, &entry);
		strv_addf(report, "Loaded image ID: %s", entry.id);
	}
}

/* Step 3. */
static struct err *record(struct load *l, struct strv *report)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_close_ int lock = -1;
	_cleanup_json_ json *j = NULL;
	struct err *e;
	size_t len;

	e = fd_read_file(l->stage, RESULT, RESULT_MAX_BYTES, &text, &len);
	e = e ?: json_parse(text, len, "the load's result", &j);
	e = e ?: store_lock(l->st, &lock);
	e = e ?: index_load(l->st, &ix);
	for (size_t i = 0; !e && i < json_len(j); i++)
		add_entries(&ix, json_at(j, i), report);
	e = e ?: index_save(l->st, &ix);
	if (lock >= 0)
		close(TAKE_FD(lock));
	for (size_t i = 0; !e && i < json_len(j); i++) {
		const char *id = json_str(json_at(j, i), "id");
		_cleanup_strv_ struct strv diff_ids = { 0 };

		image_event(l->st, "load", id, id);
		json_strv(json_at(j, i), "diff_ids", &diff_ids);
		image_sync_later(l->st, json_str(json_at(j, i), "digest"), &diff_ids);
	}
	return e;
}

struct err *image_load(struct store *st, int fd, const struct load_opts *opts, struct strv *report)
{
	struct load l = { .st = st, .fd = fd, .stage = -1, .opts = opts };
	_cleanup_str_ struct str nothing = { 0 };
	_cleanup_free_ char *stage_name = NULL;
	_cleanup_close_ int lock = -1;
	struct err *e;

	store_sweep(st);
	e = lock_take(st->cache, "gc.lock", true, &lock);
	e = e ?: store_stage(st, "load", &stage_name, &l.stage);
	e = e ?: userns_call(&st->ids, load_child, &l, &nothing);
	e = e ?: record(&l, report);
	if (stage_name)
		err_free(store_rm_tree(st, st->tmp, stage_name)); /* else the next sweep does it */
	if (l.stage >= 0)
		close(l.stage);
	return err_printable(e);
}
