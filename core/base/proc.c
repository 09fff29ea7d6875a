#include "core/base/proc.h"

#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/base/str.h"

int pidfd_open(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

int pidfd_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

static struct err *wait_for(idtype_t type, id_t id, int *ret_status)
{
	siginfo_t si = { 0 };

	while (waitid(type, id, &si, WEXITED) < 0)
		if (errno != EINTR)
			return err_new(errno, "waiting for a child process");
	*ret_status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	return NULL;
}

struct err *proc_wait(int pidfd, int *ret_status)
{
	return wait_for(P_PIDFD, (id_t)pidfd, ret_status);
}

struct err *proc_wait_pid(pid_t pid, int *ret_status)
{
	return wait_for(P_PID, (id_t)pid, ret_status);
}

void proc_kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

uint64_t proc_start_time(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[32];
	const char *p;
	struct err *e;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	e = fd_read_file(AT_FDCWD, path, 4096, &text, NULL);
	if (e) {
		err_free(e); /* gone: that is an answer */
		return 0;
	}
	p = strrchr(text, ')'); /* the name in field 2 may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

const char *proc_boot_id(void)
{
	static char id[64];

	if (!*id) {
		_cleanup_free_ char *text = NULL;
		struct err *e = fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id",
					     sizeof(id) - 1, &text, NULL);

		if (e) {
			err_free(e); /* a hidden /proc/sys: the start time alone must do */
			text = xstrdup("unknown");
		}
		text[strcspn(text, "\n")] = '\0';
		memcpy(id, text, strlen(text) + 1);
	}
	return id;
}

bool proc_is(pid_t pid, uint64_t start_time, const char *boot_id)
{
	return pid > 0 && start_time && str_eq(boot_id, proc_boot_id()) &&
	       proc_start_time(pid) == start_time;
}

bool proc_init_takes(pid_t pid, int sig)
{
	_cleanup_free_ char *text = NULL;
	const char *blocked, *caught;
	char path[32];
	struct err *e;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	e = fd_read_file(AT_FDCWD, path, 65536, &text, NULL);
	err_free(e); /* gone or hidden: no reason to think it deaf */
	blocked = text ? strstr(text, "\nSigBlk:") : NULL;
	caught = text ? strstr(text, "\nSigCgt:") : NULL;
	if (!blocked || !caught)
		return true;
	return (strtoull(blocked + 8, NULL, 16) | strtoull(caught + 8, NULL, 16)) >> (sig - 1) & 1;
}

static char *title;
static size_t title_len;

void proc_title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	title = argv[0];
	title_len = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
}

void proc_title_set(const char *fmt, ...)
{
	va_list ap;

	if (!title)
		return;
	memset(title, 0, title_len);
	va_start(ap, fmt);
	vsnprintf(title, title_len, fmt, ap);
	va_end(ap);
}

void proc_env_wipe(void)
{
	for (char **v = environ; v && *v; v++)
		memset(*v, 0, strlen(*v));
	if (environ)
		*environ = NULL;
}

void proc_trim_memory(void)
{
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; ph && i < getauxval(AT_PHNUM); i++) {
		uintptr_t start = ph[i].p_vaddr & ~(page - 1);
		uintptr_t end = (ph[i].p_vaddr + ph[i].p_memsz + page - 1) & ~(page - 1);

		/* addresses are as linked: the program is not position-independent */
		if (ph[i].p_type != PT_LOAD || ph[i].p_flags & PF_W)
			continue;
		/* RANDOM: a fault brings one page, not sixteen around it */
		if (madvise((void *)start, end - start, MADV_RANDOM) == 0)
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
}

void proc_short_slice(void)
{
	/* what of struct sched_attr all kernels have; libc's headers and the kernel's do not go together */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period; /* ns */
	} attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0)
		return;
	attr.size = sizeof(attr);
	attr.runtime = 100000;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

static const struct {
	int sig;
	const char *name;
} signals[] = {
	{ SIGHUP, "SIGHUP" },
	{ SIGINT, "SIGINT" },
	{ SIGQUIT, "SIGQUIT" },
	{ SIGILL, "SIGILL" },
	{ SIGTRAP, "SIGTRAP" },
	{ SIGABRT, "SIGABRT" },
	{ SIGBUS, "SIGBUS" },
	{ SIGFPE, "SIGFPE" },
	{ SIGKILL, "SIGKILL" },
	{ SIGUSR1, "SIGUSR1" },
	{ SIGSEGV, "SIGSEGV" },
	{ SIGUSR2, "SIGUSR2" },
	{ SIGPIPE, "SIGPIPE" },
	{ SIGALRM, "SIGALRM" },
	{ SIGTERM, "SIGTERM" },
	{ SIGSTKFLT, "SIGSTKFLT" },
	{ SIGCHLD, "SIGCHLD" },
	{ SIGCONT, "SIGCONT" },
	{ SIGSTOP, "SIGSTOP" },
	{ SIGTSTP, "SIGTSTP" },
	{ SIGTTIN, "SIGTTIN" },
	{ SIGTTOU, "SIGTTOU" },
	{ SIGURG, "SIGURG" },
	{ SIGXCPU, "SIGXCPU" },
	{ SIGXFSZ, "SIGXFSZ" },
	{ SIGVTALRM, "SIGVTALRM" },
	{ SIGPROF, "SIGPROF" },
	{ SIGWINCH, "SIGWINCH" },
	{ SIGIO, "SIGIO" },
	{ SIGPWR, "SIGPWR" },
	{ SIGSYS, "SIGSYS" },
	/* other names for some of them, behind the ones sig_name() gives */
	{ SIGABRT, "SIGIOT" },
	{ SIGCHLD, "SIGCLD" },
	{ SIGIO, "SIGPOLL" },
};

struct err *sig_parse(const char *s, int *ret_sig)
{
	const char *name = !strncasecmp(s, "SIG", 3) ? s + 3 : s;
	uint64_t n;
	struct err *e;

	e = str_to_u64(s, 1, 64, &n);
	if (!e) {
		*ret_sig = (int)n;
		return NULL;
	}
	err_free(e); /* not a number: a name */
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!strcasecmp(name, signals[i].name + 3)) {
			*ret_sig = signals[i].sig;
			return NULL;
		}
	/* as the kernel and Docker count them: glibc's SIGRTMIN hides the first two */
	if (!strncasecmp(name, "RTMIN", 5) || !strncasecmp(name, "RTMAX", 5)) {
		int base = strncasecmp(name, "RTMIN", 5) ? 64 : 34;
		char op = name[5];

		n = 0;
		e = op ? str_to_u64(name + 6, 0, 30, &n) : NULL;
		if (!e && (!op || op == (base == 34 ? '+' : '-'))) {
			*ret_sig = base == 34 ? base + (int)n : base - (int)n;
			return NULL;
		}
		err_free(e);
	}
	return err_new(0, "'%s' is not a signal", s);
}

const char *sig_name(int sig)
{
	static char other[16];

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].sig == sig)
			return signals[i].name;
	snprintf(other, sizeof(other), "SIG%d", sig);
	return other;
}

int64_t time_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t time_mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void time_format(int64_t ns, char *buf)
{
	int64_t fraction = ns % 1000000000;
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	if (fraction < 0) { /* before 1970: clocks are wrong at times */
		fraction += 1000000000;
		s--;
	}
	gmtime_r(&s, &tm);
	n = strftime(buf, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_TEXT_MAX - n, ".%09uZ", (unsigned)fraction % 1000000000u);
}

/* digits of a fraction after "." -> nanoseconds; moves *P behind them */
static int64_t fraction_ns(const char **p)
{
	int64_t ns = 0, unit = 100000000;

	for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		ns += unit * (**p - '0');
	return ns;
}

struct err *duration_parse(const char *s, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 },  { "us", 1e3 }, { "ms", 1e6 },
		      { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	double sum = 0;
	const char *p = s;

	if (!strcmp(s, "0")) {
		*ret_ns = 0;
		return NULL;
	}
	while (*p) {
		char *end;
		double v;
		size_t i, len;

		if (*p < '0' || *p > '9')
			break;
		v = strtod(p, &end);
		if ((size_t)(end - p) != strspn(p, "0123456789."))
			break; /* strtod() also reads "0x10" and "1e3" */
		len = strspn(end, "numsh");
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].name) == len && !strncmp(end, units[i].name, len))
				break;
		if (i == ARRAY_LEN(units))
			break;
		sum += v * units[i].ns;
		p = end + len;
	}
	if (p == s || *p || sum > 9e18)
		return err_hint(err_new(0, "'%s' is not a duration", s),
				"durations look like 10s or 1h30m");
	*ret_ns = (int64_t)sum;
	return NULL;
}

static struct err *bad_time(const char *s)
{
	return err_hint(err_new(0, "'%s' is not a time", s),
			"times look like 2026-11-21T03:45:00, 10m (ago) or unix seconds");
}

/* Seconds and a fraction as nanoseconds; false if they do not fit (from the year 2262 on). */
static bool join_ns(int64_t sec, int64_t fraction, int64_t *ret)
{
	int64_t ns;

	if (__builtin_mul_overflow(sec, 1000000000, &ns) || __builtin_add_overflow(ns, fraction, &ns))
		return false;
	*ret = ns;
	return true;
}

/* ".123" at *P; moves *P behind it. */
static int64_t maybe_fraction(const char **p)
{
	if (**p != '.')
		return 0;
	(*p)++;
	return fraction_ns(p);
}

/* "+01:00" or "-0330" -> seconds east of Greenwich. */
static bool zone_parse(const char *p, int64_t *ret_s)
{
	int64_t sign = *p == '-' ? -1 : 1;
	size_t hours = strspn(p + 1, "0123456789"), colon = p[1 + hours] == ':';
	const char *min = p + 3 + colon;

	if (!(hours == 2 && colon && strspn(min, "0123456789") == 2 && !min[2]) &&
	    !(hours == 4 && !p[5]))
		return false;
	*ret_s = sign * (((p[1] - '0') * 10 + p[2] - '0') * 3600 +
			 ((min[0] - '0') * 10 + min[1] - '0') * 60);
	return true;
}

/* What follows a date: "T03:45[:00[.5]]" and a zone; without one it is local time, as with Docker. */
static struct err *date_parse(const char *s, const char *p, struct tm *tm, int64_t *ret_ns)
{
	int64_t fraction = 0, east = 0, sec;

	if (*p == 'T' || *p == ' ') {
		const char *t = strptime(p + 1, "%H:%M:%S", tm);

		p = t ? t : strptime(p + 1, "%H:%M", tm);
		if (!p)
			return bad_time(s);
		fraction = maybe_fraction(&p);
	}
	tm->tm_isdst = -1;
	if (!*p)
		sec = mktime(tm);
	else if (!strcmp(p, "Z") || ((*p == '+' || *p == '-') && zone_parse(p, &east)))
		sec = timegm(tm) - east;
	else
		return bad_time(s);
	return join_ns(sec, fraction, ret_ns) ? NULL : bad_time(s);
}

struct err *time_parse(const char *s, int64_t now_ns, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *p;
	int64_t ns, sec;
	char *end;
	struct err *e;

	e = strcmp(s, "0") ? duration_parse(s, &ns) : bad_time(s);
	if (!e) {
		*ret_ns = now_ns - ns;
		return NULL;
	}
	err_free(e); /* not a duration: the other forms follow */
	p = strptime(s, "%Y-%m-%d", &tm);
	if (p)
		return date_parse(s, p, &tm, ret_ns);
	if (*s < '0' || *s > '9')
		return bad_time(s);
	sec = strtoll(s, &end, 10);
	p = end;
	ns = maybe_fraction(&p);
	return !*p && join_ns(sec, ns, ret_ns) ? NULL : bad_time(s);
}
