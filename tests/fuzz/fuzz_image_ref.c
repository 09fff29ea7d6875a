/* Any text is parsed or refused; what is parsed prints as something that parses to the same. */
#include "registry/image_ref.h"

#include <assert.h>

#include "core/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *full = NULL, *twice = NULL,
			    *familiar = NULL;
	struct image_ref ref, again;
	struct err *e = image_ref_parse(text, &ref);

	if (e) {
		err_free(e);
		return 0;
	}
	full = image_ref_full(&ref);
	e = image_ref_parse(full, &again);
	assert(!e);
	twice = image_ref_full(&again);
	assert(str_eq(full, twice));
	image_ref_done(&again);
	familiar = image_ref_familiar(&ref);
	e = image_ref_parse(familiar, &again);
	assert(!e && str_eq(again.repo, ref.repo) && str_eq(again.host, ref.host));
	image_ref_done(&again);
	image_ref_done(&ref);
	return 0;
}
