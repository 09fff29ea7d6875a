/* Challenges, tokens, credentials as registries and Docker write them. */
#include "registry/auth.h"
#include "registry/docker_config.h"

#include "tests/lib/tap.h"

static const struct {
	const char *in;
	enum auth_scheme scheme;
	const char *realm, *service, *scope, *err;
} challenges[] = {
	{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
	  "scope=\"repository:library/mysql:pull\"",
	  AUTH_BEARER, "https://auth.docker.io/token", "registry.docker.io",
	  "repository:library/mysql:pull", NULL },
	{ "bearer Realm = \"https://a/\" , error=\"invalid_token\"", AUTH_BEARER, "https://a/",
	  NULL, NULL, NULL },
	{ "Basic realm=\"a \\\"b\\\"\"", AUTH_BASIC, "a \"b\"", NULL, NULL, NULL },
	{ "Basic realm=x", AUTH_BASIC, "x", NULL, NULL, NULL },
	{ "Basic", AUTH_BASIC, NULL, NULL, NULL, NULL },
	{ "Basic realm=\"x\", Bearer realm=\"https://t\"", AUTH_BEARER, "https://t", NULL, NULL, NULL },
	{ "Bearer realm=\"https://t\", Basic realm=\"x\"", AUTH_BEARER, "https://t", NULL, NULL, NULL },
	{ "Digest realm=\"a,b\", nonce=\"c\", Basic realm=\"x\"", AUTH_BASIC, "x", NULL, NULL, NULL },
	{ "Negotiate YII/abc==, Bearer realm=\"https://t\"", AUTH_BEARER, "https://t", NULL, NULL, NULL },
	{ "Negotiate", AUTH_OTHER, NULL, NULL, NULL, NULL },
	{ "", AUTH_OTHER, NULL, NULL, NULL, "*: no scheme at byte 0" },
	{ "Bearer", AUTH_OTHER, NULL, NULL, NULL, "*: Bearer without a realm" },
	{ "Bearer realm=\"x", AUTH_OTHER, NULL, NULL, NULL, "*: unfinished quotes at byte 15" },
	{ "Bearer realm=\"x\\", AUTH_OTHER, NULL, NULL, NULL, "*: unfinished quotes at byte 16" },
	{ "\"", AUTH_OTHER, NULL, NULL, NULL, "*: no scheme at byte 0" },
};

static void test_challenges(void)
{
	for (size_t i = 0; i < ARRAY_LEN(challenges); i++) {
		struct auth_challenge c = { 0 };

		if (!is_err(auth_challenge_parse(challenges[i].in, &c), challenges[i].err, "%s",
			    challenges[i].in) ||
		    challenges[i].err)
			continue;
		is_int(c.scheme, challenges[i].scheme, "scheme");
		is_str(c.realm, challenges[i].scheme == AUTH_OTHER ? c.realm : challenges[i].realm,
		       "realm");
		is_str(c.service, challenges[i].service, "service");
		is_str(c.scope, challenges[i].scope, "scope");
		auth_challenge_done(&c);
	}
}

static void test_tokens(void)
{
	static const struct {
		const char *in, *token, *err;
		unsigned seconds;
	} cases[] = {
		{ "{\"token\":\"abc\",\"expires_in\":300}", "abc", NULL, 300 },
		{ "{\"access_token\":\"abc\"}", "abc", NULL, 60 },
		{ "{\"token\":\"\",\"access_token\":\"x\",\"expires_in\":-5}", "x", NULL, 60 },
		{ "{\"token\":7}", NULL, "the token service's answer holds no token", 0 },
		{ "{\"token\":\"a\\r\\nX: y\"}", NULL,
		  "the token service's answer holds a malformed token", 0 },
		{ "<html>", NULL, "the token service's answer: malformed JSON: *", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *token = NULL;
		unsigned seconds = 0;

		is_err(auth_token_parse(cases[i].in, strlen(cases[i].in), &token, &seconds),
		       cases[i].err, "%s", cases[i].in);
		is_str(token, cases[i].token, "token");
		is_int(seconds, cases[i].seconds, "seconds");
	}
}

static void test_config(void)
{
	static const char text[] =
		"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwYTpzcw==\"},"
		"\"reg.example:5000\":{\"username\":\"u\",\"password\":\"p\"},"
		"\"https://tok.example/v2/\":{\"identitytoken\":\"tok\",\"auth\":\"dTo=\"},"
		"\"broken.example\":{\"auth\":\"!!!\"},\"empty.example\":{},\"odd.example\":7},"
		"\"credHelpers\":{\"gcr.io\":\"gcloud\",\"evil\":\"../sh\",\"num\":5},\"credsStore\":\"pass\"}";
	struct docker_config c;
	const struct auth_creds *a;
	const char *helper, *server;
	_cleanup_free_ char *basic = NULL;

	if (!is_err(docker_config_parse(text, sizeof(text) - 1, &c), NULL, "a typical config.json"))
		return;
	a = docker_config_auth(&c, "docker.io");
	if (ok(a, "the Hub's credentials")) {
		is_str(a->user, "user", "user");
		is_str(a->password, "pa:ss", "a password with a colon");
		basic = auth_basic(a);
		is_str(basic, "Basic dXNlcjpwYTpzcw==", "Basic");
	}
	a = docker_config_auth(&c, "reg.example:5000");
	ok(a && str_eq(a->user, "u") && str_eq(a->password, "p"), "user and password in the clear");
	a = docker_config_auth(&c, "tok.example");
	ok(a && str_eq(a->identity_token, "tok"), "an identity token");
	ok(!docker_config_auth(&c, "broken.example"), "bad base64 is left out");
	ok(!docker_config_auth(&c, "empty.example"), "an empty entry is left out");
	ok(!docker_config_auth(&c, "reg.example"), "another port is another registry");
	docker_config_helper(&c, "gcr.io", &helper, &server);
	is_str(helper, "gcloud", "a helper of its own");
	is_str(server, "gcr.io", "and the name to ask for");
	docker_config_helper(&c, "docker.io", &helper, &server);
	is_str(helper, "pass", "the store for the rest");
	is_str(server, "https://index.docker.io/v1/", "and Docker's name of the Hub");
	docker_config_helper(&c, "evil", &helper, &server);
	is_str(helper, "pass", "a helper's name cannot be a path");
	docker_config_done(&c);
	is_err(docker_config_parse("{", 1, &c), "config.json: malformed JSON: *", "a cut off file");
	is_err(docker_config_parse("[]", 2, &c), NULL, "a file of another shape has no entries");
	docker_config_done(&c);
}

static void test_helper(void)
{
	struct auth_creds c;
	static const char token[] = "{\"ServerURL\":\"x\",\"Username\":\"<token>\",\"Secret\":\"s\"}";
	static const char pass[] = "{\"Username\":\"me\",\"Secret\":\"s\"}";

	if (is_err(docker_helper_parse(token, sizeof(token) - 1, &c), NULL, "a token"))
		is_str(c.identity_token, "s", "is an identity token");
	auth_creds_done(&c);
	if (is_err(docker_helper_parse(pass, sizeof(pass) - 1, &c), NULL, "a password"))
		is_str(c.user, "me", "with its user");
	auth_creds_done(&c);
	is_err(docker_helper_parse("{}", 2, &c), "its answer holds no Username and Secret", "neither");
}

/* Credentials written into the file: the rest of it stays. */
static void test_config_set(void)
{
	static const char old[] =
		"{\"credsStore\":\"x\",\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YTpi\"},"
		"\"EXAMPLE.org\":{\"auth\":\"YTpi\"}},\"proxies\":{\"a\":[1.5,null,true]}}";
	char user[] = "me", password[] = "p:w", token[] = "t0k";
	struct auth_creds creds = { .user = user, .password = password };
	_cleanup_free_ char *fresh = NULL, *both = NULL, *marked = NULL, *gone = NULL,
			    *with_token = NULL;
	char *none = NULL;

	ok(!docker_config_set(NULL, 0, "h:5", &creds, false, &fresh), "no file yet");
	is_str(fresh,
	       "{\n    \"auths\": {\n        \"h:5\": {\n            \"auth\": \"bWU6cDp3\"\n        }\n    }\n}\n",
	       "as Docker writes it");
	ok(!docker_config_set(old, strlen(old), "example.org", &creds, false, &both), "one of two");
	ok(strstr(both, "index.docker.io") && !strstr(both, "EXAMPLE") &&
		   strstr(both, "bWU6cDp3") && strstr(both, "credsStore") && strstr(both, "1.5"),
	   "replaced whatever its spelling, the rest stays");
	ok(!docker_config_set(old, strlen(old), "https://index.docker.io/v1/", NULL, true, &marked),
	   "marked");
	ok(strstr(marked, "index.docker.io") && !strstr(marked, "YTpi\"\n        },\n        \"EX"),
	   "an empty entry");
	ok(!docker_config_set(old, strlen(old), "https://index.docker.io/v1/", NULL, false, &gone),
	   "taken out");
	ok(!strstr(gone, "index.docker.io") && strstr(gone, "EXAMPLE"), "only that one");
	creds.identity_token = token;
	ok(!docker_config_set(NULL, 0, "h", &creds, false, &with_token), "a token");
	ok(strstr(with_token, "\"identitytoken\": \"t0k\"") && strstr(with_token, "\"bWU6\""),
	   "instead of the password");
	is_err(docker_config_set("[]", 2, "h", &creds, false, &none), "config.json: not an object",
	       "no object");
	is_err(docker_config_set("{", 1, "h", &creds, false, &none), "config.json: malformed JSON*",
	       "malformed");
}

int main(void)
{
	test_challenges();
	test_tokens();
	test_config();
	test_helper();
	test_config_set();
	return done_testing();
}
