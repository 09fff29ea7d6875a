#include "core/box/security.h"

#include <linux/capability.h>

#include "core/box/caps.h"
#include "tests/lib/tap.h"

#define BIT(cap) (UINT64_C(1) << (cap))
#define ALL (BIT(CAPS_MAX) - 1)

static struct spec s;

static struct err *resolve(const char *add, const char *drop, const char *opt, bool privileged)
{
	struct run_request req = { .privileged = privileged };
	struct err *e;

	if (add)
		strv_add(&req.cap_add, add);
	if (drop)
		strv_add(&req.cap_drop, drop);
	if (opt)
		strv_add(&req.security_opt, opt);
	spec_done(&s);
	e = security_resolve(&req, &s);
	strv_done(&req.cap_add);
	strv_done(&req.cap_drop);
	strv_done(&req.security_opt);
	return e;
}

static void test_caps(void)
{
	is_err(resolve(NULL, NULL, NULL, false), NULL, "nothing asked");
	ok(s.caps == caps_default(), "the default ones");
	is_err(resolve("net_admin", "Chown", NULL, false), NULL, "one more, one less");
	ok(s.caps == ((caps_default() | BIT(CAP_NET_ADMIN)) & ~BIT(CAP_CHOWN)), "both");
	is_str(s.cap_add.v[0], "CAP_NET_ADMIN", "in Docker's spelling");
	is_err(resolve("KILL", "ALL", NULL, false), NULL, "all dropped");
	ok(s.caps == BIT(CAP_KILL), "but one");
	is_err(resolve("all", "CAP_SYS_ADMIN", NULL, false), NULL, "all added");
	ok(s.caps == (ALL & ~BIT(CAP_SYS_ADMIN)), "but one");
	is_err(resolve(NULL, NULL, NULL, true), NULL, "privileged");
	ok(s.caps == ALL && s.unmasked && str_eq(s.seccomp, "unconfined"), "is all of it");
	is_err(resolve("nosuch", NULL, NULL, false),
	       "invalid capability: 'nosuch' is not a capability*", "unknown");
}

static void test_options(void)
{
	is_err(resolve(NULL, NULL, "no-new-privileges:true", false), NULL, "with a value");
	ok(s.no_new_privs, "is set");
	is_err(resolve(NULL, NULL, "no-new-privileges=false", false), NULL, "with the other");
	ok(!s.no_new_privs, "is not");
	is_err(resolve(NULL, NULL, "seccomp=builtin", true), NULL, "the default filter");
	is_str(s.seccomp, "unconfined", "is what privileged takes away");
	is_err(resolve(NULL, NULL, "seccomp:unconfined", false), NULL, "none");
	is_str(s.seccomp, "unconfined", "old spelling");
	is_err(resolve(NULL, NULL, "systempaths=unconfined", false), NULL, "paths");
	ok(s.unmasked && !s.privileged, "alone");
	is_err(resolve(NULL, NULL, "label=type:x", false), NULL, "a label");
	is_err(resolve(NULL, NULL, "apparmor=x", false), "apparmor=x is not supported*", "a profile");
	is_err(resolve(NULL, NULL, "no-new-privileges=maybe", false), "invalid --security-opt 2: *",
	       "bool");
	is_err(resolve(NULL, NULL, "seccomp", false), "invalid --security-opt 1: \"seccomp\"",
	       "no value");
	is_err(resolve(NULL, NULL, "x=y", false), "invalid --security-opt 2: \"x=y\"*", "unknown");
}

static const struct {
	const char *text, *err;
} profiles[] = {
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", NULL },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86\"],"
	  "\"syscalls\":[{\"names\":[\"read\",\"nosuch\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	  "{\"name\":\"clone\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,"
	  "\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
	  "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":0,"
	  "\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]}]}",
	  NULL },
	{ "", "Decoding seccomp profile failed: profile: malformed JSON: *" },
	{ "[]", "Decoding seccomp profile failed: it is no JSON object" },
	{ "{}", "Decoding seccomp profile failed: defaultAction is missing" },
	{ "{\"defaultAction\":\"ALLOW\"}", "*defaultAction ALLOW is not supported" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}",
	  "*defaultErrnoRet is no error number" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
	  "*listenerPath is not supported" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"]}]}",
	  "*syscalls[[]0]: action is missing" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\","
	  "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
	  "*syscalls[[]0]: index is not from 0 to 5" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\","
	  "\"args\":[{\"index\":1,\"value\":\"1\",\"op\":\"SCMP_CMP_EQ\"}]}]}",
	  "*syscalls[[]0]: value is no number" },
};

static void test_profiles(void)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		_cleanup_free_ void *prog = NULL;
		size_t len = 0;

		is_err(seccomp_profile(profiles[i].text, caps_default(), &prog, &len),
		       profiles[i].err, "profile %zu", i);
		ok(!prog == !!profiles[i].err && len % 8 == 0, "its filter");
	}
}

int main(void)
{
	test_caps();
	test_options();
	test_profiles();
	spec_done(&s);
	return done_testing();
}
