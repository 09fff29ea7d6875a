/* Input: what a command of a RUN writes, heard in two pieces.  The hint is one line of printable characters. */
#include <stdlib.h>

#include "core/build/mirror.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mirror m = { .len = 0 };
	_cleanup_free_ char *hint = NULL;

	mirror_hear(&m, (const char *)data, size / 2);
	mirror_hear(&m, (const char *)data + size / 2, size - size / 2);
	hint = mirror_hint(&m);
	for (const char *c = hint; c && *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			abort();
	return 0;
}
