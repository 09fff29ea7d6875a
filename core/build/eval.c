/* Each instruction either changes the configuration (and is only remembered in the history), or becomes a step. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/proc.h"
#include "core/build/eval.h"

/* Proxies may be given without being declared; they reach RUN, but neither key nor history. */
static const char *const proxies[] = { "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
				       "FTP_PROXY",  "ftp_proxy",  "NO_PROXY",	  "no_proxy",
				       "ALL_PROXY",  "all_proxy" };

static bool is_proxy(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		if (str_eq(proxies[i], name))
			return true;
	return false;
}

static const char *get(void *arg, const char *name)
{
	struct eval *v = arg;

	return strv_env(&v->s->conf.env, name) ?: strv_env(&v->s->args, name);
}

void eval_init(struct eval *v, struct build_plan *p, struct stage *s)
{
	*v = (struct eval){ .p = p, .s = s, .x = { .escape = p->file.escape, .get = get, .arg = v } };
}

static struct err *expand(struct eval *v, const struct word *w, char **ret)
{
	struct err *e;

	if (v->in->json && v->in->kind != INSTR_VOLUME) {
		*ret = xstrdup(w->text);
		return NULL;
	}
	e = expand_word(&v->x, w->text, ret);
	return pos_wrap(&w->pos, err_wrap(e, "%s: failed to process \"%.200s\"",
					  instr_names[v->in->kind], w->text));
}

static void set_text(char **to, char *text)
{
	free(*to);
	*to = text;
}

/* -- history ----------------------------------------------------------------------------------------------------- */

/* STEP: the entry belongs to the step made last. */
static void remember(struct eval *v, char *created_by, bool step)
{
	struct stage *s = v->s;

	if (s->n_history == s->history_cap) {
		s->history_cap = s->history_cap ? 2 * s->history_cap : 16;
		s->history = xrealloc(s->history, s->history_cap * sizeof(*s->history));
		s->history_step = xrealloc(s->history_step, s->history_cap * sizeof(*s->history_step));
	}
	s->history[s->n_history] = (struct history){ .created_by = created_by, .empty = true };
	s->history_step[s->n_history++] = (struct step_of_history){ step, s->n_steps - step };
}

static char *json_list(const struct strv *l)
{
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	for (size_t i = 0; i < l->n; i++)
		json_put_str(&o, NULL, l->v[i]);
	json_close(&o, ']');
	return json_out_take(&o, &len);
}

static void remember_list(struct eval *v, const struct strv *l)
{
	_cleanup_free_ char *list = json_list(l);

	remember(v, xasprintf("%s %s", instr_names[v->in->kind], list), false);
}

/* -- commands ---------------------------------------------------------------------------------------------------- */

static void add_shell(struct eval *v, struct strv *to)
{
	if (v->s->conf.shell.n) {
		strv_copy(to, &v->s->conf.shell);
		return;
	}
	strv_add(to, "/bin/sh");
	strv_add(to, "-c");
}

static void command(struct eval *v, struct strv *to)
{
	const struct instr *in = v->in;

	strv_done(to);
	if (in->json) {
		for (size_t i = 0; i < in->words.n; i++)
			strv_add(to, in->words.v[i].text);
		return;
	}
	add_shell(v, to);
	strv_add(to, in->text);
}

/* The old form: "A 1 2" */
static struct err *old_pair(struct eval *v, struct strv *out)
{
	const struct instr *in = v->in;
	const char *key = in->words.v[0].text, *value = in->text + strlen(key);
	struct word rest = { (char *)(uintptr_t)(value + strspn(value, " \t")), in->words.v[0].pos };
	_cleanup_free_ char *text = NULL;
	struct err *e;

	if (in->words.n < 2)
		return pos_err(&in->pos, "%s must have two arguments, got \"%.200s\"",
			       instr_names[in->kind], in->text);
	e = expand(v, &rest, &text);
	if (!e)
		strv_addf(out, "%s=%s", key, text);
	return e;
}

/* "A=1 B=2"; all are filled in before any of them counts. */
static struct err *new_pairs(struct eval *v, struct strv *out)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < v->in->words.n; i++) {
		const struct word *w = &v->in->words.v[i];
		char *text = NULL;

		if (!strchr(w->text, '=') || *w->text == '=')
			return pos_err(&w->pos, "%s: \"%.200s\" is not of the form name=value",
				       instr_names[v->in->kind], w->text);
		e = expand(v, w, &text);
		if (!e)
			strv_take(out, text);
	}
	return e;
}

static struct err *pairs(struct eval *v, struct strv *to)
{
	_cleanup_strv_ struct strv out = { 0 };
	struct str text = { 0 };
	struct err *e = strchr(v->in->words.v[0].text, '=') ? new_pairs(v, &out) : old_pair(v, &out);

	if (e)
		return e;
	str_add(&text, instr_names[v->in->kind]);
	for (size_t i = 0; i < out.n; i++) {
		strv_env_set(to, out.v[i]);
		str_addf(&text, " %s", out.v[i]);
	}
	remember(v, str_take(&text), false);
	return NULL;
}

static struct err *do_arg(struct eval *v)
{
	struct str text = { 0 };
	struct build_plan *p = v->p;
	struct err *e = NULL;

	str_add(&text, "ARG");
	for (size_t i = 0; i < v->in->words.n && !e; i++) {
		const struct word *w = &v->in->words.v[i];
		size_t key = strcspn(w->text, "=");
		_cleanup_free_ char *name = xstrndup(w->text, key), *value = NULL;
		const char *given = strv_env(&p->build_args, name);

		for (size_t k = 0; k < p->build_args.n; k++) {
			const char *rest = str_after(p->build_args.v[k], name);

			p->args_used[k] |= rest && *rest == '=';
		}
		if (given) {
			value = xstrdup(given);
		} else if (w->text[key]) {
			struct word dflt = { w->text + key + 1, w->pos };

			e = expand(v, &dflt, &value);
		} else {
			value = xstrdup(strv_env(&p->globals, name) ?: strv_env(&p->predefined, name));
		}
		if (value) {
			_cleanup_free_ char *kv = xasprintf("%s=%s", name, value);

			strv_env_set(&v->s->args, kv);
		}
		str_addf(&text, value ? " %s=%s" : " %s", name, value);
	}
	remember(v, str_take(&text), false);
	return e;
}

static struct err *do_expose(struct eval *v)
{
	_cleanup_strv_ struct strv list = { 0 };
	struct conf *c = &v->s->conf;
	struct str text = { 0 };
	struct err *e = NULL;

	for (size_t i = 0; i < v->in->words.n && !e; i++) {
		const struct word *w = &v->in->words.v[i];

		e = pos_wrap(&w->pos, err_wrap(expand_split(&v->x, w->text, &list), "EXPOSE"));
	}
	for (size_t i = 0; i < list.n && !e; i++) {
		size_t digits = strspn(list.v[i], "0123456789-");
		const char *proto = list.v[i] + digits, *range = strchr(list.v[i], '-');
		uint64_t from = 0, to = 0;
		_cleanup_free_ char *a =
			xstrndup(list.v[i], range ? (size_t)(range - list.v[i]) : digits);
		_cleanup_free_ char *b =
			range ? xstrndup(range + 1, (size_t)(proto - range - 1)) : xstrdup(a);
		struct err *bad = str_to_u64(a, 0, 65535, &from) ?: str_to_u64(b, 0, 65535, &to);

		if (bad || from > to ||
		    (*proto && !str_eq(proto, "/tcp") && !str_eq(proto, "/udp") &&
		     !str_eq(proto, "/sctp"))) {
			err_free(bad);
			e = pos_err(&v->in->pos, "EXPOSE: invalid containerPort: %s", list.v[i]);
		}
		for (; !e && from <= to; from++) {
			_cleanup_free_ char *port = xasprintf("%llu%s", (unsigned long long)from,
							      *proto ? proto : "/tcp");

			if (!strv_has(&c->exposed, port))
				strv_add(&c->exposed, port);
		}
	}
	str_add(&text, "EXPOSE [");
	for (size_t i = 0; i < list.n; i++)
		str_addf(&text, "%s%s", i ? " " : "", list.v[i]);
	str_addc(&text, ']');
	remember(v, str_take(&text), false);
	return e;
}

static struct err *do_volume(struct eval *v)
{
	_cleanup_strv_ struct strv list = { 0 };
	struct err *e = NULL;

	for (size_t i = 0; i < v->in->words.n && !e; i++) {
		char *path = NULL;

		e = expand(v, &v->in->words.v[i], &path);
		if (!e && !*path)
			e = pos_err(&v->in->pos, "VOLUME specified can not be an empty string");
		if (!e)
			strv_take(&list, path);
	}
	for (size_t i = 0; i < list.n; i++)
		if (!strv_has(&v->s->conf.volumes, list.v[i]))
			strv_add(&v->s->conf.volumes, list.v[i]);
	remember_list(v, &list);
	return e;
}

/* USER and STOPSIGNAL: one word with variables. */
static struct err *one_text(struct eval *v, char **to)
{
	struct word w = { v->in->text, v->in->words.v[0].pos };
	char *text = NULL;
	struct err *e = expand(v, &w, &text);

	if (e)
		return e;
	remember(v, xasprintf("%s %s", instr_names[v->in->kind], text), false);
	set_text(to, text);
	return NULL;
}

static struct err *do_stopsignal(struct eval *v)
{
	struct err *e = one_text(v, &v->s->conf.stop_signal);
	int sig;

	return e ?: pos_wrap(&v->in->pos, err_wrap(sig_parse(v->s->conf.stop_signal, &sig), "STOPSIGNAL"));
}

static struct err *health_flags(struct eval *v, struct health_config *h)
{
	const struct {
		const char *name;
		int64_t *to;
	} times[] = { { "interval", &h->interval_ns },
		      { "timeout", &h->timeout_ns },
		      { "start-period", &h->start_period_ns },
		      { "start-interval", &h->start_interval_ns } };
	const char *retries = instr_flag(v->in, "retries");
	struct err *e = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(times) && !e; i++) {
		const char *text = instr_flag(v->in, times[i].name);

		if (text)
			e = err_wrap(duration_parse(text, times[i].to), "HEALTHCHECK --%s",
				     times[i].name);
	}
	if (!e && retries)
		e = err_wrap(str_to_u64(retries, 0, 1000000, &n), "HEALTHCHECK --retries");
	h->retries = (unsigned)n;
	e = e ?: health_check(h);
	return pos_wrap(&v->in->pos, e);
}

static struct err *do_healthcheck(struct eval *v)
{
	struct health_config *h = &v->s->conf.health;
	struct err *e;

	health_config_done(h);
	*h = (struct health_config){ 0 };
	e = health_flags(v, h);
	if (v->in->words.n == 1 && !v->in->json && !strcasecmp(v->in->text, "NONE")) {
		strv_add(&h->test, "NONE");
	} else if (v->in->json) {
		strv_add(&h->test, "CMD");
		for (size_t i = 0; i < v->in->words.n; i++)
			strv_add(&h->test, v->in->words.v[i].text);
	} else {
		strv_add(&h->test, "CMD-SHELL");
		strv_add(&h->test, v->in->text);
	}
	remember(v, xasprintf("HEALTHCHECK %s", v->in->text), false);
	return e;
}

/* -- steps ------------------------------------------------------------------------------------------------------- */

static struct step *new_step(struct eval *v, enum step_kind kind)
{
	struct stage *s = v->s;
	struct step *t;

	s->steps = xgrow(s->steps, s->n_steps, &s->steps_cap, sizeof(*s->steps));
	t = &s->steps[s->n_steps++];
	*t = (struct step){ .kind = kind, .in = v->in, .chmod = -1 };
	return t;
}

static struct err *do_workdir(struct eval *v, struct step **ret)
{
	struct word w = { v->in->text, v->in->words.v[0].pos };
	_cleanup_free_ char *text = NULL, *full = NULL;
	struct err *e = expand(v, &w, &text);
	struct step *t;

	if (e)
		return e;
	full = *text == '/' ? xstrdup(text) : xasprintf("%s/%s", v->s->conf.workdir ?: "", text);
	set_text(&v->s->conf.workdir, str_clean_path(full));
	*ret = t = new_step(v, STEP_WORKDIR);
	t->dest = xstrdup(v->s->conf.workdir);
	remember(v, xasprintf("WORKDIR %s", t->dest), true);
	return NULL;
}

static struct err *run_mounts(struct eval *v, struct step *t)
{
	struct err *e = NULL;

	for (size_t i = 0; i < v->in->flags.n && !e; i++) {
		const struct word *w = &v->in->flags.v[i];
		const char *text = str_after(w->text, "--mount=");
		_cleanup_free_ char *full = NULL;

		if (!text)
			continue;
		e = pos_wrap(&w->pos, err_wrap(expand_word(&v->x, text, &full), "RUN %s", w->text));
		t->mounts = xrealloc(t->mounts, (t->n_mounts + 1) * sizeof(*t->mounts));
		t->mounts[t->n_mounts] = (struct step_mount){ 0 };
		e = e ?: step_mount_parse(v->p, v->s, w, full, &t->mounts[t->n_mounts++]);
	}
	return e;
}

/* A command with heredocs: see the Dockerfile reference, "Here-Documents". */
static void run_heredocs(struct eval *v, struct step *t)
{
	const struct instr *in = v->in;
	struct str all = { 0 };

	if (in->words.n == 1 && heredoc_is(in->words.v[0].text)) {
		char *text = heredoc_text(&in->heredocs[0]);

		if (str_starts(text, "#!")) {
			t->script = text;
			strv_addf(&t->argv, "/dev/pipes/%s", in->heredocs[0].name);
			return;
		}
		add_shell(v, &t->argv);
		strv_take(&t->argv, text);
		return;
	}
	str_add(&all, in->text);
	for (size_t i = 0; i < in->n_heredocs; i++)
		str_addf(&all, "\n%s%s", in->heredocs[i].text, in->heredocs[i].name);
	add_shell(v, &t->argv);
	strv_take(&t->argv, str_take(&all));
}

static char *run_history(const struct step *t, const struct strv *args)
{
	struct str text = { 0 };

	str_add(&text, "RUN");
	if (args->n) {
		str_addf(&text, " |%zu", args->n);
		for (size_t i = 0; i < args->n; i++)
			str_addf(&text, " %s", args->v[i]);
	}
	for (size_t i = 0; i < t->argv.n; i++)
		str_addf(&text, " %s", t->argv.v[i]);
	return str_take(&text);
}

static struct err *run_flags(struct eval *v, struct step *t)
{
	const char *net = instr_flag(v->in, "network"), *security = instr_flag(v->in, "security");

	t->net = v->p->req->net;
	if (security && !str_eq(security, "sandbox"))
		return pos_err(&v->in->pos,
			       "RUN --security=%s is not allowed: a build's commands are always "
			       "confined (sandbox)",
			       security);
	if (!net)
		return NULL;
	for (size_t i = 0; i < BUILD_NET_MAX; i++)
		if (str_eq(net, build_net_names[i])) {
			/* "default" is what the command line says */
			t->net = i ? (enum build_net)i : v->p->req->net;
			return NULL;
		}
	return pos_err(&v->in->pos, "RUN --network=%s: it is default, none or host", net);
}

static struct err *do_run(struct eval *v, struct step **ret)
{
	struct stage *s = v->s;
	struct step *t = *ret = new_step(v, STEP_RUN);
	_cleanup_strv_ struct strv args = { 0 };
	struct err *e;

	e = run_flags(v, t);
	e = e ?: run_mounts(v, t);
	if (e)
		return e;
	if (v->in->n_heredocs)
		run_heredocs(v, t);
	else
		command(v, &t->argv);
	for (size_t i = 0; i < s->args.n; i++) {
		size_t key = strcspn(s->args.v[i], "=");
		_cleanup_free_ char *name = xstrndup(s->args.v[i], key);

		strv_env_set(&t->env, s->args.v[i]);
		if (!is_proxy(name))
			strv_add(&args, s->args.v[i]);
	}
	for (size_t i = 0; i < v->p->build_args.n; i++) {
		size_t key = strcspn(v->p->build_args.v[i], "=");
		_cleanup_free_ char *name = xstrndup(v->p->build_args.v[i], key);

		if (is_proxy(name)) {
			strv_env_set(&t->env, v->p->build_args.v[i]);
			v->p->args_used[i] = true;
		}
	}
	strv_copy(&t->fixed, &args);
	for (size_t i = 0; i < s->conf.env.n; i++) {
		strv_env_set(&t->env, s->conf.env.v[i]);
		strv_env_set(&t->fixed, s->conf.env.v[i]);
	}
	if (!strv_env(&t->env, "PATH"))
		strv_add(&t->env, DEFAULT_PATH);
	t->user = xstrdup(s->conf.user ?: "");
	t->workdir = xstrdup(s->conf.workdir ?: "/");
	remember(v, run_history(t, &args), true);
	return NULL;
}

static struct err *do_copy(struct eval *v, struct step **ret)
{
	struct step *t = *ret = new_step(v, STEP_COPY);
	struct err *e = copy_eval(v->p, v->s, v->in, &v->x, v->s->conf.workdir ?: "/", t);
	struct str text = { 0 };

	str_addf(&text, "%s%s%s", instr_names[v->in->kind], v->in->flags.n ? " " : "",
		 v->in->flags.n ? v->in->flags.v[0].text : "");
	for (size_t i = 1; i < v->in->flags.n; i++)
		str_addf(&text, " %s", v->in->flags.v[i].text);
	for (size_t i = 0; i < t->n_items; i++)
		str_addf(&text, " %s", t->items[i].url ?: t->items[i].name);
	str_addf(&text, " %s", t->dest ?: "");
	remember(v, str_take(&text), true);
	return e;
}

/* One line of what the instruction says, for people. */
static void name_step(struct eval *v, struct step *t)
{
	struct str text = { 0 };
	bool blank = false;

	str_add(&text, instr_names[t->in->kind]);
	for (size_t i = 0; i < t->in->flags.n; i++)
		str_addf(&text, " %s", t->in->flags.v[i].text);
	str_addc(&text, ' ');
	if (t->in->n_heredocs && t->kind == STEP_RUN) {
		_cleanup_free_ char *body = heredoc_text(&t->in->heredocs[0]);

		str_addf(&text, "%s (%.*s...)", t->in->text, (int)strcspn(body, "\n"), body);
	} else {
		str_add(&text, t->in->text);
	}
	for (char *c = text.s; *c; c++) /* no control bytes on a terminal */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	/* runs of blanks from joined lines become one */
	{
		size_t to = 0;

		for (size_t i = 0; i < text.len; i++) {
			if (text.s[i] == ' ' && blank)
				continue;
			blank = text.s[i] == ' ';
			text.s[to++] = text.s[i];
		}
		text.s[to] = '\0';
	}
	t->number = ++v->p->n_steps;
	t->name = str_take(&text);
}

struct err *eval_instr(struct eval *v)
{
	struct conf *c = &v->s->conf;
	struct step *t = NULL;
	struct err *e = NULL;

	switch (v->in->kind) {
	case INSTR_ARG:
		return do_arg(v);
	case INSTR_ENV:
		return pairs(v, &c->env);
	case INSTR_LABEL:
		return pairs(v, &c->labels);
	case INSTR_EXPOSE:
		return do_expose(v);
	case INSTR_VOLUME:
		return do_volume(v);
	case INSTR_USER:
		return one_text(v, &c->user);
	case INSTR_STOPSIGNAL:
		return do_stopsignal(v);
	case INSTR_HEALTHCHECK:
		return do_healthcheck(v);
	case INSTR_MAINTAINER:
		set_text(&c->author, xstrdup(v->in->text));
		remember(v, xasprintf("MAINTAINER %s", v->in->text), false);
		return NULL;
	case INSTR_ONBUILD:
		strv_add(&c->onbuild, v->in->text);
		remember(v, xasprintf("ONBUILD %s", v->in->text), false);
		return NULL;
	case INSTR_SHELL:
		command(v, &c->shell);
		remember_list(v, &c->shell);
		return NULL;
	case INSTR_CMD:
		command(v, &c->cmd);
		v->cmd_set = true;
		remember_list(v, &c->cmd);
		return NULL;
	case INSTR_ENTRYPOINT:
		command(v, &c->entrypoint);
		if (!v->cmd_set)
			strv_done(&c->cmd); /* the image's belongs to its own entrypoint */
		remember_list(v, &c->entrypoint);
		return NULL;
	case INSTR_WORKDIR:
		e = do_workdir(v, &t);
		break;
	case INSTR_RUN:
		e = do_run(v, &t);
		break;
	case INSTR_ADD:
	case INSTR_COPY:
		e = do_copy(v, &t);
		break;
	default:
		return pos_err(&v->in->pos, "%s is not allowed here", instr_names[v->in->kind]);
	}
	if (!e && v->s->n_steps > STEPS_MAX)
		e = pos_err(&v->in->pos, "more than %d steps in a stage", STEPS_MAX);
	if (!e)
		name_step(v, t);
	return e;
}
