#include "core/box/limits.h"

#include <stddef.h>
#include <stdlib.h>

const char *const limits_mode_names[] = { "none", "cgroup", "soft" };
_Static_assert(ARRAY_LEN(limits_mode_names) == LIMITS_MODE_MAX, "a name for every mode");

enum { MEMORY_MIN = 6 << 20, SHARES_NORMAL = 1024 };
#define NANO INT64_C(1000000000)

static const struct {
	const char *key;
	size_t at;
} numbers[] = {
	{ "memory", offsetof(struct limits, memory) },
	{ "memory_swap", offsetof(struct limits, memory_swap) },
	{ "memory_reservation", offsetof(struct limits, memory_reservation) },
	{ "nano_cpus", offsetof(struct limits, nano_cpus) },
	{ "cpu_period", offsetof(struct limits, cpu_period) },
	{ "cpu_quota", offsetof(struct limits, cpu_quota) },
	{ "cpu_shares", offsetof(struct limits, cpu_shares) },
	{ "pids", offsetof(struct limits, pids) },
	{ "blkio_weight", offsetof(struct limits, blkio_weight) },
};

bool limits_any(const struct limits *l)
{
	return l->memory || l->memory_swap > 0 || l->memory_reservation || limits_nano_cpus(l) ||
	       l->cpu_shares || l->pids > 0 || l->blkio_weight || l->cpuset;
}

static struct err *check_memory(struct limits *l)
{
	if (l->memory && l->memory < MEMORY_MIN)
		return err_new(0, "Minimum memory limit allowed is 6MB");
	if (l->memory_swap > 0 && !l->memory)
		return err_new(0, "You should always set the Memory limit when using Memoryswap limit, see usage");
	if (l->memory_swap > 0 && l->memory_swap < l->memory)
		return err_new(0, "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (l->memory_reservation && l->memory_reservation < MEMORY_MIN)
		return err_new(0, "Minimum memory reservation allowed is 6MB");
	if (l->memory && l->memory_reservation > l->memory)
		return err_new(0, "Minimum memory limit can not be less than memory reservation limit, see usage");
	if (l->memory && !l->memory_swap)
		l->memory_swap = l->memory > INT64_MAX / 2 ? -1 : 2 * l->memory;
	return NULL;
}

int64_t limits_nano_cpus(const struct limits *l)
{
	return l->nano_cpus
		       ?: l->cpu_quota > 0
			  ? l->cpu_quota * 1000 / (l->cpu_period ?: CPU_PERIOD_US) * 1000000
			  : 0;
}

static struct err *check_cpus(const struct limits *l, unsigned cpus)
{
	if (l->nano_cpus && (l->cpu_period || l->cpu_quota))
		return err_new(0, "Conflicting options: Nano CPUs and CPU %s cannot both be set",
			       l->cpu_period ? "Period" : "Quota");
	if (l->nano_cpus && (l->nano_cpus < NANO / 100 || l->nano_cpus > cpus * NANO))
		return err_new(0, "Range of CPUs is from 0.01 to %u.00, as there are only %u CPUs available",
			       cpus, cpus);
	if (l->cpu_period && (l->cpu_period < 1000 || l->cpu_period > 1000000))
		return err_new(0, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s "
				  "(i.e. 1000000)");
	if (l->cpu_quota > 0 && l->cpu_quota < 1000)
		return err_new(0, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	return NULL;
}

static struct err *check_cpuset(const struct limits *l, unsigned cpus)
{
	struct cpus set;
	struct err *e;

	if (!l->cpuset)
		return NULL;
	e = cpuset_parse(l->cpuset, &set);
	for (unsigned i = cpus; !e && i < CPUS_MAX; i++)
		if (set.bits[i / 64] & UINT64_C(1) << i % 64)
			e = err_new(0, "Requested CPUs are not available - requested %s, available: 0-%u",
				    l->cpuset, cpus - 1);
	return e;
}

struct err *limits_check(struct limits *l, unsigned cpus)
{
	struct err *e = check_memory(l);

	e = e ?: check_cpus(l, cpus);
	if (!e && l->blkio_weight && (l->blkio_weight < 10 || l->blkio_weight > 1000))
		e = err_new(0, "Range of blkio weight is from 10 to 1000");
	if (!e && (l->cpu_shares < 0 || l->cpu_shares > 262144))
		e = err_new(0, "Range of CPU shares is from 2 to 262144");
	return e ?: check_cpuset(l, cpus);
}

void limits_copy(struct limits *to, const struct limits *from)
{
	*to = *from;
	to->cpuset = xstrdup(from->cpuset);
}

void limits_merge(struct limits *l, const struct limits *set)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		int64_t n = *(const int64_t *)(const void *)((const char *)set + numbers[i].at);

		if (n)
			*(int64_t *)(void *)((char *)l + numbers[i].at) = n;
	}
	if (set->cpuset) {
		free(l->cpuset);
		l->cpuset = xstrdup(set->cpuset);
	}
}

void limits_done(struct limits *l)
{
	free(l->cpuset);
	*l = (struct limits){ 0 };
}

void limits_put(const struct limits *l, struct json_out *o)
{
	json_open(o, "limits", '{');
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		json_put_int_if(o, numbers[i].key,
				*(const int64_t *)(const void *)((const char *)l + numbers[i].at));
	json_put_str_if(o, "cpuset", l->cpuset);
	json_close(o, '}');
}

void limits_get(json *record, struct limits *ret)
{
	json *j = json_get(record, "limits");

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*(int64_t *)(void *)((char *)ret + numbers[i].at) = json_int(j, numbers[i].key, 0);
	ret->cpuset = xstrdup(json_str(j, "cpuset"));
}

struct err *cpus_parse(const char *text, int64_t *ret_nano)
{
	int64_t whole = 0, part = 0, unit = NANO;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && whole < 1000000; p++)
		whole = whole * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && unit > 1; p++)
			part += (*p - '0') * (unit /= 10);
	if (!*text || *p || !strcmp(text, "."))
		return err_new(0, "failed to parse %s as a rational number", text);
	*ret_nano = whole * NANO + part;
	return NULL;
}

static bool take_cpu(const char **p, unsigned *ret)
{
	unsigned n = 0;
	const char *begin = *p;

	for (; **p >= '0' && **p <= '9' && n < CPUS_MAX; ++*p)
		n = n * 10 + (unsigned)(**p - '0');
	*ret = n;
	return *p > begin && n < CPUS_MAX;
}

struct err *cpuset_parse(const char *text, struct cpus *ret)
{
	struct cpus set = { 0 };
	const char *p = text;

	do {
		unsigned first, last;

		if (!take_cpu(&p, &first))
			goto bad;
		last = first;
		if (*p == '-') {
			p++;
			if (!take_cpu(&p, &last) || last < first)
				goto bad;
		}
		for (; first <= last; first++)
			set.bits[first / 64] |= UINT64_C(1) << first % 64;
	} while (*p == ',' && p++);
	if (*p)
		goto bad;
	*ret = set;
	return NULL;
bad:
	return err_new(0, "Invalid value %s for cpuset cpus", text);
}

/* The kernel's own translation of v1 into v2, as runc has it. */
unsigned limits_cpu_weight(int64_t shares)
{
	if (shares < 2)
		shares = 2;
	return (unsigned)(1 + (shares - 2) * 9999 / 262142);
}

unsigned limits_io_weight(int64_t blkio_weight)
{
	return (unsigned)(1 + (blkio_weight - 10) * 9999 / 990);
}

/* One step of niceness is a factor of about 1.25 (sched(7)).  Nobody without privileges may go
 * below 0. */
int limits_nice(int64_t shares)
{
	int64_t at = SHARES_NORMAL * 1000;
	int nice = 0;

	while (nice < 19 && shares * 1000 < at) {
		at = at * 4 / 5;
		nice++;
	}
	return nice;
}

int limits_io_level(int64_t blkio_weight)
{
	int level = (int)(7 - blkio_weight * 7 / 1000);

	return level < 0 ? 0 : level;
}
