/* registry/auth.h -- what registries and Docker say about credentials: challenges, tokens, ~/.docker/config.json.
 * Pure, no I/O.  Sources: RFC 9110 section 11.6.1 (WWW-Authenticate), RFC 7617 (Basic),
 * distribution/docs/spec/auth/token.md, docker/cli/config/configfile. */
#ifndef REGISTRY_AUTH_H
#define REGISTRY_AUTH_H

#include <stdint.h>

#include "core/base/str.h"

enum auth_scheme { AUTH_BASIC, AUTH_BEARER, AUTH_OTHER, AUTH_SCHEME_MAX };

struct auth_challenge {
	enum auth_scheme scheme;
	char *realm, *service, *scope; /* Bearer: where to ask for a token, for what; may be NULL */
};
/* Parse one WWW-Authenticate header, which may hold several challenges: the strongest one devbox can answer is
 * returned (Bearer, then Basic).  Errors: what is wrong with the header, errno 0. */
struct err *auth_challenge_parse(const char *header, struct auth_challenge *ret) MUST_CHECK;
void auth_challenge_done(struct auth_challenge *c);

/* The token service's answer.  Writes the token (owned by the caller) and the seconds it is good for. */
struct err *auth_token_parse(const char *text, size_t len, char **ret_token, unsigned *ret_seconds)
	MUST_CHECK;

struct auth_creds {
	char *user, *password; /* both NULL: anonymous */
	char *identity_token; /* an OAuth2 refresh token instead of a password, or NULL */
};
void auth_creds_done(struct auth_creds *c);
/* "Basic dXNlcjpwYXNz"; NULL without a user.  The caller frees it. */
char *auth_basic(const struct auth_creds *c);

/* ~/.docker/config.json, the members that concern credentials. */
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
/* The answer of docker-credential-X get.  Errors: malformed. */
struct err *docker_helper_parse(const char *text, size_t len, struct auth_creds *ret) MUST_CHECK;

#endif
