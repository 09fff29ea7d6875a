/* Whatever a server puts into WWW-Authenticate is parsed or refused. */
#include "registry/auth.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *token = NULL;
	struct auth_challenge c;
	unsigned seconds;
	struct err *e = auth_challenge_parse(text, &c);

	if (!e) {
		assert(c.scheme != AUTH_BEARER || c.realm);
		auth_challenge_done(&c);
	}
	err_free(e);
	err_free(auth_token_parse((const char *)data, size, &token, &seconds));
	return 0;
}
