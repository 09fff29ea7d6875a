/* Values of a compose file come from projects: any bytes give a text or an error. */
#include "core/compose/interp.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *lookup(void *arg, const char *name)
{
	(void)arg;
	return *name == 'A' ? "value" : *name == 'E' ? "" : NULL;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const struct interp in = { .lookup = lookup, .unset = NULL, .arg = NULL };
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_str_ struct str out = { 0 };

	err_free(interp_expand(&in, text, &out));
	if (!interp_wanted(text) && strcmp(out.s, text))
		__builtin_trap();
	return 0;
}
