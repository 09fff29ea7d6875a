/* How a stage is built
 *   1 builder forks; worker_before(): a mount namespace, the working directory becomes the store in it
 *   2 worker_main(), as the namespace's root: for each step in turn
 *       - what it takes files from must be built: WANT, and the builder answers when it is
 *       - the step's key is in the cache: CACHED
 *       - else START, then in tmp/<dir>/<step>: upper/ over the layers so far becomes a layer by rename, a record is
 *         written: DONE
 *       - layers of the image itself are packed by a child (cache_pack()) while the next step runs
 *   3 waits for the packing children: PACKED; removes its directory; ends
 * Whatever of it is killed: the processes below it die with it, records are complete or absent, tmp/ is swept. */
#include "core/build/worker.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/rootfs.h"
#include "core/build/place.h"

struct packing {
	size_t step;
	pid_t pid;
	int result;
};

struct err *wire_send(int sock, const struct wire *w, size_t len)
{
	return fd_send(sock, w, offsetof(struct wire, data) + len, NULL, 0);
}

struct err *wire_recv(int sock, struct wire *w, size_t *ret_len)
{
	size_t len = 0, none = 0;
	struct err *e = fd_recv(sock, w, sizeof(*w), &len, NULL, &none);

	if (!e && len && len < offsetof(struct wire, data))
		e = err_new(EBADMSG, "a message of the build");
	if (!e && !len)
		w->type = 0;
	*ret_len = e || !len ? 0 : len - offsetof(struct wire, data);
	return e;
}

/* -- talking to the builder -------------------------------------------------------------------------------------- */

static struct err *tell(struct worker *w, enum wire_type type, const struct step *t, unsigned arg,
			const void *data, size_t len)
{
	struct wire *o = w->out;

	o->type = type;
	o->step = t ? (uint32_t)(t - w->s->steps) : 0;
	o->arg = arg;
	if (len)
		memcpy(o->data, data, len);
	return wire_send(w->sock, o, len);
}

static struct err *tell_result(struct worker *w, enum wire_type type, const struct step *t,
			       int64_t took_ns)
{
	w->out->ns = took_ns;
	memcpy(w->out->key, t->key, sizeof(t->key));
	w->out->c = t->result;
	return tell(w, type, t, 0, NULL, 0);
}

void worker_note(struct worker *w, const struct step *t, const char *text)
{
	size_t len = strlen(text);

	err_free(tell(w, WIRE_NOTE, t, 0, text, len < WIRE_DATA_MAX ? len : WIRE_DATA_MAX)); /* for people only */
}

void worker_log(void *arg, bool is_stderr, const char *data, size_t len)
{
	struct worker_log *a = arg;

	if (tell(a->w, WIRE_LOG, a->t, is_stderr ? 2 : 1, data, len))
		_exit(1); /* the builder is gone */
}

/* The layers of a source that is a stage or image; waits until it is built. */
static struct err *want(struct worker *w, struct stage *s)
{
	struct wire *in;
	size_t len = 0;
	struct err *e;

	if (s->state == STAGE_DONE)
		return NULL;
	e = tell(w, WIRE_WANT, NULL, s->index, NULL, 0);
	in = xmalloc(sizeof(*in) + 1);
	e = e ?: wire_recv(w->sock, in, &len);
	if (!e && in->type != WIRE_DEP)
		e = err_new(0, "the build was ended");
	if (!e) {
		char *rest = in->data, *line;

		in->data[len] = '\0';
		while ((line = strsep(&rest, "\n")) != NULL)
			if (*line)
				strv_add(&s->layers, line);
		memcpy(s->key, in->key, sizeof(s->key));
		s->state = STAGE_DONE;
	}
	free(in);
	return e;
}

/* -- files of a context ------------------------------------------------------------------------------------------ */

enum { FILES_FDS = 'F', FILES_FAILED = 'E' };

void worker_send_files(int sock, const struct tree *t, int root)
{
	char buf[1 + ERR_WIRE_MAX] = { FILES_FAILED };
	int fds[FD_PASS_MAX];
	const char what = FILES_FDS;
	struct err *e = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->n && !e; i++) {
		if (!S_ISREG(t->v[i].mode))
			continue;
		e = tree_open(t, i, root, &fds[n]);
		n += !e;
		if (n < ARRAY_LEN(fds))
			continue;
		e = e ?: fd_send(sock, &what, 1, fds, n);
		while (n)
			close(fds[--n]);
	}
	if (n && !e)
		e = fd_send(sock, &what, 1, fds, n);
	if (e)
		err_free(fd_send(sock, buf, 1 + err_pack(e, buf + 1), NULL, 0)); /* the worker may be gone */
}

struct err *worker_ask_files(struct worker *w, struct step *t, unsigned arg, struct receiver *ret)
{
	*ret = (struct receiver){ .w = w };
	return tell(w, WIRE_FILES, t, arg, NULL, 0);
}

struct err *worker_next_file(void *arg, size_t i UNUSED, int *ret_fd)
{
	struct receiver *r = arg;
	char buf[1 + ERR_WIRE_MAX];
	struct err *e = NULL;
	size_t len = 0;

	if (r->at == r->n) {
		r->at = 0;
		r->n = ARRAY_LEN(r->fds);
		e = fd_recv(r->w->sock, buf, sizeof(buf), &len, r->fds, &r->n);
		if (!e && len && *buf == FILES_FAILED)
			e = err_recv(buf + 1, len - 1);
		if (!e && (!len || !r->n))
			e = err_new(0, "the build was ended");
		if (e)
			r->n = 0;
	}
	if (!e)
		*ret_fd = r->fds[r->at++];
	return e;
}

/* -- mounts ------------------------------------------------------------------------------------------------------ */

struct err *worker_make_dirs(struct worker *w, const char *name)
{
	static const char *const parts[] = { "upper", "work", "root" };
	_cleanup_close_ int dir = -1;
	struct err *e = NULL;

	if (mkdirat(w->dir, name, 0755) < 0)
		return err_new(errno, "making a working directory");
	e = fd_open(w->dir, name, O_PATH | O_DIRECTORY, 0, &dir);
	for (size_t i = 0; i < ARRAY_LEN(parts) && !e; i++)
		if (mkdirat(dir, parts[i], 0755) < 0)
			e = err_new(errno, "making a working directory");
	return e;
}

struct err *worker_mount(struct worker *w, const char *name, const struct strv *layers, int *ret_root)
{
	_cleanup_free_ char *dir = xasprintf("tmp/%s/%s", w->dir_name, name);
	struct spec spec = { .layers = *layers };
	struct rootfs_cfg cfg = { .spec = &spec, .store_path = ".", .dir = dir };
	struct rootfs_binds binds = { .store = -1 };
	struct err *e;

	e = worker_make_dirs(w, name);
	e = e ?: fd_open(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0, &binds.store);
	e = e ?: rootfs_mount_files(&cfg, &binds, false, ret_root);
	/* it goes to the layers' directory for short paths */
	if (binds.store >= 0 && fchdir(binds.store) < 0)
		e = e ?: err_new(errno, "returning to the store");
	if (binds.store >= 0)
		close(binds.store);
	return e;
}

void worker_unmount(struct worker *w, const char *name)
{
	_cleanup_free_ char *root = xasprintf("tmp/%s/%s/root", w->dir_name, name);

	umount2(root, MNT_DETACH); /* what was not mounted needs none; the namespace goes with us in any case */
}

/* -- packing ----------------------------------------------------------------------------------------------------- */

static struct err *pack_start(struct worker *w, struct step *t)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	pid = fork();
	if (pid == 0) {
		struct err *e;

		close(fds[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		e = cache_pack(&w->st, t->key, w->p->epoch_s >= 0 ? &w->p->epoch_s : NULL, &t->result);
		if (!e && strcmp(t->result.key, t->key))
			e = cache_put(&w->st, t->result.key, &t->result);
		if (e)
			err_send(fds[1], e);
		else
			e = fd_write_all(fds[1], "the result", &t->result, sizeof(t->result));
		_exit(e != NULL);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_new(errno, "forking");
	}
	w->packs = xrealloc(w->packs, (w->n_packs + 1) * sizeof(*w->packs));
	w->packs[w->n_packs++] = (struct packing){ (size_t)(t - w->s->steps), pid, fds[0] };
	return NULL;
}

static struct err *pack_end(struct worker *w, const struct packing *k)
{
	struct step *t = &w->s->steps[k->step];
	char buf[ERR_WIRE_MAX];
	size_t len = 0;
	int status;
	ssize_t n;
	struct err *e;

	while ((n = read(k->result, buf + len, sizeof(buf) - len)) > 0)
		len += (size_t)n;
	close(k->result);
	e = proc_wait_pid(k->pid, &status);
	if (e)
		return e;
	if (status && len)
		return err_recv(buf, len);
	if (status || len != sizeof(t->result))
		return err_new(0, "packing a layer ended with status %d", status);
	memcpy(&t->result, buf, sizeof(t->result));
	return tell_result(w, WIRE_PACKED, t, 0);
}

/* -- steps ------------------------------------------------------------------------------------------------------- */

static bool is_empty(int dir, const char *name)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			return false;
	return true;
}

static struct err *workdir_exec(struct worker *w, struct step *t, const char *name)
{
	struct place p = { .root = -1, .dest = t->dest, .mode = -1, .ids = &w->st.ids };
	struct err *e = worker_mount(w, name, &w->layers, &p.root);

	e = e ?: place_dir(&p);
	if (p.root >= 0)
		close(p.root);
	worker_unmount(w, name);
	return e;
}

/* The upper directory becomes the step's layer. */
static struct err *keep_layer(struct worker *w, struct step *t, const char *name)
{
	_cleanup_free_ char *upper = xasprintf("%s/upper", name);
	struct cached *c = &t->result;
	struct err *e = NULL;

	c->created_ns = w->p->epoch_s >= 0 ? w->p->epoch_s * 1000000000 : time_now_ns();
	c->packed = false;
	c->empty = is_empty(w->dir, upper);
	if (!c->empty)
		e = cache_take_layer(&w->st, w->dir, upper, c);
	return e;
}

static struct err *execute(struct worker *w, struct step *t, const char *before)
{
	_cleanup_free_ char *name = xasprintf("%zu", (size_t)(t - w->s->steps));
	bool found = false;
	struct err *e;

	t->result = (struct cached){ 0 };
	memcpy(t->result.key, t->key, sizeof(t->key));
	switch (t->kind) {
	case STEP_RUN:
		e = run_exec(w, t, name);
		break;
	case STEP_COPY:
		e = copy_exec(w, t, before, name, &found);
		break;
	default:
		e = workdir_exec(w, t, name);
	}
	if (!e && !found)
		e = keep_layer(w, t, name);
	if (!e && !found && strcmp(t->result.key, t->key))
		e = cache_put(&w->st, t->result.key, &t->result);
	return e ?: cache_put(&w->st, t->key, &t->result);
}

static struct err *want_sources(struct worker *w, struct step *t)
{
	struct err *e = t->from.stage ? want(w, t->from.stage) : NULL;

	for (size_t i = 0; i < t->n_mounts && !e; i++)
		if (t->mounts[i].from.stage)
			e = want(w, t->mounts[i].from.stage);
	return e;
}

static struct err *do_step(struct worker *w, struct step *t, char before[HASH_LEN + 1])
{
	int64_t start = time_mono_ms();
	struct err *e = want_sources(w, t);

	if (e)
		return e;
	step_key(w->p, t, before, t->key);
	if (build_plan_caches(w->p, w->s) && cache_get(&w->st, t->key, &t->result)) {
		e = tell_result(w, WIRE_CACHED, t, 0);
	} else {
		e = tell(w, WIRE_START, t, 0, NULL, 0);
		e = e ?: execute(w, t, before);
		w->out->ns = (time_mono_ms() - start) * 1000000;
		if (e) {
			err_free(tell(w, WIRE_FAILED, t, 0, NULL, 0)); /* the error itself comes at the end */
			return pos_wrap(&t->in->pos, e);
		}
		e = tell_result(w, WIRE_DONE, t, (time_mono_ms() - start) * 1000000);
	}
	t->done = true;
	step_next_key(t, before, t->result.key, before);
	if (!e && w->s->packed && !t->result.empty && !t->result.packed)
		e = pack_start(w, t);
	if (!t->result.empty)
		layers_push(&w->layers, t->result.layer);
	return e;
}

struct err *worker_before(void *arg)
{
	struct worker *w = arg;
	_cleanup_close_ int dir = -1;
	struct err *e = NULL;

	if (unshare(CLONE_NEWNS) < 0)
		e = err_new(errno, "making a mount namespace");
	/* as the host's root, the store may be where only he can walk */
	e = e ?: fd_open(AT_FDCWD, w->p->st->path, O_PATH | O_DIRECTORY, 0, &dir);
	if (!e && fchdir(dir) < 0)
		e = err_new(errno, "entering the store");
	return e;
}

static struct err *run_steps(struct worker *w)
{
	struct stage *s = w->s;
	char before[HASH_LEN + 1];
	struct err *e = NULL;

	stage_base_key(s, before);
	stage_base_layers(s, &w->layers);
	for (size_t i = 0; i < w->first; i++) {
		step_next_key(&s->steps[i], before, s->steps[i].result.key, before);
		if (!s->steps[i].result.empty)
			layers_push(&w->layers, s->steps[i].result.layer);
	}
	/* what an earlier build left unpacked, because no image needed it then */
	for (size_t i = 0; i < w->first && s->packed && !e; i++)
		if (!s->steps[i].result.empty && !s->steps[i].result.packed)
			e = pack_start(w, &s->steps[i]);
	for (size_t i = w->first; i < s->n_steps && !e; i++)
		e = do_step(w, &s->steps[i], before);
	return e;
}

struct err *worker_begin(struct worker *w)
{
	umask(0);
	w->st = *w->p->st;
	w->st.path = (char *)(uintptr_t) ".";
	w->st.ids.direct = false; /* this process is the inner root: what it makes has the right owner */
	w->dir = -1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_new(errno, "making mounts private");
	return store_stage(&w->st, "build", &w->dir_name, &w->dir);
}

void worker_finish(struct worker *w)
{
	if (w->dir_name)
		err_free(store_rm_tree(&w->st, w->st.tmp, w->dir_name)); /* best effort: the next sweep does it */
	free(w->dir_name);
	if (w->dir >= 0)
		close(w->dir);
}

struct err *worker_main(void *arg, struct str *result UNUSED)
{
	struct worker *w = arg;
	struct err *e;

	signal(SIGPIPE, SIG_IGN);
	w->out = xcalloc(1, sizeof(*w->out));
	e = worker_begin(w);
	e = e ?: run_steps(w);
	for (size_t i = 0; i < w->n_packs; i++)
		e = err_also(e, pack_end(w, &w->packs[i]));
	worker_finish(w);
	return e;
}
