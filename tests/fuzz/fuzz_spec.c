/* Input: a config.json.  What is taken must be written in a form that is taken again. */
#include "core/box/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec s = { 0 }, again = { 0 };
	struct err *e = spec_from_json((const char *)data, size, &s);

	if (!e) {
		size_t len;
		_cleanup_free_ char *text = spec_to_json(&s, &len);

		e = spec_from_json(text, len, &again);
		if (e)
			abort();
	}
	err_free(e);
	spec_done(&s);
	spec_done(&again);
	return 0;
}
