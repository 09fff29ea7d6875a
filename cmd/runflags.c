#include "cmd/runflags.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cmd/envfile.h"
#include "cmd/limitopt.h"
#include "cmd/netopt.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/keepid.h"
#include "core/box/runopt.h"

enum { ENV_FILE_MAX = 1 << 20, PROFILE_MAX = 1 << 20 };

struct run_flags run_flags = { .req.stop_timeout_s = -1, .pull = "missing", .sig_proxy = true };
static struct strv opt_env_files, opt_env, opt_labels, opt_label_files;
static struct netopt opt_net;
static bool opt_no_healthcheck;
static char *cwd;

static struct err *set_publish(const char *value, UNUSED void *to)
{
	return port_parse(value, &run_flags.req.ports);
}

static struct err *set_expose(const char *value, UNUSED void *to)
{
	struct port p;
	struct err *e = port_parse_exposed(value, &p);

	for (unsigned n = e ? 0 : p.ctr; n && n <= p.ctr_last; n++)
		strv_addf(&run_flags.req.exposed, "%u/%s", n, port_proto_names[p.proto]);
	return e;
}

static struct err *set_volume(const char *value, UNUSED void *to)
{
	cwd = cwd ?: getcwd(NULL, 0);
	return mount_parse_volume(value, cwd ?: "/", &run_flags.req.mounts);
}

static struct err *set_mount(const char *value, UNUSED void *to)
{
	cwd = cwd ?: getcwd(NULL, 0);
	return mount_parse_mount(value, cwd ?: "/", &run_flags.req.mounts);
}

static struct err *set_volumes_from(const char *value, UNUSED void *to)
{
	_cleanup_free_ char *name = NULL;
	bool read_only;
	struct err *e = mount_parse_from(value, &name, &read_only);

	if (!e)
		strv_add(&run_flags.req.volumes_from, value);
	return e;
}

/* "seccomp=FILE": the container keeps the profile itself. */
static struct err *set_security_opt(const char *value, UNUSED void *to)
{
	const char *file = str_after(value, "seccomp=") ?: str_after(value, "seccomp:");
	_cleanup_free_ char *text = NULL;
	struct err *e = NULL;

	if (!file || !strcmp(file, "unconfined") || !strcmp(file, "builtin")) {
		strv_add(&run_flags.req.security_opt, value);
		return NULL;
	}
	e = fd_read_file(AT_FDCWD, file, PROFILE_MAX, &text, NULL);
	if (e)
		return err_wrap(e, "opening seccomp profile (%s) failed", file);
	strv_addf(&run_flags.req.security_opt, "seccomp=%s", text);
	return NULL;
}

static struct err *set_device(const char *value, UNUSED void *to)
{
	return device_parse(value, &run_flags.req.mounts);
}

static struct err *set_shm_size(const char *value, UNUSED void *to)
{
	uint64_t bytes;
	struct err *e = str_to_size(value, &bytes);

	if (!e)
		run_flags.req.shm_bytes = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	return e;
}

static struct err *set_ulimit(const char *value, UNUSED void *to)
{
	struct ulimit u;
	struct err *e = ulimit_parse(value, &u);

	if (!e)
		strv_add(&run_flags.req.ulimits, value);
	return e;
}

static struct err *set_stop_timeout(const char *value, UNUSED void *to)
{
	uint64_t s = INT32_MAX; /* -1: without end, which nobody will see */
	struct err *e = strcmp(value, "-1") ? str_to_u64(value, 0, INT32_MAX, &s) : NULL;

	if (!e)
		run_flags.req.stop_timeout_s = (int)s;
	return e;
}

static struct err *set_userns(const char *value, UNUSED void *to)
{
	uint32_t uid, gid;

	run_flags.req.userns = value;
	if (strcmp(value, "host") != 0)
		return *value ? keepid_parse(value, 0, 0, &uid, &gid) : NULL;
	fputs("WARNING: --userns host: the container has a user namespace all the same; its root is you on the host\n",
	      stderr);
	return NULL;
}

static struct err *set_tmpfs(const char *value, UNUSED void *to)
{
	return mount_parse_tmpfs(value, &run_flags.req.mounts);
}

static struct err *set_label(const char *value, UNUSED void *to)
{
	return label_add(value, &opt_labels);
}

static struct err *set_env(const char *value, UNUSED void *to)
{
	return env_add(value, &opt_env);
}

static struct err *set_network(const char *value, UNUSED void *to)
{
	return netopt_network(value, &run_flags.req);
}

static struct err *set_pull(const char *value, UNUSED void *to)
{
	if (strcmp(value, "always") && strcmp(value, "missing") && strcmp(value, "never"))
		return err_new(0, "it must be \"always\", \"missing\" or \"never\"");
	run_flags.pull = value;
	return NULL;
}

static struct err *set_attach(const char *value, UNUSED void *to)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(value, names[i])) {
			run_flags.req.attach |= 1u << i;
			return NULL;
		}
	return err_new(0, "valid streams are STDIN, STDOUT and STDERR");
}

static struct err *set_add_host(const char *value, UNUSED void *to)
{
	size_t name = strcspn(value, ":=");

	if (!name || !value[name] || !value[name + 1])
		return err_new(0, "bad format for add-host: it must be NAME:ADDRESS");
	strv_addf(&run_flags.req.add_hosts, "%.*s:%s", (int)name, value, value + name + 1);
	return NULL;
}

static struct err *set_entrypoint(const char *value, UNUSED void *to)
{
	run_flags.req.entrypoint = value;
	run_flags.req.entrypoint_set = true;
	return NULL;
}

static struct err *set_duration(const char *value, void *to)
{
	return *value == '-' ? err_new(0, "it cannot be negative") : duration_parse(value, to);
}

static struct err *set_health_cmd(const char *value, UNUSED void *to)
{
	strv_done(&run_flags.req.health.test);
	if (*value) { /* empty: the image's */
		strv_add(&run_flags.req.health.test, "CMD-SHELL");
		strv_add(&run_flags.req.health.test, value);
	}
	return NULL;
}

static struct err *set_restart(const char *value, UNUSED void *to)
{
	return restart_parse(value, &run_flags.req.restart);
}

const struct opt run_flag_table[] = {
	{ 'd', "detach", NULL, "Run container in background and print container ID", OPT_BOOL,
	  &run_flags.detach, NULL },
	{ 0, "detach-keys", "string", "Override the key sequence for detaching a container",
	  OPT_CALL, &run_flags.detach_keys, set_detach_keys },
	{ 0, "sig-proxy", NULL, "Proxy received signals to the process (default true)", OPT_BOOL,
	  &run_flags.sig_proxy, NULL },
	{ 0, "wait", NULL, "With -d: return when the database answers", OPT_BOOL, &run_flags.wait, NULL },
	LIMIT_OPTS(run_flags.req.limits),
	{ 'a', "attach", NULL, "Attach to STDIN, STDOUT or STDERR", OPT_CALL, NULL, set_attach },
	{ 0, "add-host", NULL, "Add a custom host-to-IP mapping (host:ip)", OPT_CALL, NULL, set_add_host },
	{ 0, "cap-add", NULL, "Add Linux capabilities", OPT_LIST, &run_flags.req.cap_add, NULL },
	{ 0, "cap-drop", NULL, "Drop Linux capabilities", OPT_LIST, &run_flags.req.cap_drop, NULL },
	{ 0, "cidfile", NULL, "Write the container ID to the file", OPT_STR, &run_flags.cidfile, NULL },
	{ 0, "device", NULL, "Add a host device to the container", OPT_CALL, NULL, set_device },
	{ 0, "dns", NULL, "Set custom DNS servers", OPT_LIST, &run_flags.req.dns, NULL },
	{ 0, "dns-option", NULL, "Set DNS options", OPT_LIST, &run_flags.req.dns_options, NULL },
	{ 0, "dns-opt", NULL, NULL, OPT_LIST, &run_flags.req.dns_options, NULL },
	{ 0, "dns-search", NULL, "Set custom DNS search domains", OPT_LIST,
	  &run_flags.req.dns_search, NULL },
	{ 0, "domainname", "string", "Container NIS domain name", OPT_STR,
	  &run_flags.req.domainname, NULL },
	{ 0, "entrypoint", "string", "Overwrite the default ENTRYPOINT of the image", OPT_CALL,
	  NULL, set_entrypoint },
	{ 'e', "env", NULL, "Set environment variables", OPT_CALL, NULL, set_env },
	{ 0, "env-file", NULL, "Read in a file of environment variables", OPT_LIST, &opt_env_files, NULL },
	{ 0, "expose", NULL, "Expose a port or a range of ports", OPT_CALL, NULL, set_expose },
	{ 0, "health-cmd", "string", "Command to run to check health", OPT_CALL, NULL, set_health_cmd },
	{ 0, "health-interval", "duration", "Time between running the check (ms|s|m|h) (default 30s)",
	  OPT_CALL, &run_flags.req.health.interval_ns, set_duration },
	{ 0, "health-retries", "int", "Consecutive failures needed to report unhealthy (default 3)",
	  OPT_UINT, &run_flags.req.health.retries, NULL },
	{ 0, "health-start-interval", "duration",
	  "Time between running the check during the start period (ms|s|m|h) (default 5s)",
	  OPT_CALL, &run_flags.req.health.start_interval_ns, set_duration },
	{ 0, "health-start-period", "duration",
	  "Start period for the container to initialize before counting retries (ms|s|m|h) (default 0s)",
	  OPT_CALL, &run_flags.req.health.start_period_ns, set_duration },
	{ 0, "health-timeout", "duration",
	  "Maximum time to allow one check to run (ms|s|m|h) (default 30s)", OPT_CALL,
	  &run_flags.req.health.timeout_ns, set_duration },
	{ 0, "group-add", NULL, "Add additional groups to join", OPT_LIST, &run_flags.req.group_add,
	  NULL },
	{ 'h', "hostname", NULL, "Container host name", OPT_STR, &run_flags.req.hostname, NULL },
	{ 0, "init", NULL, "Run an init inside the container that forwards signals and reaps processes",
	  OPT_BOOL, &run_flags.req.use_init, NULL },
	{ 'i', "interactive", NULL, "Keep STDIN open even if not attached", OPT_BOOL,
	  &run_flags.req.open_stdin, NULL },
	{ 0, "ip", "string", "IPv4 address (e.g., 172.30.100.104)", OPT_STR, &opt_net.ip, NULL },
	{ 0, "ip6", "string", "IPv6 address (e.g., 2001:db8::33)", OPT_STR, &opt_net.ip6, NULL },
	{ 0, "link", NULL, "Add link to another container", OPT_LIST, &run_flags.req.links, NULL },
	{ 0, "network-alias", NULL, "Add network-scoped alias for the container", OPT_LIST,
	  &opt_net.aliases, NULL },
	{ 0, "net-alias", NULL, NULL, OPT_LIST, &opt_net.aliases, NULL },
	{ 'l', "label", NULL, "Set meta data on a container", OPT_CALL, NULL, set_label },
	{ 0, "mac-address", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)", OPT_STR,
	  &run_flags.req.mac, NULL },
	{ 0, "mount", "mount", "Attach a filesystem mount to the container", OPT_CALL, NULL, set_mount },
	{ 0, "log-driver", "string",
	  "Logging driver for the container: json-file, local or none (default json-file)", OPT_STR,
	  &run_flags.req.log_driver, NULL },
	{ 0, "log-opt", NULL, "Log driver options: max-size=10m, max-file=3, labels=..., env=...",
	  OPT_LIST, &run_flags.req.log_opts, NULL },
	{ 0, "label-file", NULL, "Read in a line delimited file of labels", OPT_LIST,
	  &opt_label_files, NULL },
	{ 0, "name", NULL, "Assign a name to the container", OPT_STR, &run_flags.req.name, NULL },
	{ 0, "network", "network",
	  "Connect a container to a network: a name, none,\nhost or container:NAME", OPT_CALL, NULL,
	  set_network },
	{ 0, "net", NULL, NULL, OPT_CALL, NULL, set_network },
	{ 0, "no-init-cache", NULL, "Let a database image set up its data anew, and do not remember it",
	  OPT_BOOL, &run_flags.req.no_init_cache, NULL },
	{ 0, "no-healthcheck", NULL, "Disable any container-specified HEALTHCHECK", OPT_BOOL,
	  &opt_no_healthcheck, NULL },
	{ 0, "oom-score-adj", NULL, "Tune host's OOM preferences (-1000 to 1000)", OPT_INT,
	  &run_flags.req.oom_score_adj, NULL },
	{ 0, "platform", NULL, "Use the image of this platform, such as linux/amd64", OPT_STR,
	  &run_flags.platform, NULL },
	{ 0, "privileged", NULL,
	  "Give all capabilities inside the container's user namespace, no system\ncall filter",
	  OPT_BOOL, &run_flags.req.privileged, NULL },
	{ 'p', "publish", NULL,
	  "Publish a container's port(s) to the host:\n3306, 3306:3306, 127.0.0.1:80:8080/udp",
	  OPT_CALL, NULL, set_publish },
	{ 'P', "publish-all", NULL, "Publish all exposed ports", OPT_BOOL,
	  &run_flags.req.publish_all, NULL },
	{ 0, "pull", "string", "Pull image before running: always, missing or never (default missing)",
	  OPT_CALL, NULL, set_pull },
	{ 'q', "quiet", NULL, "Suppress the pull output", OPT_BOOL, &run_flags.quiet, NULL },
	{ 0, "read-only", NULL, "Mount the container's root filesystem as read only", OPT_BOOL,
	  &run_flags.req.read_only, NULL },
	{ 0, "restart", "string",
	  "Restart policy to apply when a container exits: no,\n"
	  "on-failure[:max-retries], always or unless-stopped (default no)",
	  OPT_CALL, NULL, set_restart },
	{ 0, "rm", NULL, "Automatically remove the container and its anonymous volumes when it exits",
	  OPT_BOOL, &run_flags.req.auto_remove, NULL },
	{ 0, "security-opt", NULL, "Security options: seccomp=FILE|unconfined, no-new-privileges",
	  OPT_CALL, NULL, set_security_opt },
	{ 0, "shm-size", "bytes", "Size of /dev/shm", OPT_CALL, NULL, set_shm_size },
	{ 0, "stop-signal", NULL, "Signal to stop the container", OPT_STR,
	  &run_flags.req.stop_signal, NULL },
	{ 0, "stop-timeout", "int", "Seconds to wait before killing the container", OPT_CALL, NULL,
	  set_stop_timeout },
	{ 0, "sysctl", NULL, "Set kernel parameters of the container's own namespaces", OPT_LIST,
	  &run_flags.req.sysctls, NULL },
	{ 0, "tmpfs", NULL, "Mount a tmpfs directory", OPT_CALL, NULL, set_tmpfs },
	{ 't', "tty", NULL, "Allocate a pseudo-TTY", OPT_BOOL, &run_flags.req.tty, NULL },
	{ 0, "ulimit", NULL, "Ulimit options: nofile=1024:2048", OPT_CALL, NULL, set_ulimit },
	{ 'u', "user", NULL, "Username or UID (format: <name|uid>[:<group|gid>])", OPT_STR,
	  &run_flags.req.user, NULL },
	{ 0, "userns", "string",
	  "User namespace to use: keep-id[:uid=UID,gid=GID] keeps your own ids\ninside, host",
	  OPT_CALL, NULL, set_userns },
	{ 'v', "volume", NULL, "Bind mount a volume", OPT_CALL, NULL, set_volume },
	{ 0, "volumes-from", NULL, "Mount volumes from the specified container(s)", OPT_CALL, NULL,
	  set_volumes_from },
	{ 'w', "workdir", NULL, "Working directory inside the container", OPT_STR,
	  &run_flags.req.workdir, NULL },
	{ 0 },
};

static struct err *read_env_files(void)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < opt_env_files.n; i++) {
		const char *name = opt_env_files.v[i];
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, name, ENV_FILE_MAX, &text, &len);
		e = e ?: env_file_parse(text, len, name, &run_flags.req.env);
	}
	return e;
}

/* One label a line, as Docker reads it. */
static struct err *read_label_files(void)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < opt_label_files.n; i++) {
		const char *name = opt_label_files.v[i];
		_cleanup_free_ char *text = NULL;
		char *rest, *line;
		size_t n = 0;

		e = fd_read_file(AT_FDCWD, name, ENV_FILE_MAX, &text, NULL);
		for (rest = text; !e && (line = strsep(&rest, "\n")) != NULL;) {
			n++;
			line += strspn(line, " \t");
			line[strcspn(line, "\r")] = '\0';
			if (*line && *line != '#')
				e = err_wrap(label_add(line, &run_flags.req.labels), "%s:%zu", name, n);
		}
	}
	return e;
}

/* What the host's network, or none, makes of -p: said, not ignored. */
static void warn_ports(void)
{
	if ((run_flags.req.net == NET_NONE || run_flags.req.net == NET_HOST) &&
	    (run_flags.req.ports.n || run_flags.req.publish_all))
		fprintf(stderr, "WARNING: Published ports are discarded when using %s network mode\n",
			net_mode_names[run_flags.req.net]);
}

struct err *runflags_finish(int argc, char **argv)
{
	struct run_request *req = &run_flags.req;
	struct err *e;

	if (opt_no_healthcheck) {
		const struct health_config *h = &req->health;

		if (h->test.n || h->interval_ns || h->timeout_ns || h->start_period_ns ||
		    h->start_interval_ns || h->retries)
			return err_new(0, "--no-healthcheck conflicts with --health-* options");
		strv_add(&req->health.test, "NONE");
	}
	req->image = argv[0];
	for (int i = 1; i < argc; i++)
		strv_add(&req->args, argv[i]);
	e = read_env_files();
	strv_copy(&req->env, &opt_env);
	e = e ?: read_label_files();
	strv_copy(&req->labels, &opt_labels);
	e = e ?: netopt_finish(&opt_net, req);
	warn_ports();
	return e;
}
