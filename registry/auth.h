/* registry/auth.h -- what registries say about credentials: challenges, tokens.  Pure, no I/O.
 * Sources: RFC 9110 section 11.6.1 (WWW-Authenticate), RFC 7617 (Basic), distribution/docs/spec/auth/token.md. */
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

/* May S stand in a header line? */
bool auth_is_printable(const char *s);
/* RFC 4648.  The caller frees it; decoding gives NULL for what is not base64 or holds a NUL. */
char *auth_base64_encode(const char *data, size_t len);
char *auth_base64_decode(const char *text);

#endif
