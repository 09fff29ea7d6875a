/* cmd/info.c -- devbox info, version */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "cmd/describe.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/box/procs.h"

static const char *opt_format;
static bool opt_short;

static const struct opt info_opts[] = {
	{ 'f', "format", "string", "Format output using a custom template: 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0 },
};

/* --- info ------------------------------------------------------------------------------------- */

struct counts {
	size_t running, paused, stopped, images;
};

static struct err *count(struct store *st, struct counts *ret)
{
	_cleanup_strv_ struct strv ids = { 0 };
	struct box **boxes = NULL;
	struct image **images = NULL;
	size_t n = 0, n_images = 0;
	struct err *e = box_list(st, &boxes, &n);

	*ret = (struct counts){ 0 };
	for (size_t i = 0; i < n; i++) {
		*(box_is_paused(boxes[i])	  ? &ret->paused
		  : state_is_up(&boxes[i]->state) ? &ret->running
						  : &ret->stopped) += 1;
		box_free(boxes[i]);
	}
	free(boxes);
	e = e ?: image_list(st, &images, &n_images);
	for (size_t i = 0; i < n_images; i++) {
		if (!strv_has(&ids, images[i]->id))
			strv_add(&ids, images[i]->id);
		image_free(images[i]);
	}
	free(images);
	ret->images = ids.n;
	return e;
}

/* PRETTY_NAME of os-release(5). */
static char *os_name(void)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct err *e = fd_read_file(AT_FDCWD, "/etc/os-release", 1 << 16, &text, &len);

	err_free(e); /* absent: it is called Linux */
	for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
		const char *value = str_after(line, "PRETTY_NAME=");

		if (value) {
			value += *value == '"';
			return xstrndup(value, strcspn(value, "\""));
		}
	}
	return xstrdup("Linux");
}

static void add_line(struct str *s, const char *key, const char *value)
{
	str_addf(s, " %s: %s\n", key, value);
}

static void info_text(struct store *st, const struct counts *n, const struct utsname *u,
		      const struct sysinfo *si, const char *os)
{
	_cleanup_str_ struct str s = { 0 };

	str_addf(&s, "Containers: %zu\n Running: %zu\n Paused: %zu\n Stopped: %zu\nImages: %zu\n",
		 n->running + n->paused + n->stopped, n->running, n->paused, n->stopped, n->images);
	str_addf(&s, "Server Version: %s\nStorage Driver: overlay\n", DEVBOX_VERSION);
	str_add(&s, "Daemon: none\nSecurity Options:\n");
	add_line(&s, "seccomp", "builtin profile");
	add_line(&s, "rootless",
		 st->ids.single	  ? "one user id (see doctor)"
		 : st->ids.direct ? "user namespace, started by root"
				  : "subordinate ids");
	str_addf(&s, "Kernel Version: %s\nOperating System: %s\nOSType: linux\nArchitecture: %s\n",
		 u->release, os, u->machine);
	str_addf(&s, "CPUs: %d\nTotal Memory: %.4gGiB\nName: %s\nDocker Root Dir: %s\n", get_nprocs(),
		 (double)si->totalram * si->mem_unit / (1 << 30), u->nodename, st->path);
	fputs(s.s, stdout);
}

struct err *describe_info(struct store *st, struct json_out *o)
{
	_cleanup_free_ char *os = os_name();
	struct counts n;
	struct utsname u;
	struct sysinfo si;
	struct err *e = count(st, &n);

	if (e)
		return e;
	uname(&u);
	sysinfo(&si);
	json_open(o, NULL, '{');
	json_put_int(o, "Containers", (int64_t)(n.running + n.paused + n.stopped));
	json_put_int(o, "ContainersRunning", (int64_t)n.running);
	json_put_int(o, "ContainersPaused", (int64_t)n.paused);
	json_put_int(o, "ContainersStopped", (int64_t)n.stopped);
	json_put_int(o, "Images", (int64_t)n.images);
	json_put_str(o, "Driver", "overlay");
	json_put_str(o, "ServerVersion", DEVBOX_VERSION);
	json_put_str(o, "KernelVersion", u.release);
	json_put_str(o, "OperatingSystem", os);
	json_put_str(o, "OSType", "linux");
	json_put_str(o, "Architecture", u.machine);
	json_put_int(o, "NCPU", get_nprocs());
	json_put_int(o, "MemTotal", (int64_t)(si.totalram * si.mem_unit));
	json_put_str(o, "Name", u.nodename);
	json_put_str(o, "DockerRootDir", st->path);
	json_open(o, "SecurityOptions", '[');
	json_put_str(o, NULL, "name=seccomp,profile=builtin");
	json_put_str(o, NULL, "name=rootless");
	json_close(o, ']');
	/* what scripts ask before they begin */
	json_put_str(o, "LoggingDriver", "json-file");
	json_put_str(o, "CgroupVersion",
		     access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "2" : "1");
	json_put_str(o, "DefaultRuntime", "devbox");
	json_open(o, "Swarm", '{');
	json_put_str(o, "LocalNodeState", "inactive");
	json_close(o, '}');
	json_close(o, '}');
	return NULL;
}

static struct err *info_json(struct store *st)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	struct err *e;
	size_t len;

	json_out_init(&o, false);
	e = describe_info(st, &o);
	text = json_out_take(&o, &len);
	return e ?: print_formatted(opt_format, text, len);
}

static struct err *info(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *os = os_name();
	struct counts n;
	struct utsname u;
	struct sysinfo si;
	struct err *e = store_open(&st);

	if (!e && opt_format)
		return info_json(st);
	e = e ?: count(st, &n);
	if (e)
		return e;
	uname(&u);
	sysinfo(&si);
	info_text(st, &n, &u, &si, os);
	return NULL;
}

/* --- version ---------------------------------------------------------------------------------- */

static const struct opt version_opts[] = {
	{ 'f', "format", "string", "Format output using a custom template: 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0, "short", NULL, "One line", OPT_BOOL, &opt_short, NULL },
	{ 0 },
};

/* The architecture in Go's words. */
static const char *arch_name(const char *machine)
{
	static const char *const pairs[][2] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
		{ "i686", "386" },
		{ "armv7l", "arm" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (!strcmp(machine, pairs[i][0]))
			return pairs[i][1];
	return machine;
}

/* DEVBOX_VERSION is "1.2.3+commit" or "1.2.3". */
static void split_version(char **ret_version, const char **ret_commit)
{
	size_t n = strcspn(DEVBOX_VERSION, "+");

	*ret_version = xstrndup(DEVBOX_VERSION, n);
	*ret_commit = DEVBOX_VERSION[n] ? &DEVBOX_VERSION[n + 1] : "unknown";
}

void describe_version(struct json_out *o)
{
	_cleanup_free_ char *version = NULL;
	const char *commit;
	struct utsname u;

	uname(&u);
	split_version(&version, &commit);
	json_put_str(o, "Version", version);
	json_put_str(o, "GitCommit", commit);
	json_put_str(o, "Os", "linux");
	json_put_str(o, "Arch", arch_name(u.machine));
	json_put_str(o, "KernelVersion", u.release);
}

/* There is no daemon: client and server are this one program. */
static struct err *version(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_free_ char *text = NULL, *number = NULL;
	const char *commit;
	struct json_out o;
	struct utsname u;
	size_t len;

	uname(&u);
	split_version(&number, &commit);
	if (opt_short) {
		printf("%s version %s, build %s\n", prog_is_docker() ? "Docker" : "devbox", number,
		       commit);
		return NULL;
	}
	if (!opt_format) {
		for (int i = 0; i < 2; i++)
			printf("%s\n Version:           %s\n Git commit:        %s\n OS/Arch:           linux/%s\n%s",
			       i ? "Server: devbox (no daemon)" : "Client: devbox", number, commit,
			       arch_name(u.machine), i ? "" : "\n");
		return NULL;
	}
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	for (int i = 0; i < 2; i++) {
		json_open(&o, i ? "Server" : "Client", '{');
		describe_version(&o);
		json_close(&o, '}');
	}
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return print_formatted(opt_format, text, len);
}

const struct verb verb_info = {
	.name = "info",
	.args = "",
	.opts = info_opts,
	.summary = "Display system-wide information",
	.run = info,
};
const struct verb verb_version = {
	.name = "version",
	.args = "",
	.opts = version_opts,
	.summary = "Show the version information",
	.run = version,
};
