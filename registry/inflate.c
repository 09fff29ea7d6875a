#include "registry/inflate.h"

#include <isa-l/igzip_lib.h>
#include <string.h>
#include <zstd.h>

#include "core/base/str.h"

enum coding { CODING_UNKNOWN, CODING_NONE, CODING_GZIP, CODING_ZSTD };
enum { MAGIC_LEN = 4 };

struct inflate {
	struct inflate_sink sink;
	enum coding coding;
	unsigned char magic[MAGIC_LEN]; /* the first bytes, until they are enough to tell */
	size_t magic_len;
	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
	bool between; /* at the end of a gzip member or zstd frame */
	bool trailer; /* behind the last gzip member: zeros some tools pad with */
};

struct inflate *inflate_new(const struct inflate_sink *sink)
{
	struct inflate *z = xcalloc(1, sizeof(*z));

	z->sink = *sink;
	z->between = true;
	return z;
}

void inflate_free(struct inflate *z)
{
	if (!z)
		return;
	free(z->gzip);
	ZSTD_freeDStream(z->zstd);
	free(z);
}

static struct err *copy(struct inflate *z, const unsigned char *data, size_t len)
{
	while (len) {
		void *buf;
		size_t size;
		struct err *e = z->sink.room(z->sink.arg, &buf, &size);

		if (e)
			return e;
		if (size > len)
			size = len;
		memcpy(buf, data, size);
		e = z->sink.done(z->sink.arg, size);
		if (e)
			return e;
		data += size;
		len -= size;
	}
	return NULL;
}

static void gzip_start(struct inflate *z)
{
	if (!z->gzip)
		z->gzip = xmalloc(sizeof(*z->gzip));
	isal_inflate_init(z->gzip);
	z->gzip->crc_flag = ISAL_GZIP; /* reads the header and checks the trailer */
	z->between = false;
}

/* Between members: zeros are padding, the rest must be another member. */
static struct err *gzip_next(struct inflate *z, const unsigned char **data, size_t *len)
{
	if (**data == 0x1f && !z->trailer) {
		struct inflate_state *s = z->gzip;

		gzip_start(z);
		s->next_in = (uint8_t *)(uintptr_t)*data;
		s->avail_in = (uint32_t)*len;
		return NULL;
	}
	z->trailer = true;
	for (; *len; ++*data, --*len)
		if (**data)
			return err_new(0, "corrupt gzip data: garbage behind its end");
	return NULL;
}

static struct err *gunzip(struct inflate *z, const unsigned char *data, size_t len)
{
	struct inflate_state *s = z->gzip;
	struct err *e = NULL;

	if (!s) {
		gzip_start(z);
		s = z->gzip;
	}
	s->next_in = (uint8_t *)(uintptr_t)data;
	s->avail_in = (uint32_t)len;
	for (;;) {
		void *buf;
		size_t size;
		int rc;

		if (z->between) {
			data = s->next_in;
			len = s->avail_in;
			if (!len)
				return NULL;
			e = gzip_next(z, &data, &len);
			if (e || z->trailer)
				return e;
		}
		e = z->sink.room(z->sink.arg, &buf, &size);
		if (e)
			return e;
		s->next_out = buf;
		s->avail_out = (uint32_t)size;
		rc = isal_inflate(s);
		if (rc < 0)
			return err_new(0, "corrupt gzip data");
		if (rc > 0 && rc != ISAL_END_INPUT)
			return err_new(0, "corrupt gzip data");
		e = z->sink.done(z->sink.arg, size - s->avail_out);
		if (e)
			return e;
		if (s->block_state == ISAL_BLOCK_FINISH)
			z->between = true;
		else if (!s->avail_in && s->avail_out)
			return NULL;
	}
}

static struct err *unzstd(struct inflate *z, const unsigned char *data, size_t len)
{
	ZSTD_inBuffer in = { data, len, 0 };
	bool more = false; /* output that did not fit */

	if (!z->zstd) {
		z->zstd = ZSTD_createDStream();
		if (!z->zstd)
			abort();
	}
	while (in.pos < in.size || more) {
		ZSTD_outBuffer out = { 0 };
		struct err *e = z->sink.room(z->sink.arg, &out.dst, &out.size);
		size_t rc;

		if (e)
			return e;
		rc = ZSTD_decompressStream(z->zstd, &out, &in);
		if (ZSTD_isError(rc))
			return err_new(0, "corrupt zstd data: %s", ZSTD_getErrorName(rc));
		e = z->sink.done(z->sink.arg, out.pos);
		if (e)
			return e;
		z->between = rc == 0;
		more = !z->between && out.pos == out.size;
	}
	return NULL;
}

static enum coding detect(const unsigned char *magic, size_t len)
{
	if (len >= 3 && !memcmp(magic, "\x1f\x8b\x08", 3))
		return CODING_GZIP;
	if (len >= 4 && !memcmp(magic, "\x28\xb5\x2f\xfd", 4))
		return CODING_ZSTD;
	/* a skippable frame comes first in what estargz' zstd relative makes */
	if (len >= 4 && (magic[0] & 0xf0) == 0x50 && !memcmp(magic + 1, "\x2a\x4d\x18", 3))
		return CODING_ZSTD;
	return CODING_NONE;
}

static struct err *decode(struct inflate *z, const unsigned char *data, size_t len)
{
	if (!len)
		return NULL;
	switch (z->coding) {
	case CODING_GZIP:
		return gunzip(z, data, len);
	case CODING_ZSTD:
		return unzstd(z, data, len);
	default:
		return copy(z, data, len);
	}
}

struct err *inflate_feed(struct inflate *z, const void *data, size_t len)
{
	const unsigned char *p = data;
	struct err *e;

	if (z->coding == CODING_UNKNOWN) {
		while (len && z->magic_len < MAGIC_LEN) {
			z->magic[z->magic_len++] = *p++;
			len--;
		}
		if (z->magic_len < MAGIC_LEN)
			return NULL;
		z->coding = detect(z->magic, z->magic_len);
		e = decode(z, z->magic, z->magic_len);
		if (e)
			return e;
	}
	return decode(z, p, len);
}

struct err *inflate_end(struct inflate *z)
{
	struct err *e = NULL;

	if (z->coding == CODING_UNKNOWN) {
		z->coding = detect(z->magic, z->magic_len);
		e = decode(z, z->magic, z->magic_len);
	}
	if (!e && z->coding != CODING_NONE && !z->between)
		e = err_new(0, "corrupt %s data: it is cut off",
			    z->coding == CODING_GZIP ? "gzip" : "zstd");
	return e;
}
