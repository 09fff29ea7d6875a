/* The user's settings about registries, and what registries say about limits. */
#include "registry/client.h"
#include "registry/config.h"

#include "tests/lib/tap.h"

static void test_loopback(void)
{
	static const struct {
		const char *host;
		bool loopback;
	} cases[] = {
		{ "localhost", true },
		{ "localhost:5000", true },
		{ "LOCALHOST", true },
		{ "127.0.0.1:5000", true },
		{ "127.1.2.3", true },
		{ "[::1]:5000", true },
		{ "reg.localhost:5", true },
		{ "127.example.org", false },
		{ "127.0.0.1.example.org", false },
		{ "example.org", false },
		{ "localhost.org", false },
		{ "[::2]:5000", false },
		{ "10.0.0.1", false },
		{ "notlocalhost", false },
		{ "1270.0.0.1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_int(host_is_loopback(cases[i].host), cases[i].loopback, "%s", cases[i].host);
}

static void test_config(void)
{
	static const char good[] =
		"{\"registries\":{\"docker.io\":{\"mirrors\":[\"https://mirror.example.org/\","
		"\"http://127.0.0.1:5000\"]},"
		"\"lab:5000\":{\"insecure\":true,\"mirrors\":[\"https://other.example.org\"]}}}";
	static const struct {
		const char *text, *err;
	} bad[] = {
		{ "{", "devbox/config.json: malformed JSON: *" },
		{ "{\"registry\":{}}",
		  "devbox/config.json: unknown member \"registry\" (hint: known: \"registries\")" },
		{ "{\"registrys\":{}}", "devbox/config.json: unknown member \"registrys\" (hint: *" },
		{ "{\"registries\":{\"docker.io\":7}}",
		  "devbox/config.json: registries: \"docker.io\": not an object" },
		{ "{\"registries\":{\"x\":{\"insecure\":\"yes\"}}}",
		  "devbox/config.json: registries: \"x\": \"insecure\" is not true or false" },
		{ "{\"registries\":{\"docker.io\":{\"mirrors\":\"x\"}}}", "*\"mirrors\" is not a list" },
		{ "{\"registries\":{\"docker.io\":{\"mirrors\":[\"https://h/path\"]}}}",
		  "*mirror \"https://h/path\" is not of the form https://host?:port?" },
		{ "{\"registries\":{\"docker.io\":{\"mirrors\":[\"https://u@h\"]}}}",
		  "*is not of the form *" },
		{ "{\"registries\":{\"docker.io\":{\"mirrors\":[5]}}}", "*is not of the form *" },
	};
	struct registry_config c = { 0 };

	is_err(registry_config_parse(good, sizeof(good) - 1, "docker.io", &c), NULL, "a configuration");
	if (is_int(c.n_endpoints, 2, "two mirrors of the Hub")) {
		is_str(c.endpoints[0].host, "mirror.example.org", "the first");
		ok(!c.endpoints[0].plain && c.endpoints[0].mirror, "with TLS");
		is_str(c.endpoints[1].host, "127.0.0.1:5000", "the second");
		ok(c.endpoints[1].plain, "without");
	}
	ok(registry_config_plain_ok(&c, "lab:5000"), "an insecure registry");
	ok(!registry_config_plain_ok(&c, "lab"), "but only on its port");
	ok(registry_config_plain_ok(&c, "localhost:1"), "the loopback");
	ok(!registry_config_is_insecure(&c, "localhost:1"),
	   "whose certificates are checked all the same");
	registry_config_done(&c);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		is_err(registry_config_parse(bad[i].text, strlen(bad[i].text), "docker.io", &c),
		       bad[i].err, "%s", bad[i].text);
		registry_config_done(&c);
	}
}

static void test_limits(void)
{
	_cleanup_free_ char *text = client_quota_text("100;w=21600", "7;w=21600");
	_cleanup_free_ char *query = NULL;
	struct str s = { 0 };

	is_str(text, "7 of 100 pulls left in 6 hours", "the Hub's quota");
	ok(!client_quota_text("100", "7"), "no window, no text");
	ok(!client_quota_text(NULL, "7") && !client_quota_text("1;w=1", NULL), "no header, no text");
	is_int(client_retry_after("120"), 120, "Retry-After in seconds");
	is_int(client_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), 0, "a date that has passed");
	ok(client_retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1000000, "a date to come");
	is_int(client_retry_after("soon"), -1, "neither");
	is_int(client_retry_after(NULL), -1, "none");
	http_query_add(&s, '?', "scope", "repository:a/b:pull,push");
	http_query_add(&s, '&', "x", "\xc3\xa4 &=");
	query = str_take(&s);
	is_str(query, "?scope=repository%3Aa%2Fb%3Apull%2Cpush&x=%C3%A4%20%26%3D", "a query");
}

int main(void)
{
	test_loopback();
	test_config();
	test_limits();
	return done_testing();
}
