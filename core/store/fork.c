/* How a fork is made (fork_volumes):
 *   1 plan_one()    each FROM is opened and locked, its method chosen, TO checked and staged in tmp/
 *   2 copy_first()  what must be copied while containers use it is copied a first time
 *   3 hold->stop()  only if something must be copied or cloned under its user's hands, or several belong together
 *   4 take_one()    the instant: clone, second copy, or seal_volume()
 *   5 hold->go()
 *   6 publish_one() the staged directories move to their places; after a failure those that did so are taken back
 *
 * Who uses a volume holds a shared flock on its directory: the monitor for a plain one (volume_hold()), the process
 * that serves it for a thin one.  Whoever seals or restores a volume that nobody uses holds it exclusively meanwhile.
 *
 * Sealing is one step: sealed/<id> is made ready with all that the volume's new directory needs (records, an empty
 * data/), and changes places with volumes/<name>.  The old directory lies in sealed/ then, as it was.
 * A thin top that nobody has mounted yet is not sealed again: the fork stands beside it, on the same parent. */
#include "core/store/fork.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/store/events.h"
#include "core/store/forkrec.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

struct job {
	struct fork_pair *pair;
	char *volume, *snap; /* of FROM */
	char *to_volume, *to_snap;
	int dir; /* FROM's directory, locked exclusively unless it is in use or sealed */
	bool in_use;
	struct forkrec rec; /* FROM's */
	char parent[SEALED_ID_LEN + 1]; /* what the fork stands on, when thin */
	unsigned parent_depth;
	char *stage;
	int stage_dir;
	bool published;
	char made_id[SEALED_ID_LEN + 1]; /* where a snapshot was published */
};

static void job_done(struct job *j)
{
	free(j->volume);
	free(j->snap);
	free(j->to_volume);
	free(j->to_snap);
	free(j->stage);
	forkrec_done(&j->rec);
	if (j->dir >= 0)
		close(j->dir);
	if (j->stage_dir >= 0)
		close(j->stage_dir);
}

/* --- which way -------------------------------------------------------------------------------- */

static bool can_reflink(struct store *st)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int dir = -1, a = -1, b = -1;
	struct err *e = store_stage(st, "reflink", &name, &dir);
	bool can = false;

	e = e ?: fd_open(dir, "a", O_RDWR | O_CREAT, 0600, &a);
	e = e ?: fd_open(dir, "b", O_RDWR | O_CREAT, 0600, &b);
	e = e ?: fd_write_all(a, "a probe", "x", 1);
	can = !e && ioctl(b, FICLONE, a) == 0;
	if (name)
		e = err_also(e, store_rm_tree(st, st->tmp, name));
	err_free(e); /* cannot be found out: then it will not be done */
	return can;
}

enum fork_method fork_method_here(struct store *st, char **ret_why)
{
	if (can_reflink(st)) {
		*ret_why = xstrdup("the file system shares blocks between files (reflink)");
		return FORK_REFLINK;
	}
	*ret_why = xstrdup("the file system cannot share blocks between files");
	return FORK_COPY;
}

/* --- step 1 ----------------------------------------------------------------------------------- */

static struct err *check_target(struct store *st, struct job *j)
{
	char id[SEALED_ID_LEN + 1];
	struct err *e = fork_parse(j->pair->to, &j->to_volume, &j->to_snap);

	if (e)
		return e;
	if (!j->to_snap)
		return faccessat(st->volumes, j->to_volume, F_OK, AT_SYMLINK_NOFOLLOW) == 0
			       ? err_status(err_new(0, "volume %s exists already", j->to_volume), 1)
			       : NULL;
	e = snapshot_find(st, j->to_volume, j->to_snap, id);
	return e
		       ?: *id ? err_status(err_new(0, "snapshot %s exists already", j->pair->to), 1)
			      : NULL;
}

/* The directory that has volume.json and, soon, data/. */
static struct err *stage_target(struct store *st, struct job *j)
{
	struct err *e = store_stage(st, "fork", &j->stage, &j->stage_dir);

	if (!e && mkdirat(j->stage_dir, "data", 0755) < 0)
		e = err_new(errno, "making a directory");
	if (!e && st->ids.direct &&
	    fchownat(j->stage_dir, "data", st->ids.root_uid, st->ids.root_gid, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "giving its data to uid %u", st->ids.root_uid);
	e = e
		    ?: j->to_snap ? snapshot_write(j->stage_dir, j->to_volume, j->to_snap)
				  : volume_write_record(j->stage_dir, j->to_volume, false, NULL);
	return e;
}

static struct err *plan_one(struct store *st, struct job *j, enum fork_method here)
{
	struct err *e = fork_parse(j->pair->from, &j->volume, &j->snap);

	e = e ?: check_target(st, j);
	e = e ?: fork_open(st, j->pair->from, &j->dir);
	if (!e && !j->snap && flock(j->dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_new(errno, "locking volume %s", j->volume);
		j->in_use = true;
	}
	e = e ?: forkrec_read(j->dir, ".", &j->rec);
	j->pair->method = here;
	return e ?: stage_target(st, j);
}

/* --- steps 2 and 4: the content --------------------------------------------------------------- */

struct copy_arg {
	int src, dst;
};

static struct err *copy_inside(void *arg, struct str *result UNUSED)
{
	struct copy_arg *a = arg;

	return copy_tree(a->src, a->dst);
}

static struct err *copy_data(struct store *st, struct job *j)
{
	_cleanup_close_ int src = -1, dst = -1;
	struct copy_arg a;
	struct err *e;

	e = fd_open(j->dir, "data", O_PATH | O_DIRECTORY, 0, &src);
	e = e ?: fd_open(j->stage_dir, "data", O_PATH | O_DIRECTORY, 0, &dst);
	a = (struct copy_arg){ src, dst };
	return e ?: userns_call(&st->ids, copy_inside, &a, NULL);
}

static struct err *take_one(struct store *st, struct job *j)
{
	struct forkrec r = { .method = j->pair->method,
			     .from = (char *)(uintptr_t)j->pair->from,
			     .made_ns = time_now_ns() };
	struct err *e = copy_data(st, j);

	return e ?: forkrec_write(j->stage_dir, &r);
}

/* --- step 6 ----------------------------------------------------------------------------------- */

static struct err *publish_one(struct store *st, struct job *j)
{
	int to = j->to_snap ? st->sealed : st->volumes;
	const char *name = j->to_volume;

	if (j->to_snap) {
		sealed_make_id(j->made_id);
		name = j->made_id;
	}
	if (renameat2(st->tmp, j->stage, to, name, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? err_status(err_new(0, "volume %s exists already", name), 1)
				       : err_new(errno, "putting it into place");
	j->published = true;
	fsync(to);
	if (!j->to_snap)
		event_add(st, "volume", "create", name, NULL);
	return NULL;
}

static struct err *unpublish_one(struct store *st, struct job *j)
{
	if (!j->published)
		return j->stage ? store_rm_tree(st, st->tmp, j->stage) : NULL;
	return j->to_snap ? snapshot_remove(st, j->pair->to) : volume_remove(st, j->to_volume);
}

struct err *fork_volumes(struct store *st, struct fork_pair *pairs, size_t n,
			 const struct fork_hold *hold)
{
	_cleanup_free_ struct job *jobs = xcalloc(n + 1, sizeof(*jobs));
	_cleanup_free_ char *why = NULL;
	enum fork_method here = fork_method_here(st, &why);
	bool stop = false;
	struct err *e = NULL;

	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct job){ .pair = &pairs[i], .dir = -1, .stage_dir = -1 };
	for (size_t i = 0; i < n && !e; i++) {
		e = plan_one(st, &jobs[i], here);
		stop |= jobs[i].in_use;
	}
	stop = stop && hold && !e;
	if (stop) {
		e = hold->stop(hold->arg);
		stop = !e;
	}
	for (size_t i = 0; i < n && !e; i++)
		e = take_one(st, &jobs[i]);
	if (stop)
		hold->go(hold->arg);
	for (size_t i = 0; i < n && !e; i++)
		e = publish_one(st, &jobs[i]);
	for (size_t i = 0; i < n; i++) {
		if (e)
			e = err_also(e, unpublish_one(st, &jobs[i]));
		job_done(&jobs[i]);
	}
	return e;
}

struct err *fork_restore(struct store *st, const char *text)
{
	_cleanup_free_ char *volume = NULL, *snap = NULL, *aside = NULL;
	_cleanup_close_ int old = -1;
	struct fork_pair pair = { .from = text };
	struct err *e = fork_parse(text, &volume, &snap);

	if (!e && !snap)
		e = err_hint(err_status(err_new(0, "%s is not the name of a snapshot", text), 1),
			     "snapshots are written VOLUME@SNAPSHOT");
	if (e)
		return e;
	old = openat(st->volumes, volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) < 0)
		return err_hint(err_status(err_new(0, "volume %s is in use", volume), 1),
				"stop the container first");
	/* the restored one is made aside under a name that no user can give */
	aside = xasprintf("restore-%s", volume);
	err_free(volume_remove(st, aside)); /* of a restore that was killed */
	pair.to = aside;
	e = fork_volumes(st, &pair, 1, NULL);
	if (!e && old >= 0)
		e = trash_volume(st, volume, "volume snapshot restore", NULL);
	if (!e && renameat2(st->volumes, aside, st->volumes, volume, RENAME_NOREPLACE) < 0)
		e = err_new(errno, "putting it into place");
	return err_wrap(e, "restoring %s", text);
}

struct err *fork_prepare(struct store *st, const char *volume)
{
	bool created;

	return volume_ensure(st, volume, false, &created);
}

/* --- looking ---------------------------------------------------------------------------------- */

static struct err *size_inside(void *arg, struct str *result)
{
	const int *dir = arg;

	str_addf(result, "%llu", (unsigned long long)fd_tree_size(*dir, "data"));
	return NULL;
}

static struct err *data_bytes(struct store *st, int dir, uint64_t *ret)
{
	_cleanup_str_ struct str text = { 0 };
	struct err *e = userns_call(&st->ids, size_inside, &dir, &text);

	return e ?: str_to_u64(text.s ?: "0", 0, UINT64_MAX, ret);
}

struct err *fork_info(struct store *st, const char *text, struct fork_info *ret)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	_cleanup_close_ int dir = -1;
	struct fork_info i = { 0 };
	struct err *e = fork_open(st, text, &dir);

	e = e ?: forkrec_read(dir, ".", &r);
	e = e ?: data_bytes(st, dir, &i.own_bytes);
	if (e)
		return e;
	i.method = r.method;
	i.from = TAKE_PTR(r.from);
	i.made_ns = r.made_ns;
	i.thin = r.thin;
	i.seen_bytes = i.own_bytes;
	*ret = i;
	return NULL;
}

void fork_info_done(struct fork_info *i)
{
	free(TAKE_PTR(i->from));
}

struct err *fork_chain(struct store *st, const char *volume, struct fork_chain *ret)
{
	_cleanup_free_ char *data = xasprintf("%s/data", volume);

	*ret = (struct fork_chain){ .n = 0 };
	ret->n = 1;
	return fd_open(st->volumes, data, O_PATH | O_DIRECTORY, 0, &ret->fds[0]);
}

void fork_chain_done(struct fork_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	c->n = 0;
}

struct err *fork_diff_size(struct store *st, const char *a, const char *b, uint64_t *ret_a_bytes,
			   uint64_t *ret_b_bytes)
{
	_cleanup_close_ int da = -1, db = -1;
	struct err *e = fork_open(st, a, &da);

	e = e ?: fork_open(st, b, &db);
	e = e ?: data_bytes(st, da, ret_a_bytes);
	return e ?: data_bytes(st, db, ret_b_bytes);
}

/* --- sealed trees that nobody needs ----------------------------------------------------------- */

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

static struct err *note_parent(int dir, const char *name, void *arg)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	struct err *e = forkrec_read(dir, name, &r);

	if (!e && *r.parent)
		strv_add(arg, r.parent);
	return e;
}

static struct err *note_trashed(int dir, const char *name, void *arg)
{
	_cleanup_free_ char *what = xasprintf("%s/what", name);

	return note_parent(dir, what, arg);
}

/* The parent of each tree there is: once for each child.  The store's lock is held. */
static struct err *all_parents(struct store *st, struct strv *ret)
{
	struct err *e = for_each_dir(st->volumes, note_parent, ret);

	e = e ?: for_each_dir(st->sealed, note_parent, ret);
	e = e ?: for_each_dir(st->trash, note_trashed, ret);
	return e ?: for_each_dir(st->tmp, note_parent, ret);
}

struct sweep {
	struct store *st;
	struct strv parents;
	size_t removed;
};

static struct err *sweep_one(int dir, const char *name, void *arg)
{
	_cleanup_free_ char *snapshot = xasprintf("%s/snapshot.json", name), *gone = NULL;
	struct sweep *s = arg;

	if (strv_has(&s->parents, name) || faccessat(dir, snapshot, F_OK, 0) == 0)
		return NULL;
	gone = xasprintf("rm.%s", name);
	if (renameat(dir, name, s->st->tmp, gone) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "removing a sealed tree");
	s->removed++;
	return store_rm_tree(s->st, s->st->tmp, gone);
}

struct err *fork_tidy(struct store *st)
{
	struct sweep s = { .st = st };
	struct err *e = NULL;

	do { /* a tree that goes may be the last child of another */
		_cleanup_close_ int lock = -1;

		s.removed = 0;
		e = store_lock(st, &lock);
		e = e ?: all_parents(st, &s.parents);
		e = e ?: for_each_dir(st->sealed, sweep_one, &s);
		strv_done(&s.parents);
	} while (!e && s.removed);
	return e;
}

static struct err *sealed_inside(void *arg, struct str *result)
{
	const int *dir = arg;

	str_addf(result, "%llu", (unsigned long long)fd_tree_size(*dir, "."));
	return NULL;
}

uint64_t fork_sealed_bytes(struct store *st)
{
	_cleanup_str_ struct str text = { 0 };
	uint64_t n = 0;
	struct err *e = userns_call(&st->ids, sealed_inside, &st->sealed, &text);

	e = e ?: str_to_u64(text.s ?: "0", 0, UINT64_MAX, &n);
	err_free(e); /* only a number for people */
	return n;
}
