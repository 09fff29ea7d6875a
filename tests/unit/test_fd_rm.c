/* Removing a tree tells "not permitted" from the rest: the store then tries again as the namespace's root. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

/* As an ordinary user: a directory of root's, mode 0700, inside a directory that is ours. */
static int as_nobody(int dir)
{
	struct err *e;
	bool told;

	if (setresuid(65534, 65534, 65534) < 0)
		return 2;
	e = fd_rm_tree(dir, "tree");
	told = err_is(e, EACCES) || err_is(e, EPERM);
	err_free(e);
	return !told;
}

int main(void)
{
	char path[] = "/tmp/devbox-test.XXXXXX";
	int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, status = 0;
	pid_t pid;

	ok(dir >= 0 && mkdirat(dir, "tree", 0755) == 0 && mkdirat(dir, "tree/locked", 0700) == 0 &&
		   mkdirat(dir, "tree/locked/inner", 0000) == 0,
	   "the tree is made");
	if (geteuid() == 0 && fchownat(dir, "tree", 65534, 65534, 0) == 0) {
		pid = fork();
		if (pid == 0)
			_exit(as_nobody(dir));
		waitpid(pid, &status, 0);
		is_int(status, 0, "a directory of another user: EACCES or EPERM");
	}
	is_err(fd_rm_tree(dir, "tree"), NULL, "the owner removes all");
	is_err(fd_rm_tree(dir, "tree"), NULL, "absent is success");
	ok(faccessat(dir, "tree", F_OK, 0) < 0, "nothing is left");
	rmdir(path);
	return done_testing();
}
