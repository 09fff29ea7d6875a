/* Snapshots come from registries: any line of an index is refused, or names a place inside its tree. */
#include "core/branch/share.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct share_entry e = { 0 };
	struct err *failed = share_parse((const char *)data, size, &e);

	if (!failed && e.path &&
	    (*e.path == '/' || !*e.path || strstr(e.path, "//") || !strcmp(e.path, "..")))
		__builtin_trap();
	err_free(failed);
	share_entry_done(&e);
	return 0;
}
