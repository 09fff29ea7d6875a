#include "registry/save.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "registry/blob.h"
#include "registry/image.h"
#include "registry/index.h"
#include "registry/manifest.h"

enum { READ_SIZE = 256 << 10 };

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

/* An image with the names it is saved under. */
struct saved {
	struct index_entry *entry; /* of the index */
	struct strv refs; /* full; none: by id */
	struct manifest manifest;
};

struct save {
	struct store *st;
	struct index ix;
	struct saved *v;
	size_t n, cap;
	struct strv blobs; /* digests, sorted, each once */
	struct archive *a;
	char *buf;
};

/* --- which ------------------------------------------------------------------------------------ */

static void add(struct save *s, struct index_entry *en, const char *ref)
{
	size_t i = 0;

	while (i < s->n && !str_eq(s->v[i].entry->digest, en->digest))
		i++;
	if (i == s->n) {
		s->v = xgrow(s->v, s->n, &s->cap, sizeof(*s->v));
		s->v[s->n++] = (struct saved){ .entry = en };
	}
	if (ref && !strv_has(&s->v[i].refs, ref))
		strv_add(&s->v[i].refs, ref);
}

static bool names_repo_alone(const char *text)
{
	const char *last = strrchr(text, '/') ?: text;

	return !strpbrk(last, ":@");
}

/* All tags of the repository TEXT; false if it has none here. */
static bool add_repo(struct save *s, const char *text)
{
	_cleanup_free_ char *repo = NULL;
	struct image_ref ref;
	struct err *e = image_ref_parse(text, &ref);
	size_t before = s->n;
	bool any = false;

	if (e) {
		err_free(e); /* an id, perhaps */
		return false;
	}
	repo = xasprintf("%s/%s:", ref.host, ref.repo);
	image_ref_done(&ref);
	for (size_t i = 0; i < s->ix.n; i++)
		if (s->ix.v[i].ref && str_starts(s->ix.v[i].ref, repo)) {
			add(s, &s->ix.v[i], s->ix.v[i].ref);
			any = true;
		}
	return any || s->n > before;
}

static struct err *add_name(struct save *s, const char *text)
{
	struct image *img = NULL;
	struct image_ref ref;
	bool by_name = false;
	struct err *e;

	if (names_repo_alone(text) && add_repo(s, text))
		return NULL;
	e = image_find(s->st, text, &img);
	if (e)
		return e;
	e = image_ref_parse(text, &ref);
	if (!e) {
		_cleanup_free_ char *full = image_ref_full(&ref);

		by_name = str_eq(full, img->ref) && !ref.digest;
		image_ref_done(&ref);
	}
	err_free(e); /* an id then */
	for (size_t i = 0; i < s->ix.n; i++)
		if (str_eq(s->ix.v[i].digest, img->digest) &&
		    (!by_name || str_eq(s->ix.v[i].ref, img->ref))) {
			add(s, &s->ix.v[i], by_name ? img->ref : NULL);
			break;
		}
	image_free(img);
	return NULL;
}

static struct err *read_manifests(struct save *s)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct platform any = { 0 };
	struct err *e = NULL;

	platform_own(&any);
	for (size_t i = 0; !e && i < s->n; i++) {
		struct saved *v = &s->v[i];
		_cleanup_free_ char *text = NULL;
		size_t len;

		e = blob_read(s->st, v->entry->digest, MANIFEST_MAX_BYTES, true, &text, &len);
		e = e ?: manifest_parse(text, len, v->entry->media_type, &any, &v->manifest, NULL);
		e = err_wrap(e, "the manifest %.19s", v->entry->digest);
		if (e)
			break;
		strv_add(&all, v->entry->digest);
		strv_add(&all, v->manifest.config.digest);
		for (size_t k = 0; k < v->manifest.n_layers; k++)
			strv_add(&all, v->manifest.layers[k].digest);
	}
	platform_done(&any);
	strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if (!i || !str_eq(all.v[i - 1], all.v[i]))
			strv_add(&s->blobs, all.v[i]);
	return e;
}

/* --- documents -------------------------------------------------------------------------------- */

static void put_index_entry(struct json_out *o, const struct saved *v, const char *full)
{
	json_open(o, NULL, '{');
	json_put_str(o, "mediaType", v->manifest.media_type);
	json_put_str(o, "digest", v->entry->digest);
	json_put_int(o, "size", v->entry->size);
	if (full) {
		const char *tag = strrchr(full, ':');

		json_open(o, "annotations", '{');
		json_put_str(o, "io.containerd.image.name", full);
		if (tag && !strchr(tag, '/') && !strchr(full, '@'))
			json_put_str(o, "org.opencontainers.image.ref.name", tag + 1);
		json_close(o, '}');
	}
	json_close(o, '}');
}

static char *index_text(const struct save *s, size_t *ret_len)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "schemaVersion", 2);
	json_put_str(&o, "mediaType", INDEX_TYPE);
	json_open(&o, "manifests", '[');
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->v[i].refs.n; k++)
			put_index_entry(&o, &s->v[i], s->v[i].refs.v[k]);
		if (!s->v[i].refs.n)
			put_index_entry(&o, &s->v[i], NULL);
	}
	json_close(&o, ']');
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

static void put_blob_path(struct json_out *o, const char *key, const char *digest)
{
	_cleanup_free_ char *path = xasprintf("blobs/sha256/%s", blob_name(digest));

	json_put_str(o, key, path);
}

static char *docker_text(const struct save *s, size_t *ret_len)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < s->n; i++) {
		const struct saved *v = &s->v[i];

		json_open(&o, NULL, '{');
		put_blob_path(&o, "Config", v->manifest.config.digest);
		json_open(&o, "RepoTags", '[');
		for (size_t k = 0; k < v->refs.n; k++) /* whole: podman takes "busybox" for one of its own */
			if (!strchr(v->refs.v[k], '@'))
				json_put_str(&o, NULL, v->refs.v[k]);
		json_close(&o, ']');
		json_open(&o, "Layers", '[');
		for (size_t k = 0; k < v->manifest.n_layers; k++)
			put_blob_path(&o, NULL, v->manifest.layers[k].digest);
		json_close(&o, ']');
		json_close(&o, '}');
	}
	json_close(&o, ']');
	return json_out_take(&o, ret_len);
}

/* --- the stream ------------------------------------------------------------------------------- */

static struct err *failed(struct save *s)
{
	return err_new(archive_errno(s->a), "writing the archive");
}

static struct err *put_header(struct save *s, const char *name, unsigned type, int64_t size)
{
	struct archive_entry *ae = archive_entry_new();
	int rc;

	if (!ae)
		abort();
	archive_entry_set_pathname(ae, name);
	archive_entry_set_filetype(ae, type);
	archive_entry_set_perm(ae, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_mtime(ae, 0, 0);
	if (type == AE_IFREG)
		archive_entry_set_size(ae, size);
	rc = archive_write_header(s->a, ae);
	archive_entry_free(ae);
	return rc == ARCHIVE_OK ? NULL : failed(s);
}

static struct err *put_data(struct save *s, const void *data, size_t len)
{
	return archive_write_data(s->a, data, len) == (la_ssize_t)len ? NULL : failed(s);
}

static struct err *put_text(struct save *s, const char *name, const char *text, size_t len)
{
	struct err *e = put_header(s, name, AE_IFREG, (int64_t)len);

	return e ?: put_data(s, text, len);
}

static struct err *put_blob(struct save *s, const char *digest)
{
	_cleanup_free_ char *name = xasprintf("blobs/sha256/%s", blob_name(digest));
	_cleanup_close_ int fd = -1;
	int64_t left;
	struct stat sb;
	struct err *e;

	e = fd_open(s->st->blobs, blob_name(digest), O_RDONLY, 0, &fd);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return err_hint(err_new(0, "blob %.19s of the image is not in the storage", digest),
				"pull or build the image again");
	}
	if (!e && fstat(fd, &sb) < 0)
		e = err_new(errno, "looking at blob %.19s", digest);
	e = e ?: put_header(s, name, AE_IFREG, sb.st_size);
	for (left = e ? 0 : sb.st_size; !e && left > 0;) {
		ssize_t n = read(fd, s->buf, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_new(n < 0 ? errno : 0, "reading blob %.19s", digest);
		if (n > left)
			n = (ssize_t)left;
		e = put_data(s, s->buf, (size_t)n);
		left -= n;
	}
	return e;
}

static struct err *put_all(struct save *s)
{
	static const char layout[] = "{\"imageLayoutVersion\": \"1.0.0\"}";
	_cleanup_free_ char *index = NULL, *docker = NULL;
	size_t index_len, docker_len;
	struct err *e;

	index = index_text(s, &index_len);
	docker = docker_text(s, &docker_len);
	e = put_header(s, "blobs/", AE_IFDIR, 0);
	e = e ?: put_header(s, "blobs/sha256/", AE_IFDIR, 0);
	for (size_t i = 0; !e && i < s->blobs.n; i++)
		e = put_blob(s, s->blobs.v[i]);
	e = e ?: put_text(s, "index.json", index, index_len);
	e = e ?: put_text(s, "manifest.json", docker, docker_len);
	e = e ?: put_text(s, "oci-layout", layout, sizeof(layout) - 1);
	if (!e && archive_write_close(s->a) != ARCHIVE_OK)
		e = failed(s);
	return e;
}

struct err *image_save(struct store *st, const struct strv *names, int fd)
{
	struct save s = { .st = st };
	_cleanup_close_ int lock = -1;
	struct err *e;

	e = lock_take(st->cache, "gc.lock", true, &lock);
	e = e ?: index_load(st, &s.ix);
	for (size_t i = 0; !e && i < names->n; i++)
		e = add_name(&s, names->v[i]);
	e = e ?: read_manifests(&s);
	if (!e) {
		s.buf = xmalloc(READ_SIZE);
		s.a = archive_write_new();
		if (!s.a)
			abort();
		archive_write_set_format_pax_restricted(s.a);
		archive_write_set_bytes_in_last_block(s.a, 1);
		if (archive_write_open_fd(s.a, fd) != ARCHIVE_OK)
			e = failed(&s);
		e = e ?: put_all(&s);
		archive_write_free(s.a);
	}
	for (size_t i = 0; !e && i < s.n; i++)
		image_event(st, "save", s.v[i].entry->id, s.v[i].entry->id);
	for (size_t i = 0; i < s.n; i++) {
		strv_done(&s.v[i].refs);
		manifest_done(&s.v[i].manifest);
	}
	free(s.v);
	free(s.buf);
	strv_done(&s.blobs);
	index_done(&s.ix);
	return e;
}
