/* Manifests, indexes, configurations and error documents of hostile registries. */
#include "registry/manifest.h"

#include <assert.h>

#include "registry/image_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform want = { (char *)(uintptr_t) "linux", (char *)(uintptr_t) "arm",
				 (char *)(uintptr_t) "v7" };
	const char *text = (const char *)data;
	_cleanup_strv_ struct strv ids = { 0 };
	struct descriptor entry = { 0 };
	struct manifest m;
	struct err *e;

	e = manifest_parse(text, size, NULL, &want, &m, &entry);
	if (!e) {
		if (m.kind == MANIFEST_INDEX)
			assert(digest_is_valid(entry.digest) && entry.size >= 0);
		for (size_t i = 0; i < m.n_layers; i++)
			assert(digest_is_valid(m.layers[i].digest) &&
			       m.layers[i].size <= LAYER_MAX_BYTES);
		manifest_done(&m);
	}
	descriptor_done(&entry);
	err_free(e);
	err_free(config_parse(text, size, 2, &want, &ids));
	free(registry_error_text(text, size));
	return 0;
}
