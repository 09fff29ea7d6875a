/* Input: a profile of --security-opt seccomp=FILE. */
#include "core/box/caps.h"
#include "core/box/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_free_ void *prog = NULL;
	size_t len = 0;
	struct err *e = seccomp_profile(text, caps_default(), &prog, &len);

	if (!e != !!prog || len % 8)
		abort();
	err_free(e);
	return 0;
}
