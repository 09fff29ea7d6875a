#include "registry/auth.h"

#include <stdio.h>
#include <strings.h>

#include "core/base/json.h"
#include "registry/image_ref.h"

enum {
	PARAM_MAX = 4096, /* bytes of one challenge parameter */
	TOKEN_MAX = 64 << 10,
	TOKEN_SECONDS = 60, /* the specification's default */
	ENTRIES_MAX = 1000,
};

#define HUB_SERVER                                                                                 \
	"https://index.docker.io/v1/" /* under which Docker files the Hub's credentials */

/* --- WWW-Authenticate
 * ---------------------------------------------------------------------------------------------- */

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(const char *s)
{
	size_t n = 0;

	while (is_token_char(s[n]))
		n++;
	return n;
}

static const char *skip(const char *s, const char *set)
{
	return s + strspn(s, set);
}

/* A token or a quoted string at *AT, which is moved behind it. */
static struct err *param_value(const char *header, const char **at, char **ret)
{
	_cleanup_str_ struct str out = { 0 };
	const char *s = *at;

	if (*s != '"') {
		size_t n = token_len(s);

		if (!n || n > PARAM_MAX)
			return err_new(0, "bad parameter at byte %zu", (size_t)(s - header));
		*ret = xstrndup(s, n);
		*at = s + n;
		return NULL;
	}
	for (s++; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		if (!*s || out.len >= PARAM_MAX)
			return err_new(0, "%s at byte %zu",
				       *s ? "parameter too long" : "unfinished quotes",
				       (size_t)(s - header));
		str_addc(&out, *s);
	}
	*at = s + 1;
	*ret = str_take(&out);
	return NULL;
}

static void set_param(struct auth_challenge *c, const char *name, size_t len, char *value)
{
	char **slot = NULL;

	if (len == 5 && !strncasecmp(name, "realm", len))
		slot = &c->realm;
	else if (len == 7 && !strncasecmp(name, "service", len))
		slot = &c->service;
	else if (len == 5 && !strncasecmp(name, "scope", len))
		slot = &c->scope;
	if (!slot || *slot) {
		free(value);
		return;
	}
	*slot = value;
}

/* One challenge: SCHEME [name=value, ...].  Stops before the next scheme. */
static struct err *one_challenge(const char *header, const char **at, struct auth_challenge *c)
{
	const char *s = *at;
	size_t n = token_len(s);
	bool any = false;
	struct err *e;

	if (!n)
		return err_new(0, "no scheme at byte %zu", (size_t)(s - header));
	c->scheme = AUTH_OTHER;
	if (n == 6 && !strncasecmp(s, "Bearer", n))
		c->scheme = AUTH_BEARER;
	else if (n == 5 && !strncasecmp(s, "Basic", n))
		c->scheme = AUTH_BASIC;
	s = skip(s + n, " \t");
	for (;;) {
		const char *name = s, *eq;
		char *value = NULL;

		n = token_len(name);
		eq = skip(name + n, " \t");
		if (!n || *eq != '=')
			break; /* a new scheme, a token68, or the end */
		s = skip(eq + 1, " \t");
		if (*s != '"' && !is_token_char(*s))
			break; /* the padding of a token68 */
		e = param_value(header, &s, &value);
		if (e)
			return e;
		any = true;
		set_param(c, name, n, value);
		s = skip(s, " \t,");
	}
	if (!any)
		s += strcspn(s, ","); /* a token68, or nothing */
	*at = skip(s, " \t,");
	return NULL;
}

struct err *auth_challenge_parse(const char *header, struct auth_challenge *ret)
{
	const char *at = skip(header, " \t,");
	struct auth_challenge best = { .scheme = AUTH_OTHER };
	struct err *e = NULL;
	bool any = false;

	while (!e && *at) {
		struct auth_challenge c = { 0 };
		const char *before = at;

		e = one_challenge(header, &at, &c);
		if (!e && c.scheme == AUTH_BEARER && !c.realm)
			e = err_new(0, "Bearer without a realm");
		if (!e && at == before)
			e = err_new(0, "unexpected character at byte %zu", (size_t)(at - header));
		if (!e && (!any || (c.scheme < AUTH_OTHER &&
				    (best.scheme == AUTH_OTHER || c.scheme > best.scheme)))) {
			auth_challenge_done(&best);
			best = c;
			any = true;
		} else {
			auth_challenge_done(&c);
		}
	}
	if (!e && !any)
		e = err_new(0, "no scheme at byte 0");
	if (e) {
		auth_challenge_done(&best);
		return err_wrap(e, "the registry's WWW-Authenticate header");
	}
	*ret = best;
	return NULL;
}

void auth_challenge_done(struct auth_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct auth_challenge){ 0 };
}

/* --- tokens -------------------------------------------------------------------------------- */

/* May S stand in a header line? */
static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

struct err *auth_token_parse(const char *text, size_t len, char **ret_token, unsigned *ret_seconds)
{
	_cleanup_json_ json *j = NULL;
	const char *token;
	int64_t seconds;
	struct err *e;

	e = json_parse(text, len, "the token service's answer", &j);
	if (e)
		return e;
	token = json_str(j, "token");
	if (!token || !*token)
		token = json_str(j, "access_token");
	if (!token || !*token)
		return err_new(0, "the token service's answer holds no token");
	if (strlen(token) > TOKEN_MAX || !is_printable(token))
		return err_new(0, "the token service's answer holds a malformed token");
	seconds = json_int(j, "expires_in", TOKEN_SECONDS);
	*ret_seconds = seconds < TOKEN_SECONDS ? TOKEN_SECONDS
		       : seconds > 86400       ? 86400
					       : (unsigned)seconds;
	*ret_token = xstrdup(token);
	return NULL;
}

/* --- credentials
 * --------------------------------------------------------------------------------------------------- */

void auth_creds_done(struct auth_creds *c)
{
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->user);
	free(c->password);
	free(c->identity_token);
	*c = (struct auth_creds){ 0 };
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64_encode(const char *data, size_t len)
{
	char *out = xmalloc((len + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < len; i += 3) {
		unsigned left = len - i < 3 ? (unsigned)(len - i) : 3;
		unsigned v = 0;

		for (unsigned k = 0; k < 3; k++)
			v = v << 8 | (k < left ? (unsigned char)data[i + k] : 0);
		for (unsigned k = 0; k < 4; k++)
			*o++ = k > left ? '=' : base64_digits[v >> (18 - 6 * k) & 63];
	}
	*o = '\0';
	return out;
}

/* NULL if TEXT is not base64 or holds a NUL. */
static char *base64_decode(const char *text)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *out = xmalloc(len + 1);
	unsigned v = 0, bits = 0;
	size_t n = 0;

	if (text[len + strspn(text + len, "=")])
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const char *digit = strchr(base64_digits, text[i]);

		if (!digit)
			return NULL;
		v = v << 6 | (unsigned)(digit - base64_digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n] = (char)(v >> bits & 0xff);
			if (!out[n++])
				return NULL;
		}
	}
	out[n] = '\0';
	return TAKE_PTR(out);
}

char *auth_basic(const struct auth_creds *c)
{
	_cleanup_free_ char *pair = NULL, *coded = NULL;

	if (!c->user || !c->password)
		return NULL;
	pair = xasprintf("%s:%s", c->user, c->password);
	coded = base64_encode(pair, strlen(pair));
	explicit_bzero(pair, strlen(pair));
	return xasprintf("Basic %s", coded);
}

/* --- ~/.docker/config.json
 * ----------------------------------------------------------------------------------------- */

static void add_auth(struct docker_config *c, const char *server, json *entry)
{
	struct auth_creds creds = { 0 };
	const char *auth = json_str(entry, "auth"), *token = json_str(entry, "identitytoken");
	_cleanup_free_ char *pair = auth && *auth ? base64_decode(auth) : NULL;
	char *colon = pair ? strchr(pair, ':') : NULL;

	if (colon) {
		*colon = '\0';
		creds.user = xstrdup(pair);
		creds.password = xstrdup(colon + 1);
	} else if (json_str(entry, "username") && json_str(entry, "password")) {
		creds.user = xstrdup(json_str(entry, "username"));
		creds.password = xstrdup(json_str(entry, "password"));
	}
	if (token && *token && is_printable(token))
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

/* "https://index.docker.io/v1/" and "example.org:5000/v2/" name the hosts "docker.io" and "example.org:5000". */
static bool server_is(const char *server, const char *host)
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
	*ret_server = str_eq(host, HUB_HOST) ? HUB_SERVER : host;
	for (size_t i = 0; i < c->n_helpers; i++)
		if (server_is(c->helpers[i].server, host)) {
			*ret_helper = c->helpers[i].helper;
			*ret_server = c->helpers[i].server;
			return;
		}
	*ret_helper = c->store;
}

const struct auth_creds *docker_config_auth(const struct docker_config *c, const char *host)
{
	for (size_t i = 0; i < c->n_auths; i++)
		if (server_is(c->auths[i].server, host))
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
	if (!user || !secret || !is_printable(secret))
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
