#include "core/base/err.h"

#include <sys/socket.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static void test_building(void)
{
	struct err *e = err_new(ENOENT, "opening %s", "x");

	ok(err_is(e, ENOENT) && !err_is(e, EACCES) && !err_is(NULL, ENOENT), "asking for an errno");
	e = err_wrap(e, "reading image %d", 7);
	e = err_hint(e, "try %s", "this");
	e = err_hint(e, "not that");
	e = err_status(e, 127);
	e = err_status(e, 1);
	is_int(e->status, 127, "the deepest status stays");
	is_err(e, "reading image 7: opening x: No such file or directory (hint: try this)",
	       "so does the deepest hint");
	ok(!err_wrap(NULL, "x") && !err_hint(NULL, "x") && !err_status(NULL, 1),
	   "success stays success");
	is_err(err_new(0, "plain"), "plain", "without errno there are no system words");
}

static void test_lists(void)
{
	struct err *all = NULL;

	all = err_also(all, NULL);
	ok(!all, "no failures");
	all = err_also(all, err_new(0, "one"));
	all = err_also(all, NULL);
	all = err_also(all, err_also(err_new(0, "two"), err_new(0, "three")));
	ok(all && all->next && all->next->next && !all->next->next->next, "three failures");
	is_str(all->next->text, "two", "in order");
	is_str(all->next->next->text, "three", "to the end");
	is_err(all, "one", "the first is the error");
}

static struct err *through(struct err *e)
{
	char buf[ERR_WIRE_MAX];
	size_t len = 0;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return e;
	err_send(pair[0], e);
	err_free(e);
	e = fd_recv(pair[1], buf, sizeof(buf), &len, NULL, NULL);
	close(pair[0]);
	close(pair[1]);
	return e ?: err_recv(buf, len);
}

static void test_wire(void)
{
	struct str s = { 0 };
	struct err *e;

	e = through(err_status(err_hint(err_new(EPERM, "a"), "b"), 126));
	is_int(e->status, 126, "the status");
	is_err(e, "a: Operation not permitted (hint: b)", "and the rest come through");
	is_err(through(err_new(0, "alone")), "alone", "without hint");
	is_err(through(err_new(0, "%s", "")), "", "empty");
	for (int i = 0; i < 10000; i++)
		str_addc(&s, 'x');
	e = through(err_hint(err_new(0, "%s", s.s), "%s", s.s));
	ok(e && strlen(e->text) > 2000 && strlen(e->hint) == 1000, "long ones are cut");
	err_free(e);
	str_done(&s);
	is_err(err_recv("", 0),
	       "a child process reported an error that cannot be read: Protocol error", "nothing");
	is_err(err_recv("12345678x", 9), "a child process reported an error that cannot be read*",
	       "too short");
	is_err(err_recv("12345678xyz", 11),
	       "a child process reported an error that cannot be read*", "no end");
}

int main(void)
{
	test_building();
	test_lists();
	test_wire();
	return done_testing();
}
