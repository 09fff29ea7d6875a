#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/fd.h"
#include "core/box/tarin.h"
#include "core/box/userdb.h"
#include "core/build/place.h"
#include "core/build/worker.h"

enum { TEXT_MODE = 0644 };

/* --chown=USER[:GROUP], looked up in the image; a number without a group is its own group, as with BuildKit. */
static struct err *find_owner(const struct step *t, struct place *p)
{
	struct user u = { 0 };
	struct err *e;

	if (!t->chown)
		return NULL;
	e = user_lookup(p->root, t->chown, &u);
	if (e)
		return err_wrap(e, "--chown=%s", t->chown);
	p->has_owner = true;
	p->uid = u.uid;
	p->gid = t->chown[strspn(t->chown, "0123456789")] ? u.gid : u.uid;
	user_done(&u);
	return NULL;
}

static struct err *text_file(const char *text, int *ret)
{
	_cleanup_close_ int fd = memfd_create("heredoc", MFD_CLOEXEC);
	struct err *e = fd < 0 ? err_new(errno, "making a file") : NULL;

	e = e ?: fd_write_all(fd, "a heredoc", text, strlen(text));
	if (!e && lseek(fd, 0, SEEK_SET) < 0)
		e = err_new(errno, "rewinding a heredoc");
	if (!e)
		*ret = TAKE_FD(fd);
	return e;
}

/* -- a source that is one file, and perhaps an archive ----------------------------------------------------------- */

static struct err *put_file(const struct place *p, const struct item *it, const struct tree_file *f,
			    int fd)
{
	const char *name = f->path + f->under;

	if (it->archive && S_ISREG(f->mode) && tarin_is_archive(fd))
		return err_wrap(place_archive(p, fd), "unpacking %s", it->name);
	return place_file(p, name, fd, f->mode & 07777, &f->mtime);
}

struct opener {
	const struct tree *t;
	int root;
};

static struct err *open_in_stage(void *arg, size_t i, int *ret_fd)
{
	struct opener *o = arg;

	return tree_open(o->t, i, o->root, ret_fd);
}

static bool all_files(const struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!S_ISREG(t->v[i].mode))
			return false;
	return true;
}

/* Of ADD each file may be an archive; what comes in a directory is copied as it is. */
static struct err *put_tree(const struct place *p, const struct item *it, const struct tree *t,
			    struct err *(*open)(void *arg, size_t i, int *ret_fd), void *arg)
{
	struct err *e = NULL;

	if (!it->archive || !all_files(t))
		return place_tree(p, t, open, arg);
	for (size_t i = 0; i < t->n && !e; i++) {
		_cleanup_close_ int fd = -1;

		e = open(arg, i, &fd);
		e = e ?: put_file(p, it, &t->v[i], fd);
	}
	return e;
}

static struct err *copy_item(struct worker *w, struct step *t, size_t nth, const struct place *p, int from)
{
	struct item *it = &t->items[nth];
	const struct timespec epoch = { .tv_sec = w->p->epoch_s >= 0 ? w->p->epoch_s : 0 };
	_cleanup_close_ int fd = -1;
	struct receiver r;
	struct opener o;
	struct err *e;

	if (it->kind == ITEM_TEXT) {
		e = text_file(it->text, &fd);
		return e ?: place_file(p, it->name, fd, TEXT_MODE, &epoch);
	}
	if (it->kind == ITEM_URL) {
		e = fd_open(w->st.tmp, it->file, O_RDONLY, 0, &fd);
		if (!e && it->archive && tarin_is_archive(fd))
			return err_wrap(place_archive(p, fd), "unpacking %s", it->name);
		return e ?: place_file(p, it->name, fd, URL_FILE_MODE, &it->mtime);
	}
	if (from < 0) {
		e = worker_ask_files(w, t, (unsigned)nth, &r);
		return e ?: put_tree(p, it, &it->tree, worker_next_file, &r);
	}
	o = (struct opener){ &it->tree, from };
	return put_tree(p, it, &it->tree, open_in_stage, &o);
}

/* What the sources in a stage or image are. */
static struct err *find_in_stage(struct step *t, int root)
{
	struct tree_opts o = { .exclude = t->exclude.n ? &t->exclude : NULL,
			       .parents = t->parents,
			       .where = t->from.stage->name ?: "the stage" };
	struct err *e = NULL;

	for (size_t i = 0; i < t->n_items && !e; i++) {
		tree_done(&t->items[i].tree);
		e = tree_add(&t->items[i].tree, root, t->items[i].name, &o);
		e = e ?: tree_read(&t->items[i].tree, root, NULL);
	}
	return e;
}

/* FROM: the root of the stage they come from, or -1. */
static struct err *put_items(struct worker *w, struct step *t, const char *name, int from)
{
	static const struct strv none;
	struct place p = { .root = -1,
			   .dest = t->dest,
			   .into = t->n_items > 1 || t->parents,
			   .keep_owner = t->from.stage != NULL,
			   .mode = t->chmod,
			   .ids = &w->st.ids };
	struct err *e = worker_mount(w, name, t->link ? &none : &w->layers, &p.root);

	e = e ?: find_owner(t, &p);
	for (size_t i = 0; i < t->n_items && !e; i++)
		e = copy_item(w, t, i, &p, from);
	if (p.root >= 0)
		close(p.root);
	worker_unmount(w, name);
	return e;
}

struct err *copy_exec(struct worker *w, struct step *t, const char *before, const char *name,
		      bool *ret_found)
{
	_cleanup_free_ char *from_name = xasprintf("%s.from", name);
	_cleanup_close_ int from = -1;
	struct err *e = NULL;

	if (t->from.stage) {
		e = worker_mount(w, from_name, &t->from.stage->layers, &from);
		e = e ?: find_in_stage(t, from);
	}
	if (!e && t->from.stage) {
		step_content_key(t, before, t->result.key);
		*ret_found = build_plan_caches(w->p, w->s) &&
			     cache_get(&w->st, t->result.key, &t->result);
	}
	if (!e && !*ret_found)
		e = put_items(w, t, name, from);
	if (from >= 0)
		close(TAKE_FD(from));
	if (t->from.stage)
		worker_unmount(w, from_name);
	return err_wrap(e, "%s", instr_names[t->in->kind]);
}

struct err *copy_bind(struct worker *w, struct step *t, unsigned arg, const struct tree *tree, int root)
{
	struct place p = { .root = root, .dest = "/src", .mode = -1, .ids = &w->st.ids };
	struct receiver r;
	struct err *e = worker_ask_files(w, t, arg, &r);

	return e ?: place_tree(&p, tree, worker_next_file, &r);
}
