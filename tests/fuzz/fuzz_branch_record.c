/* A record that a crash or a hand has spoilt is read or refused, and what is read can be written. */
#include "core/branch/project.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	_cleanup_dbproject_ struct dbproject p = { 0 };
	struct err *e = dbproject_from_json((const char *)data, size, &p);

	if (!e)
		free(dbproject_to_json(&p, NULL));
	err_free(e);
	return 0;
}
