#include "core/box/caps.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static void test_parse(void)
{
	uint64_t m = 0;

	is_int(caps_default(), 0xa80425fb, "Docker's fourteen");
	is_err(caps_parse("NET_ADMIN", &m), NULL, "short name");
	is_int(m, UINT64_C(1) << CAP_NET_ADMIN, "its bit");
	is_err(caps_parse("cap_checkpoint_restore", &m), NULL, "long name in lower case");
	is_int(m, UINT64_C(1) << CAP_CHECKPOINT_RESTORE, "its bit");
	is_err(caps_parse("CAP_CHOWN", &m), NULL, "long name");
	is_int(m, 1, "its bit");
	is_err(caps_parse("all", &m), NULL, "all of them");
	is_int(m, (UINT64_C(1) << 41) - 1, "41 bits");
	is_err(caps_parse("net_admim", &m),
	       "'net_admim' is not a capability (hint: did you mean NET_ADMIN?)", "typo");
	is_err(caps_parse("", &m), "'' is not a capability", "empty");
	is_err(caps_parse("CAP_", &m), "'CAP_' is not a capability", "only the prefix");
}

struct seen {
	uint64_t bounding, permitted, effective, inheritable;
	uid_t uid;
	gid_t gid;
	int n_groups;
	gid_t groups[8];
	char error[200];
};

static void look(struct seen *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	syscall(SYS_capget, &head, d);
	s->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	s->effective = d[0].effective | (uint64_t)d[1].effective << 32;
	s->inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	for (unsigned cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			s->bounding |= UINT64_C(1) << cap;
	s->uid = getuid();
	s->gid = getgid();
	s->n_groups = getgroups(ARRAY_LEN(s->groups), s->groups);
}

static void write_map(pid_t pid, const char *file, const char *text)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", pid, file);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# cannot write %s: %m\n", path);
}

struct job {
	bool range; /* map 65536 ids (only root may), else one */
	uid_t uid;
	gid_t gid, groups[3];
	size_t n_groups;
};

/* Runs caps_bound() and caps_become() as root of a fresh user namespace; false: no user namespaces here. */
static bool become(const struct job *j, struct seen *s)
{
	int go[2], up[2], status;
	char c = 0;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		struct err *e;

		c = unshare(CLONE_NEWUSER) == 0;
		if (write(up[1], &c, 1) != 1 || read(go[0], &c, 1) != 1 || !c)
			_exit(77);
		if (j->range && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
			_exit(78);
		e = caps_bound(caps_default());
		e = e ?: caps_become(j->uid, j->gid, j->groups, j->n_groups, caps_default());
		if (e)
			snprintf(s->error, sizeof(s->error), "%s", e->text);
		look(s);
		_exit(0);
	}
	if (read(up[0], &c, 1) == 1 && c && j->range) {
		write_map(pid, "uid_map", "0 100000 65536");
		write_map(pid, "gid_map", "0 100000 65536");
	} else if (c) {
		_cleanup_free_ char *uids = xasprintf("0 %u 1", geteuid()),
				    *gids = xasprintf("0 %u 1", getegid());

		write_map(pid, "setgroups", "deny");
		write_map(pid, "uid_map", uids);
		write_map(pid, "gid_map", gids);
	}
	if (write(go[1], &c, 1) != 1)
		c = 0;
	waitpid(pid, &status, 0);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(up[i]);
	}
	return status == 0;
}

static void test_become(void)
{
	struct seen *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!become(&(struct job){ .groups = { 0 }, .n_groups = 1 }, s)) {
		ok(true, "# SKIP no user namespaces here");
		return;
	}
	is_str(s->error, "", "root with one mapped id");
	is_int(s->bounding, caps_default(), "bounding set");
	is_int(s->permitted, caps_default(), "permitted set");
	is_int(s->effective, caps_default(), "effective set");
	is_int(s->inheritable, 0, "inheritable set is empty");
	is_int(s->uid, 0, "is root");

	*s = (struct seen){ 0 };
	become(&(struct job){ .uid = 999, .gid = 0, .groups = { 0 }, .n_groups = 1 }, s);
	is_str(s->error, "user id 999 does not exist in the user namespace of the container",
	       "an unmapped user");
	*s = (struct seen){ 0 };
	become(&(struct job){ .uid = 0, .gid = 5, .groups = { 5 }, .n_groups = 1 }, s);
	is_str(s->error, "group id 5 does not exist in the user namespace of the container",
	       "an unmapped group");

	if (geteuid() != 0) {
		ok(true, "# SKIP only root can map more ids by itself");
		return;
	}
	*s = (struct seen){ 0 };
	become(&(struct job){ .range = true, .uid = 999, .gid = 998, .groups = { 998, 4, 101 }, .n_groups = 3 },
	       s);
	is_str(s->error, "", "an ordinary user");
	is_int(s->uid, 999, "its uid");
	is_int(s->gid, 998, "its gid");
	is_int(s->n_groups, 3, "three groups");
	ok(s->groups[0] == 4 && s->groups[1] == 101 && s->groups[2] == 998, "the ones given");
	is_int(s->bounding, caps_default(), "its bounding set: what setuid programs may get");
	is_int(s->permitted | s->effective | s->inheritable, 0, "no capability of its own");

	*s = (struct seen){ 0 };
	become(&(struct job){ .range = true, .groups = { 0 }, .n_groups = 1 }, s);
	is_str(s->error, "", "root with many ids");
	is_int(s->n_groups, 1, "its groups");
	is_int(s->effective, caps_default(), "its capabilities");

	*s = (struct seen){ 0 };
	become(&(struct job){ .range = true, .groups = { 0, 70000 }, .n_groups = 2 }, s);
	is_str(s->error, "group id 70000 does not exist in the user namespace of the container",
	       "an unmapped group");
}

int main(void)
{
	test_parse();
	test_become();
	return done_testing();
}
