#include "core/store/trash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "core/store/events.h"
#include "core/store/fork.h"
#include "core/store/volume.h"

enum { RECORD_MAX = 65536, DAYS_DEFAULT = 7, DAYS_MAX = 3650 };
static const uint64_t BUDGET_DEFAULT = 20ULL << 30;
static const int64_t DAY_NS = 86400LL * 1000000000;

struct err *trash_policy(struct trash_policy *ret)
{
	const char *days = getenv("DEVBOX_TRASH_DAYS"), *budget = getenv("DEVBOX_TRASH_BUDGET");
	struct trash_policy p = { DAYS_DEFAULT, BUDGET_DEFAULT };
	struct err *e = NULL;
	uint64_t n;

	if (days && *days) {
		e = err_wrap(str_to_u64(days, 0, DAYS_MAX, &n), "DEVBOX_TRASH_DAYS");
		p.days = e ? 0 : (unsigned)n;
	}
	if (!e && budget && *budget)
		e = err_wrap(str_to_size(budget, &p.budget_bytes), "DEVBOX_TRASH_BUDGET");
	if (!e)
		*ret = p;
	return e;
}

static void item_done(struct trash_item *it)
{
	free(it->id);
	free(it->kind);
	free(it->name);
	free(it->origin);
	free(it->reason);
	free(it->batch);
}

void trash_list_done(struct trash_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		item_done(&l->v[i]);
	free(l->v);
	*l = (struct trash_list){ 0 };
}

char *trash_batch(void)
{
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	random_bytes(random, sizeof(random));
	str_hex(random, sizeof(random), hex);
	return xstrdup(hex);
}

/* --- in --------------------------------------------------------------------------------------- */

static struct err *measure(void *arg, struct str *result)
{
	const int *dir = arg;

	str_addf(result, "%llu", (unsigned long long)fd_tree_size(*dir, "."));
	return NULL;
}

static uint64_t bytes_of(struct store *st, const char *origin)
{
	_cleanup_str_ struct str text = { 0 };
	_cleanup_close_ int dir = -1;
	uint64_t n = 0;
	struct err *e = fd_open(st->root, origin, O_RDONLY | O_DIRECTORY, 0, &dir);

	e = e ?: userns_call(&st->ids, measure, &dir, &text);
	e = e ?: str_to_u64(text.s ?: "0", 0, UINT64_MAX, &n);
	err_free(e); /* only a number to keep a budget with */
	return n;
}

static struct err *write_item(int dir, const struct trash_item *it)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Kind", it->kind);
	json_put_str(&o, "Name", it->name);
	json_put_str(&o, "Origin", it->origin);
	json_put_str(&o, "Reason", it->reason);
	json_put_str(&o, "Batch", it->batch);
	json_put_int(&o, "GoneAtNano", it->gone_ns);
	json_put_int(&o, "UntilNano", it->until_ns);
	json_put_int(&o, "Bytes", (int64_t)it->bytes);
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(dir, "item.json", text, len, 0600, true);
}

/* The last step: ORIGIN to WHAT in the trash.  A replacement goes there first, and changes places with it then. */
static struct err *move_there(struct store *st, const char *origin, const char *replacement,
			      const char *what)
{
	if (!replacement)
		return renameat2(st->root, origin, st->trash, what, RENAME_NOREPLACE) < 0
			       ? err_new(errno, "moving it there")
			       : NULL;
	if (renameat2(st->root, replacement, st->trash, what, RENAME_NOREPLACE) < 0 ||
	    renameat2(st->trash, what, st->root, origin, RENAME_EXCHANGE) < 0)
		return err_new(errno, "putting the new one into place");
	return NULL;
}

/* BATCH NULL: one of its own.  Absent is success. */
static struct err *put(struct store *st, const char *name, const char *origin,
		       const char *replacement, const char *reason, const char *batch)
{
	_cleanup_free_ char *id = trash_batch(), *stage = NULL, *what = xasprintf("%s/what", id);
	_cleanup_close_ int dir = -1;
	struct trash_policy p;
	struct err *e = trash_policy(&p);

	if (e)
		return e;
	{
		const struct trash_item it = {
			.kind = (char[]){ "volume" },
			.name = (char *)(uintptr_t)name,
			.origin = (char *)(uintptr_t)origin,
			.reason = (char *)(uintptr_t)reason,
			.batch = (char *)(uintptr_t)(batch ?: id),
			.gone_ns = time_now_ns(),
			.until_ns = time_now_ns() + p.days * DAY_NS,
			.bytes = bytes_of(st, origin),
		};

		e = store_stage(st, "trash", &stage, &dir);
		e = e ?: write_item(dir, &it);
	}
	/* the record comes first: an item without content is nothing, content without a record would be lost */
	if (!e && renameat2(st->tmp, stage, st->trash, id, RENAME_NOREPLACE) < 0)
		e = err_new(errno, "making an item of the trash");
	if (!e)
		e = move_there(st, origin, replacement, what);
	if (e && !replacement) {
		bool absent = err_is(e, ENOENT);

		e = err_also(err_wrap(e, "putting %s into the trash", name),
			     store_rm_tree(st, st->trash, id));
		if (absent) {
			err_free(e);
			e = NULL;
		}
	}
	fsync(st->trash);
	return e;
}

struct err *trash_swap(struct store *st, const char *name, const char *replacement,
		       const char *reason, const char *batch)
{
	_cleanup_free_ char *origin = xasprintf("volumes/%s", name), *gone = xasprintf("swap.%s", name);
	struct trash_policy p;
	struct err *e = trash_policy(&p);

	if (e)
		return e;
	if (faccessat(st->volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		if (renameat2(st->root, replacement, st->volumes, name, RENAME_NOREPLACE) < 0)
			e = err_new(errno, "putting volume %s into place", name);
		return e;
	}
	if (p.days && p.budget_bytes) {
		e = put(st, name, origin, replacement, reason, batch);
		return e ?: trash_expire(st, false, NULL);
	}
	if (renameat2(st->root, replacement, st->volumes, name, RENAME_EXCHANGE) < 0 ||
	    renameat(st->root, replacement, st->tmp, gone) < 0)
		return err_new(errno, "putting volume %s into place", name);
	return store_rm_tree(st, st->tmp, gone) ?: fork_tidy(st);
}

struct err *trash_volume(struct store *st, const char *name, const char *reason, const char *batch)
{
	_cleanup_free_ char *origin = xasprintf("volumes/%s", name);
	struct trash_policy p;
	struct err *e = volume_check_name(name);

	e = e ?: trash_policy(&p);
	if (e)
		return e;
	if (!p.days || !p.budget_bytes)
		return volume_remove(st, name) ?: fork_tidy(st);
	if (faccessat(st->volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	e = put(st, name, origin, NULL, reason, batch);
	if (!e)
		event_add(st, "volume", "destroy", name, NULL);
	return e ?: trash_expire(st, false, NULL);
}

/* --- out -------------------------------------------------------------------------------------- */

static struct err *read_item(struct store *st, const char *id, struct trash_item *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/item.json", id), *text = NULL;
	_cleanup_json_ json *j = NULL;
	size_t len;
	struct err *e = fd_read_file(st->trash, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, path, &j);
	if (e)
		return e;
	ret->id = xstrdup(id);
	ret->kind = xstrdup(json_str(j, "Kind") ?: "");
	ret->name = xstrdup(json_str(j, "Name") ?: "");
	ret->origin = xstrdup(json_str(j, "Origin") ?: "");
	ret->reason = xstrdup(json_str(j, "Reason") ?: "");
	ret->batch = xstrdup(json_str(j, "Batch") ?: id);
	ret->gone_ns = json_int(j, "GoneAtNano", 0);
	ret->until_ns = json_int(j, "UntilNano", 0);
	ret->bytes = (uint64_t)json_int(j, "Bytes", 0);
	return NULL;
}

static int by_age(const void *a, const void *b)
{
	const struct trash_item *x = a, *y = b;

	return x->gone_ns > y->gone_ns ? -1 : x->gone_ns < y->gone_ns;
}

struct err *trash_list(struct store *st, struct trash_list *ret)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->trash);
	struct dirent *de;

	if (!d)
		return err_new(errno, "reading the trash");
	while ((de = readdir(d)) != NULL) {
		_cleanup_free_ char *what = xasprintf("%s/what", de->d_name);
		struct trash_item it = { 0 };
		struct err *e;

		if (*de->d_name == '.' || faccessat(st->trash, what, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		e = read_item(st, de->d_name, &it);
		if (e) {
			err_free(e); /* just going away */
			continue;
		}
		ret->v = xgrow(ret->v, ret->n, &ret->cap, sizeof(*ret->v));
		ret->v[ret->n++] = it;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_age);
	return NULL;
}

struct err *trash_restore(struct store *st, const struct trash_item *it, const char *new_name)
{
	_cleanup_free_ char *what = xasprintf("%s/what", it->id);
	_cleanup_free_ char *to = new_name ? xasprintf("volumes/%s", new_name) : xstrdup(it->origin);
	struct err *e = new_name ? volume_check_name(new_name) : NULL;

	if (!e && new_name && !str_eq(it->kind, "volume"))
		e = err_new(0, "%s %s cannot come back under another name", it->kind, it->name);
	if (e)
		return e;
	if (renameat2(st->trash, what, st->root, to, RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			return err_new(errno, "bringing back %s %s", it->kind, it->name);
		return err_hint(err_status(err_new(0, "%s %s is there again", it->kind, it->name), 1),
				"remove it first, or give a new name: devbox undo %s --as NAME",
				it->id);
	}
	if (str_eq(it->kind, "volume"))
		event_add(st, "volume", "create", new_name ?: it->name, NULL);
	return store_rm_tree(st, st->trash, it->id);
}

struct err *trash_remove(struct store *st, const struct trash_item *it)
{
	_cleanup_free_ char *gone = xasprintf("rm.%s", it->id);

	if (renameat(st->trash, it->id, st->tmp, gone) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "removing %s %s", it->kind, it->name);
	return store_rm_tree(st, st->tmp, gone);
}

struct err *trash_expire(struct store *st, bool all, uint64_t *ret_freed_bytes)
{
	struct trash_list l = { 0 };
	struct trash_policy p;
	int64_t now = time_now_ns();
	uint64_t kept = 0, freed = 0;
	size_t removed = 0;
	struct err *e = trash_policy(&p);

	e = e ?: trash_list(st, &l);
	for (size_t i = 0; i < l.n && !e; i++) { /* the newest are kept first */
		const struct trash_item *it = &l.v[i];

		if (!all && it->until_ns > now && kept + it->bytes <= p.budget_bytes) {
			kept += it->bytes;
			continue;
		}
		freed += it->bytes;
		removed++;
		e = trash_remove(st, it);
	}
	trash_list_done(&l);
	if (removed)
		e = err_also(e, fork_tidy(st));
	if (ret_freed_bytes)
		*ret_freed_bytes = freed;
	return e;
}
