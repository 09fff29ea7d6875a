#include "cmd/ui/put.h"

#include <stdlib.h>

#include "core/base/proc.h"

void put_text(struct json_out *o, const char *key, const char *value)
{
	json_put_str(o, key, value ?: "");
}

void put_list(struct json_out *o, const char *key, const struct strv *l, size_t from)
{
	json_open(o, key, '[');
	for (size_t i = from; i < l->n; i++)
		put_text(o, NULL, l->v[i]);
	json_close(o, ']');
}

void put_list_or_null(struct json_out *o, const char *key, const struct strv *l)
{
	if (l->n)
		put_list(o, key, l, 0);
	else
		json_put_null(o, key);
}

void put_time(struct json_out *o, const char *key, int64_t ns)
{
	char text[TIME_TEXT_MAX];

	if (ns)
		time_format(ns, text);
	json_put_str(o, key, ns ? text : PUT_NEVER);
}

void put_set(struct json_out *o, const char *key, const struct strv *l)
{
	json_open(o, key, '{');
	for (size_t i = 0; i < l->n; i++) {
		json_open(o, l->v[i], '{');
		json_close(o, '}');
	}
	json_close(o, '}');
}

void put_map(struct json_out *o, const char *key, const struct strv *l)
{
	json_open(o, key, '{');
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *name = xstrndup(l->v[i], strcspn(l->v[i], "="));

		put_text(o, name, l->v[i] + strlen(name) + (l->v[i][strlen(name)] == '='));
	}
	json_close(o, '}');
}

void put_taken(struct json_out *o, const char *key, char *text)
{
	put_text(o, key, text);
	free(text);
}
