/* Writing credentials into whatever config.json holds: what comes out can be read, and holds them. */
#include <stdlib.h>

#include "registry/docker_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char user[] = "me", password[] = "secret";
	struct auth_creds creds = { .user = user, .password = password };
	const struct auth_creds *found;
	struct docker_config c;
	char *text = NULL;
	struct err *e =
		docker_config_set((const char *)data, size, "example.org:5000", &creds, false, &text);

	if (!e) {
		e = docker_config_parse(text, strlen(text), &c);
		if (e)
			abort();
		found = docker_config_auth(&c, "example.org:5000");
		if (!found || !str_eq(found->password, password))
			abort();
		docker_config_done(&c);
		free(text);
	}
	err_free(e);
	return 0;
}
