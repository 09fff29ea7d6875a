/* Env files come from projects: any bytes give variables or an error. */
#include "cmd/envfile.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	_cleanup_strv_ struct strv out = { 0 };

	err_free(env_file_parse((const char *)data, size, "fuzz", &out));
	for (size_t i = 0; i < out.n; i++)
		if (*out.v[i] == '=' || !strchr(out.v[i], '='))
			__builtin_trap();
	return 0;
}
