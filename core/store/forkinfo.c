/* What volumes and snapshots have, and share. */
#include <fcntl.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/store/forkrec.h"

static struct err *size_inside(void *arg, struct str *result)
{
	const struct cow_dirs *d = arg;

	for (size_t i = 0; i < d->n; i++)
		str_addf(result, "%llu ", (unsigned long long)fd_tree_size(d->fd[i], "data"));
	return NULL;
}

/* The bytes of each tree, the top's first. */
static struct err *chain_bytes(struct store *st, int dir, uint64_t ret[COW_TREES_MAX],
			       size_t *ret_n, unsigned ret_depth[COW_TREES_MAX])
{
	_cleanup_str_ struct str text = { 0 };
	struct cow_dirs dirs = { .n = 0 };
	struct err *e = fork_dirs(st, dir, &dirs);
	char *at;

	e = e ?: userns_call(&st->ids, size_inside, &dirs, &text);
	at = text.s;
	for (size_t i = 0; !e && i < dirs.n; i++) {
		ret[i] = strtoull(at, &at, 10);
		ret_depth[i] = dirs.depth[i];
	}
	*ret_n = dirs.n;
	fork_dirs_done(&dirs);
	return e;
}

struct err *fork_info(struct store *st, const char *text, struct fork_info *ret)
{
	_cleanup_forkrec_ struct forkrec r = { 0 };
	_cleanup_close_ int dir = -1;
	uint64_t bytes[COW_TREES_MAX];
	unsigned depth[COW_TREES_MAX];
	struct fork_info i = { 0 };
	size_t n = 0;
	struct err *e = fork_open(st, text, &dir);

	e = e ?: forkrec_read(dir, ".", &r);
	e = e ?: chain_bytes(st, dir, bytes, &n, depth);
	if (e)
		return e;
	i.method = r.method;
	i.from = TAKE_PTR(r.from);
	i.made_ns = r.made_ns;
	i.thin = r.thin;
	i.depth = (unsigned)n - 1;
	i.own_bytes = bytes[0];
	for (size_t k = 0; k < n; k++)
		i.seen_bytes += bytes[k];
	*ret = i;
	return NULL;
}

void fork_info_done(struct fork_info *i)
{
	free(TAKE_PTR(i->from));
}

struct trees {
	struct strv ids; /* of the sealed trees below, "" for what TEXT names itself unless it is sealed */
	uint64_t bytes[COW_TREES_MAX];
};

static struct err *trees_of(struct store *st, const char *text, struct trees *ret)
{
	_cleanup_free_ char *volume = NULL, *snap = NULL;
	_cleanup_close_ int dir = -1;
	unsigned depth[COW_TREES_MAX];
	char id[SEALED_ID_LEN + 1] = "";
	size_t n;
	struct err *e = fork_parse(text, &volume, &snap);

	e = e ?: fork_open(st, text, &dir);
	e = e ?: chain_bytes(st, dir, ret->bytes, &n, depth);
	if (!e && snap)
		e = snapshot_find(st, volume, snap, id);
	for (size_t i = 0; !e && i < n; i++) {
		_cleanup_forkrec_ struct forkrec r = { 0 };

		if (i == 0 && !*id)
			strv_addf(&ret->ids, "volume %s", volume);
		else
			strv_add(&ret->ids, id);
		e = i == 0 ? forkrec_read(dir, ".", &r) : forkrec_read(st->sealed, id, &r);
		snprintf(id, sizeof(id), "%s", r.parent);
	}
	return e;
}

static uint64_t bytes_without(const struct trees *t, const struct trees *other)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->ids.n; i++)
		n += strv_has(&other->ids, t->ids.v[i]) ? 0 : t->bytes[i];
	return n;
}

struct err *fork_diff_size(struct store *st, const char *a, const char *b, uint64_t *ret_a_bytes,
			   uint64_t *ret_b_bytes)
{
	_cleanup_free_ struct trees *t = xcalloc(2, sizeof(*t));
	struct err *e = trees_of(st, a, &t[0]);

	e = e ?: trees_of(st, b, &t[1]);
	if (!e) {
		*ret_a_bytes = bytes_without(&t[0], &t[1]);
		*ret_b_bytes = bytes_without(&t[1], &t[0]);
	}
	strv_done(&t[0].ids);
	strv_done(&t[1].ids);
	return e;
}

static struct err *sealed_inside(void *arg, struct str *result)
{
	const int *dir = arg;
	uint64_t n = fd_tree_size(*dir, ".");
	struct stat own;

	if (!fstat(*dir, &own) && n >= (uint64_t)own.st_blocks * 512)
		n -= (uint64_t)own.st_blocks * 512; /* the folder itself is no tree */
	str_addf(result, "%llu", (unsigned long long)n);
	return NULL;
}

uint64_t fork_sealed_bytes(struct store *st)
{
	_cleanup_str_ struct str text = { 0 };
	uint64_t n = 0;
	struct err *e = userns_call(&st->ids, sealed_inside, &st->sealed, &text);

	e = e ?: str_to_u64(text.s ?: "0", 0, UINT64_MAX, &n);
	err_free(e); /* only a number for people */
	return n;
}
