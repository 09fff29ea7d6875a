/* Whatever the headers X-Registry-Auth and X-Registry-Config hold. */
#include "cmd/api/regauth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *document = xstrndup((const char *)data, size),
	     *header = auth_base64_encode((const char *)data, size);
	const char *texts[] = { document, header };
	struct auth_creds creds;
	bool found;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		err_free(regauth_parse(texts[i], "docker.io", &creds, &found));
		if (found)
			auth_creds_done(&creds);
		err_free(regauth_parse_config(texts[i], "example.org:5000", &creds, &found));
		if (found)
			auth_creds_done(&creds);
	}
	free(document);
	free(header);
	return 0;
}
