/* The program is judged twice: by a small interpreter (every answer, for every architecture of this machine), and by
 * the kernel, in a child inside a user namespace of its own. */
#include "core/box/seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/box/caps.h"
#include "tests/lib/tap.h"

enum { OK = SECCOMP_RET_ALLOW, NO = SECCOMP_RET_ERRNO | EPERM, NEW = SECCOMP_RET_ERRNO | ENOSYS };

struct filter {
	struct sock_filter *v;
	size_t len;
};

static struct filter filter_for(uint64_t mask)
{
	struct filter f;
	void *prog;

	seccomp_default(mask, false, &prog, &f.len);
	f.v = prog;
	return f;
}

/* What the kernel would do; 1 (no answer has this value) if the program leaves its bounds. */
static uint32_t run(const struct filter *f, uint32_t arch, uint32_t nr, uint64_t arg0, uint64_t arg1)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch, .args = { arg0, arg1 } };
	size_t n = f->len / sizeof(*f->v);
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f->v[pc];
		bool yes;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)&d + i->k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & i->k;
			break;
		default:
			return 1;
		}
		pc += yes ? i->jt : i->jf;
	}
	return 1;
}

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__)
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#endif

static const struct {
	const char *what;
	uint32_t arch, nr;
	uint64_t arg0, arg1;
	uint32_t want, want_admin; /* with the default capabilities, and with SYS_ADMIN too; 0: the same */
} cases[] = {
	{ "write", NATIVE, SYS_write, 0, 0, OK, 0 },
	{ "execve", NATIVE, SYS_execve, 0, 0, OK, 0 },
	{ "openat2", NATIVE, SYS_openat2, 0, 0, OK, 0 },
	{ "ptrace", NATIVE, SYS_ptrace, 0, 0, OK, 0 },
	{ "chroot, which SYS_CHROOT allows", NATIVE, SYS_chroot, 0, 0, OK, 0 },
	{ "mount", NATIVE, SYS_mount, 0, 0, NO, OK },
	{ "umount2", NATIVE, SYS_umount2, 0, 0, NO, OK },
	{ "move_mount", NATIVE, SYS_move_mount, 0, 0, NO, OK },
	{ "unshare", NATIVE, SYS_unshare, 0, 0, NO, OK },
	{ "setns", NATIVE, SYS_setns, 0, 0, NO, OK },
	{ "bpf", NATIVE, SYS_bpf, 0, 0, NO, OK },
	{ "perf_event_open", NATIVE, SYS_perf_event_open, 0, 0, NO, OK },
	{ "sethostname", NATIVE, SYS_sethostname, 0, 0, NO, OK },
	{ "pivot_root", NATIVE, SYS_pivot_root, 0, 0, NO, NO },
	{ "keyctl", NATIVE, SYS_keyctl, 0, 0, NO, NO },
	{ "add_key", NATIVE, SYS_add_key, 0, 0, NO, NO },
	{ "request_key", NATIVE, SYS_request_key, 0, 0, NO, NO },
	{ "io_uring_setup", NATIVE, SYS_io_uring_setup, 0, 0, NO, NO },
	{ "userfaultfd", NATIVE, SYS_userfaultfd, 0, 0, NO, NO },
	{ "kexec_load", NATIVE, SYS_kexec_load, 0, 0, NO, NO },
	{ "init_module", NATIVE, SYS_init_module, 0, 0, NO, NO },
	{ "reboot", NATIVE, SYS_reboot, 0, 0, NO, NO },
	{ "open_by_handle_at", NATIVE, SYS_open_by_handle_at, 0, 0, NO, NO },
	{ "settimeofday", NATIVE, SYS_settimeofday, 0, 0, NO, NO },
	{ "mbind", NATIVE, SYS_mbind, 0, 0, NO, NO },
	{ "swapon", NATIVE, SYS_swapon, 0, 0, NO, NO },
	{ "clone3", NATIVE, SYS_clone3, 0, 0, NEW, OK },
#ifndef __s390x__
	{ "clone as pthread_create() does it", NATIVE, SYS_clone, 0x3d0f00, 0, OK, 0 },
	{ "clone with CLONE_NEWUSER", NATIVE, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, NO, OK },
	{ "clone with CLONE_NEWNS", NATIVE, SYS_clone, CLONE_NEWNS, 0, NO, OK },
	{ "clone with CLONE_NEWCGROUP", NATIVE, SYS_clone, CLONE_NEWCGROUP, 0, NO, OK },
#endif
	{ "personality(PER_LINUX)", NATIVE, SYS_personality, 0, 0, OK, 0 },
	{ "personality(PER_LINUX32)", NATIVE, SYS_personality, 8, 0, OK, 0 },
	{ "personality(UNAME26 | PER_LINUX32)", NATIVE, SYS_personality, 0x20008, 0, OK, 0 },
	{ "personality: which is it?", NATIVE, SYS_personality, 0xffffffff, 0, OK, 0 },
	{ "personality(ADDR_NO_RANDOMIZE)", NATIVE, SYS_personality, 0x40000, 0, NO, NO },
	{ "personality(READ_IMPLIES_EXEC)", NATIVE, SYS_personality, 0x400000, 0, NO, NO },
	{ "socket(AF_INET)", NATIVE, SYS_socket, AF_INET, 0, OK, 0 },
	{ "socket(AF_UNIX)", NATIVE, SYS_socket, AF_UNIX, 0, OK, 0 },
	{ "socket(AF_NETLINK)", NATIVE, SYS_socket, AF_NETLINK, 0, OK, 0 },
	{ "socket(AF_VSOCK)", NATIVE, SYS_socket, AF_VSOCK, 0, NO, NO },
	{ "socket(AF_VSOCK), high half set", NATIVE, SYS_socket, 0x100000000u | AF_VSOCK, 0, NO, NO },
	{ "ioctl(TCGETS)", NATIVE, SYS_ioctl, 0, TCGETS, OK, 0 },
	{ "ioctl(TIOCSTI)", NATIVE, SYS_ioctl, 0, TIOCSTI, NO, NO },
	{ "ioctl(TIOCSTI), high half set", NATIVE, SYS_ioctl, 0, 0xffffffff00000000u | TIOCSTI, NO, NO },
	{ "ioctl(TIOCLINUX)", NATIVE, SYS_ioctl, 0, TIOCLINUX, NO, NO },
	{ "fchmodat2 (Linux 6.6)", NATIVE, 452, 0, 0, OK, 0 },
	{ "futex_wake (6.7)", NATIVE, 454, 0, 0, OK, 0 },
	{ "listmount (6.8)", NATIVE, 458, 0, 0, NEW, OK },
	{ "lsm_list_modules (6.8)", NATIVE, 461, 0, 0, NEW, NEW },
	{ "getxattrat (6.13)", NATIVE, 464, 0, 0, OK, 0 },
	{ "a number of the future", NATIVE, 900, 0, 0, NEW, NEW },
	{ "a number behind the tables", NATIVE, 5000, 0, 0, NEW, NEW },
	{ "the number -1", NATIVE, 0xffffffff, 0, 0, NEW, NEW },
	{ "another machine's call", 0x12345678, SYS_write, 0, 0, SECCOMP_RET_KILL_PROCESS, 0 },
#ifdef __x86_64__
	{ "arch_prctl", NATIVE, SYS_arch_prctl, 0, 0, OK, 0 },
	{ "uretprobe, which the kernel itself calls", NATIVE, 335, 0, 0, OK, 0 },
	{ "iopl", NATIVE, SYS_iopl, 0, 0, NO, NO },
	{ "i386 read", AUDIT_ARCH_I386, 3, 0, 0, OK, 0 },
	{ "i386 mount", AUDIT_ARCH_I386, 21, 0, 0, NO, OK },
	{ "i386 umount", AUDIT_ARCH_I386, 22, 0, 0, NO, OK },
	{ "i386 socketcall", AUDIT_ARCH_I386, 102, 0, 0, OK, 0 },
	{ "i386 socket(AF_INET)", AUDIT_ARCH_I386, 359, AF_INET, 0, OK, 0 },
	{ "i386 socket(AF_VSOCK)", AUDIT_ARCH_I386, 359, AF_VSOCK, 0, NO, NO },
	{ "i386 sendmmsg", AUDIT_ARCH_I386, 345, 0, 0, OK, 0 },
	{ "i386 shmat", AUDIT_ARCH_I386, 397, 0, 0, OK, 0 },
	{ "i386 clone with CLONE_NEWUSER", AUDIT_ARCH_I386, 120, CLONE_NEWUSER, 0, NO, OK },
	{ "i386 ioctl(TIOCSTI)", AUDIT_ARCH_I386, 54, 0, TIOCSTI, NO, NO },
	{ "i386 keyctl", AUDIT_ARCH_I386, 288, 0, 0, NO, NO },
	{ "i386 clock_gettime64", AUDIT_ARCH_I386, 403, 0, 0, OK, 0 },
	{ "i386 clone3", AUDIT_ARCH_I386, SYS_clone3, 0, 0, NEW, OK },
	{ "x32 read", NATIVE, 0x40000000, 0, 0, OK, 0 },
	{ "x32 mount", NATIVE, 0x40000000 | SYS_mount, 0, 0, NO, OK },
	{ "x32 ioctl(TCGETS)", NATIVE, 0x40000000 | 514, 0, TCGETS, OK, 0 },
	{ "x32 ioctl(TIOCSTI)", NATIVE, 0x40000000 | 514, 0, TIOCSTI, NO, NO },
	{ "x32 kexec_load", NATIVE, 0x40000000 | 528, 0, 0, NEW, NEW },
	{ "x32 fchmodat2", NATIVE, 0x40000000 | 452, 0, 0, OK, 0 },
#endif
};

static void test_answers(void)
{
	struct filter dflt = filter_for(caps_default());
	struct filter admin = filter_for(caps_default() | UINT64_C(1) << CAP_SYS_ADMIN);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t want_admin = cases[i].want_admin ? cases[i].want_admin : cases[i].want;

		is_int(run(&dflt, cases[i].arch, cases[i].nr, cases[i].arg0, cases[i].arg1),
		       cases[i].want, "%s", cases[i].what);
		is_int(run(&admin, cases[i].arch, cases[i].nr, cases[i].arg0, cases[i].arg1),
		       want_admin, "%s, with SYS_ADMIN", cases[i].what);
	}
	ok(dflt.len / sizeof(*dflt.v) < BPF_MAXINSNS, "the kernel takes at most %d instructions",
	   BPF_MAXINSNS);
	free(dflt.v);
	free(admin.v);
}

/* By one capability each; everything else stays as it is. */
static void test_caps(void)
{
	static const struct {
		int cap;
		uint32_t nr;
	} gates[] = {
		{ CAP_SYS_PTRACE, SYS_kcmp },
		{ CAP_SYS_NICE, SYS_mbind },
		{ CAP_SYS_TIME, SYS_settimeofday },
		{ CAP_SYS_TTY_CONFIG, SYS_vhangup },
		{ CAP_SYS_PACCT, SYS_acct },
		{ CAP_SYS_BOOT, SYS_reboot },
		{ CAP_SYS_MODULE, SYS_init_module },
		{ CAP_SYSLOG, SYS_syslog },
		{ CAP_BPF, SYS_bpf },
		{ CAP_PERFMON, SYS_perf_event_open },
		{ CAP_SYS_CHROOT, SYS_chroot },
		{ CAP_DAC_READ_SEARCH, SYS_open_by_handle_at },
	};
	struct filter none = filter_for(0), all = filter_for(~UINT64_C(0));

	for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
		struct filter one = filter_for(UINT64_C(1) << gates[i].cap);

		is_int(run(&none, NATIVE, gates[i].nr, 0, 0), NO, "call %u without any capability",
		       gates[i].nr);
		is_int(run(&one, NATIVE, gates[i].nr, 0, 0), OK, "call %u with capability %d",
		       gates[i].nr, gates[i].cap);
		is_int(run(&one, NATIVE, SYS_mount, 0, 0), NO, "which does not allow mount");
		is_int(run(&all, NATIVE, gates[i].nr, 0, 0), OK, "call %u with all", gates[i].nr);
		free(one.v);
	}
	is_int(run(&all, NATIVE, SYS_keyctl, 0, 0), NO, "keyctl is for nobody");
	free(none.v);
	free(all.v);
}

/* What a call gives under the kernel; arguments are chosen so that without the filter it is another errno. */
static int outcome(long nr, long a, long b, long c)
{
	errno = 0;
	return syscall(nr, a, b, c, 0, 0, 0) < 0 ? errno : 0;
}

#ifdef __x86_64__
static long call32(long nr, long a, long b)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"(nr), "b"(a), "c"(b)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}
#endif

struct results {
	int before_unshare, write, mount, unshare, keyctl, clone3, vsock, sti, future, thread,
		chroot, io_uring;
	long i386_getpid, i386_mount;
};

static void inside(struct results *r, const struct filter *f)
{
	struct err *e;

	if (unshare(CLONE_NEWUSER) < 0)
		_exit(77);
	r->before_unshare = outcome(SYS_unshare, CLONE_NEWUTS, 0, 0);
	e = seccomp_install(f->v, f->len); /* without no_new_privs: we are root of the namespace */
	if (e)
		_exit(1);
	r->write = outcome(SYS_write, -1, 0, 0);
	r->mount = outcome(SYS_mount, 0, 0, 0);
	r->unshare = outcome(SYS_unshare, CLONE_NEWUTS, 0, 0);
	r->keyctl = outcome(SYS_keyctl, 9999, 0, 0);
	r->clone3 = outcome(SYS_clone3, 0, 0, 0);
	r->vsock = outcome(SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
	r->sti = outcome(SYS_ioctl, -1, TIOCSTI, 0);
	r->future = outcome(900, 0, 0, 0);
	r->chroot = outcome(SYS_chroot, 0, 0, 0);
	r->io_uring = outcome(SYS_io_uring_setup, 0, 0, 0);
	r->thread = fork();
	if (r->thread == 0)
		_exit(0);
	r->thread = r->thread > 0 ? 0 : errno;
#ifdef __x86_64__
	r->i386_getpid = call32(20, 0, 0) - getpid();
	r->i386_mount = call32(21, 0, 0);
#endif
	_exit(0);
}

static void test_kernel(void)
{
	struct filter f = filter_for(caps_default());
	struct results *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0)
		inside(r, &f);
	waitpid(pid, &status, 0);
	free(f.v);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		ok(true, "# SKIP no user namespaces here");
		return;
	}
	is_int(r->before_unshare, 0, "unshare works before");
	is_int(r->write, EBADF, "write reaches the kernel");
	is_int(r->mount, EPERM, "mount is stopped");
	is_int(r->unshare, EPERM, "unshare is stopped");
	is_int(r->keyctl, EPERM, "keyctl is stopped");
	is_int(r->clone3, ENOSYS, "clone3 is unknown");
	is_int(r->vsock, EPERM, "AF_VSOCK is stopped");
	is_int(r->sti, EPERM, "TIOCSTI is stopped");
	is_int(r->future, ENOSYS, "new calls are unknown");
	is_int(r->chroot, EFAULT, "chroot reaches the kernel");
	is_int(r->io_uring, EPERM, "io_uring is stopped");
	is_int(r->thread, 0, "fork works");
	if (WIFSIGNALED(status)) { /* int $0x80 where the kernel has no i386 */
		ok(WTERMSIG(status) == SIGSEGV, "# SKIP no i386 system calls here");
		return;
	}
#ifdef __x86_64__
	is_int(r->i386_getpid, 0, "an i386 call passes");
	is_int(r->i386_mount, -EPERM, "an i386 mount is stopped");
#endif
}

/* One mapped id: a filter beside the usual one, of which the stricter answer counts. */
static void test_one_id(void)
{
	enum { ASKED = SECCOMP_RET_USER_NOTIF, PRETENDED = SECCOMP_RET_ERRNO | 0 };
	const uint32_t arch = NATIVE;
	struct filter usual, root, user, admin;
	void *prog;

	seccomp_default(caps_default(), true, &prog, &usual.len);
	usual.v = prog;
	seccomp_one_id(true, caps_default(), &prog, &root.len);
	root.v = prog;
	seccomp_one_id(false, caps_default(), &prog, &user.len);
	user.v = prog;
	seccomp_one_id(false, CAPS_ALL, &prog, &admin.len);
	admin.v = prog;
	is_int(run(&usual, arch, SYS_unshare, CLONE_NEWUSER, 0), OK,
	       "the usual one leaves unshare to the other");
	is_int(run(&root, arch, SYS_unshare, CLONE_NEWUSER, 0), ASKED, "root's unshare is asked about");
	is_int(run(&user, arch, SYS_unshare, CLONE_NEWUSER, 0), NO, "a user's is refused");
	is_int(run(&admin, arch, SYS_unshare, CLONE_NEWUSER, 0), OK, "unless it may administer");
	is_int(run(&root, arch, SYS_setuid, 5, 0), ASKED, "setuid");
	is_int(run(&root, arch, SYS_execve, 0, 0), ASKED, "execve");
	is_int(run(&root, arch, SYS_prctl, PR_SET_KEEPCAPS, 1), ASKED, "PR_SET_KEEPCAPS");
	is_int(run(&root, arch, SYS_prctl, PR_SET_NAME, 0), OK, "another prctl");
	is_int(run(&root, arch, SYS_fchownat, 0, 0), PRETENDED, "root's fchownat does nothing");
	is_int(run(&user, arch, SYS_fchownat, 0, 0), OK, "a user's is the kernel's");
	is_int(run(&user, arch, SYS_setuid, 5, 0), OK, "and his setuid");
	is_int(run(&root, arch, 5000, 0, 0), OK, "what is not known is the other's");
#ifdef __x86_64__
	is_int(run(&root, arch, 0x40000000 | SYS_unshare, CLONE_NEWUSER, 0), ASKED, "x32 is native");
	is_int(run(&root, AUDIT_ARCH_I386, 310, CLONE_NEWUSER, 0), NO, "unshare of i386 is refused");
	is_int(run(&user, AUDIT_ARCH_I386, 310, CLONE_NEWUSER, 0), NO, "a user's, too");
#endif
	free(usual.v);
	free(root.v);
	free(user.v);
	free(admin.v);
}

int main(void)
{
	test_answers();
	test_caps();
	test_kernel();
	test_one_id();
	return done_testing();
}
