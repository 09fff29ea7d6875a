/* How sealed trees come to an end (fork_tidy), until nothing changes any more:
 *   1 one that nothing refers to is removed: no volume, no snapshot, no other tree, nothing in the trash
 *   2 one with a single tree above it, which is no snapshot, is absorbed by that (core/cow/merge.h) if it is a volume's
 *     that nobody has mounted.  Not by a sealed tree: others, further up, may have links that pass over it
 *   3 a volume that nobody has mounted and that has many trees below it copies up what all of them but the lowest have
 * A volume with nothing left below it is a plain directory again, unless fork_prepare() wanted it to stay thin. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/cow/merge.h"
#include "core/store/forkrec.h"

enum { LONG_CHAIN = 16 };

static struct err *for_each_dir(int dir, struct err *(*fn)(int dir, const char *name, void *arg),
				void *arg)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	struct err *all = NULL;
	struct dirent *de;

	if (!d)
		return err_new(errno, "reading a directory of the storage");
	while ((de = readdir(d)) != NULL)
		if (*de->d_name != '.')
			all = err_also(all, fn(dir, de->d_name, arg));
	return all;
}

/* --- who refers to what ----------------------------------------------------------------------- */

struct child {
	char parent[SEALED_ID_LEN + 1];
	char *path; /* relative to the store: "volumes/app", "sealed/<id>", "trash/<id>/what" */
	bool only_staged; /* in tmp/: soon to be a volume */
};

struct children {
	struct child *v;
	size_t n, cap;
	const char *place;
};

static void children_done(struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].path);
	free(c->v);
	*c = (struct children){ 0 };
}

static struct err *note_child(int dir, const char *name, void *arg)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	_cleanup_free_ char *in = NULL;
	struct children *c = arg;
	struct child *new;
	struct err *e;

	in = str_eq(c->place, "trash") ? xasprintf("%s/what", name) : xstrdup(name);
	e = forkrec_read(dir, in, &r);
	if (e || !*r.parent)
		return e;
	c->v = xgrow(c->v, c->n, &c->cap, sizeof(*c->v));
	new = &c->v[c->n++];
	*new = (struct child){ .path = xasprintf("%s/%s", c->place, in) };
	new->only_staged = str_eq(c->place, "tmp");
	snprintf(new->parent, sizeof(new->parent), "%s", r.parent);
	return NULL;
}

/* The store's lock is held. */
static struct err *find_children(struct store *st, struct children *ret)
{
	const struct {
		int dir;
		const char *name;
	} places[] = { { st->volumes, "volumes" },
		       { st->sealed, "sealed" },
		       { st->trash, "trash" },
		       { st->tmp, "tmp" } };
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(places) && !e; i++) {
		ret->place = places[i].name;
		e = for_each_dir(places[i].dir, note_child, ret);
	}
	return e;
}

/* How many trees stand on the sealed tree ID (one that refers to itself was about to be exchanged when a process was
 * killed); *RET is the last of them. */
static size_t count_children(const struct children *c, const char *id, const struct child **ret)
{
	_cleanup_free_ char *self = xasprintf("sealed/%s", id);
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->v[i].parent, id) && !str_eq(c->v[i].path, self)) {
			*ret = &c->v[i];
			n++;
		}
	return n;
}

/* --- absorbing -------------------------------------------------------------------------------- */

/* The directory PATH, locked against being mounted; -1: in use, or moved meanwhile. */
static int lock_top(struct store *st, const char *path)
{
	_cleanup_close_ int fd = openat(st->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? TAKE_FD(fd) : -1;
}

static struct err *absorb_inside(void *arg, struct str *result UNUSED)
{
	return cow_absorb(arg);
}

static struct err *links_inside(void *arg, struct str *result UNUSED)
{
	const int *dir = arg;

	return fd_rm_tree(*dir, "links");
}

/* DIR, which has R, absorbs the sealed tree ID. */
static struct err *absorb(struct store *st, int dir, struct forkrec *r, const char *id)
{
	_cleanup_forkrec_ struct forkrec below = { 0 };
	struct cow_dirs dirs = { .n = 0 };
	struct err *e = forkrec_read(st->sealed, id, &below);

	e = e ?: fork_dirs(st, dir, &dirs);
	e = e ?: userns_call(&st->ids, absorb_inside, &dirs, NULL);
	fork_dirs_done(&dirs);
	if (e)
		return e;
	snprintf(r->parent, sizeof(r->parent), "%s", below.thin ? below.parent : "");
	if (!*r->parent && !r->stays_thin)
		r->thin = false;
	e = forkrec_write(dir, r) ?: forkrec_sync(dir);
	if (!e && fsync(dir) < 0) /* before the tree below is removed */
		e = err_new(errno, "syncing a record");
	if (!e && !r->thin)
		e = userns_call(&st->ids, links_inside, &dir, NULL);
	return e;
}

static struct err *shorten_inside(void *arg, struct str *result UNUSED)
{
	return cow_flatten(arg, 1);
}

/* DIR stands on the lowest of its trees alone. */
static struct err *shorten(struct store *st, int dir, struct forkrec *r)
{
	_cleanup_forkrec_ struct forkrec at = { 0 };
	char lowest[SEALED_ID_LEN + 1];
	struct cow_dirs dirs = { .n = 0 };
	struct err *e = fork_dirs(st, dir, &dirs);
	size_t n = dirs.n;

	snprintf(lowest, sizeof(lowest), "%s", r->parent);
	for (size_t i = 2; i < n && !e; i++) {
		forkrec_done(&at);
		e = forkrec_read(st->sealed, lowest, &at);
		snprintf(lowest, sizeof(lowest), "%s", at.parent);
	}
	if (!e && n > LONG_CHAIN)
		e = userns_call(&st->ids, shorten_inside, &dirs, NULL);
	fork_dirs_done(&dirs);
	if (e || n <= LONG_CHAIN)
		return e;
	snprintf(r->parent, sizeof(r->parent), "%s", lowest);
	e = forkrec_write(dir, r) ?: forkrec_sync(dir);
	if (!e && fsync(dir) < 0)
		e = err_new(errno, "syncing a record");
	return e;
}

/* --- all of them ------------------------------------------------------------------------------ */

struct tidy {
	struct store *st;
	struct children children;
	size_t changed;
};

static struct err *tidy_one(int dir, const char *name, void *arg)
{
	_cleanup_free_ char *snapshot = xasprintf("%s/snapshot.json", name), *gone = NULL;
	_cleanup_forkrec_ struct forkrec r = { 0 };
	_cleanup_close_ int top = -1;
	const struct child *child = NULL;
	struct tidy *t = arg;
	struct err *e;
	size_t n = count_children(&t->children, name, &child);

	if (t->changed || n > 1 || faccessat(dir, snapshot, F_OK, 0) == 0)
		return NULL; /* after a change what was found out is no longer true */
	if (n == 0) {
		gone = xasprintf("rm.%s", name);
		if (renameat(dir, name, t->st->tmp, gone) < 0)
			return errno == ENOENT ? NULL : err_new(errno, "removing a sealed tree");
		t->changed++;
		return store_rm_tree(t->st, t->st->tmp, gone);
	}
	if (child->only_staged || str_starts(child->path, "sealed/"))
		return NULL;
	top = lock_top(t->st, child->path);
	if (top < 0)
		return NULL;
	e = forkrec_read(top, ".", &r);
	e = e ?: err_wrap(absorb(t->st, top, &r, name), "merging %s with the tree below it", child->path);
	t->changed += !e;
	return e;
}

/* The long chains, once: what comes of it is for the next round. */
static struct err *shorten_all(struct tidy *t)
{
	struct err *e = NULL;

	for (size_t i = 0; i < t->children.n && !e; i++) {
		const struct child *c = &t->children.v[i];
		_cleanup_forkrec_ struct forkrec r = { 0 };
		_cleanup_close_ int top = -1;

		if (c->only_staged || str_starts(c->path, "sealed/"))
			continue;
		top = lock_top(t->st, c->path);
		if (top < 0)
			continue;
		e = forkrec_read(top, ".", &r);
		e = e ?: err_wrap(shorten(t->st, top, &r), "merging trees below %s", c->path);
	}
	return e;
}

static bool any_entry(int dir)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (*de->d_name != '.')
			return true;
	return false;
}

struct err *fork_tidy(struct store *st)
{
	struct tidy t = { .st = st };
	unsigned rounds = 0;
	struct err *e = NULL;

	if (!any_entry(st->sealed))
		return NULL; /* without a look at the store's lock */
	do {
		_cleanup_close_ int lock = -1;

		t.changed = 0;
		e = store_lock(st, &lock);
		e = e ?: find_children(st, &t.children);
		if (!e && !rounds++)
			e = shorten_all(&t);
		children_done(&t.children);
		e = e ?: find_children(st, &t.children);
		e = e ?: for_each_dir(st->sealed, tidy_one, &t);
		children_done(&t.children);
	} while (!e && t.changed);
	return e;
}
