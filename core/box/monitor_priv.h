/* core/box/monitor_priv.h -- what the monitor's files share.
 *
 *	monitor.c          a container's life: beginning, first process, end, the wait between two runs
 *	monitor_client.c   who is connected to the control socket: frames in and out
 *	monitor_request.c  what they ask for
 *	monitor_stream.c   the container's output to log and clients, its input from them
 *	monitor_relay.c    the relay of published ports, and readiness, which it finds out
 *	monitor_health.c   health tests
 *	monitor_api.c      Docker's API for the container itself
 *
 * All of it is one process with one loop; what is static in a file is its own affair. */
#ifndef CORE_BOX_MONITOR_PRIV_H
#define CORE_BOX_MONITOR_PRIV_H

#include "core/base/loop.h"
#include "core/box/boxnet.h"
#include "core/box/control.h"
#include "core/box/initkeep.h"
#include "core/box/keeper.h"
#include "core/box/logfile.h"
#include "core/box/monitor.h"
#include "core/box/recipe.h"
#include "core/box/restart.h"
#include "core/box/state.h"
#include "core/ns/parent.h"
#include "core/store/fork.h"
#include "slirp/publish.h"
#include "slirp/relay.h"

enum phase { STARTING, RUNNING, EXITED, WAITING };

struct client {
	struct source src;
	struct monitor *m;
	struct client *next;
	bool attached, wants_exit, wants_ready, starter;
	bool input_ends; /* the container's input does, with the connection */
	bool reading; /* its requests are read; off while its input waits for the container */
	struct str queue; /* frames not sent yet: size_t length, then the message */
};

/* One stream of output on its way to the log and the clients. */
struct pump {
	struct source src;
	struct monitor *m;
	enum log_stream stream;
	int full_reads; /* how often the buffer was filled, up to FULL_READS */
};

struct monitor {
	struct box *b;
	struct loop loop;
	enum phase phase;
	int lock;
	struct fork_mounts thin; /* this run's */
	int *holds; /* on its volumes, one per entry of spec.mounts, -1 for others: nobody seals them under it */
	int mnt_ns; /* keeps the file tree mounted beyond init's end, so that a slow unmount delays nobody */
	pid_t init_pid, relay_pid;
	int64_t relay_start_ms;
	struct relay_traffic *traffic; /* of the relays of this run; NULL: there was none */
	bool relay_stays; /* somebody has or had a channel to it */
	struct source init, sync, listen, signals, relay;
	struct pump out[2]; /* stdout and stderr, or the terminal's master in out[0] */
	uint32_t tty_size; /* the starter's terminal, see term_size() */
	int tty_slave; /* held open while init lives, so that the master never reports a hang-up early */
	struct source in; /* the container's stdin: a pipe's write end, or the terminal's master again */
	struct str in_queue;
	bool in_close; /* close stdin when the queue is empty */
	struct logfile *log;
	struct keeper keeper;
	struct client *clients;
	int64_t stop_deadline_ms;
	bool stop_unheard; /* the last stop signal was dropped by the kernel */
	struct timer stop_timer, drain_timer, relay_timer, restart_timer;
	struct restart_track track;
	int64_t run_start_ms; /* of this run, 0 until it runs */
	bool no_restart; /* somebody ends it */
	bool ran; /* the container did, in this process or an earlier one */
	bool ended_waiting; /* and did so between two runs: who waits is told by end(), not before */
	struct timer health_timer;
	struct initkeep initkeep;
	struct source tester; /* its result comes here */
	pid_t tester_pid;
	int64_t test_start_ns, test_ran_ms; /* when it began; how old the run was then */
	struct listeners listeners;
	struct strv notes;
	struct boxnet nets;
	struct parent parent; /* PARENT_NONE before the first run */
	struct source asked; /* its socket */
	const struct recipe *recipe;
	struct monitor_api *api; /* NULL: the container has no mount that stands for Docker's socket */
	char hostname[65];
	bool remove, remove_volumes; /* at the end: --rm, or rm -f */
	bool blocked; /* the pump waits for a slow client */
	char buf[CTL_DATA_MAX];
};

/* monitor.c */
/* Everything that was said is with the log and the clients, or there is nobody left to tell: then the loop ends. */
void monitor_maybe_finish(struct monitor *m);

/* monitor_client.c */
struct err *monitor_client_add(struct monitor *m, int fd, struct client **ret) MUST_CHECK;
void monitor_client_drop(struct client *c);
/* Send now, or queue behind what waits already.  Never blocks; a client that is gone is dropped by its next event. */
void monitor_send(struct client *c, enum ctl_type type, uint32_t arg, const void *data, size_t len,
		  int fd);
void monitor_fail(struct client *c, struct err *e); /* takes E */
/* Off: what attached clients send stays in their sockets. */
void monitor_read_clients(struct monitor *m, bool on);
bool monitor_any_unsent(struct monitor *m);
struct err *monitor_listen_ready(struct source *s, uint32_t events);

/* monitor_request.c */
void monitor_request(struct client *c, const struct ctl_msg *msg, size_t len);
/* No run follows this one; between two runs that is the end. */
void monitor_end_restarts(struct monitor *m, bool by_user);
/* SIGTERM (or what the image wants) now, SIGKILL in TIMEOUT_S seconds; a shorter wait replaces a longer one. */
void monitor_stop(struct monitor *m, uint32_t timeout_s);
struct err *monitor_stop_expired(struct timer *t);

/* monitor_stream.c */
/* FD becomes a source of output, standing still; or where input goes to. */
struct err *monitor_pump_add(struct monitor *m, int i, int fd, enum log_stream stream) MUST_CHECK;
struct err *monitor_input_add(struct monitor *m, int fd) MUST_CHECK;
void monitor_pump_set(struct monitor *m, bool on);
/* If nothing waits for a client any more. */
void monitor_pump_resume(struct monitor *m);
void monitor_input_write(struct monitor *m, const void *data, size_t len);
void monitor_input_eof(struct monitor *m);

/* monitor_relay.c */
/* If there is something for it to do. */
struct err *monitor_relay_start(struct monitor *m) MUST_CHECK;
void monitor_relay_stop(struct monitor *m);
struct err *monitor_relay_again(struct timer *t);
/* Whoever accepts connections for this container hands them over. */
void monitor_relay_channel(struct client *c);
/* For what the container connects to outside; see struct boxnet. */
void monitor_want_relay(void *arg, struct membership *ms);

/* monitor_health.c */
/* The next test, when it is due. */
void monitor_health_again(struct monitor *m);
struct err *monitor_health_due(struct timer *t);
void monitor_tester_stop(struct monitor *m);

/* monitor_api.c */
/* Before each run; nothing for those that do not ask. */
struct err *monitor_api_open(struct monitor *m) MUST_CHECK;
void monitor_api_close(struct monitor *m); /* nobody new is served */
int monitor_api_fd(const struct monitor *m); /* the listener, or -1 */

#endif
