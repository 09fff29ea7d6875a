/* How the first process comes to be (the monitor's side is in monitor.c):
 *   1 waits for MAPPED                  as the caller's own id, all capabilities in the new namespaces
 *   2 opens what the user named on the host (bind mounts), makes the network devices but for those that are there
 *     (the message says which), sends NET for each
 *   3 becomes root of the namespace; mounts (rootfs.c); sends TTY if there is a terminal
 *   4 pivots, gives up capabilities, installs seccomp, executes (launch.c)
 * Until step 4 is over nothing of the image has run, so nothing can look into this process; it must
 * stay dumpable until then for the relay, which enters its namespaces (setns(2) with a pidfd asks
 * for the right to trace it). */
#include "core/box/init.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/caps.h"
#include "core/box/launch.h"
#include "core/box/rootfs.h"
#include "core/box/runopt.h"
#include "slirp/netns.h"

NORETURN static void fail(int sync, struct err *e)
{
	char buf[1 + ERR_WIRE_MAX] = { INIT_FAILED };
	size_t len = 1 + err_pack(e, buf + 1);

	_exit(send(sync, buf, len, MSG_NOSIGNAL) < 0 ? 2 : 125);
}

/* --init: the program runs as our child; we reap orphans and pass signals on, and end as it ends.
 * We keep all capabilities in the namespaces, so what the image runs cannot trace us, or look at
 * our file and memory, with its fewer ones (ptrace(2), "Ptrace access mode checking"), while the
 * monitor and exec can still enter our namespaces.  A --privileged container could: there is
 * nothing of the host's to be found. */
static struct err *split_init(void)
{
	sigset_t all;
	pid_t child;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	proc_env_wipe();
	child = fork();
	if (child < 0)
		return err_new(errno, "forking");
	if (child == 0)
		return NULL;
	/* the container's streams would stay open with us, and the monitor's lock */
	syscall(SYS_close_range, 0, ~0U, 0);
	prctl(PR_SET_NAME, "devbox-init");
	proc_title_set("devbox-init");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int status, sig;
		pid_t pid;

		if (sigwait(&all, &sig) != 0)
			continue;
		if (sig != SIGCHLD) {
			kill(child, sig);
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == child)
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

static struct err *send_fd(int sync, char what, int fd)
{
	return fd_send(sync, &what, 1, &fd, 1);
}

/* Before the identity changes; a file of /proc that still is the user's. */
static struct err *set_oom_score(int adj)
{
	char text[16];
	int fd = -1;
	struct err *e;

	if (!adj)
		return NULL;
	snprintf(text, sizeof(text), "%d", adj);
	e = fd_open(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0, &fd);
	if (!e && write(fd, text, strlen(text)) < 0)
		e = err_hint(err_new(errno, "setting oom-score-adj to %d", adj),
			     "only the host's root can make it less than it is");
	if (fd >= 0)
		close(fd);
	return e;
}

static struct err *make_network(const struct init_args *a, const struct init_go *go)
{
	struct netns_link links[NETNS_LINKS_MAX];
	struct netns made[NETNS_LINKS_MAX];
	struct err *e;

	if (a->netns >= 0)
		return setns(a->netns, CLONE_NEWNET) < 0 ? err_new(errno, "entering the network") : NULL;
	if (a->spec->net == NET_HOST || a->spec->net == NET_CONTAINER)
		return NULL;
	for (size_t i = 0; i < a->n_links; i++) {
		links[i] = a->links[i];
		links[i].bridged = go->bridged[i];
	}
	e = netns_setup(links, a->n_links, a->ids, made);
	for (size_t i = 0; i < a->n_links && !e; i++) {
		struct init_net msg = { .what = INIT_NET, .index = (unsigned)i, .net = made[i] };

		e = fd_send(a->sync, &msg, sizeof(msg), &msg.net.packet_fd, msg.net.packet_fd >= 0);
		if (msg.net.packet_fd >= 0)
			close(msg.net.packet_fd);
	}
	return e;
}

/* Closed are the monitor's end of the sync socket above all: with a copy of our own we would never see its death. */
static void keep_descriptors(const struct init_args *a)
{
	const int few[] = { a->sync, a->identity, a->stdio[0], a->stdio[1], a->stdio[2], a->netns };
	size_t n = a->trees ? a->spec->mounts.n : 0;
	_cleanup_free_ int *keep = xmalloc((ARRAY_LEN(few) + n) * sizeof(*keep));

	memcpy(keep, few, sizeof(few));
	for (size_t i = 0; i < n; i++)
		keep[ARRAY_LEN(few) + i] = a->trees[i];
	fd_close_except(keep, ARRAY_LEN(few) + n);
}

void init_main(const struct init_args *a)
{
	const struct spec *s = a->spec;
	struct rootfs_cfg cfg = { .spec = s,
				  .store_path = a->st->path,
				  .dir = a->dir,
				  .ran = a->ran,
				  .host_net = s->net == NET_HOST,
				  .ids = a->ids,
				  .api = a->api,
				  .trees = a->trees };
	struct rootfs_binds binds = { 0 };
	struct launch l = {
		.user = s->user,
		.workdir = s->workdir,
		.make_workdir = true,
		.stdio = { a->stdio[0], a->stdio[1], a->stdio[2] },
		.tty = s->tty,
		.caps = s->caps,
		.single = a->st->ids.single,
		.may_nest = true,
		.nested = -1,
		.identity = a->identity,
		.no_new_privs = s->no_new_privs,
		.ulimits = &s->ulimits,
		.group_add = &s->group_add,
		.seccomp = a->seccomp,
		.seccomp_len = a->seccomp_len,
		.sync = a->sync,
		.parent = a->sync,
	};
	struct strv argv = { 0 };
	int root = -1, master = -1;
	struct init_go go = { 0 };
	struct err *e = NULL;

	keep_descriptors(a);
	if (read(a->sync, &go, sizeof(go)) < 1 || go.what != INIT_MAPPED)
		_exit(125); /* the monitor gave up and knows why */
	umask(022);
	e = userns_check_shared(a->ids);
	e = e ?: set_oom_score(s->oom_score_adj);
	e = e ?: rootfs_open_binds(&cfg, &binds);
	e = e ?: make_network(a, &go);
	e = e ?: userns_become_root(a->st->ids.single);
	/* the change to another id, where root is not the caller, has taken it away */
	if (!e && s->userns && prctl(PR_SET_DUMPABLE, 1) < 0)
		e = err_new(errno, "staying dumpable");
	/* its cgroup is another one since the clone: that shall be what it sees as the top */
	if (!e && limits_any(&s->limits) && unshare(CLONE_NEWCGROUP) < 0)
		e = err_new(errno, "making a cgroup namespace");
	e = e ?: rootfs_mount(&cfg, &binds, &root);
	if (!e && s->tty) {
		e = rootfs_pty(root, true, &master, &l.stdio[0]);
		l.stdio[1] = l.stdio[2] = l.stdio[0];
		e = e ?: send_fd(a->sync, INIT_TTY, master);
		if (master >= 0)
			close(master);
	}
	e = e ?: rootfs_pivot(root, s->read_only);
	if (!e && sethostname(a->hostname, strlen(a->hostname)) < 0)
		e = err_new(errno, "setting the host name");
	if (!e && s->domainname && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		e = err_new(errno, "setting the domain name");
	if (!e && s->use_init)
		e = split_init();
	if (e)
		fail(a->sync, e);
	strv_copy(&argv, &s->entrypoint);
	strv_copy(&argv, &s->cmd);
	l.argv = &argv;
	strv_copy(&l.env, a->env);
	for (size_t i = 0; i < s->env.n; i++)
		strv_env_set(&l.env, s->env.v[i]);
	if (!strv_env(&l.env, "HOSTNAME"))
		strv_addf(&l.env, "HOSTNAME=%s", a->hostname);
	fail(a->sync, launch_exec(&l));
}
