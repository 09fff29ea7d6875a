/* core/box/term.h -- the caller's terminal while it is connected to a container: raw mode, size, detach keys. */
#ifndef CORE_BOX_TERM_H
#define CORE_BOX_TERM_H

#include <signal.h>
#include <stdint.h>
#include <termios.h>

#include "core/base/err.h"

struct term {
	int fd;
	bool raw; /* saved holds what to go back to */
	struct termios saved;
};
/* Raw mode, if FD is a terminal. */
void term_raw(struct term *t, int fd);
void term_restore(struct term *t);
/* rows << 16 | columns; 0 if FD is no terminal. */
uint32_t term_size(int fd);
void term_resize(int fd, uint32_t size); /* 0: leave it as it is */

/* Take the signals that concern somebody connected to a container (WINCH, INT, TERM, HUP, QUIT, and
 * those of the NULL-able,
 * 0-ended list MORE) out of ordinary delivery and through *RET_FD (signalfd(2), non-blocking);
 * SIGPIPE is ignored.  The old mask goes to *RET_OLD for sigprocmask(SIG_SETMASK). */
struct err *term_signals(const int *more, sigset_t *ret_old, int *ret_fd) MUST_CHECK;

/* A key sequence that detaches ("ctrl-p,ctrl-q").  Pure. */
enum { DETACH_KEYS_MAX = 8 };
struct detach_keys {
	unsigned char seq[DETACH_KEYS_MAX];
	size_t n, at; /* AT keys of the sequence were seen and held back */
};
/* TEXT: comma-separated letters, or ctrl-X with X of a-z @ [ \ ] ^ _; "" never detaches. */
struct err *detach_keys_parse(const char *text, struct detach_keys *ret) MUST_CHECK;
/* Pass LEN bytes of input through: writes what the container shall get (at most LEN +
 * DETACH_KEYS_MAX bytes) to OUT, returns its length; *ret_detach is set when the sequence is
 * complete. */
size_t detach_keys_filter(struct detach_keys *k, const char *in, size_t len, char *out,
			  bool *ret_detach);

#endif
