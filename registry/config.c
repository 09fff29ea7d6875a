#include "registry/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "registry/cred_helper.h"
#include "registry/docker_config.h"
#include "registry/image_ref.h"

enum {
	CONFIG_MAX_BYTES = 4 << 20,
	STALL_SECONDS = 30,
};

#define HUB_API_HOST "registry-1.docker.io"

bool host_is_loopback(const char *host)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (len == 9 && !strncasecmp(host, "localhost", len))
		return true;
	if (len > 10 && !strncasecmp(host + len - 10, ".localhost", 10))
		return true;
	if (len == 5 && !strncmp(host, "[::1]", len))
		return true;
	if (len < 7 || strncmp(host, "127.", 4) != 0)
		return false;
	return strspn(host, "0123456789.") >= len; /* not 127.example.org */
}

bool registry_config_is_insecure(const struct registry_config *c, const char *host)
{
	return strv_has(&c->insecure, host);
}

bool registry_config_plain_ok(const struct registry_config *c, const char *host)
{
	return host_is_loopback(host) || registry_config_is_insecure(c, host);
}

static struct endpoint *add_endpoint(struct registry_config *c, const char *host, size_t len)
{
	struct endpoint *ep;

	c->endpoints = xgrow(c->endpoints, c->n_endpoints, &c->endpoints_cap, sizeof(*c->endpoints));
	ep = &c->endpoints[c->n_endpoints++];
	*ep = (struct endpoint){ .host = xstrndup(host, len) };
	return ep;
}

/* --- devbox's own file
 * --------------------------------------------------------------------------------------------- */

static struct err *unknown_key(const char *key, const char *const *known)
{
	const char *near = str_nearest(key, known);

	return err_hint(err_new(0, "unknown member \"%s\"", key),
			near ? "did you mean \"%s\"?" : "known: \"%s\"", near ?: known[0]);
}

static struct err *add_mirrors(json *list, struct registry_config *c)
{
	if (!json_is_array(list))
		return err_new(0, "\"mirrors\" is not a list");
	for (size_t i = 0; i < json_len(list); i++) {
		const char *url = json_text(json_at(list, i)) ?: "";
		const char *plain = str_after(url, "http://");
		const char *host = plain ?: str_after(url, "https://") ?: url;
		size_t len = strcspn(host, "/");
		struct endpoint *ep;

		if (!len || host[len + strspn(host + len, "/")] || strpbrk(host, "@ ?#\\"))
			return err_new(0, "mirror \"%s\" is not of the form https://host[:port]", url);
		ep = add_endpoint(c, host, len);
		ep->plain = plain;
		ep->mirror = true;
		if (plain) /* written out by the user: he means it */
			strv_add(&c->insecure, ep->host);
	}
	return NULL;
}

static struct err *parse_registry(const char *name, json *entry, const char *host,
				  struct registry_config *c)
{
	static const char *const known[] = { "mirrors", "insecure", NULL };
	json *value = NULL;

	if (!json_is_object(entry))
		return err_new(0, "not an object");
	for (size_t i = 0; i < json_len(entry); i++) {
		const char *key = json_key_at(entry, i, &value);
		bool insecure = false;
		struct err *e = NULL;

		if (str_eq(key, "mirrors"))
			e = str_eq(name, host) ? add_mirrors(value, c) : NULL;
		else if (!str_eq(key, "insecure"))
			e = unknown_key(key, known);
		else if (!json_is_bool(value, &insecure))
			e = err_new(0, "\"insecure\" is not true or false");
		if (e)
			return e;
		if (insecure)
			strv_add(&c->insecure, name);
	}
	return NULL;
}

struct err *registry_config_parse(const char *text, size_t len, const char *host,
				  struct registry_config *c)
{
	static const char *const known[] = { "registries", NULL };
	_cleanup_json_ json *j = NULL;
	json *regs = NULL, *value = NULL;
	struct err *e;

	e = json_parse(text, len, "devbox/config.json", &j);
	if (e)
		return e;
	for (size_t i = 0; i < json_len(j); i++) {
		const char *key = json_is_object(j) ? json_key_at(j, i, &value) : "[]";

		if (!str_eq(key, "registries"))
			return err_wrap(unknown_key(key, known), "devbox/config.json");
		regs = value;
	}
	for (size_t i = 0; json_is_object(regs) && i < json_len(regs); i++) {
		const char *name = json_key_at(regs, i, &value);

		e = parse_registry(name, value, host, c);
		if (e)
			return err_wrap(e, "devbox/config.json: registries: \"%s\"", name);
	}
	return NULL;
}

/* --- files -------------------------------------------------------------------------------- */

/* The directory VAR names, else $HOME/FALLBACK, else NULL. */
static char *dir_of(const char *var, const char *fallback)
{
	const char *dir = getenv(var), *home = getenv("HOME");

	if (dir && *dir == '/')
		return xstrdup(dir);
	return home && *home == '/' ? xasprintf("%s/%s", home, fallback) : NULL;
}

/* Absent is success with *ret_text NULL. */
static struct err *read_optional(const char *path, char **ret_text, size_t *ret_len)
{
	struct err *e = fd_read_file(AT_FDCWD, path, CONFIG_MAX_BYTES, ret_text, ret_len);

	if (!err_is(e, ENOENT) && !err_is(e, ENOTDIR) && !err_is(e, EACCES))
		return e;
	err_free(e); /* EACCES: a home that is not ours to read, e.g. under sudo */
	*ret_text = NULL;
	return NULL;
}

static struct err *load_own(const char *host, struct registry_config *c)
{
	_cleanup_free_ char *dir = dir_of("XDG_CONFIG_HOME", ".config"), *path = NULL, *text = NULL;
	struct err *e;
	size_t len;

	if (!dir)
		return NULL;
	path = xasprintf("%s/devbox/config.json", dir);
	e = read_optional(path, &text, &len);
	if (e || !text)
		return e;
	return registry_config_parse(text, len, host, c);
}

static struct err *add_certs(const char *base, const char *host, struct str *pem)
{
	_cleanup_free_ char *path = xasprintf("%s/certs.d/%s", base, host);
	_cleanup_dir_ DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *text = NULL;
		struct err *e;

		if (!str_ends(de->d_name, ".crt"))
			continue;
		e = fd_read_file(dirfd(d), de->d_name, CONFIG_MAX_BYTES, &text, NULL);
		if (e)
			return err_wrap(e, "%s", path);
		str_add(pem, text);
		str_addc(pem, '\n');
	}
	return NULL;
}

static struct err *load_certs(struct endpoint *ep)
{
	_cleanup_free_ char *config = dir_of("XDG_CONFIG_HOME", ".config");
	_cleanup_str_ struct str pem = { 0 };
	struct err *e = NULL;

	if (config) {
		_cleanup_free_ char *own = xasprintf("%s/devbox", config);
		_cleanup_free_ char *docker = xasprintf("%s/docker", config);

		e = add_certs(own, ep->host, &pem);
		e = e ?: add_certs(docker, ep->host, &pem);
	}
	e = e ?: add_certs("/etc/docker", ep->host, &pem);
	if (!e && pem.len)
		ep->ca_pem = str_take(&pem);
	return e;
}

/* --- credentials ------------------------------------------------------------------------------ */

static void copy_creds(const struct auth_creds *from, struct auth_creds *to)
{
	to->user = xstrdup(from->user);
	to->password = xstrdup(from->password);
	to->identity_token = xstrdup(from->identity_token);
}

static struct err *load_creds(const struct docker_config *dc, struct endpoint *ep)
{
	const char *host = str_eq(ep->host, HUB_API_HOST) ? HUB_HOST : ep->host, *helper, *server;
	const struct auth_creds *found;
	struct err *e = NULL;

	docker_config_helper(dc, host, &helper, &server);
	if (helper)
		e = cred_helper_get(helper, server, &ep->creds);
	if (e || ep->creds.user || ep->creds.identity_token)
		return e;
	found = docker_config_auth(dc, host);
	if (found)
		copy_creds(found, &ep->creds);
	return NULL;
}

static struct err *load_docker(struct registry_config *c)
{
	_cleanup_free_ char *dir = dir_of("DOCKER_CONFIG", ".docker"), *path = NULL, *text = NULL;
	struct docker_config dc = { 0 };
	struct err *e;
	size_t len;

	if (!dir)
		return NULL;
	path = xasprintf("%s/config.json", dir);
	e = read_optional(path, &text, &len);
	if (e || !text)
		return e;
	e = docker_config_parse(text, len, &dc);
	if (e)
		return err_wrap(e, "%s", dir);
	for (size_t i = 0; !e && i < c->n_endpoints; i++)
		e = load_creds(&dc, &c->endpoints[i]);
	docker_config_done(&dc);
	return e;
}

static struct err *load_environment(struct registry_config *c)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");
	const char *stall = getenv("DEVBOX_STALL_SECONDS");
	uint64_t seconds = STALL_SECONDS;
	struct err *e = NULL;

	if (file && *file)
		e = err_wrap(fd_read_file(AT_FDCWD, file, CONFIG_MAX_BYTES, &c->ca_pem, NULL),
			     "SSL_CERT_FILE");
	if (dir && *dir)
		c->ca_dir = xstrdup(dir);
	if (!e && stall && *stall)
		e = err_wrap(str_to_u64(stall, 1, 3600, &seconds), "DEVBOX_STALL_SECONDS");
	c->stall_ms = (unsigned)seconds * 1000;
	return e;
}

struct err *registry_config_load(const char *host, struct registry_config *ret)
{
	const char *api = str_eq(host, HUB_HOST) ? HUB_API_HOST : host;
	struct registry_config c = { 0 };
	struct err *e;

	e = load_environment(&c);
	e = e ?: load_own(host, &c);
	add_endpoint(&c, api, strlen(api));
	for (size_t i = 0; !e && i < c.n_endpoints; i++)
		e = load_certs(&c.endpoints[i]);
	e = e ?: load_docker(&c);
	if (e) {
		registry_config_done(&c);
		return e;
	}
	*ret = c;
	return NULL;
}

void registry_config_use(struct registry_config *c, const struct auth_creds *creds)
{
	struct endpoint *own = &c->endpoints[c->n_endpoints - 1];

	if (!creds)
		return;
	auth_creds_done(&own->creds);
	copy_creds(creds, &own->creds);
	c->creds_given = true;
}

void registry_config_done(struct registry_config *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		free(c->endpoints[i].host);
		free(c->endpoints[i].ca_pem);
		auth_creds_done(&c->endpoints[i].creds);
	}
	free(c->endpoints);
	strv_done(&c->insecure);
	free(c->ca_pem);
	free(c->ca_dir);
	*c = (struct registry_config){ 0 };
}
