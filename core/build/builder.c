/* How a build runs
 *
 *	devbox build (this) ── worker, one for each stage that is not wholly in the cache (worker.c)
 *	                         ├─ the container of a RUN step (core/box/step.c)
 *	                         └─ packing: the step's layer becomes a blob while the next step runs
 *	             ├─ sender: opens a context's files for a worker, which could not
 *	             └─ fetch, pull: children that speak to servers
 *
 * 1 plan: everything that can be known without running anything (plan.h).
 * 2 each stage is walked through the cache (advance()).  What is all there is done without any process: a build that
 *   changes nothing reads a few small files.  At the first step that is missing a worker takes over.  Stages wait for
 *   the one they begin with; what a single step copies from, that step waits for (WANT, DEP).
 * 3 when the target is done: configuration, manifest, index (registry/put.h), or what --output asks for.
 *
 * This process is single-threaded and stays the caller; it holds cache/gc.lock, shared, from the first look into the
 * cache to the image's entry. */
#include "core/build/build.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/build/export.h"
#include "core/build/plan.h"
#include "core/build/worker.h"
#include "registry/blob.h"
#include "registry/pull.h"
#include "registry/put.h"

enum { WORKERS_MAX = 8, TICK_MS = 200 };

struct job {
	struct stage *s;
	struct worker w;
	struct userns_child child;
	int sock;
	struct stage *wants; /* it waits for that one */
};

struct builder {
	struct build_plan plan;
	const struct build_request *req;
	struct store *st;
	struct job **jobs;
	size_t n_jobs;
	struct wire *in;
	struct strv fresh; /* layers made here: to be synced */
};

/* -- events ------------------------------------------------------------------------------------------------------ */

static void emit(struct builder *b, const struct build_event *ev)
{
	if (b->req->progress)
		b->req->progress(b->req->arg, ev);
}

static void emit_step(struct builder *b, enum build_event_kind kind, unsigned number,
		      const char *name, int64_t took_ns)
{
	struct build_event ev = { .kind = kind, .step = number, .name = name, .took_ns = took_ns };

	emit(b, &ev);
}

static void note(struct build_plan *p, const char *text)
{
	struct builder *b = container_of(p, struct builder, plan);
	struct build_event ev = { .kind = BUILD_NOTE, .data = text, .len = strlen(text) };

	emit(b, &ev);
}

/* -- images ------------------------------------------------------------------------------------------------------ */

static bool fits_platform(const struct image *img, const char *platform)
{
	struct platform want = { 0 };
	struct err *e = platform_parse(platform, &want);
	bool fits = !e && str_eq(img->os, want.os) && str_eq(img->arch, want.arch);

	err_free(e); /* told when it is pulled */
	platform_done(&want);
	return fits;
}

static struct err *pull(struct builder *b, const char *name, const char *platform)
{
	struct pull_opts opts = { .platform = platform };
	struct pull_result res;
	struct err *e;

	if (b->req->pull_shown)
		return b->req->pull_shown(b->req->arg, b->st, name, platform);
	e = pull_image(b->st, name, &opts, &res);
	pull_result_done(&res);
	return e;
}

/* --build-context name=docker-image://REF */
static const char *replaced(const struct build_request *req, const char *name)
{
	for (size_t i = 0; i < req->contexts.n; i++) {
		const char *rest = str_after(req->contexts.v[i], name);

		rest = rest && *rest == '=' ? str_after(rest + 1, "docker-image://") : NULL;
		if (rest)
			return rest;
	}
	return name;
}

static struct err *get_image(struct build_plan *p, const char *name, const char *platform,
			     struct image **ret)
{
	struct builder *b = container_of(p, struct builder, plan);
	struct image *img = NULL;
	struct err *e = NULL;

	name = replaced(b->req, name);
	platform = platform && *platform ? platform : b->req->platform;
	if (!b->req->pull) {
		e = image_find(b->st, name, &img);
		if (!e && (!platform || fits_platform(img, platform))) {
			*ret = img;
			return NULL;
		}
		if (e && !err_is(e, ENOENT))
			return e;
		err_free(e); /* absent, or another platform's */
		image_free(img);
	}
	e = pull(b, name, platform);
	e = e ?: image_find(b->st, name, ret);
	return e;
}

/* -- stages ------------------------------------------------------------------------------------------------------ */

static void stage_finish(struct stage *s)
{
	char key[HASH_LEN + 1];

	strv_done(&s->layers);
	stage_base_key(s, key);
	stage_base_layers(s, &s->layers);
	for (size_t i = 0; i < s->n_steps; i++) {
		step_next_key(&s->steps[i], key, s->steps[i].result.key, key);
		if (!s->steps[i].result.empty)
			layers_push(&s->layers, s->steps[i].result.layer);
	}
	memcpy(s->key, key, sizeof(key));
	s->state = STAGE_DONE;
}

static struct err *start_worker(struct builder *b, struct stage *s, size_t first)
{
	struct job *j;
	int fds[2];
	struct err *e = NULL;

	for (size_t i = first; i < s->n_steps && !e; i++)
		e = step_hash(&b->plan, &s->steps[i]);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	j = xcalloc(1, sizeof(*j));
	j->s = s;
	j->sock = fds[0];
	j->w = (struct worker){ .p = &b->plan, .s = s, .first = first, .sock = fds[1] };
	e = userns_start(&b->st->ids, worker_before, worker_main, &j->w, &j->child);
	close(fds[1]); /* or its end of file would never come */
	if (e) {
		close(fds[0]);
		free(j);
		return e;
	}
	b->jobs = xrealloc(b->jobs, (b->n_jobs + 1) * sizeof(struct job *));
	b->jobs[b->n_jobs++] = j;
	s->state = STAGE_RUNNING;
	return NULL;
}

static bool sources_done(const struct step *t)
{
	if (t->from.stage && t->from.stage->state != STAGE_DONE)
		return false;
	for (size_t i = 0; i < t->n_mounts; i++)
		if (t->mounts[i].from.stage && t->mounts[i].from.stage->state != STAGE_DONE)
			return false;
	return true;
}

static size_t busy(const struct builder *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_jobs; i++)
		n += !b->jobs[i]->wants;
	return n;
}

/* Walk the stage through the cache as far as that goes.  *RET_MOVED: something has changed. */
static struct err *advance(struct builder *b, struct stage *s, bool *ret_moved)
{
	bool packed = true;
	char key[HASH_LEN + 1];
	size_t i = 0;
	struct err *e = NULL;

	if (s->state != STAGE_WAITING || (s->base && s->base->state != STAGE_DONE))
		return NULL;
	if (s->number) {
		emit_step(b, BUILD_CACHED, s->number, s->title, 0);
		s->number = 0;
	}
	stage_base_key(s, key);
	for (; i < s->n_steps; i++) {
		struct step *t = &s->steps[i];

		if (!t->done) {
			e = step_hash(&b->plan, t);
			if (e)
				return e;
			if (!build_plan_caches(&b->plan, s))
				break;
			if (!sources_done(t))
				return NULL;
			step_key(&b->plan, t, key, t->key);
			if (!cache_get(b->st, t->key, &t->result))
				break;
			t->done = true;
			emit_step(b, BUILD_CACHED, t->number, t->name, 0);
		}
		packed &= t->result.empty || t->result.packed;
		step_next_key(t, key, t->result.key, key);
	}
	if (i < s->n_steps || (s->packed && !packed)) {
		if (busy(b) >= WORKERS_MAX)
			return NULL;
		e = start_worker(b, s, i);
	} else {
		stage_finish(s);
	}
	*ret_moved = true;
	return e;
}

static struct err *answer(struct job *j)
{
	const struct stage *s = j->wants;
	struct wire *w = xcalloc(1, sizeof(*w));
	struct str text = { 0 };
	struct err *e;

	w->type = WIRE_DEP;
	memcpy(w->key, s->key, sizeof(s->key));
	for (size_t i = 0; i < s->layers.n; i++)
		str_addf(&text, "%s\n", s->layers.v[i]);
	if (text.len)
		memcpy(w->data, text.s, text.len);
	j->wants = NULL;
	e = wire_send(j->sock, w, text.len);
	str_done(&text);
	free(w);
	return e;
}

static struct err *move_on(struct builder *b)
{
	bool moved = true;
	struct err *e = NULL;

	while (moved && !e) {
		moved = false;
		for (size_t i = 0; i < b->plan.n_stages && !e; i++)
			if (b->plan.stages[i]->evaluated)
				e = advance(b, b->plan.stages[i], &moved);
	}
	for (size_t i = 0; i < b->n_jobs && !e; i++)
		if (b->jobs[i]->wants && b->jobs[i]->wants->state == STAGE_DONE)
			e = answer(b->jobs[i]);
	return e;
}

/* -- workers ----------------------------------------------------------------------------------------------------- */

static struct err *send_files(struct job *j, const struct step *t, unsigned arg)
{
	unsigned nth = arg & (WIRE_MOUNT - 1);
	const struct tree *tree;
	const struct context *c;
	pid_t pid;

	if (arg & WIRE_MOUNT ? nth >= t->n_mounts : nth >= t->n_items)
		return err_new(EBADMSG, "a message of the build");
	tree = arg & WIRE_MOUNT ? &t->mounts[nth].tree : &t->items[nth].tree;
	c = arg & WIRE_MOUNT ? t->mounts[nth].from.context : t->items[nth].repo ?: t->from.context;
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking");
	if (pid == 0) {
		if (fork() == 0) /* twice: nobody has to wait for it */
			worker_send_files(j->sock, tree, c->root);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return NULL;
}

static void take_result(struct builder *b, struct step *t, const struct wire *w)
{
	memcpy(t->key, w->key, sizeof(t->key));
	t->result = w->c;
	t->done = true;
	if (!t->result.empty && w->type != WIRE_CACHED)
		strv_add(&b->fresh, t->result.layer);
}

static struct err *on_message(struct builder *b, struct job *j, size_t len)
{
	const struct wire *w = b->in;
	struct step *t = w->step < j->s->n_steps ? &j->s->steps[w->step] : NULL;
	struct build_event ev = { .kind = BUILD_LOG, .data = w->data, .len = len };

	if (w->type == WIRE_WANT) {
		if (w->arg >= b->plan.n_stages)
			return err_new(EBADMSG, "a message of the build");
		j->wants = b->plan.stages[w->arg];
		return NULL;
	}
	if (!t)
		return err_new(EBADMSG, "a message of the build");
	switch (w->type) {
	case WIRE_START:
		emit_step(b, BUILD_START, t->number, t->name, 0);
		break;
	case WIRE_CACHED:
		take_result(b, t, w);
		emit_step(b, BUILD_CACHED, t->number, t->name, 0);
		break;
	case WIRE_DONE:
		take_result(b, t, w);
		emit_step(b, BUILD_DONE, t->number, t->name, w->ns);
		break;
	case WIRE_PACKED:
		take_result(b, t, w);
		break;
	case WIRE_FAILED:
		emit_step(b, BUILD_FAILED, t->number, t->name, w->ns);
		break;
	case WIRE_NOTE:
		ev.kind = BUILD_NOTE;
		/* fallthrough */
	case WIRE_LOG:
		ev.step = t->number;
		ev.name = t->name;
		ev.is_stderr = w->arg == 2;
		emit(b, &ev);
		break;
	case WIRE_FILES:
		return send_files(j, t, w->arg);
	default:
		return err_new(EBADMSG, "a message of the build");
	}
	return NULL;
}

static void job_drop(struct builder *b, size_t i)
{
	struct job *j = b->jobs[i];

	close(j->sock);
	free(j);
	b->jobs[i] = b->jobs[--b->n_jobs];
}

/* Something came from worker I, perhaps its end. */
static struct err *job_ready(struct builder *b, size_t i)
{
	struct job *j = b->jobs[i];
	struct err *e;
	size_t len;

	e = wire_recv(j->sock, b->in, &len);
	if (!e && b->in->type)
		return on_message(b, j, len);
	err_free(e); /* the worker's own words come now */
	e = userns_end(&j->child, NULL);
	if (!e)
		stage_finish(j->s);
	job_drop(b, i);
	return e;
}

static void kill_workers(struct builder *b)
{
	while (b->n_jobs) {
		struct job *j = b->jobs[0];

		kill(j->child.pid, SIGKILL); /* and all below it die with it */
		err_free(userns_end(&j->child, NULL)); /* it was killed */
		job_drop(b, 0);
	}
}

static struct err *run_stages(struct builder *b)
{
	struct err *e = move_on(b);

	while (!e && b->n_jobs) {
		struct pollfd *p = xcalloc(b->n_jobs, sizeof(*p));
		size_t n = b->n_jobs;

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = b->jobs[i]->sock, .events = POLLIN };
		if (poll(p, n, b->req->progress ? TICK_MS : -1) < 0 && errno != EINTR)
			e = err_new(errno, "waiting for the build's processes");
		emit(b, &(struct build_event){ .kind = BUILD_TICK });
		for (size_t i = n;
		     i-- > 0 && !e;) /* from the end: a job that is dropped moves only later ones */
			if (p[i].revents)
				e = job_ready(b, i);
		free(p);
		e = e ?: move_on(b);
	}
	kill_workers(b);
	if (!e && b->plan.target->state != STAGE_DONE)
		e = err_new(0, "the stages wait for each other");
	return e;
}

/* -- the image --------------------------------------------------------------------------------------------------- */

struct assembly {
	struct descriptor *layers;
	size_t n_layers;
	struct strv diff_ids;
	json *base_history;
	struct history *history;
	size_t n_history;
	uint64_t bytes;
	int64_t created_ns;
	const struct image *image;
};

static struct err *assemble(struct builder *b, const struct stage *s, struct assembly *a)
{
	struct err *e = s->base ? assemble(b, s->base, a) : NULL;

	if (!s->base && s->image) {
		json *ids = json_get(json_get(s->image->config, "rootfs"), "diff_ids");

		e = image_layers(b->st, s->image, &a->layers, &a->n_layers);
		for (size_t i = 0; i < json_len(ids); i++)
			strv_add(&a->diff_ids, json_text(json_at(ids, i)));
		a->base_history = json_get(s->image->config, "history");
		a->bytes = (uint64_t)s->image->size_bytes;
		a->created_ns = s->image->created_ns;
		a->image = s->image;
	}
	if (e)
		return e;
	a->history = xrealloc(a->history, (a->n_history + s->n_history + 1) * sizeof(*a->history));
	a->layers = xrealloc(a->layers, (a->n_layers + s->n_steps + 1) * sizeof(*a->layers));
	for (size_t i = 0; i < s->n_history; i++) {
		struct history h = s->history[i];
		const struct cached *c =
			s->history_step[i].has ? &s->steps[s->history_step[i].step].result : NULL;

		if (c)
			a->created_ns = c->created_ns;
		h.created_ns = a->created_ns;
		h.empty = !c || c->empty;
		a->history[a->n_history++] = h;
		if (h.empty)
			continue;
		a->layers[a->n_layers++] = (struct descriptor){ .digest = xstrdup(c->blob),
								.size = (int64_t)c->blob_size };
		strv_add(&a->diff_ids, c->layer);
		a->bytes += c->bytes;
	}
	return NULL;
}

static struct err *full_tags(const struct build_request *req, struct strv *ret)
{
	struct err *e = NULL;

	for (size_t i = 0; i < req->tags.n && !e; i++) {
		struct image_ref ref;

		e = image_ref_parse(req->tags.v[i], &ref);
		if (e)
			return err_wrap(e, "invalid tag \"%s\"", req->tags.v[i]);
		if (ref.digest)
			e = err_new(0, "invalid tag \"%s\": a tag cannot have a digest",
				    req->tags.v[i]);
		else
			strv_take(ret, image_ref_full(&ref));
		image_ref_done(&ref);
	}
	return e;
}

static struct err *make_image(struct builder *b, const struct strv *refs, char **ret_id)
{
	struct build_plan *p = &b->plan;
	struct assembly a = { 0 };
	struct conf_doc doc = { .conf = &p->target->conf };
	struct image_put put = { .refs = refs, .diff_ids = &b->fresh };
	_cleanup_free_ char *config = NULL;
	struct err *e = assemble(b, p->target, &a);

	if (p->epoch_s >= 0)
		a.created_ns = p->epoch_s * 1000000000;
	for (size_t i = 0; p->epoch_s >= 0 && i < a.n_history; i++)
		a.history[i].created_ns = a.created_ns;
	if (!a.created_ns)
		a.created_ns = time_now_ns();
	doc.os = a.image && a.image->os ? a.image->os : p->platform.os;
	doc.arch = a.image && a.image->arch ? a.image->arch : p->platform.arch;
	doc.variant = a.image ? json_str(a.image->config, "variant") : p->platform.variant;
	doc.base_history = a.base_history;
	doc.history = a.history;
	doc.n_history = a.n_history;
	doc.diff_ids = &a.diff_ids;
	doc.created_ns = a.created_ns;
	config = conf_text(&doc, &put.config_len);
	put.config = config;
	put.layers = a.layers;
	put.n_layers = a.n_layers;
	put.bytes = a.bytes;
	e = e ?: image_put(b->st, &put, ret_id);
	for (size_t i = 0; i < a.n_layers; i++)
		descriptor_done(&a.layers[i]);
	free(a.layers);
	free(a.history);
	strv_done(&a.diff_ids);
	return e;
}

static struct err *write_iid(const struct build_request *req, const char *id)
{
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (!req->iidfile || !id)
		return NULL;
	e = fd_open(AT_FDCWD, req->iidfile, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd);
	e = e ?: fd_write_all(fd, req->iidfile, id, strlen(id));
	return err_wrap(e, "--iidfile %s", req->iidfile);
}

static void drop_downloads(struct builder *b)
{
	for (size_t i = 0; i < b->plan.n_stages; i++)
		for (size_t k = 0; k < b->plan.stages[i]->n_steps; k++) {
			struct step *t = &b->plan.stages[i]->steps[k];

			for (size_t n = 0; n < t->n_items; n++)
				if (t->items[n].stage) {
					err_free(store_rm_tree(b->st, b->st->tmp,
							       t->items[n].stage)); /* or a sweep */
					close(t->items[n].stage_fd);
				}
		}
}

struct err *build_run(struct store *st, const struct build_request *req, char **ret_id)
{
	struct builder b = { .plan = { .st = st, .req = req, .get_image = get_image, .note = note },
			     .req = req,
			     .st = st };
	_cleanup_strv_ struct strv refs = { 0 };
	_cleanup_close_ int lock = -1;
	bool image = true;
	char *id = NULL;
	struct err *e;

	b.in = xmalloc(sizeof(*b.in));
	store_sweep(st);
	e = full_tags(req, &refs);
	e = e ?: export_check(req, &refs, &image);
	e = e ?: lock_take(st->cache, "gc.lock", true, &lock);
	e = e ?: build_plan_open(&b.plan);
	e = e ?: build_plan_make(&b.plan);
	e = e ?: run_stages(&b);
	e = e ?: export_files(&b.plan);
	if (!e && image)
		e = make_image(&b, &refs, &id);
	e = e ?: write_iid(req, id);
	if (lock >= 0)
		close(TAKE_FD(lock));
	if (b.fresh.n)
		cache_tidy(st);
	drop_downloads(&b);
	build_plan_close(&b.plan);
	build_plan_done(&b.plan);
	strv_done(&b.fresh);
	free(b.jobs);
	free(b.in);
	if (e)
		free(id);
	else
		*ret_id = id;
	return e;
}
