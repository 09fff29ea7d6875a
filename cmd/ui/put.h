/* cmd/ui/put.h -- members of JSON objects, and elements of arrays (KEY is NULL), in the forms that Docker's have. */
#ifndef CMD_UI_PUT_H
#define CMD_UI_PUT_H

#include "core/base/json.h"
#include "core/base/str.h"

#define PUT_NEVER "0001-01-01T00:00:00Z" /* Go's zero time */

/* NULL is "". */
void put_text(struct json_out *o, const char *key, const char *value);
/* The same; TEXT is freed. */
void put_taken(struct json_out *o, const char *key, char *text);
/* From the element FROM on. */
void put_list(struct json_out *o, const char *key, const struct strv *l, size_t from);
void put_list_or_null(struct json_out *o, const char *key, const struct strv *l);
/* 0 is PUT_NEVER. */
void put_time(struct json_out *o, const char *key, int64_t ns);
/* {"3306/tcp": {}, ...} */
void put_set(struct json_out *o, const char *key, const struct strv *l);
/* Of "NAME=VALUE"s: {"NAME": "VALUE", ...} */
void put_map(struct json_out *o, const char *key, const struct strv *l);

#endif
