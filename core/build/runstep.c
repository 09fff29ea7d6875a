/* RUN: the same container as `run` makes, in the worker's user namespace (core/box/step.h).
 *
 * What --mount asks for is prepared below tmp/<dir>/<step>.* in the worker's mount namespace, which the container's
 * first process gets a copy of, and bound from there.  Secrets lie on a tmpfs of that namespace: they never reach a
 * disk, and are not there for anybody else. */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/box/caps.h"
#include "core/box/security.h"
#include "core/build/mirror.h"
#include "core/build/worker.h"
#include "registry/blob.h"
#include "slirp/resolv.h"

enum { PRIVATE_MAX = 1000, COMMAND_SHOWN = 500 };

struct run {
	struct worker *w;
	struct step *t;
	const char *name; /* of the step's directory */
	struct spec spec;
	struct strv mounted; /* names below the worker's directory to unmount */
	struct strv stubs; /* targets that may have been made to mount onto, and are no part of the layer */
	int *locks; /* of cache mounts */
	size_t n_locks;
	bool has_secrets;
	struct mirror mirror;
};

static struct mount_spec *add_bind(struct run *r, const char *source, const char *target, bool read_only)
{
	struct mount_spec *m = mounts_add(&r->spec.mounts);

	*m = (struct mount_spec){ .type = MOUNT_BIND,
				  .source = xstrdup(source),
				  .target = xstrdup(target),
				  .read_only = read_only };
	strv_add(&r->stubs, target + 1);
	return m;
}

/* -- bind -------------------------------------------------------------------------------------------------------- */

/* What is at SOURCE inside ROOT becomes reachable as tmp/<dir>/AT: bound onto a directory or file made there, because
 * a path through a hostile tree must not be walked again. */
static struct err *expose(struct run *r, int root, const char *source, const char *at, char **ret_path)
{
	_cleanup_close_ int fd = -1, tree = -1, target = -1;
	struct stat st;
	struct err *e = fd_open_in_root(root, source && *source ? source : ".", O_PATH, 0, &fd);

	if (e)
		return err_wrap(e, "source %s", source);
	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at %s", source);
	tree = (int)syscall(SYS_open_tree, fd, "",
			    AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return err_new(errno, "mounting %s", source);
	*ret_path = xasprintf("tmp/%s/%s", r->w->dir_name, at);
	if (S_ISDIR(st.st_mode) ? mkdir(*ret_path, 0755) < 0 : mknod(*ret_path, S_IFREG | 0644, 0) < 0)
		return err_new(errno, "making a place to mount %s", source);
	e = fd_open(AT_FDCWD, *ret_path, O_PATH, 0, &target);
	if (!e && syscall(SYS_move_mount, tree, "", target, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		e = err_new(errno, "mounting %s", source);
	if (!e)
		strv_add(&r->mounted, *ret_path);
	return e;
}

/* A stage's files under a throw-away top, so that "rw" changes nothing. */
static struct err *bind_stage(struct run *r, size_t nth)
{
	const struct step_mount *m = &r->t->mounts[nth];
	_cleanup_free_ char *from = xasprintf("%s.from%zu", r->name, nth);
	_cleanup_free_ char *at = xasprintf("%s.bind%zu", r->name, nth), *path = NULL, *root_path = NULL;
	_cleanup_close_ int root = -1;
	struct err *e = worker_mount(r->w, from, &m->from.stage->layers, &root);

	root_path = xasprintf("tmp/%s/%s/root", r->w->dir_name, from);
	if (!e)
		strv_add(&r->mounted, root_path);
	e = e ?: expose(r, root, m->source, at, &path);
	if (!e)
		add_bind(r, path, m->target, !m->read_write);
	return e;
}

/* A context is read with the caller's rights, which the container has not: its files are copied. */
static struct err *bind_context(struct run *r, size_t nth)
{
	const struct step_mount *m = &r->t->mounts[nth];
	_cleanup_free_ char *name = xasprintf("%s.ctx%zu", r->name, nth);
	_cleanup_free_ char *path = xasprintf("tmp/%s/%s/src", r->w->dir_name, name);
	_cleanup_close_ int dir = -1;
	struct err *e = NULL;

	if (mkdirat(r->w->dir, name, 0755) < 0)
		e = err_new(errno, "making a working directory");
	e = e ?: fd_open(r->w->dir, name, O_PATH | O_DIRECTORY, 0, &dir);
	e = e ?: copy_bind(r->w, r->t, (unsigned)nth | WIRE_MOUNT, &m->tree, dir);
	if (!e)
		add_bind(r, path, m->target, !m->read_write);
	return e;
}

/* -- cache ------------------------------------------------------------------------------------------------------- */

static struct err *lock_cache(struct run *r, const struct step_mount *m, int dir, struct str *name)
{
	size_t base = name->len;
	int lock = -1;
	struct err *e = NULL;

	for (int i = 0; i < PRIVATE_MAX && !e && lock < 0; i++) {
		_cleanup_free_ char *file = NULL;

		name->len = base;
		name->s[base] = '\0';
		if (i)
			str_addf(name, ".%d", i);
		file = xasprintf("%s.lock", name->s);
		e = lock_try(dir, file, m->sharing == SHARING_SHARED, &lock);
		if (!e && lock < 0 && m->sharing != SHARING_PRIVATE) {
			worker_note(r->w, r->t,
				    "waiting for another build that uses the same cache mount");
			e = lock_take(dir, file, m->sharing == SHARING_SHARED, &lock);
		}
	}
	if (!e && lock < 0)
		e = err_new(EBUSY, "more than %d private copies are in use", PRIVATE_MAX);
	if (e)
		return e;
	r->locks = xrealloc(r->locks, (r->n_locks + 1) * sizeof(int));
	r->locks[r->n_locks++] = lock;
	return NULL;
}

/* What is in it at first: --mount=type=cache,from=STAGE,source=PATH. */
static struct err *fill_cache(struct run *r, size_t nth, int cache)
{
	const struct step_mount *m = &r->t->mounts[nth];
	_cleanup_free_ char *from = xasprintf("%s.from%zu", r->name, nth);
	_cleanup_close_ int root = -1, src = -1;
	struct err *e;

	if (!m->from.stage)
		return NULL;
	e = worker_mount(r->w, from, &m->from.stage->layers, &root);
	e = e
		    ?: fd_open_in_root(root, m->source && *m->source ? m->source : ".",
				       O_RDONLY | O_DIRECTORY, 0, &src);
	e = e ?: copy_tree(src, cache);
	worker_unmount(r->w, from);
	return e;
}

static struct err *cache_mount(struct run *r, size_t nth)
{
	const struct step_mount *m = &r->t->mounts[nth];
	char digest[DIGEST_LEN + 1];
	_cleanup_close_ int dir = -1, own = -1;
	_cleanup_str_ struct str name = { 0 };
	_cleanup_free_ char *path = NULL;
	struct err *e;

	blob_digest(m->id, strlen(m->id), digest);
	str_add(&name, blob_name(digest));
	e = fd_mkdir_p(r->w->st.cache, "mounts", 0755, NULL);
	e = e ?: fd_open(r->w->st.cache, "mounts", O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: lock_cache(r, m, dir, &name);
	if (e)
		return err_wrap(e, "cache mount %s", m->id);
	if (mkdirat(dir, name.s, m->mode) == 0) {
		if ((m->uid || m->gid) && fchownat(dir, name.s, m->uid, m->gid, 0) < 0)
			e = err_new(errno, "giving cache mount %s its owner", m->id);
		e = e ?: fd_open(dir, name.s, O_RDONLY | O_DIRECTORY, 0, &own);
		e = e ?: fill_cache(r, nth, own);
	} else if (errno != EEXIST) {
		e = err_new(errno, "making cache mount %s", m->id);
	}
	path = xasprintf("cache/mounts/%s", name.s);
	if (!e)
		add_bind(r, path, m->target, !m->read_write);
	return e;
}

/* -- tmpfs, secret, ssh ------------------------------------------------------------------------------------------ */

static struct err *tmpfs_mount(struct run *r, const struct step_mount *m)
{
	struct mount_spec *to = mounts_add(&r->spec.mounts);
	struct str options = { 0 };

	str_addf(&options, "mode=%o", m->mode);
	if (m->size)
		str_addf(&options, ",size=%llu", (unsigned long long)m->size);
	*to = (struct mount_spec){ .type = MOUNT_TMPFS,
				   .target = xstrdup(m->target),
				   .options = str_take(&options),
				   .read_only = !m->read_write,
				   .exec = true };
	strv_add(&r->stubs, m->target + 1);
	return NULL;
}

/* A file of its own on a tmpfs nobody else sees. */
static struct err *secret_file(struct run *r, size_t nth, const struct secret *s, char **ret_path)
{
	const struct step_mount *m = &r->t->mounts[nth];
	_cleanup_free_ char *dir = xasprintf("tmp/%s/%s.secrets", r->w->dir_name, r->name);
	_cleanup_close_ int fd = -1;
	struct err *e = NULL;

	if (!r->has_secrets) {
		if (mkdir(dir, 0700) < 0 ||
		    mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
			return err_new(errno, "making a place for secrets");
		strv_add(&r->mounted, dir);
		r->has_secrets = true;
	}
	*ret_path = xasprintf("%s/%zu", dir, nth);
	e = fd_open(AT_FDCWD, *ret_path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd);
	e = e ?: fd_write_all(fd, "the secret", s->data, s->len);
	if (!e && (fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode) < 0))
		e = err_new(errno, "giving the secret its owner");
	return e;
}

static struct err *secret_mount(struct run *r, size_t nth)
{
	const struct step_mount *m = &r->t->mounts[nth];
	const struct build_plan *p = r->w->p;
	const struct secret *s = NULL;
	_cleanup_free_ char *path = NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_secrets; i++)
		if (str_eq(p->secrets[i].id, m->id))
			s = &p->secrets[i];
	if (!s && m->required)
		return err_hint(err_new(0, "secret %s: not found", m->id),
				"--secret id=%s,src=FILE gives it", m->id);
	if (!s)
		return NULL;
	if (m->env) {
		_cleanup_free_ char *kv = xasprintf("%s=%.*s", m->env, (int)s->len, s->data);

		strv_env_set(&r->spec.env, kv);
	}
	if (m->target) {
		e = secret_file(r, nth, s, &path);
		if (!e)
			add_bind(r, path, m->target, true);
	}
	return err_wrap(e, "secret %s", m->id);
}

static struct err *ssh_mount(struct run *r, size_t nth)
{
	const struct step_mount *m = &r->t->mounts[nth];
	const struct build_plan *p = r->w->p;
	const struct agent *a = NULL;

	for (size_t i = 0; i < p->n_agents; i++)
		if (str_eq(p->agents[i].id, m->id))
			a = &p->agents[i];
	if (!a && m->required)
		return err_hint(err_new(0, "ssh agent %s: not given", m->id), "--ssh %s gives it",
				m->id);
	if (!a)
		return NULL;
	add_bind(r, a->path, m->target, false);
	if (!strv_env(&r->spec.env, "SSH_AUTH_SOCK"))
		strv_addf(&r->spec.env, "SSH_AUTH_SOCK=%s", m->target);
	return NULL;
}

static struct err *mounts(struct run *r)
{
	struct err *e = NULL;

	for (size_t i = 0; i < r->t->n_mounts && !e; i++) {
		const struct step_mount *m = &r->t->mounts[i];

		switch (m->kind) {
		case STEP_BIND:
			e = m->from.stage ? bind_stage(r, i) : bind_context(r, i);
			break;
		case STEP_CACHE:
			e = cache_mount(r, i);
			break;
		case STEP_TMPFS:
			e = tmpfs_mount(r, m);
			break;
		case STEP_SECRET:
			e = secret_mount(r, i);
			break;
		default:
			e = ssh_mount(r, i);
		}
	}
	return err_wrap(e, "--mount");
}

/* -- the command ------------------------------------------------------------------------------------------------- */

/* RUN <<EOF with a #! line of its own: a file to be executed. */
static struct err *script(struct run *r)
{
	_cleanup_free_ char *path = xasprintf("tmp/%s/%s.script", r->w->dir_name, r->name);
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (!r->t->script)
		return NULL;
	e = fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0755, &fd);
	e = e ?: fd_write_all(fd, "the script", r->t->script, strlen(r->t->script));
	if (!e)
		add_bind(r, path, r->t->argv.v[0], true);
	return e;
}

static struct err *fill_spec(struct run *r)
{
	const struct build_request *req = r->w->p->req;
	const struct step *t = r->t;
	struct spec *s = &r->spec;

	s->id = xstrdup(r->name);
	s->auto_remove = true;
	s->caps = caps_default();
	s->shm_bytes = req->shm_bytes;
	s->net = t->net == BUILD_NET_HOST   ? NET_HOST
		 : t->net == BUILD_NET_NONE ? NET_NONE
					    : NET_DEFAULT;
	strv_copy(&s->layers, &r->w->layers);
	strv_copy(&s->cmd, &t->argv);
	strv_copy(&s->env, &t->env);
	strv_copy(&s->add_hosts, &req->add_hosts);
	s->user = xstrdup(t->user);
	s->workdir = xstrdup(t->workdir);
	return NULL;
}

/* What the layers have at PATH, the topmost that has it. */
static bool lower_stat(const struct run *r, const char *path, struct stat *ret)
{
	for (size_t i = r->spec.layers.n; i-- > 0;) {
		_cleanup_free_ char *layer = xasprintf("layers/%s", blob_name(r->spec.layers.v[i]));
		_cleanup_close_ int root = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
		struct err *e = root < 0 ? err_new(errno, "%s", layer)
					 : fd_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0, &fd);

		err_free(e); /* then this layer has not */
		if (fd >= 0)
			return fstat(fd, ret) == 0;
	}
	return false;
}

static bool is_opaque(int upper, const char *path)
{
	_cleanup_close_ int fd = openat(upper, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char value = 0;

	return fd < 0 || (fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y');
}

/* Take PATH away if it was only made, or copied up, because something was mounted on it or below it. */
static bool remove_stub(const struct run *r, int upper, const char *path, bool parent)
{
	struct stat st, old;
	bool had = lower_stat(r, path, &old);

	if (fstatat(upper, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return parent; /* go on above */
	if (S_ISREG(st.st_mode))
		return !had && !parent && st.st_size == 0 && unlinkat(upper, path, 0) == 0;
	if (!S_ISDIR(st.st_mode))
		return false;
	if (had && (!parent || old.st_mode != st.st_mode || old.st_uid != st.st_uid ||
		    old.st_gid != st.st_gid || is_opaque(upper, path)))
		return false;
	return unlinkat(upper, path, AT_REMOVEDIR) == 0; /* if it is empty */
}

/* What is no part of the layer: mount points, and the directories above that nothing else needed. */
static void remove_stubs(struct run *r, int upper)
{
	static const char *const always[] = { "etc/hosts", "etc/hostname", "etc/resolv.conf",
					      "proc",	   "sys",	   "dev" };

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		strv_add(&r->stubs, always[i]);
	for (size_t i = 0; i < r->stubs.n; i++) {
		_cleanup_free_ char *path = xstrdup(r->stubs.v[i]);
		char *slash;

		remove_stub(r, upper, path, false);
		while ((slash = strrchr(path, '/')) != NULL) {
			*slash = '\0';
			if (!remove_stub(r, upper, path, true))
				break;
		}
	}
}

static char *command_text(const struct step *t)
{
	struct str s = { 0 };

	for (size_t i = 0; i < t->argv.n; i++)
		str_addf(&s, "%s%s", i ? " " : "", t->argv.v[i]);
	for (char *c = s.s; c && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	if (s.len > COMMAND_SHOWN) {
		s.len = COMMAND_SHOWN;
		s.s[s.len] = '\0';
		str_add(&s, "...");
	}
	return str_take(&s);
}

/* Output of the command goes to the builder, and is listened to. */
static void hear(void *arg, bool is_stderr, const char *data, size_t len)
{
	struct run *r = arg;
	struct worker_log to = { r->w, r->t };

	mirror_hear(&r->mirror, data, len);
	worker_log(&to, is_stderr, data, len);
}

static struct err *execute(struct run *r, int *ret_status)
{
	_cleanup_free_ char *dir = xasprintf("tmp/%s/%s", r->w->dir_name, r->name);
	_cleanup_free_ char *base = xasprintf("tmp/%s", r->w->dir_name);
	struct step_run run = { .st = &r->w->st,
				.spec = &r->spec,
				.dir = dir,
				.resolv = r->w->p->resolv,
				.output = hear,
				.arg = r };
	struct err *e = NULL;

	if (r->spec.net == NET_DEFAULT) {
		if (!r->w->net)
			e = step_net_new(base, &r->w->st.ids,
					 hosts_want_gateway(&r->spec.add_hosts), &r->w->net);
		run.net = r->w->net;
	}
	return e ?: step_run(&run, ret_status);
}

static struct err *failed(const struct run *r, const char *command, int status)
{
	struct err *e = err_new(0, "process \"%s\" did not complete successfully: exit code: %d",
				command, status);
	_cleanup_free_ char *hint = mirror_hint(&r->mirror);

	return hint ? err_hint(e, "%s", hint) : e;
}

struct err *run_exec(struct worker *w, struct step *t, const char *name)
{
	struct run r = { .w = w, .t = t, .name = name };
	_cleanup_free_ char *upper_name = xasprintf("%s/upper", name);
	_cleanup_close_ int upper = -1;
	struct err *e;
	int status = 0;

	e = fill_spec(&r);
	e = e ?: worker_make_dirs(w, name);
	e = e ?: fd_open(w->dir, upper_name, O_RDONLY | O_DIRECTORY, 0, &upper);
	e = e ?: mounts(&r);
	e = e ?: script(&r);
	e = e ?: execute(&r, &status);
	for (size_t i = r.mounted.n; i-- > 0;)
		umount2(r.mounted.v[i], MNT_DETACH); /* the namespace goes with us in any case */
	for (size_t i = 0; i < r.n_locks; i++)
		close(r.locks[i]);
	free(r.locks);
	if (e || status) {
		_cleanup_free_ char *text = command_text(t);

		if (e && (e->status == 126 || e->status == 127)) {
			status = e->status;
			e->status = 0; /* the build's own status is another */
		}
		if (status && !e)
			e = failed(&r, text, status);
		else
			e = err_wrap(e, "process \"%s\"", text);
	} else {
		remove_stubs(&r, upper);
	}
	spec_done(&r.spec);
	strv_done(&r.mounted);
	strv_done(&r.stubs);
	return e;
}
