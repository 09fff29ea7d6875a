/* registry/cred_helper.h -- docker-credential-X, programs that keep credentials in the desktop's keychain.
 * Secrets pass through pipes, never through arguments.  HELPER is the X, SERVER the name to file under.
 * Source: docker/docker-credential-helpers, README (Development). */
#ifndef REGISTRY_CRED_HELPER_H
#define REGISTRY_CRED_HELPER_H

#include "registry/auth.h"

/* Nothing known is success with *RET unchanged. */
struct err *cred_helper_get(const char *helper, const char *server, struct auth_creds *ret) MUST_CHECK;
struct err *cred_helper_store(const char *helper, const char *server, const struct auth_creds *creds)
	MUST_CHECK;
/* Nothing known is success. */
struct err *cred_helper_erase(const char *helper, const char *server) MUST_CHECK;

#endif
