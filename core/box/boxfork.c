#include "core/box/boxfork.h"

#include <fcntl.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/procs.h"
#include "core/box/recipe.h"

enum { READY_S = 120 };

struct users {
	struct box **v; /* running, not paused */
	struct box_held *held; /* the first N_STILL of them */
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

static struct err *run_quietly(struct box *b, struct strv *argv, const char *env, int *ret_status)
{
	struct exec_request req = { .argv = *argv };
	_cleanup_close_ int null = -1;
	struct err *e = fd_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null);
	int stdio[3] = { null, null, null };

	if (env)
		strv_add(&req.env, env);
	e = e ?: box_exec(b, &req, stdio, NULL, ret_status);
	strv_done(&req.env);
	return e;
}

struct err *box_flush(struct box *b)
{
	const struct recipe *r = b->spec.recipe ? recipe_by_name(b->spec.recipe) : NULL;
	_cleanup_strv_ struct strv argv = { 0 };
	_cleanup_free_ char *auth = NULL;
	struct db_access a;
	int status = 0;
	struct err *e;

	if (!r || (recipe_engine(r) != ENGINE_REDIS && recipe_engine(r) != ENGINE_VALKEY))
		return NULL;
	recipe_access(r, &b->spec.env, &b->spec.cmd, "", 0, &a);
	auth = a.password ? xasprintf("REDISCLI_AUTH=%s", a.password) : NULL;
	db_access_done(&a);
	strv_add(&argv, recipe_engine(r) == ENGINE_REDIS ? "redis-cli" : "valkey-cli");
	strv_add(&argv, "SAVE");
	e = run_quietly(b, &argv, auth, &status);
	if (!e && status)
		e = err_new(0, "%s could not write its data to disk (SAVE failed)", b->spec.recipe);
	return e;
}

static void go(void *arg)
{
	struct users *u = arg;

	while (u->n_still > 0)
		err_free(box_let_go(&u->held[--u->n_still])); /* it has ended meanwhile */
	u->still_ms = time_mono_ms() - u->since_ms;
}

static struct err *stop(void *arg)
{
	struct users *u = arg;
	struct err *e = NULL;

	u->since_ms = time_mono_ms();
	while (u->n_still < u->n && !e) {
		e = box_hold(u->v[u->n_still], &u->held[u->n_still]);
		u->n_still += !e;
	}
	if (e)
		go(u);
	return e;
}

/* A data directory that is only being set up is none: the fork of it would never become one. */
static struct err *wait_set_up(struct box *b)
{
	struct err *e = b->spec.recipe ? box_wait_ready(b, READY_S) : NULL;

	return err_hint(err_wrap(e, "a fork waits for the database in its parent"),
			"devbox stop %s, to fork what is there", b->spec.name);
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
	u.held = xcalloc(u.n + 1, sizeof(*u.held));
	for (size_t i = 0; i < u.n && !e; i++)
		e = wait_set_up(u.v[i]);
	for (size_t i = 0; i < u.n && !e; i++)
		e = err_wrap(box_flush(u.v[i]), "container %s", u.v[i]->spec.name);
	e = e ?: fork_volumes(st, pairs, n, &hold);
	for (size_t i = 0; i < u.n; i++)
		box_free(u.v[i]);
	free(u.v);
	free(u.held);
	if (ret_still_ms)
		*ret_still_ms = u.still_ms;
	return e;
}

static struct err *refuse_used(const struct box *b, const struct strv *texts)
{
	for (size_t i = 0; i < texts->n && state_is_up(&b->state); i++) {
		_cleanup_free_ char *volume = xstrndup(texts->v[i], strcspn(texts->v[i], "@"));

		if (mounts_volume(b, volume))
			return err_hint(err_status(err_new(0, "volume %s is in use by container %s",
							   volume, b->spec.name),
						   1),
					"devbox stop %s", b->spec.name);
	}
	return NULL;
}

static struct err *check_there(struct store *st, const char *text)
{
	struct fork_info info = { 0 };
	struct err *e = fork_info(st, text, &info);

	fork_info_done(&info);
	return e;
}

struct err *box_fork_restore(struct store *st, const struct strv *texts)
{
	struct box **v = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &v, &n);

	for (size_t i = 0; i < n; i++) {
		e = e ?: refuse_used(v[i], texts);
		box_free(v[i]);
	}
	free(v);
	for (size_t i = 0; i < texts->n && texts->n > 1 && !e; i++)
		e = check_there(st, texts->v[i]);
	for (size_t i = 0; i < texts->n && !e; i++)
		e = fork_restore(st, texts->v[i]);
	return e;
}
