/* registry/login.h -- log in to a registry: are the credentials good, and where are they kept.
 * Sources: distribution/docs/spec/auth/token.md (offline tokens), docker/cli/command/registry/login.go. */
#ifndef REGISTRY_LOGIN_H
#define REGISTRY_LOGIN_H

#include "registry/auth.h"

/* "https://Example.org:5000/v2/" and the like as HOST[:PORT]; NULL or the Hub's names are "docker.io".  The caller
 * frees *ret.  Errors: not of that form. */
struct err *login_host(const char *server, char **ret) MUST_CHECK;
/* Ask HOST whether it takes CREDS.  If its token service gives out an identity token, that takes the password's
 * place in CREDS.  The network is used in a child inside the user namespace.  Errors: "unauthorized: ...". */
struct err *login_check(const char *host, struct auth_creds *creds) MUST_CHECK;

/* What is kept for HOST; members stay NULL if nothing is. */
struct err *login_load(const char *host, struct auth_creds *ret) MUST_CHECK;
/* Keep CREDS for HOST: in the credential helper that config.json names, else in config.json itself (mode 0600), whose
 * path is then written to *RET_PLAIN (the caller frees it), else NULL. */
struct err *login_save(const char *host, const struct auth_creds *creds, char **ret_plain) MUST_CHECK;
/* Forget what is kept for HOST.  *RET_FOUND: was there anything? */
struct err *login_erase(const char *host, bool *ret_found) MUST_CHECK;

#endif
