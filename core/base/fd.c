#include "core/base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "core/base/str.h"

/* EAGAIN from openat2(2): a "..", and a rename somewhere meanwhile.  Whoever renames all the time must not hold us
 * up. */
enum { RACES_MAX = 10000 };

enum { LINKS_MAX = 40 }; /* as the kernel counts them, path_resolution(7) */

struct err *fd_open(int dir, const char *path, int flags, mode_t mode, int *ret_fd)
{
	int fd;

	do
		fd = openat(dir, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return err_new(errno, "opening %s", path);
	*ret_fd = fd;
	return NULL;
}

struct err *fd_open_in_root(int root, const char *path, int flags, mode_t mode, int *ret_fd)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	do
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < RACES_MAX)));
	if (fd < 0)
		return err_new(errno, "opening %s", path);
	*ret_fd = fd;
	return NULL;
}

/* What NAME in DIR, found at PATH (from the root), leads to if it is a symbolic link: again a path from the root. */
static char *link_target(int dir, const char *name, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	if (*target == '/')
		return xstrdup(target);
	return xasprintf("%.*s%s", (int)(strlen(path) - strlen(name)), path, target);
}

static struct err *mkdir_p(int root, const char *path, mode_t mode, unsigned links, int *ret_fd)
{
	_cleanup_free_ char *copy = xstrdup(path);
	_cleanup_close_ int at = -1;
	struct err *e;
	char *part, *rest = copy;

	e = fd_open_in_root(root, ".", O_PATH | O_DIRECTORY, 0, &at);
	if (e)
		return e;
	while ((part = strsep(&rest, "/")) != NULL) {
		_cleanup_free_ char *so_far = NULL, *target = NULL;
		int next = -1;

		if (!*part || !strcmp(part, "."))
			continue;
		so_far = xstrndup(path, (size_t)(part - copy) + strlen(part));
		/* resolved from the root each time, so that "a/link/../b" means what a chroot would say */
		e = fd_open_in_root(root, so_far, O_PATH | O_DIRECTORY, 0, &next);
		if (err_is(e, ENOENT)) {
			err_free(e);
			e = NULL;
			if (mkdirat(at, part, mode) < 0) {
				if (errno != EEXIST)
					return err_new(errno, "creating directory %s", so_far);
				/* a link to nothing, or somebody was faster */
				target = link_target(at, part, so_far);
				if (target && !links)
					return err_new(ELOOP, "creating directory %s", so_far);
			}
			if (target)
				e = mkdir_p(root, target, mode, links - 1, &next);
			else
				e = fd_open_in_root(root, so_far, O_PATH | O_DIRECTORY, 0, &next);
		}
		if (e)
			return e;
		close(at);
		at = next;
	}
	if (ret_fd)
		*ret_fd = TAKE_FD(at);
	return NULL;
}

struct err *fd_mkdir_p(int root, const char *path, mode_t mode, int *ret_fd)
{
	return mkdir_p(root, path, mode, LINKS_MAX, ret_fd);
}

static struct err *create_p(int root, const char *path, mode_t mode, unsigned links, int *ret_fd)
{
	_cleanup_close_ int dir = -1, fd = -1;
	_cleanup_free_ char *parent = xstrdup(path), *target = NULL;
	char *slash = strrchr(parent, '/');
	const char *name = slash ? path + (slash - parent) + 1 : path;
	struct err *e = fd_open_in_root(root, path, O_PATH, 0, ret_fd);

	if (!err_is(e, ENOENT))
		return e;
	err_free(e); /* not there: make it */
	parent[slash ? slash - parent : 0] = '\0';
	e = mkdir_p(root, parent, mode | 0111, links, &dir);
	if (e)
		return e;
	target = link_target(dir, name, path);
	if (target && !links)
		return err_new(ELOOP, "creating %s", path);
	if (target)
		return create_p(root, target, mode, links - 1, ret_fd);
	e = fd_open(dir, name, O_WRONLY | O_CREAT | O_NOCTTY | O_NOFOLLOW, mode, &fd);
	return e ?: fd_open_in_root(root, path, O_PATH, 0, ret_fd);
}

struct err *fd_create_p(int root, const char *path, mode_t mode, int *ret_fd)
{
	return create_p(root, path, mode, LINKS_MAX, ret_fd);
}

struct err *fd_read_all(int fd, const char *what, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_str_ struct str s = { 0 };
	struct stat st;
	size_t room = 4096, whole = SIZE_MAX; /* a file of that length needs no look at its end */

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		whole = (size_t)st.st_size;
		room = whole + 1;
	}
	if (room > max && max < SIZE_MAX)
		room = max + 1;
	for (;;) {
		ssize_t n;

		if (s.cap < s.len + 2) /* room for a byte to see the end by, and for the NUL */
			s.s = xrealloc(s.s, s.cap = s.len + room + 1);
		n = read(fd, s.s + s.len, s.cap - s.len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "reading %s", what);
		s.len += (size_t)n;
		s.s[s.len] = '\0';
		if (s.len > max)
			return err_new(EFBIG, "reading %s", what);
		if (n == 0 || s.len == whole)
			break;
		room = s.len < 4096 ? 4096 : s.len;
	}
	if (ret_len)
		*ret_len = s.len;
	*ret_text = str_take(&s);
	return NULL;
}

struct err *fd_read_file(int dir, const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_close_ int fd = -1;
	struct err *e = fd_open(dir, path, O_RDONLY | O_NOCTTY, 0, &fd);

	return e ?: fd_read_all(fd, path, max, ret_text, ret_len);
}

struct err *fd_write_all(int fd, const char *what, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "writing %s", what);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct err *fd_write_atomic(int dir, const char *name, const void *data, size_t len, mode_t mode,
			    bool sync)
{
	static unsigned serial;
	_cleanup_free_ char *aside = xasprintf(".%s.%d.%u", name, getpid(), serial++);
	_cleanup_close_ int fd = -1;
	struct err *e;

	e = fd_open(dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, &fd);
	e = e ?: fd_write_all(fd, name, data, len);
	if (!e && sync && fdatasync(fd) < 0)
		e = err_new(errno, "flushing %s", name);
	if (!e && renameat(dir, aside, dir, name) < 0)
		e = err_new(errno, "renaming %s into place", name);
	if (e) {
		unlinkat(dir, aside, 0);
		return e;
	}
	if (sync && fsync(dir) < 0 && errno != EINVAL)
		return err_new(errno, "flushing the directory of %s", name);
	return NULL;
}

/* How rm -rf works: recursion holds two descriptors a level, so a directory at DEPTH_MAX is first moved to the top of
 * the tree, where its turn comes later; trees of any depth go with few descriptors. */
enum { DEPTH_MAX = 64 };

struct rm {
	int top; /* the tree */
	dev_t dev;
	unsigned moved; /* directories moved to the top so far */
};

/* unlinkat(2); if the directory forbids it, once more after opening it up. */
static int rm_entry(int dir, const char *name, int flags)
{
	if (unlinkat(dir, name, flags) == 0)
		return 0;
	if (errno != EACCES && errno != EPERM)
		return -1;
	if (fchmod(dir, 0700) < 0) {
		errno = EACCES;
		return -1;
	}
	return unlinkat(dir, name, flags);
}

DIR *fd_opendir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

struct err *fd_list(int dir, struct strv *ret)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	struct dirent *de;

	if (!d)
		return err_new(errno, "reading a directory");
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			strv_add(ret, de->d_name);
	strv_sort(ret);
	return NULL;
}

/* Open NAME in DIR to read it, also if its mode says no (000: overlay's work/work). */
static int open_to_read(int dir, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags);

	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, flags);
	return fd;
}

static struct err *rm_dir(struct rm *rm, int dir, const char *name, unsigned depth);

static struct err *rm_contents(struct rm *rm, int dir, unsigned depth)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	struct dirent *de;
	struct err *e = NULL;

	if (!d)
		return err_new(errno, "reading a directory to remove it");
	while (!e && (de = readdir(d)) != NULL) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (de->d_type != DT_DIR && (rm_entry(dir, de->d_name, 0) == 0 || errno == ENOENT))
			continue;
		/* EISDIR, EPERM: a file system that does not tell types */
		if (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN)
			return err_new(errno, "removing %s", de->d_name);
		e = rm_dir(rm, dir, de->d_name, depth + 1);
	}
	return e;
}

static struct err *rm_dir(struct rm *rm, int dir, const char *name, unsigned depth)
{
	_cleanup_close_ int sub = -1;
	struct stat st;
	struct err *e;

	if (depth > DEPTH_MAX) {
		char aside[21] = ".rm.";
		unsigned char random[8]; /* a name the tree's maker cannot have taken */

		random_bytes(random, sizeof(random));
		str_hex(random, sizeof(random), aside + 4);
		if (fchmodat(dir, name, 0700, 0) == 0 && renameat(dir, name, rm->top, aside) == 0) {
			rm->moved++;
			return NULL;
		}
	}
	sub = open_to_read(dir, name);
	if (sub < 0)
		return errno == ENOENT ? NULL : err_new(errno, "opening %s to remove it", name);
	if (fstat(sub, &st) < 0 || st.st_dev != rm->dev)
		return err_new(EBUSY, "removing %s: it is a mount point", name);
	e = rm_contents(rm, sub, depth);
	if (e)
		return err_wrap(e, "%s", name);
	if (rm_entry(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_new(errno, "removing directory %s", name);
	return NULL;
}

struct err *fd_rm_tree(int dir, const char *name)
{
	_cleanup_close_ int top = -1;
	struct rm rm = { 0 };
	struct stat st;
	struct err *e;
	unsigned moved;

	top = open_to_read(dir, name);
	if (top < 0 && (errno == ENOTDIR || errno == ELOOP) && unlinkat(dir, name, 0) == 0)
		return NULL;
	if (top < 0)
		return errno == ENOENT ? NULL : err_new(errno, "removing %s", name);
	if (fstat(top, &st) < 0)
		return err_new(errno, "looking at %s", name);
	rm = (struct rm){ .top = top, .dev = st.st_dev };
	do { /* what was moved to the top may have come behind the point where it was being read */
		moved = rm.moved;
		e = rm_contents(&rm, top, 0);
		if (e)
			return err_wrap(e, "removing %s", name);
	} while (rm.moved != moved);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_new(errno, "removing directory %s", name);
	return NULL;
}

uint64_t fd_tree_size(int dir, const char *name)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	struct stat st;
	uint64_t sum;
	int sub;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	sum = (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return sum;
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return sum;
	d = fdopendir(sub);
	while (d && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			sum += fd_tree_size(dirfd(d), de->d_name);
	return sum;
}

void fd_close_except(const int *keep, size_t n)
{
	for (unsigned first = 3;;) {
		unsigned next = ~0U; /* the lowest to keep from FIRST on: few, not worth sorting */

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= first && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > first) /* fails only without any descriptor in the range */
			syscall(SYS_close_range, first, next == ~0U ? next : next - 1, 0);
		if (next == ~0U)
			return;
		first = next + 1;
	}
}

struct err *fd_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return err_new(errno, "changing the blocking mode of a descriptor");
	return NULL;
}

struct err *fd_socketpair(int type, int ret_fds[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return err_new(errno, "making a socket pair");
	return NULL;
}

struct err *fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > FD_PASS_MAX)
		return err_new(EINVAL, "sending %zu descriptors", n_fds);
	if (n_fds) {
		struct cmsghdr *c = &ctl.align;

		memset(&ctl, 0, sizeof(ctl));
		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_new(errno, "sending a message between processes");
	return NULL;
}

struct err *fd_recv(int sock, void *buf, size_t size, size_t *ret_len, int *fds, size_t *n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.buf,
			      .msg_controllen = sizeof(ctl.buf) };
	size_t room = n_fds ? *n_fds : 0, got = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_new(errno, "receiving a message between processes");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		int got_fds[FD_PASS_MAX];
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(got_fds, CMSG_DATA(c), count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			if (got < room)
				fds[got++] = got_fds[i];
			else
				close(got_fds[i]);
		}
	}
	if (n_fds)
		*n_fds = got;
	*ret_len = (size_t)n;
	return NULL;
}

void fd_sun(int dir, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir, name);
}

struct err *fd_listen(int dir, const char *name, const char *what, int *ret_fd)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;
	mode_t mask;
	int bad;

	fd_sun(dir, name, &sun);
	mask = umask(0177);
	bad = sock < 0 || bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	      listen(sock, SOMAXCONN) < 0;
	umask(mask);
	if (bad)
		return err_new(errno, "listening on %s", what);
	*ret_fd = TAKE_FD(sock);
	return NULL;
}
