#include "registry/index.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "registry/image_ref.h"

enum { INDEX_MAX_BYTES = 64 << 20 };

#define INDEX_FILE "index.json"
#define NOTE_REF "org.opencontainers.image.ref.name"
#define NOTE_REPO_DIGEST "io.devbox.repo-digest"
#define NOTE_ID "io.devbox.id"
#define NOTE_SIZE "io.devbox.size"
#define NOTE_BOOT "io.devbox.boot"

static void entry_done(struct index_entry *e)
{
	free(e->ref);
	free(e->media_type);
	free(e->digest);
	free(e->id);
	free(e->repo_digest);
	free(e->boot);
	*e = (struct index_entry){ 0 };
}

static bool read_entry(json *j, struct index_entry *ret)
{
	json *notes = json_get(j, "annotations");
	const char *digest = json_str(j, "digest"), *size = json_str(notes, NOTE_SIZE);
	uint64_t bytes;
	struct err *e;

	if (!digest_is_valid(digest) || !digest_is_valid(json_str(notes, NOTE_ID)) || !size)
		return false;
	e = str_to_u64(size, 0, INT64_MAX, &bytes);
	if (e) {
		err_free(e); /* not written by us */
		return false;
	}
	*ret = (struct index_entry){
		.ref = xstrdup(json_str(notes, NOTE_REF)),
		.media_type = xstrdup(json_str(j, "mediaType") ?: ""),
		.digest = xstrdup(digest),
		.size = json_int(j, "size", 0),
		.id = xstrdup(json_str(notes, NOTE_ID)),
		.repo_digest = xstrdup(json_str(notes, NOTE_REPO_DIGEST)),
		.image_size = (int64_t)bytes,
		.boot = xstrdup(json_str(notes, NOTE_BOOT)),
	};
	return true;
}

static struct index_entry *append(struct index *ix)
{
	ix->v = xgrow(ix->v, ix->n, &ix->cap, sizeof(*ix->v));
	ix->v[ix->n] = (struct index_entry){ 0 };
	return &ix->v[ix->n++];
}

struct err *index_load(struct store *st, struct index *ret)
{
	_cleanup_free_ char *text = NULL;
	struct index ix = { 0 };
	struct err *e;
	size_t len;
	json *list;

	e = fd_read_file(st->root, INDEX_FILE, INDEX_MAX_BYTES, &text, &len);
	if (err_is(e, ENOENT)) {
		err_free(e); /* a fresh store */
		*ret = ix;
		return NULL;
	}
	if (!e && len == 0) { /* what some file systems leave of a file renamed right before power was lost */
		*ret = ix;
		return NULL;
	}
	e = e ?: json_parse(text, len, INDEX_FILE, &ix.doc);
	if (e)
		return err_hint(e, "move %s/" INDEX_FILE " away and pull again", st->path);
	list = json_get(ix.doc, "manifests");
	for (size_t i = 0; json_is_array(list) && i < json_len(list); i++) {
		struct index_entry entry;

		if (read_entry(json_at(list, i), &entry)) {
			*append(&ix) = entry;
			continue;
		}
		ix.foreign = xgrow(ix.foreign, ix.n_foreign, &ix.foreign_cap, sizeof(*ix.foreign));
		ix.foreign[ix.n_foreign++] = json_at(list, i);
	}
	*ret = ix;
	return NULL;
}

void index_done(struct index *ix)
{
	for (size_t i = 0; i < ix->n; i++)
		entry_done(&ix->v[i]);
	free(ix->v);
	free(ix->foreign);
	json_free(ix->doc);
	*ix = (struct index){ 0 };
}

static void put_entry(struct json_out *o, const struct index_entry *e)
{
	char size[24];

	snprintf(size, sizeof(size), "%lld", (long long)e->image_size);
	json_open(o, NULL, '{');
	json_put_str(o, "mediaType", e->media_type);
	json_put_str(o, "digest", e->digest);
	json_put_int(o, "size", e->size);
	json_open(o, "annotations", '{');
	if (e->ref)
		json_put_str(o, NOTE_REF, e->ref);
	if (e->repo_digest)
		json_put_str(o, NOTE_REPO_DIGEST, e->repo_digest);
	json_put_str(o, NOTE_ID, e->id);
	json_put_str(o, NOTE_SIZE, size);
	if (e->boot)
		json_put_str(o, NOTE_BOOT, e->boot);
	json_close(o, '}');
	json_close(o, '}');
}

struct err *index_save(struct store *st, const struct index *ix)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "schemaVersion", 2);
	json_put_str(&o, "mediaType", "application/vnd.oci.image.index.v1+json");
	json_open(&o, "manifests", '[');
	for (size_t i = 0; i < ix->n; i++)
		put_entry(&o, &ix->v[i]);
	for (size_t i = 0; i < ix->n_foreign; i++)
		json_put(&o, NULL, ix->foreign[i]);
	json_close(&o, ']');
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(st->root, INDEX_FILE, text, len, 0644, false);
}

struct index_entry *index_find(struct index *ix, const char *ref)
{
	for (size_t i = 0; i < ix->n; i++)
		if (str_eq(ix->v[i].ref, ref))
			return &ix->v[i];
	return NULL;
}

void index_drop(struct index *ix, size_t i, bool keep)
{
	for (size_t k = 0; k < ix->n; k++)
		if (k != i && str_eq(ix->v[k].digest, ix->v[i].digest))
			keep = false;
	if (keep) {
		free(ix->v[i].ref);
		ix->v[i].ref = NULL;
		return;
	}
	entry_done(&ix->v[i]);
	memmove(&ix->v[i], &ix->v[i + 1], (--ix->n - i) * sizeof(*ix->v));
}

static struct index_entry copy_entry(const char *ref, const struct index_entry *e)
{
	return (struct index_entry){
		.ref = xstrdup(ref),
		.media_type = xstrdup(e->media_type),
		.digest = xstrdup(e->digest),
		.size = e->size,
		.id = xstrdup(e->id),
		.repo_digest = xstrdup(e->repo_digest),
		.image_size = e->image_size,
		.boot = xstrdup(e->boot),
	};
}

void index_set(struct index *ix, const char *ref, const struct index_entry *e)
{
	struct index_entry copy = copy_entry(ref, e);

	/* from behind: dropping moves what comes after */
	for (size_t i = ix->n; i-- > 0;)
		if (str_eq(ix->v[i].ref, ref))
			index_drop(ix, i, !str_eq(ix->v[i].digest, copy.digest));
		else if (!ix->v[i].ref && str_eq(ix->v[i].digest, copy.digest))
			index_drop(ix, i, false);
	*append(ix) = copy;
}

void index_set_dangling(struct index *ix, const struct index_entry *e)
{
	for (size_t i = 0; i < ix->n; i++)
		if (str_eq(ix->v[i].digest, e->digest))
			return;
	*append(ix) = copy_entry(NULL, e);
}
