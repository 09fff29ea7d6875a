#include "cmd/ui/template_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct val val_number(const char *digits)
{
	struct val v = { .kind = V_INT, .s = digits };
	char *end;

	errno = 0;
	v.i = strtoll(digits, &end, 10);
	if (*end || errno) {
		v.kind = V_FLOAT;
		v.f = strtod(digits, NULL);
	}
	return v;
}

/* Objects that are maps with keys of the user's making in Docker's types; a missing key is no mistake there. */
static enum missing missing_of(const char *key)
{
	static const char *const of_strings[] = { "Labels", "Options", "Sysctls", "Annotations",
						  "Tmpfs" };
	static const char *const of_others[] = { "Ports", "PortBindings", "ExposedPorts", "Volumes",
						 "Networks" };

	for (size_t i = 0; key && i < ARRAY_LEN(of_strings); i++)
		if (!strcmp(key, of_strings[i]))
			return MISSING_IS_EMPTY;
	for (size_t i = 0; key && i < ARRAY_LEN(of_others); i++)
		if (!strcmp(key, of_others[i]))
			return MISSING_IS_NONE;
	return MISSING_IS_ERROR;
}

/* KEY: under which name J was found, or NULL. */
struct val val_json(json *j, const char *key)
{
	struct val v = { .kind = V_NONE };
	const char *digits;
	bool b;

	if (json_is_null(j))
		return v;
	if (json_text(j))
		return val_str(json_text(j));
	if (json_is_bool(j, &b))
		return val_bool(b);
	if (json_is_number(j, &digits))
		return val_number(digits);
	v.kind = V_JSON;
	v.j = j;
	v.missing = missing_of(key);
	return v;
}

bool val_is_list(const struct val *v)
{
	return v->kind == V_LIST || (v->kind == V_JSON && json_is_array(v->j));
}

size_t val_len(const struct val *v)
{
	if (v->kind == V_STR)
		return strlen(v->s);
	return v->kind == V_LIST ? v->n : v->kind == V_JSON ? json_len(v->j) : 0;
}

struct val val_at(const struct val *v, size_t i)
{
	return v->kind == V_LIST ? v->list[i] : val_json(json_at(v->j, i), NULL);
}

bool val_is_true(const struct val *v)
{
	switch (v->kind) {
	case V_NONE:
		return false;
	case V_BOOL:
		return v->b;
	case V_INT:
		return v->i != 0;
	case V_FLOAT:
		return v->f != 0;
	case V_STR:
	case V_JSON:
	case V_LIST:
		return val_len(v) > 0;
	}
	return false;
}

const char *val_kind_word(const struct val *v)
{
	static const char *const words[] = {
		[V_NONE] = "nothing",	[V_BOOL] = "a boolean", [V_INT] = "a number",
		[V_FLOAT] = "a number", [V_STR] = "a string",	[V_LIST] = "a list",
	};

	if (v->kind == V_JSON)
		return json_is_array(v->j) ? "a list" : "an object";
	return words[v->kind];
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object in Go's order (sorted). */
const char **val_keys(struct arena *a, json *object)
{
	size_t n = json_len(object);
	const char **keys = arena_alloc(a, (n + 1) * sizeof(*keys));

	for (size_t i = 0; i < n; i++)
		keys[i] = json_key_at(object, i, NULL);
	qsort(keys, n, sizeof(*keys), by_key);
	return keys;
}

/* As fmt.Print shows it; TOP: not inside a list or map. */
void val_print(struct arena *a, const struct val *v, bool top, struct str *out)
{
	switch (v->kind) {
	case V_NONE:
		str_add(out, top ? "<no value>" : "<nil>");
		break;
	case V_BOOL:
		str_add(out, v->b ? "true" : "false");
		break;
	case V_INT:
		str_addf(out, "%lld", (long long)v->i);
		break;
	case V_FLOAT:
		if (v->s)
			str_add(out, v->s);
		else
			str_addf(out, "%.15g", v->f);
		break;
	case V_STR:
		str_add(out, v->s);
		break;
	case V_LIST:
	case V_JSON:
		if (val_is_list(v)) {
			str_addc(out, '[');
			for (size_t i = 0; i < val_len(v); i++) {
				struct val item = val_at(v, i);

				str_add(out, i ? " " : "");
				val_print(a, &item, false, out);
			}
			str_addc(out, ']');
		} else {
			const char **keys = val_keys(a, v->j);

			str_add(out, "map[");
			for (size_t i = 0; keys[i]; i++) {
				struct val item = val_json(json_get(v->j, keys[i]), keys[i]);

				str_addf(out, "%s%s:", i ? " " : "", keys[i]);
				val_print(a, &item, false, out);
			}
			str_addc(out, ']');
		}
		break;
	}
}

void val_json_put(struct json_out *o, const struct val *v)
{
	switch (v->kind) {
	case V_NONE:
		json_put_null(o, NULL);
		break;
	case V_BOOL:
		json_put_bool(o, NULL, v->b);
		break;
	case V_INT:
		json_put_int(o, NULL, v->i);
		break;
	case V_STR:
		json_put_str(o, NULL, v->s);
		break;
	case V_JSON:
		json_put(o, NULL, v->j);
		break;
	case V_FLOAT: {
		char buf[64];
		_cleanup_json_ json *j = NULL;

		snprintf(buf, sizeof(buf), "%.17g", v->f);
		if (v->s || strspn(buf, "-+.0123456789e") != strlen(buf))
			snprintf(buf, sizeof(buf), "%s", v->s ?: "null");
		err_free(json_parse(buf, strlen(buf), "number", &j)); /* a literal such as "1." is null */
		json_put(o, NULL, j);
		break;
	}
	case V_LIST:
		json_open(o, NULL, '[');
		for (size_t i = 0; i < v->n; i++)
			val_json_put(o, &v->list[i]);
		json_close(o, ']');
		break;
	}
}
