/* core/box/limits.h -- what a container may use: --memory, --cpus and their like, as asked for.
 * Pure, no I/O; how they are
 * kept is cgroup.h (by the kernel) and softlimit.h (by the monitor). */
#ifndef CORE_BOX_LIMITS_H
#define CORE_BOX_LIMITS_H

#include "core/base/json.h"

/* Zero means no limit everywhere. */
struct limits {
	int64_t memory; /* bytes */
	int64_t memory_swap; /* memory and swap together; -1: swap without limit */
	int64_t memory_reservation;
	int64_t nano_cpus; /* 1500000000: one and a half */
	int64_t cpu_period,
		cpu_quota; /* the same as QUOTA microseconds of CPU in each PERIOD; quota -1: none */
	int64_t cpu_shares; /* 1024 is what all others have */
	int64_t pids; /* -1: asked for none */
	int64_t blkio_weight; /* 10 to 1000; 500 is what all others have */
	char *cpuset; /* "0-2,4", or NULL */
};

enum limits_mode { LIMITS_NONE, LIMITS_CGROUP, LIMITS_SOFT, LIMITS_MODE_MAX };
extern const char *const limits_mode_names[]; /* "none", "cgroup", "soft" */

enum { CPUS_MAX = 1024, CPU_PERIOD_US = 100000 };
struct cpus {
	uint64_t bits[CPUS_MAX / 64];
};

bool limits_any(const struct limits *l);
/* Docker's rules and words: the least memory, swap not below memory, CPUS of this machine, ...
 * Sets memory_swap to twice
 * the memory if only that was given. */
struct err *limits_check(struct limits *l, unsigned cpus) MUST_CHECK;
void limits_copy(struct limits *to, const struct limits *from);
/* What SET has takes the place of what L has. */
void limits_merge(struct limits *l, const struct limits *set);
void limits_done(struct limits *l);
/* Member "limits" of a record. */
void limits_put(const struct limits *l, struct json_out *o);
void limits_get(json *record, struct limits *ret);

/* "1.5" -> 1500000000. */
struct err *cpus_parse(const char *text, int64_t *ret_nano) MUST_CHECK;
/* "0-2,4" */
struct err *cpuset_parse(const char *text, struct cpus *ret) MUST_CHECK;

/* As --cpus or as quota and period, whichever was asked for; 0: neither. */
int64_t limits_nano_cpus(const struct limits *l);

/* As cgroup v2 has them. */
unsigned limits_cpu_weight(int64_t shares); /* 1 to 10000, 100 is normal */
unsigned limits_io_weight(int64_t blkio_weight); /* the same */
/* As processes have them. */
int limits_nice(int64_t shares); /* 0 to 19 */
int limits_io_level(int64_t blkio_weight); /* best effort class: 0 (first) to 7 */

#endif
