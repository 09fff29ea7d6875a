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
#include <sys/xattr.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/cow/merge.h"
#include "core/cow/mount.h"
#include "core/cow/serve.h"
#include "core/store/events.h"
#include "core/store/forkrec.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

enum { DEPTH_MAX = 60000 };

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
	char made_id[SEALED_ID_LEN + 1]; /* where a snapshot is */
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
	_cleanup_free_ char *name = NULL, *line = NULL;
	_cleanup_close_ int dir = -1;
	struct err *e;

	if (can_reflink(st)) {
		*ret_why = xstrdup("the file system shares blocks between files (reflink)");
		return FORK_REFLINK;
	}
	e = store_stage(st, "cow", &name, &dir);
	e = e ?: cow_possible(dir);
	if (name)
		e = err_also(e, store_rm_tree(st, st->tmp, name));
	if (!e) {
		*ret_why = xstrdup(
			"blocks are copied when they are written, by a file system of devbox's own (FUSE)");
		return FORK_COW;
	}
	line = err_line(e);
	err_free(e);
	*ret_why = xasprintf("no reflinks, and %s", line);
	return FORK_COPY;
}

struct is_small {
	int dir;
	uint64_t left;
};

static struct err *measure_small(void *arg, struct str *result)
{
	struct is_small *a = arg;

	str_addc(result, fd_tree_size(a->dir, "data") <= FORK_SMALL_BYTES ? 'y' : 'n');
	return NULL;
}

static struct err *is_small(struct store *st, int dir, bool *ret)
{
	_cleanup_str_ struct str answer = { 0 };
	struct is_small a = { .dir = dir };
	struct err *e = userns_call(&st->ids, measure_small, &a, &answer);

	*ret = !e && answer.len && *answer.s == 'y';
	return e;
}

static struct err *choose(struct store *st, struct job *j, enum fork_method here)
{
	bool small = false;
	struct err *e = NULL;

	if (j->rec.thin || here != FORK_COW || j->in_use || j->pair->plain) {
		j->pair->method = j->rec.thin ? FORK_COW : here == FORK_COW ? FORK_COPY : here;
		return NULL;
	}
	e = is_small(st, j->dir, &small);
	j->pair->method = small ? FORK_COPY : FORK_COW;
	return e;
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
	if (j->snap)
		return err_status(err_new(0, "%s is a snapshot already", j->pair->from), 1);
	e = snapshot_find(st, j->to_volume, j->to_snap, id);
	return e
		       ?: *id ? err_status(err_new(0, "snapshot %s exists already", j->pair->to), 1)
			      : NULL;
}

static struct err *make_data(struct store *st, int dir)
{
	if (mkdirat(dir, "data", 0755) < 0)
		return err_new(errno, "making a directory");
	if (st->ids.direct &&
	    fchownat(dir, "data", st->ids.root_uid, st->ids.root_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "giving its data to uid %u", st->ids.root_uid);
	return NULL;
}

/* The directory that has volume.json and, soon, data/. */
static struct err *stage_target(struct store *st, struct job *j)
{
	struct err *e;

	if (j->to_snap && j->pair->method == FORK_COW)
		return NULL; /* the sealed tree itself will be it */
	e = store_stage(st, "fork", &j->stage, &j->stage_dir);
	e = e ?: make_data(st, j->stage_dir);
	return e
		       ?: j->to_snap
			  ? snapshot_write(j->stage_dir, j->to_volume, j->to_snap)
			  : volume_write_record(j->stage_dir, j->to_volume, false, j->pair->labels);
}

/* Exclusively if nobody uses it.  Shared locks of others: it is in use.  An exclusive one: another fork, or tidying,
 * which is waited for; the volume can have another directory then. */
static struct err *lock_source(struct store *st, struct job *j)
{
	struct stat a, b;

	for (;;) {
		struct err *e;

		j->in_use = false;
		if (flock(j->dir, LOCK_EX | LOCK_NB) < 0) {
			j->in_use = errno == EWOULDBLOCK && flock(j->dir, LOCK_SH | LOCK_NB) == 0;
			if (!j->in_use && flock(j->dir, LOCK_EX) < 0 && errno != EINTR)
				return err_new(errno, "locking volume %s", j->volume);
		}
		if (fstat(j->dir, &a) == 0 &&
		    fstatat(st->volumes, j->volume, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino)
			return NULL;
		close(TAKE_FD(j->dir));
		e = fork_open(st, j->volume, &j->dir);
		if (e)
			return e;
	}
}

static struct err *plan_one(struct store *st, struct job *j, enum fork_method here)
{
	struct err *e = fork_parse(j->pair->from, &j->volume, &j->snap);

	e = e ?: check_target(st, j);
	e = e ?: fork_open(st, j->pair->from, &j->dir);
	if (!e && !j->snap)
		e = lock_source(st, j);
	e = e ?: forkrec_read(j->dir, ".", &j->rec);
	e = e ?: choose(st, j, here);
	return e ?: stage_target(st, j);
}

/* --- steps 2 and 4: copying ------------------------------------------------------------------- */

struct copy_arg {
	int src, dst;
	enum { COPY_STILL, COPY_LIVE, COPY_AGAIN } how;
};

static struct err *copy_inside(void *arg, struct str *result UNUSED)
{
	struct copy_arg *a = arg;

	return a->how == COPY_AGAIN  ? copy_again(a->src, a->dst)
	       : a->how == COPY_LIVE ? copy_live(a->src, a->dst)
				     : copy_tree(a->src, a->dst);
}

static struct err *copy_data(struct store *st, struct job *j, int how)
{
	_cleanup_close_ int src = -1, dst = -1;
	struct copy_arg a;
	struct err *e;

	e = fd_open(j->dir, "data", O_PATH | O_DIRECTORY, 0, &src);
	e = e ?: fd_open(j->stage_dir, "data", O_PATH | O_DIRECTORY, 0, &dst);
	a = (struct copy_arg){ .src = src, .dst = dst, .how = how };
	return e ?: userns_call(&st->ids, copy_inside, &a, NULL);
}

static bool copies_first(const struct job *j)
{
	return j->pair->method == FORK_COPY && j->in_use;
}

/* --- step 4: sealing -------------------------------------------------------------------------- */

/* A thin top that was never mounted: it has nothing of its own, not even a link at its root. */
static bool is_fresh(const struct job *j)
{
	_cleanup_close_ int data = openat(j->dir, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char byte;

	return j->rec.thin && *j->rec.parent && data >= 0 &&
	       fgetxattr(data, LINK_XATTR, &byte, 0) < 0 && errno == ENODATA;
}

/* All that the volume's new directory needs. */
static struct err *fill_top(struct store *st, const struct job *j, int dir, const char *parent)
{
	const struct forkrec r = { .thin = true,
				   .stays_thin = j->rec.stays_thin,
				   .depth = j->rec.depth + 1,
				   .method = j->rec.method,
				   .from = j->rec.from,
				   .made_ns = j->rec.made_ns };
	struct forkrec top = r;
	struct err *e;

	snprintf(top.parent, sizeof(top.parent), "%s", parent);
	e = make_data(st, dir);
	/* the same file: it is never written, only replaced */
	if (!e && linkat(j->dir, "volume.json", dir, "volume.json", 0) < 0)
		e = err_new(errno, "taking over the volume's record");
	e = e ?: forkrec_write(dir, &top);
	return e ?: forkrec_sync(dir);
}

static struct err *root_inside(void *arg, struct str *result UNUSED)
{
	return cow_root_make(arg);
}

/* A sealed tree is opened by its root's link: give it one if it was never mounted. */
static struct err *make_root(struct store *st, struct job *j)
{
	struct cow_dirs dirs = { .n = 0 };
	struct err *e;

	if (!j->rec.thin || j->in_use)
		return NULL;
	e = fork_dirs(st, j->dir, &dirs);
	e = e ?: userns_call(&st->ids, root_inside, &dirs, NULL);
	fork_dirs_done(&dirs);
	return e;
}

/* Its process goes on above the new top; DIR is locked for it.  *RET_ALONE: there is none, after all. */
static struct err *seal_mounted(struct store *st, const struct job *j, int dir)
{
	_cleanup_close_ UNUSED int held = fcntl(dir, F_DUPFD_CLOEXEC, 3); /* the lock, until we return */
	_cleanup_close_ int conn = -1;
	struct err *e = cow_connect(st->cow, j->volume, &conn);

	if (e || conn < 0)
		return e;
	e = cow_serve_seal(conn, dir, j->rec.depth + 1);
	if (err_is(e, EMLINK)) {
		err_free(e);
		return err_hint(err_new(EMLINK,
					"volume %s has %d layers, and more do not fit while it is in use",
					j->volume, COW_TREES_MAX - 1),
				"stop its container: the layers are merged then");
	}
	if (err_is(e, ECONNRESET) || err_is(e, EPIPE)) {
		err_free(e); /* it has just ended: nobody uses the volume any more */
		e = NULL;
	}
	return e;
}

static struct err *exchange(struct store *st, const char *id, const char *volume)
{
	if (renameat2(st->sealed, id, st->volumes, volume, RENAME_EXCHANGE) < 0)
		return err_new(errno, "sealing volume %s", volume);
	return NULL;
}

/* The store's lock is held: fork_tidy() must not see what lies in sealed/ for a moment. */
static struct err *seal_volume(struct store *st, struct job *j)
{
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int top = -1, locked = -1;
	struct err *e;

	if (j->rec.depth + 1 > DEPTH_MAX)
		return err_new(0, "volume %s was forked too often", j->volume);
	sealed_make_id(j->parent);
	j->parent_depth = j->rec.depth;
	e = make_root(st, j);
	e = e ?: store_stage(st, "seal", &stage, &top);
	e = e ?: fill_top(st, j, top, j->parent);
	/* a lock of its own: the staging area's is exclusive */
	e = e ?: fd_open(top, ".", O_RDONLY | O_DIRECTORY, 0, &locked);
	if (!e && renameat2(st->tmp, stage, st->sealed, j->parent, RENAME_NOREPLACE) < 0)
		e = err_new(errno, "sealing volume %s", j->volume);
	if (e)
		return stage ? err_also(e, store_rm_tree(st, st->tmp, stage)) : e;
	close(TAKE_FD(top));
	if (flock(locked, LOCK_SH) < 0)
		e = err_new(errno, "locking volume %s", j->volume);
	e = e ?: exchange(st, j->parent, j->volume);
	if (!e && j->in_use) {
		e = seal_mounted(st, j, locked);
		if (e) /* nothing has changed there: back to how it was */
			e = err_also(e, exchange(st, j->parent, j->volume));
	}
	return e;
}

static struct err *write_fork_record(const struct job *j)
{
	struct forkrec r = { .method = j->pair->method,
			     .from = (char *)(uintptr_t)j->pair->from,
			     .made_ns = time_now_ns() };

	if (r.method == FORK_COW) {
		r.thin = true;
		r.stays_thin = j->rec.stays_thin;
		r.depth = j->parent_depth + 1;
		snprintf(r.parent, sizeof(r.parent), "%s", j->parent);
	}
	return forkrec_write(j->stage_dir, &r) ?: forkrec_sync(j->stage_dir);
}

static struct err *take_cow(struct store *st, struct job *j)
{
	_cleanup_close_ int lock = -1;
	struct err *e = store_lock(st, &lock);

	if (!e && j->snap) {
		e = snapshot_find(st, j->volume, j->snap, j->parent);
		j->parent_depth = j->rec.depth;
		if (!e && !*j->parent)
			e = err_new(0, "snapshot %s was removed meanwhile", j->pair->from);
	} else if (!e && !j->in_use && !j->to_snap && is_fresh(j)) {
		snprintf(j->parent, sizeof(j->parent), "%s", j->rec.parent);
		j->parent_depth = j->rec.depth - 1;
	} else {
		e = e ?: seal_volume(st, j);
	}
	if (!e && j->to_snap) {
		_cleanup_close_ int dir = -1;

		snprintf(j->made_id, sizeof(j->made_id), "%s", j->parent);
		e = fd_open(st->sealed, j->parent, O_RDONLY | O_DIRECTORY, 0, &dir);
		e = e ?: snapshot_write(dir, j->to_volume, j->to_snap);
		j->published = !e;
		return e;
	}
	return e ?: write_fork_record(j);
}

static struct err *flatten_inside(void *arg, struct str *result UNUSED)
{
	return cow_flatten(arg, 0);
}

static struct err *links_inside(void *arg, struct str *result UNUSED)
{
	const int *dir = arg;

	return fd_rm_tree(*dir, "links");
}

/* A thin fork that shall be plain: everything is copied up, when the containers go on already. */
static struct err *flatten(struct store *st, struct job *j)
{
	struct forkrec r = { .method = FORK_COPY,
			     .from = (char *)(uintptr_t)j->pair->from,
			     .made_ns = time_now_ns() };
	struct cow_dirs dirs = { .n = 0 };
	struct err *e;

	if (!j->pair->plain || j->to_snap || j->pair->method != FORK_COW)
		return NULL;
	e = fork_dirs(st, j->stage_dir, &dirs);
	e = e ?: userns_call(&st->ids, flatten_inside, &dirs, NULL);
	fork_dirs_done(&dirs);
	e = e ?: forkrec_write(j->stage_dir, &r) ?: forkrec_sync(j->stage_dir);
	j->pair->method = FORK_COPY;
	return e ?: userns_call(&st->ids, links_inside, &j->stage_dir, NULL);
}

static struct err *take_one(struct store *st, struct job *j)
{
	struct err *e;

	if (j->pair->method == FORK_COW)
		return take_cow(st, j);
	e = copy_data(st, j, copies_first(j) ? COPY_AGAIN : COPY_STILL);
	return e ?: write_fork_record(j);
}

/* --- step 6 ----------------------------------------------------------------------------------- */

static struct err *publish_one(struct store *st, struct job *j)
{
	int to = j->to_snap ? st->sealed : st->volumes;
	const char *name = j->to_volume;

	if (j->published)
		return NULL;
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

static bool needs_stop(const struct job *j, size_t n)
{
	return j->in_use && (n > 1 || j->pair->method != FORK_COW);
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
		stop |= needs_stop(&jobs[i], n);
	}
	for (size_t i = 0; i < n && !e; i++)
		if (copies_first(&jobs[i]))
			e = copy_data(st, &jobs[i], COPY_LIVE);
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
		e = flatten(st, &jobs[i]);
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
	_cleanup_free_ char *volume = NULL, *snap = NULL, *aside = NULL, *place = NULL;
	_cleanup_strv_ struct strv labels = { 0 };
	_cleanup_close_ int old = -1;
	struct fork_pair pair = { .from = text, .labels = &labels };
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
	if (old >= 0)
		volume_labels(st, volume, &labels);
	/* the restored one is made aside under a name that no user can give */
	aside = xasprintf("restore-%s", volume);
	err_free(volume_remove(st, aside)); /* of a restore that was killed before it had changed anything */
	pair.to = aside;
	e = fork_volumes(st, &pair, 1, NULL);
	place = xasprintf("volumes/%s", aside);
	e = e ?: trash_swap(st, volume, place, "snapshot restore", NULL);
	return err_wrap(e, "restoring %s", text);
}

/* Is data/ of DIR empty, and still the user's own? */
static bool is_unused(int dir)
{
	_cleanup_close_ int data = openat(dir, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = data < 0 ? NULL : fd_opendir(data);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			return false;
	return d != NULL;
}

struct err *fork_prepare(struct store *st, const char *volume)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	_cleanup_free_ char *why = NULL;
	_cleanup_close_ int dir = -1;
	bool created;
	struct err *e = volume_ensure(st, volume, false, &created);

	e = e ?: fd_open(st->volumes, volume, O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: forkrec_read(dir, ".", &r);
	if (e || r.thin || fork_method_here(st, &why) != FORK_COW || flock(dir, LOCK_EX | LOCK_NB) < 0)
		return e;
	if (!is_unused(dir))
		return NULL;
	r.thin = r.stays_thin = true;
	r.depth = 1;
	r.made_ns = time_now_ns();
	return forkrec_write(dir, &r) ?: forkrec_sync(dir);
}
