/* Input: a byte that says which option, then its text: times, durations, sizes, signals, restart policies, detach
 * keys, capabilities.  What is accepted makes sense. */
#include <stdlib.h>

#include "core/base/proc.h"
#include "core/box/caps.h"
#include "core/box/restart.h"
#include "core/box/term.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = size ? xstrndup((const char *)data + 1, size - 1) : NULL;
	struct restart_policy policy = { 0 };
	struct detach_keys keys;
	uint64_t bytes = 0, caps = 0;
	int64_t ns = -1;
	struct err *e = NULL;
	int sig = 0;

	if (!size)
		return 0;
	switch (*data % 7) {
	case 0:
		e = time_parse(text, INT64_C(1700000000000000000), &ns);
		break;
	case 1:
		e = duration_parse(text, &ns);
		break;
	case 2:
		e = str_to_size(text, &bytes);
		break;
	case 3:
		e = sig_parse(text, &sig);
		if (!e && (sig < 1 || sig > 64))
			abort();
		break;
	case 4:
		e = restart_parse(text, &policy);
		break;
	case 5:
		e = detach_keys_parse(text, &keys);
		break;
	default:
		e = caps_parse(text, &caps);
		if (!e && !caps)
			abort();
	}
	err_free(e);
	return 0;
}
