#include "core/box/softlimit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>

#include "core/base/proc.h"
#include "tests/lib/tap.h"

static const char rollup[] = "00400000-7ffd6d5f5000 ---p 00000000 00:00 0   [rollup]\n"
			     "Rss:                9000 kB\n"
			     "Pss:                5000 kB\n"
			     "Pss_Dirty:          1000 kB\n"
			     "Pss_Anon:           1500 kB\n"
			     "Pss_File:           3000 kB\n"
			     "Pss_Shmem:           500 kB\n"
			     "Swap:                 70 kB\n"
			     "SwapPss:              40 kB\n";

int main(void)
{
	struct limits l = { .memory = 1 }, much = { .memory = INT64_MAX, .pids = INT32_MAX },
		      one = { .pids = 1 };
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = -1;
	pid_t pid;

	is_int(softlimit_used(rollup), 2040 << 10, "what the kernel cannot drop");
	is_int(softlimit_used(""), 0, "a process that has ended");
	ok(softlimit_watched(&l) && !softlimit_watched(&(struct limits){ .nano_cpus = 1, .pids = -1 }),
	   "what needs a look");
	is_int(softlimit_look(proc, &much), SOFTLIMIT_KEPT, "kept");
	is_int(softlimit_look(proc, &l), SOFTLIMIT_MEMORY, "too much memory");
	is_int(softlimit_look(proc, &one), SOFTLIMIT_PIDS, "too many processes");
	close(proc);
	pid = fork();
	if (pid == 0) {
		struct limits set = { .nano_cpus = 500000000, .cpu_shares = 512, .blkio_weight = 100 };
		struct err *e = softlimit_apply(getpid(), &set);
		cpu_set_t cpus;

		if (e || sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
			_exit(1);
		if (CPU_COUNT(&cpus) != 1)
			_exit(2);
		_exit(getpriority(PRIO_PROCESS, 0) < 4 ? 3 : 0);
	}
	is_err(proc_wait_pid(pid, &status), NULL, "a process with limits");
	is_int(status, 0, "has one CPU and is nice");
	return done_testing();
}
