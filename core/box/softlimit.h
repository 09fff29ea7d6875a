/* core/box/softlimit.h -- limits without cgroups: what a process can be given from outside
 * (affinity, niceness, io priority),
 * and a look at the container's processes now and then.
 *
 * Memory is the sum of what the processes hold alone or share between them (Pss without the part
 * backed by files, which
 * the kernel can drop; with swap).  A program that is faster than the next look can go above the
 * limit for that long. */
#ifndef CORE_BOX_SOFTLIMIT_H
#define CORE_BOX_SOFTLIMIT_H

#include <sys/types.h>

#include "core/box/limits.h"

enum { SOFTLIMIT_MS = 200 };

/* For PID and its descendants to come. */
struct err *softlimit_apply(pid_t pid, const struct limits *l) MUST_CHECK;
/* The same for the calling process, taken over from PID: for exec. */
void softlimit_inherit(pid_t pid);
/* Does it need looking at? */
bool softlimit_watched(const struct limits *l);
/* The container's own /proc, by its first process; its entries are the container's processes. */
struct err *softlimit_open(pid_t pid, int *ret_proc) MUST_CHECK;

enum softlimit { SOFTLIMIT_KEPT, SOFTLIMIT_MEMORY, SOFTLIMIT_PIDS };
enum softlimit softlimit_look(int proc, const struct limits *l);

/* Pure: Pss, less Pss_File, plus SwapPss, of a text as smaps_rollup has it, in bytes. */
uint64_t softlimit_used(const char *smaps_rollup);

#endif
