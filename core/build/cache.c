#include "core/build/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/tarout.h"
#include "core/build/build.h"
#include "registry/blob.h"
#include "registry/mark.h"
#include "registry/pack.h"

enum {
	RECORD_MAX_BYTES = 4096,
	TOUCH_S = 3600, /* a use is noted once in so long */
	RECORDS_MAX = 5000,
};
#define CACHE_MAX_BYTES ((uint64_t)20 << 30)

static char *record_name(const char *key)
{
	return xasprintf("build/%s", key);
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ?: "");
}

static bool read_record(struct store *st, const char *name, struct cached *ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct cached c = { 0 };
	const char *key, *layer;
	struct err *e;
	size_t len;

	e = fd_read_file(st->cache, name, RECORD_MAX_BYTES, &text, &len);
	e = e ?: json_parse(text, len, name, &j);
	if (e) {
		err_free(e); /* absent, or lost with the power: the step is done again */
		return false;
	}
	key = json_str(j, "key");
	layer = json_text(json_at(json_get(j, "diff_ids"), 0));
	c.empty = json_bool(j, "empty", false);
	c.packed = json_get(j, "digest");
	if (!key || strlen(key) != HASH_LEN || (!c.empty && !digest_is_valid(layer)) ||
	    (c.packed && !digest_is_valid(json_str(j, "digest"))))
		return false;
	copy_text(c.key, sizeof(c.key), key);
	copy_text(c.layer, sizeof(c.layer), layer);
	copy_text(c.blob, sizeof(c.blob), json_str(j, "digest"));
	c.blob_size = (uint64_t)json_int(j, "blob_size", 0);
	c.bytes = (uint64_t)json_int(j, "size", 0);
	c.created_ns = json_int(j, "created", 0);
	*ret = c;
	return true;
}

bool cache_get(struct store *st, const char *key, struct cached *ret)
{
	_cleanup_free_ char *name = record_name(key);
	struct cached c;
	uint64_t size;
	struct stat sb;

	if (!read_record(st, name, &c))
		return false;
	if (!c.empty && !mark_check(st, c.layer, &size))
		return false;
	if (c.packed && !blob_exists(st, c.blob))
		return false;
	if (fstatat(st->cache, name, &sb, 0) == 0 && time_now_ns() / 1000000000 - sb.st_mtime > TOUCH_S &&
	    utimensat(st->cache, name, NULL, 0) < 0)
		return false; /* removed meanwhile */
	*ret = c;
	return true;
}

struct err *cache_put(struct store *st, const char *key, const struct cached *c)
{
	_cleanup_close_ int dir = -1;
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	struct err *e;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "key", c->key);
	if (c->empty) {
		json_put_bool(&o, "empty", true);
	} else {
		json_open(&o, "diff_ids", '[');
		json_put_str(&o, NULL, c->layer);
		json_close(&o, ']');
		json_put_int(&o, "size", (int64_t)c->bytes);
	}
	if (c->packed) {
		json_put_str(&o, "digest", c->blob);
		json_put_int(&o, "blob_size", (int64_t)c->blob_size);
	}
	json_put_int(&o, "created", c->created_ns);
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	e = fd_mkdir_p(st->cache, "build", 0700, NULL);
	e = e ?: fd_open(st->cache, "build", O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: fd_write_atomic(dir, key, text, len, 0644, false);
	return err_wrap(e, "recording a step");
}

struct err *cache_take_layer(struct store *st, int tmp, const char *upper, struct cached *c)
{
	unsigned char random[32];
	char hex[2 * sizeof(random) + 1];

	random_bytes(random, sizeof(random));
	str_hex(random, sizeof(random), hex);
	snprintf(c->layer, sizeof(c->layer), DIGEST_PREFIX "%s", hex);
	c->packed = false;
	c->bytes = fd_tree_size(tmp, upper);
	if (renameat(tmp, upper, st->layers, hex) < 0)
		return err_new(errno, "putting a layer into its place");
	return mark_write(st, c->layer, c->bytes, false);
}

/* -- packing ----------------------------------------------------------------------------------------------------- */

static struct err *write_blob(struct store *st, int stage, const char *layer,
			      const int64_t *latest_s, struct cached *ret)
{
	_cleanup_close_ int out = -1;
	struct tarout t = { .sink = pack_add, .layer = true, .latest_s = latest_s };
	struct err *e;

	e = fd_open(stage, "blob", O_WRONLY | O_CREAT | O_EXCL, 0644, &out);
	if (e)
		return e;
	t.arg = pack_new(out);
	e = tarout_tree(&t, st->layers, blob_name(layer), "", true);
	e = e ?: tarout_end(&t);
	e = e ?: pack_end(t.arg, ret->layer, ret->blob, &ret->blob_size);
	ret->bytes = t.bytes;
	tarout_done(&t);
	pack_free(t.arg);
	return e;
}

/* The layer takes its real name; the old one becomes a link to it.  If there is such a layer already, from another
 * build or pulled, the old directory just stays until it is collected: somebody may have it mounted. */
static struct err *rename_layer(struct store *st, const char *old, const struct cached *c)
{
	const char *name = blob_name(c->layer);
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", name);
	uint64_t size;
	int lock = -1;
	struct err *e = lock_hold(st->cache, lock_name, NULL, NULL, &lock);

	if (e)
		return e;
	if (!mark_check(st, c->layer, &size)) {
		/* a name that leads to itself for a moment, then the two change places */
		e = fd_rm_tree(st->layers, name);
		if (!e &&
		    (symlinkat(name, st->layers, name) < 0 ||
		     syscall(SYS_renameat2, st->layers, old, st->layers, name, RENAME_EXCHANGE) < 0))
			e = err_new(errno, "naming a layer");
		e = e ?: mark_write(st, c->layer, c->bytes, false);
	}
	lock_drop(st->cache, lock_name, lock);
	return e;
}

struct err *cache_pack(struct store *st, const char *key, const int64_t *latest_s, struct cached *c)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int stage = -1;
	struct cached new = *c;
	struct err *e;

	if (c->packed || c->empty)
		return NULL;
	e = store_stage(st, "pack", &name, &stage);
	if (e)
		return e;
	e = write_blob(st, stage, c->layer, latest_s, &new);
	new.packed = true;
	if (!e && renameat(stage, "blob", st->blobs, blob_name(new.blob)) < 0)
		e = err_new(errno, "putting the layer's blob into its place");
	e = e ?: rename_layer(st, blob_name(c->layer), &new);
	e = e ?: cache_put(st, key, &new);
	err_free(store_rm_tree(st, st->tmp, name)); /* best effort: the next sweep does it */
	if (!e)
		*c = new;
	return err_wrap(e, "packing a layer");
}

/* -- bounds ------------------------------------------------------------------------------------------------------ */

struct entry {
	char *name;
	int64_t used_ns;
	uint64_t bytes;
};

static int oldest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->used_ns < y->used_ns ? -1 : x->used_ns > y->used_ns;
}

static struct entry *list_records(struct store *st, size_t *ret_n)
{
	_cleanup_dir_ DIR *d = NULL;
	struct entry *v = NULL;
	struct dirent *de;
	size_t n = 0, cap = 0;
	int fd = openat(st->cache, "build", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *name = NULL;
		struct cached c = { 0 };
		struct stat sb;

		if (*de->d_name == '.' || fstatat(fd, de->d_name, &sb, 0) < 0)
			continue;
		name = xasprintf("build/%s", de->d_name);
		if (!read_record(st, name, &c))
			c.bytes = 0; /* of no use: goes when its turn comes */
		v = xgrow(v, n, &cap, sizeof(*v));
		v[n++] = (struct entry){ TAKE_PTR(name),
					 (int64_t)sb.st_mtim.tv_sec * 1000000000 + sb.st_mtim.tv_nsec,
					 c.bytes + c.blob_size };
	}
	if (n)
		qsort(v, n, sizeof(*v), oldest_first);
	*ret_n = n;
	return v;
}

static void entries_free(struct entry *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].name);
	free(v);
}

static void bound(struct store *st)
{
	uint64_t bytes = 0;
	size_t n, i;
	struct entry *v = list_records(st, &n);

	for (i = 0; i < n; i++)
		bytes += v[i].bytes;
	for (i = 0; i < n && (n - i > RECORDS_MAX || bytes > CACHE_MAX_BYTES); i++) {
		unlinkat(st->cache, v[i].name, 0);
		bytes -= v[i].bytes;
	}
	entries_free(v, n);
}

void cache_tidy(struct store *st)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_close_ int lock = -1;
	struct dirent *de;
	struct err *e = lock_try(st->cache, "gc.lock", false, &lock);
	int fd;

	err_free(e); /* best effort: the next build does it */
	if (lock < 0)
		return;
	bound(st);
	fd = openat(st->layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *mark = xasprintf("%s.ok", de->d_name);

		if (de->d_type == DT_LNK && unlinkat(st->layers, de->d_name, 0) == 0)
			unlinkat(st->layers, mark, 0);
	}
}

struct err *build_cache_size(struct store *st, size_t *ret_records, uint64_t *ret_bytes)
{
	size_t n;
	struct entry *v = list_records(st, &n);

	*ret_records = n;
	*ret_bytes = 0;
	for (size_t i = 0; i < n; i++)
		*ret_bytes += v[i].bytes;
	entries_free(v, n);
	return NULL;
}

struct err *build_prune(struct store *st, bool all, int64_t unused_since_ns, uint64_t *ret_freed_bytes)
{
	_cleanup_close_ int lock = -1;
	struct err *e = NULL;
	size_t n;
	struct entry *v;

	*ret_freed_bytes = 0;
	e = lock_try(st->cache, "gc.lock", false, &lock);
	if (!e && lock < 0)
		e = err_new(0, "a build or a pull is under way: its layers are needed");
	if (e)
		return e;
	v = list_records(st, &n);
	for (size_t i = 0; i < n; i++)
		if (!unused_since_ns || v[i].used_ns < unused_since_ns)
			unlinkat(st->cache, v[i].name, 0);
	entries_free(v, n);
	if (all) {
		*ret_freed_bytes += fd_tree_size(st->cache, "mounts");
		e = store_rm_tree(st, st->cache, "mounts");
	}
	return e;
}
