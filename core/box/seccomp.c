/* How it works
 *  1. Each architecture the kernel may run here (x86_64 also i386 and x32, aarch64 also arm) gets a table: number ->
 *     what to do.  Unlisted numbers are denied, those above LAST_OLD are unknown.
 *  2. Neighbours with the same answer become one range; a binary search over the ranges' first numbers is the program.
 *  3. The kernel (5.11) runs the program once per number at load time and remembers those always allowed in a bitmap:
 *     they cost nothing later.  It can only follow loads of nr and arch, jumps and returns, which is what we use. */
#include "core/box/seccomp.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum act {
	DENY,
	ALLOW,
	UNKNOWN,
	CHECK_CLONE,
	CHECK_PERSONALITY,
	CHECK_SOCKET,
	CHECK_IOCTL,
	PRETEND,
	ASK,
	ASK_KEEPCAPS
};

enum { ALWAYS = -1, WITHOUT_ADMIN = -2 };

/* Names are separated by blanks; those an architecture does not have are skipped.  Later lines win. */
static const struct {
	int cap; /* CAP_x that must be kept, ALWAYS, WITHOUT_ADMIN */
	enum act act;
	const char *names;
} rules[] = {
	/* files by descriptor */
	{ ALWAYS, ALLOW,
	  "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek close close_range "
	  "dup dup2 dup3 fcntl fcntl64 flock ftruncate ftruncate64 fallocate fsync fdatasync sync syncfs "
	  "sync_file_range sync_file_range2 arm_sync_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64 "
	  "copy_file_range sendfile sendfile64 splice tee vmsplice pipe pipe2 cachestat" },
	/* files by name */
	{ ALWAYS, ALLOW,
	  "open openat openat2 creat stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs "
	  "statfs64 fstatfs fstatfs64 access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown chown32 "
	  "lchown lchown32 fchown fchown32 fchownat link linkat symlink symlinkat readlink readlinkat rename "
	  "renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat truncate truncate64 umask utime "
	  "utimes futimesat utimensat utimensat_time64 getdents getdents64 getcwd chdir fchdir "
	  "name_to_handle_at" },
	{ ALWAYS, ALLOW,
	  "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr "
	  "flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat" },
	{ ALWAYS, ALLOW,
	  "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark landlock_create_ruleset "
	  "landlock_add_rule landlock_restrict_self" },
	/* waiting */
	{ ALWAYS, ALLOW,
	  "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl "
	  "epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
	  "timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 io_setup io_submit "
	  "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64" },
	/* memory */
	{ ALWAYS, ALLOW,
	  "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall "
	  "remap_file_pages membarrier memfd_create memfd_secret pkey_alloc pkey_free pkey_mprotect "
	  "map_shadow_stack mseal" },
	/* processes and threads */
	{ ALWAYS, ALLOW,
	  "fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill pause restart_syscall "
	  "set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area futex futex_time64 "
	  "futex_waitv futex_wait futex_wake futex_requeue rseq pidfd_open pidfd_send_signal process_mrelease "
	  "prctl seccomp ptrace process_vm_readv process_vm_writev arch_prctl modify_ldt uretprobe uprobe "
	  "breakpoint cacheflush set_tls riscv_flush_icache riscv_hwprobe swapcontext s390_pci_mmio_read "
	  "s390_pci_mmio_write s390_runtime_instr" },
	{ ALWAYS, ALLOW,
	  "getpid getppid gettid getpgid getpgrp getsid setpgid setsid getuid getuid32 geteuid geteuid32 getgid "
	  "getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups getgroups32 setuid "
	  "setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid "
	  "setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset" },
	{ ALWAYS, ALLOW,
	  "getpriority setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64 getrusage getcpu "
	  "times sysinfo uname sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr "
	  "sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max "
	  "sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 getrandom" },
	{ ALWAYS, ALLOW,
	  "sigreturn sigprocmask sigaltstack rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
	  "rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64" },
	/* time; adjtimex and clock_adjtime also read the clock's state, the kernel refuses the rest */
	{ ALWAYS, ALLOW,
	  "time gettimeofday nanosleep alarm getitimer setitimer clock_gettime clock_gettime64 clock_getres "
	  "clock_getres_time64 clock_nanosleep clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex "
	  "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
	  "timer_settime64" },
	/* sockets and System V and POSIX messages */
	{ ALWAYS, ALLOW,
	  "socketcall socketpair bind connect listen accept accept4 shutdown getsockname getpeername getsockopt "
	  "setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64" },
	{ ALWAYS, ALLOW,
	  "ipc semget semop semctl semtimedop semtimedop_time64 shmget shmat shmdt shmctl msgget msgsnd msgrcv msgctl "
	  "mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify "
	  "mq_getsetattr" },
	/* by argument */
	{ ALWAYS, CHECK_SOCKET, "socket" },
	{ ALWAYS, CHECK_IOCTL, "ioctl" },
	{ ALWAYS, CHECK_PERSONALITY, "personality" },
	{ WITHOUT_ADMIN, CHECK_CLONE, "clone" },
	/* its flags lie in memory, out of a filter's sight: the C library falls back to clone */
	{ WITHOUT_ADMIN, UNKNOWN, "clone3" },
	/* by capability */
	{ CAP_SYS_ADMIN, ALLOW,
	  "clone clone3 unshare setns mount umount umount2 mount_setattr move_mount open_tree open_tree_attr fsopen "
	  "fsconfig fsmount fspick statmount listmount quotactl quotactl_fd sethostname setdomainname fanotify_init "
	  "lookup_dcookie bpf perf_event_open syslog" },
	{ CAP_DAC_READ_SEARCH, ALLOW, "open_by_handle_at" },
	{ CAP_SYS_CHROOT, ALLOW, "chroot" },
	{ CAP_SYS_PTRACE, ALLOW, "kcmp pidfd_getfd process_madvise" },
	{ CAP_SYS_NICE, ALLOW, "get_mempolicy set_mempolicy set_mempolicy_home_node mbind" },
	{ CAP_SYS_TIME, ALLOW, "settimeofday stime clock_settime clock_settime64" },
	{ CAP_SYS_TTY_CONFIG, ALLOW, "vhangup" },
	{ CAP_SYS_PACCT, ALLOW, "acct" },
	{ CAP_SYS_BOOT, ALLOW, "reboot" },
	{ CAP_SYS_MODULE, ALLOW, "init_module finit_module delete_module" },
	{ CAP_SYS_RAWIO, ALLOW, "iopl ioperm" },
	{ CAP_SYSLOG, ALLOW, "syslog" },
	{ CAP_BPF, ALLOW, "bpf" },
	{ CAP_PERFMON, ALLOW, "perf_event_open" },
};

/* Numbers libseccomp may not tell: names younger than it (from 424 on every architecture counts alike), and i386's
 * direct calls, for which it gives pseudo numbers because it thinks of socketcall and ipc. */
static const struct {
	uint32_t token; /* SCMP_ARCH_x, 0: all */
	int nr;
	const char *name;
} extra_numbers[] = {
	{ 0, 451, "cachestat" },
	{ 0, 452, "fchmodat2" },
	{ 0, 453, "map_shadow_stack" },
	{ 0, 454, "futex_wake" },
	{ 0, 455, "futex_wait" },
	{ 0, 456, "futex_requeue" },
	{ 0, 457, "statmount" },
	{ 0, 458, "listmount" },
	{ 0, 462, "mseal" },
	{ 0, 463, "setxattrat" },
	{ 0, 464, "getxattrat" },
	{ 0, 465, "listxattrat" },
	{ 0, 466, "removexattrat" },
	{ 0, 467, "open_tree_attr" },
	{ SCMP_ARCH_X86_64, 335, "uretprobe" },
	{ SCMP_ARCH_X86_64, 336, "uprobe" },
	{ SCMP_ARCH_X86, 337, "recvmmsg" },
	{ SCMP_ARCH_X86, 345, "sendmmsg" },
	{ SCMP_ARCH_X86, 359, "socket" },
	{ SCMP_ARCH_X86, 360, "socketpair" },
	{ SCMP_ARCH_X86, 361, "bind" },
	{ SCMP_ARCH_X86, 362, "connect" },
	{ SCMP_ARCH_X86, 363, "listen" },
	{ SCMP_ARCH_X86, 364, "accept4" },
	{ SCMP_ARCH_X86, 365, "getsockopt" },
	{ SCMP_ARCH_X86, 366, "setsockopt" },
	{ SCMP_ARCH_X86, 367, "getsockname" },
	{ SCMP_ARCH_X86, 368, "getpeername" },
	{ SCMP_ARCH_X86, 369, "sendto" },
	{ SCMP_ARCH_X86, 370, "sendmsg" },
	{ SCMP_ARCH_X86, 371, "recvfrom" },
	{ SCMP_ARCH_X86, 372, "recvmsg" },
	{ SCMP_ARCH_X86, 373, "shutdown" },
	{ SCMP_ARCH_X86, 393, "semget" },
	{ SCMP_ARCH_X86, 394, "semctl" },
	{ SCMP_ARCH_X86, 395, "shmget" },
	{ SCMP_ARCH_X86, 396, "shmctl" },
	{ SCMP_ARCH_X86, 397, "shmat" },
	{ SCMP_ARCH_X86, 398, "shmdt" },
	{ SCMP_ARCH_X86, 399, "msgget" },
	{ SCMP_ARCH_X86, 400, "msgsnd" },
	{ SCMP_ARCH_X86, 401, "msgrcv" },
	{ SCMP_ARCH_X86, 402, "msgctl" },
};

enum {
	LAST_OLD = 450, /* set_mempolicy_home_node, Linux 5.17 */
	X32_BIT = 0x40000000,
	ARM_BASE = 0x0f0000, /* breakpoint, cacheflush, set_tls */
	WINDOW_SIZE = 1024,
	WINDOWS_MAX = 2,
};

/* One value of seccomp_data.arch. */
struct abi {
	uint32_t audit_arch;
	uint32_t tokens[2]; /* SCMP_ARCH_x whose numbers come under it */
	uint32_t bases[WINDOWS_MAX]; /* ascending: numbers BASE .. BASE + WINDOW_SIZE - 1 are in use */
	size_t n_tokens, n_bases;
};

struct window {
	unsigned char act[WINDOW_SIZE];
};

struct range {
	uint32_t first;
	enum act act;
};

struct prog {
	struct sock_filter *v;
	size_t n, cap;
};

/* --- tables --- */

static bool rule_holds(int cap, uint64_t mask)
{
	if (cap == WITHOUT_ADMIN)
		return !(mask >> CAP_SYS_ADMIN & 1);
	return cap == ALWAYS || (mask >> cap & 1);
}

/* x32 numbers come without their bit. */
static int number_of(uint32_t token, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(token, name);

	if (nr >= 0)
		return token == SCMP_ARCH_X32 ? nr & ~X32_BIT : nr;
	for (size_t i = 0; i < ARRAY_LEN(extra_numbers); i++)
		if ((!extra_numbers[i].token || extra_numbers[i].token == token) &&
		    !strcmp(extra_numbers[i].name, name))
			return extra_numbers[i].nr;
	return -1;
}

static void set_name(const struct abi *a, struct window *w, const char *name, enum act act)
{
	for (size_t i = 0; i < a->n_tokens; i++) {
		int nr = number_of(a->tokens[i], name);

		for (size_t k = 0; nr >= 0 && k < a->n_bases; k++)
			if ((uint32_t)nr - a->bases[k] < WINDOW_SIZE)
				w[k].act[(uint32_t)nr - a->bases[k]] = (unsigned char)act;
	}
}

static void set_names(const struct abi *a, struct window *w, const char *names, enum act act)
{
	char name[64];

	while (*names) {
		size_t len = strcspn(names, " ");

		*(char *)mempcpy(name, names, len) = '\0';
		set_name(a, w, name, act);
		names += len + strspn(names + len, " ");
	}
}

/* What a program is made from. */
struct wish {
	enum { PROFILE, ONE_ID } kind;
	uint64_t mask; /* of capabilities */
	bool one_id; /* PROFILE: a ONE_ID filter beside it decides about unshare */
	bool root; /* ONE_ID */
};

/* Our keeper knows the native calls alone. */
static void fill_one_id(const struct abi *a, const struct wish *wish, struct window *w)
{
	const enum act ask = wish->root && a->tokens[0] == seccomp_arch_native() ? ASK : ALLOW;

	for (size_t i = 0; i < a->n_bases; i++)
		memset(w[i].act, ALLOW, WINDOW_SIZE);
	if (wish->root)
		set_names(a, w, "chown chown32 lchown lchown32 fchown fchown32 fchownat", PRETEND);
	set_names(a, w,
		  "setuid setreuid setresuid setgid setregid setresgid setgroups getgroups execve execveat",
		  ask);
	set_names(a, w, "unshare", wish->mask >> CAP_SYS_ADMIN & 1 ? ALLOW : DENY);
	if (ask == ASK) {
		set_names(a, w, "unshare", ASK);
		set_names(a, w, "prctl", ASK_KEEPCAPS);
	}
}

static void fill_windows(const struct abi *a, const struct wish *wish, struct window *w)
{
	if (wish->kind == ONE_ID) {
		fill_one_id(a, wish, w);
		return;
	}
	for (size_t i = 0; i < a->n_bases; i++) {
		memset(w[i].act, DENY, LAST_OLD + 1);
		memset(w[i].act + LAST_OLD + 1, UNKNOWN, WINDOW_SIZE - LAST_OLD - 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rule_holds(rules[i].cap, wish->mask))
			set_names(a, w, rules[i].names, rules[i].act);
	if (wish->one_id)
		set_names(a, w, "unshare", ALLOW);
}

/* Between and after the windows everything is REST. */
static size_t find_ranges(const struct abi *a, const struct window *w, enum act rest, struct range *to)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_bases; i++) {
		for (uint32_t k = 0; k < WINDOW_SIZE; k++)
			if (!n || to[n - 1].act != w[i].act[k])
				to[n++] = (struct range){ a->bases[i] + k, w[i].act[k] };
		if (to[n - 1].act != rest)
			to[n++] = (struct range){ a->bases[i] + WINDOW_SIZE, rest };
	}
	return n;
}

/* --- code --- */

static void add(struct prog *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->v = xgrow(p->v, p->n, &p->cap, sizeof(*p->v));
	p->v[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void add_load(struct prog *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void add_ret(struct prog *p, uint32_t value)
{
	add(p, BPF_RET | BPF_K, 0, 0, value);
}

/* The low half of an argument: all the kernel looks at where it is an int. */
static void add_load_arg(struct prog *p, unsigned i)
{
	add_load(p, offsetof(struct seccomp_data, args) + i * 8 +
			    (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
}

/* if (arg [i] is one of LIST) return YES; return NO */
static void add_if_one_of(struct prog *p, unsigned arg, const uint32_t *list, size_t n,
			  uint32_t yes, uint32_t no)
{
	add_load_arg(p, arg);
	for (size_t i = 0; i < n; i++)
		add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(n - i), 0, list[i]);
	add_ret(p, no);
	add_ret(p, yes);
}

static void add_answer(struct prog *p, enum act act)
{
	static const uint32_t new_namespaces[] = { CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
						   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
						   CLONE_NEWCGROUP };
	/* PER_LINUX, PER_LINUX32, each with UNAME26, and the question what it is */
	static const uint32_t personalities[] = { 0, 0x8, 0x20000, 0x20008, 0xffffffff };
	static const uint32_t families[] = { AF_VSOCK };
	static const uint32_t keepcaps[] = { PR_SET_KEEPCAPS };
	static const uint32_t ioctls[] = { TIOCSTI, TIOCLINUX };
	const uint32_t allow = SECCOMP_RET_ALLOW, deny = SECCOMP_RET_ERRNO | EPERM;

	switch (act) {
	case DENY:
		add_ret(p, deny);
		break;
	case ALLOW:
		add_ret(p, allow);
		break;
	case UNKNOWN:
		add_ret(p, SECCOMP_RET_ERRNO | ENOSYS);
		break;
	case PRETEND: /* success, and nothing is done */
		add_ret(p, SECCOMP_RET_ERRNO | 0);
		break;
	case ASK:
		add_ret(p, SECCOMP_RET_USER_NOTIF);
		break;
	case ASK_KEEPCAPS:
		add_if_one_of(p, 0, keepcaps, ARRAY_LEN(keepcaps), SECCOMP_RET_USER_NOTIF, allow);
		break;
	case CHECK_CLONE: /* s390 has the stack first */
		add_load_arg(p, seccomp_arch_native() == SCMP_ARCH_S390X ? 1 : 0);
		add(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, new_namespaces[0]);
		add_ret(p, deny);
		add_ret(p, allow);
		break;
	case CHECK_PERSONALITY:
		add_if_one_of(p, 0, personalities, ARRAY_LEN(personalities), allow, deny);
		break;
	case CHECK_SOCKET:
		add_if_one_of(p, 0, families, ARRAY_LEN(families), deny, allow);
		break;
	case CHECK_IOCTL:
		add_if_one_of(p, 1, ioctls, ARRAY_LEN(ioctls), deny, allow);
		break;
	}
}

/* Binary search; the number is in the accumulator. */
static void add_search(struct prog *p, const struct range *r, size_t n)
{
	size_t mid = n / 2, here = p->n;

	if (n == 1) {
		add_answer(p, r->act);
		return;
	}
	/* jump over the lower half: 8 bits of distance, or through a jump of 32 bits */
	add(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, r[mid].first);
	add(p, BPF_JMP | BPF_JA, 0, 0, 0);
	add_search(p, r, mid);
	p->v[here + 1].k = (uint32_t)(p->n - (here + 2));
	if (p->n - (here + 2) <= 255) {
		size_t rest = p->n - (here + 2);

		memmove(&p->v[here + 1], &p->v[here + 2], rest * sizeof(*p->v));
		p->v[here].jt = (uint8_t)rest;
		p->v[here].jf = 0;
		p->n--;
	}
	add_search(p, r + mid, n - mid);
}

static void add_abi(struct prog *p, const struct abi *a, const struct wish *wish)
{
	struct window w[WINDOWS_MAX];
	struct range r[WINDOWS_MAX * (WINDOW_SIZE + 1)];
	size_t here = p->n;

	fill_windows(a, wish, w);
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, a->audit_arch);
	add(p, BPF_JMP | BPF_JA, 0, 0, 0); /* to the next one */
	add_load(p, offsetof(struct seccomp_data, nr));
	/* x32 has x86_64's numbers, and from 512 on some that x86_64 leaves free: one table serves both */
	if (a->audit_arch == AUDIT_ARCH_X86_64)
		add(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(uint32_t)X32_BIT);
	add_search(p, r, find_ranges(a, w, wish->kind == ONE_ID ? ALLOW : UNKNOWN, r));
	p->v[here + 1].k = (uint32_t)(p->n - (here + 2));
}

static struct prog make(const struct wish *wish)
{
	static const struct abi x86_64 = {
		AUDIT_ARCH_X86_64, { SCMP_ARCH_X86_64, SCMP_ARCH_X32 }, { 0 }, 2, 1
	};
	static const struct abi x86 = { AUDIT_ARCH_I386, { SCMP_ARCH_X86 }, { 0 }, 1, 1 };
	static const struct abi arm = { AUDIT_ARCH_ARM, { SCMP_ARCH_ARM }, { 0, ARM_BASE }, 1, 2 };
	uint32_t native = seccomp_arch_native();
	/* but for x32, libseccomp's token is the kernel's word for the architecture */
	const struct abi other = { native, { native }, { 0 }, 1, 1 };
	struct prog p = { 0 };

	add_load(&p, offsetof(struct seccomp_data, arch));
	add_abi(&p, native == SCMP_ARCH_X86_64 ? &x86_64 : &other, wish);
	if (native == SCMP_ARCH_X86_64)
		add_abi(&p, &x86, wish);
	else if (native == SCMP_ARCH_AARCH64)
		add_abi(&p, &arm, wish);
	add_ret(&p, SECCOMP_RET_KILL_PROCESS); /* no architecture of this machine */
	return p;
}

void seccomp_default(uint64_t mask, bool one_id, void **ret_prog, size_t *ret_len)
{
	struct prog p = make(&(struct wish){ .kind = PROFILE, .mask = mask, .one_id = one_id });

	*ret_len = p.n * sizeof(*p.v);
	*ret_prog = p.v;
}

/* SPEC_ALLOW: kernels before 5.16 would slow the whole container down against speculation attacks otherwise. */
static int install(const struct sock_filter *v, size_t n, unsigned flags)
{
	struct sock_fprog p = { .len = (unsigned short)n, .filter = (struct sock_filter *)(uintptr_t)v };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &p);
}

struct err *seccomp_install(const void *prog, size_t len)
{
	if (install(prog, len / sizeof(struct sock_filter), 0) < 0)
		return err_new(errno, "installing the system call filter");
	return NULL;
}

void seccomp_one_id(bool root, uint64_t mask, void **ret_prog, size_t *ret_len)
{
	struct prog p = make(&(struct wish){ .kind = ONE_ID, .mask = mask, .root = root });

	*ret_len = p.n * sizeof(*p.v);
	*ret_prog = p.v;
}

/* WAIT_KILLABLE_RECV (Linux 5.19): a call whose answer is being made is not started again because of a signal. */
struct err *seccomp_listen(const void *prog, size_t len, int *ret_listener)
{
	const size_t n = len / sizeof(struct sock_filter);
	int fd = install(prog, n,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	if (fd < 0 && errno == EINVAL)
		fd = install(prog, n, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (fd < 0)
		return err_new(errno, "installing the system call filter");
	*ret_listener = fd;
	return NULL;
}
