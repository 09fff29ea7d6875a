#include "core/base/loop.h"

#include <sys/eventfd.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "tests/lib/tap.h"

struct thing {
	struct source src;
	struct loop *loop;
	struct thing *other; /* taken out by our event */
	unsigned calls, released;
	bool add_again;
};

static int event(void)
{
	return eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* readable at once */
}

static struct err *thing_ready(struct source *s, uint32_t events)
{
	struct thing *t = container_of(s, struct thing, src);

	t->calls += (events & EPOLLIN) != 0;
	if (t->other) {
		loop_del_close(t->loop, &t->other->src);
		if (t->other->add_again) {
			t->other->src.fd = event();
			return loop_add(t->loop, &t->other->src, EPOLLIN);
		}
	}
	return NULL;
}

static void thing_release(struct source *s)
{
	container_of(s, struct thing, src)->released++;
}

static void test_batch(void)
{
	struct thing a = { .src = { .ready = thing_ready, .release = thing_release } }, b = a;
	struct loop l;

	is_err(loop_init(&l), NULL, "a loop");
	a.loop = b.loop = &l;
	a.other = &b;
	b.other = &a;
	a.src.fd = event();
	b.src.fd = event();
	is_err(loop_add(&l, &a.src, EPOLLIN), NULL, "a source");
	is_err(loop_add(&l, &b.src, EPOLLIN), NULL, "and another");
	is_err(loop_once(&l, 1000), NULL, "both are ready, the first takes the other out");
	is_int(a.calls + b.calls, 1, "which is not called any more");
	is_int(a.released + b.released, 1, "but released, after the batch");
	ok((a.src.fd < 0) != (b.src.fd < 0), "its descriptor is -1");
	loop_del_close(&l, a.src.fd < 0 ? &b.src : &a.src);
	is_int(loop_del(&l, &a.src), -1, "taking it out twice does nothing");
	is_err(loop_once(&l, 0), NULL, "an empty loop");
	is_int(a.released + b.released, 2, "releases what was taken out between batches");
	loop_done(&l);
}

/* A connection that is given up and made anew, several times while one batch lasts. */
static void test_again(void)
{
	struct thing a = { .src = { .ready = thing_ready } }, b = a, c = a;
	struct loop l;

	is_err(loop_init(&l), NULL, "a loop");
	a.loop = b.loop = c.loop = &l;
	a.other = b.other = &c;
	c.add_again = true;
	a.src.fd = event();
	b.src.fd = event();
	c.src.fd = event();
	is_err(loop_add(&l, &a.src, EPOLLIN), NULL, "one");
	is_err(loop_add(&l, &b.src, EPOLLIN), NULL, "two");
	is_err(loop_add(&l, &c.src, EPOLLIN), NULL, "three");
	is_err(loop_once(&l, 1000), NULL, "two of them renew the third");
	ok(a.calls == 1 && b.calls == 1 && c.src.fd >= 0, "which is in the loop");
	is_err(loop_once(&l, 1000), NULL, "and again");
	loop_del_close(&l, &a.src);
	loop_del_close(&l, &b.src);
	loop_del_close(&l, &c.src);
	loop_done(&l);
}

static struct err *failing(struct source *s UNUSED, uint32_t events UNUSED)
{
	return err_new(0, "broken");
}

struct ticker {
	struct timer t;
	struct loop *loop;
	unsigned fired, stop_at;
};

static struct err *tick(struct timer *t)
{
	struct ticker *k = container_of(t, struct ticker, t);

	if (++k->fired == k->stop_at)
		loop_stop(k->loop);
	return NULL;
}

static void test_timers(void)
{
	struct ticker once = { 0 }, often = { .stop_at = 3 };
	struct source bad = { .fd = event(), .ready = failing };
	struct loop l;
	int64_t start = time_mono_ms();

	is_err(loop_init(&l), NULL, "a loop");
	once.loop = often.loop = &l;
	is_err(timer_init(&l, &once.t, tick), NULL, "a timer");
	is_err(timer_init(&l, &often.t, tick), NULL, "another");
	timer_set(&once.t, 1, 0);
	timer_set(&often.t, 5, 5);
	is_err(loop_run(&l), NULL, "until the third tick");
	is_int(often.fired, 3, "of one");
	is_int(once.fired, 1, "the other fired once");
	ok(time_mono_ms() - start >= 15, "not too early");
	timer_set(&often.t, 0, 0);
	timer_set(&once.t, 1000000, 0);
	is_err(loop_once(&l, 20), NULL, "disarmed");
	ok(often.fired == 3 && once.fired == 1, "nothing fires");
	is_err(loop_add(&l, &bad, EPOLLIN), NULL, "a source that fails");
	is_err(loop_run(&l), "broken", "ends the loop with its error");
	loop_del_close(&l, &bad);
	timer_done(&l, &once.t);
	timer_done(&l, &often.t);
	loop_done(&l);
}

struct hook {
	struct loop_hook h;
	unsigned prepared, checked;
};

static void hook_prepare(struct loop_hook *h, int *timeout_ms)
{
	container_of(h, struct hook, h)->prepared++;
	*timeout_ms = 0;
}

static struct err *hook_check(struct loop_hook *h)
{
	return ++container_of(h, struct hook, h)->checked == 2 ? err_new(0, "enough") : NULL;
}

static void test_hooks(void)
{
	struct hook h = { .h = { .prepare = hook_prepare, .check = hook_check } };
	struct loop l;

	is_err(loop_init(&l), NULL, "a loop");
	loop_hook_add(&l, &h.h);
	is_err(loop_run(&l), "enough", "a hook's error ends the loop");
	ok(h.prepared == 2 && h.checked == 2, "it was called around each wait");
	loop_hook_del(&l, &h.h);
	is_err(loop_once(&l, 0), NULL, "taken out");
	is_int(h.prepared, 2, "it is not called");
	loop_done(&l);
}

int main(void)
{
	test_batch();
	test_again();
	test_timers();
	test_hooks();
	return done_testing();
}
