/* core/box/control.h -- the words between a monitor and the devbox processes that talk to it.
 *
 * A SOCK_SEQPACKET unix socket, containers/<id>/ctl (mode 0600 inside a 0700 directory: only the user reaches it).  One
 * message is one struct ctl_msg of at most CTL_MAX bytes.  A client sends one request; ATTACH keeps the connection open
 * as a stream of messages in both directions until EXITED or the client closes it.
 *
 * A container that was given the user's home directory as a bind mount reaches the sockets as well, for its root is the
 * user: it can stop other containers and type into them.  That is no boundary to defend here: it can also write
 * ~/.profile. */
#ifndef CORE_BOX_CONTROL_H
#define CORE_BOX_CONTROL_H

#include <stdint.h>

#include "core/base/err.h"

enum ctl_type {
	/* requests */
	/* arg: 1 if the container's input ends with the connection; answered by OUT/ERR..., READY, EXITED */
	CTL_ATTACH = 1,
	CTL_KILL, /* arg: signal; answered by OK or FAIL */
	CTL_STOP, /* arg: seconds until SIGKILL, or CTL_STOP_DEFAULT; answered by EXITED */
	CTL_REMOVE, /* kill it and remove it when it has ended; arg: 1 with its anonymous volumes; answered by EXITED */
	CTL_WAIT, /* answered by EXITED */
	CTL_WAIT_READY, /* answered by READY, or EXITED, or FAIL */
	CTL_RESTARTS, /* arg: the policy (its number) | maximum << 3; answered by OK */
	/* answered by OK with a channel to the container's relay, see relay_proc.h, or FAIL */
	CTL_RELAY,
	CTL_INIT, /* answered by INIT with a pidfd of the container's first process */
	/* while attached */
	CTL_STDIN, /* data */
	CTL_STDIN_EOF,
	CTL_RESIZE, /* arg: rows << 16 | columns */
	CTL_SIGNAL, /* arg: signal */
	CTL_CLOSED, /* from the starter; arg: 1 or 2, the stream that nobody reads any more */
	CTL_UPDATE, /* the limits in config.json were changed; answered by OK (data: a note) or FAIL */
	CTL_KEEP, /* --rm means nothing at the end of this run: it is being restarted; answered by OK */
	CTL_TRAFFIC, /* answered by OK with a struct relay_traffic: what passed the container's devices by */
	CTL_NETWORKS, /* the networks, or the name, in config.json were changed; answered by OK or FAIL */
	/* answers */
	CTL_STARTED = 64, /* to the starter only: the image's process runs */
	CTL_OK,
	CTL_FAIL, /* data: an error, see err_recv() */
	CTL_OUT, /* data */
	CTL_ERR, /* data */
	CTL_READY,
	CTL_EXITED, /* arg: exit code */
};

enum { CTL_DATA_MAX = 32768, CTL_STOP_DEFAULT = UINT16_MAX };

struct ctl_msg {
	uint32_t type, arg;
	char data[CTL_DATA_MAX];
};

/* Send TYPE with ARG and DATA, and FD unless it is -1.  EAGAIN on a non-blocking socket is returned as an error. */
struct err *ctl_send(int sock, enum ctl_type type, uint32_t arg, const void *data, size_t len, int fd)
	MUST_CHECK;
struct err *ctl_send_err(int sock, const struct err *failure) MUST_CHECK;
/* Receive one message; *ret_len is the length of its data; *ret_fd (if not NULL) the descriptor it
 * carried or -1.  At end of file type is 0.  EAGAIN is an error on a non-blocking socket. */
struct err *ctl_recv(int sock, struct ctl_msg *msg, size_t *ret_len, int *ret_fd) MUST_CHECK;

/* The monitor's end and the clients' end of containers/<id>/ctl.  Errors: ECONNREFUSED/ENOENT: no monitor. */
struct err *ctl_listen(int box_dir, int *ret_sock) MUST_CHECK;
struct err *ctl_connect(int box_dir, int *ret_sock) MUST_CHECK;

#endif
