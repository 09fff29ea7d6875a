#include "core/box/control.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/fd.h"

enum { HEAD = offsetof(struct ctl_msg, data), BACKLOG = 128 };

struct err *ctl_send(int sock, enum ctl_type type, uint32_t arg, const void *data, size_t len, int fd)
{
	struct ctl_msg msg; /* not cleared: only what is filled in is sent */

	msg.type = type;
	msg.arg = arg;
	if (len)
		memcpy(msg.data, data, len);
	return fd_send(sock, &msg, HEAD + len, &fd, fd >= 0);
}

struct err *ctl_send_err(int sock, const struct err *failure)
{
	char buf[ERR_WIRE_MAX];
	size_t len = err_pack(failure, buf);

	return ctl_send(sock, CTL_FAIL, 0, buf, len, -1);
}

struct err *ctl_recv(int sock, struct ctl_msg *msg, size_t *ret_len, int *ret_fd)
{
	int fd = -1;
	size_t n = 0, n_fds = 1;
	struct err *e = fd_recv(sock, msg, sizeof(*msg), &n, &fd, &n_fds);

	if (e)
		return e;
	if (n && n < HEAD)
		e = err_new(EPROTO, "a control message is too short");
	if (n == 0)
		msg->type = 0;
	if (fd >= 0 && (e || !ret_fd))
		close(fd);
	else if (ret_fd)
		*ret_fd = n_fds ? fd : -1;
	*ret_len = n ? n - HEAD : 0;
	return e;
}

static struct err *ctl_socket(int box_dir, struct sockaddr_un *sun, int *ret_sock)
{
	fd_sun(box_dir, "ctl", sun);
	*ret_sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return *ret_sock < 0 ? err_new(errno, "making a control socket") : NULL;
}

struct err *ctl_listen(int box_dir, int *ret_sock)
{
	_cleanup_close_ int sock = -1;
	struct sockaddr_un sun;
	struct err *e = ctl_socket(box_dir, &sun, &sock);

	if (e)
		return e;
	if (unlinkat(box_dir, "ctl", 0) < 0 && errno != ENOENT) /* of an earlier run */
		return err_new(errno, "removing an old control socket");
	if (bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(sock, BACKLOG) < 0)
		return err_new(errno, "opening the control socket");
	*ret_sock = TAKE_FD(sock);
	return NULL;
}

struct err *ctl_connect(int box_dir, int *ret_sock)
{
	_cleanup_close_ int sock = -1;
	struct sockaddr_un sun;
	struct err *e = ctl_socket(box_dir, &sun, &sock);

	if (e)
		return e;
	while (connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		if (errno != EINTR)
			return err_new(errno, "reaching the container's monitor");
	*ret_sock = TAKE_FD(sock);
	return NULL;
}
