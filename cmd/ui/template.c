#include "cmd/ui/template_priv.h"

/* How it works: template_parse() cuts the text at {{ }} and builds a tree of nodes (text, output, if, range, with);
 * template_run() walks it with "dot" (the current value) and a stack of variables.  All memory of a parse and of a run
 * comes from an arena of its own and ends with it. */

struct run {
	const struct template *t;
	struct arena arena;
	struct str *out;
	struct val root;
	struct {
		const char *name;
		struct val val;
	} vars[VARS_MAX];
	size_t n_vars;
	unsigned steps;
};

static struct err *eval_pipe(struct run *r, const struct pipe *pipe, const struct val *dot,
			     struct val *ret);

static struct err *step(struct run *r, size_t at)
{
	if (++r->steps > STEPS_MAX || r->out->len > OUT_MAX)
		return template_error(r->t->text, at, "this takes too long");
	return NULL;
}

/* Docker's types have these members always, as nil pointers that their JSON leaves out: {{if .State.Health}}. */
static bool is_optional(const char *name)
{
	static const char *const names[] = { "Health", "Healthcheck" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static struct err *get_field(struct run *r, const struct operand *o, const char *name, struct val *v)
{
	json *member;

	if (v->kind != V_JSON || json_is_array(v->j))
		return template_error(r->t->text, o->at, "can't evaluate field %s in %s", name,
				      val_kind_word(v));
	member = json_get(v->j, name);
	if (member) {
		*v = val_json(member, name);
		return NULL;
	}
	switch (v->missing) {
	case MISSING_IS_EMPTY:
		*v = val_str("");
		return NULL;
	case MISSING_IS_NONE:
		*v = (struct val){ .kind = V_NONE };
		return NULL;
	case MISSING_IS_ERROR:
		if (is_optional(name)) {
			*v = (struct val){ .kind = V_NONE };
			return NULL;
		}
		break;
	}
	return template_error(r->t->text, o->at, "map has no entry for key \"%s\"", name);
}

static struct err *eval_base(struct run *r, const struct operand *o, const struct val *dot,
			     struct val *ret)
{
	switch (o->kind) {
	case O_DOT:
		*ret = *dot;
		return NULL;
	case O_CONST:
		*ret = o->value;
		return NULL;
	case O_PIPE:
		return eval_pipe(r, o->pipe, dot, ret);
	case O_VAR:
		if (!*o->var) {
			*ret = r->root;
			return NULL;
		}
		for (size_t i = r->n_vars; i-- > 0;)
			if (!strcmp(r->vars[i].name, o->var)) {
				*ret = r->vars[i].val;
				return NULL;
			}
		return template_error(r->t->text, o->at, "undefined variable \"$%s\"", o->var);
	case O_FUNC:
		break;
	}
	return template_error(r->t->text, o->at, "%s needs parentheses here",
			      template_funcs[o->func].name);
}

/* The first N names of the path. */
static struct err *eval_path(struct run *r, const struct operand *o, size_t n,
			     const struct val *dot, struct val *ret)
{
	struct err *e = step(r, o->at);

	e = e ?: eval_base(r, o, dot, ret);
	for (size_t i = 0; !e && i < n; i++)
		e = get_field(r, o, o->path[i], ret);
	return e;
}

static struct err *eval_operand(struct run *r, const struct operand *o, const struct val *dot,
				struct val *ret)
{
	return eval_path(r, o, o->n_path, dot, ret);
}

/* .Label "key": looks into the text .Labels, "k=v,k2=v2".  A text without "=" is a column's heading; the answer is
 * the key then. */
static struct err *method_label(struct run *r, const struct cmd *c, const struct val *dot,
				struct val *ret)
{
	const struct operand *o = &c->args[0];
	struct val base, key;
	struct err *e = eval_path(r, o, o->n_path - 1, dot, &base);

	e = e ?: get_field(r, o, "Labels", &base);
	e = e ?: eval_operand(r, &c->args[1], dot, &key);
	if (e)
		return e;
	if (base.kind != V_STR || key.kind != V_STR)
		return template_error(r->t->text, o->at, "can't evaluate Label in %s",
				      val_kind_word(&base));
	*ret = *base.s && !strchr(base.s, '=') ? key : val_str("");
	for (const char *p = base.s; *p;) {
		size_t len = strcspn(p, ","), n = strlen(key.s);

		if (n < len && !strncmp(p, key.s, n) && p[n] == '=') {
			*ret = val_str(arena_strn(&r->arena, p + n + 1, len - n - 1));
			return NULL;
		}
		p += len + (p[len] == ',');
	}
	return NULL;
}

/* and, or: the first argument that decides; the others are not evaluated. */
static struct err *eval_and_or(struct run *r, const struct cmd *c, const struct val *dot,
			       const struct val *piped, struct val *ret)
{
	bool is_and = c->args[0].func == F_AND;
	struct err *e;

	if (c->n == 1 && !piped)
		return template_error(r->t->text, c->args[0].at,
				      "wrong number of arguments for %s: want at least 1 got 0",
				      template_funcs[c->args[0].func].name);
	for (size_t i = 1; i < c->n; i++) {
		e = eval_operand(r, &c->args[i], dot, ret);
		if (e || val_is_true(ret) != is_and)
			return e;
	}
	if (piped)
		*ret = *piped;
	return NULL;
}

static struct err *eval_cmd(struct run *r, const struct cmd *c, const struct val *dot,
			    const struct val *piped, struct val *ret)
{
	const struct operand *first = &c->args[0];
	struct val args[ARGS_MAX + 1];
	size_t n = 0;
	struct err *e = step(r, first->at);

	if (e)
		return e;
	if (first->kind != O_FUNC) {
		if (first->n_path && c->n == 2 && !piped &&
		    !strcmp(first->path[first->n_path - 1], "Label"))
			return method_label(r, c, dot, ret);
		if (c->n > 1 || piped)
			return template_error(r->t->text, first->at,
					      "can't give argument to non-function");
		return eval_operand(r, first, dot, ret);
	}
	if (first->func == F_AND || first->func == F_OR)
		return eval_and_or(r, c, dot, piped, ret);
	for (size_t i = 1; !e && i < c->n; i++)
		e = eval_operand(r, &c->args[i], dot, &args[n++]);
	if (e)
		return e;
	if (piped)
		args[n++] = *piped;
	return template_call(&(struct func_call){ &r->arena, r->t->text, first->at, first->func },
			     args, n, ret);
}

static struct err *eval_pipe(struct run *r, const struct pipe *pipe, const struct val *dot,
			     struct val *ret)
{
	struct val v, *piped = NULL, held;
	struct err *e;

	for (const struct cmd *c = pipe->cmds; c; c = c->next) {
		e = eval_cmd(r, c, dot, piped, &v);
		if (e)
			return e;
		held = v;
		piped = &held;
	}
	*ret = v;
	return NULL;
}

static struct err *set_var(struct run *r, const struct pipe *pipe, size_t i, const struct val *v)
{
	if (pipe->assign) {
		for (size_t k = r->n_vars; k-- > 0;)
			if (!strcmp(r->vars[k].name, pipe->vars[i])) {
				r->vars[k].val = *v;
				return NULL;
			}
		return template_error(r->t->text, pipe->at, "undefined variable \"$%s\"",
				      pipe->vars[i]);
	}
	if (r->n_vars == VARS_MAX)
		return template_error(r->t->text, pipe->at, "more than %d variables", VARS_MAX);
	r->vars[r->n_vars].name = pipe->vars[i];
	r->vars[r->n_vars++].val = *v;
	return NULL;
}

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static struct err *run_list(struct run *r, const struct node *n, const struct val *dot, enum flow *flow);

/* One turn of {{range}}. */
static struct err *run_turn(struct run *r, const struct node *n, const struct val *key,
			    const struct val *item, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct err *e = NULL;

	if (n->pipe->n_vars == 2)
		e = set_var(r, n->pipe, 0, key);
	if (n->pipe->n_vars)
		e = e ?: set_var(r, n->pipe, n->pipe->n_vars - 1, item);
	*flow = FLOW_ON;
	e = e ?: run_list(r, n->body, item, flow);
	r->n_vars = vars;
	return e;
}

static struct err *run_range(struct run *r, const struct node *n, const struct val *dot,
			     enum flow *ret_flow)
{
	enum flow flow = FLOW_ON;
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (e)
		return e;
	if (v.kind != V_NONE && v.kind != V_JSON && v.kind != V_LIST)
		return template_error(r->t->text, n->pipe->at, "range can't iterate over %s",
				      val_kind_word(&v));
	if (!val_len(&v))
		return run_list(r, n->other, dot, ret_flow);
	if (val_is_list(&v)) {
		for (size_t i = 0; !e && flow != FLOW_BREAK && i < val_len(&v); i++) {
			struct val key = val_int((int64_t)i), item = val_at(&v, i);

			e = run_turn(r, n, &key, &item, &flow);
		}
	} else {
		const char **keys = val_keys(&r->arena, v.j);

		for (size_t i = 0; !e && flow != FLOW_BREAK && keys[i]; i++) {
			struct val key = val_str(keys[i]),
				   item = val_json(json_get(v.j, keys[i]), keys[i]);

			e = run_turn(r, n, &key, &item, &flow);
		}
	}
	return e;
}

static struct err *run_output(struct run *r, const struct node *n, const struct val *dot)
{
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (e)
		return e;
	if (n->pipe->n_vars == 2)
		return template_error(r->t->text, n->pipe->at, "two variables belong to {{range}}");
	if (n->pipe->n_vars)
		return set_var(r, n->pipe, 0, &v);
	val_print(&r->arena, &v, true, r->out);
	return NULL;
}

/* {{if}} and {{with}}. */
static struct err *run_if(struct run *r, const struct node *n, const struct val *dot, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct val v;
	struct err *e = eval_pipe(r, n->pipe, dot, &v);

	if (!e && n->pipe->n_vars)
		e = set_var(r, n->pipe, 0, &v);
	if (!e && val_is_true(&v))
		e = run_list(r, n->body, n->kind == N_WITH ? &v : dot, flow);
	else if (!e)
		e = run_list(r, n->other, dot, flow);
	r->n_vars = vars;
	return e;
}

static struct err *run_list(struct run *r, const struct node *n, const struct val *dot, enum flow *flow)
{
	size_t vars = r->n_vars;
	struct err *e = NULL;

	for (; !e && n && *flow == FLOW_ON; n = n->next) {
		e = step(r, n->pipe ? n->pipe->at : 0);
		if (e)
			break;
		switch (n->kind) {
		case N_TEXT:
			str_addn(r->out, n->text, n->len);
			break;
		case N_OUTPUT:
			e = run_output(r, n, dot);
			break;
		case N_IF:
		case N_WITH:
			e = run_if(r, n, dot, flow);
			break;
		case N_RANGE:
			e = run_range(r, n, dot, flow);
			break;
		case N_BREAK:
			*flow = FLOW_BREAK;
			break;
		case N_CONTINUE:
			*flow = FLOW_CONTINUE;
			break;
		}
	}
	r->n_vars = vars;
	return e;
}

struct err *template_run(const struct template *t, json *data, struct str *out)
{
	struct run r = { .t = t, .out = out, .root = val_json(data, NULL) };
	enum flow flow = FLOW_ON;
	struct err *e = run_list(&r, t->nodes, &r.root, &flow);

	arena_done(&r.arena);
	return e;
}
