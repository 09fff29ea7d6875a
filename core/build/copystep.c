/* What COPY and ADD are to do; doing it is copy.c's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/build/expand.h"
#include "core/build/plan.h"

static struct err *words(const struct instr *in, const struct expand *x, struct strv *ret)
{
	struct err *e = NULL;

	for (size_t i = 0; i < in->words.n && !e; i++) {
		const struct word *w = &in->words.v[i];
		char *text = NULL;

		if (in->n_heredocs && heredoc_is(w->text))
			text = xstrdup(w->text);
		else
			e = expand_word(x, w->text, &text);
		e = pos_wrap(&w->pos, err_wrap(e, "%s: failed to process \"%.200s\"",
					       instr_names[in->kind], w->text));
		if (!e)
			strv_take(ret, text);
	}
	return e;
}

static struct err *flag(const struct instr *in, const struct expand *x, const char *name, char **ret)
{
	const char *text = instr_flag(in, name);

	if (!text)
		return NULL;
	if (!*text)
		return pos_err(&in->pos, "%s: --%s needs a value", instr_names[in->kind], name);
	return pos_wrap(&in->pos, err_wrap(expand_word(x, text, ret), "--%s", name));
}

static struct err *bool_flag(const struct instr *in, const char *name, bool *ret)
{
	const char *text = instr_flag(in, name);

	*ret = text && !str_eq(text, "false");
	if (text && *text && !str_eq(text, "true") && !str_eq(text, "false"))
		return pos_err(&in->pos, "%s: --%s=%s: it is true or false", instr_names[in->kind],
			       name, text);
	return NULL;
}

static struct err *parse_chmod(const struct instr *in, const char *text, int *ret)
{
	int mode = 0;

	for (const char *s = text; *s; s++) {
		if (*s < '0' || *s > '7' || s - text > 4)
			return pos_err(&in->pos, "%s: --chmod=%s is not an octal mode, such as 644",
				       instr_names[in->kind], text);
		mode = mode * 8 + (*s - '0');
	}
	*ret = mode & 07777;
	return NULL;
}

static struct err *excludes(const struct instr *in, const struct expand *x, struct ignore *to)
{
	struct err *e = NULL;

	for (size_t i = 0; i < in->flags.n && !e; i++) {
		const char *text = str_after(in->flags.v[i].text, "--exclude=");
		_cleanup_free_ char *pattern = NULL;

		if (!text)
			continue;
		e = expand_word(x, text, &pattern);
		e = e ?: ignore_add(to, pattern);
		e = pos_wrap(&in->pos, err_wrap(e, "--exclude"));
	}
	return e;
}

static struct item *new_item(struct step *t, enum item_kind kind, char *name)
{
	t->items = xrealloc(t->items, (t->n_items + 1) * sizeof(*t->items));
	t->items[t->n_items] = (struct item){ .kind = kind, .name = name };
	return &t->items[t->n_items++];
}

/* "https://host/a/b.tar.gz?x=y" -> "b.tar.gz" */
static struct err *url_item(const struct instr *in, struct step *t, const char *url, const char *checksum)
{
	const char *path = strstr(url, "://") + 3, *base;
	size_t len = strcspn(path, "?#");
	_cleanup_free_ char *clean = xstrndup(path, len);
	struct item *it;

	base = strrchr(clean, '/');
	base = base ? base + 1 : "";
	if (!*base && str_ends(t->dest, "/"))
		return pos_err(&in->pos, "ADD: cannot determine the file's name from \"%s\"", url);
	it = new_item(t, ITEM_URL, xstrdup(*base ? base : "download"));
	it->url = xstrdup(url);
	it->checksum = xstrdup(checksum);
	return NULL;
}

static void repo_item(struct step *t, const char *url, const char *checksum, bool keep_git)
{
	struct item *it = new_item(t, ITEM_REPO, xstrdup("."));

	it->url = xstrdup(url);
	it->checksum = xstrdup(checksum);
	it->keep_git = keep_git;
}

static bool is_url(const char *s)
{
	return str_starts(s, "http://") || str_starts(s, "https://");
}

static struct err *heredoc_item(const struct instr *in, const struct expand *x, size_t nth,
				struct step *t)
{
	const struct heredoc *h = &in->heredocs[nth];
	struct expand raw = *x;
	char *text = heredoc_text(h), *out = NULL;
	struct err *e = NULL;

	raw.raw = true;
	if (h->expand) {
		e = pos_wrap(&in->pos, err_wrap(expand_word(&raw, text, &out), "heredoc <<%s", h->name));
		free(text);
		text = out;
	}
	new_item(t, ITEM_TEXT, xstrdup(h->name))->text = text;
	return e;
}

/* A file's digest, or the (beginning of the) id of a commit. */
static struct err *parse_checksum(const struct instr *in, const struct expand *x,
				  const struct strv *l, char **ret)
{
	struct err *e = flag(in, x, "checksum", ret);
	const char *sum = *ret;

	if (e || !sum)
		return e;
	if (l->n != 2 || (!is_url(l->v[0]) && !remote_is_repo(l->v[0])))
		return pos_err(&in->pos, "ADD: --checksum is for one HTTP or git source");
	if (remote_is_repo(l->v[0]) ? strlen(sum) < 7 || sum[strspn(sum, "0123456789abcdef")]
				    : !digest_is_valid(sum))
		return pos_err(&in->pos, "ADD: --checksum=%s is not %s", sum,
			       remote_is_repo(l->v[0]) ? "the id of a commit"
						       : "\"sha256:\" and 64 hex digits");
	return NULL;
}

static struct err *items(const struct instr *in, const struct expand *x, const struct strv *l,
			 struct step *t)
{
	_cleanup_free_ char *checksum = NULL;
	bool keep_git = false;
	struct err *e = parse_checksum(in, x, l, &checksum);
	size_t nth = 0;

	e = e ?: bool_flag(in, "keep-git-dir", &keep_git);
	for (size_t i = 0; i + 1 < l->n && !e; i++) {
		if (in->n_heredocs && heredoc_is(l->v[i]) && nth < in->n_heredocs)
			e = heredoc_item(in, x, nth++, t);
		else if (t->is_add && remote_is_repo(l->v[i]))
			repo_item(t, l->v[i], checksum, keep_git);
		else if (t->is_add && is_url(l->v[i]))
			e = url_item(in, t, l->v[i], checksum);
		else if (remote_is_repo(l->v[i]))
			e = pos_err(&in->pos, "source can't be a git ref for COPY: \"%s\"", l->v[i]);
		else if (!t->is_add && is_url(l->v[i]))
			e = pos_err(&in->pos, "source can't be a URL for COPY: \"%s\"", l->v[i]);
		else
			new_item(t, ITEM_PATH, xstrdup(l->v[i]));
	}
	return e;
}

static struct err *copy_source(struct build_plan *p, struct stage *s, const struct instr *in,
			       struct step *t)
{
	const char *from = instr_flag(in, "from");

	if (!from) {
		t->from.context = p->contexts[0];
		return NULL;
	}
	for (size_t i = 0; i < t->n_items; i++)
		if (t->items[i].kind != ITEM_PATH)
			return pos_err(&in->pos, "COPY: heredocs and --from do not go together");
	return build_plan_source(p, s, from, &in->pos, &t->from);
}

struct err *copy_eval(struct build_plan *p, struct stage *s, const struct instr *in,
		      const struct expand *x, const char *workdir, struct step *t)
{
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_free_ char *chmod = NULL;
	struct err *e = words(in, x, &l);
	const char *dest, *unpack = instr_flag(in, "unpack");

	if (e)
		return e;
	dest = l.v[l.n - 1];
	t->is_add = in->kind == INSTR_ADD;
	t->dest = *dest == '/'
			  ? xstrdup(dest)
			  : xasprintf("%s%s%s", workdir, str_ends(workdir, "/") ? "" : "/", dest);
	if (l.n > 2 && !str_ends(dest, "/") && !str_eq(dest, ".") && !str_ends(dest, "/."))
		return pos_err(&in->pos,
			       "When using %s with more than one source file, the destination must be a "
			       "directory and end with a /, got \"%s\"",
			       instr_names[in->kind], dest);
	e = flag(in, x, "chown", &t->chown);
	e = e ?: flag(in, x, "chmod", &chmod);
	if (!e && chmod)
		e = parse_chmod(in, chmod, &t->chmod);
	e = e ?: bool_flag(in, "link", &t->link);
	e = e ?: bool_flag(in, "parents", &t->parents);
	e = e ?: excludes(in, x, &t->exclude);
	e = e ?: items(in, x, &l, t);
	for (size_t i = 0; i < t->n_items && !e; i++)
		t->items[i].archive =
			t->is_add && ((t->items[i].kind == ITEM_PATH && !str_eq(unpack, "false")) ||
				      (t->items[i].kind == ITEM_URL && str_eq(unpack, "true")));
	return e ?: copy_source(p, s, in, t);
}
