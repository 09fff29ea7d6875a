#include "registry/squeeze.h"

#include <isa-l/igzip_lib.h>

#include "core/base/str.h"

enum { LEVEL = 3, OUT_SIZE = 256 << 10 };

struct squeeze {
	struct isal_zstream z;
	struct err *(*write)(void *arg, const void *data, size_t len);
	void *arg;
	uint8_t level_buf[ISAL_DEF_LVL3_DEFAULT];
	uint8_t out[OUT_SIZE];
};

struct squeeze *squeeze_new(struct err *(*write)(void *arg, const void *data, size_t len), void *arg)
{
	struct squeeze *s = xmalloc(sizeof(*s));

	isal_deflate_init(&s->z);
	s->z.level = LEVEL;
	s->z.level_buf = s->level_buf;
	s->z.level_buf_size = sizeof(s->level_buf);
	s->z.gzip_flag = IGZIP_GZIP;
	s->z.flush = NO_FLUSH;
	s->write = write;
	s->arg = arg;
	return s;
}

void squeeze_free(struct squeeze *z)
{
	free(z);
}

/* Until the input is used up and what comes of it is written. */
static struct err *run(struct squeeze *s)
{
	struct err *e = NULL;

	do {
		s->z.next_out = s->out;
		s->z.avail_out = OUT_SIZE;
		if (isal_deflate(&s->z) != COMP_OK)
			abort(); /* only of wrong parameters */
		if (s->z.avail_out < OUT_SIZE)
			e = s->write(s->arg, s->out, OUT_SIZE - s->z.avail_out);
	} while (!e && (s->z.avail_in || !s->z.avail_out ||
			(s->z.end_of_stream && s->z.internal_state.state != ZSTATE_END)));
	return e;
}

struct err *squeeze_feed(struct squeeze *z, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct err *e = NULL;

	while (!e && len) {
		uint32_t n = len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)len;

		z->z.next_in = (uint8_t *)(uintptr_t)p;
		z->z.avail_in = n;
		e = run(z);
		p += n;
		len -= n;
	}
	return e;
}

struct err *squeeze_end(struct squeeze *z)
{
	z->z.next_in = z->out; /* never NULL */
	z->z.avail_in = 0;
	z->z.end_of_stream = 1;
	return run(z);
}
