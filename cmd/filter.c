#include "cmd/filter.h"

#include "core/base/proc.h"

struct err *filters_check(const struct strv *filters, const char *const *known)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *f = filters->v[i];
		size_t len = strcspn(f, "="), k = 0;

		if (!f[len])
			return err_new(0, "invalid filter '%s': it must be key=value", f);
		while (known[k] && (strlen(known[k]) != len || memcmp(known[k], f, len)))
			k++;
		if (!known[k]) {
			_cleanup_str_ struct str all = { 0 };

			for (k = 0; known[k]; k++)
				str_addf(&all, "%s%s", k ? ", " : "", known[k]);
			return err_hint(err_new(0, "invalid filter '%.*s'", (int)len, f),
					"known: %s", all.s);
		}
	}
	return NULL;
}

/* The value of filter I if it is one of KEY. */
static const char *value_of(const struct strv *filters, size_t i, const char *key)
{
	const char *rest = str_after(filters->v[i], key);

	return rest && *rest == '=' ? rest + 1 : NULL;
}

bool filters_pass(const struct strv *filters, const char *key,
		  bool (*match)(const char *value, const void *of), const void *of)
{
	bool any = false;

	for (size_t i = 0; i < filters->n; i++) {
		const char *value = value_of(filters, i, key);

		if (value && match(value, of))
			return true;
		any |= value != NULL;
	}
	return !any;
}

static bool has_label(const struct strv *labels, const char *want)
{
	return strchr(want, '=') ? strv_has(labels, want) : strv_env(labels, want) != NULL;
}

bool filters_labels(const struct strv *filters, const struct strv *labels)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *want = value_of(filters, i, "label"), *not = value_of(filters, i, "label!");

		if ((want && !has_label(labels, want)) || (not &&has_label(labels, not )))
			return false;
	}
	return true;
}

struct err *filters_check_bool(const struct strv *filters, const char *key)
{
	static const char *const known[] = { "true", "1", "false", "0" };

	for (size_t i = 0; i < filters->n; i++) {
		const char *value = value_of(filters, i, key);
		bool good = !value;

		for (size_t k = 0; !good && k < ARRAY_LEN(known); k++)
			good = !strcmp(value, known[k]);
		if (!good)
			return err_new(0, "invalid filter '%s': it must be true or false",
				       filters->v[i]);
	}
	return NULL;
}

struct err *filters_until(const struct strv *filters, int64_t *ret_ns)
{
	struct err *e = NULL;

	*ret_ns = INT64_MAX;
	for (size_t i = 0; i < filters->n && !e; i++) {
		const char *value = value_of(filters, i, "until");
		int64_t ns;

		if (!value)
			continue;
		e = err_wrap(time_parse(value, time_now_ns(), &ns), "invalid filter '%s'",
			     filters->v[i]);
		if (!e && ns < *ret_ns)
			*ret_ns = ns;
	}
	return e;
}
