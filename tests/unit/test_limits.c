#include "core/box/limits.h"

#include "tests/lib/tap.h"

static const struct {
	struct limits l;
	const char *err;
} checks[] = {
	{ { 0 }, NULL },
	{ { .memory = 64 << 20 }, NULL },
	{ { .memory = 1 << 20 }, "Minimum memory limit allowed is 6MB" },
	{ { .memory_swap = 64 << 20 },
	  "You should always set the Memory limit when using Memoryswap limit, see usage" },
	{ { .memory = 64 << 20, .memory_swap = 32 << 20 },
	  "Minimum memoryswap limit should be larger than memory limit, see usage" },
	{ { .memory = 64 << 20, .memory_swap = -1 }, NULL },
	{ { .memory = 64 << 20, .memory_reservation = 65 << 20 },
	  "Minimum memory limit can not be less than memory reservation limit, see usage" },
	{ { .memory_reservation = 1 << 20 }, "Minimum memory reservation allowed is 6MB" },
	{ { .nano_cpus = 4000000000 }, NULL },
	{ { .nano_cpus = 4000000001 },
	  "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available" },
	{ { .nano_cpus = 1 }, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available" },
	{ { .cpu_quota = 50000 }, NULL },
	{ { .cpu_quota = -1 }, NULL },
	{ { .cpu_quota = 999 }, "CPU cfs quota can not be less than 1ms (i.e. 1000)" },
	{ { .cpu_period = 999 },
	  "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)" },
	{ { .nano_cpus = 1000000000, .cpu_quota = 1000 },
	  "Conflicting options: Nano CPUs and CPU Quota cannot both be set" },
	{ { .nano_cpus = 1000000000, .cpu_period = 1000 },
	  "Conflicting options: Nano CPUs and CPU Period cannot both be set" },
	{ { .blkio_weight = 9 }, "Range of blkio weight is from 10 to 1000" },
	{ { .cpu_shares = 262145 }, "Range of CPU shares is from 2 to 262144" },
	{ { .cpuset = (char *)"0-3" }, NULL },
	{ { .cpuset = (char *)"1,4" },
	  "Requested CPUs are not available - requested 1,4, available: 0-3" },
	{ { .cpuset = (char *)"x" }, "Invalid value x for cpuset cpus" },
};

static const struct {
	const char *text;
	uint64_t low; /* the first 64 */
	const char *err;
} sets[] = {
	{ "0", 1, NULL },
	{ "0-2,4", 0x17, NULL },
	{ "63,0", UINT64_C(1) << 63 | 1, NULL },
	{ "", 0, "Invalid value  for cpuset cpus" },
	{ "1-", 0, "Invalid value 1- for cpuset cpus" },
	{ "2-1", 0, "Invalid value 2-1 for cpuset cpus" },
	{ "1,", 0, "Invalid value 1, for cpuset cpus" },
	{ "1024", 0, "Invalid value 1024 for cpuset cpus" },
	{ "99999999999", 0, "Invalid value 99999999999 for cpuset cpus" },
	{ "0 1", 0, "Invalid value 0 1 for cpuset cpus" },
};

static const struct {
	const char *text;
	int64_t nano;
} cpus[] = {
	{ "1", 1000000000 },   { "1.5", 1500000000 },
	{ ".25", 250000000 },  { "2.", 2000000000 },
	{ "0.000000001", 1 },  { "", -1 },
	{ ".", -1 },	       { "-1", -1 },
	{ "1e3", -1 },	       { "0.1234567891", -1 },
	{ "99999999999", -1 },
};

static void test_nano(void)
{
	is_int(limits_nano_cpus(&(struct limits){ .nano_cpus = 5 }), 5, "as --cpus");
	is_int(limits_nano_cpus(&(struct limits){ .cpu_quota = 50000 }), 500000000,
	       "of the usual period");
	is_int(limits_nano_cpus(&(struct limits){ .cpu_quota = 3000, .cpu_period = 2000 }),
	       1500000000, "of another");
	is_int(limits_nano_cpus(&(struct limits){ .cpu_quota = -1, .cpu_period = 2000 }), 0,
	       "without a quota");
}

int main(void)
{
	test_nano();
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct limits l;

		limits_copy(&l, &checks[i].l);
		is_err(limits_check(&l, 4), checks[i].err, "check %zu", i);
		if (i == 1)
			is_int(l.memory_swap, 128 << 20, "as much swap as memory");
		limits_done(&l);
	}
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		struct cpus set = { 0 };

		is_err(cpuset_parse(sets[i].text, &set), sets[i].err, "set '%s'", sets[i].text);
		ok(set.bits[0] == sets[i].low, "has its bits");
	}
	for (size_t i = 0; i < ARRAY_LEN(cpus); i++) {
		int64_t nano = -1;
		struct err *e = cpus_parse(cpus[i].text, &nano);

		ok(!e == (cpus[i].nano >= 0), "CPUs '%s'", cpus[i].text);
		is_int(nano, cpus[i].nano, "billionths");
		err_free(e);
	}
	is_int(limits_cpu_weight(2), 1, "least shares");
	is_int(limits_cpu_weight(1024), 39, "usual shares");
	is_int(limits_cpu_weight(262144), 10000, "most shares");
	is_int(limits_io_weight(10), 1, "least io");
	is_int(limits_io_weight(1000), 10000, "most io");
	is_int(limits_nice(1024), 0, "usual niceness");
	is_int(limits_nice(4096), 0, "never below");
	is_int(limits_nice(512), 4, "half the shares");
	is_int(limits_nice(2), 19, "least");
	is_int(limits_io_level(1000), 0, "first");
	is_int(limits_io_level(500), 4, "as usual");
	is_int(limits_io_level(10), 7, "last");
	{
		struct limits l = { .memory = 1, .pids = -1, .cpuset = (char *)"0" }, back = { 0 };
		struct json_out o;
		_cleanup_free_ char *text = NULL;
		_cleanup_json_ json *j = NULL;
		size_t len;

		ok(limits_any(&l) && !limits_any(&back), "any");
		json_out_init(&o, false);
		json_open(&o, NULL, '{');
		limits_put(&l, &o);
		json_close(&o, '}');
		text = json_out_take(&o, &len);
		is_err(json_parse(text, len, "x", &j), NULL, "a record");
		limits_get(j, &back);
		ok(back.memory == 1 && back.pids == -1 && !back.nano_cpus, "is read back");
		is_str(back.cpuset, "0", "and its text");
		limits_done(&back);
	}
	return done_testing();
}
