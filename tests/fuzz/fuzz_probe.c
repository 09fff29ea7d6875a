/* Input: a byte that chooses the engine, then what the server says. */
#include "core/box/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "mysql", "postgres", "redis", "mongo" };
	const struct recipe *r;
	enum probe_verdict whole, v = PROBE_MORE;

	if (!size)
		return 0;
	r = recipe_by_name(names[*data % ARRAY_LEN(names)]);
	whole = probe_feed(r, data + 1, size - 1);
	/* the verdict must not depend on how the bytes were cut into pieces */
	for (size_t n = 0; n < size && v == PROBE_MORE; n++)
		v = probe_feed(r, data + 1, n);
	if (v != whole)
		abort();
	return 0;
}
