#include "registry/image_gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "registry/blob.h"
#include "registry/manifest.h"
#include "registry/mark.h"

enum { WALK_DEPTH = 5 }; /* index -> manifest -> configuration, and some for other tools' */

/* Digests still needed, sorted before they are looked up. */
struct keep {
	struct store *st;
	struct strv blobs, layers;
};

static void keep_blob(struct keep *k, const char *digest, unsigned depth);

/* Whatever J refers to by a member "digest" or "diff_ids". */
static void keep_walk(struct keep *k, json *j, unsigned depth)
{
	json *value = NULL;

	for (size_t i = 0; json_is_array(j) && i < json_len(j); i++)
		keep_walk(k, json_at(j, i), depth);
	for (size_t i = 0; json_is_object(j) && i < json_len(j); i++) {
		const char *key = json_key_at(j, i, &value);

		if (str_eq(key, "digest") && digest_is_valid(json_text(value)))
			keep_blob(k, json_text(value), depth + 1);
		for (size_t n = 0; str_eq(key, "diff_ids") && n < json_len(value); n++)
			if (digest_is_valid(json_text(json_at(value, n))))
				strv_add(&k->layers, blob_name(json_text(json_at(value, n))));
		keep_walk(k, value, depth);
	}
}

/* The blob, and if it is a document, all it refers to. */
static void keep_blob(struct keep *k, const char *digest, unsigned depth)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct err *e;
	size_t len;

	strv_add(&k->blobs, blob_name(digest));
	if (depth > WALK_DEPTH)
		return;
	e = blob_read(k->st, digest, CONFIG_BLOB_MAX_BYTES, false, &text, &len);
	if (!e && len && *text == '{')
		e = json_parse(text, len, "", &j);
	err_free(e); /* absent, large or not JSON: a leaf */
	keep_walk(k, j, depth);
}

static bool is_digest_name(const char *name)
{
	return strlen(name) >= DIGEST_HEX_LEN && str_is_hex(name, DIGEST_HEX_LEN);
}

/* What the build cache may want again: its records (core/build/cache.h) name layers and blobs. */
static void keep_build_cache(struct keep *k)
{
	int fd = openat(k->st->cache, "build", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *text = NULL;
		_cleanup_json_ json *j = NULL;
		struct err *e;
		size_t len;

		if (!is_digest_name(de->d_name))
			continue;
		e = fd_read_file(fd, de->d_name, MANIFEST_MAX_BYTES, &text, &len);
		e = e ?: json_parse(text, len, "", &j);
		err_free(e); /* of no use to a build either */
		keep_walk(k, j, WALK_DEPTH);
	}
}

static void collect(struct store *st, const struct index *ix, const struct strv *in_use, struct keep *k)
{
	k->st = st;
	keep_build_cache(k);
	for (size_t i = 0; i < ix->n; i++)
		keep_blob(k, ix->v[i].digest, 0);
	for (size_t i = 0; i < ix->n_foreign; i++)
		keep_walk(k, ix->foreign[i], 0);
	for (size_t i = 0; in_use && i < in_use->n; i++)
		if (digest_is_valid(in_use->v[i]))
			keep_blob(k, in_use->v[i], 0);
	strv_sort(&k->blobs);
	strv_sort(&k->layers);
}

static struct err *sweep_blobs(struct store *st, const struct keep *k, uint64_t *freed)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->blobs);
	struct dirent *de;
	struct stat sb;

	while (d && (de = readdir(d)) != NULL) {
		/* ".<hex>.<pid>.<n>" is what a killed writer left */
		bool aside = de->d_name[0] == '.' && is_digest_name(de->d_name + 1);

		if (!aside && (!is_digest_name(de->d_name) || strv_has_sorted(&k->blobs, de->d_name)))
			continue;
		if (fstatat(st->blobs, de->d_name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
			*freed += (uint64_t)sb.st_size;
		if (unlinkat(st->blobs, de->d_name, 0) < 0 && errno != ENOENT)
			return err_new(errno, "removing blob %s", de->d_name);
	}
	return NULL;
}

static struct err *sweep_layers(struct store *st, const struct keep *k, uint64_t *freed)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->layers);
	struct err *all = NULL;
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *digest = NULL, *hex = NULL;
		const char *name;
		uint64_t size = 0;

		if (!is_digest_name(de->d_name))
			continue;
		hex = xstrndup(de->d_name, DIGEST_HEX_LEN);
		if (strv_has_sorted(&k->layers, hex))
			continue;
		digest = xasprintf(DIGEST_PREFIX "%s", de->d_name);
		if (str_ends(digest, MARK_SUFFIX))
			digest[strlen(digest) - strlen(MARK_SUFFIX)] = '\0';
		name = blob_name(digest); /* the layer, or a copy of it: layers/<hex>.<whose> */
		if (mark_check(st, digest, &size))
			*freed += size;
		mark_remove(st, digest); /* first: a layer without its mark is no layer */
		all = err_also(all, err_wrap(store_rm_tree(st, st->layers, name), "layer %.12s", hex));
	}
	return all;
}

/* Broken downloads and locks, of which nobody is the holder while we hold gc.lock alone. */
static void sweep_cache(struct store *st, uint64_t *freed)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->cache);
	struct dirent *de;
	struct stat sb;

	while (d && (de = readdir(d)) != NULL) {
		if (!is_digest_name(de->d_name) ||
		    !(str_ends(de->d_name, ".part") || str_ends(de->d_name, ".upload") ||
		      str_ends(de->d_name, ".lock")))
			continue;
		if (fstatat(st->cache, de->d_name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
			*freed += (uint64_t)sb.st_size;
		unlinkat(st->cache, de->d_name, 0);
	}
}

struct err *image_gc(struct store *st, const struct index *ix, const struct strv *in_use, uint64_t *freed)
{
	_cleanup_close_ int lock = -1;
	struct keep k = { 0 };
	struct err *e;

	e = lock_try(st->cache, "gc.lock", false, &lock);
	if (e || lock < 0)
		return e;
	collect(st, ix, in_use, &k);
	e = sweep_layers(st, &k, freed);
	e = err_also(e, sweep_blobs(st, &k, freed));
	sweep_cache(st, freed);
	store_sweep(st);
	strv_done(&k.blobs);
	strv_done(&k.layers);
	return e;
}
