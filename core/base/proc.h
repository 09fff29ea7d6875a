/* core/base/proc.h -- processes, signals, time of this boot.  A process is named by a pidfd while we hold it and by
 * (pid, start time, boot id) on disk: pids are re-used, the triple is not. */
#ifndef CORE_BASE_PROC_H
#define CORE_BASE_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"

int pidfd_open(pid_t pid, unsigned flags); /* pidfd_open(2), close-on-exec; -1 and errno */
int pidfd_signal(int pidfd, int sig); /* pidfd_send_signal(2) */
/* Reap the child behind PIDFD.  Writes 0..255, or 128 + signal. */
struct err *proc_wait(int pidfd, int *ret_status) MUST_CHECK;
struct err *proc_wait_pid(pid_t pid, int *ret_status) MUST_CHECK;
void proc_kill_and_reap(pid_t pid);

/* Start time of PID in clock ticks since boot (field 22 of proc_pid_stat(5)); 0 if there is no such process. */
uint64_t proc_start_time(pid_t pid);
/* 32 hex digits and dashes as in /proc/sys/kernel/random/boot_id; read once. */
const char *proc_boot_id(void);
/* Does the process named by the triple exist? */
bool proc_is(pid_t pid, uint64_t start_time, const char *boot_id);

/* Would SIG reach PID, the first process of a pid namespace?  The kernel drops what such a process neither catches nor
 * blocks (pid_namespaces(7)), SIGKILL aside.  True also when that cannot be seen. */
bool proc_init_takes(pid_t pid, int sig);

/* The process list shows a command line to every user of the machine, passwords given by -e
 * included.  main() tells once where it lies; a process that stays then puts a title in its place.
 * The old strings must not be used any more. */
void proc_title_init(int argc, char **argv);
void proc_title_set(const char *fmt, ...) PRINTF(1, 2);

/* Overwrite the environment the process was started with; getenv(3) finds nothing any more. */
void proc_env_wipe(void);

/* For a process that has finished its set-up and will mostly wait: let go of the program's own pages (code and
 * constants), which come back one by one as they are used.  A monitor then counts what it uses, not what starting it
 * needed. */
void proc_trim_memory(void);

/* For a process through which others wait for each other: asks for the shortest time slice (sched_setattr(2), kernel
 * 6.12; older ones change nothing).  Who wakes with less to do than the running one has left goes first: on busy
 * processors a relay would else wait out the slices of the server and its clients at every step. */
void proc_short_slice(void);

/* "TERM", "SIGTERM", "15", "RTMIN+3" -> number.  Errors: "'X' is not a signal". */
struct err *sig_parse(const char *s, int *ret_sig) MUST_CHECK;
/* "SIGTERM"; "SIG35" for what has no name. */
const char *sig_name(int sig);

/* Wall clock in nanoseconds since 1970 (CLOCK_REALTIME); monotonic clock in milliseconds. */
int64_t time_now_ns(void);
int64_t time_mono_ms(void);
/* "2026-11-21T03:45:29.123456789Z" into BUF of TIME_TEXT_MAX bytes. */
enum { TIME_TEXT_MAX = 40 };
void time_format(int64_t ns, char *buf);
/* RFC 3339 with optional fraction and zone (none: local time), or a plain date, or unix seconds with fraction, or a
 * duration back from now ("10m", "1h30m", "42s"), as docker logs --since takes them. */
struct err *time_parse(const char *s, int64_t now_ns, int64_t *ret_ns) MUST_CHECK;
/* Go's duration: "1h30m", "1.5s", "300ms".  */
struct err *duration_parse(const char *s, int64_t *ret_ns) MUST_CHECK;

#endif
