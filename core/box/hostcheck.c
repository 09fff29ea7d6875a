#include "core/box/hostcheck.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/box/scope.h"
#include "core/ns/userns.h"
#include "core/store/fork.h"
#include "slirp/bridge.h"

enum { FILE_MAX = 1 << 20 };
#define LOW_DISK (2ULL << 30)
#define NO_DISK (100ULL << 20)

const char *const check_result_names[] = { [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail" };
_Static_assert(ARRAY_LEN(check_result_names) == CHECK_RESULT_MAX, "a name for each result");

void checks_done(struct checks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].text);
		free(c->v[i].mend);
	}
	free(c->v);
	*c = (struct checks){ 0 };
}

/* Takes TEXT and MEND. */
static void add(struct checks *c, const char *name, enum check_result result, char *text, char *mend)
{
	c->v = xgrow(c->v, c->n, &c->cap, sizeof(*c->v));
	c->v[c->n++] = (struct check){ .name = name, .result = result, .text = text, .mend = mend };
}

/* Content of PATH without a newline at its end, or NULL. */
static char *slurp(const char *path)
{
	char *text = NULL;
	size_t len = 0;
	struct err *e = fd_read_file(AT_FDCWD, path, FILE_MAX, &text, &len);

	if (e) {
		err_free(e); /* absent is an answer too */
		return NULL;
	}
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	return text;
}

static long slurp_number(const char *path, long dflt)
{
	_cleanup_free_ char *text = slurp(path);

	return text ? strtol(text, NULL, 10) : dflt;
}

/* The user's name from /etc/passwd, or the number. */
static char *user_name(void)
{
	_cleanup_free_ char *passwd = slurp("/etc/passwd");

	for (char *rest = passwd, *line; rest && (line = strsep(&rest, "\n"));) {
		char *name = strsep(&line, ":");
		char *uid = line ? (strsep(&line, ":"), strsep(&line, ":")) : NULL;

		if (uid && strtoul(uid, NULL, 10) == geteuid() && *uid)
			return xstrdup(name);
	}
	return xasprintf("%u", geteuid());
}

/* What the administrator types to set a kernel parameter for good. */
static char *sysctl_mend(const char *setting)
{
	return xasprintf("echo '%s' | sudo tee -a /etc/sysctl.d/60-devbox.conf\nsudo sysctl --system",
			 setting);
}

/* --- kernel ----------------------------------------------------------------------------------- */

static void check_kernel(struct checks *c)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2 || major > 5 || (major == 5 && minor >= 11))
		add(c, "kernel", CHECK_OK, xasprintf("Linux %s", u.release), NULL);
	else
		add(c, "kernel", CHECK_FAIL,
		    xasprintf("Linux %s has no overlayfs for ordinary users", u.release),
		    xstrdup("upgrade to Linux 5.11 or newer"));
}

static void check_seccomp(struct checks *c)
{
	if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0)
		add(c, "seccomp", CHECK_OK, xstrdup("system calls of containers are filtered"), NULL);
	else
		add(c, "seccomp", CHECK_FAIL, xstrdup("this kernel was built without seccomp filters"),
		    xstrdup("use a kernel with CONFIG_SECCOMP_FILTER"));
}

/* --- user namespaces -------------------------------------------------------------------------- */

/* The profile that lets this very file make user namespaces where AppArmor forbids it to others (Ubuntu 23.10+). */
static char *apparmor_mend(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	return xasprintf("sudo tee /etc/apparmor.d/devbox <<'END'\n"
			 "abi <abi/4.0>,\n"
			 "include <tunables/global>\n"
			 "profile devbox \"%s\" flags=(unconfined) {\n"
			 "  userns,\n"
			 "  include if exists <local/devbox>\n"
			 "}\n"
			 "END\n"
			 "sudo apparmor_parser -r /etc/apparmor.d/devbox",
			 path);
}

static bool check_userns(struct checks *c)
{
	bool restricted =
		slurp_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1;
	struct err *e = userns_check();
	char *mend = NULL;

	if (!e) {
		add(c, "user namespaces", CHECK_OK,
		    xstrdup(restricted ? "allowed for devbox (AppArmor restricts others)" : "allowed"),
		    NULL);
		return true;
	}
	if (restricted)
		mend = apparmor_mend();
	else if (slurp_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		mend = sysctl_mend("kernel.unprivileged_userns_clone=1");
	else if (slurp_number("/proc/sys/user/max_user_namespaces", 1) == 0)
		mend = sysctl_mend("user.max_user_namespaces=10000");
	add(c, "user namespaces", CHECK_FAIL,
	    xasprintf("%s%s%s", e->text, e->errnum ? ": " : "", e->errnum ? strerror(e->errnum) : ""),
	    mend);
	err_free(e);
	return false;
}

/* Where NAME is on PATH or in the usual places; false if nowhere. */
static bool find_program(const char *name, char *ret, size_t size)
{
	const char *dirs = getenv("PATH") ?: "";
	_cleanup_free_ char *list = xasprintf("%s:/usr/bin:/usr/local/bin:/bin:/sbin:/usr/sbin", dirs);

	for (char *rest = list, *dir; (dir = strsep(&rest, ":"));) {
		if (*dir != '/')
			continue;
		snprintf(ret, size, "%s/%s", dir, name);
		if (access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

/* newuidmap and newgidmap must be setuid root or have the file capability. */
static char *check_helper(const char *name)
{
	char path[4096];
	struct stat sb;

	if (!find_program(name, path, sizeof(path)))
		return xasprintf("%s is not installed", name);
	if (stat(path, &sb) == 0 && !(sb.st_mode & S_ISUID) &&
	    getxattr(path, "security.capability", NULL, 0) <= 0)
		return xasprintf("%s is neither setuid nor has it the capability", path);
	return NULL;
}

static void check_ids(struct checks *c)
{
	_cleanup_free_ char *user = user_name(), *uidmap = NULL, *gidmap = NULL;
	struct userns_ids ids;
	uint64_t count = 0;

	userns_ids_load(&ids);
	for (size_t i = 0; i < ids.n_uid; i++)
		count += ids.uid[i].count;
	if (!ids.direct && !ids.single) {
		uidmap = check_helper("newuidmap");
		gidmap = check_helper("newgidmap");
	}
	if (uidmap || gidmap)
		add(c, "subordinate ids", CHECK_FAIL, xstrdup(uidmap ?: gidmap),
		    xstrdup("sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap"));
	else if (ids.direct)
		add(c, "subordinate ids", CHECK_OK,
		    xasprintf("%llu ids from %u, as root", (unsigned long long)count, ids.uid[0].outside),
		    NULL);
	else if (!ids.single)
		add(c, "subordinate ids", CHECK_OK,
		    xasprintf("%llu ids for %s", (unsigned long long)count, user), NULL);
	else
		add(c, "subordinate ids", CHECK_WARN,
		    xasprintf("%s: users of images are all you, and files have one owner", ids.why_single),
		    xasprintf("sudo apt-get install uidmap\n"
			      "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
			      user));
	userns_ids_done(&ids);
}

/* --- storage ---------------------------------------------------------------------------------- */

static struct err *try_overlay(void *arg, UNUSED struct str *result)
{
	int dir = *(const int *)arg;

	/* in this order: unshare(2) takes the working directory along, other descriptors stay in the old namespace */
	if (fchdir(dir) < 0 || unshare(CLONE_NEWNS) < 0)
		return err_new(errno, "making a mount namespace");
	if (mkdir("l", 0700) < 0 || mkdir("u", 0700) < 0 || mkdir("w", 0700) < 0 || mkdir("m", 0700) < 0)
		return err_new(errno, "making directories for the trial");
	if (mount("devbox", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w,userxattr") < 0)
		return err_new(errno, "mounting overlayfs");
	if (mkdir("m/d", 0700) < 0)
		return err_new(errno, "writing to overlayfs");
	return umount2("m", MNT_DETACH) < 0 ? err_new(errno, "unmounting overlayfs") : NULL;
}

static void check_overlay(struct checks *c, struct store *st)
{
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int dir = -1;
	struct err *e = store_stage(st, "doctor", &stage, &dir);

	if (!e && st->ids.direct &&
	    fchownat(dir, "", st->ids.root_uid, st->ids.root_gid, AT_EMPTY_PATH) < 0)
		e = err_new(errno, "giving the trial's directory away");
	e = e ?: userns_call(&st->ids, try_overlay, &dir, NULL);
	if (!e) {
		add(c, "overlayfs", CHECK_OK, xstrdup("mounts in a user namespace"), NULL);
	} else {
		add(c, "overlayfs", CHECK_FAIL, err_line(e),
		    xstrdup("put the storage on another file system: export XDG_DATA_HOME=/some/local/disk"));
	}
	err_free(e);
	if (stage)
		err_free(store_rm_tree(st, st->tmp, stage)); /* else the next sweep does it */
}

static const char *fs_name(long type)
{
	static const struct {
		long type;
		const char *name;
	} known[] = {
		{ 0xef53, "ext4" },	    { 0x58465342, "xfs" },     { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" },    { 0x794c7630, "overlay" }, { 0x6969, "nfs" },
		{ 0x65735546, "fuse" },	    { 0xff534d42, "cifs" },    { 0xfe534d42, "smb" },
		{ 0x2fc12fc1, "zfs" },	    { 0xf2f52010, "f2fs" },    { 0x01021997, "9p" },
		{ 0xca451a4e, "bcachefs" }, { 0x5346414f, "afs" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].type == type)
			return known[i].name;
	return "unknown file system";
}

static void check_disk(struct checks *c, struct store *st)
{
	struct statfs fs;
	uint64_t free_bytes;
	const char *name;
	bool remote;

	if (fstatfs(st->root, &fs) < 0) {
		add(c, "storage", CHECK_FAIL, xasprintf("%s: %s", st->path, strerror(errno)), NULL);
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	name = fs_name((long)fs.f_type);
	remote = !strcmp(name, "nfs") || !strcmp(name, "cifs") || !strcmp(name, "smb") ||
		 !strcmp(name, "afs");
	if (remote)
		add(c, "storage", CHECK_WARN,
		    xasprintf("%s is on %s: file owners and overlayfs do not work there", st->path, name),
		    xstrdup("put the storage on a local disk: export XDG_DATA_HOME=/some/local/disk"));
	else if (free_bytes < LOW_DISK)
		add(c, "storage", free_bytes < NO_DISK ? CHECK_FAIL : CHECK_WARN,
		    xasprintf("%s (%s): only %.1f GB free", st->path, name, (double)free_bytes / 1e9),
		    xstrdup("devbox prune -a"));
	else
		add(c, "storage", CHECK_OK,
		    xasprintf("%s (%s): %.1f GB free", st->path, name, (double)free_bytes / 1e9), NULL);
}

/* --- network ---------------------------------------------------------------------------------- */

static void check_tun(struct checks *c)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		add(c, "network device", CHECK_OK, xstrdup("/dev/net/tun can be opened"), NULL);
	else
		add(c, "network device", CHECK_OK,
		    xasprintf("/dev/net/tun: %s; a veth pair is used instead", strerror(errno)), NULL);
}

static struct err *try_bridge(void *arg UNUSED, struct str *result UNUSED)
{
	return bridge_try();
}

/* How containers of a network reach each other.  As in containers, ids do not matter. */
static void check_bridge(struct checks *c)
{
	struct userns_ids own = { .single = true, .n_uid = 1, .n_gid = 1 };
	_cleanup_free_ char *why = NULL;
	struct err *e;

	own.uid[0] = (struct id_range){ 0, geteuid(), 1 };
	own.gid[0] = (struct id_range){ 0, getegid(), 1 };
	e = userns_call(&own, try_bridge, NULL, NULL);
	if (!e) {
		add(c, "bridge", CHECK_OK,
		    xstrdup("the kernel connects the containers of a network"), NULL);
		return;
	}
	why = err_line(e);
	add(c, "bridge", CHECK_OK,
	    xasprintf("the network's process connects its containers, at half the speed (%s)", why),
	    NULL);
	err_free(e);
}

static void check_ports(struct checks *c)
{
	long first = slurp_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);

	if (first <= 80 || geteuid() == 0)
		add(c, "low ports", CHECK_OK,
		    xstrdup("host ports such as 80 and 443 can be published"), NULL);
	else
		add(c, "low ports", CHECK_WARN,
		    xasprintf("host ports below %ld cannot be published", first),
		    sysctl_mend("net.ipv4.ip_unprivileged_port_start=80"));
}

/* Ping sockets (icmp(7)): one of our groups must lie in the range. */
static void check_ping(struct checks *c)
{
	_cleanup_free_ char *text = slurp("/proc/sys/net/ipv4/ping_group_range");
	unsigned long from = 1, to = 0;
	gid_t groups[256];
	int n = getgroups(ARRAY_LEN(groups), groups);
	bool inside;

	if (text)
		sscanf(text, "%lu %lu", &from, &to);
	inside = getegid() >= from && getegid() <= to;
	for (int i = 0; i < n; i++)
		inside |= groups[i] >= from && groups[i] <= to;
	if (inside)
		add(c, "ping", CHECK_OK, xstrdup("containers can ping the outside"), NULL);
	else
		add(c, "ping", CHECK_WARN,
		    xstrdup("containers cannot ping the outside (net.ipv4.ping_group_range)"),
		    sysctl_mend("net.ipv4.ping_group_range=0 2147483647"));
}

static void check_dns(struct checks *c)
{
	_cleanup_free_ char *text = slurp("/etc/resolv.conf"), *first = NULL;
	unsigned n = 0;

	for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
		const char *value = str_after(line, "nameserver");

		if (!value || (*value != ' ' && *value != '\t'))
			continue;
		value += strspn(value, " \t");
		if (!n++)
			first = xstrndup(value, strcspn(value, " \t\r"));
	}
	if (n)
		add(c, "name servers", CHECK_OK,
		    xasprintf("%s%s in /etc/resolv.conf", first, n > 1 ? " and others" : ""), NULL);
	else
		add(c, "name servers", CHECK_WARN,
		    xstrdup("/etc/resolv.conf names none: nothing can be pulled by name"),
		    xstrdup("connect to a network; or put \"nameserver ADDRESS\" into /etc/resolv.conf"));
}

/* --- limits and logout ------------------------------------------------------------------------ */

static void check_cgroups(struct checks *c)
{
	_cleanup_free_ char *own = slurp("/proc/self/cgroup"), *path = NULL,
			    *manager = scope_manager();
	const char *group = own ? strstr(own, "0::/") : NULL;

	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) < 0 || !group) {
		add(c, "cgroups", CHECK_OK, xstrdup("no cgroup v2 here; devbox does not need it"), NULL);
		return;
	}
	path = xasprintf("/sys/fs/cgroup%.*s/cgroup.procs", (int)strcspn(group + 3, "\n"), group + 3);
	if (access(path, W_OK) == 0)
		add(c, "cgroups", CHECK_OK, xstrdup("v2, this session's group is delegated to you"),
		    NULL);
	else if (manager)
		add(c, "cgroups", CHECK_OK,
		    xstrdup("v2, systemd gives each container with limits a scope of its own"), NULL);
	else
		add(c, "cgroups", CHECK_OK,
		    xstrdup("v2, not delegated to you; devbox does not need it"), NULL);
}

/* "KillUserProcesses=yes" in logind.conf or its drop-ins; later files win. */
static bool logind_kills(void)
{
	static const char *const dirs[] = { "/usr/lib/systemd/logind.conf.d",
					    "/etc/systemd/logind.conf.d",
					    "/run/systemd/logind.conf.d" };
	_cleanup_strv_ struct strv files = { 0 };
	bool kills = false;

	strv_add(&files, "/etc/systemd/logind.conf");
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		_cleanup_dir_ DIR *d = opendir(dirs[i]);

		for (struct dirent *de; d && (de = readdir(d));)
			if (str_ends(de->d_name, ".conf"))
				strv_addf(&files, "%s/%s", dirs[i], de->d_name);
	}
	for (size_t i = 0; i < files.n; i++) {
		_cleanup_free_ char *text = slurp(files.v[i]);

		for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
			const char *value = str_after(line, "KillUserProcesses=");

			if (value)
				kills = !strncmp(value, "yes", 3) || !strncmp(value, "true", 4) ||
					*value == '1';
		}
	}
	return kills;
}

static void check_logout(struct checks *c)
{
	_cleanup_free_ char *user = user_name(),
			    *linger = xasprintf("/var/lib/systemd/linger/%s", user);

	if (!logind_kills() || geteuid() == 0 || access(linger, F_OK) == 0)
		add(c, "logout", CHECK_OK, xstrdup("containers go on when you log out"), NULL);
	else
		add(c, "logout", CHECK_WARN,
		    xstrdup("systemd ends your containers when you log out (KillUserProcesses)"),
		    xstrdup("loginctl enable-linger"));
}

static void check_forks(struct checks *c, struct store *st)
{
	char *why = NULL;
	enum fork_method m = fork_method_here(st, &why);

	if (m == FORK_COPY)
		add(c, "forks of data", CHECK_WARN,
		    xasprintf("volumes are copied as a whole: %s", why), NULL);
	else
		add(c, "forks of data", CHECK_OK, xasprintf("%s: %s", fork_method_names[m], why), NULL);
	free(why);
}

void hostcheck_run(struct checks *ret)
{
	struct store *st = NULL;
	struct err *e;
	bool userns;

	check_kernel(ret);
	check_seccomp(ret);
	userns = check_userns(ret);
	check_ids(ret);
	e = store_open(&st);
	if (e) {
		add(ret, "storage", CHECK_FAIL, err_line(e),
		    xstrdup("export XDG_DATA_HOME=/a/directory/of/yours"));
		err_free(e);
	} else {
		check_disk(ret, st);
		check_forks(ret, st);
		if (userns)
			check_overlay(ret, st);
	}
	store_free(st);
	check_tun(ret);
	if (userns)
		check_bridge(ret);
	check_ports(ret);
	check_ping(ret);
	check_dns(ret);
	check_cgroups(ret);
	check_logout(ret);
}
