/* registry/config.h -- what the user set up about registries, read as the calling user before anything is fetched.
 *
 * $XDG_CONFIG_HOME/devbox/config.json (default ~/.config/devbox/config.json), may be absent:
 *
 *	{ "registries": {
 *		"docker.io":		{ "mirrors": [ "https://mirror.example.org", "http://127.0.0.1:5000" ] },
 *		"lab.example.org:5000":	{ "insecure": true } } }
 *
 * mirrors: asked in this order before the registry itself.  insecure: plain HTTP is allowed, and certificates of this
 * host are not checked.  Hosts on the loopback may always speak plain HTTP; HTTPS is tried first.
 *
 * Credentials: ${DOCKER_CONFIG:-~/.docker}/config.json; docker-credential-X programs it names are run.
 * Certificate authorities for one registry: *.crt in certs.d/HOST[:PORT]/ under $XDG_CONFIG_HOME/devbox,
 * $XDG_CONFIG_HOME/docker and /etc/docker.  For all of them: SSL_CERT_FILE and SSL_CERT_DIR instead of the system's. */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

#include "registry/auth.h"

/* One server to ask for an image. */
struct endpoint {
	char *host; /* "host[:port]" on the network: "registry-1.docker.io" for the Hub */
	bool plain; /* a mirror given as http:// */
	bool mirror;
	char *ca_pem; /* further authorities for this registry, or NULL */
	struct auth_creds creds;
};

struct registry_config {
	struct endpoint *endpoints; /* mirrors, then the registry itself */
	size_t n_endpoints, endpoints_cap;
	bool creds_given; /* registry_config_use(): they came from elsewhere */
	struct strv insecure; /* hosts */
	char *ca_pem; /* content of SSL_CERT_FILE, or NULL */
	char *ca_dir; /* SSL_CERT_DIR, or NULL */
	unsigned stall_ms; /* give up a transfer that makes no progress for so long; DEVBOX_STALL_SECONDS (30) */
};

/* Read all that concerns the registry HOST ("docker.io", "example.org:5000"). */
struct err *registry_config_load(const char *host, struct registry_config *ret) MUST_CHECK;
void registry_config_done(struct registry_config *c);
/* The registry itself, none of its mirrors, is asked with CREDS in place of those that are kept; NULL: with these. */
void registry_config_use(struct registry_config *c, const struct auth_creds *creds);

/* May HOST be spoken to without TLS? */
bool registry_config_plain_ok(const struct registry_config *c, const char *host);
bool registry_config_is_insecure(const struct registry_config *c, const char *host);
/* "localhost:5000", "127.0.0.1", "[::1]:5000"; pure. */
bool host_is_loopback(const char *host);

/* The text of devbox's config.json, as far as it concerns HOST; pure.  Adds mirrors' endpoints and insecure hosts.
 * Errors name the unknown or mistyped member. */
struct err *registry_config_parse(const char *text, size_t len, const char *host,
				  struct registry_config *c) MUST_CHECK;

#endif
