/* What is said to systemd, byte by byte, and what is understood of its answers.  The bytes are GLib's for the same
 * messages; systemd itself is asked in tests/vm. */
#include "core/base/dbus.h"
#include "core/box/cgroup.h"
#include "core/box/scope.h"
#include "tests/lib/tap.h"

/* clang-format off */
static const char start_body[] =
	"\16\0\0\0devbox-1.scope\0\0\4\0\0\0fail\0\0\0\0"
	"\213\0\0\0\0\0\0\0\13\0\0\0Description\0\1s\0\0\20\0\0\0devbox container"
	"\0\0\0\0\0\0\0\0\4\0\0\0PIDs\0\2au\0\0\0\0\4\0\0\0g\22\0\0"
	"\10\0\0\0Delegate\0\1b\0\1\0\0\0\0\0\0\0\13\0\0\0CollectMode\0\1s\0\0\22\0\0\0"
	"inactive-or-failed\0\0\0\0\0\0";
static const char attach_body[] = "\7\0\0\0a.scope\0\2\0\0\0/b\0\0\4\0\0\0*\0\0\0";

static const char returned[] =
	"l\2\1\1$\0\0\0\11\0\0\0\20\0\0\0\10\1g\0\1o\0\0\5\1u\0\1\0\0\0"
	"\37\0\0\0/org/freedesktop/systemd1/job/7\0";
static const char refused[] =
	"l\3\1\1\7\0\0\0\12\0\0\0@\0\0\0\4\1s\0'\0\0\0org.freedesktop.DBus.Error.AccessDenied\0"
	"\10\1g\0\1s\0\0\5\1u\0\1\0\0\0\2\0\0\0no\0";
static const char removed[] =
	"l\4\1\1E\0\0\0\13\0\0\0{\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/systemd1\0\0\0\0\0\0\0"
	"\2\1s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\10\1g\0\4uoss\0\0\0\0\0\0\0"
	"\3\1s\0\12\0\0\0JobRemoved\0\0\0\0\0\0"
	"\7\0\0\0\37\0\0\0/org/freedesktop/systemd1/job/7\0\16\0\0\0devbox-1.scope\0\0\4\0\0\0done\0";
/* clang-format on */

static void is_body(const struct str *msg, const char *member, const char *signature,
		    const char *want, size_t len)
{
	struct dbus_msg m = { 0 };
	size_t size;

	is_err(dbus_parse(msg->s, msg->len, &m, &size), NULL, "%s is a message", member);
	is_int(size, msg->len, "%s ends where it says", member);
	ok(m.type == DBUS_CALL && str_eq(m.member, member) && str_eq(m.signature, signature),
	   "%s is a call with its signature", member);
	ok(m.body_len == len && !memcmp(m.body, want, len), "the body of %s", member);
}

static void test_calls(void)
{
	_cleanup_str_ struct str start = { 0 }, attach = { 0 };

	scope_start_msg("devbox-1.scope", 4711, &start);
	is_body(&start, "StartTransientUnit", "ssa(sv)a(sa(sv))", start_body, sizeof(start_body) - 1);
	scope_attach_msg("a.scope", "/b", 42, &attach);
	is_body(&attach, "AttachProcessesToUnit", "ssau", attach_body, sizeof(attach_body) - 1);
}

static void test_answers(void)
{
	struct dbus_msg m = { 0 };
	size_t size;

	is_err(dbus_parse(returned, sizeof(returned) - 1, &m, &size), NULL, "a return");
	ok(m.type == DBUS_RETURN && m.reply_serial == 1, "to our first call");
	is_str(dbus_arg_str(&m, 0), "/org/freedesktop/systemd1/job/7", "with a path");
	ok(!dbus_arg_str(&m, 1), "and nothing else");
	is_err(dbus_parse(refused, sizeof(refused) - 1, &m, &size), NULL, "an error");
	is_str(m.error, "org.freedesktop.DBus.Error.AccessDenied", "its name");
	is_str(dbus_arg_str(&m, 0), "no", "its words");
	is_err(dbus_parse(removed, sizeof(removed) - 1, &m, &size), NULL, "a signal");
	is_str(m.member, "JobRemoved", "its name");
	ok(!dbus_arg_str(&m, 0), "a number is no text");
	is_str(dbus_arg_str(&m, 3), "done", "the last text");
	is_int(size, sizeof(removed) - 1, "its size");
}

static void test_bad(void)
{
	char bad[sizeof(removed)];
	struct dbus_msg m = { 0 };
	size_t size = 1, short_of = 0;

	for (size_t i = 0; i < sizeof(removed) - 1; i++) {
		struct err *e = dbus_parse(removed, i, &m, &size);

		short_of += !e && !size;
		err_free(e);
	}
	is_int(short_of, sizeof(removed) - 1, "more is wanted until it is whole");
	memcpy(bad, removed, sizeof(bad));
	bad[0] = 'B';
	is_err(dbus_parse(bad, sizeof(bad) - 1, &m, &size),
	       "not a D-Bus message: unknown byte order *", "big-endian");
	memcpy(bad, removed, sizeof(bad));
	bad[7] = 1;
	is_err(dbus_parse(bad, sizeof(bad) - 1, &m, &size), "not a D-Bus message: larger than *",
	       "too large");
	memcpy(bad, removed, sizeof(bad));
	bad[20] = 100;
	is_err(dbus_parse(bad, sizeof(bad) - 1, &m, &size), "not a D-Bus message: damaged header",
	       "a text that is longer than it is");
}

static void test_scope(void)
{
	char *unit = NULL, *below = NULL;

	ok(cgroup_scope("/a/app.slice/devbox-1.scope/devbox-1", &unit, &below), "in a scope of ours");
	is_str(unit, "devbox-1.scope", "which");
	is_str(below, "/devbox-1", "where");
	free(unit);
	free(below);
	ok(!cgroup_scope("/a/session-1.scope/x", &unit, &below), "in somebody else's");
	ok(!cgroup_scope("/a/devbox-1.scope", &unit, &below), "not below it");
	ok(!cgroup_scope("/", &unit, &below), "in none");
}

int main(void)
{
	test_calls();
	test_answers();
	test_bad();
	test_scope();
	return done_testing();
}
