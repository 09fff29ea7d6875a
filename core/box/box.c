#include "core/box/box.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/apisock.h"
#include "core/box/control.h"
#include "core/box/initcache.h"
#include "core/box/keepid.h"
#include "core/box/monitor.h"
#include "core/box/netresolve.h"
#include "core/box/procs.h"
#include "core/box/recipe.h"
#include "core/box/record.h"
#include "core/box/security.h"
#include "core/box/state.h"
#include "core/store/names.h"
#include "core/store/volume.h"
#include "slirp/relay.h"

enum {
	LOCK_WAIT_MS = 30000, /* a monitor of an earlier run may still be unmounting */
	LOCK_STEP_MS = 2,
	NAME_TRIES = 20,
	PASSWORD_MAX = 4096,
};

void box_free(struct box *b)
{
	if (!b)
		return;
	spec_done(&b->spec);
	state_done(&b->state);
	strv_done(&b->notes);
	if (b->dir >= 0)
		close(b->dir);
	free(b);
}

/* -- making ---------------------------------------------------------------------------------------------------- */

static struct err *own_subdir(const struct store *st, int dir, const char *name)
{
	/* upper's mode and owner are those of the container's "/" */
	if (mkdirat(dir, name, 0755) < 0 ||
	    (st->ids.direct && fchownat(dir, name, st->ids.root_uid, st->ids.root_gid, 0) < 0))
		return err_new(errno, "making the container's directory %s", name);
	return NULL;
}

static struct err *check_device(const char *path)
{
	struct stat st;
	struct err *e = NULL;

	if (stat(path, &st) < 0)
		e = err_new(errno, "%s", path);
	else if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode) && !S_ISDIR(st.st_mode))
		e = err_new(0, "%s: not a device node", path);
	else if (access(path, S_ISDIR(st.st_mode) ? R_OK : R_OK | W_OK) < 0)
		e = err_hint(err_new(errno, "%s", path),
			     "a container can only use the devices that you may open yourself");
	return err_wrap(e, "error gathering device information while adding custom device");
}

/* What to do where a bind source cannot be had. */
static struct err *instead_of(const struct mount_spec *m, struct err *e)
{
	return err_hint(e, "it is not yours: use a named volume instead, -v NAME:%s", m->target);
}

/* A directory that the user may neither list nor enter is of no use in a container either. */
static bool is_closed(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && access(path, R_OK) < 0 &&
	       access(path, X_OK) < 0 && errno == EACCES;
}

/* A missing bind source becomes a directory, as Docker's -v has it; --mount wants it to be there. */
static struct err *make_source(const struct mount_spec *m)
{
	const char *path = m->source;
	_cleanup_close_ int root = -1;
	struct err *e;

	if (m->device)
		return check_device(path);
	if (apisock_stands_in(m))
		return NULL;
	if (is_closed(path))
		return instead_of(m, err_new(EACCES, "bind source %s", path));
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return NULL; /* what is wrong with it shows at start, with the right words */
	if (m->by_mount)
		return err_new(0, "invalid mount config for type \"bind\": bind source path does not exist: %s",
			       path);
	e = fd_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, &root);
	e = e ?: fd_mkdir_p(root, path, 0755, NULL);
	return e ? instead_of(m, err_wrap(e, "making the bind mount's source")) : NULL;
}

/* A database gives its data's directory to a user of its own first of all, and ends if it cannot. */
static struct err *check_data(const struct spec *s, const struct image *img)
{
	for (size_t i = 0; s->recipe && i < s->mounts.n; i++) {
		const struct mount_spec *m = &s->mounts.v[i];
		size_t len = strlen(m->target);

		if (m->type != MOUNT_BIND || m->read_only)
			continue;
		for (size_t k = 0; k < img->volumes.n; k++) {
			const char *data = img->volumes.v[k];

			if (!strncmp(data, m->target, len) && (!data[len] || data[len] == '/') &&
			    access(m->source, F_OK) == 0 && access(m->source, W_OK) < 0)
				return instead_of(m, err_new(errno, "bind source %s", m->source));
		}
	}
	return NULL;
}

/* A database keeps the password it was set up with: data in a named volume outlives the container whose environment
 * says it.  So the password is kept beside the data (0600), and taken when the next container is given none. */
static struct err *volume_password(struct box *b, const char *volume, bool created)
{
	const struct recipe *r = b->spec.recipe ? recipe_by_name(b->spec.recipe) : NULL;
	_cleanup_free_ char *file = xasprintf("%s/password", volume), *kept = NULL;
	_cleanup_strv_ struct strv env = { 0 };
	struct db_access a;
	struct err *e;

	if (!r)
		return NULL;
	if (created) {
		_cleanup_close_ int dir = -1;

		recipe_access(r, &b->spec.env, &b->spec.cmd, "", 0, &a);
		e = fd_open(b->st->volumes, volume, O_RDONLY | O_DIRECTORY, 0, &dir);
		if (!e && a.password)
			e = fd_write_atomic(dir, "password", a.password, strlen(a.password), 0600,
					    false);
		db_access_done(&a);
		return e;
	}
	if (!b->spec.made_password)
		return NULL; /* the user knows better */
	e = fd_read_file(b->st->volumes, file, PASSWORD_MAX, &kept, NULL);
	if (e) {
		err_free(e);
		strv_addf(&b->notes,
			  "volume %s was made without a database's password: what its data was set up with still holds",
			  volume);
		return NULL;
	}
	recipe_add_password(r, kept, &env);
	for (size_t i = 0; i < env.n; i++)
		strv_env_set(&b->spec.env, env.v[i]);
	return NULL;
}

/* What the set-up of its database would come to, if that is known; else it is to be remembered.  The volumes are
 * new. */
static struct err *from_init_cache(struct box *b)
{
	_cleanup_free_ char *key = NULL;
	struct err *e = initcache_key(b->st, &b->spec, &key);

	if (!key)
		return e;
	e = initcache_fill(b->st, key, &b->spec, &b->from_init_cache);
	if (!e && !b->from_init_cache)
		b->spec.init_key = TAKE_PTR(key);
	return e;
}

static struct err *make_mounts(struct box *b, bool init_cache)
{
	struct store *st = b->st;
	struct spec *s = &b->spec;
	_cleanup_free_ bool *created = xcalloc(s->mounts.n + 1, sizeof(*created));
	bool all_new = true;
	struct err *e = NULL;

	for (size_t i = 0; i < s->mounts.n && !e; i++) {
		struct mount_spec *m = &s->mounts.v[i];

		if (m->type == MOUNT_BIND)
			e = make_source(m);
		if (m->type != MOUNT_VOLUME)
			continue;
		if (!m->source || !*m->source) {
			free(m->source);
			m->source = volume_make_name();
			m->anonymous = true;
		}
		e = volume_ensure(st, m->source, m->anonymous, &created[i]);
		all_new &= created[i];
	}
	if (init_cache && all_new)
		e = e ?: from_init_cache(b);
	for (size_t i = 0; i < s->mounts.n && !e; i++)
		if (s->mounts.v[i].type == MOUNT_VOLUME && !s->mounts.v[i].anonymous)
			e = volume_password(b, s->mounts.v[i].source, created[i]);
	return e;
}

/* --volumes-from: later containers win over earlier ones, an own target over both (spec_resolve()). */
static struct err *inherit_mounts(struct store *st, struct run_request *req)
{
	struct err *e = NULL;

	for (size_t i = req->volumes_from.n; i-- > 0 && !e;) {
		_cleanup_free_ char *name = NULL;
		struct box *from = NULL;
		bool read_only = false;

		e = mount_parse_from(req->volumes_from.v[i], &name, &read_only);
		e = e ?: box_find(st, name, &from);
		for (size_t k = 0; !e && k < from->spec.mounts.n; k++) {
			struct mounts one = { .v = &from->spec.mounts.v[k], .n = 1 };
			struct mount_spec *m;

			if (one.v->type == MOUNT_TMPFS || one.v->device)
				continue; /* its memory is that container's */
			mounts_copy(&req->inherited, &one);
			m = &req->inherited.v[req->inherited.n - 1];
			m->no_copy = true;
			m->chown = false;
			m->read_only |= read_only;
		}
		box_free(from);
	}
	return err_wrap(e, "volumes-from");
}

static void drop_mounts(struct store *st, const struct spec *s)
{
	for (size_t i = 0; i < s->mounts.n; i++)
		if (s->mounts.v[i].anonymous && s->mounts.v[i].source && *s->mounts.v[i].source &&
		    !box_uses_volume(st, s->mounts.v[i].source))
			err_free(volume_remove(st, s->mounts.v[i].source)); /* the first error counts */
}

/* Name and directory appear together, under the store's lock. */
static struct err *put_in_place(struct store *st, struct spec *s, const char *stage, bool name_given)
{
	_cleanup_close_ int lock = -1;
	struct err *e = store_lock(st, &lock);

	if (e)
		return e;
	for (int i = 0; !name_given && i < NAME_TRIES &&
			faccessat(st->names, s->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	     i++) {
		free(s->name);
		s->name = name_make();
	}
	e = name_claim(st, s->name, s->id);
	if (!e && renameat(st->tmp, stage, st->containers, s->id) < 0) {
		e = err_new(errno, "putting the container into place");
		name_release(st, s->name, s->id);
	}
	return e;
}

/* A profile that cannot be used shows now, not at the first start. */
static struct err *check_filter(const struct spec *s)
{
	_cleanup_free_ void *filter = NULL;
	size_t len;

	return s->seccomp ? security_filter(s, false, &filter, &len) : NULL;
}

/* Who shares another container's network is in its user namespace, too. */
static struct err *share_userns(struct box *b)
{
	struct box *other = NULL;
	struct err *e = box_find(b->st, b->spec.net_container, &other);

	if (!e && b->spec.userns && !str_eq(b->spec.userns, other->spec.userns))
		e = err_new(0, "conflicting options: --userns %s and the network of container %s, which has %s",
			    b->spec.userns, other->spec.name, other->spec.userns ?: "none");
	if (!e && !b->spec.userns)
		b->spec.userns = xstrdup(other->spec.userns);
	box_free(other);
	return e;
}

static struct err *resolve_userns(struct box *b, const struct run_request *req)
{
	uint64_t copied = 0;
	struct err *e;

	if (req->userns && str_starts(req->userns, "keep-id"))
		b->spec.userns = xstrdup(req->userns);
	e = b->spec.net == NET_CONTAINER ? share_userns(b) : NULL;
	e = e ?: keepid_resolve(b->st, req, &b->spec, &b->ids, &copied);
	if (copied)
		strv_addf(&b->notes, "the image's files were copied for --userns keep-id, once: %llu MB",
			  (unsigned long long)((copied + 999999) / 1000000));
	return e;
}

static void free_box(struct box **b)
{
	box_free(*b);
}

struct err *box_create(struct store *st, const struct run_request *req, const struct image *img,
		       struct box **ret)
{
	struct box *b = xcalloc(1, sizeof(*b));
	_cleanup_free_ char *stage = NULL;
	struct state created = { .status = BOX_CREATED, .starting = req->starts };
	struct run_request full = *req;
	_cleanup_close_ int lock = -1; /* only to make the file */
	struct err *e = NULL;

	*b = (struct box){ .st = st, .dir = -1 };
	full.volumes_from = (struct strv){ 0 };
	full.inherited = (struct mounts){ 0 };
	if (req->name)
		e = name_check(req->name);
	if (req->name && !e && faccessat(st->names, req->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		_cleanup_(free_box) struct box *old = NULL;

		err_free(box_find(st, req->name, &old)); /* what nobody starts any more gives its name free */
	}
	strv_copy(&full.volumes_from, &req->volumes_from);
	e = e ?: inherit_mounts(st, &full);
	e = e ?: spec_resolve(&full, img, &b->spec);
	e = e ?: net_resolve(st, req, &b->spec);
	e = e ?: resolve_userns(b, req);
	strv_done(&full.volumes_from);
	mounts_done(&full.inherited);
	if (e) {
		box_free(b);
		return e;
	}
	b->spec.id = xmalloc(ID_LEN + 1);
	id_make(b->spec.id);
	b->spec.name = req->name ? xstrdup(req->name) : name_make();
	b->spec.created_ns = time_now_ns();
	if (!b->spec.hostname || !*b->spec.hostname) {
		free(b->spec.hostname);
		b->spec.hostname = xstrndup(b->spec.id, ID_SHORT);
	}
	e = check_filter(&b->spec);
	e = e ?: check_data(&b->spec, img);
	e = e ?: make_mounts(b, !req->no_init_cache);
	e = e ?: store_stage(st, "container", &stage, &b->dir);
	e = e ?: own_subdir(st, b->dir, "upper");
	e = e ?: own_subdir(st, b->dir, "work");
	e = e ?: own_subdir(st, b->dir, "root");
	e = e ?: lock_try(b->dir, "lock", false, &lock);
	e = e ?: record_write(b->dir, &b->spec, false);
	e = e ?: state_write(b->dir, &created, false);
	if (!e) {
		_cleanup_free_ char *name = xstrdup(b->spec.name);

		e = put_in_place(st, &b->spec, stage, req->name != NULL);
		if (!e && strcmp(name, b->spec.name)) /* the made-up name was taken: the record must say the other */
			e = record_write(b->dir, &b->spec, false);
	}
	if (e) {
		if (stage)
			err_free(store_rm_tree(st, st->tmp, stage)); /* else the next sweep does it */
		drop_mounts(st, &b->spec);
		box_free(b);
		return e;
	}
	if (!req->starts)
		flock(b->dir, LOCK_UN); /* it is no staging directory any more */
	b->state = created;
	box_event(st, &b->spec, "create", NULL);
	*ret = b;
	return NULL;
}

/* -- finding --------------------------------------------------------------------------------------------------- */

/* Under the container's lock, so there is no monitor now.  REMOVE: also what --rm promised, a little late. */
static struct err *correct_locked(struct box *b, bool remove)
{
	struct state *s = &b->state;
	struct err *e;

	state_done(s);
	e = state_read(b->dir, s); /* it may have ended in good order between our two looks */
	if (e || !state_is_up(s))
		return e;
	if (s->pid && proc_is(s->pid, s->pid_start, s->boot_id)) {
		_cleanup_close_ int pidfd = pidfd_open(s->pid, 0);

		if (pidfd >= 0 && proc_is(s->pid, s->pid_start, s->boot_id) &&
		    pidfd_signal(pidfd, SIGKILL) == 0) {
			struct pollfd p = { .fd = pidfd, .events = POLLIN };

			poll(&p, 1, 2000); /* so that its ports and mounts are gone when we return */
		}
	}
	if (s->status == BOX_RUNNING) { /* else its last end was told */
		s->exit_code = 137;
		s->finished_ns = time_now_ns();
	}
	s->status = BOX_EXITED;
	s->pid = s->monitor_pid = 0;
	s->ready = false;
	if (s->health.status)
		s->health.status = HEALTH_UNHEALTHY;
	ports_done(&s->published);
	if (remove)
		return box_erase(b->st, &b->spec, true)
			       ?: err_new(0, "No such container: %s", b->spec.name);
	err_free(state_write(b->dir, s, false)); /* the disk may be full: who looks next finds out again */
	return NULL;
}

/* "running" without a monitor: the monitor was killed, or the machine went down.  Say so in the record, and end what
 * may be left of the container. */
static struct err *correct_state(struct box *b)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	/* "run --rm" was killed between making and starting it */
	if (b->state.status == BOX_CREATED && b->state.starting && b->spec.auto_remove &&
	    flock(b->dir, LOCK_EX | LOCK_NB) == 0)
		return box_erase(b->st, &b->spec, true)
			       ?: err_new(0, "No such container: %s", b->spec.name);
	if (!state_is_up(&b->state) || lock_is_held(b->dir, "lock"))
		return NULL;
	e = lock_try_existing(b->dir, "lock", &lock);
	if (e || lock < 0)
		return e; /* somebody else is at it, or it is being removed */
	return correct_locked(b, b->spec.auto_remove);
}

static struct err *load(struct store *st, const char *id, struct box **ret)
{
	struct box *b = xcalloc(1, sizeof(*b));
	struct err *e;

	b->st = st;
	e = fd_open(st->containers, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &b->dir);
	if (e)
		b->dir = -1;
	e = e ?: record_read(b->dir, &b->spec);
	e = e ?: state_read(b->dir, &b->state);
	e = e ?: correct_state(b);
	if (!e)
		err_free(keepid_ids(st, b->spec.userns, &b->ids)); /* box_start() asks again */
	if (e) {
		box_free(b);
		return err_wrap(e, "reading the record of container %.12s", id);
	}
	*ret = b;
	return NULL;
}

struct err *box_find(struct store *st, const char *text, struct box **ret)
{
	char id[ID_LEN + 1];
	struct err *e = name_find(st, text, id);

	return e ?: load(st, id, ret);
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = (*(struct box *const *)a)->spec.created_ns,
		y = (*(struct box *const *)b)->spec.created_ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

struct err *box_list(struct store *st, struct box ***ret, size_t *ret_n)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	struct box **list = NULL;
	size_t n = 0, cap = 0;
	int dup = openat(st->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = dup < 0 ? NULL : fdopendir(dup);
	if (!d)
		return err_new(errno, "listing containers");
	while ((de = readdir(d)) != NULL) {
		struct box *b = NULL;
		struct err *e;

		if (strlen(de->d_name) != ID_LEN)
			continue;
		e = load(st, de->d_name, &b);
		if (e) { /* removed while we look, or a crash's garbage */
			err_free(e);
			continue;
		}
		list = xgrow(list, n, &cap, sizeof(struct box *));
		list[n++] = b;
	}
	if (n)
		qsort(list, n, sizeof(struct box *), newest_first);
	*ret = list;
	*ret_n = n;
	return NULL;
}

/* Records only: who asks may be a monitor, which has no business with other containers' states. */
static bool record_uses_volume(struct store *st, const char *id, const char *name)
{
	_cleanup_close_ int dir = -1;
	struct spec s = { 0 };
	bool used = false;
	struct err *e = fd_open(st->containers, id, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &dir);

	e = e ?: record_read(dir, &s);
	for (size_t i = 0; !e && !used && i < s.mounts.n; i++)
		used = s.mounts.v[i].type == MOUNT_VOLUME && str_eq(s.mounts.v[i].source, name);
	err_free(e); /* removed meanwhile, or a crash's garbage */
	spec_done(&s);
	return used;
}

bool box_uses_volume(struct store *st, const char *name)
{
	int dup = openat(st->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *de;
	bool used = false;

	while (d && !used && (de = readdir(d)) != NULL)
		used = strlen(de->d_name) == ID_LEN && record_uses_volume(st, de->d_name, name);
	return used;
}

struct err *box_refresh(struct box *b)
{
	state_done(&b->state);
	return state_read(b->dir, &b->state) ?: correct_state(b);
}

/* -- running --------------------------------------------------------------------------------------------------- */

/* flock(2) knows no time limit, and the holder's end sends no event we could wait for: a short step, for long. */
struct err *box_lock(struct box *b, int *ret_lock)
{
	int64_t end = time_mono_ms() + LOCK_WAIT_MS;
	struct err *e;

	for (;;) {
		e = lock_try_existing(b->dir, "lock", ret_lock);
		/* hidden by who is removing it: our descriptor still leads there */
		if (err_is(e, ENOENT) || (!e && faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0)) {
			err_free(e);
			return err_new(0, "No such container: %s", b->spec.name);
		}
		if (e)
			return e;
		if (*ret_lock >= 0)
			return correct_locked(b, b->spec.auto_remove);
		e = box_refresh(b);
		if (e || state_is_up(&b->state))
			return e;
		if (time_mono_ms() > end)
			return err_new(ETIMEDOUT, "container %s is busy", b->spec.name);
		poll(NULL, 0, LOCK_STEP_MS);
	}
}

struct err *box_start(struct box *b, int *ret_conn)
{
	_cleanup_close_ int lock = -1, ours = -1;
	struct ctl_msg msg;
	struct err *e;
	int fds[2];
	size_t len;
	pid_t pid;

	e = state_is_up(&b->state) ? NULL : box_lock(b, &lock);
	if (!e && lock < 0) /* it runs already */
		return ret_conn ? box_attach(b, ret_conn) : NULL;
	e = e ?: keepid_ids(b->st, b->spec.userns, &b->ids);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	pid = fork();
	if (pid < 0) {
		e = err_new(errno, "forking the container's monitor");
		close(fds[0]);
		close(fds[1]);
		return e;
	}
	if (pid == 0)
		monitor_main(b, TAKE_FD(lock), fds[1], ret_conn != NULL);
	close(fds[1]); /* or end of file would never come */
	ours = fds[0];
	e = ctl_recv(ours, &msg, &len, NULL);
	if (!e && msg.type == CTL_FAIL)
		e = err_recv(msg.data, len);
	else if (!e && msg.type != CTL_STARTED)
		e = err_new(0, "the container's monitor ended unexpectedly");
	if (e)
		return err_wrap(e, "starting container %s", b->spec.name);
	msg.data[len < CTL_DATA_MAX ? len : CTL_DATA_MAX - 1] = '\0';
	for (char *line, *rest = msg.data; (line = strsep(&rest, "\n")) != NULL;)
		if (*line)
			strv_add(&b->notes, line);
	err_free(box_refresh(b)); /* ended and removed already: what we know stays */
	if (ret_conn)
		*ret_conn = TAKE_FD(ours);
	return NULL;
}

/* Connect and send one request.  No monitor: *ret_sock is -1 and the result NULL. */
static struct err *ask(struct box *b, enum ctl_type type, uint32_t arg, int *ret_sock)
{
	_cleanup_close_ int sock = -1;
	struct err *e = ctl_connect(b->dir, &sock);

	*ret_sock = -1;
	if (err_is(e, ECONNREFUSED) || err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	e = e ?: ctl_send(sock, type, arg, NULL, 0, -1);
	if (err_is(e, EPIPE)) {
		err_free(e);
		return NULL;
	}
	if (!e)
		*ret_sock = TAKE_FD(sock);
	return e;
}

/* Wait for an answer of type WANT or EXITED; others are passed over.  The connection's end counts as EXITED. */
static struct err *answer(int sock, enum ctl_type want, struct ctl_msg *msg, int *ret_fd)
{
	struct err *e;
	size_t len;

	do {
		e = ctl_recv(sock, msg, &len, ret_fd);
		if (err_is(e, ECONNRESET)) { /* told once; what was sent before is still to be read */
			err_free(e);
			e = ctl_recv(sock, msg, &len, ret_fd);
		}
		if (!e && msg->type == CTL_FAIL)
			e = err_recv(msg->data, len);
	} while (!e && msg->type && msg->type != want && msg->type != CTL_EXITED);
	return e;
}

static struct err *not_running(const struct box *b)
{
	return err_new(0, "container %s is not running", b->spec.id);
}

struct err *box_stop(struct box *b, int timeout_s)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = NULL;

	if (box_is_paused(b)) /* what stands still cannot end in good order */
		e = box_unpause(b);
	e = e ?: ask(b, CTL_STOP, timeout_s < 0 ? CTL_STOP_DEFAULT : (uint32_t)timeout_s, &sock);
	if (!e && sock >= 0) {
		e = answer(sock, CTL_EXITED, &msg, NULL);
		box_event(b->st, &b->spec, "stop", NULL);
	}
	if (!e)
		err_free(box_refresh(b)); /* with --rm it is gone already */
	return err_wrap(e, "stopping container %s", b->spec.name);
}

struct err *box_keep(struct box *b)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = ask(b, CTL_KEEP, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	return err_wrap(e, "restarting container %s", b->spec.name);
}

struct err *box_kill(struct box *b, int sig)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_KILL, (uint32_t)sig, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (e)
		return err_wrap(e, "Cannot kill container %s", b->spec.name);
	return msg.type == CTL_OK
		       ? NULL
		       : err_wrap(not_running(b), "Cannot kill container: %s", b->spec.name);
}

static struct err *put_restart(UNUSED struct box *b, struct spec *s, void *policy)
{
	s->restart = *(const struct restart_policy *)policy;
	return NULL;
}

struct err *box_set_restart(struct box *b, const struct restart_policy *p)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e;

	if (b->spec.auto_remove && p->when != RESTART_NO)
		return err_new(0, "Restart policy cannot be updated because AutoRemove is enabled for the container");
	e = record_change(b, put_restart, (void *)p);
	e = e ?: ask(b, CTL_RESTARTS, restart_pack(p), &sock);
	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (!e)
		box_event(b->st, &b->spec, "update", NULL);
	return err_wrap(e, "updating container %s", b->spec.name);
}

struct err *box_wait(struct box *b, int *ret_code)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_WAIT, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_EXITED, &msg, NULL);
	if (e)
		return err_wrap(e, "waiting for container %s", b->spec.name);
	if (msg.type == CTL_EXITED) {
		*ret_code = (int)msg.arg;
		return NULL;
	}
	e = box_refresh(b);
	if (!e)
		*ret_code = b->state.exit_code;
	return e;
}

void box_traffic(struct box *b, uint64_t *ret_in, uint64_t *ret_out)
{
	_cleanup_close_ int sock = -1;
	struct relay_traffic t = { 0 };
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_TRAFFIC, 0, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, NULL);
	if (!e && msg.type == CTL_OK)
		memcpy(&t, msg.data, sizeof(t)); /* all zeroes if it came without */
	err_free(e);
	*ret_in = t.in;
	*ret_out = t.out;
}

struct err *box_wait_ready(struct box *b, unsigned timeout_s)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct timeval tv = { .tv_sec = timeout_s };
	struct err *e;

	if (!b->spec.recipe)
		return err_new(0, "container %s: devbox knows no readiness test for this image",
			       b->spec.name);
	e = ask(b, CTL_WAIT_READY, 0, &sock);
	if (e)
		return e;
	if (sock < 0)
		return not_running(b);
	if (timeout_s)
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	e = answer(sock, CTL_READY, &msg, NULL);
	if (err_is(e, EAGAIN)) {
		err_free(e);
		return err_hint(err_new(0, "container %s did not answer within %u s", b->spec.name,
					timeout_s),
				"devbox logs %s", b->spec.name);
	}
	if (!e && msg.type != CTL_READY)
		e = err_hint(err_new(0, "container %s ended (exit code %u) before it was ready",
				     b->spec.name, msg.type == CTL_EXITED ? msg.arg : 0),
			     "devbox logs %s", b->spec.name);
	return e;
}

struct err *box_attach(struct box *b, int *ret_conn)
{
	struct err *e = ask(b, CTL_ATTACH, 0, ret_conn);

	if (!e && *ret_conn < 0)
		e = not_running(b);
	if (!e)
		box_event(b->st, &b->spec, "attach", NULL);
	return e;
}

/* Its monitor does the work, the slow part of it after the answer. */
static struct err *kill_and_remove(struct box *b, bool volumes)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg;
	struct err *e = ask(b, CTL_REMOVE, volumes, &sock);

	if (!e && sock >= 0)
		e = answer(sock, CTL_EXITED, &msg, NULL);
	return e;
}

struct err *box_rm(struct box *b, bool force, bool volumes)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	do {
		if (state_is_up(&b->state)) {
			if (!force)
				return err_hint(
					err_new(0, "cannot remove container \"%s\": container is %s",
						b->spec.name, box_status_names[b->state.status]),
					"stop it first, or use -f");
			e = kill_and_remove(b, volumes);
			if (e || faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0)
				return e;
			/* it had just ended by itself, or its monitor was killed: by hand then */
		}
		e = box_lock(b, &lock);
		if (e && force && faccessat(b->st->containers, b->spec.id, F_OK, 0) < 0) {
			err_free(e); /* somebody else was at it */
			return NULL;
		}
	} while (!e && lock < 0); /* started meanwhile */
	return e ?: box_erase(b->st, &b->spec, volumes || b->spec.auto_remove);
}

struct err *box_init_pidfd(struct box *b, int *ret_pidfd)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	struct err *e = ask(b, CTL_INIT, 0, &sock);

	*ret_pidfd = -1;
	if (!e && sock >= 0)
		e = answer(sock, CTL_OK, &msg, ret_pidfd);
	return e ?: *ret_pidfd < 0 ? not_running(b) : NULL;
}

struct renaming {
	const char *to;
	char *from; /* the name in the record */
};

static struct err *put_name(struct box *b, struct spec *s, void *arg)
{
	struct renaming *r = arg;
	struct err *e = name_claim(b->st, r->to, s->id);

	if (e)
		return e;
	r->from = s->name;
	s->name = xstrdup(r->to);
	return NULL;
}

struct err *box_rename(struct box *b, const char *name)
{
	struct renaming r = { .to = name + (*name == '/') };
	_cleanup_free_ char *more = NULL;
	struct err *e;

	if (!*r.to)
		return err_new(0, "new name cannot be empty");
	e = name_check(r.to);
	if (!e && str_eq(r.to, b->spec.name))
		e = err_new(0, "Renaming a container with the same name as its current name");
	e = e ?: record_change(b, put_name, &r);
	if (!r.from)
		return e;
	name_release(b->st, e ? r.to : r.from, b->spec.id);
	more = xasprintf("oldName=/%s", r.from);
	free(r.from);
	if (e)
		return e;
	box_event(b->st, &b->spec, "rename", more);
	/* a monitor of an older devbox: the new name counts from its next start */
	err_free(box_tell(b, CTL_NETWORKS));
	return NULL;
}
