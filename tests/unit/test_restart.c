#include "core/box/restart.h"

#include "tests/lib/tap.h"

static const struct {
	const char *text;
	enum restart_when when;
	unsigned max;
	const char *error;
} policies[] = {
	{ "", RESTART_NO, 0, NULL },
	{ "no", RESTART_NO, 0, NULL },
	{ "always", RESTART_ALWAYS, 0, NULL },
	{ "unless-stopped", RESTART_UNLESS_STOPPED, 0, NULL },
	{ "on-failure", RESTART_ON_FAILURE, 0, NULL },
	{ "on-failure:3", RESTART_ON_FAILURE, 3, NULL },
	{ "on-failure:0", RESTART_ON_FAILURE, 0, NULL },
	{ "on-failure:x", 0, 0, "invalid restart policy: maximum retry count must be an integer" },
	{ "on-failure:", 0, 0, "invalid restart policy: maximum retry count must be an integer" },
	{ "on-failure:-1", 0, 0, "invalid restart policy: maximum retry count must be an integer" },
	{ "always:3", 0, 0,
	  "invalid restart policy: maximum retry count can only be used with 'on-failure'" },
	{ "alway", 0, 0, "invalid restart policy: unknown policy 'alway'" },
	{ "Always", 0, 0, "invalid restart policy: unknown policy 'Always'" },
	{ ":3", 0, 0, "invalid restart policy: unknown policy ''" },
};

static void test_parse(void)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		struct restart_policy p = { RESTART_MAX, 99 };
		struct err *e = restart_parse(policies[i].text, &p);

		if (policies[i].error) {
			ok(e && str_starts(e->text, policies[i].error), "'%s' is refused",
			   policies[i].text);
			ok(p.when == RESTART_MAX, "'%s' writes nothing", policies[i].text);
		} else {
			ok(!e && p.when == policies[i].when && p.max == policies[i].max, "'%s'",
			   policies[i].text);
		}
		err_free(e);
	}
}

static void test_delays(void)
{
	static const int64_t want[] = { 100,  200,   400,   800,   1600,  3200,
					6400, 12800, 25600, 51200, 60000, 60000 };
	struct restart_policy p = { RESTART_ALWAYS, 0 };
	struct restart_track t = { 0 };
	int64_t delay = 0;
	bool all = true;

	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		all &= restart_again(&p, &t, 0, 9999, false, &delay) && delay == want[i];
	ok(all, "100 ms, doubled up to a minute");
	ok(t.count == ARRAY_LEN(want), "every restart is counted");
	ok(restart_again(&p, &t, 0, 10000, false, &delay) && delay == 100,
	   "10 s of running: as at first");
	ok(restart_again(&p, &t, 0, 0, false, &delay) && delay == 200, "and doubled again");
	ok(!restart_again(&p, &t, 1, 0, true, &delay) && t.count == ARRAY_LEN(want) + 2,
	   "not when the user ended it");
}

static void test_conditions(void)
{
	struct restart_policy no = { 0 }, fail = { RESTART_ON_FAILURE, 0 },
			      twice = { RESTART_ON_FAILURE, 2 },
			      unless = { RESTART_UNLESS_STOPPED, 0 };
	struct restart_track t = { 0 };
	int64_t delay = -1;

	ok(!restart_again(&no, &t, 1, 0, false, &delay) && delay == -1, "no: never");
	ok(!restart_again(&fail, &t, 0, 0, false, &delay), "on-failure: success is the end");
	ok(restart_again(&fail, &t, 137, 0, false, &delay), "on-failure: a kill is a failure");
	ok(restart_again(&unless, &t, 0, 0, false, &delay), "unless-stopped: also after success");
	ok(!restart_again(&unless, &t, 0, 0, true, &delay), "unless-stopped: stopped");
	t = (struct restart_track){ 0 };
	ok(restart_again(&twice, &t, 1, 20000, false, &delay) &&
		   restart_again(&twice, &t, 1, 20000, false, &delay) &&
		   !restart_again(&twice, &t, 1, 20000, false, &delay),
	   "on-failure:2: two restarts, however long it ran");
}

static void test_pack(void)
{
	struct restart_policy p = { RESTART_ON_FAILURE, 100000000 },
			      q = restart_unpack(restart_pack(&p));

	ok(q.when == p.when && q.max == p.max, "a policy survives being packed");
	ok(restart_unpack(UINT32_MAX).when < RESTART_MAX, "any number is some policy");
}

int main(void)
{
	test_pack();
	test_parse();
	test_delays();
	test_conditions();
	return done_testing();
}
