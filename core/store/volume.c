#include "core/store/volume.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "core/store/events.h"
#include "core/store/names.h"

enum { RECORD_MAX = 1 << 20 };

struct err *volume_check_name(const char *name)
{
	bool good = isalnum((unsigned char)*name) && name[1] && strlen(name) <= 200;

	for (const char *p = name; *p && good; p++)
		good = isalnum((unsigned char)*p) || strchr("_.-", *p);
	if (!good)
		return err_hint(err_new(0,
					"\"%s\" includes invalid characters for a local volume name, only "
					"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
					name),
				"to mount a directory of the host, give an absolute path");
	return NULL;
}

char *volume_make_name(void)
{
	char id[ID_LEN + 1];

	id_make(id);
	return xstrdup(id);
}

static void put_labels(struct json_out *o, const struct strv *labels)
{
	json_open(o, "Labels", '{');
	for (size_t i = 0; labels && i < labels->n; i++) {
		size_t key = strcspn(labels->v[i], "=");
		_cleanup_free_ char *name = xstrndup(labels->v[i], key);

		json_put_str(o, name, labels->v[i] + key + (labels->v[i][key] == '='));
	}
	json_close(o, '}');
}

struct err *volume_write_record(int dir, const char *name, bool anonymous, const struct strv *labels)
{
	_cleanup_free_ char *text = NULL;
	struct json_out out;
	char created[TIME_TEXT_MAX];
	size_t len;

	time_format(time_now_ns(), created);
	json_out_init(&out, false);
	json_open(&out, NULL, '{');
	json_put_str(&out, "Name", name);
	json_put_str(&out, "CreatedAt", created);
	json_put_bool(&out, "Anonymous", anonymous);
	put_labels(&out, labels);
	json_close(&out, '}');
	text = json_out_take(&out, &len);
	return fd_write_atomic(dir, "volume.json", text, len, 0600, false);
}

struct err *volume_ensure(struct store *st, const char *name, bool anonymous, bool *ret_created)
{
	return volume_create(st, name, anonymous, NULL, ret_created);
}

struct err *volume_create(struct store *st, const char *name, bool anonymous,
			  const struct strv *labels, bool *ret_created)
{
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int dir = -1;
	struct err *e;

	*ret_created = false;
	if (faccessat(st->volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return NULL;
	e = volume_check_name(name);
	e = e ?: store_stage(st, "volume", &stage, &dir);
	if (e)
		return e;
	e = volume_write_record(dir, name, anonymous, labels);
	if (!e && mkdirat(dir, "data", 0755) < 0)
		e = err_new(errno, "creating its data directory");
	if (!e && st->ids.direct &&
	    fchownat(dir, "data", st->ids.root_uid, st->ids.root_gid, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "giving its data to uid %u", st->ids.root_uid);
	if (!e) {
		*ret_created = renameat2(st->tmp, stage, st->volumes, name, RENAME_NOREPLACE) == 0;
		if (*ret_created) {
			event_add(st, "volume", "create", name, NULL);
			return NULL;
		}
		if (errno != EEXIST)
			e = err_new(errno, "putting it into place");
	}
	e = err_also(e, store_rm_tree(st, st->tmp, stage)); /* failed, or somebody else made it meanwhile */
	return err_wrap(e, "creating volume %s", name);
}

struct err *volume_remove(struct store *st, const char *name)
{
	_cleanup_free_ char *gone = xasprintf("rm.%s", name);
	struct err *e = volume_check_name(name);

	if (e)
		return e;
	/* out of sight in one step, then taken apart */
	if (renameat(st->volumes, name, st->tmp, gone) < 0)
		return errno == ENOENT ? NULL : err_new(errno, "removing volume %s", name);
	event_add(st, "volume", "destroy", name, NULL);
	return err_wrap(store_rm_tree(st, st->tmp, gone), "removing volume %s", name);
}

struct err *volume_list(struct store *st, struct strv *ret)
{
	_cleanup_dir_ DIR *d = fd_opendir(st->volumes);
	struct dirent *de;

	if (!d)
		return err_new(errno, "listing volumes");
	while ((de = readdir(d)) != NULL)
		if (*de->d_name != '.')
			strv_add(ret, de->d_name);
	return NULL;
}

/* NULL if it cannot be read. */
static json *record_of(struct store *st, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/volume.json", name), *text = NULL;
	json *j = NULL;
	size_t len;
	struct err *e = fd_read_file(st->volumes, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, path, &j);
	err_free(e); /* treated as named and unlabelled, which is never removed by itself */
	return j;
}

bool volume_is_anonymous(struct store *st, const char *name)
{
	_cleanup_json_ json *j = record_of(st, name);

	return json_bool(j, "Anonymous", false);
}

void volume_labels(struct store *st, const char *name, struct strv *ret)
{
	_cleanup_json_ json *j = record_of(st, name);
	json *labels = json_get(j, "Labels");

	if (json_bool(j, "Anonymous", false))
		strv_add(ret, "com.docker.volume.anonymous=");
	for (size_t i = 0; i < json_len(labels); i++) {
		json *value = NULL;
		const char *key = json_key_at(labels, i, &value);

		strv_addf(ret, "%s=%s", key, json_text(value) ?: "");
	}
}
