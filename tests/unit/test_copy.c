#include "core/base/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "tests/lib/tap.h"

static int dir = -1;

static void make(const char *name, const char *text, mode_t mode)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	err_free(fd_write_all(fd, name, text, strlen(text)));
	fchmod(fd, mode);
}

static struct stat look(const char *name)
{
	struct stat st = { 0 };

	ok(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s is there", name);
	return st;
}

static void fill(void)
{
	_cleanup_free_ char *big = xmalloc(300001);
	const struct timespec old[2] = { { 1000000000, 5 }, { 1000000000, 7 } };

	memset(big, 'b', 300000);
	big[300000] = '\0';
	mkdirat(dir, "src", 0755);
	mkdirat(dir, "src/sub", 0755);
	mkdirat(dir, "src/empty", 0755);
	make("src/sub/f", "hello", 0640);
	make("src/suid", "x", 04755);
	make("src/big", big, 0600);
	make("src/none", "", 0400);
	ok(symlinkat("../../etc/passwd", dir, "src/link") == 0, "a link");
	mkfifoat(dir, "src/fifo", 0620);
	fchmodat(dir, "src/fifo", 0620, 0);
	utimensat(dir, "src/sub/f", old, 0);
	fchmodat(dir, "src/sub", 01777, 0);
	fchmodat(dir, "src", 0710, 0);
}

static void check_copy(void)
{
	_cleanup_free_ char *text = NULL;
	char target[64] = "";
	struct stat st;
	size_t len = 0;

	st = look("dst/sub/f");
	ok((st.st_mode & 07777) == 0640 && st.st_mtim.tv_sec == 1000000000 && st.st_mtim.tv_nsec == 7,
	   "with its mode and time");
	is_err(fd_read_file(dir, "dst/big", 1 << 20, &text, &len), NULL, "a big file");
	ok(len == 300000 && strspn(text, "b") == len, "with its content");
	ok((look("dst/suid").st_mode & 07777) == 04755, "with its set-user-id bit");
	ok(look("dst/none").st_size == 0, "an empty one");
	ok(readlinkat(dir, "dst/link", target, sizeof(target) - 1) > 0 &&
		   !strcmp(target, "../../etc/passwd"),
	   "a link as a link");
	st = look("dst/fifo");
	ok(S_ISFIFO(st.st_mode) && (st.st_mode & 07777) == 0620, "a FIFO");
	ok((look("dst/sub").st_mode & 07777) == 01777, "a directory with its mode");
	ok((look("dst").st_mode & 07777) == 0710, "and the top itself");
	ok(S_ISDIR(look("dst/empty").st_mode), "an empty directory");
}

/* What only root may do, and not on every file system. */
static void test_root(void)
{
	/* cap_net_bind_service=ep, as the kernel keeps it */
	static const unsigned char caps[20] = { 1, 0, 0, 2, 0, 4 };
	_cleanup_close_ int src = -1, dst = -1;
	char got[64];

	make("src/caps", "x", 0755);
	src = openat(dir, "src/caps", O_RDONLY | O_CLOEXEC);
	if (fchown(src, 123, 456) < 0 ||
	    fsetxattr(src, "security.capability", caps, sizeof(caps), 0) < 0) {
		ok(true, "# SKIP owners and capabilities cannot be set here");
		return;
	}
	mkdirat(dir, "dst2", 0755);
	{
		_cleanup_close_ int from = openat(dir, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_close_ int to = openat(dir, "dst2", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		is_err(copy_tree(from, to), NULL, "copying again");
	}
	dst = openat(dir, "dst2/caps", O_RDONLY | O_CLOEXEC);
	ok(look("dst2/caps").st_uid == 123 && look("dst2/caps").st_gid == 456, "with its owner");
	ok(fgetxattr(dst, "security.capability", got, sizeof(got)) == sizeof(caps),
	   "and its capabilities");
}

int main(void)
{
	char path[] = "/tmp/test_copy.XXXXXX";
	int src, dst;

	if (!mkdtemp(path))
		return 1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill();
	mkdirat(dir, "dst", 0755);
	src = openat(dir, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dst = openat(dir, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_err(copy_tree(src, dst), NULL, "copying a tree");
	check_copy();
	close(src);
	close(dst);
	test_root();
	is_err(fd_rm_tree(AT_FDCWD, path), NULL, "cleaning up");
	return done_testing();
}
