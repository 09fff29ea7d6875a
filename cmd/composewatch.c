/* cmd/composewatch.c -- devbox compose watch: what changes on the host goes into the containers (develop.watch).
 *
 * Each rule's directory is watched with all below it (inotify); what has changed is gathered until nothing more comes
 * for a moment, and then brought over: copied, or the service is built again, or restarted. */
#include <dirent.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "cmd/compose.h"
#include "core/base/proc.h"
#include "core/compose/hook.h"

enum { SETTLE_MS = 150, DIRS_MAX = 20000 };

static bool opt_no_up, opt_prune = true, opt_quiet;

static const struct opt opts[] = {
	{ 0, "no-up", NULL, "Do not build & start services before watching", OPT_BOOL, &opt_no_up, NULL },
	{ 0, "prune", NULL, "Prune dangling images on rebuild (default true)", OPT_BOOL, &opt_prune,
	  NULL },
	{ 0, "quiet", NULL, "Hide build output", OPT_BOOL, &opt_quiet, NULL },
	COMPOSE_OPTS_END,
};

struct rule {
	const struct service *s;
	const struct node *n;
	const char *path, *action, *target;
};

/* A directory that is watched, for the rule that led to it. */
struct dir {
	int wd;
	struct rule *rule;
	char *path;
};

struct watcher {
	struct session *s;
	int notify;
	struct rule *rules;
	size_t n_rules;
	struct dir *dirs;
	size_t n_dirs, dirs_cap;
	struct strv *changed; /* of each rule: absolute paths */
	bool begun; /* what watch_tree() finds is new, not what was there at first */
};

static bool matches(const struct node *list, const char *relative)
{
	for (size_t i = 0; i < node_len(list); i++) {
		_cleanup_free_ char *pattern = str_clean_path(list->m[i].value->text);

		if (!fnmatch(pattern, relative, FNM_LEADING_DIR) ||
		    (str_starts(pattern, "**/") &&
		     !fnmatch(pattern + 3,
			      strrchr(relative, '/') ? strrchr(relative, '/') + 1 : relative, 0)))
			return true;
	}
	return false;
}

/* PATH below the rule's, "" for that itself; NULL if it is not meant. */
static const char *relative_to(const struct rule *r, const char *path, bool is_dir)
{
	const char *rest = str_after(path, r->path), *name;
	const struct node *include = node_get(r->n, "include");

	if (!rest || (*rest && *rest != '/'))
		return NULL;
	rest += *rest == '/';
	name = strrchr(rest, '/') ? strrchr(rest, '/') + 1 : rest;
	if (!strcmp(name, ".git") || str_starts(rest, ".git/") || str_ends(name, "~") ||
	    str_ends(name, ".swp"))
		return NULL;
	if (matches(node_get(r->n, "ignore"), rest) ||
	    (include && *rest && !is_dir && !matches(include, rest)))
		return NULL;
	return rest;
}

/* Is what is there at first brought over, too? */
static bool syncs_at_first(const struct watcher *w, const struct rule *r)
{
	return !w->begun && str_starts(r->action, "sync") && node_true(r->n, "initial_sync");
}

static struct err *watch_tree(struct watcher *w, struct rule *r, const char *path)
{
	_cleanup_dir_ DIR *d = NULL;
	struct err *e = NULL;
	struct stat sb;
	int wd;

	if (stat(path, &sb) < 0 || !relative_to(r, path, S_ISDIR(sb.st_mode)))
		return NULL;
	wd = inotify_add_watch(w->notify, path,
			       IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
				       IN_MOVED_TO | IN_DELETE_SELF);
	if (wd < 0 && errno != ENOENT)
		return err_hint(err_new(errno, "watching %s", path),
				"fs.inotify.max_user_watches bounds how many directories can be watched");
	if (wd < 0)
		return NULL;
	if (w->n_dirs == DIRS_MAX)
		return err_hint(err_new(0, "more than %d directories to watch", DIRS_MAX),
				"develop.watch.ignore leaves some out");
	w->dirs = xgrow(w->dirs, w->n_dirs, &w->dirs_cap, sizeof(*w->dirs));
	w->dirs[w->n_dirs++] = (struct dir){ wd, r, xstrdup(path) };
	d = S_ISDIR(sb.st_mode) ? opendir(path) : NULL;
	for (struct dirent *en; d && !e && (en = readdir(d)) != NULL;) {
		_cleanup_free_ char *below = xasprintf("%s/%s", path, en->d_name);

		if (en->d_type == DT_DIR && strcmp(en->d_name, ".") && strcmp(en->d_name, ".."))
			e = watch_tree(w, r, below);
		else if (en->d_type != DT_DIR && syncs_at_first(w, r) && relative_to(r, below, false))
			strv_add(&w->changed[r - w->rules], below);
	}
	if (!d && syncs_at_first(w, r))
		strv_add(&w->changed[r - w->rules], path);
	return e;
}

/* --- what happened ---------------------------------------------------------------------------- */

static struct err *note_event(struct watcher *w, const struct inotify_event *ev)
{
	struct err *e = NULL;

	for (size_t i = 0; i < w->n_dirs && !e; i++) {
		struct dir *d = &w->dirs[i];
		_cleanup_free_ char *path = NULL;
		struct strv *to = &w->changed[d->rule - w->rules];

		if (d->wd != ev->wd)
			continue;
		path = ev->len ? xasprintf("%s/%s", d->path, ev->name) : xstrdup(d->path);
		if (!relative_to(d->rule, path, ev->mask & IN_ISDIR))
			continue;
		if ((ev->mask & IN_ISDIR) && (ev->mask & (IN_CREATE | IN_MOVED_TO)))
			e = watch_tree(w, d->rule, path);
		/* a file that is made is told again when it is written */
		if ((!(ev->mask & IN_CREATE) || (ev->mask & IN_ISDIR)) && !strv_has(to, path))
			strv_add(to, path);
	}
	return e;
}

/* *RET_ANY: something did; waits at most TIMEOUT_MS. */
static struct err *read_events(struct watcher *w, int timeout_ms, bool *ret_any)
{
	struct pollfd p = { .fd = w->notify, .events = POLLIN };
	_Alignas(struct inotify_event) char buf[16384];
	struct err *e = NULL;
	ssize_t n;

	*ret_any = poll(&p, 1, timeout_ms) > 0;
	if (!*ret_any)
		return NULL;
	n = read(w->notify, buf, sizeof(buf));
	for (ssize_t at = 0; at < n && !e;) {
		const struct inotify_event *ev = (const void *)(buf + at);

		e = note_event(w, ev);
		at += (ssize_t)sizeof(*ev) + ev->len;
	}
	return e;
}

/* --- what is done ----------------------------------------------------------------------------- */

static struct err *run_inside(struct box *b, const char *command, const char *option, const char *path)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct exec_request req = { .detach = false };
	struct err *e;
	int status;

	strv_add(&req.argv, command);
	strv_add(&req.argv, option);
	strv_add(&req.argv, path);
	e = box_exec(b, &req, stdio, NULL, &status);
	strv_done(&req.argv);
	return e;
}

/* PATH as it is now, in one container. */
static struct err *sync_one(struct call *c, const struct rule *r, struct box *b, const char *path)
{
	const char *relative = relative_to(r, path, true);
	_cleanup_free_ char *inside = xasprintf("%s%s%s", r->target, *relative ? "/" : "", relative),
			    *dest = NULL, *parent = xstrdup(inside);
	_cleanup_free_ char *source = xstrdup(path);
	char *words[3] = { source, NULL, NULL }, *slash = strrchr(parent, '/');

	if (access(path, F_OK) < 0)
		return run_inside(b, "rm", "-rf", inside);
	if (slash && slash > parent)
		*slash = '\0';
	err_free(run_inside(b, "mkdir", "-p", parent)); /* without one in the image, the copy says what is missing */
	/* into the directory that holds it, under its own name; a renamed target says its name itself */
	dest = xasprintf("%s:%s", b->spec.name,
			 !strcmp(strrchr(path, '/') + 1, strrchr(inside, '/') + 1) ? parent : inside);
	words[1] = dest;
	return verb_cp.run(c, 2, words);
}

static struct err *sync_all(struct call *c, struct watcher *w, const struct rule *r,
			    const struct strv *paths)
{
	struct err *all = NULL;

	for (size_t i = 0; i < w->s->a.n; i++) {
		const struct actual *to = &w->s->a.v[i];

		if (strcmp(to->service, r->s->name) || to->oneoff || !to->up)
			continue;
		for (size_t k = 0; k < paths->n; k++)
			all = err_also(all, sync_one(c, r, to->box, paths->v[k]));
	}
	return all;
}

static struct err *restart(struct watcher *w, const struct rule *r)
{
	_cleanup_strv_ struct strv one = { 0 };
	_cleanup_project_plan_ struct project_plan down = { 0 }, up = { 0 };
	struct plan_opts o = { .services = &one, .no_deps = true, .underscores = w->s->c.underscores };
	struct err *e;

	strv_add(&one, r->s->name);
	project_plan_down(w->s->p, &w->s->a, &one, false, false, false, &down);
	e = session_run(w->s, &down);
	e = e ?: project_plan_start(w->s->p, &w->s->a, &o, &up);
	return e ?: session_run(w->s, &up);
}

/* The image ID, which a build has just taken the name from, goes; unless it has another, or is used. */
static void prune_image(struct store *st, const char *id)
{
	_cleanup_strv_ struct strv in_use = { 0 }, report = { 0 };
	_cleanup_image_ struct image *img = NULL;
	struct err *e = image_find(st, id, &img);

	if (!e && img->ref)
		return;
	e = e ?: images_in_use(st, &in_use);
	if (!e && !strv_has(&in_use, id))
		e = image_remove(st, id, false, &in_use, &report);
	err_free(e); /* best effort: `image prune` gets it later */
}

static struct err *rebuild(struct watcher *w, const struct rule *r)
{
	_cleanup_strv_ struct strv one = { 0 }, none = { 0 };
	_cleanup_free_ bool *picked = xcalloc(w->s->p->n_services + 1, sizeof(*picked));
	_cleanup_image_ struct image *old = NULL;
	struct err *e = image_find(w->s->st, service_image(w->s->p, r->s), &old);

	err_free(e); /* there was none */
	strv_add(&one, r->s->name);
	e = compose_bring_up_built(w->s, &one, &none, picked);
	if (!e && old && opt_prune)
		prune_image(w->s->st, old->id);
	return e;
}

static struct err *run_hook(struct watcher *w, const struct rule *r)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	const struct node *hook = node_get(r->n, "exec");
	struct err *all = NULL;

	for (size_t i = 0; i < w->s->a.n; i++) {
		struct exec_request req;
		int status;

		if (strcmp(w->s->a.v[i].service, r->s->name) || !w->s->a.v[i].up)
			continue;
		hook_fill(hook, &req);
		if (req.argv.n)
			all = err_also(all, box_exec(w->s->a.v[i].box, &req, stdio, NULL, &status));
		hook_done(&req);
	}
	return all;
}

static struct err *act(struct call *c, struct watcher *w, const struct rule *r, const struct strv *paths)
{
	struct err *e = session_refresh(w->s);

	fprintf(stderr, "%s: %s: %zu changed, %s\n", prog(), r->s->name, paths->n, r->action);
	if (!strcmp(r->action, "rebuild"))
		return e ?: rebuild(w, r);
	if (str_starts(r->action, "sync"))
		e = e ?: sync_all(c, w, r, paths);
	if (str_ends(r->action, "restart"))
		e = e ?: restart(w, r);
	if (str_ends(r->action, "exec"))
		e = e ?: run_hook(w, r);
	return e;
}

static struct err *add_rules(struct watcher *w, const struct strv *services)
{
	static const char *const actions[] = { "sync",	       "rebuild",   "restart",
					       "sync+restart", "sync+exec", NULL };
	struct project *p = w->s->p;
	size_t cap = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		const struct node *list = node_get(node_get(s->node, "develop"), "watch");

		if (!s->enabled || (services->n && !strv_has(services, s->name)))
			continue;
		for (size_t k = 0; k < node_len(list); k++) {
			const struct node *n = list->m[k].value;
			struct rule r = { s, n, node_str(n, "path"), node_str(n, "action"),
					  node_str(n, "target") };
			bool known = false;

			for (size_t j = 0; r.action && actions[j]; j++)
				known = known || !strcmp(r.action, actions[j]);
			if (!r.path || !known)
				return pos_err(&n->pos, "develop.watch: it needs a path, and an action: sync, rebuild, "
							"restart, sync+restart or sync+exec");
			if (str_starts(r.action, "sync") && (!r.target || *r.target != '/'))
				return pos_err(&n->pos, "develop.watch: %s needs an absolute target",
					       r.action);
			w->rules = xgrow(w->rules, w->n_rules, &cap, sizeof(*w->rules));
			w->rules[w->n_rules++] = r;
		}
	}
	return w->n_rules
		       ? NULL
		       : err_hint(err_new(0, "none of the selected services is configured for watch"),
				  "the key develop.watch of a service says what to do when a file changes");
}

static struct err *watch(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 }, none = { 0 };
	_cleanup_free_ bool *picked = NULL;
	struct watcher w = { .s = &s, .notify = inotify_init1(IN_CLOEXEC) };
	struct err *e = compose_not_dry("watching goes on until Ctrl-C");

	e = e ?: session_open(&s, SESSION_FILES);
	e = e ?: session_services(&s, argc, argv, &services);
	e = e ?: add_rules(&w, &services);
	if (!e && w.notify < 0)
		e = err_new(errno, "watching files");
	w.changed = xcalloc(w.n_rules + 1, sizeof(*w.changed));
	picked = e ? NULL : xcalloc(s.p->n_services + 1, sizeof(*picked));
	s.tasks.quiet = s.tasks.quiet || opt_quiet;
	if (!e && !opt_no_up)
		e = compose_bring_up_built(&s, &services, &none, picked);
	for (size_t i = 0; i < w.n_rules && !e; i++)
		e = watch_tree(&w, &w.rules[i], w.rules[i].path);
	if (!e)
		fprintf(stderr, "%s: watching; Ctrl-C ends it\n", prog());
	while (!e) { /* until Ctrl-C */
		bool any = false, more = w.begun;

		if (w.begun)
			e = read_events(&w, -1, &any);
		w.begun = true;
		while (!e && more)
			e = read_events(&w, SETTLE_MS, &more);
		for (size_t i = 0; i < w.n_rules && !e; i++) {
			struct err *failed =
				w.changed[i].n ? act(c, &w, &w.rules[i], &w.changed[i]) : NULL;

			if (failed) { /* a build that fails is mended by the next change */
				_cleanup_free_ char *line = err_line(failed);

				fprintf(stderr, "%s: %s\n", prog(), line);
				err_free(failed);
			}
			strv_done(&w.changed[i]);
		}
	}
	for (size_t i = 0; i < w.n_dirs; i++)
		free(w.dirs[i].path);
	free(w.dirs);
	free(w.rules);
	free(w.changed);
	if (w.notify >= 0)
		close(w.notify);
	return e;
}

const struct verb verb_compose_watch = {
	.name = "watch",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = opts,
	.summary = "Watch build context for service and rebuild/refresh containers when files are updated",
	.run = watch,
};
