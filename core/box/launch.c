#include "core/box/launch.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "core/base/fd.h"
#include "core/box/caps.h"
#include "core/box/identity.h"
#include "core/box/runopt.h"
#include "core/box/userdb.h"
#include "core/ns/userns.h"

static struct err *enter_workdir(const char *path, bool make)
{
	struct err *e;

	if (chdir(path) == 0)
		return NULL;
	if (errno == ENOENT && make) { /* Docker makes it, as root */
		_cleanup_close_ int root = -1;

		e = fd_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, &root);
		e = e ?: fd_mkdir_p(root, path, 0755, NULL);
		if (e)
			return err_wrap(e, "making the working directory");
		if (chdir(path) == 0)
			return NULL;
	}
	return err_status(err_new(errno, "entering the working directory %s", path), 126);
}

/* Pipes and terminals must be re-openable through /dev/stdout by a user who is not root, as under Docker. */
static void give_stdio(const struct launch *l, uid_t uid, gid_t gid)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fstat(l->stdio[i], &st) == 0 && (S_ISFIFO(st.st_mode) || l->tty) &&
		    st.st_uid != uid && fchown(l->stdio[i], uid, l->tty ? st.st_gid : gid) < 0)
			return; /* best effort: it only serves programs that re-open their output */
	}
}

static struct err *set_stdio(const struct launch *l)
{
	int fds[3];

	/* lifted above 2 first, so that no dup2() below overwrites one still needed */
	for (int i = 0; i < 3; i++) {
		fds[i] = fcntl(l->stdio[i], F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return err_new(errno, "setting up the streams");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return err_new(errno, "setting up the streams");
	/* always a session of its own: in the caller's, /dev/tty would be the host's terminal */
	if ((setsid() < 0 && errno != EPERM) || (l->tty && ioctl(0, TIOCSCTTY, 0) < 0))
		return err_new(errno, "making the terminal the controlling one");
	return NULL;
}

static struct err *cannot_execute(const char *name, int errnum)
{
	if (errnum == ENOENT || errnum == ENOTDIR)
		return err_status(err_new(0,
					  strchr(name, '/')
						  ? "exec: \"%s\": no such file or directory"
						  : "exec: \"%s\": executable file not found in $PATH",
					  name),
				  127);
	if (errnum == ENOEXEC)
		return err_status(
			err_hint(err_new(0, "exec: \"%s\": exec format error", name),
				 "it was built for another kind of processor, or is a script without #! line"),
			126);
	return err_status(err_new(errnum, "exec: \"%s\"", name), 126);
}

static struct err *exec_search(const char *name, char **argv, char **envp, const char *path)
{
	int errnum = ENOENT;
	_cleanup_free_ char *copy = NULL;
	char *dir, *rest;

	if (strchr(name, '/')) {
		execve(name, argv, envp);
		return cannot_execute(name, errno);
	}
	rest = copy = xstrdup(path ?: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	while ((dir = strsep(&rest, ":")) != NULL) {
		_cleanup_free_ char *full = xasprintf("%s/%s", *dir ? dir : ".", name);
		struct stat st;

		if (stat(full, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		execve(full, argv, envp);
		if (errno != ENOENT && errno != ENOTDIR)
			errnum = errno; /* EACCES: go on searching, as execvp(3) does */
		if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
			break;
	}
	return cannot_execute(name, errnum);
}

static struct err *set_ulimits(const struct strv *list)
{
	struct err *e = NULL;

	for (size_t i = 0; list && !e && i < list->n; i++) {
		struct rlimit now = { 0 };
		struct ulimit u;

		e = ulimit_parse(list->v[i], &u);
		if (e || setrlimit((__rlimit_resource_t)u.resource, &u.limit) == 0)
			continue;
		e = err_new(errno, "ulimit %s", list->v[i]);
		getrlimit((__rlimit_resource_t)u.resource, &now);
		e = now.rlim_max == RLIM_INFINITY ? e
						  : err_hint(e, "this host allows you at most %llu",
							     (unsigned long long)now.rlim_max);
	}
	return e;
}

/* --group-add: names are looked up as in "user:group". */
static struct err *add_groups(struct user *u, const struct strv *list)
{
	struct err *e = NULL;

	for (size_t i = 0; list && !e && i < list->n; i++) {
		_cleanup_free_ char *text = xasprintf("0:%s", list->v[i]);
		struct user one = { 0 };
		bool known = false;

		e = user_lookup(-1, text, &one);
		for (size_t k = 0; !e && k < u->n_groups; k++)
			known |= u->groups[k] == one.gid;
		if (!e && !known) {
			u->groups = xrealloc(u->groups, (u->n_groups + 1) * sizeof(gid_t));
			u->groups[u->n_groups++] = one.gid;
		}
		user_done(&one);
	}
	return e;
}

/* The one mapped id gets the number of U, see userns_nest(). */
static struct err *become_single(const struct launch *l, const struct user *u)
{
	static const char mend[] = "'devbox doctor' tells how to get subordinate ids";
	_cleanup_free_ void *prog = NULL;
	struct err *e = NULL;
	size_t len;

	if (!u->uid && !u->gid)
		return identity_join(l->identity, l->caps, !l->seccomp);
	if (l->nested < 0 && !l->may_nest)
		return err_hint(err_new(0, "user %u: with one user id this container has only root",
					u->uid),
				mend);
	if (l->nested < 0)
		e = userns_nest(u->uid, u->gid);
	else if (setns(l->nested, CLONE_NEWUSER) < 0)
		e = err_new(errno, "becoming user %u", u->uid);
	else if (geteuid() != u->uid || getegid() != u->gid)
		e = err_hint(err_new(0, "user %u: with one user id this container has only root and %u",
				     u->uid, geteuid()),
			     mend);
	if (e || !l->seccomp)
		return e;
	seccomp_one_id(false, l->caps, &prog, &len);
	return seccomp_install(prog, len);
}

static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

struct err *launch_exec(struct launch *l)
{
	const int keep[] = { l->stdio[0], l->stdio[1], l->stdio[2], l->sync,
			     l->parent,	  l->nested,   l->identity };
	struct user u = { 0 };
	_cleanup_free_ char *home = NULL;
	struct err *e;

	/* The host's directories must be closed before the image's paths are looked at: a working directory or a
	 * program /proc/self/fd/N would lead out of the container (CVE-2024-21626). */
	fd_close_except(keep, ARRAY_LEN(keep));
	e = err_status(user_lookup(-1, l->user, &u), 126);
	e = e ?: add_groups(&u, l->group_add);
	e = e ?: enter_workdir(l->workdir, l->make_workdir);
	if (e)
		return e;
	if (!strv_env(&l->env, "HOME")) {
		home = xasprintf("HOME=%s", u.home);
		strv_env_set(&l->env, home);
	}
	if (u.uid != 0)
		give_stdio(l, u.uid, u.gid);
	e = set_stdio(l);
	e = e ?: set_ulimits(l->ulimits);
	if (l->single)
		e = e ?: err_status(become_single(l, &u), 126);
	e = e ?: caps_bound(l->caps);
	if (l->no_new_privs && !e && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		e = err_new(errno, "setting no_new_privs");
	if (l->seccomp)
		e = e ?: seccomp_install(l->seccomp, l->seccomp_len);
	e = e ?: err_status(caps_become(u.uid, u.gid, u.groups, l->single ? 0 : u.n_groups, l->caps), 126);
	if (e)
		return e;
	default_signals();
	if (l->parent >= 0) {
		struct pollfd p = { .fd = l->parent };

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of identity, which clears it */
		if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
			return err_new(0, "the monitor was killed");
	}
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_new(errno, "closing descriptors");
	return exec_search(l->argv->v[0], l->argv->v, l->env.v, strv_env(&l->env, "PATH"));
}
