/* cmd/limitopt.h -- the options of run, create and update that limit what a container may use. */
#ifndef CMD_LIMITOPT_H
#define CMD_LIMITOPT_H

#include "cmd/opt.h"
#include "core/box/limits.h"

/* For option tables; TO is the member of a struct limits. */
struct err *limitopt_cpus(const char *value, void *to) MUST_CHECK;
struct err *limitopt_cpuset(const char *value, void *to) MUST_CHECK;
struct err *limitopt_bytes(const char *value, void *to) MUST_CHECK;
struct err *limitopt_bytes_or_none(const char *value, void *to) MUST_CHECK; /* "-1": no limit */
struct err *limitopt_number(const char *value, void *to) MUST_CHECK;
struct err *limitopt_number_or_none(const char *value, void *to) MUST_CHECK;

/* Entries of an option table that fill the struct limits L. */
#define LIMIT_OPTS(l)                                                                                \
	{ 0,                                                                                         \
	  "blkio-weight",                                                                            \
	  "uint16",                                                                                  \
	  "Block IO (relative weight), between 10 and 1000",                                         \
	  OPT_CALL,                                                                                  \
	  &(l).blkio_weight,                                                                         \
	  limitopt_number },                                                                         \
		{ 'c',	    "cpu-shares",    "int",	     "CPU shares (relative weight)",         \
		  OPT_CALL, &(l).cpu_shares, limitopt_number },                                      \
		{ 0,                                                                                 \
		  "cpu-period",                                                                      \
		  "int",                                                                             \
		  "Microseconds over which --cpu-quota counts (default 100000)",                     \
		  OPT_CALL,                                                                          \
		  &(l).cpu_period,                                                                   \
		  limitopt_number },                                                                 \
		{ 0,                                                                                 \
		  "cpu-quota",                                                                       \
		  "int",                                                                             \
		  "Microseconds of CPU in each --cpu-period",                                        \
		  OPT_CALL,                                                                          \
		  &(l).cpu_quota,                                                                    \
		  limitopt_number_or_none },                                                         \
		{ 0, "cpus", "decimal", "Number of CPUs", OPT_CALL, &(l).nano_cpus, limitopt_cpus }, \
		{ 0,                                                                                 \
		  "cpuset-cpus",                                                                     \
		  "string",                                                                          \
		  "CPUs in which to allow execution (0-3, 0,1)",                                     \
		  OPT_CALL,                                                                          \
		  &(l).cpuset,                                                                       \
		  limitopt_cpuset },                                                                 \
		{ 'm', "memory", "bytes", "Memory limit", OPT_CALL, &(l).memory, limitopt_bytes },   \
		{ 0,	    "memory-reservation",    "bytes",	    "Memory soft limit",             \
		  OPT_CALL, &(l).memory_reservation, limitopt_bytes },                               \
		{ 0,                                                                                 \
		  "memory-swap",                                                                     \
		  "bytes",                                                                           \
		  "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",             \
		  OPT_CALL,                                                                          \
		  &(l).memory_swap,                                                                  \
		  limitopt_bytes_or_none },                                                          \
	{                                                                                            \
		0, "pids-limit", "int", "Tune container pids limit (set -1 for unlimited)",          \
			OPT_CALL, &(l).pids, limitopt_number_or_none                                 \
	}

#endif
