/* Back-pressure: an attached client that does not read stops the pump until it has read or gone, as a full pipe would;
 * without attached clients output only goes to the log.  Likewise clients are not read while much of their input waits
 * for the container. */
#include "core/box/monitor_priv.h"

#include <fcntl.h>

#include "core/base/fd.h"
#include "core/base/proc.h"

enum { STDIN_QUEUE_MAX = 65536, FULL_READS = 64, PIPE_SIZE = 512 << 10 };

/* -- input of the container ------------------------------------------------------------------------------------ */

static struct err *input_ready(struct source *s, uint32_t events)
{
	struct monitor *m = container_of(s, struct monitor, in);
	ssize_t n;

	if (events & EPOLLERR) { /* nobody reads any more */
		str_done(&m->in_queue);
		m->in_close = true;
	}
	while (m->in_queue.len) {
		n = write(s->fd, m->in_queue.s, m->in_queue.len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) { /* EPIPE */
			str_done(&m->in_queue);
			m->in_close = true;
			break;
		}
		m->in_queue.len -= (size_t)n;
		memmove(m->in_queue.s, m->in_queue.s + n, m->in_queue.len);
	}
	if (!m->in_queue.len) {
		str_done(&m->in_queue);
		if (m->in_close)
			loop_del_close(&m->loop, s);
	}
	if (s->fd >= 0)
		err_free(loop_mod(&m->loop, s, m->in_queue.len ? EPOLLOUT : 0)); /* cannot fail */
	monitor_read_clients(m, m->in_queue.len < STDIN_QUEUE_MAX);
	return NULL;
}

void monitor_input_write(struct monitor *m, const void *data, size_t len)
{
	if (m->in.fd < 0 || m->in_close)
		return; /* closed, or the container was started without stdin */
	str_addn(&m->in_queue, data, len);
	err_free(input_ready(&m->in, 0)); /* always NULL */
}

void monitor_input_eof(struct monitor *m)
{
	if (m->in.fd < 0 || m->b->spec.tty)
		return;
	m->in_close = true;
	err_free(input_ready(&m->in, 0)); /* always NULL */
}

/* -- output of the container ----------------------------------------------------------------------------------- */

void monitor_pump_set(struct monitor *m, bool on)
{
	m->blocked = !on;
	for (size_t i = 0; i < ARRAY_LEN(m->out); i++)
		/* one-shot with no events: not even a hang-up is reported twice while the pump stands still */
		if (m->out[i].src.fd >= 0)
			err_free(loop_mod(&m->loop, &m->out[i].src, on ? EPOLLIN : EPOLLONESHOT)); /* cannot fail */
}

void monitor_pump_resume(struct monitor *m)
{
	if (m->blocked && !monitor_any_unsent(m))
		monitor_pump_set(m, true);
}

static void output(struct monitor *m, enum log_stream stream, const char *data, size_t len)
{
	if (m->log) {
		struct err *e = logfile_write(m->log, stream, data, len, time_now_ns());

		if (e) { /* disk full: the container goes on, its log ends here */
			err_free(e);
			logfile_free(TAKE_PTR(m->log));
		}
	}
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached)
			monitor_send(c, stream == LOG_STDOUT ? CTL_OUT : CTL_ERR, 0, data, len, -1);
	if (monitor_any_unsent(m))
		monitor_pump_set(m, false);
}

static struct err *pump_ready(struct source *s, uint32_t events UNUSED)
{
	struct pump *p = container_of(s, struct pump, src);
	struct monitor *m = p->m;
	ssize_t n;

	if (m->blocked)
		return NULL;
	n = read(s->fd, m->buf, sizeof(m->buf));
	/* much comes: a larger pipe saves the writer from waiting for us.  Not from the start: what all pipes of a user
	 * may hold is bounded */
	if (n == sizeof(m->buf) && p->full_reads < FULL_READS && ++p->full_reads == FULL_READS)
		fcntl(s->fd, F_SETPIPE_SZ, PIPE_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0) {
		output(m, p->stream, m->buf, (size_t)n);
		return NULL;
	}
	loop_del_close(&m->loop, s); /* end of file; EIO: the terminal's last slave was closed */
	monitor_maybe_finish(m);
	return NULL;
}

struct err *monitor_pump_add(struct monitor *m, int i, int fd, enum log_stream stream)
{
	m->out[i] = (struct pump){ .src = { .fd = fd, .ready = pump_ready }, .m = m, .stream = stream };
	/* still: nothing is passed on before STARTED was sent */
	return fd_nonblock(fd, true) ?: loop_add(&m->loop, &m->out[i].src, EPOLLONESHOT);
}

struct err *monitor_input_add(struct monitor *m, int fd)
{
	m->in = (struct source){ .fd = fd, .ready = input_ready };
	return fd_nonblock(fd, true) ?: loop_add(&m->loop, &m->in, 0);
}
