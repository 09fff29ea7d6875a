/* Whatever an archive's manifest.json holds. */
#include "registry/archive_docs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_images a;
	struct err *e = archive_images_parse((const char *)data, size, &a);

	if (!e)
		archive_images_done(&a);
	err_free(e);
	return 0;
}
