#include "core/build/plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/proc.h"
#include "core/build/expand.h"

const char *const build_net_names[] = { "default", "none", "host" };
_Static_assert(ARRAY_LEN(build_net_names) == BUILD_NET_MAX, "a name for each network");

/* -- arguments --------------------------------------------------------------------------------------------------- */

static void read_args(struct build_plan *p)
{
	const struct strv *given = &p->req->args;

	for (size_t i = 0; i < given->n; i++) {
		const char *value = strchr(given->v[i], '=') ? NULL : getenv(given->v[i]);

		if (strchr(given->v[i], '='))
			strv_env_set(&p->build_args, given->v[i]);
		else if (value)
			strv_addf(&p->build_args, "%s=%s", given->v[i], value);
	}
	p->args_used = xcalloc(p->build_args.n + 1, sizeof(bool));
}

static void add_platform(struct build_plan *p, const char *prefix, const struct platform *pl)
{
	_cleanup_free_ char *text = platform_text(pl);

	strv_addf(&p->predefined, "%sPLATFORM=%s", prefix, text);
	strv_addf(&p->predefined, "%sOS=%s", prefix, pl->os);
	strv_addf(&p->predefined, "%sARCH=%s", prefix, pl->arch);
	strv_addf(&p->predefined, "%sVARIANT=%s", prefix, pl->variant ?: "");
}

static struct err *read_platform(struct build_plan *p)
{
	struct platform own = { 0 };
	struct err *e = NULL;

	platform_own(&own);
	if (p->req->platform)
		e = err_wrap(platform_parse(p->req->platform, &p->platform), "--platform %s",
			     p->req->platform);
	else
		platform_own(&p->platform);
	if (!e) {
		add_platform(p, "TARGET", &p->platform);
		add_platform(p, "BUILD", &own);
		strv_addf(&p->predefined, "TARGETSTAGE=%s", p->req->target ?: "default");
	}
	platform_done(&own);
	return e;
}

static struct err *read_epoch(struct build_plan *p)
{
	const char *text = strv_env(&p->build_args, "SOURCE_DATE_EPOCH") ?: getenv("SOURCE_DATE_EPOCH");
	uint64_t n;
	struct err *e;

	p->epoch_s = -1;
	if (!text || !*text)
		return NULL;
	e = str_to_u64(text, 0, 1ull << 40, &n);
	if (!e)
		p->epoch_s = (int64_t)n;
	return err_wrap(e, "SOURCE_DATE_EPOCH");
}

const char *build_plan_global(void *arg, const char *name)
{
	struct build_plan *p = arg;

	return strv_env(&p->globals, name) ?: strv_env(&p->predefined, name);
}

static void use_arg(struct build_plan *p, const char *name)
{
	for (size_t i = 0; i < p->build_args.n; i++) {
		const char *rest = str_after(p->build_args.v[i], name);

		if (rest && *rest == '=')
			p->args_used[i] = true;
	}
}

/* ARG before the first FROM. */
static struct err *global_arg(struct build_plan *p, const struct instr *in)
{
	struct expand x = { .escape = p->file.escape, .get = build_plan_global, .arg = p };
	struct err *e = NULL;

	for (size_t i = 0; i < in->words.n && !e; i++) {
		const struct word *w = &in->words.v[i];
		size_t key = strcspn(w->text, "=");
		_cleanup_free_ char *name = xstrndup(w->text, key), *value = NULL;
		const char *given = strv_env(&p->build_args, name);

		use_arg(p, name);
		if (given)
			value = xstrdup(given);
		else if (w->text[key])
			e = pos_wrap(&w->pos, err_wrap(expand_word(&x, w->text + key + 1, &value),
						       "ARG %s", w->text));
		if (value) {
			_cleanup_free_ char *kv = xasprintf("%s=%s", name, value);

			strv_env_set(&p->globals, kv);
		}
	}
	return e;
}

/* -- stages ------------------------------------------------------------------------------------------------------ */

static struct stage *new_stage(struct build_plan *p)
{
	struct stage *s = xcalloc(1, sizeof(*s));

	p->stages = xgrow(p->stages, p->n_stages, &p->stages_cap, sizeof(struct stage *));
	s->index = (unsigned)p->n_stages;
	p->stages[p->n_stages++] = s;
	return s;
}

static bool is_stage_name(const char *s)
{
	if (!isalpha((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

static struct stage *find_stage(const struct build_plan *p, const char *name, size_t before)
{
	for (size_t i = before; i-- > 0;)
		if (p->stages[i]->name && !strcasecmp(p->stages[i]->name, name))
			return p->stages[i];
	return NULL;
}

static struct err *add_stage(struct build_plan *p, const struct instr *in, size_t at)
{
	const char *as = in->words.n == 3 ? in->words.v[2].text : NULL;
	struct stage *s;

	if (p->n_stages >= STAGES_MAX)
		return pos_err(&in->pos, "more than %d stages", STAGES_MAX);
	if (as && !is_stage_name(as))
		return pos_err(&in->pos,
			       "invalid name for build stage: \"%s\" (letters, digits, \"-\", \"_\" and \".\", "
			       "beginning with a letter)",
			       as);
	s = new_stage(p);
	s->name = xstrdup(as);
	s->from = in;
	s->first = s->end = at + 1;
	return NULL;
}

static struct err *find_target(struct build_plan *p)
{
	const char *name = p->req->target;
	uint64_t n;
	struct err *e;

	p->target = p->stages[p->n_own - 1];
	if (!name || !*name)
		return NULL;
	p->target = find_stage(p, name, p->n_own);
	if (p->target)
		return NULL;
	e = str_to_u64(name, 0, p->n_own - 1, &n);
	if (e) {
		err_free(e);
		return err_new(0, "%s: there is no build stage \"%s\"", p->file.name, name);
	}
	p->target = p->stages[n];
	return NULL;
}

static struct context *find_context(const struct build_plan *p, const char *name)
{
	for (size_t i = 1; i < p->n_contexts; i++)
		if (str_eq(p->contexts[i]->name, name))
			return p->contexts[i];
	return NULL;
}

struct err *build_plan_source(struct build_plan *p, const struct stage *stage, const char *name,
			      const struct pos *pos, struct source *ret)
{
	size_t before = stage && !stage->is_image ? stage->index : p->n_own;
	struct stage *s = find_stage(p, name, before);
	struct err *e = NULL;
	uint64_t n;

	if (!*name)
		return pos_err(pos, "an empty name of a stage or image");
	ret->context = find_context(p, name);
	if (ret->context)
		return NULL;
	if (!s && name[strspn(name, "0123456789")] == '\0') {
		e = str_to_u64(name, 0, UINT32_MAX, &n);
		if (e || n >= before) {
			err_free(e);
			return pos_err(pos, "there is no stage %s before this one", name);
		}
		s = p->stages[n];
	}
	if (!s && stage && stage->name && !strcasecmp(stage->name, name))
		return pos_err(pos, "the stage \"%s\" cannot take files from itself", name);
	if (!s)
		for (size_t i = p->n_own; i < p->n_stages; i++)
			if (str_eq(p->stages[i]->name, name))
				s = p->stages[i];
	if (!s) {
		s = new_stage(p);
		s->name = xstrdup(name);
		s->is_image = true;
	}
	e = stage_eval(p, s);
	ret->stage = s;
	return s->is_image ? pos_wrap(pos, e) : e;
}

struct err *build_plan_make(struct build_plan *p)
{
	struct err *e = NULL;

	read_args(p);
	e = read_epoch(p);
	e = e ?: read_platform(p);
	for (size_t i = 0; i < p->file.n && !e; i++) {
		const struct instr *in = &p->file.v[i];

		if (in->kind == INSTR_FROM)
			e = add_stage(p, in, i);
		else if (p->n_stages)
			p->stages[p->n_stages - 1]->end = i + 1;
		else if (in->kind == INSTR_ARG)
			e = global_arg(p, in);
		else
			e = pos_err(&in->pos, "%s before the first FROM: there is no image yet",
				    instr_names[in->kind]);
	}
	if (!e && !p->n_stages)
		e = err_new(0, "%s: there is no FROM", p->file.name);
	p->n_own = p->n_stages;
	e = e ?: find_target(p);
	if (!e)
		for (struct stage *s = p->target; s; s = s->base) {
			s->packed = true;
			e = stage_eval(p, s);
			if (e)
				return e;
		}
	for (size_t i = 0; !e && i < p->build_args.n; i++)
		if (!p->args_used[i] && p->note) {
			size_t key = strcspn(p->build_args.v[i], "=");
			_cleanup_free_ char *text =
				xasprintf("[Warning] One or more build-args [%.*s] were not consumed",
					  (int)key, p->build_args.v[i]);

			p->note(p, text);
		}
	return e;
}

void build_plan_done(struct build_plan *p)
{
	for (size_t i = 0; i < p->n_stages; i++)
		stage_free(p->stages[i]);
	free(p->stages);
	free(p->args_used);
	strv_done(&p->globals);
	strv_done(&p->predefined);
	strv_done(&p->build_args);
	platform_done(&p->platform);
	dockerfile_done(&p->file);
}

/* Does S take anything from a stage that is done afresh? */
static bool takes_fresh(const struct build_plan *p, struct stage *s)
{
	if (s->base && !build_plan_caches(p, s->base))
		return true;
	for (size_t i = 0; i < s->n_steps; i++) {
		const struct step *t = &s->steps[i];

		if (t->from.stage && !build_plan_caches(p, t->from.stage))
			return true;
		for (size_t k = 0; k < t->n_mounts; k++)
			if (t->mounts[k].from.stage && !build_plan_caches(p, t->mounts[k].from.stage))
				return true;
	}
	return false;
}

bool build_plan_caches(const struct build_plan *p, struct stage *s)
{
	const struct strv *filter = &p->req->no_cache_filter;

	if (p->req->no_cache || !filter->n)
		return !p->req->no_cache;
	for (size_t i = 0; i < filter->n && s->fresh == FRESH_UNKNOWN; i++)
		if (s->name && !strcasecmp(filter->v[i], s->name))
			s->fresh = FRESH_YES;
	if (s->fresh == FRESH_UNKNOWN)
		s->fresh = takes_fresh(p, s) ? FRESH_YES : FRESH_NO;
	return s->fresh == FRESH_NO;
}
