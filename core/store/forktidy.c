/* How sealed trees come to an end (fork_tidy), until nothing changes any more:
 *   1 one that nothing refers to is removed: no volume, no snapshot, no other tree, nothing in the trash
 *   2 one with a single tree above it, which is no snapshot, is absorbed by that (core/cow/merge.h).  All volumes that
 *     see it are locked meanwhile; if one of them is in use it stays as it is, for a later time
 * A volume with nothing left below it is a plain directory again, unless fork_prepare() wanted it to stay thin. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/cow/merge.h"
#include "core/store/forkrec.h"

static struct err *for_each_dir(int dir, struct err *(*fn)(int dir, const char *name, void *arg),
				void *arg)
{
	_cleanup_dir_ DIR *d = NULL;
	struct err *all = NULL;
	struct dirent *de;
	int dup = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = dup < 0 ? NULL : fdopendir(dup);
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

struct locks {
	int fds[256];
	size_t n;
};

static void locks_done(struct locks *l)
{
	while (l->n)
		close(l->fds[--l->n]);
}

/* Lock what may be mounted among PATH and all that stands on it.  False: in use. */
static bool lock_above(struct store *st, const struct children *c, const char *path, struct locks *l)
{
	const char *id = str_after(path, "sealed/");

	if (l->n == ARRAY_LEN(l->fds))
		return false;
	l->fds[l->n] = openat(st->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->fds[l->n] < 0)
		return false; /* moved meanwhile */
	if (flock(l->fds[l->n++], LOCK_EX | LOCK_NB) < 0)
		return false;
	for (size_t i = 0; id && i < c->n; i++)
		if (str_eq(c->v[i].parent, id) && !str_eq(c->v[i].path, path) &&
		    (c->v[i].only_staged || !lock_above(st, c, c->v[i].path, l)))
			return false;
	return true;
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

static struct err *absorb(struct store *st, const struct child *child, const char *id)
{
	_cleanup_forkrec_ struct forkrec r = { 0 }, below = { 0 };
	struct cow_dirs dirs = { .n = 0 };
	_cleanup_close_ int dir = -1;
	struct err *e = fd_open(st->root, child->path, O_RDONLY | O_DIRECTORY, 0, &dir);

	e = e ?: forkrec_read(dir, ".", &r);
	e = e ?: forkrec_read(st->sealed, id, &below);
	e = e ?: fork_dirs(st, dir, &dirs);
	e = e ?: userns_call(&st->ids, absorb_inside, &dirs, NULL);
	fork_dirs_done(&dirs);
	if (e)
		return err_wrap(e, "merging %s with the tree below it", child->path);
	snprintf(r.parent, sizeof(r.parent), "%s", below.thin ? below.parent : "");
	/* a sealed tree stays thin: its links have the numbers of its files, by which those above know them */
	if (!*r.parent && !r.stays_thin && !str_starts(child->path, "sealed/"))
		r.thin = false;
	e = forkrec_write(dir, &r) ?: forkrec_sync(dir);
	if (!e && fsync(dir) < 0) /* before the tree below is removed */
		e = err_new(errno, "syncing a record");
	if (!e && !r.thin)
		e = userns_call(&st->ids, links_inside, &dir, NULL);
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
	struct locks locks = { .n = 0 };
	const struct child *child = NULL;
	struct tidy *t = arg;
	struct err *e = NULL;
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
	if (!child->only_staged && lock_above(t->st, &t->children, child->path, &locks)) {
		e = absorb(t->st, child, name);
		t->changed += !e;
	}
	locks_done(&locks);
	return e;
}

static bool any_entry(int dir)
{
	int dup = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (*de->d_name != '.')
			return true;
	return false;
}

struct err *fork_tidy(struct store *st)
{
	struct tidy t = { .st = st };
	struct err *e = NULL;

	if (!any_entry(st->sealed))
		return NULL; /* without a look at the store's lock */
	do {
		_cleanup_close_ int lock = -1;

		t.changed = 0;
		e = store_lock(st, &lock);
		e = e ?: find_children(st, &t.children);
		e = e ?: for_each_dir(st->sealed, tidy_one, &t);
		children_done(&t.children);
	} while (!e && t.changed);
	return e;
}
