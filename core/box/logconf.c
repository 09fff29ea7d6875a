#include "core/box/logconf.h"

#include <stdlib.h>

enum { DEFAULT_BYTES = 100 << 20, DEFAULT_FILES = 3 };

static struct err *set_opt(struct logconf *c, const char *driver, const char *opt, bool *files_set,
			   bool *size_set)
{
	size_t key = strcspn(opt, "=");
	const char *value = opt[key] ? opt + key + 1 : "";
	_cleanup_free_ char *name = xstrndup(opt, key);
	uint64_t n;
	struct err *e;

	if (!strcmp(name, "max-size")) {
		*size_set = true;
		if (!strcmp(value, "-1")) {
			c->bound.max_bytes = 0;
			return NULL;
		}
		e = str_to_size(value, &c->bound.max_bytes);
		if (!e && !c->bound.max_bytes)
			e = err_new(0, "max-size must be a positive number");
		return e;
	}
	if (!strcmp(name, "max-file")) {
		e = str_to_u64(value, 1, LOG_FILES_MAX, &n);
		if (e)
			return err_wrap(e, "max-file");
		c->bound.max_files = (unsigned)n;
		*files_set = true;
		return NULL;
	}
	if (!strcmp(name, "labels") || !strcmp(name, "env")) {
		char **to = *name == 'l' ? &c->labels : &c->env;

		free(*to);
		*to = xstrdup(value);
		return NULL;
	}
	if ((!strcmp(name, "mode") && !strcmp(value, "blocking")) ||
	    (!strcmp(name, "compress") && !strcmp(value, "false")))
		return NULL;
	if (!strcmp(name, "mode"))
		return err_hint(err_new(0, "log opt mode=%s is not supported", value),
				"the log is a local file, writing it waits for nobody");
	if (!strcmp(name, "compress"))
		return err_hint(err_new(0, "log opt compress=%s is not supported", value),
				"max-size and max-file bound the log");
	return err_new(0, "unknown log opt '%s' for %s log driver", name, driver);
}

struct err *logconf_parse(const char *driver, const struct strv *opts, struct logconf *ret)
{
	struct logconf c = { .bound = { DEFAULT_BYTES, DEFAULT_FILES } };
	bool files_set = false, size_set = false;
	struct err *e = NULL;

	driver = driver && *driver ? driver : "json-file";
	c.none = !strcmp(driver, "none");
	if (!c.none && strcmp(driver, "json-file") && strcmp(driver, "local"))
		return err_hint(err_new(0, "logger: no log driver named '%s' is registered", driver),
				"devbox has json-file, local and none");
	if (c.none && opts->n)
		e = err_new(0, "unknown log opt '%s' for none log driver", opts->v[0]);
	for (size_t i = 0; i < opts->n && !e; i++)
		e = set_opt(&c, driver, opts->v[i], &files_set, &size_set);
	if (!e && !c.bound.max_bytes && files_set && c.bound.max_files > 1)
		e = err_new(0, "max-file > 1 requires max-size to be set");
	if (e) {
		logconf_done(&c);
		return e;
	}
	if (size_set && !files_set)
		c.bound.max_files = 1;
	*ret = c;
	return NULL;
}

void logconf_done(struct logconf *c)
{
	free(c->labels);
	free(c->env);
	*c = (struct logconf){ 0 };
}

static void add_escaped(struct str *s, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr("-_.~", *p))
			str_addc(s, (char)*p);
		else if (*p == ' ')
			str_addc(s, '+');
		else
			str_addf(s, "%%%02X", *p);
}

/* "key=value", escaped, of each of KEYS that LIST has. */
static void pick(const char *keys, const struct strv *list, struct strv *to)
{
	_cleanup_free_ char *copy = xstrdup(keys);
	char *rest = copy, *key;

	while ((key = strsep(&rest, ",")) != NULL) {
		const char *value = *key ? strv_env(list, key) : NULL;
		struct str s = { 0 };

		if (!value)
			continue;
		add_escaped(&s, key);
		str_addc(&s, '=');
		add_escaped(&s, value);
		strv_take(to, str_take(&s));
	}
}

char *logconf_details(const struct logconf *c, const struct strv *labels, const struct strv *env)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct str s = { 0 };

	pick(c->labels, labels, &all);
	pick(c->env, env, &all);
	strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		str_addf(&s, "%s%s", i ? "," : "", all.v[i]);
	return str_take(&s);
}
