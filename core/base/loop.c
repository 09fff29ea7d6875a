#include "core/base/loop.h"

#include <sys/timerfd.h>

#include "core/base/str.h"

struct err *loop_init(struct loop *l)
{
	*l = (struct loop){ .epfd = epoll_create1(EPOLL_CLOEXEC) };
	return l->epfd < 0 ? err_new(errno, "making an event loop") : NULL;
}

void loop_done(struct loop *l)
{
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

struct err *loop_add(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return err_new(errno, "watching a descriptor");
	return NULL;
}

struct err *loop_mod(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		return err_new(errno, "watching a descriptor");
	return NULL;
}

int loop_del(struct loop *l, struct source *s)
{
	int fd = s->fd;

	if (fd < 0)
		return -1;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, NULL);
	s->fd = -1;
	if (s->release) { /* else S may be added and removed again within the batch: no list could hold it twice */
		s->next_removed = l->removed;
		l->removed = s;
	}
	return fd;
}

void loop_del_close(struct loop *l, struct source *s)
{
	int fd = loop_del(l, s);

	if (fd >= 0)
		close(fd);
}

void loop_hook_add(struct loop *l, struct loop_hook *h)
{
	h->next = l->hooks;
	l->hooks = h;
}

void loop_hook_del(struct loop *l, struct loop_hook *h)
{
	struct loop_hook **at = &l->hooks;

	while (*at && *at != h)
		at = &(*at)->next;
	if (*at)
		*at = h->next;
}

static void free_removed(struct loop *l)
{
	while (l->removed) {
		struct source *s = l->removed;

		l->removed = s->next_removed;
		s->release(s);
	}
}

struct err *loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[64];
	struct err *e = NULL;
	int n;

	for (struct loop_hook *h = l->hooks; h; h = h->next)
		h->prepare(h, &timeout_ms);
	n = epoll_wait(l->epfd, ev, ARRAY_LEN(ev), timeout_ms);
	if (n < 0 && errno != EINTR)
		return err_new(errno, "waiting for events");
	for (int i = 0; i < n && !e; i++) {
		struct source *s = ev[i].data.ptr;

		if (s->fd >= 0) /* -1: removed earlier in this batch */
			e = s->ready(s, ev[i].events);
	}
	for (struct loop_hook *h = l->hooks; h && !e; h = h->next)
		e = h->check(h);
	free_removed(l);
	return e;
}

struct err *loop_run(struct loop *l)
{
	struct err *e = NULL;

	l->stop = false;
	while (!l->stop && !e)
		e = loop_once(l, -1);
	return e;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

static struct err *timer_ready(struct source *s, uint32_t events UNUSED)
{
	struct timer *t = container_of(s, struct timer, src);
	uint64_t expirations;

	if (read(s->fd, &expirations, sizeof(expirations)) < 0)
		return NULL; /* re-armed meanwhile: nothing has expired */
	return t->fire(t);
}

struct err *timer_init(struct loop *l, struct timer *t, struct err *(*fire)(struct timer *))
{
	t->src = (struct source){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
				  .ready = timer_ready };
	t->fire = fire;
	if (t->src.fd < 0)
		return err_new(errno, "making a timer");
	return loop_add(l, &t->src, EPOLLIN);
}

void timer_set(struct timer *t, int64_t delay_ms, int64_t interval_ms)
{
	struct itimerspec its = {
		.it_value = { delay_ms / 1000, delay_ms % 1000 * 1000000 },
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
	};

	timerfd_settime(t->src.fd, 0, &its, NULL);
}

void timer_done(struct loop *l, struct timer *t)
{
	loop_del_close(l, &t->src);
}
