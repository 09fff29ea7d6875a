#include "core/box/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/scope.h"

enum { TEXT_MAX = 1 << 20, DEPTH_MAX = 64, FREEZE_MS = 5000 };

/* Field N (from 0) of a line of words; in BUF. */
static bool field(const char *line, size_t len, int n, char *buf, size_t size)
{
	const char *end = line + len;

	for (; n > 0; n--) {
		line = memchr(line, ' ', (size_t)(end - line));
		if (!line)
			return false;
		line++;
	}
	len = strcspn(line, " \n");
	if (len >= size)
		return false;
	memcpy(buf, line, len);
	buf[len] = '\0';
	return true;
}

void cgroup_place(const char *mountinfo, const char *cgroup, char **ret_root, char **ret_own)
{
	char at[1024], top[1024];

	*ret_root = *ret_own = NULL;
	for (const char *p = mountinfo; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		size_t len = strcspn(p, "\n");
		const char *dash = memmem(p, len, " - cgroup2 ", 11);

		/* fields 3 and 4: what of the file system is mounted, and where; a part of it
		 * would need translating */
		if (dash && field(p, len, 3, top, sizeof(top)) &&
		    field(p, len, 4, at, sizeof(at)) && !strcmp(top, "/")) {
			*ret_root = xstrdup(at);
			break;
		}
	}
	for (const char *p = cgroup; *ret_root && p && *p;
	     p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (str_starts(p, "0::/")) {
			*ret_own = xstrndup(p + 3, strcspn(p + 3, "\n"));
			break;
		}
	if (!*ret_own) {
		free(*ret_root);
		*ret_root = NULL;
	}
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; p && *p; p += strspn(p, " \n")) {
		size_t n = strcspn(p, " \n");

		if (n == len && !memcmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

/* Those without which there would be no limit at all.  The rest has a soft form that is nearly as good. */
static void controllers(const struct limits *l, bool all, struct strv *need)
{
	if (l->memory || l->memory_swap > 0 || l->memory_reservation)
		strv_add(need, "memory");
	if (l->pids > 0)
		strv_add(need, "pids");
	if (!all)
		return;
	if (limits_nano_cpus(l) || l->cpu_shares)
		strv_add(need, "cpu");
	if (l->cpuset)
		strv_add(need, "cpuset");
	if (l->blkio_weight)
		strv_add(need, "io");
}

static struct err *put(int dir, const char *file, const char *text)
{
	_cleanup_close_ int fd = -1;
	struct err *e = fd_open(dir, file, O_WRONLY | O_NOFOLLOW, 0, &fd);

	return e ?: fd_write_all(fd, file, text, strlen(text));
}

/* Does DIR pass all of NEED on to its children, or can it be made to? */
static bool passes_on(int dir, const struct strv *need)
{
	_cleanup_free_ char *has = NULL, *passes = NULL;
	struct err *e = fd_read_file(dir, "cgroup.controllers", TEXT_MAX, &has, NULL);

	e = e ?: fd_read_file(dir, "cgroup.subtree_control", TEXT_MAX, &passes, NULL);
	for (size_t i = 0; i < need->n && !e; i++) {
		_cleanup_free_ char *plus = xasprintf("+%s", need->v[i]);

		if (has_word(passes, need->v[i]))
			continue;
		e = has_word(has, need->v[i]) ? put(dir, "cgroup.subtree_control", plus)
					      : err_new(0, "no such controller");
	}
	if (!e)
		return true;
	err_free(e); /* the next one may */
	return false;
}

/* our own cgroup holds ourselves, and none with processes may pass controllers on: from its parent upwards.  But the
 * topmost one may. */
static int fitting(int root, const char *own, const struct strv *need)
{
	_cleanup_free_ char *path = xasprintf(".%s", own);
	int depth = 0;

	while (depth++ < DEPTH_MAX && path[1]) {
		_cleanup_close_ int dir = -1;
		char *slash = strrchr(path, '/');
		struct err *e;

		if (!slash || slash == path + 1)
			path[1] = '\0'; /* "./a" -> "." */
		if (slash)
			*slash = '\0';
		e = fd_open(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dir);
		if (e) {
			err_free(e);
			continue;
		}
		if (faccessat(dir, ".", W_OK, 0) == 0 &&
		    faccessat(dir, "cgroup.procs", W_OK, 0) == 0 && passes_on(dir, need))
			return TAKE_FD(dir);
	}
	return -1;
}

int cgroup_parent(int root, const char *own, const struct limits *l)
{
	_cleanup_strv_ struct strv all = { 0 }, least = { 0 };
	int dir;

	controllers(l, true, &all);
	controllers(l, false, &least);
	dir = fitting(root, own, &all);
	return dir < 0 && least.n && least.n < all.n ? fitting(root, own, &least) : dir;
}

struct limits cgroup_left(int dir, const struct limits *l)
{
	_cleanup_free_ char *has = NULL;
	struct limits left = { 0 };
	struct err *e = fd_read_file(dir, "cgroup.controllers", TEXT_MAX, &has, NULL);

	err_free(e); /* not there: it has none */
	if (!has_word(has, "cpu")) {
		left.nano_cpus = limits_nano_cpus(l);
		left.cpu_shares = l->cpu_shares;
	}
	if (!has_word(has, "cpuset"))
		left.cpuset = l->cpuset;
	if (!has_word(has, "io"))
		left.blkio_weight = l->blkio_weight;
	return left;
}

/* VALUE if it is set; some files exist only in some kernels. */
static struct err *put_number(int dir, const char *file, bool set, int64_t value)
{
	char text[32];
	struct err *e;

	if (!set)
		return NULL;
	snprintf(text, sizeof(text), "%lld", (long long)value);
	e = put(dir, file, value < 0 ? "max" : text);
	if (err_is(e, ENOENT) && !strcmp(file, "memory.swap.max")) {
		err_free(e);
		return NULL;
	}
	return e;
}

struct err *cgroup_apply(int dir, const struct limits *l)
{
	struct limits left = cgroup_left(dir, l);
	char text[64];
	struct err *e;

	e = put_number(dir, "memory.max", l->memory > 0, l->memory);
	e = e
		    ?: put_number(dir, "memory.swap.max", l->memory > 0 && l->memory_swap,
				  l->memory_swap < 0 ? -1 : l->memory_swap - l->memory);
	e = e ?: put_number(dir, "memory.low", l->memory_reservation > 0, l->memory_reservation);
	e = e ?: put_number(dir, "pids.max", l->pids > 0, l->pids);
	if (!e && l->cpu_shares && !left.cpu_shares)
		e = put_number(dir, "cpu.weight", true, limits_cpu_weight(l->cpu_shares));
	if (!e && limits_nano_cpus(l) && !left.nano_cpus) {
		int64_t period = l->cpu_period ?: CPU_PERIOD_US;

		snprintf(text, sizeof(text), "%lld %lld",
			 (long long)(l->nano_cpus ? l->nano_cpus / (1000000000 / CPU_PERIOD_US)
						  : l->cpu_quota),
			 (long long)period);
		e = put(dir, "cpu.max", text);
	}
	if (!e && l->cpuset && !left.cpuset)
		e = put(dir, "cpuset.cpus", l->cpuset);
	if (!e && l->blkio_weight && !left.blkio_weight) {
		snprintf(text, sizeof(text), "default %u", limits_io_weight(l->blkio_weight));
		e = put(dir, "io.weight", text);
	}
	return err_wrap(e, "setting the limits");
}

uint64_t cgroup_oom_kills(int dir)
{
	_cleanup_free_ char *text = NULL;
	struct err *e = fd_read_file(dir, "memory.events", TEXT_MAX, &text, NULL);
	const char *p = e ? NULL : strstr(text, "oom_kill ");

	err_free(e); /* without the controller there is none */
	return p ? strtoull(p + 9, NULL, 10) : 0;
}

static bool is_frozen(const char *events)
{
	const char *p = strstr(events, "frozen ");

	return p && p[7] == '1';
}

struct err *cgroup_freeze(int dir, bool frozen)
{
	_cleanup_close_ int events = -1;
	int64_t deadline_ms = time_mono_ms() + FREEZE_MS;
	struct err *e = fd_open(dir, "cgroup.events", O_RDONLY, 0, &events);

	e = e ?: put(dir, "cgroup.freeze", frozen ? "1" : "0");
	while (!e) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		int64_t left_ms = deadline_ms - time_mono_ms();
		char text[256];
		ssize_t n = pread(events, text, sizeof(text) - 1, 0); /* also arms the poll */

		text[n < 0 ? 0 : n] = '\0';
		if (is_frozen(text) == frozen)
			return NULL;
		if (left_ms <= 0)
			e = err_new(EBUSY, "waiting for the container's processes");
		else
			poll(&p, 1, (int)left_ms);
	}
	return e;
}

/* --- this machine's hierarchy --- */

static struct err *look_around(pid_t pid, char **ret_root, char **ret_own)
{
	_cleanup_free_ char *mountinfo = NULL, *cgroup = NULL,
			    *path = pid ? xasprintf("/proc/%d/cgroup", (int)pid)
					: xstrdup("/proc/self/cgroup");
	struct err *e = fd_read_file(AT_FDCWD, "/proc/self/mountinfo", TEXT_MAX, &mountinfo, NULL);

	e = e ?: fd_read_file(AT_FDCWD, path, TEXT_MAX, &cgroup, NULL);
	if (!e)
		cgroup_place(mountinfo, cgroup, ret_root, ret_own);
	return e;
}

bool cgroup_scope(const char *path, char **ret_unit, char **ret_below)
{
	const char *end = strstr(path, ".scope/"), *start = end;

	if (!end)
		return false;
	while (start > path && start[-1] != '/')
		start--;
	if (!str_starts(start, "devbox-"))
		return false;
	*ret_unit = xstrndup(start, (size_t)(end - start) + strlen(".scope"));
	*ret_below = xstrdup(end + strlen(".scope"));
	return true;
}

static struct err *make_dir(int parent, const char *name, int *ret_dir)
{
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST) /* of a monitor that was killed: empty by now */
		return err_new(errno, "making a cgroup");
	return fd_open(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_dir);
}

/* Room in the scope OWN: none with processes of its own may pass controllers on. */
static struct err *make_room(const char *root_path, const char *own)
{
	_cleanup_free_ char *path = xasprintf("%s%s", root_path, own);
	_cleanup_close_ int scope = -1, leaf = -1;
	struct err *e = fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &scope);

	e = e ?: make_dir(scope, "monitor", &leaf);
	return e ?: put(leaf, "cgroup.procs", "0");
}

struct err *cgroup_prepare(const char *name)
{
	_cleanup_free_ char *manager = scope_manager(), *unit = xasprintf("%s.scope", name),
			    *root = NULL, *own = NULL, *none = NULL, *moved = NULL;
	struct err *e = manager ? look_around(0, &root, &own) : NULL;

	if (e || !root)
		return e;
	e = scope_start(manager, unit, getpid());
	e = e ?: look_around(0, &none, &moved);
	if (!e && (!moved || !str_ends(moved, unit)))
		e = err_new(0, "%s is not there", unit);
	return e ?: make_room(root, moved);
}

struct err *cgroup_enter(const char *name, const struct limits *l, pid_t pid, int *ret_parent,
			 int *ret_dir)
{
	_cleanup_free_ char *root_path = NULL, *own = NULL;
	_cleanup_close_ int root = -1, parent = -1, dir = -1;
	char text[32];
	struct err *e;

	e = look_around(0, &root_path, &own);
	if (!e && !root_path)
		e = err_new(0, "there is no cgroup v2 here");
	e = e ?: fd_open(AT_FDCWD, root_path, O_RDONLY | O_DIRECTORY, 0, &root);
	if (e)
		return e;
	parent = cgroup_parent(root, own, l);
	if (parent < 0)
		return err_new(0, "no cgroup v2 is delegated to this process");
	snprintf(text, sizeof(text), "%d", (int)pid);
	e = make_dir(parent, name, &dir);
	e = e ?: cgroup_apply(dir, l);
	e = e ?: put(dir, "cgroup.procs", text);
	if (e) {
		unlinkat(parent, name, AT_REMOVEDIR);
		return e;
	}
	*ret_parent = TAKE_FD(parent);
	*ret_dir = TAKE_FD(dir);
	return NULL;
}

static struct err *open_place(const char *root, const char *own, int *ret_dir)
{
	_cleanup_free_ char *path = xasprintf("%s%s", root ?: "", own ?: "");

	return root ? fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, ret_dir)
		    : err_new(0, "there is no cgroup v2");
}

struct err *cgroup_open(pid_t pid, int *ret_dir)
{
	_cleanup_free_ char *root = NULL, *own = NULL;
	struct err *e = look_around(pid, &root, &own);

	return err_wrap(e ?: open_place(root, own, ret_dir), "looking for the container's cgroup");
}

struct err *cgroup_join(pid_t pid)
{
	_cleanup_free_ char *root = NULL, *own = NULL, *unit = NULL, *below = NULL, *manager = NULL;
	_cleanup_close_ int dir = -1;
	struct err *e = look_around(pid, &root, &own);

	e = e ?: open_place(root, own, &dir);
	e = e ?: put(dir, "cgroup.procs", "0");
	/* from a login session only systemd can do it */
	if (err_is(e, EACCES) && own && cgroup_scope(own, &unit, &below)) {
		err_free(e);
		manager = scope_manager();
		e = manager ? scope_attach(manager, unit, below, getpid())
			    : err_new(EACCES, "no systemd");
	}
	return err_wrap(e, "entering the container's cgroup");
}
