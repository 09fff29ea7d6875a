#include "core/box/spawn.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/state.h"
#include "core/ns/userns.h"

static struct err *other_pidfd(struct box *b, int *ret_pidfd)
{
	struct box *other = NULL;
	struct err *e = box_find(b->st, b->spec.net_container, &other);

	if (!e && other->state.status != BOX_RUNNING)
		e = err_hint(err_new(0, "cannot join network of a non running container: %s",
				     other->spec.id),
			     "start %s first", other->spec.name);
	e = e ?: box_init_pidfd(other, ret_pidfd);
	box_free(other);
	return e;
}

struct err *spawn_userns(struct box *b, int *ret_userns)
{
	_cleanup_close_ int pidfd = -1;
	struct err *e;

	if (b->spec.net != NET_CONTAINER)
		return NULL;
	e = other_pidfd(b, &pidfd);
	return e ?: userns_of(pidfd, ret_userns);
}

/* In the user namespace USERNS, and with NET_CONTAINER in that one's network: only from inside a user namespace can a
 * process be put into a network that belongs to it.  So a helper enters both and makes init, which becomes our child
 * all the same. */
static struct err *clone_beside(struct box *b, struct clone_args *ca, const struct init_args *ia,
				int userns, int *ret_pidfd, pid_t *ret_pid)
{
	_cleanup_close_ int net_pidfd = -1;
	int fds[2], pidfd = -1;
	size_t len = 0, n_fds = 1;
	pid_t helper, pid = -1;
	struct err *e = b->spec.net == NET_CONTAINER ? other_pidfd(b, &net_pidfd) : NULL;

	e = e ?: fd_socketpair(SOCK_SEQPACKET, fds);
	if (e)
		return e;
	ca->flags = (ca->flags & ~(uint64_t)CLONE_NEWUSER) | CLONE_PARENT;
	if (net_pidfd >= 0)
		ca->flags &= ~(uint64_t)CLONE_NEWNET;
	ca->exit_signal = 0; /* the helper's */
	helper = fork();
	if (helper == 0) {
		if (setns(userns, CLONE_NEWUSER) < 0 ||
		    (net_pidfd >= 0 && setns(net_pidfd, CLONE_NEWNET) < 0))
			_exit(1);
		pid = (pid_t)syscall(SYS_clone3, ca, sizeof(*ca));
		if (pid == 0)
			init_main(ia);
		if (pid > 0)
			err_free(fd_send(fds[1], &pid, sizeof(pid), (int *)(uintptr_t)ca->pidfd, 1));
		_exit(pid < 0);
	}
	close(fds[1]);
	e = helper < 0 ? err_new(errno, "forking")
		       : fd_recv(fds[0], &pid, sizeof(pid), &len, &pidfd, &n_fds);
	close(fds[0]);
	if (helper > 0)
		proc_kill_and_reap(helper);
	if (!e && (len != sizeof(pid) || pidfd < 0))
		e = err_new(0, "entering the namespaces of %s failed",
			    net_pidfd >= 0 ? "the container whose network it joins"
					   : "the containers it shares a volume with");
	*ret_pidfd = pidfd;
	*ret_pid = pid;
	return e;
}

struct err *spawn_clone(struct box *b, const struct init_args *ia, int userns, int *ret_pidfd,
			pid_t *ret_pid)
{
	struct clone_args ca = {
		.flags = CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWCGROUP | (b->spec.net == NET_HOST ? 0 : CLONE_NEWNET),
		.exit_signal = SIGCHLD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
	};
	long pid;

	if (userns >= 0)
		return clone_beside(b, &ca, ia, userns, ret_pidfd, ret_pid);
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		init_main(ia);
	if (pid < 0)
		return err_hint(err_new(errno, "making the container's namespaces"),
				"'devbox doctor' tells what forbids them");
	*ret_pid = (pid_t)pid;
	return NULL;
}
