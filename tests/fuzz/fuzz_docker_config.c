/* Whatever config.json and a credential helper's answer hold. */
#include "registry/docker_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *helper, *server;
	struct docker_config c;
	struct auth_creds creds;
	struct err *e = docker_config_parse(text, size, &c);

	if (!e) {
		for (size_t i = 0; i < c.n_auths; i++)
			free(auth_basic(&c.auths[i].creds));
		docker_config_auth(&c, "docker.io");
		docker_config_helper(&c, "example.org:5000", &helper, &server);
		docker_config_done(&c);
	}
	err_free(e);
	e = docker_helper_parse(text, size, &creds);
	if (!e)
		auth_creds_done(&creds);
	err_free(e);
	return 0;
}
