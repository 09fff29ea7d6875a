#include <stdio.h>
#include <stdlib.h>

#include "core/build/plan.h"

static const char *const sharing_names[] = { "shared", "private", "locked", NULL };
_Static_assert(ARRAY_LEN(sharing_names) == SHARING_MAX + 1, "a name for each way of sharing");
static const char *const kind_names[] = { "bind", "cache", "tmpfs", "secret", "ssh", NULL };
_Static_assert(ARRAY_LEN(kind_names) == STEP_MOUNT_MAX + 1, "a name for each kind");

void step_mount_done(struct step_mount *m)
{
	free(m->target);
	free(m->source);
	free(m->id);
	free(m->env);
	tree_done(&m->tree);
	*m = (struct step_mount){ 0 };
}

static bool find_name(const char *const *names, const char *text, unsigned *ret)
{
	for (unsigned i = 0; names[i]; i++)
		if (str_eq(names[i], text)) {
			*ret = i;
			return true;
		}
	return false;
}

static struct err *flag_value(const char *key, const char *value, bool *ret)
{
	if (!value || str_eq(value, "true") || str_eq(value, "1"))
		*ret = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*ret = false;
	else
		return err_new(0, "invalid value for %s: \"%s\" (true or false)", key, value);
	return NULL;
}

static struct err *octal(const char *key, const char *value, unsigned *ret)
{
	unsigned n = 0;

	for (const char *s = value; s && *s; s++) {
		if (*s < '0' || *s > '7' || n > 07777)
			return err_new(0, "invalid value for %s: \"%s\" (octal digits)", key, value);
		n = n * 8 + (unsigned)(*s - '0');
	}
	if (!value || !*value || n > 07777)
		return err_new(0, "invalid value for %s: \"%s\" (octal digits)", key, value ?: "");
	*ret = n;
	return NULL;
}

static struct err *number(const char *key, const char *value, unsigned *ret)
{
	uint64_t n = 0;
	struct err *e = str_to_u64(value ?: "", 0, UINT32_MAX - 1, &n);

	*ret = (unsigned)n;
	return err_wrap(e, "%s", key);
}

static void set(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value ?: "");
}

struct fields {
	char *from;
	bool has_mode, read_only, has_access;
};

static struct err *field(struct step_mount *m, struct fields *f, const char *key, const char *value)
{
	struct err *e = NULL;
	bool on = false;
	unsigned n = 0;

	if (str_eq(key, "type")) {
		if (!find_name(kind_names, value, &n))
			return err_new(0, "unsupported mount type \"%s\" (bind, cache, tmpfs, secret, ssh)",
				       value ?: "");
		m->kind = (enum step_mount_kind)n;
	} else if (str_eq(key, "target") || str_eq(key, "dst") || str_eq(key, "destination")) {
		set(&m->target, value);
	} else if (str_eq(key, "source") || str_eq(key, "src")) {
		set(&m->source, value);
	} else if (str_eq(key, "from")) {
		set(&f->from, value);
	} else if (str_eq(key, "id")) {
		set(&m->id, value);
	} else if (str_eq(key, "env")) {
		set(&m->env, value);
	} else if (str_eq(key, "sharing")) {
		if (!find_name(sharing_names, value, &n))
			return err_new(0, "unsupported sharing \"%s\" (shared, private, locked)",
				       value ?: "");
		m->sharing = (enum sharing)n;
	} else if (str_eq(key, "ro") || str_eq(key, "readonly")) {
		e = flag_value(key, value, &on);
		m->read_write = !on;
		f->has_access = true;
	} else if (str_eq(key, "rw") || str_eq(key, "readwrite")) {
		e = flag_value(key, value, &on);
		m->read_write = on;
		f->has_access = true;
	} else if (str_eq(key, "required")) {
		e = flag_value(key, value, &m->required);
	} else if (str_eq(key, "mode")) {
		f->has_mode = true;
		e = octal(key, value, &m->mode);
	} else if (str_eq(key, "uid")) {
		e = number(key, value, &m->uid);
	} else if (str_eq(key, "gid")) {
		e = number(key, value, &m->gid);
	} else if (str_eq(key, "size")) {
		e = err_wrap(str_to_size(value ?: "", &m->size), "size");
	} else {
		e = err_new(0, "unexpected key \"%s\"", key);
	}
	return e;
}

/* What was not said. */
static struct err *defaults(const struct stage *s, struct step_mount *m, struct fields *f)
{
	static const unsigned modes[] = {
		[STEP_BIND] = 0, [STEP_CACHE] = 0755, [STEP_TMPFS] = 0755, [STEP_SECRET] = 0400, [STEP_SSH] = 0600
	};
	char *full;

	if (!f->has_mode)
		m->mode = modes[m->kind];
	if (!f->has_access)
		m->read_write = m->kind == STEP_CACHE || m->kind == STEP_TMPFS;
	if (m->kind == STEP_SECRET && (!m->id || !*m->id)) {
		const char *base = m->target ? strrchr(m->target, '/') : NULL;

		if (!m->target && !m->source)
			return err_new(0, "a secret needs an id");
		set(&m->id, base ? base + 1 : m->target ?: m->source);
	}
	if (m->kind == STEP_SECRET && !m->target && !m->env)
		m->target = xasprintf("/run/secrets/%s", m->id);
	if (m->kind == STEP_SSH) {
		if (!m->id || !*m->id)
			set(&m->id, "default");
		m->target = m->target ?: xstrdup("/run/buildkit/ssh_agent.0");
	}
	if (!m->target && !m->env)
		return err_new(0, "a target is needed");
	if (m->target && *m->target != '/') {
		full = xasprintf("%s/%s", s->conf.workdir ?: "", m->target);
		free(m->target);
		m->target = full;
	}
	if (m->target) {
		full = *m->target == '/' ? str_clean_path(m->target) : xasprintf("/%s", m->target);
		free(m->target);
		m->target = full;
		if (!m->target[1])
			return err_new(0, "the target is the root directory");
	}
	if (m->kind == STEP_CACHE && (!m->id || !*m->id))
		set(&m->id, m->target);
	return NULL;
}

struct err *step_mount_parse(struct build_plan *p, const struct stage *s, const struct word *w,
			     const char *text, struct step_mount *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	struct fields f = { 0 };
	char *rest = copy, *one;
	struct err *e = NULL;

	while (!e && (one = strsep(&rest, ",")) != NULL) {
		char *value = strchr(one, '=');

		if (value)
			*value++ = '\0';
		e = field(ret, &f, one, value);
	}
	e = e ?: defaults(s, ret, &f);
	e = pos_wrap(&w->pos, err_wrap(e, "RUN --mount=%s", text));
	if (!e && f.from && (ret->kind == STEP_BIND || ret->kind == STEP_CACHE))
		e = build_plan_source(p, s, f.from, &w->pos, &ret->from);
	else if (!e && ret->kind == STEP_BIND)
		ret->from.context = p->contexts[0];
	free(f.from);
	return e;
}
