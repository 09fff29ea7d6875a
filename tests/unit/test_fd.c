#include "core/base/fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/str.h"
#include "tests/lib/tap.h"

static int dir = -1;

static void make(const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	err_free(fd_write_all(fd, name, text, strlen(text)));
}

static bool exists(const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_read(void)
{
	_cleanup_free_ char *text = NULL, *big = xmalloc(100001), *proc = NULL;
	size_t len = 0;

	make("f", "hello\n");
	is_err(fd_read_file(dir, "f", 6, &text, &len), NULL, "a file of just the size allowed");
	is_str(text, "hello\n", "its text");
	is_int(len, 6, "its length");
	free(TAKE_PTR(text));
	is_err(fd_read_file(dir, "f", 5, &text, &len), "reading f: File too large", "a byte too many");
	is_err(fd_read_file(dir, "f", SIZE_MAX, &text, NULL), NULL, "no limit");
	is_str(text, "hello\n", "gives all");
	free(TAKE_PTR(text));
	memset(big, 'x', 100000);
	big[100000] = '\0';
	make("big", big);
	is_err(fd_read_file(dir, "big", 1 << 20, &text, &len), NULL, "a bigger one");
	ok(len == 100000 && !strcmp(text, big), "is whole");
	is_err(fd_read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &proc, &len), NULL,
	       "a file without size");
	ok(len > 100 && strlen(proc) == len, "is read to its end");
	free(TAKE_PTR(text));
	make("f", "");
	is_err(fd_read_file(dir, "f", 0, &text, &len), NULL, "an empty one");
	is_str(text, "", "is empty");
	free(TAKE_PTR(text));
	is_err(fd_read_file(dir, "none", 10, &text, NULL),
	       "opening none: No such file or directory", "an absent one");
	is_err(fd_read_file(dir, ".", 10, &text, NULL), "reading .: Is a directory", "a directory");
}

static void test_atomic(void)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;

	is_err(fd_write_atomic(dir, "rec", "one", 3, 0600, true), NULL, "a new file");
	is_err(fd_write_atomic(dir, "rec", "two!", 4, 0600, false), NULL, "in its place");
	is_err(fd_read_file(dir, "rec", 10, &text, NULL), NULL, "reading it");
	is_str(text, "two!", "the new content");
	ok(fstatat(dir, "rec", &st, 0) == 0 && (st.st_mode & 0777) == 0600, "its mode");
	ok(mkdirat(dir, "taken", 0755) == 0, "a directory of this name");
	is_err(fd_write_atomic(dir, "taken", "x", 1, 0600, false),
	       "renaming taken into place: Is a directory", "is not replaced");
	is_err(fd_rm_tree(dir, "taken"), NULL, "nothing is left aside");
}

static void test_in_root(void)
{
	_cleanup_close_ int root = -1;
	int fd = -1;

	mkdirat(dir, "root", 0755);
	mkdirat(dir, "root/etc", 0755);
	make("root/etc/passwd", "inside");
	root = openat(dir, "root", O_PATH | O_CLOEXEC);
	ok(!symlinkat("/etc", root, "abs") && !symlinkat("../../../../etc", root, "up"), "two links");
	for (size_t i = 0; i < 4; i++) {
		static const char *const ways[] = { "/etc/passwd", "../../etc/passwd", "abs/passwd",
						    "up/passwd" };
		_cleanup_free_ char *text = NULL;

		is_err(fd_open_in_root(root, ways[i], O_RDONLY, 0, &fd), NULL, "%s", ways[i]);
		err_free(fd_read_all(fd, "it", 100, &text, NULL));
		is_str(text, "inside", "stays inside");
		ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "close-on-exec");
		close(fd);
	}
	is_err(fd_open_in_root(root, "proc/self", O_RDONLY, 0, &fd),
	       "opening proc/self: No such file or directory", "nothing of the host");
	is_err(fd_mkdir_p(root, "/a/./b//x/../c/", 0755, NULL), NULL, "a path with everything in it");
	ok(exists("root/a/b/x") && exists("root/a/b/c"), "is made as mkdir -p does");
	is_err(fd_mkdir_p(root, "abs/new/deep", 0755, &fd), NULL, "directories through a link");
	ok(exists("root/etc/new/deep"), "are made inside");
	close(fd);
	is_err(fd_mkdir_p(root, "abs/new/deep", 0755, NULL), NULL, "again");
	is_err(fd_mkdir_p(root, "etc/passwd/x", 0755, NULL), "opening etc/passwd: Not a directory",
	       "a file in the way");
	is_err(fd_rm_tree(dir, "root"), NULL, "removing it");
}

/* A tree deeper than there may be open descriptors. */
static void make_deep(unsigned depth)
{
	_cleanup_close_ int at = dup(dir);

	for (unsigned i = 0; i < depth; i++) {
		int next;

		if (mkdirat(at, "deep", 0755) < 0)
			break;
		next = openat(at, "deep", O_PATH | O_CLOEXEC);
		close(at);
		at = next;
		close(openat(next, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
}

static void test_rm(void)
{
	is_err(fd_rm_tree(dir, "none"), NULL, "what is not there");
	make("plain", "x");
	is_err(fd_rm_tree(dir, "plain"), NULL, "a file");
	ok(!exists("plain"), "is gone");
	mkdirat(dir, "keep", 0755);
	make("keep/f", "x");
	ok(symlinkat("keep", dir, "link") == 0, "a link to a directory");
	is_err(fd_rm_tree(dir, "link"), NULL, "removing the link");
	ok(!exists("link") && exists("keep/f"), "the link alone is gone");
	mkdirat(dir, "tree", 0755);
	mkdirat(dir, "tree/a", 0755);
	make("tree/a/f", "x");
	ok(symlinkat("../keep", dir, "tree/link") == 0 &&
		   symlinkat("/nowhere", dir, "tree/a/dangling") == 0,
	   "links");
	mkfifoat(dir, "tree/fifo", 0600);
	is_err(fd_rm_tree(dir, "tree"), NULL, "a tree with links and a FIFO");
	ok(!exists("tree") && exists("keep/f"), "is gone, what its links point to is not");
	make_deep(3000);
	is_err(fd_rm_tree(dir, "deep"), NULL, "a very deep tree");
	ok(!exists("deep"), "is gone");
	is_err(fd_rm_tree(dir, "keep"), NULL, "the rest");
}

/* What root is not stopped by. */
static void locked_dirs(void)
{
	mkdirat(dir, "locked", 0755);
	mkdirat(dir, "locked/none", 0755);
	make("locked/none/f", "x");
	mkdirat(dir, "locked/ro", 0755);
	make("locked/ro/f", "x");
	mkdirat(dir, "locked/ro/sub", 0755);
	fchmodat(dir, "locked/none", 0, 0);
	fchmodat(dir, "locked/ro", 0555, 0);
	fchmodat(dir, "locked", 0, 0);
	is_err(fd_rm_tree(dir, "locked"), NULL, "directories that may not be read or written");
	ok(!exists("locked"), "are gone");
}

static void test_locked(void)
{
	pid_t pid;
	int status;

	if (geteuid() != 0) {
		locked_dirs();
		return;
	}
	fchmod(dir, 0777);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		tap.failed = 0;
		locked_dirs();
		_exit(tap.failed != 0);
	}
	waitpid(pid, &status, 0);
	tap.run += 2; /* printed by the child */
	ok(status == 0, "as an ordinary user");
}

static void test_sockets(void)
{
	int pair[2], fds[FD_PASS_MAX + 1] = { -1 }, got[4] = { -1, -1, -1, -1 };
	struct sockaddr_un sun;
	size_t n = 4, len = 0;
	char buf[16];

	is_err(fd_socketpair(SOCK_SEQPACKET, pair), NULL, "a pair");
	fds[0] = fds[1] = dir;
	is_err(fd_send(pair[0], "hi", 2, fds, 2), NULL, "a message with two descriptors");
	is_err(fd_recv(pair[1], buf, sizeof(buf), &len, got, &n), NULL, "is received");
	ok(len == 2 && n == 2 && got[0] >= 0 && got[1] >= 0 && got[0] != got[1], "with both");
	ok(fcntl(got[0], F_GETFD) & FD_CLOEXEC, "close-on-exec");
	close(got[0]);
	close(got[1]);
	is_err(fd_send(pair[0], "hi", 2, fds, 2), NULL, "another");
	n = 1;
	is_err(fd_recv(pair[1], buf, sizeof(buf), &len, got, &n), NULL,
	       "for one who has room for one descriptor");
	ok(n == 1 && fcntl(got[0] + 1, F_GETFD) < 0, "leaves none open");
	close(got[0]);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dir;
	is_err(fd_send(pair[0], "x", 1, fds, ARRAY_LEN(fds)),
	       "sending 17 descriptors: Invalid argument", "too many");
	close(pair[0]);
	is_err(fd_recv(pair[1], buf, sizeof(buf), &len, NULL, NULL), NULL, "the end");
	is_int(len, 0, "is a message of no bytes");
	is_err(fd_send(pair[1], "x", 1, NULL, 0),
	       "sending a message between processes: Broken pipe", "an error, no signal");
	close(pair[1]);
	fd_sun(7, "ctl", &sun);
	is_str(sun.sun_path, "/proc/self/fd/7/ctl", "the address of a socket");
}

/* In a child: whoever runs the tests may have left us descriptors of theirs. */
static void test_close_except(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int keep[] = { 9, -1, 5, 1, 9 };
		bool good = true;

		for (int fd = 3; fd < 12; fd++)
			good &= dup2(STDOUT_FILENO, fd) == fd;
		fd_close_except(keep, ARRAY_LEN(keep));
		for (int fd = 0; fd < 12; fd++)
			good &= (fcntl(fd, F_GETFD) >= 0) == (fd < 3 || fd == 5 || fd == 9);
		fd_close_except(NULL, 0);
		good &= fcntl(5, F_GETFD) < 0 && fcntl(9, F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0;
		_exit(!good);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0, "all but a few descriptors are closed");
}

int main(void)
{
	char path[] = "/tmp/test_fd.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_read();
	test_atomic();
	test_in_root();
	test_rm();
	test_locked();
	test_sockets();
	test_close_except();
	is_err(fd_rm_tree(AT_FDCWD, path), NULL, "cleaning up");
	return done_testing();
}
