/* cmd/filter.h -- "--filter key=value".  Values of one key are alternatives, different keys must all hold. */
#ifndef CMD_FILTER_H
#define CMD_FILTER_H

#include <stdint.h>

#include "core/base/str.h"

/* FILTERS: as typed; KNOWN: NULL-ended.  Errors: "invalid filter 'x'" with the known ones as hint. */
struct err *filters_check(const struct strv *filters, const char *const *known) MUST_CHECK;
/* Does MATCH(value, OF) hold for one of KEY's values, or is there none? */
bool filters_pass(const struct strv *filters, const char *key,
		  bool (*match)(const char *value, const void *of), const void *of);
/* "label=k" and "label=k=v": every one must be among LABELS ("k=v"); "label!=...": none may be. */
bool filters_labels(const struct strv *filters, const struct strv *labels);
/* "true", "1", "false", "0" of KEY.  Errors: "invalid filter 'KEY=x'". */
struct err *filters_check_bool(const struct strv *filters, const char *key) MUST_CHECK;
/* "until=TIME" (time_parse()): what was made at *RET_NS or later is spared; INT64_MAX if there is none. */
struct err *filters_until(const struct strv *filters, int64_t *ret_ns) MUST_CHECK;

#endif
