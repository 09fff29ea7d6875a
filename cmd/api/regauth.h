/* cmd/api/regauth.h -- credentials that come with a request: X-Registry-Auth, X-Registry-Config.  Pure, no I/O.
 * Source: Docker Engine API, "Authentication" (base64url of {"username", "password", "serveraddress"} or
 * {"identitytoken"}).
 *
 * They are for one registry, are sent to no other, and are nowhere written down. */
#ifndef CMD_API_REGAUTH_H
#define CMD_API_REGAUTH_H

#include "registry/auth.h"

/* TEXT: the header's value, may be NULL.  What it says for the registry HOST; *RET_FOUND false if that is nothing.
 * Errors: malformed. */
struct err *regauth_parse(const char *text, const char *host, struct auth_creds *ret, bool *ret_found)
	MUST_CHECK;
/* The same of X-Registry-Config, {"host": {...}, ...}. */
struct err *regauth_parse_config(const char *text, const char *host, struct auth_creds *ret,
				 bool *ret_found) MUST_CHECK;

#endif
