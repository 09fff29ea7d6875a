#include "cmd/limitopt.h"

#include <stdlib.h>

struct err *limitopt_cpus(const char *value, void *to)
{
	return cpus_parse(value, to);
}

struct err *limitopt_cpuset(const char *value, void *to)
{
	struct cpus set;
	struct err *e = cpuset_parse(value, &set);

	if (!e) {
		free(*(char **)to);
		*(char **)to = xstrdup(value);
	}
	return e;
}

struct err *limitopt_bytes(const char *value, void *to)
{
	uint64_t n;
	struct err *e = str_to_size(value, &n);

	if (!e)
		*(int64_t *)to = (int64_t)n;
	return e;
}

struct err *limitopt_number(const char *value, void *to)
{
	uint64_t n;
	struct err *e = str_to_u64(value, 0, INT32_MAX, &n);

	if (!e)
		*(int64_t *)to = (int64_t)n;
	return e;
}

struct err *limitopt_bytes_or_none(const char *value, void *to)
{
	if (strcmp(value, "-1"))
		return limitopt_bytes(value, to);
	*(int64_t *)to = -1;
	return NULL;
}

struct err *limitopt_number_or_none(const char *value, void *to)
{
	if (strcmp(value, "-1"))
		return limitopt_number(value, to);
	*(int64_t *)to = -1;
	return NULL;
}
