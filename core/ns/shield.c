#include "core/ns/shield.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/fd.h"

#define SELF "/proc/self/exe"

static bool reachable(const struct stat *st)
{
	/* host root's containers have other ids; other users' files obey no capability of a namespace */
	return (st->st_uid == geteuid() && st->st_uid != 0) || st->st_mode & (S_IWGRP | S_IWOTH);
}

/* A read-only mount of the file PATH, made in namespaces that end with this process; sent over SOCK. */
static struct err *send_mount(int sock, const char *path, const struct stat *self)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	struct stat st;
	const char c = 0;
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_new(errno, "making namespaces");
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_new(errno, "mounting %s", path);
	if (st.st_dev != self->st_dev || st.st_ino != self->st_ino)
		return err_new(0, "%s is another file now", path); /* ours has no name any more */
	return fd_send(sock, &c, 1, &fd, 1);
}

void shield_self(char **argv)
{
	char path[PATH_MAX], c;
	struct statvfs fs;
	struct stat st;
	struct err *e;
	size_t len, n_fds = 1;
	int sock[2], fd = -1;
	ssize_t n;
	pid_t pid;

	if (stat(SELF, &st) < 0 || !reachable(&st))
		return;
	if (statvfs(SELF, &fs) < 0 || fs.f_flag & ST_RDONLY) {
		prctl(PR_SET_NAME, "devbox"); /* executed again: the kernel called us by the descriptor's number */
		return;
	}
	n = readlink(SELF, path, sizeof(path) - 1);
	if (n < 0)
		return;
	path[n] = '\0';
	e = fd_socketpair(SOCK_SEQPACKET, sock);
	if (e) {
		err_free(e); /* what comes next needs sockets as well, and will say so */
		return;
	}
	pid = fork();
	if (pid == 0) {
		e = send_mount(sock[1], path, &st);
		_exit(e ? 1 : 0);
	}
	close(sock[1]);
	e = pid < 0 ? NULL : fd_recv(sock[0], &c, 1, &len, &fd, &n_fds);
	close(sock[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!e && fd >= 0)
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	err_free(e);
	if (fd >= 0)
		close(fd);
}
