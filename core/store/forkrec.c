#include "core/store/forkrec.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "core/store/volume.h"

enum { RECORD_MAX = 65536 };

const char *const fork_method_names[] = { "none", "reflink", "cow", "copy" };
_Static_assert(ARRAY_LEN(fork_method_names) == FORK_METHOD_MAX, "a name for each");

void forkrec_done(struct forkrec *r)
{
	free(TAKE_PTR(r->from));
}

struct err *forkrec_read(int dir, const char *name, struct forkrec *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/fork.json", name), *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct forkrec r = { 0 };
	const char *s;
	size_t len;
	struct err *e = fd_read_file(dir, path, RECORD_MAX, &text, &len);

	if (err_is(e, ENOENT)) {
		err_free(e); /* a plain tree */
		*ret = r;
		return NULL;
	}
	e = e ?: json_parse(text, len, path, &j);
	if (e)
		return e;
	r.thin = json_bool(j, "Thin", false);
	r.stays_thin = json_bool(j, "StaysThin", false);
	r.depth = (unsigned)json_int(j, "Depth", 0);
	r.made_ns = json_int(j, "MadeAtNano", 0);
	s = json_str(j, "Parent") ?: "";
	if (*s && (strlen(s) != SEALED_ID_LEN || !str_is_hex(s, SEALED_ID_LEN)))
		return err_new(0, "%s names no sealed tree", path);
	snprintf(r.parent, sizeof(r.parent), "%s", s);
	s = json_str(j, "Method") ?: "";
	for (int i = 0; i < FORK_METHOD_MAX; i++)
		if (str_eq(s, fork_method_names[i]))
			r.method = (enum fork_method)i;
	r.from = xstrdup(json_str(j, "From"));
	*ret = r;
	return NULL;
}

struct err *forkrec_write(int dir, const struct forkrec *r)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_bool(&o, "Thin", r->thin);
	json_put_bool_if(&o, "StaysThin", r->stays_thin);
	if (*r->parent)
		json_put_str(&o, "Parent", r->parent);
	json_put_int(&o, "Depth", r->depth);
	json_put_str(&o, "Method", fork_method_names[r->method]);
	json_put_str_if(&o, "From", r->from);
	json_put_int(&o, "MadeAtNano", r->made_ns);
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(dir, "fork.json", text, len, 0600, false);
}

struct err *forkrec_sync(int dir)
{
	static const char *const files[] = { "fork.json", "volume.json", "snapshot.json" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_close_ int fd = openat(dir, files[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0 && fdatasync(fd) < 0)
			return err_new(errno, "syncing %s", files[i]);
	}
	return NULL;
}

struct err *fork_parse(const char *text, char **ret_volume, char **ret_snap)
{
	const char *at = strchr(text, '@');
	_cleanup_free_ char *volume = at ? xstrndup(text, (size_t)(at - text)) : xstrdup(text);
	struct err *e = volume_check_name(volume);

	if (!e && at)
		e = err_wrap(volume_check_name(at + 1), "snapshot %s", text);
	if (e)
		return e;
	*ret_volume = TAKE_PTR(volume);
	*ret_snap = at ? xstrdup(at + 1) : NULL;
	return NULL;
}

void sealed_make_id(char ret[SEALED_ID_LEN + 1])
{
	unsigned char random[SEALED_ID_LEN / 2];

	random_bytes(random, sizeof(random));
	str_hex(random, sizeof(random), ret);
}

struct err *fork_open(struct store *st, const char *text, int *ret_dir)
{
	_cleanup_free_ char *volume = NULL, *snap = NULL;
	char id[SEALED_ID_LEN + 1];
	struct err *e = fork_parse(text, &volume, &snap);

	if (e)
		return e;
	if (!snap) {
		e = fd_open(st->volumes, volume, O_RDONLY | O_DIRECTORY, 0, ret_dir);
		if (err_is(e, ENOENT)) {
			err_free(e);
			e = err_hint(err_status(err_new(0, "volume %s does not exist", volume), 1),
				     "'devbox volume ls' shows what there is");
		}
		return e;
	}
	e = snapshot_find(st, volume, snap, id);
	if (!e && !*id)
		return err_hint(err_status(err_new(0, "snapshot %s does not exist", text), 1),
				"'devbox snapshot ls' shows what there is");
	return e ?: fd_open(st->sealed, id, O_RDONLY | O_DIRECTORY, 0, ret_dir);
}

/* --- snapshots -------------------------------------------------------------------------------- */

void snapshots_done(struct snapshots *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].volume);
		free(l->v[i].name);
		free(l->v[i].id);
	}
	free(l->v);
	*l = (struct snapshots){ 0 };
}

static struct err *read_snapshot(struct store *st, const char *id, struct snapshot *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/snapshot.json", id), *text = NULL;
	_cleanup_json_ json *j = NULL;
	size_t len;
	struct err *e = fd_read_file(st->sealed, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, path, &j);
	if (!e && (!json_str(j, "Volume") || !json_str(j, "Name")))
		e = err_new(0, "%s is incomplete", path);
	if (e)
		return e;
	ret->volume = xstrdup(json_str(j, "Volume"));
	ret->name = xstrdup(json_str(j, "Name"));
	ret->id = xstrdup(id);
	ret->made_ns = json_int(j, "MadeAtNano", 0);
	return NULL;
}

static int by_age(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	return x->made_ns < y->made_ns ? -1 : x->made_ns > y->made_ns;
}

struct err *snapshot_list(struct store *st, const char *volume, struct snapshots *ret)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->sealed);
	struct dirent *de;

	if (!d)
		return err_new(errno, "listing snapshots");
	while ((de = readdir(d)) != NULL) {
		struct snapshot s = { 0 };
		struct err *e;

		if (*de->d_name == '.')
			continue;
		e = read_snapshot(st, de->d_name, &s);
		if (e) {
			err_free(e); /* no snapshot, or just going away */
			continue;
		}
		ret->v = xgrow(ret->v, ret->n, &ret->cap, sizeof(*ret->v));
		ret->v[ret->n++] = s;
		if (volume && !str_eq(s.volume, volume)) {
			struct snapshots one = { &ret->v[--ret->n], 1, 1 };

			one.v = xmemdup(&s, sizeof(s));
			snapshots_done(&one);
		}
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_age);
	return NULL;
}

struct err *snapshot_find(struct store *st, const char *volume, const char *snap,
			  char ret[SEALED_ID_LEN + 1])
{
	struct snapshots l = { 0 };
	struct err *e = snapshot_list(st, volume, &l);

	*ret = '\0';
	for (size_t i = 0; i < l.n && !e; i++)
		if (str_eq(l.v[i].name, snap))
			snprintf(ret, SEALED_ID_LEN + 1, "%s", l.v[i].id);
	snapshots_done(&l);
	return e;
}

struct err *snapshot_write(int dir, const char *volume, const char *snap)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Volume", volume);
	json_put_str(&o, "Name", snap);
	json_put_int(&o, "MadeAtNano", time_now_ns());
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(dir, "snapshot.json", text, len, 0600, true);
}

struct err *snapshot_remove(struct store *st, const char *text)
{
	_cleanup_close_ int dir = -1;
	struct err *e;

	if (!strchr(text, '@'))
		return err_hint(err_status(err_new(0, "%s is not the name of a snapshot", text), 1),
				"snapshots are written VOLUME@SNAPSHOT");
	e = fork_open(st, text, &dir);
	if (!e && unlinkat(dir, "snapshot.json", 0) < 0)
		e = err_new(errno, "removing snapshot %s", text);
	return e ?: fork_tidy(st);
}
