#include "core/base/proc.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "core/base/str.h"
#include "tests/lib/tap.h"

static const struct {
	const char *text, *name; /* name NULL: refused */
	int sig;
} sigs[] = {
	{ "TERM", "SIGTERM", SIGTERM },
	{ "SIGTERM", "SIGTERM", SIGTERM },
	{ "sigkill", "SIGKILL", SIGKILL },
	{ "9", "SIGKILL", 9 },
	{ "64", "SIG64", 64 },
	{ "RTMIN", "SIG34", 34 },
	{ "SIGRTMIN+3", "SIG37", 37 },
	{ "RTMAX-1", "SIG63", 63 },
	{ "RTMAX", "SIG64", 64 },
	{ "CHLD", "SIGCHLD", SIGCHLD },
	{ "SIGCLD", "SIGCHLD", SIGCHLD },
	{ "IOT", "SIGABRT", SIGABRT },
	{ "0", NULL, 0 },
	{ "65", NULL, 0 },
	{ "-9", NULL, 0 },
	{ "", NULL, 0 },
	{ "SIG", NULL, 0 },
	{ "TERMX", NULL, 0 },
	{ "RTMIN+31", NULL, 0 },
	{ "RTMIN-1", NULL, 0 },
	{ "RTMIN+", NULL, 0 },
	{ "RTMAX+1", NULL, 0 },
};

static void test_signals(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
		_cleanup_free_ char *refused = xasprintf("'%s' is not a signal", sigs[i].text);
		int sig = 0;

		is_err(sig_parse(sigs[i].text, &sig), sigs[i].name ? NULL : refused, "signal '%s'",
		       sigs[i].text);
		is_int(sig, sigs[i].sig, "its number");
		if (sigs[i].name)
			is_str(sig_name(sig), sigs[i].name, "its name");
	}
}

static pid_t child(int status, int sig)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (sig)
			raise(sig);
		_exit(status);
	}
	return pid;
}

static void takes(int sig UNUSED)
{
}

static void test_processes(void)
{
	int status = -1, fd;
	sigset_t set;
	uint64_t start;
	pid_t pid;

	is_err(proc_wait_pid(child(7, 0), &status), NULL, "a child that ends");
	is_int(status, 7, "its status");
	is_err(proc_wait_pid(child(0, SIGKILL), &status), NULL, "one that is killed");
	is_int(status, 128 + SIGKILL, "its status");
	is_err(proc_wait_pid(1, &status), "waiting for a child process: No child processes",
	       "one that is not ours");

	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	fd = pidfd_open(pid, 0);
	start = proc_start_time(pid);
	ok(fd >= 0 && start, "a living child has a start time");
	ok(proc_is(pid, start, proc_boot_id()), "it is what it is");
	ok(!proc_is(pid, start + 1, proc_boot_id()), "not one that started later");
	ok(!proc_is(pid, start, "another-boot"), "nor in another boot");
	ok(!proc_is(0, start, proc_boot_id()) && !proc_is(pid, 0, proc_boot_id()), "nor nothing");
	ok(pidfd_signal(fd, SIGTERM) == 0, "a signal through its descriptor");
	is_err(proc_wait(fd, &status), NULL, "waiting for it");
	is_int(status, 128 + SIGTERM, "its status");
	ok(!proc_start_time(pid) && !proc_is(pid, start, proc_boot_id()), "then it is gone");
	close(fd);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	ok(!proc_init_takes(pid, SIGUSR1), "neither caught nor blocked");
	proc_kill_and_reap(pid);
	ok(proc_init_takes(pid, SIGUSR1), "nobody is not deaf");
	signal(SIGUSR1, takes);
	ok(proc_init_takes(getpid(), SIGUSR1), "caught");
	ok(!proc_init_takes(getpid(), SIGUSR2), "and no other");
	signal(SIGUSR1, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ok(proc_init_takes(getpid(), SIGUSR2), "blocked: sigwait(3) may come");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	ok(kill(pid, 0) < 0 && errno == ESRCH, "killed and reaped");
	is_int(strlen(proc_boot_id()), 36, "the boot has an id");
}

#define S INT64_C(1000000000)
#define NOW (1700000000 * S)

static const struct {
	const char *text;
	int64_t ns; /* -1: refused */
} durations[] = {
	{ "0", 0 },
	{ "10s", 10 * S },
	{ "1h30m", 5400 * S },
	{ "1.5s", 1500000000 },
	{ "300ms", 300000000 },
	{ "5us7ns", 5007 },
	{ "2m0.5s", 120500000000 },
	{ "", -1 },
	{ "10", -1 },
	{ "s", -1 },
	{ "10x", -1 },
	{ "-5s", -1 },
	{ "1hm", -1 },
	{ "0x10s", -1 },
	{ "1e3s", -1 },
	{ "1..5s", -1 },
	{ "inf s", -1 },
	{ "9999999999h", -1 },
};

/* Local time is two hours east of Greenwich. */
static const struct {
	const char *text;
	int64_t ns; /* -1: refused */
} times[] = {
	{ "10m", NOW - 600 * S },
	{ "0", 0 },
	{ "1234567890", 1234567890 * S },
	{ "1234567890.25", 1234567890250000000 },
	{ "1234567890.123456789", 1234567890123456789 },
	{ "2009-02-13T23:31:30Z", 1234567890 * S },
	{ "2009-02-13T23:31:30.5Z", 1234567890500000000 },
	{ "2009-02-13T23:31:30.1234567891Z", 1234567890123456789 },
	{ "2009-02-14T00:31:30+01:00", 1234567890 * S },
	{ "2009-02-13T20:01:30-0330", 1234567890 * S },
	{ "2009-02-14T01:31:30", 1234567890 * S },
	{ "2009-02-14 01:31:30", 1234567890 * S },
	{ "2009-02-14T01:31", 1234567860 * S },
	{ "2009-02-14", 1234562400 * S },
	{ "2009-02-14Z", 1234569600 * S },
	{ "", -1 },
	{ "yesterday", -1 },
	{ "-5", -1 },
	{ "2009-02", -1 },
	{ "2009-13-01", -1 },
	{ "2009-02-14T", -1 },
	{ "2009-02-14Tx", -1 },
	{ "2009-02-14T01:31:30x", -1 },
	{ "2009-02-14T01:31:30+1", -1 },
	{ "2009-02-14T01:31:30+01:0", -1 },
	{ "2009-02-14T01:31:30+01:000", -1 },
	{ "2009-02-14T01:31:30Zx", -1 },
	{ "9999-01-01T00:00:00Z", -1 },
	{ "99999999999999999999", -1 },
	{ "1234567890.x", -1 },
};

static void test_times(void)
{
	char text[TIME_TEXT_MAX];
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		ns = -1;
		is_err(duration_parse(durations[i].text, &ns),
		       durations[i].ns < 0 ? "'*' is not a duration (hint: durations look like 10s or 1h30m)"
					   : NULL,
		       "duration '%s'", durations[i].text);
		is_int(ns, durations[i].ns, "its nanoseconds");
	}
	setenv("TZ", "XYZ-2", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		ns = -1;
		is_err(time_parse(times[i].text, NOW, &ns),
		       times[i].ns < 0 ? "'*' is not a time (hint: *)" : NULL, "time '%s'",
		       times[i].text);
		is_int(ns, times[i].ns, "its nanoseconds");
	}
	time_format(1234567890123456789, text);
	is_str(text, "2009-02-13T23:31:30.123456789Z", "as text");
	time_format(-1, text);
	is_str(text, "1969-12-31T23:59:59.999999999Z", "before 1970");
	time_format(INT64_MAX, text);
	is_str(text, "2262-04-11T23:47:16.854775807Z", "the last one");
	ok(time_now_ns() > 1600000000 * S && time_mono_ms() > 0, "clocks");
}

int main(void)
{
	test_signals();
	test_processes();
	test_times();
	return done_testing();
}
