#include "core/box/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "tests/lib/tap.h"

static int top = -1;

static const char mounts[] =
	"23 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

static void test_place(void)
{
	char *root, *own;

	cgroup_place(mounts, "0::/user.slice/a b/x.scope\n", &root, &own);
	is_str(root, "/sys/fs/cgroup", "where it is mounted");
	is_str(own, "/user.slice/a b/x.scope", "our place");
	free(root);
	free(own);
	cgroup_place(mounts, "4:memory:/x\n0::/\n", &root, &own);
	is_str(own, "/", "the top, beside version 1");
	free(root);
	free(own);
	cgroup_place("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "0::/\n", &root, &own);
	ok(!root && !own, "not mounted");
	cgroup_place("30 23 0:26 /part /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n", &root, &own);
	ok(!root && !own, "a part of it is mounted");
	cgroup_place(mounts, "4:memory:/x\n", &root, &own);
	ok(!root && !own, "version 1 alone");
	cgroup_place("", "", &root, &own);
	ok(!root && !own, "nothing");
}

static void file(const char *path, const char *text, mode_t mode)
{
	int fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
		ok(false, "making %s", path);
	close(fd);
}

static void group(const char *path, const char *has, const char *passes, mode_t procs)
{
	_cleanup_free_ char *a = xasprintf("%s/cgroup.controllers", path),
			    *b = xasprintf("%s/cgroup.subtree_control", path),
			    *c = xasprintf("%s/cgroup.procs", path);

	mkdirat(top, path, 0755);
	file(a, has, 0444);
	file(b, passes, 0644);
	file(c, "", procs);
}

/* The name of the directory that was chosen. */
static char *chosen(const char *own, const struct limits *l)
{
	_cleanup_close_ int dir = cgroup_parent(top, own, l);
	_cleanup_free_ char *link = NULL;
	char path[4096];
	ssize_t n;

	if (dir < 0)
		return xstrdup("none");
	link = xasprintf("/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return xstrdup(strrchr(path, '/') + 1);
}

static void is_chosen(const char *own, struct limits l, const char *want, const char *what)
{
	_cleanup_free_ char *got = chosen(own, &l);

	is_str(got, want, "%s", what);
}

static char *content(int dir, const char *name)
{
	char *text = NULL;

	err_free(fd_read_file(dir, name, 4096, &text, NULL));
	return text ? text : xstrdup("(none)");
}

static void test_parent(void)
{
	_cleanup_free_ char *turned_on = NULL;

	group("user", "memory pids cpu", "memory pids\n", 0644);
	group("user/app", "memory pids", "", 0644);
	group("user/app/x.scope", "memory pids", "", 0644);
	is_chosen("/user/app/x.scope", (struct limits){ .memory = 1 }, "app", "the parent of our own");
	turned_on = content(top, "user/app/cgroup.subtree_control");
	is_str(turned_on, "+memory", "is told to pass it on");
	is_chosen("/user/app/x.scope", (struct limits){ .nano_cpus = 1 }, "user",
		  "the nearest that has the controller");
	is_chosen("/user/app/x.scope", (struct limits){ .blkio_weight = 10 }, "none",
		  "no io controller anywhere");
	is_chosen("/user/app/x.scope", (struct limits){ .pids = 5, .blkio_weight = 10 }, "app",
		  "processes without io");
	is_chosen("/user/app/x.scope", (struct limits){ .memory = 1, .nano_cpus = 1 }, "user",
		  "all of them rather than the nearest");
	is_chosen("/gone/x", (struct limits){ .memory = 1 }, "none", "a place that is not there");
}

static void test_apply(void)
{
	static const char *const files[] = { "memory.max",  "memory.low", "memory.swap.max",
					     "pids.max",    "cpu.weight", "cpu.max",
					     "cpuset.cpus", "io.weight" };
	static const char *const want[] = { "67108864", "8388608",	 "33554432", "20",
					    "20",	"150000 100000", "0-1",	     "default 910" };
	struct limits l = { .memory = 64 << 20,
			    .memory_swap = 96 << 20,
			    .memory_reservation = 8 << 20,
			    .pids = 20,
			    .cpu_shares = 512,
			    .nano_cpus = 1500000000,
			    .cpuset = (char *)"0-1",
			    .blkio_weight = 100 };
	_cleanup_close_ int dir = -1;

	mkdirat(top, "box", 0755);
	dir = openat(top, "box", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path = xasprintf("box/%s", files[i]);

		file(path, "", 0644);
	}
	file("box/cgroup.controllers", "memory pids\n", 0444);
	is_err(cgroup_apply(dir, &l), NULL, "what these controllers keep");
	{
		_cleanup_free_ char *max = content(dir, "pids.max"), *cpu = content(dir, "cpu.max");
		struct limits left = cgroup_left(dir, &l);

		is_str(max, "20", "is written");
		is_str(cpu, "", "the rest is not");
		ok(left.nano_cpus == l.nano_cpus && left.cpu_shares == l.cpu_shares &&
			   left.cpuset == l.cpuset && left.blkio_weight == l.blkio_weight,
		   "but told");
		ok(!left.memory && !left.pids, "and no more than that");
	}
	file("box/cgroup.controllers", "cpuset cpu io memory pids\n", 0444);
	is_err(cgroup_apply(dir, &l), NULL, "all limits");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *got = content(dir, files[i]);

		is_str(got, want[i], "%s", files[i]);
	}
	file("box/memory.swap.max", "", 0644);
	l.memory_swap = -1;
	is_err(cgroup_apply(dir, &l), NULL, "swap without limit");
	{
		_cleanup_free_ char *got = content(dir, "memory.swap.max");

		is_str(got, "max", "is max");
	}
	unlinkat(dir, "memory.swap.max", 0);
	is_err(cgroup_apply(dir, &l), NULL, "a kernel without accounting of swap");
	unlinkat(dir, "memory.max", 0);
	is_err(cgroup_apply(dir, &l), "setting the limits: opening memory.max: *",
	       "without the controller");
	is_int(cgroup_oom_kills(dir), 0, "no events");
	file("box/memory.events", "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n", 0644);
	is_int(cgroup_oom_kills(dir), 2, "two were killed");
}

/* The real thing, where it can be had: a process is moved into a cgroup and the cgroup removed. */
static void test_real(void)
{
	static const struct limits none = { 0 };
	int parent = -1, dir = -1;
	pid_t pid = fork();
	struct err *e;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	e = cgroup_enter("devbox-unit-test", &none, pid, &parent, &dir);
	if (!e) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/cgroup", (int)pid),
				    *text = content(AT_FDCWD, path);

		ok(strstr(text, "/devbox-unit-test\n") != NULL, "the process is in its cgroup");
		proc_kill_and_reap(pid);
		ok(unlinkat(parent, "devbox-unit-test", AT_REMOVEDIR) == 0,
		   "which can be removed when it has ended");
		close(dir);
		close(parent);
		return;
	}
	proc_kill_and_reap(pid);
	ok(true, "no cgroup can be made here");
	err_free(e);
}

int main(void)
{
	char path[] = "/tmp/test_cgroup.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_place();
	test_parent();
	test_apply();
	test_real();
	err_free(fd_rm_tree(AT_FDCWD, path));
	return done_testing();
}
