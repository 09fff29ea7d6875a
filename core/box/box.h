/* core/box/box.h -- containers as objects: what the verbs call.  Structured results, no output.
 *
 * A container is containers/<id>/ in the store: config.json (struct spec, immutable), state.json (struct state, written
 * by the monitor), log, lock (flock held by the living monitor), ctl (the monitor's socket), upper/ work/;
 * docker.sock (apisock.h) and execs/ (execrec.h), where there is use for them. */
#ifndef CORE_BOX_BOX_H
#define CORE_BOX_BOX_H

#include "core/box/spec.h"
#include "core/store/dirs.h"
#include "core/store/names.h"

enum box_status {
	BOX_CREATED,
	BOX_RUNNING,
	BOX_RESTARTING, /* between two runs: its monitor waits to start it again */
	BOX_EXITED,
	BOX_REMOVING,
	BOX_DEAD,
	BOX_STATUS_MAX
};
extern const char *const box_status_names[]; /* "created", "running", ... */

/* Where a container is on a network. */
struct net_state {
	char *name;
	char id[ID_LEN + 1]; /* the network's */
	struct net_addrs addrs; /* its own, the gateway's */
	bool ipv6;
};

struct state {
	enum box_status status;
	pid_t pid; /* init, in the host's pid namespace; 0 unless running */
	uint64_t pid_start; /* its start time, see proc_is() */
	pid_t monitor_pid;
	char boot_id[64];
	int exit_code;
	int64_t started_ns, finished_ns; /* 0: never */
	char *error; /* why it did not start, or was killed, or NULL */
	unsigned restart_count; /* by its policy, since the user's start */
	bool starting; /* made by `run`, which starts it next; it holds the directory's flock(2) until then */
	bool user_stopped; /* stopped or killed on purpose: "devbox resume" leaves it */
	bool ready; /* the recipe's server answered */
	bool oom_killed; /* the last run went above its memory limit */
	enum limits_mode limits_mode; /* how its limits are kept */
	struct health health; /* of the last run, see health.h */
	struct ports published; /* where the ports really are */
	struct net_state *nets; /* its networks in the order of eth0, eth1...; kept for the next run */
	size_t n_nets;
	char *ip; /* its IPv4 address on the first of them, NULL with host/none network */
};

/* Docker's "Running": there is a monitor that runs it or will run it again. */
static inline bool state_is_up(const struct state *s)
{
	return s->status == BOX_RUNNING || s->status == BOX_RESTARTING;
}

struct box {
	struct store *st;
	struct spec spec;
	struct state state; /* already corrected: never "running" without a living monitor */
	int dir; /* containers/<id> */
	struct userns_ids ids; /* its mapping, see keepid.h */
	bool from_init_cache; /* of box_create(): its data was set up before */
	struct strv notes; /* sentences for the user, filled by box_start(): ports that moved */
};
void box_free(struct box *b);

/* The label of what was made through the socket of a "devbox with", which removes that: its name.  It comes with a
 * request, never with an image; a container's volumes get it, if they are made with it. */
#define LABEL_WITH "devbox.with"

/* Make the container (directory, name, volumes).  REQ's name is checked; without one a name is made
 * up.  Errors: name in use as Docker words it. */
struct err *box_create(struct store *st, const struct run_request *req, const struct image *img,
		       struct box **ret) MUST_CHECK;
/* By full id, unique prefix of the id, or name.  Errors: "No such container: X", ambiguous prefix. */
struct err *box_find(struct store *st, const char *text, struct box **ret) MUST_CHECK;
/* All, newest first.  Records that cannot be read are skipped (a crash's garbage, removed by prune). */
struct err *box_list(struct store *st, struct box ***ret, size_t *ret_n) MUST_CHECK;

/* Start a created or exited container: forks its monitor and waits until the image's process was executed, or failed:
 * status 126/127 as Docker.  With RET_CONN, *ret_conn is a connection for attach_run() that was there before the
 * first byte of output; pass NULL to start it in the background.  Published addresses are in
 * b->state.published afterwards, unless it has ended already. */
struct err *box_start(struct box *b, int *ret_conn) MUST_CHECK;

/* SIGTERM or the stop signal, TIMEOUT_S seconds (-1: the container's own, 10 by default), SIGKILL;
 * returns when it has ended. A container that does not run is success. */
struct err *box_stop(struct box *b, int timeout_s) MUST_CHECK;
/* Its next end is none for --rm, because it is started again. */
struct err *box_keep(struct box *b) MUST_CHECK;
struct err *box_kill(struct box *b, int sig) MUST_CHECK; /* error if not running, as Docker words it */
/* Change the restart policy, also of a running container.  Errors: it was made with --rm. */
struct err *box_set_restart(struct box *b, const struct restart_policy *p) MUST_CHECK;
/* FORCE: kill first.  VOLUMES: anonymous volumes too. */
struct err *box_rm(struct box *b, bool force, bool volumes) MUST_CHECK;
/* Put it on another network, also while it runs.  WANT->name is the network's name or id.  LINKS: "CONTAINER[:ALIAS]",
 * kept for its next start.  Errors in Docker's words: "endpoint with name X already exists in network Y". */
struct err *box_connect(struct box *b, const struct net_want *want, const struct strv *links) MUST_CHECK;
/* Take it off.  Errors: "container X is not connected to network Y". */
struct err *box_disconnect(struct box *b, const char *network) MUST_CHECK;
/* Give it another name.  Errors as Docker words them. */
struct err *box_rename(struct box *b, const char *name) MUST_CHECK;
/* Bytes that went to and from it past its devices: by published ports, and by what asked for the outside directly.
 * Zero if nobody knows. */
void box_traffic(struct box *b, uint64_t *ret_in, uint64_t *ret_out);
/* Wait until it has ended; the exit code.  Returns at once if it does not run. */
struct err *box_wait(struct box *b, int *ret_code) MUST_CHECK;
/* Wait until the recipe's server answers.  TIMEOUT_S 0: no limit.  Errors: no recipe, ended before, timed out. */
struct err *box_wait_ready(struct box *b, unsigned timeout_s) MUST_CHECK;
/* Does any container mount the volume NAME? */
bool box_uses_volume(struct store *st, const char *name);
/* Read state.json again. */
struct err *box_refresh(struct box *b) MUST_CHECK;

/* For who runs a command and is neither a terminal nor two files. */
struct exec_hooks {
	const char *id; /* of its events; its making was told */
	bool to_end; /* detached, and its end is waited for all the same */
	void (*started)(void *arg); /* it was executed */
	/* Output of stream 1 or 2, in place of stdio. */
	struct err *(*output)(void *arg, int stream, const void *data, size_t len);
	uint32_t (*size)(void *arg); /* see term_size(): asked at the start, and at SIGWINCH */
	/* Input that was read already, before what comes from stdio[0]; at most EXEC_EARLY_MAX bytes. */
	const char *early;
	size_t n_early;
	void *arg;
};
enum { EXEC_EARLY_MAX = 65536 - 8 };

struct exec_request {
	struct strv argv;
	struct strv env; /* added to the container's */
	const char *user, *workdir; /* NULL: the container's */
	bool tty, open_stdin, detach;
	bool privileged; /* all capabilities inside the namespace; the filter stays the container's */
	const struct exec_hooks *hooks; /* NULL: stdio is all */
};
/* Run a command in a running container; *ret_status is its exit status (0 when detached).  Errors: not running
 * ("container X is not running"), 126, 127.  IN/OUT/ERR are the caller's descriptors for the streams. */
struct err *box_exec(struct box *b, const struct exec_request *req, const int stdio[3],
		     const char *detach_keys, int *ret_status) MUST_CHECK;

/* Open a connection to a running container for attach_run(). */
struct err *box_attach(struct box *b, int *ret_conn) MUST_CHECK;

enum attach_end { ATTACH_EXITED, ATTACH_DETACHED, ATTACH_LOST };
struct attach_opts {
	int stdio[3]; /* the caller's stdin, stdout, stderr */
	bool with_stdin, tty; /* tty: stdio[0] is put into raw mode while attached, sizes follow SIGWINCH */
	bool sig_proxy; /* forward the signals we get */
	const char *detach_keys; /* NULL: "ctrl-p,ctrl-q" */
	void (*on_ready)(void *arg); /* the recipe's server answers (called once); may be NULL */
	void (*on_interrupt)(void *arg, unsigned count); /* Ctrl-C without tty, before it is forwarded; may be NULL */
	void *arg;
};
/* Relay between the terminal and the container until it ends or the user detaches.  Always restores the terminal.
 * *ret_code is the exit code when *ret_end is ATTACH_EXITED. */
struct err *attach_run(struct box *b, int conn, const struct attach_opts *opts,
		       enum attach_end *ret_end, int *ret_code) MUST_CHECK;

/* Can programs for ARCH ("arm64") run here, by the processor or an emulator that the host's kernel knows? */
bool machine_can_run(const char *arch);

#endif
