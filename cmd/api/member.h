/* cmd/api/member.h -- members of a request's JSON, their types checked.  Pure, no I/O.
 * Absent and null are the same: what *TO is stays.  Errors say the member's name and what it must be. */
#ifndef CMD_API_MEMBER_H
#define CMD_API_MEMBER_H

#include "core/base/json.h"

enum {
	MEMBER_WORDS_MAX = 65536, /* of a command; ports */
	MEMBER_LIST_MAX = 4096, /* of anything else: what comes of it is looked through in pairs */
};

/* KEY: it must be WHAT. */
struct err *member_bad(const char *key, const char *what) MUST_CHECK;
/* V, the member KEY, is an object (a list), and not too long. */
struct err *member_check(const char *key, json *v, bool object, size_t max) MUST_CHECK;

struct err *member_text(json *o, const char *key, const char **to) MUST_CHECK; /* an empty text is NULL */
struct err *member_flag(json *o, const char *key, bool *to) MUST_CHECK;
struct err *member_number(json *o, const char *key, int64_t min, int64_t max, int64_t *to) MUST_CHECK;
struct err *member_list_of(json *o, const char *key, size_t max, struct strv *to) MUST_CHECK;
struct err *member_list(json *o, const char *key, struct strv *to) MUST_CHECK; /* of texts */
struct err *member_map(json *o, const char *key, struct strv *to) MUST_CHECK; /* {"a": "b"} as "a=b" */
struct err *member_keys(json *o, const char *key, size_t max, struct strv *to)
	MUST_CHECK; /* {"a": {}} as "a" */
struct err *member_words(json *o, const char *key, struct strv *to)
	MUST_CHECK; /* a list of words, or one word */

#endif
