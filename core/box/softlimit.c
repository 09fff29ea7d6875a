#include "core/box/softlimit.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "core/base/fd.h"

/* ioprio_set(2) has no header */
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_CLASS_BE = 2, TEXT_MAX = 4096 };

/* The first CPUs of those that PID may use now; from a place that differs from container to
 * container. */
static void choose_cpus(pid_t pid, int64_t nano_cpus, cpu_set_t *set)
{
	int want = (int)((nano_cpus + 999999999) / 1000000000), have = CPU_COUNT(set), skip, taken = 0;
	cpu_set_t chosen;

	if (!nano_cpus || have <= want)
		return;
	CPU_ZERO(&chosen);
	skip = (int)(pid % have);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CPU_SETSIZE && taken < want; i++)
			if (CPU_ISSET(i, set) && !CPU_ISSET(i, &chosen) && skip-- <= 0) {
				CPU_SET(i, &chosen);
				taken++;
			}
	*set = chosen;
}

static struct err *set_cpus(pid_t pid, const struct limits *l)
{
	struct cpus asked;
	cpu_set_t set;
	struct err *e;

	if (!l->cpuset && !limits_nano_cpus(l))
		return NULL;
	if (sched_getaffinity(pid, sizeof(set), &set) < 0)
		return err_new(errno, "asking for the CPUs");
	if (l->cpuset) {
		e = cpuset_parse(l->cpuset, &asked);
		if (e)
			return e;
		for (size_t i = 0; i < CPUS_MAX && i < CPU_SETSIZE; i++)
			if (asked.bits[i / 64] & UINT64_C(1) << i % 64)
				CPU_SET(i, &set);
			else
				CPU_CLR(i, &set);
	}
	choose_cpus(pid, limits_nano_cpus(l), &set);
	return sched_setaffinity(pid, sizeof(set), &set) < 0 ? err_new(errno, "setting the CPUs") : NULL;
}

struct err *softlimit_apply(pid_t pid, const struct limits *l)
{
	struct err *e = set_cpus(pid, l);
	int nice = l->cpu_shares ? limits_nice(l->cpu_shares) : 0;

	errno = 0;
	if (!e && nice && getpriority(PRIO_PROCESS, (id_t)pid) < nice && errno == 0 &&
	    setpriority(PRIO_PROCESS, (id_t)pid, nice) < 0)
		e = err_new(errno, "setting the niceness");
	if (!e && l->blkio_weight &&
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
		    IOPRIO_CLASS_BE << IOPRIO_CLASS_SHIFT | limits_io_level(l->blkio_weight)) < 0)
		e = err_new(errno, "setting the io priority");
	return e;
}

void softlimit_inherit(pid_t pid)
{
	cpu_set_t set;
	int nice, io;

	if (sched_getaffinity(pid, sizeof(set), &set) == 0)
		(void)sched_setaffinity(0, sizeof(set), &set); /* best effort */
	nice = getpriority(PRIO_PROCESS, (id_t)pid);
	if (nice > getpriority(PRIO_PROCESS, 0))
		setpriority(PRIO_PROCESS, 0, nice);
	io = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid);
	if (io > 0)
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, io);
}

bool softlimit_watched(const struct limits *l)
{
	return l->memory || l->pids > 0;
}

struct err *softlimit_open(pid_t pid, int *ret_proc)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/root/proc", (int)pid);
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	struct err *e = fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);

	if (e)
		return e;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_new(0, "the container's /proc is none");
	*ret_proc = TAKE_FD(fd);
	return NULL;
}

/* A text of at most TEXT_MAX - 1 bytes; the container may have mounted anything over it, which is
 * not entered. */
static bool read_entry(int proc, const char *pid, const char *file, char buf[TEXT_MAX])
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
	char path[64];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%.20s/%s", pid, file);
	fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));
	n = fd < 0 ? -1 : read(fd, buf, TEXT_MAX - 1);
	if (n < 0)
		return false; /* it has ended meanwhile */
	buf[n] = '\0';
	return true;
}

static uint64_t kb_of(const char *text, const char *key)
{
	const char *p = str_starts(text, key) ? text : NULL;

	if (!p) {
		_cleanup_free_ char *line = xasprintf("\n%s", key);

		p = strstr(text, line);
		p = p ? p + 1 : NULL;
	}
	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

uint64_t softlimit_used(const char *smaps_rollup)
{
	uint64_t pss = kb_of(smaps_rollup, "Pss:"), file = kb_of(smaps_rollup, "Pss_File:");

	return ((pss > file ? pss - file : 0) + kb_of(smaps_rollup, "SwapPss:")) << 10;
}

/* Called for each process of the container. */
struct sum {
	uint64_t pages, used, threads;
};

static void count(int proc, const char *pid, bool exact, struct sum *s)
{
	char buf[TEXT_MAX];
	const char *p;

	if (exact) {
		if (read_entry(proc, pid, "smaps_rollup", buf))
			s->used += softlimit_used(buf);
		return;
	}
	if (read_entry(proc, pid, "statm", buf)) {
		p = strchr(buf, ' ');
		s->pages += p ? strtoull(p, NULL, 10) : 0;
	}
	/* field 20 of proc_pid_stat(5), counted from behind the name, which is field 2 */
	if (read_entry(proc, pid, "stat", buf)) {
		p = strrchr(buf, ')');
		for (int i = 2; p && i < 20; i++)
			p = strchr(p + 1, ' ');
		s->threads += p ? strtoull(p, NULL, 10) : 1;
	}
}

static void count_all(int proc, bool exact, struct sum *s)
{
	_cleanup_dir_ DIR *d = fd_opendir(proc);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9')
			count(proc, de->d_name, exact, s);
}

enum softlimit softlimit_look(int proc, const struct limits *l)
{
	struct sum s = { 0 };

	count_all(proc, false, &s);
	if (l->pids > 0 && s.threads > (uint64_t)l->pids)
		return SOFTLIMIT_PIDS;
	/* resident pages count shared ones several times: only above the limit is the dearer
	 * question asked */
	if (l->memory && s.pages * (uint64_t)sysconf(_SC_PAGESIZE) > (uint64_t)l->memory)
		count_all(proc, true, &s);
	return l->memory && s.used > (uint64_t)l->memory ? SOFTLIMIT_MEMORY : SOFTLIMIT_KEPT;
}
