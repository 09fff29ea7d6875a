#include "registry/image.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/store/events.h"
#include "registry/blob.h"
#include "registry/image_gc.h"
#include "registry/index.h"
#include "registry/manifest.h"
#include "registry/mark.h"

enum {
	LIST_MAX = 4096, /* entries of a list in the configuration */
	TEXT_MAX = 128 << 10, /* bytes of one string: what execve() takes */
	ID_SHORT = 12,
};

void image_free(struct image *img)
{
	if (!img)
		return;
	free(img->ref);
	free(img->id);
	free(img->digest);
	free(img->repo_digest);
	strv_done(&img->diff_ids);
	json_free(img->config);
	strv_done(&img->entrypoint);
	strv_done(&img->cmd);
	strv_done(&img->env);
	free(img->workdir);
	free(img->user);
	free(img->stop_signal);
	free(img->os);
	free(img->arch);
	strv_done(&img->volumes);
	strv_done(&img->exposed);
	strv_done(&img->labels);
	free(img);
}

/* --- reading one
 * --------------------------------------------------------------------------------------------------- */

static struct err *take_text(json *j, const char *key, char **ret)
{
	const char *text = json_str(j, key);

	if (text && strlen(text) > TEXT_MAX)
		return err_new(0, "the image's configuration: %s is too long", key);
	*ret = text && *text ? xstrdup(text) : NULL;
	return NULL;
}

static struct err *take_list(json *j, const char *key, struct strv *ret)
{
	json *list = json_get(j, key);

	if (!json_is_null(list) && !json_is_array(list))
		return err_new(0, "the image's configuration: %s is not a list", key);
	if (json_len(list) > LIST_MAX)
		return err_new(0, "the image's configuration: %s has more than %d entries", key,
			       LIST_MAX);
	for (size_t i = 0; i < json_len(list); i++) {
		const char *text = json_text(json_at(list, i));

		if (!text || strlen(text) > TEXT_MAX)
			return err_new(0, "the image's configuration: entry %zu of %s is %s", i,
				       key, text ? "too long" : "no text");
		strv_add(ret, text);
	}
	return NULL;
}

static bool is_volume(const char *path)
{
	return *path == '/';
}

/* "3306/tcp", "53/udp", "80", "8000-8010/tcp" */
static bool is_port(const char *s)
{
	size_t n = strspn(s, "0123456789-");

	return n > 0 && n < 12 && *s != '-' &&
	       (!s[n] || str_eq(s + n, "/tcp") || str_eq(s + n, "/udp") || str_eq(s + n, "/sctp"));
}

/* The keys of an object that are what they should be: Volumes, ExposedPorts. */
static struct err *take_keys(json *j, const char *key, bool (*fits)(const char *), struct strv *ret)
{
	json *obj = json_get(j, key);

	if (!json_is_object(obj))
		return NULL;
	if (json_len(obj) > LIST_MAX)
		return err_new(0, "the image's configuration: %s has more than %d entries", key,
			       LIST_MAX);
	for (size_t i = 0; i < json_len(obj); i++) {
		const char *name = json_key_at(obj, i, NULL);

		if (strlen(name) < TEXT_MAX && fits(name))
			strv_add(ret, name);
	}
	return NULL;
}

static struct err *take_labels(json *j, struct strv *ret)
{
	json *obj = json_get(j, "Labels"), *value = NULL;

	if (json_is_object(obj) && json_len(obj) > LIST_MAX)
		return err_new(0, "the image's configuration: more than %d labels", LIST_MAX);
	for (size_t i = 0; json_is_object(obj) && i < json_len(obj); i++) {
		const char *key = json_key_at(obj, i, &value);

		if (json_text(value))
			strv_addf(ret, "%s=%s", key, json_text(value));
	}
	return NULL;
}

static struct err *take_env(json *j, struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct err *e = take_list(j, "Env", &all);

	for (size_t i = 0; !e && i < all.n; i++)
		if (strchr(all.v[i], '=') && *all.v[i] != '=')
			strv_add(ret, all.v[i]);
	return e;
}

/* Is the I-th layer once more among those above it?  All it does, the upper one does again, and overlayfs does not take
 * a directory twice. */
static bool stands_above(json *ids, size_t i)
{
	for (size_t above = i + 1; above < json_len(ids); above++)
		if (str_eq(json_text(json_at(ids, i)), json_text(json_at(ids, above))))
			return true;
	return false;
}

static struct err *read_views(struct image *img)
{
	json *c = json_get(img->config, "config"), *ids;
	const char *created = json_str(img->config, "created");
	struct err *e;

	if (!json_is_object(img->config))
		return err_new(0, "the image's configuration is not an object");
	e = take_list(c, "Entrypoint", &img->entrypoint);
	e = e ?: take_list(c, "Cmd", &img->cmd);
	e = e ?: take_env(c, &img->env);
	e = e ?: take_text(c, "WorkingDir", &img->workdir);
	e = e ?: take_text(c, "User", &img->user);
	e = e ?: take_text(c, "StopSignal", &img->stop_signal);
	e = e ?: take_text(img->config, "os", &img->os);
	e = e ?: take_text(img->config, "architecture", &img->arch);
	e = e ?: take_keys(c, "Volumes", is_volume, &img->volumes);
	e = e ?: take_keys(c, "ExposedPorts", is_port, &img->exposed);
	e = e ?: take_labels(c, &img->labels);
	if (e)
		return e;
	if (created)
		err_free(time_parse(created, 0, &img->created_ns)); /* unreadable: 1970 */
	ids = json_get(json_get(img->config, "rootfs"), "diff_ids");
	for (size_t i = 0; i < json_len(ids); i++) {
		if (!digest_is_valid(json_text(json_at(ids, i))))
			return err_new(0, "the image's configuration: diff id %zu is no digest", i);
		if (!stands_above(ids, i))
			strv_add(&img->diff_ids, json_text(json_at(ids, i)));
	}
	return NULL;
}

/* Can what ENTRY names be used?  Its parts may have been lost with the power, see registry/pull.c. */
static bool is_complete(struct store *st, const struct index_entry *entry, const struct image *img)
{
	uint64_t size;

	if (!entry->boot || str_eq(entry->boot, proc_boot_id()))
		return true;
	for (size_t i = 0; i < img->diff_ids.n; i++)
		if (!mark_check(st, img->diff_ids.v[i], &size))
			return false;
	return true;
}

static struct err *load(struct store *st, const struct index_entry *entry, struct image **ret)
{
	struct image *img = xcalloc(1, sizeof(*img));
	_cleanup_free_ char *text = NULL;
	struct err *e;
	size_t len;

	img->ref = xstrdup(entry->ref);
	img->id = xstrdup(entry->id);
	img->digest = xstrdup(entry->digest);
	img->repo_digest = xstrdup(entry->repo_digest);
	img->size_bytes = entry->image_size;
	e = blob_read(st, entry->id, CONFIG_BLOB_MAX_BYTES, false, &text, &len);
	e = e ?: json_parse(text, len, "the image's configuration", &img->config);
	e = e ?: read_views(img);
	if (!e && !is_complete(st, entry, img))
		e = err_new(ENOENT, "its layers did not reach the disk before the last boot");
	if (e) {
		image_free(img);
		return e;
	}
	*ret = img;
	return NULL;
}

/* --- finding
 * ------------------------------------------------------------------------------------------------------- */

static struct err *no_such_image(const char *text)
{
	return err_new(ENOENT, "No such image: %s", text);
}

/* The hex digits if TEXT could be (the beginning of) an id, else NULL. */
static const char *as_id(const char *text)
{
	const char *hex = str_after(text, DIGEST_PREFIX) ?: text;
	size_t len = strlen(hex);

	return len && len <= DIGEST_HEX_LEN && str_is_hex(hex, len) ? hex : NULL;
}

static struct err *find_id(struct index *ix, const char *text, const char *hex, struct index_entry **ret)
{
	struct index_entry *found = NULL;

	for (size_t i = 0; i < ix->n; i++) {
		if (!str_starts(blob_name(ix->v[i].id), hex))
			continue;
		if (found && !str_eq(found->id, ix->v[i].id))
			return err_new(0, "multiple images start with %s", text);
		if (!found || !found->ref)
			found = &ix->v[i];
	}
	*ret = found;
	return NULL;
}

/* NAME@DIGEST is also what was pulled as NAME:TAG and turned out to be that. */
static struct index_entry *find_digest(struct index *ix, const struct image_ref *ref)
{
	_cleanup_free_ char *repo = xasprintf("%s/%s", ref->host, ref->repo);

	for (size_t i = 0; ref->digest && i < ix->n; i++) {
		const struct index_entry *en = &ix->v[i];
		const char *rest = en->ref ? str_after(en->ref, repo) : NULL;

		if (rest && (*rest == ':' || *rest == '@') &&
		    (str_eq(en->repo_digest, ref->digest) || str_eq(en->digest, ref->digest)))
			return &ix->v[i];
	}
	return NULL;
}

/* *RET_BY_ID tells whether TEXT is an id and not a name. */
static struct err *find_entry(struct index *ix, const char *text, struct index_entry **ret,
			      bool *ret_by_id)
{
	const char *hex = as_id(text);
	struct index_entry *found = NULL;
	struct image_ref ref = { 0 };
	struct err *e = NULL;

	*ret_by_id = hex && (strlen(hex) == DIGEST_HEX_LEN || hex != text);
	if (!*ret_by_id) {
		e = image_ref_parse(text, &ref);
		if (!e) {
			_cleanup_free_ char *full = image_ref_full(&ref);

			found = index_find(ix, full) ?: find_digest(ix, &ref);
			image_ref_done(&ref);
		} else if (!hex) {
			return e;
		}
		err_free(e); /* no name, but it may be an id */
		e = NULL;
	}
	if (!found && hex) {
		*ret_by_id = true;
		e = find_id(ix, text, hex, &found);
	}
	if (!e && !found)
		e = no_such_image(text);
	*ret = found;
	return e;
}

struct err *image_find(struct store *st, const char *text, struct image **ret)
{
	_cleanup_index_ struct index ix = { 0 };
	struct index_entry *entry;
	struct err *e;
	bool by_id;

	e = index_load(st, &ix);
	e = e ?: find_entry(&ix, text, &entry, &by_id);
	if (e)
		return e;
	e = load(st, entry, ret);
	if (!err_is(e, ENOENT))
		return err_wrap(e, "%s", text);
	err_free(e); /* a part is missing: it has to be pulled again, as if it were not there */
	return no_such_image(text);
}

static int newest_first(const void *a, const void *b)
{
	const struct image *const *x = a, *const *y = b;

	if ((*x)->created_ns != (*y)->created_ns)
		return (*x)->created_ns < (*y)->created_ns ? 1 : -1;
	return strcmp((*x)->ref ?: "", (*y)->ref ?: "");
}

struct err *image_list(struct store *st, struct image ***ret, size_t *ret_n)
{
	_cleanup_index_ struct index ix = { 0 };
	struct image **list;
	struct err *e;
	size_t n = 0;

	e = index_load(st, &ix);
	if (e)
		return e;
	list = xcalloc(ix.n + 1, sizeof(struct image *));
	for (size_t i = 0; i < ix.n; i++) {
		e = load(st, &ix.v[i], &list[n]);
		if (e)
			err_free(e); /* a damaged image must not hide the others; using it by name says what is wrong */
		else
			n++;
	}
	qsort(list, n, sizeof(struct image *), newest_first);
	*ret = list;
	*ret_n = n;
	return NULL;
}

/* --- tag, remove, prune
 * -------------------------------------------------------------------------------------------- */

void image_event(struct store *st, const char *action, const char *id, const char *name)
{
	_cleanup_strv_ struct strv attrs = { 0 };

	strv_addf(&attrs, "name=%s", name);
	event_add(st, "image", action, id, &attrs);
}

struct err *image_tag(struct store *st, const char *source, const char *target)
{
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_free_ char *full = NULL, *id = NULL;
	_cleanup_close_ int lock = -1;
	struct image_ref ref = { 0 };
	struct index_entry *entry, copy;
	struct err *e;
	bool by_id;

	e = image_ref_parse(target, &ref);
	if (e)
		return err_wrap(e, "%s", target);
	if (ref.digest)
		e = err_new(0, "refusing to create a tag with a digest reference");
	full = image_ref_full(&ref);
	image_ref_done(&ref);
	e = e ?: store_lock(st, &lock);
	e = e ?: index_load(st, &ix);
	e = e ?: find_entry(&ix, source, &entry, &by_id);
	if (e || str_eq(entry->ref, full))
		return e;
	copy = *entry;
	id = xstrdup(copy.id);
	if (copy.repo_digest) /* belongs to the other name */
		copy.repo_digest = NULL;
	index_set(&ix, full, &copy);
	e = index_save(st, &ix);
	if (!e) {
		_cleanup_free_ char *name = image_ref_shown(full);

		image_event(st, "tag", id, name);
	}
	return e;
}

/* What a report of untag() says. */
static void report_events(struct store *st, const char *id, const struct strv *report, size_t from)
{
	for (size_t i = from; i < report->n; i++) {
		const char *name = strchr(report->v[i], ':') + 2;
		bool gone = strcasestr(report->v[i], "deleted:") == report->v[i];

		image_event(st, gone ? "delete" : "untag", gone ? name : id ?: name, name);
	}
}

static size_t count_names(const struct index *ix, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < ix->n; i++)
		n += ix->v[i].ref && str_eq(ix->v[i].id, id);
	return n;
}

static bool is_known(const struct index *ix, const char *id)
{
	for (size_t i = 0; i < ix->n; i++)
		if (str_eq(ix->v[i].id, id))
			return true;
	return false;
}

/* Take the name from entry I; the image itself stays as long as a container has it. */
static void untag(struct index *ix, size_t i, bool keep, const char *word, struct strv *report)
{
	_cleanup_free_ char *id = xstrdup(ix->v[i].id);

	if (ix->v[i].ref) {
		_cleanup_free_ char *name = image_ref_shown(ix->v[i].ref);

		strv_addf(report, "%s: %s", word, name);
	}
	index_drop(ix, i, keep);
	if (!is_known(ix, id))
		strv_addf(report, "%s: %s", *word == 'U' ? "Deleted" : "deleted", id);
}

static struct err *check_remove(const struct index *ix, const struct index_entry *entry, bool by_id,
				bool used)
{
	size_t names = count_names(ix, entry->id);

	if (by_id && names > 1)
		return err_new(0,
			       "conflict: unable to delete %.12s (must be forced) - image is referenced in "
			       "multiple repositories",
			       blob_name(entry->id));
	if (used && by_id)
		return err_new(0,
			       "conflict: unable to delete %.12s (must be forced) - image is being used by "
			       "a container",
			       blob_name(entry->id));
	if (used && names <= 1) {
		_cleanup_free_ char *name = image_ref_shown(entry->ref);

		return err_new(0,
			       "conflict: unable to remove repository reference \"%s\" (must force) - "
			       "a container is using its referenced image %.12s",
			       name, blob_name(entry->id));
	}
	return NULL;
}

struct err *image_remove(struct store *st, const char *text, bool force, const struct strv *in_use,
			 struct strv *report)
{
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_free_ char *id = NULL;
	_cleanup_close_ int lock = -1;
	struct index_entry *entry;
	uint64_t freed = 0;
	bool by_id, used;
	size_t reported = report->n;
	struct err *e;

	e = store_lock(st, &lock);
	e = e ?: index_load(st, &ix);
	e = e ?: find_entry(&ix, text, &entry, &by_id);
	if (e)
		return e;
	id = xstrdup(entry->id);
	used = in_use && strv_has(in_use, id);
	if (!force)
		e = check_remove(&ix, entry, by_id, used);
	if (e)
		return e;
	if (by_id) {
		for (size_t i = ix.n; i-- > 0;)
			if (str_eq(ix.v[i].id, id))
				untag(&ix, i, used, "Untagged", report);
	} else {
		untag(&ix, (size_t)(entry - ix.v), used, "Untagged", report);
	}
	e = index_save(st, &ix);
	if (!e)
		report_events(st, id, report, reported);
	return e ?: image_gc(st, &ix, in_use, &freed);
}

struct err *image_prune(struct store *st, bool all, const struct strv *in_use, struct strv *report,
			uint64_t *ret_freed_bytes)
{
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_close_ int lock = -1;
	size_t reported = report->n;
	uint64_t freed = 0;
	struct err *e;

	e = store_lock(st, &lock);
	e = e ?: index_load(st, &ix);
	if (e)
		return e;
	for (size_t i = ix.n; i-- > 0;)
		if ((all || !ix.v[i].ref) && !(in_use && strv_has(in_use, ix.v[i].id)))
			untag(&ix, i, false, "untagged", report);
	e = index_save(st, &ix);
	if (!e)
		report_events(st, NULL, report, reported);
	e = e ?: image_gc(st, &ix, in_use, &freed);
	*ret_freed_bytes = freed;
	return e;
}

struct err *image_collect(struct store *st, const struct strv *in_use, uint64_t *ret_freed_bytes)
{
	_cleanup_index_ struct index ix = { 0 };
	_cleanup_close_ int lock = -1;
	struct err *e;

	e = store_lock(st, &lock);
	e = e ?: index_load(st, &ix);
	return e ?: image_gc(st, &ix, in_use, ret_freed_bytes);
}
