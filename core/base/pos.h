/* core/base/pos.h -- a place in a text that a user wrote, and errors that name it. */
#ifndef CORE_BASE_POS_H
#define CORE_BASE_POS_H

#include "core/base/err.h"

struct pos {
	const char *file; /* as shown to the user; NULL: nowhere in particular */
	unsigned line, col; /* counted from 1; 0: unknown, left out */
};

/* "file:line:col: TEXT", errno 0. */
struct err *pos_err(const struct pos *at, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* Put "file:line:col: " in front of E's text.  NULL stays NULL. */
struct err *pos_wrap(const struct pos *at, struct err *e) MUST_CHECK;

#endif
