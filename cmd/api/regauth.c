#include "cmd/api/regauth.h"

#include <stdlib.h>

#include "core/base/json.h"
#include "registry/docker_config.h"

enum { HEADER_MAX = 64 << 10 };

/* base64url or plain base64, padded or not. */
static struct err *decode(const char *text, json **ret)
{
	_cleanup_str_ struct str plain = { 0 };
	_cleanup_free_ char *document = NULL;

	if (strlen(text) > HEADER_MAX)
		return err_new(0, "invalid credentials: the header is too long");
	for (; *text; text++)
		str_addc(&plain, *text == '-' ? '+' : *text == '_' ? '/' : *text);
	document = auth_base64_decode(plain.s ?: "");
	if (!document)
		return err_new(0, "invalid credentials: the header is not base64");
	if (!*document) {
		*ret = NULL;
		return NULL;
	}
	return err_wrap(json_parse(document, strlen(document), "the header", ret),
			"invalid credentials");
}

static char *member(json *j, const char *key)
{
	const char *text = json_str(j, key);

	return text && *text ? xstrdup(text) : NULL;
}

static bool take(json *j, struct auth_creds *ret)
{
	const char *both = json_str(j, "auth");

	*ret = (struct auth_creds){
		.user = member(j, "username"),
		.password = member(j, "password"),
		.identity_token = member(j, "identitytoken"),
	};
	if (!ret->user && both && *both) { /* "user:password" in base64, as in config.json */
		_cleanup_free_ char *text = auth_base64_decode(both);
		const char *colon = text ? strchr(text, ':') : NULL;

		if (colon && colon > text) {
			ret->user = xstrndup(text, (size_t)(colon - text));
			ret->password = xstrdup(colon + 1);
		}
	}
	if (ret->identity_token || (ret->user && ret->password))
		return true;
	auth_creds_done(ret);
	*ret = (struct auth_creds){ 0 };
	return false;
}

struct err *regauth_parse(const char *text, const char *host, struct auth_creds *ret, bool *ret_found)
{
	_cleanup_json_ json *j = NULL;
	const char *server;
	struct err *e = text && *text ? decode(text, &j) : NULL;

	*ret_found = false;
	if (e)
		return e;
	server = json_str(j, "serveraddress");
	*ret_found = (!server || !*server || docker_config_is_server(server, host)) && take(j, ret);
	return NULL;
}

struct err *regauth_parse_config(const char *text, const char *host, struct auth_creds *ret,
				 bool *ret_found)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = text && *text ? decode(text, &j) : NULL;

	*ret_found = false;
	for (size_t i = 0; !e && json_is_object(j) && i < json_len(j) && !*ret_found; i++) {
		json *entry = NULL;
		const char *server = json_key_at(j, i, &entry);

		*ret_found = docker_config_is_server(server, host) && take(entry, ret);
	}
	return e;
}
