/* core/box/step.h -- one command of a build in a container of its own, run by the calling process instead of a monitor:
 * nothing is recorded, logged, published or restarted.
 *
 * The caller is root of a user namespace with a mount namespace of its own (userns_start()), and its working directory
 * is the store, in that mount namespace.  The container gets every other namespace anew, but shares the user namespace
 * with the caller's other steps: making one costs two setuid programs, and steps of a build do not defend against each
 * other.  Otherwise it is what `run` makes: see rootfs.h, launch.h. */
#ifndef CORE_BOX_STEP_H
#define CORE_BOX_STEP_H

#include "core/box/spec.h"
#include "core/store/dirs.h"

/* A network namespace with its way out, for any number of steps one after the other: a tap takes longer to make than
 * most commands run.  Packets only pass while step_run() runs. */
struct step_net;
/* DIR: for a socket, short.  HOST_LOOPBACK: the gateway's address leads to the host's loopback. */
struct err *step_net_new(const char *dir, const struct userns_ids *ids, bool host_loopback,
			 struct step_net **ret) MUST_CHECK;
void step_net_free(struct step_net *n);

struct step_run {
	struct store *st; /* its path is "." */
	const struct spec *spec; /* layers may be paths from layers/; net is one of default, none, host */
	const char *dir; /* in the store: has empty upper, work, root */
	struct step_net *net; /* NULL: for none and host */
	const char *resolv; /* text of the host's resolv.conf, or NULL */
	void (*output)(void *arg, bool is_stderr, const char *data, size_t len);
	void *arg;
};
/* *RET_STATUS is the command's exit status.  Errors: it could not be started, with status 126 or 127. */
struct err *step_run(const struct step_run *r, int *ret_status) MUST_CHECK;

#endif
