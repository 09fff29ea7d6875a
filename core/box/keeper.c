#include "core/box/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/cgroup.h"
#include "core/box/softlimit.h"

static struct err *look(struct timer *t)
{
	struct keeper *k = container_of(t, struct keeper, timer);
	enum softlimit found = softlimit_look(k->proc, k->l);

	if (found == SOFTLIMIT_KEPT || k->reason)
		return NULL;
	k->reason = found == SOFTLIMIT_MEMORY ? "memory limit (soft)" : "pids limit (soft)";
	k->oom = found == SOFTLIMIT_MEMORY;
	pidfd_signal(k->pidfd, SIGKILL);
	return NULL;
}

struct err *keeper_init(struct keeper *k, struct loop *loop, const struct limits *l, const char *id)
{
	*k = (struct keeper){ .l = l, .parent = -1, .dir = -1, .proc = -1, .pidfd = -1 };
	snprintf(k->name, sizeof(k->name), "devbox-%.64s", id);
	k->timer.src.fd = -1;
	k->loop = loop;
	if (limits_any(l)) {
		struct err *e = cgroup_prepare(k->name);

		k->refused = e ? err_line(e) : NULL;
		err_free(e); /* then perhaps without systemd; for as long as the monitor lives */
	}
	return NULL;
}

struct err *keeper_begin(struct keeper *k, pid_t pid, char **ret_note)
{
	_cleanup_free_ char *reason = NULL;
	struct err *e;

	*ret_note = NULL;
	k->reason = NULL;
	k->oom = false;
	k->mode = LIMITS_NONE;
	if (!limits_any(k->l))
		return NULL;
	e = cgroup_enter(k->name, k->l, pid, &k->parent, &k->dir);
	if (!e) {
		struct limits left = cgroup_left(k->dir, k->l);

		k->mode = LIMITS_CGROUP;
		*ret_note = xasprintf("limits are kept by the kernel (cgroup v2)%s",
				      limits_any(&left) ? ", those without a controller here are soft"
							: "");
		return softlimit_apply(pid, &left);
	}
	reason = k->refused ? xstrdup(k->refused) : err_line(e);
	err_free(e); /* what looked writable was not, or cannot do this: the other way */
	k->mode = LIMITS_SOFT;
	*ret_note =
		xasprintf("limits are soft: %s%s", reason,
			  k->l->memory_reservation ? "; memory-reservation has no effect then" : "");
	return softlimit_apply(pid, k->l);
}

void keeper_run(struct keeper *k, pid_t pid, int pidfd)
{
	struct err *e;

	if (k->mode != LIMITS_SOFT || !softlimit_watched(k->l))
		return;
	k->pidfd = pidfd;
	e = k->timer.src.fd < 0 ? timer_init(k->loop, &k->timer, look) : NULL;
	e = e ?: softlimit_open(pid, &k->proc);
	if (!e)
		timer_set(&k->timer, SOFTLIMIT_MS, SOFTLIMIT_MS);
	err_free(e); /* it has ended already */
}

struct err *keeper_update(struct keeper *k, pid_t pid, int pidfd, char **ret_note)
{
	*ret_note = NULL;
	if (k->mode == LIMITS_CGROUP)
		return cgroup_apply(k->dir, k->l);
	if (!limits_any(k->l))
		return NULL;
	k->mode = LIMITS_SOFT;
	if (limits_nano_cpus(k->l) || k->l->cpuset || k->l->cpu_shares || k->l->blkio_weight)
		*ret_note =
			xstrdup("limits are soft: those of CPUs and io hold from the next start on");
	if (k->proc < 0)
		keeper_run(k, pid, pidfd);
	return NULL;
}

void keeper_end(struct keeper *k, bool *ret_oom, const char **ret_reason)
{
	if (k->l && k->dir >= 0) {
		k->oom = cgroup_oom_kills(k->dir) > 0;
		k->reason = k->oom ? "memory limit" : NULL;
		close(TAKE_FD(k->dir));
		unlinkat(k->parent, k->name, AT_REMOVEDIR);
		close(TAKE_FD(k->parent));
	}
	if (k->l && k->proc >= 0) {
		timer_set(&k->timer, 0, 0);
		close(TAKE_FD(k->proc));
	}
	*ret_oom = k->oom;
	*ret_reason = k->reason;
}

struct err *keeper_join(enum limits_mode mode, pid_t pid)
{
	if (mode != LIMITS_NONE)
		softlimit_inherit(pid); /* beside a cgroup: what that has no controller for */
	return mode == LIMITS_CGROUP ? cgroup_join(pid) : NULL;
}
