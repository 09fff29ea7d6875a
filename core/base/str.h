/* core/base/str.h -- memory that never fails, growing strings, string lists, numbers.
 * The xmalloc family aborts when memory ends: a developer's tool has nothing better to do then. */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/err.h"

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol

void *xmalloc(size_t size) __attribute__((malloc));
void *xcalloc(size_t n, size_t size) __attribute__((malloc));
void *xrealloc(void *p, size_t size);
/* Make room for one more element of SIZE bytes in *ARRAY holding N of *CAP. */
void *xgrow(void *array, size_t n, size_t *cap, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0);

/* A growing byte string.  Zero is a valid empty one; s is NUL-ended whenever it is not NULL. */
struct str {
	char *s;
	size_t len, cap;
};
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *data, size_t len);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
char *str_take(struct str *s); /* never NULL; S is empty afterwards */
void str_done(struct str *s);
#define _cleanup_str_ _cleanup_(str_done)

/* A NULL-ended list of owned strings, fit for execve().  Zero is a valid empty one (v == NULL). */
struct strv {
	char **v;
	size_t n, cap;
};
void strv_add(struct strv *l, const char *s);
void strv_addf(struct strv *l, const char *fmt, ...) PRINTF(2, 3);
void strv_take(struct strv *l, char *s); /* takes ownership of S */
void strv_copy(struct strv *to, const struct strv *from); /* appends copies */
bool strv_has(const struct strv *l, const char *s);
void strv_sort(struct strv *l); /* by bytes */
bool strv_has_sorted(const struct strv *l, const char *s); /* the same as strv_has(), after strv_sort() */
/* For lists of KEY=VALUE: the value of KEY (up to the end of the entry), or NULL. */
const char *strv_env(const struct strv *l, const char *key);
/* Replace the entry with the same KEY as KEY_VALUE ("K=V"), or append it. */
void strv_env_set(struct strv *l, const char *key_value);
void strv_done(struct strv *l);
#define _cleanup_strv_ _cleanup_(strv_done)

bool str_eq(const char *a, const char *b); /* NULL-safe */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* S after PREFIX, or NULL. */
const char *str_after(const char *s, const char *prefix);
/* The path without empty, "." and ".." parts and without a slash at its end, by its text alone, as Go's path.Clean():
 * "/a//b/../c/" is "/a/c", "/.." is "/", "" is ".".  The caller frees it. */
char *str_clean_path(const char *path);
/* Bytes of the UTF-8 character at S, 0 if it is malformed (overlong forms, surrogates and what is above U+10FFFF are)
 * or LEN is 0. */
size_t str_utf8_len(const char *s, size_t len);
bool str_is_utf8(const char *s, size_t len);
/* Whole string, decimal, at most MAX.  Errors: "<what>: 'S' is not a number from MIN to MAX". */
struct err *str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret) MUST_CHECK;
/* Sizes as Docker takes them: digits, optional fraction, optional b k m g t (1024-based), optional "b"/"ib". */
struct err *str_to_size(const char *s, uint64_t *ret_bytes) MUST_CHECK;
void str_hex(const void *data, size_t len, char *out); /* writes 2 * len + 1 bytes */
bool str_is_hex(const char *s, size_t len); /* the first LEN bytes are lower-case hex digits */
/* LEN random bytes from the kernel. */
void random_bytes(void *buf, size_t len);
/* Edit distance, bounded: for "did you mean"; returns the nearest of the NULL-ended LIST at most 2 away, or NULL. */
const char *str_nearest(const char *s, const char *const *list);

#endif
