/* Links of thin trees: what is taken for one leads nowhere but into a tree, and is written again as it was. */
#include "core/cow/link.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[LINK_MAX];
	struct cow_link l;

	if (!link_unpack(data, size, &l))
		return 0;
	if (*l.path == '/' || !strcmp(l.path, "..") || str_starts(l.path, "../") ||
	    strstr(l.path, "/../") || str_ends(l.path, "/.."))
		abort();
	if (link_pack(&l, buf) != size || memcmp(buf, data, size))
		abort();
	link_done(&l);
	return 0;
}
