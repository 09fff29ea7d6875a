#include "registry/docker_config.h"

#include <stdio.h>
#include <strings.h>

#include "core/base/json.h"
#include "registry/image_ref.h"

enum { ENTRIES_MAX = 1000 };

#define HUB_SERVER                                                                                 \
	"https://index.docker.io/v1/" /* under which Docker files the Hub's credentials */

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void add_auth(struct docker_config *c, const char *server, json *entry)
{
	struct auth_creds creds = { 0 };
	const char *auth = json_str(entry, "auth"), *token = json_str(entry, "identitytoken");
	_cleanup_free_ char *pair = auth && *auth ? auth_base64_decode(auth) : NULL;
	char *colon = pair ? strchr(pair, ':') : NULL;

	if (colon) {
		*colon = '\0';
		creds.user = xstrdup(pair);
		creds.password = xstrdup(colon + 1);
	} else if (json_str(entry, "username") && json_str(entry, "password")) {
		creds.user = xstrdup(json_str(entry, "username"));
		creds.password = xstrdup(json_str(entry, "password"));
	}
	if (token && *token && auth_is_printable(token))
		creds.identity_token = xstrdup(token);
	if (!creds.identity_token && (!creds.user || !*creds.user)) {
		auth_creds_done(&creds); /* {}: Docker's marker for "see the credentials store" */
		return;
	}
	c->auths = xgrow(c->auths, c->n_auths, &c->auths_cap, sizeof(*c->auths));
	c->auths[c->n_auths++] = (struct docker_auth){ xstrdup(server), creds };
}

/* docker-credential-X is executed: X must be a plain word. */
static bool is_helper_name(const char *s)
{
	for (const char *p = s; p && *p; p++)
		if (!is_token_char(*p) || (*p == '.' && p == s))
			return false;
	return s && *s;
}

struct err *docker_config_parse(const char *text, size_t len, struct docker_config *ret)
{
	_cleanup_json_ json *j = NULL;
	json *auths, *helpers, *value = NULL;
	struct docker_config c = { 0 };
	struct err *e;

	e = json_parse(text, len, "config.json", &j);
	if (e)
		return e;
	auths = json_get(j, "auths");
	for (size_t i = 0; json_is_object(auths) && i < json_len(auths) && i < ENTRIES_MAX; i++) {
		const char *server = json_key_at(auths, i, &value);

		add_auth(&c, server, value);
	}
	helpers = json_get(j, "credHelpers");
	for (size_t i = 0; json_is_object(helpers) && i < json_len(helpers) && i < ENTRIES_MAX; i++) {
		const char *server = json_key_at(helpers, i, &value);

		if (!is_helper_name(json_text(value)))
			continue;
		c.helpers = xgrow(c.helpers, c.n_helpers, &c.helpers_cap, sizeof(*c.helpers));
		c.helpers[c.n_helpers++] =
			(struct docker_helper){ xstrdup(server), xstrdup(json_text(value)) };
	}
	if (is_helper_name(json_str(j, "credsStore")))
		c.store = xstrdup(json_str(j, "credsStore"));
	*ret = c;
	return NULL;
}

void docker_config_done(struct docker_config *c)
{
	for (size_t i = 0; i < c->n_auths; i++) {
		free(c->auths[i].server);
		auth_creds_done(&c->auths[i].creds);
	}
	for (size_t i = 0; i < c->n_helpers; i++) {
		free(c->helpers[i].server);
		free(c->helpers[i].helper);
	}
	free(c->auths);
	free(c->helpers);
	free(c->store);
	*c = (struct docker_config){ 0 };
}

const char *docker_config_server(const char *host)
{
	return str_eq(host, HUB_HOST) ? HUB_SERVER : host;
}

/* "https://index.docker.io/v1/" and "example.org:5000/v2/" name the hosts "docker.io" and "example.org:5000". */
bool docker_config_is_server(const char *server, const char *host)
{
	const char *s = str_after(server, "https://") ?: str_after(server, "http://") ?: server;
	size_t len = strcspn(s, "/");

	if (str_eq(host, HUB_HOST))
		return (len == 15 && !strncasecmp(s, "index.docker.io", len)) ||
		       (len == 20 && !strncasecmp(s, "registry-1.docker.io", len)) ||
		       (len == 9 && !strncasecmp(s, HUB_HOST, len));
	return len == strlen(host) && !strncasecmp(s, host, len);
}

void docker_config_helper(const struct docker_config *c, const char *host, const char **ret_helper,
			  const char **ret_server)
{
	*ret_helper = NULL;
	*ret_server = docker_config_server(host);
	for (size_t i = 0; i < c->n_helpers; i++)
		if (docker_config_is_server(c->helpers[i].server, host)) {
			*ret_helper = c->helpers[i].helper;
			*ret_server = c->helpers[i].server;
			return;
		}
	*ret_helper = c->store;
}

const struct auth_creds *docker_config_auth(const struct docker_config *c, const char *host)
{
	for (size_t i = 0; i < c->n_auths; i++)
		if (docker_config_is_server(c->auths[i].server, host))
			return &c->auths[i].creds;
	return NULL;
}

struct err *docker_helper_parse(const char *text, size_t len, struct auth_creds *ret)
{
	_cleanup_json_ json *j = NULL;
	const char *user, *secret;
	struct err *e;

	e = json_parse(text, len, "its answer", &j);
	if (e)
		return e;
	user = json_str(j, "Username");
	secret = json_str(j, "Secret");
	if (!user || !secret || !auth_is_printable(secret))
		return err_new(0, "its answer holds no Username and Secret");
	*ret = (struct auth_creds){ 0 };
	if (str_eq(user, "<token>")) {
		ret->identity_token = xstrdup(secret);
	} else {
		ret->user = xstrdup(user);
		ret->password = xstrdup(secret);
	}
	return NULL;
}

/* --- writing it ------------------------------------------------------------------------------- */

static void put_auth(struct json_out *o, const char *server, const struct auth_creds *creds)
{
	_cleanup_free_ char *pair = NULL, *coded = NULL;

	json_open(o, server, '{');
	if (creds) {
		pair = xasprintf("%s:%s", creds->user ?: "", creds->identity_token ? "" : creds->password ?: "");
		coded = auth_base64_encode(pair, strlen(pair));
		json_put_str(o, "auth", coded);
		if (creds->identity_token)
			json_put_str(o, "identitytoken", creds->identity_token);
		explicit_bzero(pair, strlen(pair));
		explicit_bzero(coded, strlen(coded));
	}
	json_close(o, '}');
}

static void put_auths(struct json_out *o, json *old, const char *server,
		      const struct auth_creds *creds, bool mark)
{
	const char *host = str_eq(server, HUB_SERVER) ? HUB_HOST : server;
	json *value = NULL;

	json_open(o, "auths", '{');
	for (size_t i = 0; json_is_object(old) && i < json_len(old); i++) {
		const char *key = json_key_at(old, i, &value);

		if (!docker_config_is_server(key, host))
			json_put(o, key, value);
	}
	if (creds || mark)
		put_auth(o, server, creds);
	json_close(o, '}');
}

struct err *docker_config_set(const char *text, size_t len, const char *server,
			      const struct auth_creds *creds, bool mark, char **ret)
{
	_cleanup_json_ json *j = NULL;
	json *value = NULL;
	bool done = false;
	struct json_out o;
	struct err *e;

	e = text && len ? json_parse(text, len, "config.json", &j) : NULL;
	if (!e && j && !json_is_object(j))
		e = err_new(0, "config.json: not an object");
	if (e)
		return e;
	json_out_init(&o, true);
	json_open(&o, NULL, '{');
	for (size_t i = 0; i < json_len(j); i++) {
		const char *key = json_key_at(j, i, &value);

		if (!str_eq(key, "auths")) {
			json_put(&o, key, value);
		} else if (!done) {
			put_auths(&o, value, server, creds, mark);
			done = true;
		}
	}
	if (!done)
		put_auths(&o, NULL, server, creds, mark);
	json_close(&o, '}');
	*ret = json_out_take(&o, NULL);
	return NULL;
}
