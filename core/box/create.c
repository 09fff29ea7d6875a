/* box_create() of box.h: what is checked and made before a container is there. */
#include "core/box/box.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/apisock.h"
#include "core/box/initcache.h"
#include "core/box/keepid.h"
#include "core/box/netresolve.h"
#include "core/box/recipe.h"
#include "core/box/record.h"
#include "core/box/security.h"
#include "core/box/state.h"
#include "core/store/names.h"
#include "core/store/volume.h"

enum { NAME_TRIES = 20, PASSWORD_MAX = 4096 };

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
	const char *with = strv_env(&s->labels, LABEL_WITH);
	_cleanup_strv_ struct strv labels = { 0 };
	bool all_new = true;
	struct err *e = NULL;

	if (with)
		strv_addf(&labels, LABEL_WITH "=%s", with);
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
		e = volume_create(st, m->source, m->anonymous, &labels, &created[i]);
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
