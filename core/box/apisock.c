#include "core/box/apisock.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/proc.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* A container's user namespace is in that of core/ns/parent.h, or at worst beside it; its root is in no deeper one. */
enum { DEPTH_MAX = 2 };

bool apisock_is_path(const char *path)
{
	return str_eq(path, "/var/run/docker.sock") || str_eq(path, "/run/docker.sock");
}

bool apisock_stands_in(const struct mount_spec *m)
{
	struct stat st;

	if (m->type != MOUNT_BIND || m->copied || m->device || !apisock_is_path(m->source))
		return false;
	/* one of root's would be there in the container, too, and refuse everybody: groups of the host do not count */
	return stat(m->source, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid();
}

bool apisock_wanted(const struct mounts *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (apisock_stands_in(&l->v[i]))
			return true;
	return false;
}

/* Is PID in our user namespace or one not too far below?  Who has dropped his rights and may make namespaces
 * (--privileged) can be 0 again, but only in a deeper one than root's. */
static bool is_near(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", (int)pid);
	_cleanup_close_ int ns = open(path, O_RDONLY | O_CLOEXEC);

	for (int depth = 0; ns >= 0 && depth <= DEPTH_MAX; depth++) {
		int up = ioctl(ns, NS_GET_PARENT);

		if (up < 0)
			return errno == EPERM; /* it is ours: we do not see further */
		close(ns);
		ns = up;
	}
	return false;
}

bool apisock_admits(const struct userns_ids *ids, int fd)
{
	_cleanup_close_ int pidfd = -1;
	struct ucred peer = { 0 };
	socklen_t peer_len = sizeof(peer), pidfd_len = sizeof(pidfd);
	unsigned uid; /* what the peer's user is called by itself */

	if (!ids->single)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &pidfd_len) < 0)
		pidfd = -1; /* an older kernel */
	return userns_first_id(peer.pid, "uid_map", &uid) && uid == 0 && is_near(peer.pid) &&
	       (pidfd < 0 || pidfd_signal(pidfd, 0) == 0); /* else somebody else may have its number now */
}
