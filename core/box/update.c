#include "core/box/update.h"

#include <stdlib.h>

#include "core/base/fd.h"
#include "core/box/control.h"
#include "core/box/state.h"

enum { RECORD_MAX = 4 << 20 };

/* The record is read again under the store's lock: it may have been renamed since B was. */
static struct err *change_record(struct box *b, const struct limits *set)
{
	_cleanup_close_ int lock = -1;
	_cleanup_free_ char *text = NULL, *changed = NULL;
	struct spec s = { 0 };
	struct err *e;
	size_t len;

	e = store_lock(b->st, &lock);
	e = e ?: fd_read_file(b->dir, "config.json", RECORD_MAX, &text, &len);
	e = e ?: spec_from_json(text, len, &s);
	if (e)
		return e;
	limits_merge(&s.limits, set);
	e = limits_check(&s.limits, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	if (!e) {
		changed = spec_to_json(&s, &len);
		e = fd_write_atomic(b->dir, "config.json", changed, len, 0600, true);
	}
	spec_done(&s);
	return e;
}

struct err *box_update_limits(struct box *b, const struct limits *set)
{
	struct err *e = change_record(b, set);

	e = e ?: box_tell(b, CTL_UPDATE);
	if (!e)
		box_event(b->st, &b->spec, "update", NULL);
	return err_wrap(e, "Cannot update container %s", b->spec.name);
}
