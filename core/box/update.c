#include "core/box/update.h"

#include <unistd.h>

#include "core/box/control.h"
#include "core/box/record.h"
#include "core/box/state.h"

static struct err *merge(UNUSED struct box *b, struct spec *s, void *set)
{
	limits_merge(&s->limits, set);
	return limits_check(&s->limits, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
}

struct err *box_update_limits(struct box *b, const struct limits *set)
{
	struct err *e = record_change(b, merge, (void *)set);

	e = e ?: box_tell(b, CTL_UPDATE);
	if (!e)
		box_event(b->st, &b->spec, "update", NULL);
	return err_wrap(e, "Cannot update container %s", b->spec.name);
}
