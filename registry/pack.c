#include "registry/pack.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "registry/blob.h"

enum { OUT_SIZE = 256 << 10 };

struct pack {
	int out;
	uint64_t size;
	struct sha256 *plain, *packed;
	struct isal_zstream z;
	uint8_t level[ISAL_DEF_LVL1_DEFAULT];
	uint8_t buf[OUT_SIZE];
};

struct pack *pack_new(int out)
{
	struct pack *p = xmalloc(sizeof(*p));

	p->out = out;
	p->size = 0;
	p->plain = sha256_new();
	p->packed = sha256_new();
	isal_deflate_init(&p->z);
	p->z.level = 1;
	p->z.level_buf = p->level;
	p->z.level_buf_size = sizeof(p->level);
	p->z.gzip_flag = IGZIP_GZIP;
	p->z.flush = NO_FLUSH;
	return p;
}

static struct err *squeeze(struct pack *p)
{
	struct err *e = NULL;

	do {
		size_t n;

		p->z.next_out = p->buf;
		p->z.avail_out = OUT_SIZE;
		if (isal_deflate(&p->z) != COMP_OK)
			abort(); /* only a wrong use of it fails */
		n = OUT_SIZE - p->z.avail_out;
		sha256_add(p->packed, p->buf, n);
		p->size += n;
		e = n ? fd_write_all(p->out, "the layer's blob", p->buf, n) : NULL;
	} while (!e && p->z.avail_out == 0);
	return e;
}

struct err *pack_add(void *pack, const void *data, size_t len)
{
	struct pack *p = pack;

	sha256_add(p->plain, data, len);
	p->z.next_in = (uint8_t *)(uintptr_t)data;
	p->z.avail_in = (uint32_t)len;
	return squeeze(p);
}

struct err *pack_end(struct pack *p, char *ret_diff_id, char *ret_blob, uint64_t *ret_blob_size)
{
	struct err *e;

	p->z.next_in = NULL;
	p->z.avail_in = 0;
	p->z.end_of_stream = 1;
	e = squeeze(p);
	if (e)
		return e;
	sha256_text(p->plain, ret_diff_id);
	sha256_text(p->packed, ret_blob);
	*ret_blob_size = p->size;
	return NULL;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	sha256_free(p->plain);
	sha256_free(p->packed);
	free(p);
}
