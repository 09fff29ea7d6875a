/* cmd/logs.h -- a container's log, read and followed. */
#ifndef CMD_LOGS_H
#define CMD_LOGS_H

#include "core/box/box.h"
#include "core/box/logfile.h"

struct logs_opts {
	bool follow, timestamps, details;
	const char *tail; /* "all", "-1": everything; else a number of lines */
	const char *since, *until; /* as time_parse() has them, or NULL */
};
/* Would it be shown? */
struct err *logs_check(struct box *b, const struct logs_opts *o) MUST_CHECK;
/* WRITE gets pieces of lines as they are to be shown, all of a terminal's as standard output; DATA is NULL when all has
 * been told that there is now. */
struct err *logs_show(struct box *b, const struct logs_opts *o,
		      struct err *(*write)(void *arg, enum log_stream stream, const char *data,
					   size_t len),
		      void *arg) MUST_CHECK;

#endif
