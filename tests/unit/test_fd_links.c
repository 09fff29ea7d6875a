/* Making directories and files in a tree whose symbolic links are somebody else's. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static int root;

static bool exists(const char *path)
{
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_dirs(void)
{
	int fd = -1;

	is_err(fd_mkdir_p(root, "a/b/c", 0755, NULL), NULL, "new directories");
	ok(exists("a/b/c"), "are there");
	is_err(fd_mkdir_p(root, "/a//./b/", 0755, &fd), NULL, "what exists is opened");
	close(fd);

	ok(symlinkat("/made/here", root, "abs") == 0 && symlinkat("made/too", root, "a/rel") == 0 &&
		   symlinkat("../../../../up", root, "a/up") == 0,
	   "links to nothing");
	is_err(fd_mkdir_p(root, "abs/x", 0755, NULL), NULL, "through an absolute link");
	ok(exists("made/here/x"), "it is followed inside the root");
	is_err(fd_mkdir_p(root, "a/rel/y", 0755, NULL), NULL, "through a relative link");
	ok(exists("a/made/too/y"), "from where it lies");
	is_err(fd_mkdir_p(root, "a/up/z", 0755, NULL), NULL, "through a link that climbs");
	ok(exists("up/z"), "it stops at the root");

	ok(symlinkat("loop2", root, "loop1") == 0 && symlinkat("loop1", root, "loop2") == 0, "a loop");
	is_err(fd_mkdir_p(root, "loop1/x", 0755, NULL), "*Too many levels of symbolic links",
	       "is refused");
}

static void test_files(void)
{
	struct stat st;
	int fd = -1;

	is_err(fd_create_p(root, "f/g/file", 0644, &fd), NULL, "a file with its directories");
	ok(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0, "is empty");
	close(fd);
	ok(symlinkat("../run/systemd/resolv.conf", root, "f/resolv.conf") == 0,
	   "a link to nothing, as images have it");
	is_err(fd_create_p(root, "f/resolv.conf", 0644, &fd), NULL, "its target is made");
	close(fd);
	ok(exists("run/systemd/resolv.conf"), "where a chroot would have it");
	is_err(fd_create_p(root, "f", 0644, &fd), NULL, "what is there stays, whatever it is");
	ok(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode), "a directory");
	close(fd);
	is_err(fd_create_p(root, "loop1", 0644, &fd), "*Too many levels of symbolic links",
	       "a loop is refused");
}

int main(void)
{
	char path[] = "/tmp/devbox-test-links.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_dirs();
	test_files();
	is_err(fd_rm_tree(AT_FDCWD, path), NULL, "all is removed");
	return done_testing();
}
