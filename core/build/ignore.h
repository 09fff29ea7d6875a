/* core/build/ignore.h -- .dockerignore, and the patterns of COPY.  Pure; input may be hostile.
 * Source: Dockerfile reference, ".dockerignore file"; Go's path/filepath.Match for a pattern's words:
 *
 *	*	anything within a name		?	one character of a name		[a-z] [^a-z]	one of these
 *	**	anything, over any number of directories	\x	x itself
 * A pattern that fits a directory fits all below it.  "!pattern" takes back what earlier lines said; the last line that
 * fits counts. */
#ifndef CORE_BUILD_IGNORE_H
#define CORE_BUILD_IGNORE_H

#include "core/base/str.h"

enum { IGNORE_MAX = 4 << 20, IGNORE_PATTERNS_MAX = 10000, PATTERN_MAX = 4096 };

struct pattern;
struct ignore {
	struct pattern *v;
	size_t n, cap;
	bool negative; /* there is a "!" among them */
};
/* Text of the file NAME.  Errors: "<name>:<line>: ...". */
struct err *ignore_parse(const char *text, size_t len, const char *name, struct ignore *ret) MUST_CHECK;
/* One more pattern, as in a line of the file. */
struct err *ignore_add(struct ignore *ig, const char *pattern) MUST_CHECK;
void ignore_done(struct ignore *ig);

/* Is PATH (clean, relative) left out? */
bool ignore_match(const struct ignore *ig, const char *path);
/* And all below that directory, too? */
bool ignore_prunes(const struct ignore *ig, const char *path);

/* One pattern against a whole path; for COPY's sources.  Errors: malformed. */
struct err *pattern_new(const char *text, struct pattern **ret) MUST_CHECK;
void pattern_free(struct pattern *p);
bool pattern_fits(const struct pattern *p, const char *path);
bool pattern_is_literal(const char *text); /* has none of * ? [ \ */

#endif
