#include "registry/pack.h"

#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "registry/blob.h"
#include "registry/squeeze.h"

struct pack {
	int out;
	uint64_t size;
	struct sha256 *plain, *packed;
	struct squeeze *z;
};

static struct err *write_packed(void *arg, const void *data, size_t len)
{
	struct pack *p = arg;

	sha256_add(p->packed, data, len);
	p->size += len;
	return fd_write_all(p->out, "the layer's blob", data, len);
}

struct pack *pack_new(int out)
{
	struct pack *p = xcalloc(1, sizeof(*p));

	p->out = out;
	p->plain = sha256_new();
	p->packed = sha256_new();
	p->z = squeeze_new(write_packed, p);
	return p;
}

struct err *pack_add(void *pack, const void *data, size_t len)
{
	struct pack *p = pack;

	sha256_add(p->plain, data, len);
	return squeeze_feed(p->z, data, len);
}

struct err *pack_end(struct pack *p, char *ret_diff_id, char *ret_blob, uint64_t *ret_blob_size)
{
	struct err *e = squeeze_end(p->z);

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
	squeeze_free(p->z);
	free(p);
}
