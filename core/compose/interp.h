/* core/compose/interp.h -- variables in the values of a compose file.  Pure, no I/O.
 *
 *	$V ${V}		the value, or nothing with a note
 *	${V:-d} ${V-d}	d if V is unset or empty, unset
 *	${V:?e} ${V?e}	an error if V is unset or empty, unset
 *	${V:+a} ${V+a}	a if V is set and not empty, set; else nothing
 *	$$		one $
 * d, e and a may hold variables themselves, up to INTERP_DEPTH_MAX deep.
 * Source: Compose specification, "Interpolation". */
#ifndef CORE_COMPOSE_INTERP_H
#define CORE_COMPOSE_INTERP_H

#include "core/base/str.h"

enum { INTERP_DEPTH_MAX = 32, INTERP_BYTES_MAX = 1 << 20 };

struct interp {
	/* The value of the variable NAME, or NULL.  Valid until the next call. */
	const char *(*lookup)(void *arg, const char *name);
	/* NAME is not set and nothing stands in for it; may be NULL. */
	void (*unset)(void *arg, const char *name);
	void *arg;
	/* NULL, or told of each variable and of those inside its word, OP being the sign in "${NAME-word}", 0 without
	 * one; then LOOKUP and UNSET are not asked, and what comes out means nothing. */
	void (*seen)(void *arg, const char *name, char op, const char *word);
};

/* Append TEXT with its variables replaced.  Errors: "invalid interpolation format: ...", "required variable V is
 * missing a value: e". */
struct err *interp_expand(const struct interp *in, const char *text, struct str *out) MUST_CHECK;
/* Does TEXT hold anything to replace? */
bool interp_wanted(const char *text);

#endif
