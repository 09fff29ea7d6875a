/* cmd/ui/human.h -- sizes, ages and names as Docker words them.  Pure, no I/O.
 * Source: docker/go-units (HumanDuration, HumanSizeWithPrecision), docker/cli formatter. */
#ifndef CMD_UI_HUMAN_H
#define CMD_UI_HUMAN_H

#include "core/base/str.h"

/* Append "1.09GB": decimal units, three significant digits as in columns, four (PRECISE) as in sentences. */
void human_size(uint64_t bytes, bool precise, struct str *out);
/* Append "Less than a second", "About a minute", "3 hours": how long NS nanoseconds are. */
void human_duration(int64_t ns, struct str *out);
/* Append "3 hours ago"; "N/A" for a time that is not known (0). */
void human_ago(int64_t then_ns, int64_t now_ns, struct str *out);
/* Append TEXT cut to WIDTH characters, the last of which is "…" if something was cut. */
void human_ellipsis(const char *text, size_t width, struct str *out);
/* How many columns of a terminal TEXT takes: characters of valid UTF-8, combining marks not considered. */
size_t human_width(const char *text);
/* Append TEXT in double quotes as Go's strconv.Quote does. */
void human_quote(const char *text, struct str *out);
/* Append what of TEXT can be shown on a terminal: control bytes become "?". */
void human_clean(const char *text, struct str *out);
/* Append "2026-11-21 03:45:29 +0000 UTC", in the local time zone. */
void human_time(int64_t ns, struct str *out);
/* The first 12 digits of an id, without "sha256:". */
void human_short_id(const char *id, struct str *out);

#endif
