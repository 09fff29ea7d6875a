/* core/store/events.h -- what happened: one JSON object a line, in Docker's form, appended to the file "events" of
 * the store; when that has EVENTS_MAX bytes it becomes "events.1" and a new one begins.  A line is written at once
 * (O_APPEND), so that writers need no lock. */
#ifndef CORE_STORE_EVENTS_H
#define CORE_STORE_EVENTS_H

#include "core/store/dirs.h"

enum { EVENTS_MAX = 1 << 20, EVENT_LINE_MAX = 65536 };

/* TYPE "container", ACTION "start", ID of what it happened to, ATTRS "key=value" (may be NULL).  Best effort: that it
 * cannot be written down stops nothing. */
void event_add(struct store *st, const char *type, const char *action, const char *id,
	       const struct strv *attrs);

#endif
