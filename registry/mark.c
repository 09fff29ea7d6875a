#include "registry/mark.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "registry/blob.h"

enum { MARK_MAX_BYTES = 4096 };

static char *mark_name(const char *digest)
{
	return xasprintf("%s" MARK_SUFFIX, blob_name(digest));
}

struct err *mark_write(struct store *st, const char *digest, uint64_t size, bool on_disk)
{
	_cleanup_free_ char *name = mark_name(digest), *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "size", (int64_t)size);
	if (!on_disk)
		json_put_str(&o, "boot", proc_boot_id());
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(st->layers, name, text, len, 0644, false);
}

bool mark_check(struct store *st, const char *digest, uint64_t *ret_size)
{
	_cleanup_free_ char *name = mark_name(digest), *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct err *e;
	size_t len;
	int64_t size;

	if (faccessat(st->layers, blob_name(digest), F_OK, 0) < 0)
		return false;
	e = fd_read_file(st->layers, name, MARK_MAX_BYTES, &text, &len);
	e = e ?: json_parse(text, len, name, &j);
	if (e) {
		err_free(e); /* no mark, no layer */
		return false;
	}
	size = json_int(j, "size", -1);
	if (size < 0 || (json_get(j, "boot") && !str_eq(json_str(j, "boot"), proc_boot_id())))
		return false;
	*ret_size = (uint64_t)size;
	return true;
}

struct err *mark_on_disk(struct store *st, const char *digest)
{
	uint64_t size;

	return mark_check(st, digest, &size) ? mark_write(st, digest, size, true) : NULL;
}

void mark_remove(struct store *st, const char *digest)
{
	_cleanup_free_ char *name = mark_name(digest);

	unlinkat(st->layers, name, 0);
}

uint64_t mark_copies(struct store *st, const struct strv *diff_ids)
{
	int fd = openat(st->layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0, size;
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *of =
			xasprintf(DIGEST_PREFIX "%.*s", (int)strcspn(de->d_name, "."), de->d_name);
		_cleanup_free_ char *copy = xasprintf(DIGEST_PREFIX "%s", de->d_name);

		if (strchr(de->d_name, '.') && !str_ends(de->d_name, MARK_SUFFIX) &&
		    strv_has(diff_ids, of) && mark_check(st, copy, &size))
			bytes += size;
	}
	return bytes;
}
