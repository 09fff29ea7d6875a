#include "core/box/record.h"

#include "core/base/fd.h"

enum { RECORD_MAX = 4 << 20 };
#define FILE_NAME "config.json"

struct err *record_read(int box_dir, struct spec *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e = fd_read_file(box_dir, FILE_NAME, RECORD_MAX, &text, &len);

	return e ?: spec_from_json(text, len, ret);
}

struct err *record_write(int box_dir, const struct spec *s, bool sync)
{
	size_t len;
	_cleanup_free_ char *text = spec_to_json(s, &len);

	return fd_write_atomic(box_dir, FILE_NAME, text, len, 0600, sync);
}

struct err *record_change(struct box *b,
			  struct err *(*fn)(struct box *b, struct spec *s, void *arg), void *arg)
{
	_cleanup_close_ int lock = -1;
	struct spec s = { 0 };
	struct err *e = store_lock(b->st, &lock);

	e = e ?: record_read(b->dir, &s);
	if (e)
		return e;
	e = fn(b, &s, arg);
	e = e ?: record_write(b->dir, &s, true);
	if (e) {
		spec_done(&s);
		return e;
	}
	spec_done(&b->spec);
	b->spec = s;
	return NULL;
}
