/* How userns_call() works:
 *   1 child: unshare(CLONE_NEWUSER), sends UNSHARED    2 parent: writes the maps, sends MAPPED
 *   3 child: becomes uid 0 and gid 0 inside, runs fn, sends RESULT or FAILED, ends.
 * As the host's root the child's old uid is not mapped at all; setresuid(0) makes it the first mapped id, after which
 * nothing of the host's root is left but the descriptors it was given. */
#include "core/ns/userns.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/ns/errand.h"

enum {
	DEFAULT_ROOT_BASE = 100000, /* what useradd gives to the first user; used only for the host's root */
	DEFAULT_ROOT_COUNT = 65536,
	FILE_MAX_BYTES = 4 << 20,
	RESULT_MAX = 65536,
};

static char *read_etc(const char *path)
{
	char *text = NULL;
	struct err *e = fd_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL);

	err_free(e); /* absent or unreadable: the same as empty */
	return text ?: xstrdup("");
}

/* Name of UID in /etc/passwd, else $USER (users of LDAP and the like), else NULL. */
static char *own_name(uid_t uid)
{
	_cleanup_free_ char *text = read_etc("/etc/passwd");
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *name = strsep(&line, ":");
		uint64_t n;
		struct err *e;

		strsep(&line, ":");
		if (!line)
			continue;
		e = str_to_u64(strsep(&line, ":"), 0, UINT32_MAX, &n);
		if (!e && n == uid)
			return xstrdup(name);
		err_free(e); /* a malformed line is somebody else's business */
	}
	return xstrdup(getenv("USER"));
}

/* Ranges of USER (name or number) in subuid(5) file PATH; appended behind *N entries, inner ids count on from 1. */
static void read_ranges(const char *path, uid_t uid, const char *name, struct id_range *r, size_t *n)
{
	_cleanup_free_ char *text = read_etc(path);
	char *line, *rest = text;
	char number[16];
	uint32_t inside = *n ? r[*n - 1].inside + r[*n - 1].count : 0;

	snprintf(number, sizeof(number), "%u", uid);
	/* one place is left: userns_ids_keep() splits a range */
	while ((line = strsep(&rest, "\n")) != NULL && *n < USERNS_RANGES_MAX - 1) {
		const char *who = strsep(&line, ":"), *start = strsep(&line, ":");
		uint64_t first, count;
		struct err *e;

		if (!line || !(str_eq(who, name) || str_eq(who, number)))
			continue;
		e = str_to_u64(start, 1, UINT32_MAX - 1, &first);
		e = e ?: str_to_u64(line, 1, UINT32_MAX - first, &count);
		if (e) {
			err_free(e); /* newuidmap ignores such lines too */
			continue;
		}
		if (count > UINT32_MAX - inside)
			count = UINT32_MAX - inside;
		r[(*n)++] = (struct id_range){ inside, (uint32_t)first, (uint32_t)count };
		inside += (uint32_t)count;
	}
}

static bool in_path(const char *prog)
{
	_cleanup_free_ char *path = xasprintf("%s:/usr/bin:/usr/sbin", getenv("PATH") ?: "");
	char *dir, *rest = path;

	while ((dir = strsep(&rest, ":")) != NULL) {
		_cleanup_free_ char *full = xasprintf("%s/%s", dir, prog);

		if (*dir == '/' && access(full, X_OK) == 0)
			return true;
	}
	return false;
}

void userns_ids_load(struct userns_ids *ret)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	_cleanup_free_ char *name = own_name(uid);

	*ret = (struct userns_ids){ .root_uid = uid, .root_gid = gid };
	if (uid == 0) {
		ret->direct = true;
		read_ranges("/etc/subuid", uid, name, ret->uid, &ret->n_uid);
		read_ranges("/etc/subgid", uid, name, ret->gid, &ret->n_gid);
		if (!ret->n_uid || !ret->n_gid) {
			ret->uid[0] = ret->gid[0] =
				(struct id_range){ 0, DEFAULT_ROOT_BASE, DEFAULT_ROOT_COUNT };
			ret->n_uid = ret->n_gid = 1;
		}
		ret->root_uid = ret->uid[0].outside;
		ret->root_gid = ret->gid[0].outside;
		return;
	}
	ret->uid[0] = (struct id_range){ 0, uid, 1 };
	ret->gid[0] = (struct id_range){ 0, gid, 1 };
	ret->n_uid = ret->n_gid = 1;
	read_ranges("/etc/subuid", uid, name, ret->uid, &ret->n_uid);
	read_ranges("/etc/subgid", uid, name, ret->gid, &ret->n_gid);
	if (ret->n_uid == 1 || ret->n_gid == 1)
		ret->why_single = xasprintf("%s has no subordinate ids in %s", name ?: "this user",
					    ret->n_uid == 1 ? "/etc/subuid" : "/etc/subgid");
	else if (!in_path("newuidmap") || !in_path("newgidmap"))
		ret->why_single = xstrdup("newuidmap and newgidmap are not installed (package uidmap)");
	if (ret->why_single) {
		ret->single = true;
		ret->n_uid = ret->n_gid = 1;
	}
}

/* FROM[0] is the own id alone. */
static size_t keep_one(const struct id_range *from, size_t n, uint32_t kept, struct id_range *to)
{
	uint32_t inside = 0;
	size_t k = 0;

	to[k++] = (struct id_range){ kept, from[0].outside, 1 };
	for (size_t i = 1; i < n; i++) {
		uint32_t outside = from[i].outside, left = from[i].count;

		while (left) {
			uint32_t count;

			inside += inside == kept;
			count = inside < kept && kept - inside < left ? kept - inside : left;
			to[k++] = (struct id_range){ inside, outside, count };
			inside += count;
			outside += count;
			left -= count;
		}
	}
	return k;
}

void userns_ids_keep(const struct userns_ids *from, uint32_t uid, uint32_t gid, struct userns_ids *ret)
{
	*ret = (struct userns_ids){ .root_uid = from->root_uid, .root_gid = from->root_gid };
	ret->n_uid = keep_one(from->uid, from->n_uid, uid, ret->uid);
	ret->n_gid = keep_one(from->gid, from->n_gid, gid, ret->gid);
}

char *userns_own_name(void)
{
	return own_name(geteuid());
}

void userns_ids_done(struct userns_ids *ids)
{
	free(ids->why_single);
	*ids = (struct userns_ids){ 0 };
}

static bool has_id(const struct id_range *r, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= r[i].inside && id - r[i].inside < r[i].count)
			return true;
	return false;
}

bool userns_has_uid(const struct userns_ids *ids, uint32_t id)
{
	return has_id(ids->uid, ids->n_uid, id);
}

bool userns_has_gid(const struct userns_ids *ids, uint32_t id)
{
	return has_id(ids->gid, ids->n_gid, id);
}

static struct err *write_proc(pid_t pid, const char *file, const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	struct err *e;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	e = fd_open(AT_FDCWD, path, O_WRONLY, 0, &fd);
	/* the kernel takes a map in one write only */
	if (!e && write(fd, text, strlen(text)) < 0)
		e = err_new(errno, "writing %s", path);
	return e;
}

static struct err *map_direct(pid_t pid, const char *file, const struct id_range *r, size_t n)
{
	_cleanup_str_ struct str text = { 0 };

	for (size_t i = 0; i < n; i++)
		str_addf(&text, "%u %u %u\n", r[i].inside, r[i].outside, r[i].count);
	return write_proc(pid, file, text.s);
}

/* The same from inside a namespace with the map OUTER: what is outside has other numbers there.  No extent may span two
 * of the outer map's. */
static struct err *map_nested(pid_t pid, const char *file, const struct id_range *r, size_t n,
			      const struct id_range *outer, size_t n_outer)
{
	_cleanup_str_ struct str text = { 0 };

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_outer; k++) {
			const struct id_range *a = &r[i], *b = &outer[k];
			uint32_t from = a->outside > b->outside ? a->outside : b->outside;
			uint64_t a_end = (uint64_t)a->outside + a->count,
				 b_end = (uint64_t)b->outside + b->count,
				 end = a_end < b_end ? a_end : b_end;

			if (from < end)
				str_addf(&text, "%u %u %u\n", a->inside + (from - a->outside),
					 b->inside + (from - b->outside), (uint32_t)(end - from));
		}
	return write_proc(pid, file, text.s ?: "");
}

struct helper {
	const char *prog;
	pid_t pid;
	int output; /* its stderr */
};

static struct err *helper_start(struct helper *h, pid_t target, const struct id_range *r, size_t n)
{
	_cleanup_strv_ struct strv argv = { 0 };
	posix_spawn_file_actions_t fa;
	int fds[2], rc;

	strv_add(&argv, h->prog);
	strv_addf(&argv, "%d", target);
	for (size_t i = 0; i < n; i++) {
		strv_addf(&argv, "%u", r[i].inside);
		strv_addf(&argv, "%u", r[i].outside);
		strv_addf(&argv, "%u", r[i].count);
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fds[1], STDERR_FILENO);
	rc = posix_spawnp(&h->pid, h->prog, &fa, NULL, argv.v, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(fds[1]);
	h->output = fds[0];
	return rc ? err_new(rc, "starting %s", h->prog) : NULL;
}

static struct err *helper_end(struct helper *h)
{
	_cleanup_close_ int output = h->output;
	_cleanup_free_ char *text = NULL;
	_cleanup_err_ struct err *unread = NULL;
	struct err *e;
	int status;

	if (h->pid <= 0)
		return NULL;
	unread = fd_read_all(output, h->prog, 4096, &text, NULL);
	e = proc_wait_pid(h->pid, &status);
	if (e || status == 0)
		return e;
	if (text)
		text[strcspn(text, "\n")] = '\0';
	return err_hint(err_new(0, "%s failed: %s", h->prog, text && *text ? text : "no reason given"),
			"'devbox doctor' checks /etc/subuid, /etc/subgid and the helpers");
}

struct err *userns_map(pid_t pid, const struct userns_ids *ids)
{
	struct helper u = { .prog = "newuidmap", .output = -1 };
	struct helper g = { .prog = "newgidmap", .output = -1 };
	struct err *e = NULL;

	if (ids->single || ids->direct) {
		if (ids->single) /* without it the kernel refuses a gid map from the unprivileged */
			e = write_proc(pid, "setgroups", "deny");
		e = e ?: map_direct(pid, "uid_map", ids->uid, ids->n_uid);
		return e ?: map_direct(pid, "gid_map", ids->gid, ids->n_gid);
	}
	/* side by side: each is an exec of a setuid program and costs most of a millisecond */
	e = helper_start(&u, pid, ids->uid, ids->n_uid);
	e = e ?: helper_start(&g, pid, ids->gid, ids->n_gid);
	e = err_also(e, helper_end(&u));
	return err_also(e, helper_end(&g));
}

struct err *userns_map_nested(pid_t pid, const struct userns_ids *ids, const struct userns_ids *outer)
{
	struct err *e = map_nested(pid, "uid_map", ids->uid, ids->n_uid, outer->uid, outer->n_uid);

	return e ?: map_nested(pid, "gid_map", ids->gid, ids->n_gid, outer->gid, outer->n_gid);
}

struct err *userns_become_root(bool single)
{
	if (!single && setgroups(0, NULL) < 0)
		return err_new(errno, "dropping supplementary groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_new(errno, "becoming root of the user namespace");
	return NULL;
}

enum { MSG_UNSHARED = 'U', MSG_MAPPED = 'M', MSG_RESULT = 'R', MSG_FAILED = 'F' };

NORETURN static void call_finish(int sock, struct err *e, struct err *(*fn)(void *, struct str *),
				 void *arg)
{
	struct str result = { 0 };

	/* after the change of identity, which clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	e = e ?: fn(arg, &result);
	if (!e && result.len > RESULT_MAX)
		e = err_new(EMSGSIZE, "returning a result");
	if (e) {
		char buf[1 + ERR_WIRE_MAX] = { MSG_FAILED };
		size_t len = 1 + err_pack(e, buf + 1);

		_exit(send(sock, buf, len, MSG_NOSIGNAL) < 0 ? 2 : 1);
	}
	{
		_cleanup_free_ char *msg = xmalloc(result.len + 1);

		msg[0] = MSG_RESULT;
		if (result.len)
			memcpy(msg + 1, result.s, result.len);
		_exit(send(sock, msg, result.len + 1, MSG_NOSIGNAL) < 0);
	}
}

NORETURN static void call_child(int sock, const struct userns_ids *ids, struct err *(*before)(void *),
				struct err *(*fn)(void *, struct str *), void *arg)
{
	struct err *e = NULL;
	char c = MSG_UNSHARED;

	if (unshare(CLONE_NEWUSER) < 0)
		e = err_hint(err_new(errno, "making a user namespace"),
			     "'devbox doctor' tells what forbids it");
	e = e ?: fd_send(sock, &c, 1, NULL, 0);
	if (!e && (read(sock, &c, 1) != 1 || c != MSG_MAPPED))
		_exit(1); /* the parent gave up and knows why */
	if (!e && before)
		e = before(arg);
	e = e ?: userns_become_root(ids->single);
	call_finish(sock, e, fn, arg);
}

/* The last message of a child that sent N bytes of BUF and has ended. */
static struct err *call_result(const char *buf, ssize_t n, int status, struct str *ret_result)
{
	if (n > 0 && *buf == MSG_RESULT) {
		if (ret_result)
			str_addn(ret_result, buf + 1, (size_t)n - 1);
		return NULL;
	}
	if (n > 0 && *buf == MSG_FAILED)
		return err_recv(buf + 1, (size_t)n - 1);
	return err_new(0, "a helper process ended with status %d before it was done", status);
}

struct err *userns_call(const struct userns_ids *ids, struct err *(*fn)(void *arg, struct str *result),
			void *arg, struct str *ret_result)
{
	return userns_call_from(ids, NULL, fn, arg, ret_result);
}

struct err *userns_start(const struct userns_ids *ids, struct err *(*before)(void *arg),
			 struct err *(*fn)(void *arg, struct str *result), void *arg,
			 struct userns_child *ret)
{
	_cleanup_close_ int ours = -1;
	struct err *e;
	int fds[2];
	ssize_t n;
	pid_t pid;
	char c;

	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	pid = fork();
	if (pid < 0) {
		e = err_new(errno, "forking");
		close(fds[0]);
		close(fds[1]);
		return e;
	}
	if (pid == 0) {
		close(fds[0]);
		call_child(fds[1], ids, before, fn, arg);
	}
	close(fds[1]); /* or end of file would never come */
	ours = fds[0];
	/* peeked at: an error in place of UNSHARED is for userns_end() */
	do
		n = recv(ours, &c, 1, MSG_PEEK | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n == 1 && c == MSG_UNSHARED) {
		if (read(ours, &c, 1) == 1)
			e = userns_map(pid, ids);
		c = MSG_MAPPED;
		e = e ?: fd_send(ours, &c, 1, NULL, 0);
		if (e) {
			proc_kill_and_reap(pid);
			return e;
		}
	}
	*ret = (struct userns_child){ pid, TAKE_FD(ours) };
	return NULL;
}

struct err *userns_end(struct userns_child *child, struct str *ret_result)
{
	_cleanup_free_ char *buf = xmalloc(RESULT_MAX + 1);
	struct err *e;
	int status;
	ssize_t n;

	do
		n = read(child->sock, buf, RESULT_MAX + 1);
	while (n < 0 && errno == EINTR);
	e = proc_wait_pid(child->pid, &status);
	close(child->sock);
	*child = (struct userns_child){ 0, -1 };
	return e ?: call_result(buf, n, status, ret_result);
}

struct err *userns_call_from(const struct userns_ids *ids, struct err *(*before)(void *arg),
			     struct err *(*fn)(void *arg, struct str *result), void *arg,
			     struct str *ret_result)
{
	struct userns_child child;
	struct err *e = userns_start(ids, before, fn, arg, &child);

	return e ?: userns_end(&child, ret_result);
}

/* NS: a pidfd, KINDS of whose namespaces are entered, or a namespace. */
static struct err *call_joined(int ns, bool is_pidfd, int kinds, bool single,
			       struct err *(*before)(void *), struct err *(*fn)(void *, struct str *),
			       void *arg, struct str *ret_result)
{
	_cleanup_free_ char *buf = xmalloc(RESULT_MAX + 1);
	_cleanup_close_ int ours = -1;
	struct err *e;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	e = fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	ours = fds[0];
	pid = fork();
	if (pid == 0) {
		close(ours);
		prctl(PR_SET_DUMPABLE, 0);
		if (is_pidfd)
			e = userns_enter(ns, kinds, single, NULL);
		else if (setns(ns, kinds) < 0)
			e = err_new(errno, "entering the container");
		if (!e && before)
			e = before(arg);
		e = e ?: userns_become_root(single);
		prctl(PR_SET_DUMPABLE, 0); /* again: a change of identity can set it */
		call_finish(fds[1], e, fn, arg);
	}
	close(fds[1]); /* or end of file would never come */
	if (pid < 0)
		return err_new(errno, "forking");
	do
		n = read(ours, buf, RESULT_MAX + 1);
	while (n < 0 && errno == EINTR);
	e = proc_wait_pid(pid, &status);
	return e ?: call_result(buf, n, status, ret_result);
}

struct err *userns_call_in(int pidfd, bool single, struct err *(*fn)(void *arg, struct str *result),
			   void *arg, struct str *ret_result)
{
	return call_joined(pidfd, true, CLONE_NEWUSER | CLONE_NEWNS, single, NULL, fn, arg, ret_result);
}

struct err *userns_call_at(int userns, bool single, struct err *(*before)(void *arg),
			   struct err *(*fn)(void *arg, struct str *result), void *arg,
			   struct str *ret_result)
{
	return call_joined(userns, false, CLONE_NEWUSER, single, before, fn, arg, ret_result);
}

struct err *userns_check_shared(const struct userns_ids *ids)
{
	/* what we are called here is the inner side of the first range; the host's root is never mapped */
	if (ids->direct || (geteuid() == ids->uid[0].inside && getegid() == ids->gid[0].inside))
		return NULL;
	return err_hint(
		err_new(0, "the user namespace that it shares with other containers maps ids in another way"),
		"containers of one network (container:NAME) need the same --userns, and those with forks of "
		"volumes cannot have keep-id");
}

struct own {
	int userns;
	struct {
		uid_t uid; /* what the caller is called in there */
		gid_t gid;
	} ids;
};

static bool is_root(const struct own *own)
{
	return !own->ids.uid && !own->ids.gid;
}

static struct err *open_own(void *arg)
{
	struct own *own = arg;

	own->ids.uid = geteuid();
	own->ids.gid = getegid();
	return fd_open(AT_FDCWD, "/proc/self/ns/user", O_RDONLY, 0, &own->userns);
}

/* The namespace that PIDFD itself is in.  Only from inside: /proc/PID/ns of a process that runs an image's program is
 * closed to us. */
static struct err *find_own(int pidfd, struct own *ret)
{
	return errand_run(&(struct errand){
		.ns = pidfd,
		.kinds = CLONE_NEWUSER,
		.what = "entering the container's user namespace",
		.work = open_own,
		.arg = ret,
		.made = &ret->ids,
		.made_len = sizeof(ret->ids),
		.fds = &ret->userns,
		.n_fds = 1,
	});
}

/* The container's, and the one below it that PIDFD is in, -1 if there is none. */
static struct err *find_both(int pidfd, bool single, int *ret_userns, int *ret_nested)
{
	struct own own = { .userns = -1 };
	struct err *e = find_own(pidfd, &own);
	int outer;

	if (e)
		return e;
	*ret_nested = -1;
	*ret_userns = own.userns;
	if (!single || is_root(&own))
		return NULL;
	outer = ioctl(own.userns, NS_GET_PARENT);
	if (outer < 0) {
		e = err_new(errno, "finding the container's user namespace");
		close(own.userns);
		return e;
	}
	*ret_nested = own.userns;
	*ret_userns = outer;
	return NULL;
}

struct err *userns_of(int pidfd, bool single, int *ret_userns)
{
	_cleanup_close_ int nested = -1;

	return find_both(pidfd, single, ret_userns, &nested);
}

struct err *userns_enter(int pidfd, int kinds, bool single, int *ret_nested)
{
	_cleanup_close_ int userns = -1, nested = -1;
	struct err *e = single ? find_both(pidfd, true, &userns, &nested) : NULL;

	if (e)
		return e;
	if (single && setns(userns, CLONE_NEWUSER) < 0)
		return err_new(errno, "entering the container's user namespace");
	if (single)
		kinds &= ~CLONE_NEWUSER;
	if (kinds && setns(pidfd, kinds) < 0)
		return err_new(errno, "entering the container");
	if (ret_nested)
		*ret_nested = TAKE_FD(nested);
	return NULL;
}

/* Our own maps may be written by ourselves only while we are dumpable: else the files belong to nobody here. */
struct err *userns_nest(uid_t uid, gid_t gid)
{
	const struct {
		const char *file;
		unsigned id;
	} maps[] = { { "/proc/self/uid_map", uid }, { "/proc/self/gid_map", gid } };
	struct err *e = NULL;

	if (unshare(CLONE_NEWUSER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_new(errno, "making a user namespace for the user %u", uid);
	for (size_t i = 0; !e && i < ARRAY_LEN(maps); i++) {
		_cleanup_free_ char *line = xasprintf("%u 0 1", maps[i].id);
		_cleanup_close_ int fd = -1;

		e = fd_open(AT_FDCWD, maps[i].file, O_WRONLY, 0, &fd);
		e = e ?: fd_write_all(fd, maps[i].file, line, strlen(line));
	}
	return err_wrap(e, "becoming user %u", uid);
}

enum { MAP_MAX = 64 << 10 };

bool userns_first_id(pid_t pid, const char *map, unsigned *ret)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, map), *text = NULL;

	err_free(fd_read_file(AT_FDCWD, path, MAP_MAX, &text, NULL)); /* it has gone */
	return text && sscanf(text, "%u", ret) == 1;
}

static struct err *nothing(void *arg UNUSED, struct str *result UNUSED)
{
	return NULL;
}

struct err *userns_check(void)
{
	struct userns_ids own = { .single = true, .n_uid = 1, .n_gid = 1 };
	_cleanup_free_ char *text = NULL;
	struct err *e;

	own.uid[0] = (struct id_range){ 0, geteuid(), 1 };
	own.gid[0] = (struct id_range){ 0, getegid(), 1 };
	e = userns_call(&own, nothing, NULL, NULL);
	if (!e)
		return NULL;
	text = read_etc("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	if (*text == '1')
		return err_hint(e, "AppArmor restricts unprivileged user namespaces here: 'devbox doctor' prints the "
				   "profile that allows devbox");
	free(TAKE_PTR(text));
	text = read_etc("/proc/sys/kernel/unprivileged_userns_clone");
	if (*text == '0')
		return err_hint(e, "ask the administrator for: sysctl kernel.unprivileged_userns_clone=1");
	free(TAKE_PTR(text));
	text = read_etc("/proc/sys/user/max_user_namespaces");
	if (*text == '0')
		return err_hint(e, "ask the administrator for: sysctl user.max_user_namespaces=10000");
	return e;
}
