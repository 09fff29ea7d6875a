/* registry/docker_config.h -- ~/.docker/config.json: credentials, and the programs that keep them.  Pure, no I/O.
 * Sources: docker/cli/config/configfile, docker/docker-credential-helpers. */
#ifndef REGISTRY_DOCKER_CONFIG_H
#define REGISTRY_DOCKER_CONFIG_H

#include "registry/auth.h"

/* The members that concern credentials. */
struct docker_auth {
	char *server; /* as written: "https://index.docker.io/v1/", "example.org:5000" */
	struct auth_creds creds;
};
struct docker_helper {
	char *server, *helper;
};
struct docker_config {
	struct docker_auth *auths;
	struct docker_helper *helpers;
	size_t n_auths, n_helpers, auths_cap, helpers_cap;
	char *store; /* credsStore, or NULL */
};
/* Entries that are not of the right form are left out, as Docker does.  Errors: malformed JSON. */
struct err *docker_config_parse(const char *text, size_t len, struct docker_config *ret) MUST_CHECK;
void docker_config_done(struct docker_config *c);
/* What to ask for registry HOST ("docker.io", "example.org:5000"): *RET_HELPER is the suffix of docker-credential-X
 * (or NULL), *RET_SERVER the name to ask it for.  Both belong to C or are static. */
void docker_config_helper(const struct docker_config *c, const char *host, const char **ret_helper,
			  const char **ret_server);
/* Credentials written in the file itself, or NULL. */
const struct auth_creds *docker_config_auth(const struct docker_config *c, const char *host);
/* What the file is to hold after SERVER got the credentials CREDS (NULL: has none any more), or, if MARK, only the
 * empty entry that says they are in a credential store.  TEXT: what it holds now, NULL if there is none.  Whatever
 * else is in it stays.  The caller frees *ret.  Errors: malformed JSON. */
struct err *docker_config_set(const char *text, size_t len, const char *server,
			      const struct auth_creds *creds, bool mark, char **ret) MUST_CHECK;
/* Under which name HOST's credentials are kept: "https://index.docker.io/v1/" for docker.io, HOST itself else. */
const char *docker_config_server(const char *host);
/* Do SERVER, as written in the file, and HOST mean the same? */
bool docker_config_is_server(const char *server, const char *host);
/* The answer of docker-credential-X get.  Errors: malformed. */
struct err *docker_helper_parse(const char *text, size_t len, struct auth_creds *ret) MUST_CHECK;

#endif
