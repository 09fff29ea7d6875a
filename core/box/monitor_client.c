#include "core/box/monitor_priv.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "core/base/fd.h"

void monitor_client_drop(struct client *c)
{
	struct client **at = &c->m->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_del_close(&c->m->loop, &c->src); /* release() frees it after the batch */
}

static void client_release(struct source *s)
{
	struct client *c = container_of(s, struct client, src);

	str_done(&c->queue);
	free(c);
}

static void client_watch(struct client *c)
{
	uint32_t events = (c->reading ? EPOLLIN : 0) | (c->queue.len ? EPOLLOUT : 0);

	err_free(loop_mod(&c->m->loop, &c->src, events)); /* the descriptor is in the loop: cannot fail */
}

void monitor_send(struct client *c, enum ctl_type type, uint32_t arg, const void *data, size_t len,
		  int fd)
{
	struct err *e = c->queue.len ? NULL : ctl_send(c->src.fd, type, arg, data, len, fd);
	size_t size = offsetof(struct ctl_msg, data) + len;
	uint32_t head[2] = { type, arg };

	if (!c->queue.len && !e)
		return;
	if (!e || err_is(e, EAGAIN)) {
		str_addn(&c->queue, &size, sizeof(size));
		str_addn(&c->queue, head, sizeof(head));
		str_addn(&c->queue, data, len);
		client_watch(c);
	}
	err_free(e);
}

void monitor_fail(struct client *c, struct err *e)
{
	char buf[ERR_WIRE_MAX];

	monitor_send(c, CTL_FAIL, 0, buf, err_pack(e, buf), -1);
	err_free(e);
}

static void client_flush(struct client *c)
{
	size_t done = 0;

	while (done < c->queue.len) {
		size_t size;
		ssize_t n;

		memcpy(&size, c->queue.s + done, sizeof(size));
		n = send(c->src.fd, c->queue.s + done + sizeof(size), size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		done += sizeof(size) + size; /* other errors: end of file follows, the rest is void */
	}
	c->queue.len -= done;
	if (c->queue.len)
		memmove(c->queue.s, c->queue.s + done, c->queue.len);
	else
		str_done(&c->queue);
	client_watch(c);
}

bool monitor_any_unsent(struct monitor *m)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->queue.len)
			return true;
	return false;
}

void monitor_read_clients(struct monitor *m, bool on)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->attached && c->reading != on) {
			c->reading = on;
			client_watch(c);
		}
}

static struct err *client_ready(struct source *s, uint32_t events)
{
	struct client *c = container_of(s, struct client, src);
	struct monitor *m = c->m;
	struct ctl_msg msg;
	size_t len;
	struct err *e;

	if (events & EPOLLOUT) {
		client_flush(c);
		monitor_pump_resume(m);
		monitor_maybe_finish(m);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return NULL;
	e = ctl_recv(s->fd, &msg, &len, NULL);
	if (err_is(e, EAGAIN)) {
		err_free(e);
		return NULL;
	}
	if (e || !msg.type) { /* gone */
		err_free(e);
		str_done(&c->queue);
		if (c->attached && c->input_ends)
			monitor_input_eof(m);
		monitor_client_drop(c);
		monitor_pump_resume(m);
		monitor_maybe_finish(m);
		return NULL;
	}
	monitor_request(c, &msg, len);
	return NULL;
}

struct err *monitor_client_add(struct monitor *m, int fd, struct client **ret)
{
	struct client *c = xcalloc(1, sizeof(*c));
	struct err *e = fd_nonblock(fd, true);

	*c = (struct client){ .src = { .fd = fd, .ready = client_ready, .release = client_release },
			      .m = m,
			      .next = m->clients,
			      .reading = true };
	e = e ?: loop_add(&m->loop, &c->src, EPOLLIN);
	if (e) {
		close(fd);
		free(c);
		return e;
	}
	m->clients = c;
	if (ret)
		*ret = c;
	return NULL;
}

struct err *monitor_listen_ready(struct source *s, uint32_t events UNUSED)
{
	struct monitor *m = container_of(s, struct monitor, listen);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		err_free(monitor_client_add(m, fd, NULL)); /* that client sees its connection closed */
	return NULL;
}
