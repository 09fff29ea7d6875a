#include "core/box/spawn.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "core/base/proc.h"
#include "core/box/state.h"
#include "core/ns/errand.h"
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
	return e ?: userns_of(pidfd, b->st->ids.single, ret_userns);
}

/* What a helper does to make init, which becomes our child all the same. */
struct inside {
	struct box *b;
	struct clone_args *ca;
	const struct init_args *ia;
	int net_pidfd; /* -1: none is joined */
	int pidfd;
	pid_t pid;
};

/* Only from inside a user namespace can a process be put into a network that belongs to it. */
static struct err *clone_init(void *arg)
{
	struct inside *in = arg;

	if (in->net_pidfd >= 0 && setns(in->net_pidfd, CLONE_NEWNET) < 0)
		return err_new(errno, "entering the network of the container that it joins");
	in->pid = (pid_t)syscall(SYS_clone3, in->ca, sizeof(*in->ca));
	if (in->pid == 0)
		init_main(in->ia);
	if (in->pid < 0)
		return err_hint(err_new(errno, "making the container's namespaces"),
				"'devbox doctor' tells what forbids them");
	return in->ca->flags & CLONE_NEWUSER
		       ? userns_map_nested(in->pid, &in->b->ids, &in->b->st->ids)
		       : NULL; /* after an error init sees the end of its socket */
}

/* In the user namespace USERNS, and the network of NET_PIDFD if that is not -1.  Init has a user namespace of its own
 * inside USERNS if CA says so. */
static struct err *clone_inside(struct box *b, struct clone_args *ca, const struct init_args *ia,
				int userns, int net_pidfd, int *ret_pidfd, pid_t *ret_pid)
{
	struct inside in = { b, ca, ia, net_pidfd, -1, -1 };
	struct err *e;

	ca->flags |= CLONE_PARENT;
	ca->exit_signal = 0; /* the helper's */
	ca->pidfd = (uint64_t)(uintptr_t)&in.pidfd;
	e = errand_run(&(struct errand){
		.ns = userns,
		.kinds = CLONE_NEWUSER,
		.what = "making a process in the namespaces of other containers",
		.work = clone_init,
		.arg = &in,
		.made = &in.pid,
		.made_len = sizeof(in.pid),
		.fds = &in.pidfd,
		.n_fds = 1,
	});
	*ret_pidfd = in.pidfd;
	*ret_pid = in.pid;
	return e;
}

/* In user namespaces that are there. */
static struct err *clone_beside(struct box *b, struct clone_args *ca, const struct init_args *ia,
				int userns, int *ret_pidfd, pid_t *ret_pid)
{
	_cleanup_close_ int net_pidfd = -1;
	struct err *e = b->spec.net == NET_CONTAINER ? other_pidfd(b, &net_pidfd) : NULL;

	ca->flags &= ~(uint64_t)CLONE_NEWUSER;
	if (net_pidfd >= 0)
		ca->flags &= ~(uint64_t)CLONE_NEWNET;
	return e ?: clone_inside(b, ca, ia, userns, net_pidfd, ret_pidfd, ret_pid);
}

struct err *spawn_clone(struct box *b, const struct init_args *ia, int userns, int parent,
			int *ret_pidfd, pid_t *ret_pid)
{
	struct clone_args ca = {
		.flags = CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWCGROUP | (b->spec.net == NET_HOST ? 0 : CLONE_NEWNET),
		.exit_signal = SIGCHLD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
	};
	struct err *e;
	long pid;

	if (userns >= 0)
		return clone_beside(b, &ca, ia, userns, ret_pidfd, ret_pid);
	if (parent >= 0)
		return clone_inside(b, &ca, ia, parent, -1, ret_pidfd, ret_pid);
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		init_main(ia);
	if (pid < 0)
		return err_hint(err_new(errno, "making the container's namespaces"),
				"'devbox doctor' tells what forbids them");
	e = userns_map((pid_t)pid, &b->ids);
	if (e) {
		proc_kill_and_reap((pid_t)pid);
		close(*ret_pidfd);
		return e;
	}
	*ret_pid = (pid_t)pid;
	return NULL;
}
