/* Env files of compose projects: any bytes give variables or an error. */
#include "core/compose/dotenv.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	_cleanup_strv_ struct strv out = { 0 };
	_cleanup_free_ char *text = xmemdup(data, size ? size : 1);

	err_free(dotenv_parse("fuzz", text, size, size && data[0] % 2, NULL, &out));
	for (size_t i = 0; i < out.n; i++)
		if (*out.v[i] == '=' || !strchr(out.v[i], '='))
			__builtin_trap();
	return 0;
}
