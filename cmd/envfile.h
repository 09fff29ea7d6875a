/* cmd/envfile.h -- variables from -e and --env-file, as Docker reads them.  Pure but for the caller's environment. */
#ifndef CMD_ENVFILE_H
#define CMD_ENVFILE_H

#include "core/base/str.h"

/* "K=V" is appended to OUT; "K" alone with the caller's value, or not at all if the caller has none. */
struct err *env_add(const char *text, struct strv *out) MUST_CHECK;
/* LEN bytes of an env file: one variable a line, "#" at a line's start is a comment, nothing is unquoted.
 * Errors: "NAME:LINE: <reason>". */
struct err *env_file_parse(const char *text, size_t len, const char *name, struct strv *out) MUST_CHECK;
/* "k=v" or "k" of --label. */
struct err *label_add(const char *text, struct strv *out) MUST_CHECK;

#endif
