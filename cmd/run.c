/* cmd/run.c -- devbox run|create [OPTIONS] IMAGE [COMMAND] [ARG...] */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>

#include "cmd/access.h"
#include "cmd/envfile.h"
#include "cmd/limitopt.h"
#include "cmd/netopt.h"
#include "cmd/pull.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/box/keepid.h"
#include "core/box/runopt.h"
#include "core/base/proc.h"

enum { ENV_FILE_MAX = 1 << 20, PROFILE_MAX = 1 << 20, WAIT_NOTICE_MS = 500 };

static struct run_request req = { .stop_timeout_s = -1 };
static struct strv opt_env_files, opt_env, opt_labels, opt_label_files;
static struct netopt opt_net;
static const char *opt_cidfile, *opt_pull = "missing", *opt_platform, *opt_detach_keys;
static bool opt_detach, opt_quiet, opt_wait, opt_sig_proxy = true, opt_no_healthcheck;
static char *cwd;

/* --- options ---------------------------------------------------------------------------------- */

static struct err *set_publish(const char *value, UNUSED void *to)
{
	return port_parse(value, &req.ports);
}

static struct err *set_expose(const char *value, UNUSED void *to)
{
	struct port p;
	struct err *e = port_parse_exposed(value, &p);

	for (unsigned n = e ? 0 : p.ctr; n && n <= p.ctr_last; n++)
		strv_addf(&req.exposed, "%u/%s", n, port_proto_names[p.proto]);
	return e;
}

static struct err *set_volume(const char *value, UNUSED void *to)
{
	cwd = cwd ?: getcwd(NULL, 0);
	return mount_parse_volume(value, cwd ?: "/", &req.mounts);
}

static struct err *set_mount(const char *value, UNUSED void *to)
{
	cwd = cwd ?: getcwd(NULL, 0);
	return mount_parse_mount(value, cwd ?: "/", &req.mounts);
}

static struct err *set_volumes_from(const char *value, UNUSED void *to)
{
	_cleanup_free_ char *name = NULL;
	bool read_only;
	struct err *e = mount_parse_from(value, &name, &read_only);

	if (!e)
		strv_add(&req.volumes_from, value);
	return e;
}

/* "seccomp=FILE": the container keeps the profile itself. */
static struct err *set_security_opt(const char *value, UNUSED void *to)
{
	const char *file = str_after(value, "seccomp=") ?: str_after(value, "seccomp:");
	_cleanup_free_ char *text = NULL;
	struct err *e = NULL;

	if (!file || !strcmp(file, "unconfined") || !strcmp(file, "builtin")) {
		strv_add(&req.security_opt, value);
		return NULL;
	}
	e = fd_read_file(AT_FDCWD, file, PROFILE_MAX, &text, NULL);
	if (e)
		return err_wrap(e, "opening seccomp profile (%s) failed", file);
	strv_addf(&req.security_opt, "seccomp=%s", text);
	return NULL;
}

static struct err *set_device(const char *value, UNUSED void *to)
{
	return device_parse(value, &req.mounts);
}

static struct err *set_shm_size(const char *value, UNUSED void *to)
{
	uint64_t bytes;
	struct err *e = str_to_size(value, &bytes);

	if (!e)
		req.shm_bytes = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	return e;
}

static struct err *set_ulimit(const char *value, UNUSED void *to)
{
	struct ulimit u;
	struct err *e = ulimit_parse(value, &u);

	if (!e)
		strv_add(&req.ulimits, value);
	return e;
}

static struct err *set_stop_timeout(const char *value, UNUSED void *to)
{
	uint64_t s = INT32_MAX; /* -1: without end, which nobody will see */
	struct err *e = strcmp(value, "-1") ? str_to_u64(value, 0, INT32_MAX, &s) : NULL;

	if (!e)
		req.stop_timeout_s = (int)s;
	return e;
}

static struct err *set_userns(const char *value, UNUSED void *to)
{
	uint32_t uid, gid;

	req.userns = value;
	if (strcmp(value, "host") != 0)
		return *value ? keepid_parse(value, 0, 0, &uid, &gid) : NULL;
	fputs("WARNING: --userns host: the container has a user namespace all the same; its root is you on the host\n",
	      stderr);
	return NULL;
}

static struct err *set_tmpfs(const char *value, UNUSED void *to)
{
	return mount_parse_tmpfs(value, &req.mounts);
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
	return netopt_network(value, &req);
}

static struct err *set_pull(const char *value, UNUSED void *to)
{
	if (strcmp(value, "always") && strcmp(value, "missing") && strcmp(value, "never"))
		return err_new(0, "it must be \"always\", \"missing\" or \"never\"");
	opt_pull = value;
	return NULL;
}

static struct err *set_attach(const char *value, UNUSED void *to)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(value, names[i])) {
			req.attach |= 1u << i;
			return NULL;
		}
	return err_new(0, "valid streams are STDIN, STDOUT and STDERR");
}

static struct err *set_add_host(const char *value, UNUSED void *to)
{
	size_t name = strcspn(value, ":=");

	if (!name || !value[name] || !value[name + 1])
		return err_new(0, "bad format for add-host: it must be NAME:ADDRESS");
	strv_addf(&req.add_hosts, "%.*s:%s", (int)name, value, value + name + 1);
	return NULL;
}

static struct err *set_entrypoint(const char *value, UNUSED void *to)
{
	req.entrypoint = value;
	req.entrypoint_set = true;
	return NULL;
}

static struct err *set_duration(const char *value, void *to)
{
	return *value == '-' ? err_new(0, "it cannot be negative") : duration_parse(value, to);
}

static struct err *set_health_cmd(const char *value, UNUSED void *to)
{
	strv_done(&req.health.test);
	if (*value) { /* empty: the image's */
		strv_add(&req.health.test, "CMD-SHELL");
		strv_add(&req.health.test, value);
	}
	return NULL;
}

static struct err *set_restart(const char *value, UNUSED void *to)
{
	return restart_parse(value, &req.restart);
}

enum { RUN_ONLY = 4 }; /* the first ones of the table; create has those behind them */

static const struct opt opts[] = {
	{ 'd', "detach", NULL, "Run container in background and print container ID", OPT_BOOL,
	  &opt_detach, NULL },
	{ 0, "detach-keys", "string", "Override the key sequence for detaching a container",
	  OPT_CALL, &opt_detach_keys, set_detach_keys },
	{ 0, "sig-proxy", NULL, "Proxy received signals to the process (default true)", OPT_BOOL,
	  &opt_sig_proxy, NULL },
	{ 0, "wait", NULL, "With -d: return when the database answers", OPT_BOOL, &opt_wait, NULL },
	LIMIT_OPTS(req.limits),
	{ 'a', "attach", NULL, "Attach to STDIN, STDOUT or STDERR", OPT_CALL, NULL, set_attach },
	{ 0, "add-host", NULL, "Add a custom host-to-IP mapping (host:ip)", OPT_CALL, NULL, set_add_host },
	{ 0, "cap-add", NULL, "Add Linux capabilities", OPT_LIST, &req.cap_add, NULL },
	{ 0, "cap-drop", NULL, "Drop Linux capabilities", OPT_LIST, &req.cap_drop, NULL },
	{ 0, "cidfile", NULL, "Write the container ID to the file", OPT_STR, &opt_cidfile, NULL },
	{ 0, "device", NULL, "Add a host device to the container", OPT_CALL, NULL, set_device },
	{ 0, "dns", NULL, "Set custom DNS servers", OPT_LIST, &req.dns, NULL },
	{ 0, "dns-option", NULL, "Set DNS options", OPT_LIST, &req.dns_options, NULL },
	{ 0, "dns-opt", NULL, NULL, OPT_LIST, &req.dns_options, NULL },
	{ 0, "dns-search", NULL, "Set custom DNS search domains", OPT_LIST, &req.dns_search, NULL },
	{ 0, "domainname", "string", "Container NIS domain name", OPT_STR, &req.domainname, NULL },
	{ 0, "entrypoint", "string", "Overwrite the default ENTRYPOINT of the image", OPT_CALL,
	  NULL, set_entrypoint },
	{ 'e', "env", NULL, "Set environment variables", OPT_CALL, NULL, set_env },
	{ 0, "env-file", NULL, "Read in a file of environment variables", OPT_LIST, &opt_env_files, NULL },
	{ 0, "expose", NULL, "Expose a port or a range of ports", OPT_CALL, NULL, set_expose },
	{ 0, "health-cmd", "string", "Command to run to check health", OPT_CALL, NULL, set_health_cmd },
	{ 0, "health-interval", "duration", "Time between running the check (ms|s|m|h) (default 30s)",
	  OPT_CALL, &req.health.interval_ns, set_duration },
	{ 0, "health-retries", "int", "Consecutive failures needed to report unhealthy (default 3)",
	  OPT_UINT, &req.health.retries, NULL },
	{ 0, "health-start-interval", "duration",
	  "Time between running the check during the start period (ms|s|m|h) (default 5s)",
	  OPT_CALL, &req.health.start_interval_ns, set_duration },
	{ 0, "health-start-period", "duration",
	  "Start period for the container to initialize before counting retries (ms|s|m|h) (default 0s)",
	  OPT_CALL, &req.health.start_period_ns, set_duration },
	{ 0, "health-timeout", "duration",
	  "Maximum time to allow one check to run (ms|s|m|h) (default 30s)", OPT_CALL,
	  &req.health.timeout_ns, set_duration },
	{ 0, "group-add", NULL, "Add additional groups to join", OPT_LIST, &req.group_add, NULL },
	{ 'h', "hostname", NULL, "Container host name", OPT_STR, &req.hostname, NULL },
	{ 0, "init", NULL, "Run an init inside the container that forwards signals and reaps processes",
	  OPT_BOOL, &req.use_init, NULL },
	{ 'i', "interactive", NULL, "Keep STDIN open even if not attached", OPT_BOOL,
	  &req.open_stdin, NULL },
	{ 0, "ip", "string", "IPv4 address (e.g., 172.30.100.104)", OPT_STR, &opt_net.ip, NULL },
	{ 0, "ip6", "string", "IPv6 address (e.g., 2001:db8::33)", OPT_STR, &opt_net.ip6, NULL },
	{ 0, "link", NULL, "Add link to another container", OPT_LIST, &req.links, NULL },
	{ 0, "network-alias", NULL, "Add network-scoped alias for the container", OPT_LIST,
	  &opt_net.aliases, NULL },
	{ 0, "net-alias", NULL, NULL, OPT_LIST, &opt_net.aliases, NULL },
	{ 'l', "label", NULL, "Set meta data on a container", OPT_CALL, NULL, set_label },
	{ 0, "mac-address", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)", OPT_STR,
	  &req.mac, NULL },
	{ 0, "mount", "mount", "Attach a filesystem mount to the container", OPT_CALL, NULL, set_mount },
	{ 0, "log-driver", "string",
	  "Logging driver for the container: json-file, local or none (default json-file)", OPT_STR,
	  &req.log_driver, NULL },
	{ 0, "log-opt", NULL, "Log driver options: max-size=10m, max-file=3, labels=..., env=...",
	  OPT_LIST, &req.log_opts, NULL },
	{ 0, "label-file", NULL, "Read in a line delimited file of labels", OPT_LIST,
	  &opt_label_files, NULL },
	{ 0, "name", NULL, "Assign a name to the container", OPT_STR, &req.name, NULL },
	{ 0, "network", "network",
	  "Connect a container to a network: a name, none,\nhost or container:NAME", OPT_CALL, NULL,
	  set_network },
	{ 0, "net", NULL, NULL, OPT_CALL, NULL, set_network },
	{ 0, "no-init-cache", NULL, "Let a database image set up its data anew, and do not remember it",
	  OPT_BOOL, &req.no_init_cache, NULL },
	{ 0, "no-healthcheck", NULL, "Disable any container-specified HEALTHCHECK", OPT_BOOL,
	  &opt_no_healthcheck, NULL },
	{ 0, "oom-score-adj", NULL, "Tune host's OOM preferences (-1000 to 1000)", OPT_INT,
	  &req.oom_score_adj, NULL },
	{ 0, "platform", NULL, "Use the image of this platform, such as linux/amd64", OPT_STR,
	  &opt_platform, NULL },
	{ 0, "privileged", NULL,
	  "Give all capabilities inside the container's user namespace, no system\ncall filter",
	  OPT_BOOL, &req.privileged, NULL },
	{ 'p', "publish", NULL,
	  "Publish a container's port(s) to the host:\n3306, 3306:3306, 127.0.0.1:80:8080/udp",
	  OPT_CALL, NULL, set_publish },
	{ 'P', "publish-all", NULL, "Publish all exposed ports", OPT_BOOL, &req.publish_all, NULL },
	{ 0, "pull", "string", "Pull image before running: always, missing or never (default missing)",
	  OPT_CALL, NULL, set_pull },
	{ 'q', "quiet", NULL, "Suppress the pull output", OPT_BOOL, &opt_quiet, NULL },
	{ 0, "read-only", NULL, "Mount the container's root filesystem as read only", OPT_BOOL,
	  &req.read_only, NULL },
	{ 0, "restart", "string",
	  "Restart policy to apply when a container exits: no,\n"
	  "on-failure[:max-retries], always or unless-stopped (default no)",
	  OPT_CALL, NULL, set_restart },
	{ 0, "rm", NULL, "Automatically remove the container and its anonymous volumes when it exits",
	  OPT_BOOL, &req.auto_remove, NULL },
	{ 0, "security-opt", NULL, "Security options: seccomp=FILE|unconfined, no-new-privileges",
	  OPT_CALL, NULL, set_security_opt },
	{ 0, "shm-size", "bytes", "Size of /dev/shm", OPT_CALL, NULL, set_shm_size },
	{ 0, "stop-signal", NULL, "Signal to stop the container", OPT_STR, &req.stop_signal, NULL },
	{ 0, "stop-timeout", "int", "Seconds to wait before killing the container", OPT_CALL, NULL,
	  set_stop_timeout },
	{ 0, "sysctl", NULL, "Set kernel parameters of the container's own namespaces", OPT_LIST,
	  &req.sysctls, NULL },
	{ 0, "tmpfs", NULL, "Mount a tmpfs directory", OPT_CALL, NULL, set_tmpfs },
	{ 't', "tty", NULL, "Allocate a pseudo-TTY", OPT_BOOL, &req.tty, NULL },
	{ 0, "ulimit", NULL, "Ulimit options: nofile=1024:2048", OPT_CALL, NULL, set_ulimit },
	{ 'u', "user", NULL, "Username or UID (format: <name|uid>[:<group|gid>])", OPT_STR,
	  &req.user, NULL },
	{ 0, "userns", "string",
	  "User namespace to use: keep-id[:uid=UID,gid=GID] keeps your own ids\ninside, host",
	  OPT_CALL, NULL, set_userns },
	{ 'v', "volume", NULL, "Bind mount a volume", OPT_CALL, NULL, set_volume },
	{ 0, "volumes-from", NULL, "Mount volumes from the specified container(s)", OPT_CALL, NULL,
	  set_volumes_from },
	{ 'w', "workdir", NULL, "Working directory inside the container", OPT_STR, &req.workdir, NULL },
	{ 0 },
};

/* --- what takes long says so ------------------------------------------------------------------ */

static char notice[160];

static void print_notice(UNUSED int sig)
{
	if (write(STDERR_FILENO, notice, strlen(notice)) < 0)
		return; /* nobody reads it */
}

/* Print the notice if notice_off() is not called soon. */
static void notice_on(void)
{
	struct itimerval after = { .it_value.tv_usec = WAIT_NOTICE_MS * 1000 };
	struct sigaction act = { .sa_handler = print_notice, .sa_flags = SA_RESTART };

	if (opt_quiet)
		return;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &after, NULL);
}

static void notice_off(void)
{
	struct itimerval off = { 0 };

	setitimer(ITIMER_REAL, &off, NULL);
}

/* --- making ----------------------------------------------------------------------------------- */

static struct err *read_env_files(void)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < opt_env_files.n; i++) {
		const char *name = opt_env_files.v[i];
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, name, ENV_FILE_MAX, &text, &len);
		e = e ?: env_file_parse(text, len, name, &req.env);
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
				e = err_wrap(label_add(line, &req.labels), "%s:%zu", name, n);
		}
	}
	return e;
}

/* What the host's network, or none, makes of -p: said, not ignored. */
static void warn_ports(void)
{
	if ((req.net == NET_NONE || req.net == NET_HOST) && (req.ports.n || req.publish_all))
		fprintf(stderr, "WARNING: Published ports are discarded when using %s network mode\n",
			net_mode_names[req.net]);
}

/* The file is made before the container, so that a container without its file cannot come to be. */
static struct err *open_cidfile(int *ret_fd)
{
	struct err *e;

	if (!opt_cidfile)
		return NULL;
	e = fd_open(AT_FDCWD, opt_cidfile, O_WRONLY | O_CREAT | O_EXCL, 0644, ret_fd);
	if (!err_is(e, EEXIST))
		return e;
	err_free(e);
	return err_new(0, "container ID file found, make sure the other container isn't running or delete %s",
		       opt_cidfile);
}

/* ARGV: IMAGE [COMMAND...]; *RET_MADE_UP: a password was made up for the database. */
static struct err *make_box(struct store *st, int argc, char **argv, struct box **ret, bool *ret_made_up)
{
	_cleanup_image_ struct image *img = NULL;
	_cleanup_close_ int cid = -1;
	size_t given;
	struct err *e;

	if (opt_no_healthcheck) {
		const struct health_config *h = &req.health;

		if (h->test.n || h->interval_ns || h->timeout_ns || h->start_period_ns ||
		    h->start_interval_ns || h->retries)
			return err_new(0, "--no-healthcheck conflicts with --health-* options");
		strv_add(&req.health.test, "NONE");
	}
	req.image = argv[0];
	for (int i = 1; i < argc; i++)
		strv_add(&req.args, argv[i]);
	e = read_env_files();
	strv_copy(&req.env, &opt_env);
	e = e ?: read_label_files();
	strv_copy(&req.labels, &opt_labels);
	e = e ?: netopt_finish(&opt_net, &req);
	warn_ports();
	given = req.env.n;
	e = e ?: open_cidfile(&cid);
	if (e)
		return e;
	e = image_get_shown(st, req.image, opt_platform, opt_pull, opt_quiet, &img);
	if (!e && str_starts(req.userns ?: "", "keep-id")) {
		snprintf(notice, sizeof(notice),
			 "copying the image's files for --userns keep-id, once...\n");
		notice_on();
	}
	e = e ?: box_create(st, &req, img, ret);
	notice_off();
	if (!e && cid >= 0)
		e = fd_write_all(cid, opt_cidfile, (*ret)->spec.id, strlen((*ret)->spec.id));
	if (e && cid >= 0)
		unlink(opt_cidfile);
	if (!e && (*ret)->spec.recipe) {
		_cleanup_strv_ struct strv asked = { 0 };

		strv_copy(&asked, &img->env);
		for (size_t i = 0; i < given; i++)
			strv_env_set(&asked, req.env.v[i]);
		*ret_made_up = recipe_needs_password(recipe_by_name((*ret)->spec.recipe), &asked);
	}
	return e;
}

static void attach_default(void)
{
	if (!req.attach)
		req.attach = ATTACH_STDOUT | ATTACH_STDERR | (req.open_stdin ? ATTACH_STDIN : 0);
}

static struct err *create(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	bool made_up = false;
	struct err *e = store_open(&st);

	attach_default();
	e = e ?: make_box(st, argc, argv, &b, &made_up);
	if (!e)
		puts(b->spec.id);
	return e;
}

/* --- running ---------------------------------------------------------------------------------- */

static void print_notes(const struct box *b)
{
	if (b->from_init_cache && !opt_quiet)
		fprintf(stderr, "%s: %s starts from the init cache (--no-init-cache sets it up anew)\n",
			prog(), b->spec.recipe);
	for (size_t i = 0; i < b->notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), b->notes.v[i]);
}

/* RAW: the terminal does not return the carriage by itself now. */
static void print_lines(const char *text, bool raw)
{
	for (; *text; text++) {
		if (raw && *text == '\n')
			fputc('\r', stderr);
		fputc(*text, stderr);
	}
}

/* What is known about a database, on stderr; nothing for other containers. */
static void print_access(const struct box *b, const char *verb_phrase, bool made_up,
			 const char *stop, bool raw)
{
	struct db_access a = { 0 };
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *head = NULL;
	struct err *e;

	if (!b->spec.recipe)
		return;
	e = access_find(b, &a);
	if (e) { /* running, but not published: say that it runs, and what would make it reachable */
		if (b->state.status == BOX_RUNNING)
			fprintf(stderr, "%s: %s %s; it is not published to the host (-p %u does that)\n",
				prog(), b->spec.recipe, verb_phrase,
				recipe_port(recipe_by_name(b->spec.recipe)));
		err_free(e);
		return;
	}
	{
		_cleanup_str_ struct str address = { 0 };

		port_host_text(a.host, a.port, &address);
		head = xasprintf("%s %s on %s%s", b->spec.recipe, verb_phrase, address.s,
				 made_up ? "  (no password was given: one was made up)" : "");
	}
	access_text(b, &a, head, &text);
	str_addf(&text, "Stop it:              %s\n\n", stop);
	print_lines(text.s, raw);
	db_access_done(&a);
}

struct foreground {
	struct box *b;
	bool made_up;
};

static void on_ready(void *arg)
{
	const struct foreground *f = arg;
	_cleanup_free_ char *stop = xasprintf("Ctrl-C, or %s stop %s", prog(), f->b->spec.name);

	print_access(f->b, "is ready", f->made_up, stop, f->b->spec.tty && req.open_stdin);
}

/* A server told by SIGINT would often ignore it: Ctrl-C means stop here. */
static void on_interrupt(void *arg, unsigned count)
{
	const struct foreground *f = arg;

	if (count == 1)
		fprintf(stderr, "\n%s: stopping %s gracefully; Ctrl-C again kills it\n", prog(),
			f->b->spec.name);
}

static struct err *run_foreground(struct call *c, struct box *b, bool made_up)
{
	struct foreground f = { .b = b, .made_up = made_up };
	struct attach_opts o = {
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.with_stdin = req.open_stdin && req.attach & ATTACH_STDIN,
		.tty = b->spec.tty,
		.sig_proxy = opt_sig_proxy,
		.detach_keys = opt_detach_keys,
		.on_ready = b->spec.recipe ? on_ready : NULL,
		.on_interrupt = b->spec.recipe && !req.open_stdin ? on_interrupt : NULL,
		.arg = &f,
	};
	_cleanup_close_ int conn = -1, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	enum attach_end end = ATTACH_EXITED;
	struct err *e = box_start(b, &conn);

	if (e)
		return e;
	if (!(req.attach & ATTACH_STDOUT))
		o.stdio[1] = null;
	if (!(req.attach & ATTACH_STDERR))
		o.stdio[2] = null;
	print_notes(b);
	e = attach_run(b, conn, &o, &end, &c->status);
	if (!e && end == ATTACH_LOST)
		e = err_new(0, "container %s: its monitor ended unexpectedly", b->spec.name);
	return e;
}

/* Waits for the database, saying so when it takes long. */
static struct err *wait_ready(struct box *b)
{
	struct err *e;

	snprintf(notice, sizeof(notice), "waiting for %.20s in %.80s to answer...\n",
		 b->spec.recipe, b->spec.name);
	notice_on();
	e = box_wait_ready(b, 0);
	notice_off();
	return e;
}

static struct err *run_detached(struct box *b, bool made_up)
{
	_cleanup_free_ char *stop = xasprintf("%s stop %s", prog(), b->spec.name);
	struct err *e = box_start(b, NULL);

	if (e)
		return e;
	puts(b->spec.id);
	fflush(stdout);
	print_notes(b);
	if (opt_wait)
		e = wait_ready(b);
	if (!e && (made_up || isatty(STDERR_FILENO)))
		print_access(b, opt_wait ? "is ready" : "is starting", made_up, stop, false);
	return e;
}

static struct err *check_flags(void)
{
	if (opt_wait && !opt_detach)
		return err_status(
			err_new(0, "--wait goes with -d: in the foreground you see when it is ready"),
			125);
	if (opt_detach && req.attach)
		return err_status(err_new(0, "Conflicting options: -a and -d"), 125);
	if (!opt_detach)
		attach_default();
	if (!opt_detach && req.tty && req.open_stdin && !isatty(STDIN_FILENO))
		return err_status(err_new(0, "the input device is not a TTY"), 1);
	return NULL;
}

static struct err *run(struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	bool made_up = false;
	struct err *e = check_flags();

	req.starts = true;
	e = e ?: store_open(&st);
	e = e ?: make_box(st, argc, argv, &b, &made_up);
	if (!e && opt_wait && !b->spec.recipe) {
		e = err_new(0, "--wait: devbox knows no readiness test for %s", req.image);
		return err_also(e, box_rm(b, false, true));
	}
	if (e)
		return e;
	return opt_detach ? run_detached(b, made_up) : run_foreground(c, b, made_up);
}

const struct verb verb_create = {
	.name = "create",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = &opts[RUN_ONLY],
	.runs = true,
	.summary = "Create a new container",
	.run = create,
};

const struct verb verb_run = {
	.name = "run",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = opts,
	.runs = true,
	.summary = "Create and run a new container from an image",
	.more = "Called as devbox, options may also follow IMAGE directly; the first word that is none of the\n"
		"options above starts the command, and everything from there on, or behind --, is the command's:\n\n"
		"    devbox run mysql -p 3306 -e MYSQL_DATABASE=app\n"
		"    devbox run mysql --character-set-server=utf8mb4\n"
		"    devbox run -it --rm mysql mysql -h192.168.1.11 -P3306 -uroot -p\n\n"
		"-v /var/run/docker.sock:/var/run/docker.sock gives the container Docker's API, served by devbox:\n"
		"what runs as root in there can do all that you can.",
	.run = run,
};
