#include "core/box/runopt.h"

#include "slirp/resolv.h"
#include "tests/lib/tap.h"

static const struct {
	const char *text, *err;
	int resource;
	rlim_t soft, hard;
} ulimits[] = {
	{ "nofile=1024", NULL, RLIMIT_NOFILE, 1024, 1024 },
	{ "nofile=1:2", NULL, RLIMIT_NOFILE, 1, 2 },
	{ "memlock=-1:-1", NULL, RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY },
	{ "core=0:-1", NULL, RLIMIT_CORE, 0, RLIM_INFINITY },
	{ "nofile", "invalid ulimit argument: nofile", 0, 0, 0 },
	{ "=1", "invalid ulimit type: ", 0, 0, 0 },
	{ "files=1", "invalid ulimit type: files", 0, 0, 0 },
	{ "nofile=", "invalid ulimit argument: nofile=: *", 0, 0, 0 },
	{ "nofile=1:2:3", "invalid ulimit argument: nofile=1:2:3: *", 0, 0, 0 },
	{ "nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1", 0, 0, 0 },
};

static const struct {
	const char *text, *path, *value, *err;
	enum net_mode net;
} sysctls[] = {
	{ "net.ipv4.ip_forward=1", "proc/sys/net/ipv4/ip_forward", "1", NULL, NET_DEFAULT },
	{ "kernel.sem=1 2 3 4", "proc/sys/kernel/sem", "1 2 3 4", NULL, NET_HOST },
	{ "fs.mqueue.msg_max=5", "proc/sys/fs/mqueue/msg_max", "5", NULL, NET_NONE },
	{ "net.x=", "proc/sys/net/x", "", NULL, NET_DEFAULT },
	{ "net.ipv4.ip_forward", NULL, NULL, "invalid sysctl: *", NET_DEFAULT },
	{ "net.core.x=1", NULL, NULL, "*not allowed in the host's network namespace", NET_HOST },
	{ "vm.swappiness=1", NULL, NULL, "sysctl 'vm.swappiness' is not allowed: *", NET_DEFAULT },
	{ "kernel.core_pattern=x", NULL, NULL, "sysctl 'kernel.core_pattern' is not allowed: *",
	  NET_DEFAULT },
	{ "net./../../../x=1", NULL, NULL, "*is not allowed: *", NET_DEFAULT },
	{ "net..x=1", NULL, NULL, "*is not allowed: *", NET_DEFAULT },
	{ "net.=1", NULL, NULL, "*is not allowed: *", NET_DEFAULT },
};

static const struct {
	const char *text, *want, *err;
} devices[] = {
	{ "/dev/a", "/dev/a /dev/a", NULL },
	{ "/dev/a:/dev/b", "/dev/a /dev/b", NULL },
	{ "/dev/a:rw", "/dev/a /dev/a", NULL },
	{ "/dev/a:/dev/b/:rwm", "/dev/a /dev/b", NULL },
	{ "/dev/a:r", NULL, "device mode r is not supported: *" },
	{ "/dev/a:/dev/b:x", NULL, "invalid device mode: x" },
	{ "/dev/a:", NULL, "invalid device mode: " },
	{ "dev/a", NULL, "invalid device specification: dev/a" },
	{ "vendor.com/gpu=all", NULL, "invalid device specification: *CDI*" },
	{ "/dev/a:/b:rw:x", NULL, "invalid device specification: *" },
};

static const struct {
	const char *text, *err;
} macs[] = {
	{ "02:42:ac:11:00:fe", NULL },
	{ "02:42:AC:11:00:FE", NULL },
	{ "01:42:ac:11:00:fe", "* is not a valid mac address" }, /* many machines' */
	{ "02:42:ac:11:00", "* is not a valid mac address" },
	{ "02:42:ac:11:00:fe:", "* is not a valid mac address" },
	{ "02:42:ac:11-00:fe", "* is not a valid mac address" },
	{ "02:42:ac:11:0:fex", "* is not a valid mac address" },
	{ "", " is not a valid mac address" },
};

static void test_texts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ulimits); i++) {
		struct ulimit u = { 0 };

		if (is_err(ulimit_parse(ulimits[i].text, &u), ulimits[i].err, "%s", ulimits[i].text) &&
		    !ulimits[i].err)
			ok(u.resource == ulimits[i].resource && u.limit.rlim_cur == ulimits[i].soft &&
				   u.limit.rlim_max == ulimits[i].hard,
			   "its values");
	}
	for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
		_cleanup_free_ char *path = NULL;
		const char *value = NULL;

		is_err(sysctl_parse(sysctls[i].text, sysctls[i].net, &path, &value), sysctls[i].err,
		       "%s", sysctls[i].text);
		is_str(path, sysctls[i].path, "where");
		is_str(value, sysctls[i].value, "what");
	}
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		struct mounts m = { 0 };
		_cleanup_free_ char *got = NULL;

		is_err(device_parse(devices[i].text, &m), devices[i].err, "%s", devices[i].text);
		got = m.n ? xasprintf("%s %s", m.v[0].source, m.v[0].target) : NULL;
		is_str(got, devices[i].want, "what it means");
		mounts_done(&m);
	}
	for (size_t i = 0; i < ARRAY_LEN(macs); i++) {
		uint8_t mac[NET_MAC_LEN] = { 0 };

		is_err(mac_parse(macs[i].text, mac), macs[i].err, "mac '%s'", macs[i].text);
		is_int(mac[5], macs[i].err && mac[5] != 0xfe ? mac[5] : 0xfe, "its last byte");
	}
}

static void test_resolve(void)
{
	struct run_request req = { .oom_score_adj = 1001 };
	struct spec s = { 0 };

	is_err(runopt_resolve(&req, &s), "Invalid value 1001, range *", "oom score");
	req.oom_score_adj = 0;
	strv_add(&req.ulimits, "nofile=1");
	strv_add(&req.ulimits, "nofile=2");
	strv_add(&req.dns, "::1");
	req.mac = "02:00:00:00:00:01";
	req.domainname = "example.org";
	is_err(runopt_resolve(&req, &s), NULL, "some");
	is_int(s.ulimits.n, 1, "the last limit counts");
	is_str(s.mac, req.mac, "mac");
	spec_done(&s);
	req.net = NET_NONE;
	is_err(runopt_resolve(&req, &s), "conflicting options: mac-address *", "no network");
	spec_done(&s);
	req.mac = NULL;
	strv_add(&req.dns, "nameserver");
	is_err(runopt_resolve(&req, &s), "nameserver is not an ip address", "a name");
	spec_done(&s);
	strv_done(&req.dns);
	strv_add(&req.dns_search, "a\nnameserver");
	is_err(runopt_resolve(&req, &s), "*is not a valid domain", "two lines");
	spec_done(&s);
	strv_done(&req.dns_search);
	strv_done(&req.ulimits);
}

static void test_resolv_conf(void)
{
	static const char host[] = "nameserver 10.0.2.3\nsearch a b\noptions rotate";
	struct strv dns = { 0 }, search = { 0 }, options = { 0 };
	_cleanup_free_ char *same = resolv_conf_override(host, &dns, &search, &options),
			    *all = NULL, *none = NULL;

	is_str(same, "nameserver 10.0.2.3\nsearch a b\noptions rotate\n", "nothing asked");
	strv_add(&dns, "192.0.2.1");
	strv_add(&search, ".");
	none = resolv_conf_override(host, &dns, &search, &options);
	is_str(none, "nameserver 192.0.2.1\noptions rotate\n", "another server, no search list");
	strv_done(&search);
	strv_add(&search, "x");
	strv_add(&search, "y");
	strv_add(&options, "ndots:2");
	all = resolv_conf_override(NULL, &dns, &search, &options);
	is_str(all, "nameserver 192.0.2.1\nsearch x y\noptions ndots:2\n", "all of it");
	strv_done(&dns);
	strv_done(&search);
	strv_done(&options);
}

int main(void)
{
	test_texts();
	test_resolve();
	test_resolv_conf();
	return done_testing();
}
