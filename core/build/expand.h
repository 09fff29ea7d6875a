/* core/build/expand.h -- variables, quotes and escapes in a Dockerfile's words.  Pure; input may be hostile.
 * Source: Dockerfile reference, "Environment replacement"; BuildKit's shell lexer.
 *
 *	$x ${x}			the value, nothing if unset
 *	${x:-w} ${x-w}		W if unset (with a colon: or empty)
 *	${x:+w} ${x+w}		W if set (and not empty), else nothing
 *	${x:?w} ${x?w}		an error with W's text if unset (or empty)
 *	${x#p} ${x##p} ${x%p} ${x%%p}	without the shortest (longest) beginning or end that fits P
 *	${x/p/w} ${x//p/w}	with the first (every) part that fits P replaced
 * Patterns know * and ?. */
#ifndef CORE_BUILD_EXPAND_H
#define CORE_BUILD_EXPAND_H

#include "core/base/str.h"

enum { EXPAND_MAX = 4 << 20, EXPAND_DEPTH = 32, EXPAND_PATTERN_MAX = 64 << 10 };

struct expand {
	char escape;
	bool raw; /* quotes are no quotes, only \$ is an escape: the body of a heredoc */
	const char *(*get)(void *arg, const char *name); /* NULL: unset */
	void *arg;
};
/* Errors: unbalanced quotes and braces, unknown modifiers, what ${x:?} says. */
struct err *expand_word(const struct expand *x, const char *text, char **ret) MUST_CHECK;
/* The same, but what is not quoted is split at blanks after it was expanded; appends. */
struct err *expand_split(const struct expand *x, const char *text, struct strv *ret) MUST_CHECK;

#endif
