/* Requests of the kernel: whatever lies in the buffer, pointers stay inside it. */
#include "core/cow/proto.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_req r = { 0 };
	size_t room = size < sizeof(struct fuse_in_header) ? sizeof(struct fuse_in_header) : size;
	char *buf = aligned_alloc(8, (room + 7) / 8 * 8), *end = buf + size;

	memcpy(buf, data, size);
	if (size >= sizeof(struct fuse_in_header))
		((struct fuse_in_header *)(void *)buf)->len = (uint32_t)size;
	if (proto_parse(buf, size, &r) == 0) {
		if (r.name && r.name + strlen(r.name) >= end)
			abort();
		if (r.name2 && r.name2 + strlen(r.name2) >= end)
			abort();
		if (r.data && (const char *)r.data + r.data_len > end)
			abort();
	}
	free(buf);
	return 0;
}
