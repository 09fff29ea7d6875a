/* A .dockerignore and a path after it, separated by a NUL byte: parsed or refused, matched without an end to it; what
 * is left out as a whole is left out in each of its parts. */
#include "core/build/ignore.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t len = nul ? (size_t)(nul - data) : size;
	_cleanup_free_ char *path =
		nul ? xstrndup((const char *)nul + 1, size - len - 1) : xstrdup("a/b/c.txt");
	struct ignore ig = { 0 };
	struct err *e = ignore_parse((const char *)data, len, ".dockerignore", &ig);

	if (e) {
		err_free(e);
		return 0;
	}
	ignore_match(&ig, path);
	if (*path && *path != '/' && ignore_prunes(&ig, path)) {
		_cleanup_free_ char *below = xasprintf("%s/x", path);

		assert(ignore_match(&ig, path) && ignore_match(&ig, below));
	}
	ignore_done(&ig);
	return 0;
}
