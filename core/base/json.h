/* core/base/json.h -- reading and writing JSON through yajl.
 *
 * Reading: json_parse() gives a tree; the getters accept a NULL or mistyped value and answer NULL / the default, so
 * that records and manifests are read without a ladder of checks.  Input is limited to 64 levels of nesting (yajl's
 * tree is freed recursively), holds no comments and must be valid UTF-8.
 * Writing: struct json_out wraps yajl_gen; calls must nest properly.  What is no UTF-8 is written as U+FFFD. */
#ifndef CORE_BASE_JSON_H
#define CORE_BASE_JSON_H

#include <stdint.h>

#include "core/base/str.h"

struct yajl_val_s;
typedef const struct yajl_val_s json; /* the one exception to "no typedef": it hides the library's type */

/* Errors: "<what>: <reason>", errno 0.  The caller ends *ret with json_free(). */
struct err *json_parse(const char *text, size_t len, const char *what, json **ret) MUST_CHECK;
void json_free(json *j);
static inline void cleanup_json(json **j)
{
	json_free(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

json *json_get(json *obj, const char *key); /* member of an object, or NULL */
const char *json_str(json *obj, const char *key); /* string member, or NULL */
int64_t json_int(json *obj, const char *key, int64_t dflt);
bool json_bool(json *obj, const char *key, bool dflt);
size_t json_len(json *array_or_object); /* 0 for anything else */
json *json_at(json *array, size_t i);
const char *json_key_at(json *object, size_t i, json **ret_value); /* i-th member of an object */
const char *json_text(json *value); /* the string itself, or NULL */
bool json_is_object(json *value);
bool json_is_array(json *value);
bool json_is_null(json *value); /* absent or null */
bool json_is_number(json *value, const char **ret_digits); /* as written */
bool json_is_bool(json *value, bool *ret);
/* Append the strings of an array member to L. */
void json_strv(json *obj, const char *key, struct strv *l);

struct json_out {
	struct yajl_gen_t *gen;
	bool pretty;
};
void json_out_init(struct json_out *o, bool pretty); /* pretty: four blanks, as docker inspect */
/* KEY is NULL inside arrays and at the top. */
void json_open(struct json_out *o, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json_out *o, char bracket); /* '}' or ']' */
void json_put_str(struct json_out *o, const char *key, const char *value); /* NULL writes null */
void json_put_strn(struct json_out *o, const char *key, const char *value, size_t len);
void json_put_int(struct json_out *o, const char *key, int64_t value);
void json_put_bool(struct json_out *o, const char *key, bool value);
void json_put_null(struct json_out *o, const char *key);
/* The same if there is something to say: left out when it is NULL, 0 or false, which is what the getters make of it. */
void json_put_str_if(struct json_out *o, const char *key, const char *value);
void json_put_int_if(struct json_out *o, const char *key, int64_t value);
void json_put_bool_if(struct json_out *o, const char *key, bool value);
void json_put_strv(struct json_out *o, const char *key, const struct strv *l); /* [] when empty */
void json_put(struct json_out *o, const char *key, json *value); /* copies a parsed tree */
char *json_out_take(struct json_out *o, size_t *ret_len); /* ends O; text ends with a newline if pretty */
void json_out_done(struct json_out *o);

#endif
