/* Input: a byte that chooses -v or --tmpfs, then its text. */
#include "core/box/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct mounts m = { 0 };
	struct err *e;

	if (!size)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	e = *data % 3 == 0   ? mount_parse_tmpfs(text, &m)
	    : *data % 3 == 1 ? mount_parse_volume(text, "/cwd", &m)
			     : mount_parse_mount(text, "/cwd", &m);
	if (!e != (m.n == 1) || (m.n && (m.v[0].target[0] != '/' || !m.v[0].target[1])))
		abort();
	err_free(e);
	mounts_done(&m);
	return 0;
}
