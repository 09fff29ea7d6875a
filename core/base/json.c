#include "core/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

enum { DEPTH_MAX = 64 };

/* yajl_tree_free() recurses per level: refuse deep nesting before the tree is built.  Comments, which yajl would take,
 * are refused too: JSON has none, and a quote in one must not hide brackets from us. */
static const char *refuse(const char *text, size_t len)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > DEPTH_MAX)
				return "nested more than 64 levels";
		} else if ((text[i] == '}' || text[i] == ']') && depth) {
			depth--;
		} else if (text[i] == '/') {
			return "a comment";
		} else if (!text[i]) {
			return "a NUL byte";
		}
	}
	return NULL;
}

struct err *json_parse(const char *text, size_t len, const char *what, json **ret)
{
	const char *refused = refuse(text, len);
	char reason[256] = "";
	_cleanup_free_ char *copy = NULL;

	if (refused)
		return err_new(0, "%s: malformed JSON: %s", what, refused);
	copy = xstrndup(text, len);
	*ret = yajl_tree_parse(copy, reason, sizeof(reason));
	if (!*ret) {
		size_t n = strcspn(reason, "\n");

		return err_new(0, "%s: malformed JSON: %.*s", what, (int)n,
			       n ? reason : "the text is empty or cut off");
	}
	return NULL;
}

void json_free(json *j)
{
	yajl_tree_free((yajl_val)(uintptr_t)j);
}

json *json_get(json *obj, const char *key)
{
	if (!YAJL_IS_OBJECT(obj))
		return NULL;
	for (size_t i = 0; i < obj->u.object.len; i++) /* most differ at the first byte */
		if (*obj->u.object.keys[i] == *key && !strcmp(obj->u.object.keys[i], key))
			return obj->u.object.values[i];
	return NULL;
}

const char *json_text(json *value)
{
	return YAJL_IS_STRING(value) ? value->u.string : NULL;
}

const char *json_str(json *obj, const char *key)
{
	return json_text(json_get(obj, key));
}

int64_t json_int(json *obj, const char *key, int64_t dflt)
{
	json *v = json_get(obj, key);

	return YAJL_IS_INTEGER(v) ? YAJL_GET_INTEGER(v) : dflt;
}

bool json_is_bool(json *value, bool *ret)
{
	if (!YAJL_IS_TRUE(value) && !YAJL_IS_FALSE(value))
		return false;
	*ret = YAJL_IS_TRUE(value);
	return true;
}

bool json_bool(json *obj, const char *key, bool dflt)
{
	json_is_bool(json_get(obj, key), &dflt);
	return dflt;
}

size_t json_len(json *v)
{
	if (YAJL_IS_ARRAY(v))
		return v->u.array.len;
	return YAJL_IS_OBJECT(v) ? v->u.object.len : 0;
}

json *json_at(json *array, size_t i)
{
	return YAJL_IS_ARRAY(array) && i < array->u.array.len ? array->u.array.values[i] : NULL;
}

const char *json_key_at(json *object, size_t i, json **ret_value)
{
	if (!YAJL_IS_OBJECT(object) || i >= object->u.object.len)
		return NULL;
	if (ret_value)
		*ret_value = object->u.object.values[i];
	return object->u.object.keys[i];
}

bool json_is_object(json *value)
{
	return YAJL_IS_OBJECT(value);
}

bool json_is_array(json *value)
{
	return YAJL_IS_ARRAY(value);
}

bool json_is_null(json *value)
{
	return !value || YAJL_IS_NULL(value);
}

bool json_is_number(json *value, const char **ret_digits)
{
	if (!YAJL_IS_NUMBER(value))
		return false;
	if (ret_digits)
		*ret_digits = value->u.number.r;
	return true;
}

void json_strv(json *obj, const char *key, struct strv *l)
{
	json *a = json_get(obj, key);

	for (size_t i = 0; i < json_len(a); i++)
		if (json_text(json_at(a, i)))
			strv_add(l, json_text(json_at(a, i)));
}

void json_out_init(struct json_out *o, bool pretty)
{
	o->gen = yajl_gen_alloc(NULL);
	if (!o->gen)
		abort();
	o->pretty = pretty;
	yajl_gen_config(o->gen, yajl_gen_beautify, (int)pretty);
	yajl_gen_config(o->gen, yajl_gen_indent_string, "    ");
}

/* Go's way, hence Docker's: what is no UTF-8 becomes U+FFFD, byte by byte. */
static void put_replaced(struct json_out *o, const char *value, size_t len)
{
	_cleanup_str_ struct str s = { 0 };

	while (len) {
		size_t n = str_utf8_len(value, len);

		if (n)
			str_addn(&s, value, n);
		else
			str_add(&s, "\xef\xbf\xbd");
		value += n ? n : 1;
		len -= n ? n : 1;
	}
	yajl_gen_string(o->gen, (const unsigned char *)s.s, s.len);
}

static void put_text(struct json_out *o, const char *value, size_t len)
{
	if (str_is_utf8(value, len))
		yajl_gen_string(o->gen, (const unsigned char *)value, len);
	else
		put_replaced(o, value, len);
}

static void put_key(struct json_out *o, const char *key)
{
	if (key)
		put_text(o, key, strlen(key));
}

void json_open(struct json_out *o, const char *key, char bracket)
{
	put_key(o, key);
	if (bracket == '{')
		yajl_gen_map_open(o->gen);
	else
		yajl_gen_array_open(o->gen);
}

void json_close(struct json_out *o, char bracket)
{
	if (bracket == '}')
		yajl_gen_map_close(o->gen);
	else
		yajl_gen_array_close(o->gen);
}

void json_put_strn(struct json_out *o, const char *key, const char *value, size_t len)
{
	put_key(o, key);
	put_text(o, value, len);
}

void json_put_str(struct json_out *o, const char *key, const char *value)
{
	if (value)
		json_put_strn(o, key, value, strlen(value));
	else
		json_put_null(o, key);
}

void json_put_int(struct json_out *o, const char *key, int64_t value)
{
	put_key(o, key);
	yajl_gen_integer(o->gen, value);
}

void json_put_bool(struct json_out *o, const char *key, bool value)
{
	put_key(o, key);
	yajl_gen_bool(o->gen, value);
}

void json_put_null(struct json_out *o, const char *key)
{
	put_key(o, key);
	yajl_gen_null(o->gen);
}

void json_put_str_if(struct json_out *o, const char *key, const char *value)
{
	if (value)
		json_put_str(o, key, value);
}

void json_put_int_if(struct json_out *o, const char *key, int64_t value)
{
	if (value)
		json_put_int(o, key, value);
}

void json_put_bool_if(struct json_out *o, const char *key, bool value)
{
	if (value)
		json_put_bool(o, key, value);
}

void json_put_strv(struct json_out *o, const char *key, const struct strv *l)
{
	json_open(o, key, '[');
	for (size_t i = 0; i < l->n; i++)
		json_put_str(o, NULL, l->v[i]);
	json_close(o, ']');
}

void json_put(struct json_out *o, const char *key, json *v)
{
	if (json_is_null(v)) {
		json_put_null(o, key);
	} else if (YAJL_IS_STRING(v)) {
		json_put_str(o, key, v->u.string);
	} else if (YAJL_IS_NUMBER(v)) {
		put_key(o, key);
		yajl_gen_number(o->gen, v->u.number.r, strlen(v->u.number.r));
	} else if (YAJL_IS_ARRAY(v)) {
		json_open(o, key, '[');
		for (size_t i = 0; i < v->u.array.len; i++)
			json_put(o, NULL, v->u.array.values[i]);
		json_close(o, ']');
	} else if (YAJL_IS_OBJECT(v)) {
		json_open(o, key, '{');
		for (size_t i = 0; i < v->u.object.len; i++)
			json_put(o, v->u.object.keys[i], v->u.object.values[i]);
		json_close(o, '}');
	} else {
		json_put_bool(o, key, YAJL_IS_TRUE(v));
	}
}

/* yajl puts the two brackets of what is empty on lines of their own; Go, hence Docker, side by side.  In place; the new
 * length. */
static size_t close_up(char *text, size_t len)
{
	size_t to = 0;
	bool in_text = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if ((c == ']' || c == '}') && !in_text) {
			size_t before = to;

			while (before && strchr(" \n", text[before - 1]))
				before--;
			if (before && text[before - 1] == (c == ']' ? '[' : '{'))
				to = before;
		}
		if (c == '"')
			in_text = !in_text;
		text[to++] = c;
		if (c == '\\' && in_text && i + 1 < len)
			text[to++] = text[++i];
	}
	text[to] = '\0';
	return to;
}

char *json_out_take(struct json_out *o, size_t *ret_len)
{
	const unsigned char *buf = NULL;
	size_t len = 0;
	char *text;

	yajl_gen_get_buf(o->gen, &buf, &len);
	text = xstrndup(buf ? (const char *)buf : "", len);
	if (o->pretty)
		len = close_up(text, strlen(text));
	if (ret_len)
		*ret_len = len;
	json_out_done(o);
	return text;
}

void json_out_done(struct json_out *o)
{
	if (o->gen)
		yajl_gen_free(o->gen);
	o->gen = NULL;
}
