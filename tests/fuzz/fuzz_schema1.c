/* Manifests of schema 1 as a hostile registry might write them.  What comes of one can be read again. */
#include "registry/schema1.h"

#include <assert.h>

#include "registry/image_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	_cleanup_strv_ struct strv ids = { 0 }, again = { 0 };
	_cleanup_free_ char *config = NULL;
	char digest[DIGEST_LEN + 1];
	struct manifest m;
	size_t len = 0;
	struct err *e;

	schema1_digest(text, size, digest);
	assert(digest_is_valid(digest));
	e = schema1_parse(text, size, NULL, &m);
	if (e) {
		err_free(e);
		return 0;
	}
	assert(m.n_layers <= LAYERS_MAX);
	for (size_t i = 0; i < m.n_layers; i++)
		strv_add(&ids, m.layers[i].digest);
	e = schema1_config(text, size, &ids, &config, &len);
	assert(!e);
	err_free(config_parse(config, len, m.n_layers, NULL, &again)); /* nested too deeply, perhaps */
	manifest_done(&m);
	return 0;
}
