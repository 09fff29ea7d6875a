#include "registry/auth.h"

#include <stdio.h>
#include <strings.h>

#include "core/base/json.h"
#include "registry/image_ref.h"

enum {
	PARAM_MAX = 4096, /* bytes of one challenge parameter */
	TOKEN_MAX = 64 << 10,
	TOKEN_SECONDS = 60, /* the specification's default */
};

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

bool auth_is_printable(const char *s)
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
	if (strlen(token) > TOKEN_MAX || !auth_is_printable(token))
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

char *auth_base64_encode(const char *data, size_t len)
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

char *auth_base64_decode(const char *text)
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
	coded = auth_base64_encode(pair, strlen(pair));
	explicit_bzero(pair, strlen(pair));
	return xasprintf("Basic %s", coded);
}
