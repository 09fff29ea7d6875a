/* What a stage begins with, its steps one after the other, and what they are called. */
#include <stdio.h>
#include <stdlib.h>

#include "core/build/eval.h"

static struct err *find_base(struct build_plan *p, struct stage *s, char **ret_title)
{
	struct expand x = { .escape = p->file.escape, .get = build_plan_global, .arg = p };
	const struct word *w = &s->from->words.v[0];
	const char *flag = instr_flag(s->from, "platform");
	_cleanup_free_ char *name = NULL, *known = NULL;
	struct err *e = expand_word(&x, w->text, &name);

	if (!e && flag)
		e = expand_word(&x, flag, &s->platform);
	if (e)
		return pos_wrap(&w->pos,
				err_wrap(e, "FROM: failed to process \"%.200s\"", flag ?: w->text));
	if (!*name)
		return pos_err(&w->pos, "base name (%s) should not be blank", w->text);
	*ret_title = xstrdup(name);
	for (size_t i = s->index; i-- > 0 && !s->base;)
		if (p->stages[i]->name && !strcasecmp(p->stages[i]->name, name))
			s->base = p->stages[i];
	if (s->base)
		return stage_eval(p, s->base);
	if (str_eq(name, "scratch"))
		return NULL;
	if (s->name && !strcasecmp(s->name, name) && !strpbrk(name, ".:/"))
		known = xstrdup(" (a stage cannot be made from itself)");
	e = p->get_image(p, name, s->platform, &s->image);
	return pos_wrap(&w->pos, err_wrap(e, "FROM %s%s", name, known ?: ""));
}

static void first_conf(struct stage *s)
{
	if (s->base)
		conf_copy(&s->conf, &s->base->conf);
	else if (s->image)
		conf_read(&s->conf, s->image->config);
	else
		strv_add(&s->conf.env, DEFAULT_PATH);
}

static struct err *read_triggers(struct stage *s, const char *title)
{
	struct strv *l = &s->conf.onbuild;
	struct err *e = NULL;

	if (!l->n)
		return NULL;
	s->triggers_name = xasprintf("ONBUILD of %s", title);
	s->triggers = xcalloc(l->n, sizeof(*s->triggers));
	for (size_t i = 0; i < l->n && !e; i++) {
		e = instr_parse(l->v[i], s->triggers_name, &s->triggers[s->n_triggers]);
		s->n_triggers += !e;
		if (!e && (s->triggers[i].kind == INSTR_FROM || s->triggers[i].kind == INSTR_ONBUILD))
			e = pos_err(&s->triggers[i].pos, "%s isn't allowed as an ONBUILD trigger",
				    instr_names[s->triggers[i].kind]);
	}
	strv_done(l);
	return e;
}

static void title_steps(struct build_plan *p, struct stage *s, const char *base)
{
	_cleanup_free_ char *word = NULL;
	size_t total = s->n_steps + 1;

	if (s->name)
		word = xasprintf("%s ", s->name);
	else if (p->n_own > 1)
		word = xasprintf("stage-%u ", s->index);
	s->title = xasprintf("[%s1/%zu] FROM %s", word ?: "", total, base);
	for (size_t i = 0; i < s->n_steps; i++) {
		char *text = xasprintf("[%s%zu/%zu] %s", word ?: "", i + 2, total, s->steps[i].name);

		free(s->steps[i].name);
		s->steps[i].name = text;
	}
}

/* "docker.io/library/debian:12" */
static char *full_name(const char *name)
{
	struct image_ref ref;
	struct err *e = image_ref_parse(name, &ref);
	char *full;

	if (e) {
		err_free(e); /* an image's id */
		return xstrdup(name);
	}
	full = image_ref_full(&ref);
	image_ref_done(&ref);
	return full;
}

struct err *stage_eval(struct build_plan *p, struct stage *s)
{
	struct eval v;
	_cleanup_free_ char *title = NULL, *full = NULL;
	struct err *e;

	if (s->evaluated)
		return NULL;
	s->evaluated = true;
	eval_init(&v, p, s);
	if (s->is_image) {
		full = full_name(s->name);
		s->number = ++p->n_steps;
		s->title = xasprintf("FROM %s", full);
		return p->get_image(p, s->name, NULL, &s->image);
	}
	e = find_base(p, s, &title);
	if (e)
		return e;
	s->number = ++p->n_steps;
	first_conf(s);
	e = read_triggers(s, title);
	for (size_t i = 0; i < s->n_triggers && !e; i++) {
		v.in = &s->triggers[i];
		e = eval_instr(&v);
	}
	for (size_t i = s->first; i < s->end && !e; i++) {
		v.in = &p->file.v[i];
		e = eval_instr(&v);
	}
	if (!e && s == p->target)
		for (size_t i = 0; i < p->req->labels.n; i++) {
			const char *l = p->req->labels.v[i];
			_cleanup_free_ char *kv = xasprintf("%s%s", l, strchr(l, '=') ? "" : "=");

			strv_env_set(&s->conf.labels, kv);
		}
	full = s->image ? full_name(title) : xstrdup(title);
	if (!e)
		title_steps(p, s, full);
	return e;
}

static void step_done(struct step *t)
{
	free(t->name);
	strv_done(&t->argv);
	strv_done(&t->env);
	strv_done(&t->fixed);
	free(t->user);
	free(t->workdir);
	for (size_t i = 0; i < t->n_mounts; i++)
		step_mount_done(&t->mounts[i]);
	free(t->mounts);
	free(t->script);
	for (size_t i = 0; i < t->n_items; i++) {
		free(t->items[i].name);
		free(t->items[i].text);
		free(t->items[i].url);
		free(t->items[i].checksum);
		free(t->items[i].file);
		free(t->items[i].stage);
		tree_done(&t->items[i].tree);
	}
	free(t->items);
	free(t->dest);
	free(t->chown);
	ignore_done(&t->exclude);
}

void stage_free(struct stage *s)
{
	free(s->name);
	image_free(s->image);
	free(s->platform);
	free(s->title);
	conf_done(&s->conf);
	strv_done(&s->args);
	for (size_t i = 0; i < s->n_triggers; i++)
		instr_done(&s->triggers[i]);
	free(s->triggers);
	free(s->triggers_name);
	for (size_t i = 0; i < s->n_steps; i++)
		step_done(&s->steps[i]);
	free(s->steps);
	for (size_t i = 0; i < s->n_history; i++)
		free(s->history[i].created_by);
	free(s->history);
	free(s->history_step);
	strv_done(&s->layers);
	free(s);
}
