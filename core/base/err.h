/* core/base/err.h -- the one value that carries a failure upwards; NULL is success.
 *
 * The leaf says what failed on which object (err_new); each caller that knows more adds a phrase in the
 * user's words in front (err_wrap); at most one hint tells what to do; only cmd/main.c prints it:
 *     devbox: pulling mysql:8: writing ibdata1: No space left on device (hint: devbox prune frees unused layers)
 * Owns: whoever holds the pointer frees it with err_free() or passes it on.  Running out of memory aborts. */
#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/cleanup.h"

struct err {
	char *text; /* never NULL, no newline, without the system's words for errnum */
	char *hint; /* what to do, or NULL */
	int errnum; /* errno of the cause; 0: no system words are added */
	int status; /* exit status the program should end with; 0: the default (125) */
	struct err *next; /* further failures of the same command, see err_also() */
};

struct err *err_new(int errnum, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* Put "FMT: " in front of E's text (of the first, if E is a list).  NULL stays NULL. */
struct err *err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* Set the hint unless a deeper one was set already.  NULL stays NULL. */
struct err *err_hint(struct err *e, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* Set the exit status unless a deeper one was set already.  NULL stays NULL. */
struct err *err_status(struct err *e, int status) MUST_CHECK;
/* Append E to the list ALL (either may be NULL): one failure does not hide the others. */
struct err *err_also(struct err *all, struct err *e) MUST_CHECK;
/* What came from elsewhere may hold anything, and goes to a terminal: control bytes of E's text become "?". */
struct err *err_printable(struct err *e) MUST_CHECK;
bool err_is(const struct err *e, int errnum);
/* The whole line without program name: "text: system words (hint: ...)".  The caller frees it. */
char *err_line(const struct err *e);
void err_free(struct err *e);

/* Errors between a child and its parent over a socket or pipe.  err_send() writes one message of at most
 * ERR_WIRE_MAX bytes (longer texts are cut); err_recv() rebuilds it from LEN bytes of BUF. */
enum { ERR_WIRE_MAX = 4096 };
size_t err_pack(const struct err *e, char buf[ERR_WIRE_MAX]); /* the length */
void err_send(int fd, const struct err *e);
struct err *err_recv(const char *buf, size_t len) MUST_CHECK;

static inline void cleanup_err(struct err **e)
{
	err_free(*e);
}
#define _cleanup_err_ _cleanup_(cleanup_err)

#endif
