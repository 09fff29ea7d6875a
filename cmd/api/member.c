#include "cmd/api/member.h"

#include <stdlib.h>

struct err *member_bad(const char *key, const char *what)
{
	return err_new(0, "%s: it must be %s", key, what);
}

struct err *member_text(json *o, const char *key, const char **to)
{
	json *v = json_get(o, key);

	if (json_is_null(v))
		return NULL;
	if (!json_text(v))
		return member_bad(key, "a text");
	*to = *json_text(v) ? json_text(v) : NULL;
	return NULL;
}

struct err *member_flag(json *o, const char *key, bool *to)
{
	json *v = json_get(o, key);

	return json_is_null(v) || json_is_bool(v, to) ? NULL : member_bad(key, "true or false");
}

struct err *member_number(json *o, const char *key, int64_t min, int64_t max, int64_t *to)
{
	json *v = json_get(o, key);
	const char *digits;
	int64_t n;

	if (json_is_null(v))
		return NULL;
	if (!json_is_number(v, &digits) || digits[strspn(digits, "-0123456789")])
		return member_bad(key, "a whole number");
	errno = 0;
	n = strtoll(digits, NULL, 10);
	if (errno || n < min || n > max)
		return err_new(0, "%s: %s is out of range", key, digits);
	*to = n;
	return NULL;
}

struct err *member_check(const char *key, json *v, bool object, size_t max)
{
	if (json_is_null(v))
		return NULL;
	if (!(object ? json_is_object(v) : json_is_array(v)))
		return member_bad(key, object ? "an object" : "a list");
	return json_len(v) > max ? err_new(0, "%s: more than %zu", key, max) : NULL;
}

struct err *member_list_of(json *o, const char *key, size_t max, struct strv *to)
{
	json *v = json_get(o, key);
	struct err *e = member_check(key, v, false, max);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		if (json_text(json_at(v, i)))
			strv_add(to, json_text(json_at(v, i)));
		else
			e = member_bad(key, "a list of texts");
	}
	return e;
}

struct err *member_list(json *o, const char *key, struct strv *to)
{
	return member_list_of(o, key, MEMBER_LIST_MAX, to);
}

struct err *member_map(json *o, const char *key, struct strv *to)
{
	json *v = json_get(o, key), *value = NULL;
	struct err *e = member_check(key, v, true, MEMBER_LIST_MAX);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		const char *name = json_key_at(v, i, &value);

		if (!json_text(value) && !json_is_null(value))
			e = member_bad(key, "an object of texts");
		else
			strv_addf(to, "%s=%s", name, json_text(value) ?: "");
	}
	return e;
}

struct err *member_keys(json *o, const char *key, size_t max, struct strv *to)
{
	json *v = json_get(o, key), *value = NULL;
	struct err *e = member_check(key, v, true, max);

	for (size_t i = 0; !e && i < json_len(v); i++)
		strv_add(to, json_key_at(v, i, &value));
	return e;
}

struct err *member_words(json *o, const char *key, struct strv *to)
{
	const char *one = json_text(json_get(o, key));

	if (!one)
		return member_list_of(o, key, MEMBER_WORDS_MAX, to);
	strv_add(to, one);
	return NULL;
}
