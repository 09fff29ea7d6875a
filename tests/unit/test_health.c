#include "core/box/health.h"

#include "tests/lib/tap.h"

#define MS INT64_C(1000000)

static void config(const char *text, struct health_config *to)
{
	_cleanup_json_ json *j = NULL;

	err_free(json_parse(text, strlen(text), "test", &j));
	health_from_image(j, to);
}

static char *line(const struct health_config *c)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct str s = { 0 };

	health_argv(c, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_addf(&s, "[%s]", argv.v[i]);
	return str_take(&s);
}

static void test_config(void)
{
	static const struct {
		const char *json, *argv;
	} cases[] = {
		{ "{}", NULL },
		{ "{\"Healthcheck\":{}}", NULL },
		{ "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}", NULL },
		{ "{\"Healthcheck\":{\"Test\":[\"CMD\"]}}", NULL },
		{ "{\"Healthcheck\":{\"Test\":[\"WHAT\",\"x\"]}}", NULL },
		{ "{\"Healthcheck\":{\"Test\":7,\"Interval\":\"x\",\"Retries\":-1}}", NULL },
		{ "{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\",\"b c\"]}}", "[a][b c]" },
		{ "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a b\"]}}", "[/bin/sh][-c][a b]" },
		{ "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a\"]},\"Shell\":[\"bash\",\"-ec\"]}",
		  "[bash][-ec][a]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct health_config c = { 0 };

		config(cases[i].json, &c);
		if (ok(health_wanted(&c) == (cases[i].argv != NULL), "%s", cases[i].json) &&
		    cases[i].argv) {
			_cleanup_free_ char *got = line(&c);

			is_str(got, cases[i].argv, "its command");
		}
		health_config_done(&c);
	}
}

static void test_merge(void)
{
	struct health_config c = { .interval_ns = 5 * MS, .retries = 9 };

	config("{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\"],\"Interval\":7000000,\"Timeout\":8000000,"
	       "\"StartPeriod\":999,\"Retries\":4}}",
	       &c);
	ok(c.interval_ns == 5 * MS && c.retries == 9, "what the user said holds");
	ok(c.timeout_ns == 8 * MS && health_timeout_ms(&c) == 8, "the image says the rest");
	ok(c.start_period_ns == 0, "less than a millisecond is no time");
	ok(!health_check(&c), "it is valid");
	c.interval_ns = 999999;
	is_err(health_check(&c), "Interval in Healthcheck cannot be less than 1ms", "too short");
	health_config_done(&c);
	ok(health_timeout_ms(&c) == 30000, "the default time limit");
}

static void result(const struct health_config *c, struct health *h, int code, int64_t ran_ms)
{
	struct health_result r = { .exit_code = code, .output = xasprintf("%d", code) };

	health_add(c, h, &r, ran_ms);
}

static void test_states(void)
{
	struct health_config c = { 0 };
	struct health h = { 0 };

	health_start(&h);
	ok(h.status == HEALTH_STARTING && health_delay_ms(&c, &h, 0) == 30000, "starting: 30 s");
	result(&c, &h, 1, 30000);
	result(&c, &h, -1, 60000);
	ok(h.status == HEALTH_STARTING && h.streak == 2, "two failures change nothing");
	result(&c, &h, 2, 90000);
	ok(h.status == HEALTH_UNHEALTHY && h.streak == 3, "the third does");
	result(&c, &h, 0, 120000);
	ok(h.status == HEALTH_HEALTHY && h.streak == 0, "one success mends it");
	result(&c, &h, 1, 150000);
	ok(h.status == HEALTH_HEALTHY && h.streak == 1, "healthy until the third failure");
	result(&c, &h, 4, 180000);
	ok(h.n == HEALTH_LOG_MAX, "five results are kept");
	is_str(h.log[0].output, "-1", "the oldest of them");
	is_str(h.log[4].output, "4", "the newest of them");
	health_start(&h);
	ok(h.status == HEALTH_STARTING && h.streak == 0 && h.n == 5, "a new run");
	health_done(&h);
}

static void test_start_period(void)
{
	struct health_config c = { .start_period_ns = 10000 * MS, .interval_ns = 60000 * MS, .retries = 1 };
	struct health h = { 0 };

	health_start(&h);
	ok(health_delay_ms(&c, &h, 0) == 5000, "within the start period: every 5 s");
	c.start_interval_ns = 200 * MS;
	ok(health_delay_ms(&c, &h, 9999) == 200, "or as configured");
	result(&c, &h, 1, 9999);
	ok(h.status == HEALTH_STARTING && h.streak == 0, "a failure does not count");
	ok(health_delay_ms(&c, &h, 10000) == 60000, "after it: the usual interval");
	result(&c, &h, 0, 100);
	ok(h.status == HEALTH_HEALTHY && health_delay_ms(&c, &h, 100) == 60000,
	   "a success ends the start");
	result(&c, &h, 1, 200);
	ok(h.status == HEALTH_UNHEALTHY, "a failure after that counts");
	health_done(&h);
}

int main(void)
{
	test_config();
	test_merge();
	test_states();
	test_start_period();
	return done_testing();
}
