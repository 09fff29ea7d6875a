/* Credentials in headers: for one registry, in the forms that clients write. */
#include "cmd/api/regauth.h"

#include "tests/lib/tap.h"

static const struct {
	const char *in, *host; /* IN: the document; the header is its base64 */
	const char *user, *password, *token, *err; /* no user and no token: nothing for HOST */
} cases[] = {
	{ "{\"username\":\"me\",\"password\":\"s3\"}", "docker.io", "me", "s3", NULL, NULL },
	{ "{\"username\":\"me\",\"password\":\"s3\",\"serveraddress\":\"https://index.docker.io/v1/\"}",
	  "docker.io", "me", "s3", NULL, NULL },
	{ "{\"username\":\"me\",\"password\":\"s3\",\"serveraddress\":\"https://index.docker.io/v1/\"}",
	  "evil.example:5000", NULL, NULL, NULL, NULL },
	{ "{\"username\":\"me\",\"password\":\"s3\",\"serveraddress\":\"a.example:5000\"}",
	  "a.example:5000", "me", "s3", NULL, NULL },
	{ "{\"identitytoken\":\"tok\"}", "docker.io", NULL, NULL, "tok", NULL },
	{ "{\"auth\":\"bWU6czM=\"}", "docker.io", "me", "s3", NULL, NULL },
	{ "{\"username\":\"\",\"password\":\"\",\"serveraddress\":\"\"}", "docker.io", NULL, NULL,
	  NULL, NULL },
	{ "{\"username\":\"me\"}", "docker.io", NULL, NULL, NULL, NULL },
	{ "{}", "docker.io", NULL, NULL, NULL, NULL },
	{ "null", "docker.io", NULL, NULL, NULL, NULL },
	{ "[1]", "docker.io", NULL, NULL, NULL, NULL },
	{ "{", "docker.io", NULL, NULL, NULL, "invalid credentials: the header: *" },
	{ "{\"username\":\"\xc3\xbf\xc3\xbe?>\",\"password\":\"x\"}", "docker.io",
	  "\xc3\xbf\xc3\xbe?>", "x", NULL, NULL },
};

/* base64url without padding, as Docker's clients send it. */
static char *url_safe(const char *text)
{
	char *out = auth_base64_encode(text, strlen(text));

	for (char *p = out; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
	return out;
}

static void check(size_t i, bool of_config, const char *header)
{
	struct auth_creds c = { 0 };
	bool found = false;
	struct err *e = of_config ? regauth_parse_config(header, cases[i].host, &c, &found)
				  : regauth_parse(header, cases[i].host, &c, &found);

	if (!is_err(e, cases[i].err, "%s", cases[i].in) || cases[i].err)
		return;
	is_str(c.user, cases[i].user, "%s: user", cases[i].in);
	is_str(c.password, cases[i].password, "%s: password", cases[i].in);
	is_str(c.identity_token, cases[i].token, "%s: token", cases[i].in);
	ok(found == (cases[i].user || cases[i].token), "%s: found", cases[i].in);
	if (found)
		auth_creds_done(&c);
}

int main(void)
{
	struct auth_creds c;
	bool found = true;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *plain = auth_base64_encode(cases[i].in, strlen(cases[i].in));
		_cleanup_free_ char *url = url_safe(cases[i].in);

		check(i, false, plain);
		check(i, false, url);
		if (!strstr(cases[i].in, "serveraddress") && !cases[i].err) {
			_cleanup_free_ char *both =
				xasprintf("{\"other.example\":{\"auth\":\"eDp5\"},\"%s\":%s}",
					  cases[i].host, cases[i].in);
			_cleanup_free_ char *header = url_safe(both);

			check(i, true, header);
		}
	}
	is_err(regauth_parse(NULL, "docker.io", &c, &found), NULL, "no header");
	ok(!found, "no header: nothing");
	is_err(regauth_parse("a b!", "docker.io", &c, &found),
	       "invalid credentials: the header is not base64", "not base64");
	return done_testing();
}
