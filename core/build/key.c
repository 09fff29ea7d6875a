#include <fcntl.h>
#include <stdio.h>

#include "core/base/fd.h"
#include "core/build/plan.h"
#include "registry/blob.h"

enum { KEY_VERSION = 1 };

static void add(struct sha256 *s, const char *text)
{
	sha256_add(s, text ?: "", (text ? strlen(text) : 0) + 1);
}

static void add_list(struct sha256 *s, const struct strv *l)
{
	uint64_t n = l->n;

	sha256_add(s, &n, sizeof(n));
	for (size_t i = 0; i < l->n; i++)
		add(s, l->v[i]);
}

static void finish(struct sha256 *s, char ret[HASH_LEN + 1])
{
	char text[DIGEST_LEN + 1];

	sha256_text(s, text);
	sha256_free(s);
	memcpy(ret, text + strlen(DIGEST_PREFIX), HASH_LEN + 1);
}

/* -- what comes from contexts ------------------------------------------------------------------------------------ */

static struct err *hash_tree(struct build_plan *p, struct context *c, const char *path,
			     const struct step *t, struct tree *tree)
{
	struct tree_opts o = { .ignore = &c->ignore,
			       .exclude = t->exclude.n ? &t->exclude : NULL,
			       .parents = t->parents,
			       .where = c->name ? c->name : "the build context" };
	struct err *e = NULL;

	if (c->root < 0)
		return err_new(0, "\"%s\" was not found: there is no build context", path);
	if (!c->fp)
		e = fingerprints_load(p->st, c->path, &c->fp);
	e = e ?: tree_add(tree, c->root, path, &o);
	return e ?: tree_read(tree, c->root, c->fp);
}

/* The commit stands for the files: .git would differ each time. */
static struct err *hash_repo(struct build_plan *p, struct step *t, struct item *it, struct sha256 *s)
{
	_cleanup_free_ char *commit = NULL;
	struct err *e;

	it->repo = context_new(p, it->url);
	e = repo_open(p, it->url, it->repo, &commit);
	if (!e && it->checksum && !str_starts(commit, it->checksum))
		e = err_new(0, "%s: commit mismatch: got %s, expected %s", it->url, commit,
			    it->checksum);
	if (!e && !it->keep_git)
		e = fd_rm_tree(it->repo->stage_fd, ".git");
	if (e)
		return e;
	add(s, it->url);
	add(s, commit);
	sha256_add(s, &it->keep_git, sizeof(it->keep_git));
	for (size_t i = 0; i < t->in->flags.n; i++)
		if (str_starts(t->in->flags.v[i].text, "--exclude"))
			add(s, t->in->flags.v[i].text);
	return hash_tree(p, it->repo, ".", t, &it->tree);
}

static struct err *hash_item(struct build_plan *p, struct step *t, struct item *it, struct sha256 *s)
{
	char hash[HASH_LEN + 1];
	struct err *e;

	add(s, it->name);
	sha256_add(s, &it->archive, sizeof(it->archive));
	switch (it->kind) {
	case ITEM_TEXT:
		add(s, it->text);
		return NULL;
	case ITEM_URL:
		e = item_fetch(p, it);
		sha256_add(s, it->digest, sizeof(it->digest));
		return e;
	case ITEM_REPO:
		return hash_repo(p, t, it, s);
	default:
		if (!t->from.context)
			return NULL;
		e = hash_tree(p, t->from.context, it->name, t, &it->tree);
		if (!e) {
			tree_hash(&it->tree, false, hash);
			add(s, hash);
		}
		return e;
	}
}

struct err *step_hash(struct build_plan *p, struct step *t)
{
	struct sha256 *s;
	struct err *e = NULL;
	char hash[HASH_LEN + 1];

	if (t->hashed)
		return NULL;
	s = sha256_new();
	for (size_t i = 0; i < t->n_items && !e; i++)
		e = hash_item(p, t, &t->items[i], s);
	for (size_t i = 0; i < t->n_mounts && !e; i++) {
		struct step_mount *m = &t->mounts[i];

		if (m->kind != STEP_BIND || !m->from.context)
			continue;
		e = hash_tree(p, m->from.context, m->source ?: "", t, &m->tree);
		tree_hash(&m->tree, false, hash);
		add(s, hash);
	}
	finish(s, t->input);
	t->hashed = !e;
	return pos_wrap(&t->in->pos, err_wrap(e, "%s", instr_names[t->in->kind]));
}

/* -- keys -------------------------------------------------------------------------------------------------------- */

static void add_source(struct sha256 *s, const struct source *from)
{
	char key[HASH_LEN + 1];

	if (!from->stage)
		return;
	if (from->stage->state == STAGE_DONE) {
		add(s, from->stage->key);
		return;
	}
	stage_base_key(from->stage, key);
	add(s, key);
}

static void run_key(const struct build_plan *p, const struct step *t, struct sha256 *s)
{
	add_list(s, &t->argv);
	add_list(s, &t->fixed);
	add(s, t->user);
	add(s, t->workdir);
	add(s, t->script);
	sha256_add(s, &t->net, sizeof(t->net));
	add_list(s, &p->req->add_hosts);
	for (size_t i = 0; i < t->n_mounts; i++) {
		const struct step_mount *m = &t->mounts[i];

		sha256_add(s, &m->kind, sizeof(m->kind));
		add(s, m->target);
		add(s, m->source);
		add(s, m->id);
		add(s, m->env);
		sha256_add(s, &m->read_write, sizeof(m->read_write));
		add_source(s, &m->from);
	}
}

static void copy_key(const struct step *t, struct sha256 *s)
{
	add(s, t->dest);
	add(s, t->chown);
	sha256_add(s, &t->chmod, sizeof(t->chmod));
	sha256_add(s, &t->is_add, sizeof(t->is_add));
	sha256_add(s, &t->parents, sizeof(t->parents));
	add_source(s, &t->from);
	if (t->from.stage)
		for (size_t i = 0; i < t->in->flags.n; i++)
			if (str_starts(t->in->flags.v[i].text, "--exclude"))
				add(s, t->in->flags.v[i].text);
}

void step_key(const struct build_plan *p, const struct step *t, const char *before,
	      char ret[HASH_LEN + 1])
{
	struct sha256 *s = sha256_new();
	const uint32_t head[] = { KEY_VERSION, t->kind };

	sha256_add(s, head, sizeof(head));
	add(s, t->link ? "" : before); /* a linked copy does not look at what is below */
	add(s, t->input);
	if (p->epoch_s >= 0)
		sha256_add(s, &p->epoch_s, sizeof(p->epoch_s));
	switch (t->kind) {
	case STEP_RUN:
		run_key(p, t, s);
		break;
	case STEP_COPY:
		copy_key(t, s);
		break;
	default:
		add(s, t->dest);
	}
	finish(s, ret);
}

void stage_base_key(const struct stage *s, char ret[HASH_LEN + 1])
{
	struct sha256 *h = sha256_new();

	if (s->base)
		add(h, s->base->key);
	else
		add(h, s->image ? s->image->id : "scratch");
	finish(h, ret);
}

void step_content_key(const struct step *t, const char *before, char ret[HASH_LEN + 1])
{
	struct sha256 *s = sha256_new();
	char hash[HASH_LEN + 1];

	add(s, "content");
	add(s, t->link ? "" : before);
	add(s, t->dest);
	add(s, t->chown);
	sha256_add(s, &t->chmod, sizeof(t->chmod));
	for (size_t i = 0; i < t->n_items; i++) {
		tree_hash(&t->items[i].tree, true, hash);
		add(s, hash);
	}
	finish(s, ret);
}

void step_next_key(const struct step *t, const char *before, const char *record, char ret[HASH_LEN + 1])
{
	struct sha256 *s;

	if (!t->link) {
		memmove(ret, record, HASH_LEN + 1);
		return;
	}
	s = sha256_new(); /* the record says nothing about what is below */
	add(s, before);
	add(s, record);
	finish(s, ret);
}

/* -- layers ------------------------------------------------------------------------------------------------------ */

/* A layer that is there already counts once more on top, and then no longer below: overlayfs takes none twice. */
void layers_push(struct strv *l, const char *layer)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i], layer)) {
			free(l->v[i]);
			memmove(l->v + i, l->v + i + 1, (l->n - i) * sizeof(*l->v));
			l->n--;
			break;
		}
	strv_add(l, layer);
}

void stage_base_layers(const struct stage *s, struct strv *ret)
{
	if (s->base)
		strv_copy(ret, &s->base->layers);
	else if (s->image)
		strv_copy(ret, &s->image->diff_ids);
}
