#include "core/box/boxfork.h"

#include <stdlib.h>

#include "core/base/proc.h"
#include "core/box/procs.h"

struct users {
	struct box **v; /* running, not paused */
	size_t n, n_still;
	int64_t since_ms, still_ms;
};

static bool mounts_volume(const struct box *b, const char *volume)
{
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (b->spec.mounts.v[i].type == MOUNT_VOLUME &&
		    str_eq(b->spec.mounts.v[i].source, volume))
			return true;
	return false;
}

static bool mounts_any(const struct box *b, const struct fork_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mounts_volume(b, pairs[i].from))
			return true;
	return false;
}

static void go(void *arg)
{
	struct users *u = arg;

	while (u->n_still > 0)
		err_free(box_unpause(u->v[--u->n_still])); /* it has ended meanwhile */
	u->still_ms = time_mono_ms() - u->since_ms;
}

static struct err *stop(void *arg)
{
	struct users *u = arg;
	struct err *e = NULL;

	u->since_ms = time_mono_ms();
	while (u->n_still < u->n && !e) {
		e = box_pause(u->v[u->n_still]);
		u->n_still += !e;
	}
	if (e)
		go(u);
	return e;
}

struct err *box_fork_volumes(struct store *st, struct fork_pair *pairs, size_t n, int64_t *ret_still_ms)
{
	struct users u = { 0 };
	const struct fork_hold hold = { stop, go, &u };
	size_t total = 0;
	struct err *e = box_list(st, &u.v, &total);

	for (size_t i = 0; i < total; i++) {
		struct box *b = u.v[i];

		if (b->state.status == BOX_RUNNING && !box_is_paused(b) && mounts_any(b, pairs, n))
			u.v[u.n++] = b;
		else
			box_free(b);
	}
	e = e ?: fork_volumes(st, pairs, n, &hold);
	for (size_t i = 0; i < u.n; i++)
		box_free(u.v[i]);
	free(u.v);
	if (ret_still_ms)
		*ret_still_ms = u.still_ms;
	return e;
}

struct err *box_fork_restore(struct store *st, const char *text)
{
	_cleanup_free_ char *volume = xstrndup(text, strcspn(text, "@"));
	struct box **v = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &v, &n);

	for (size_t i = 0; i < n; i++) {
		if (!e && state_is_up(&v[i]->state) && mounts_volume(v[i], volume))
			e = err_hint(err_status(err_new(0, "volume %s is in use by container %s",
							volume, v[i]->spec.name),
						1),
				     "devbox stop %s", v[i]->spec.name);
		box_free(v[i]);
	}
	free(v);
	return e ?: fork_restore(st, text);
}
