/* Input: a byte of options, then a tar stream of `devbox cp - CONTAINER:PATH`.  Unpacked or refused, and never a file
 * outside the root: neither by a name nor through the link that waits there. */
#include "core/box/tarin.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fd.h"

static char top[4096];
static int outer = -1;

static void clean_up(void)
{
	err_free(fd_rm_tree(AT_FDCWD, top)); /* best effort: it is in a folder for such things */
}

/* TMPDIR on a tmpfs makes this ten times faster. */
static void make_top(void)
{
	snprintf(top, sizeof(top), "%s/fuzz_tarin.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert(mkdtemp(top));
	atexit(clean_up);
	outer = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(outer >= 0);
	umask(0);
}

/* outer/in is unpacked into; outer itself must hold nothing else afterwards. */
static void check_outside(void)
{
	DIR *d = fdopendir(openat(outer, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;

	assert(d);
	while ((de = readdir(d)) != NULL)
		assert(!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		       !strcmp(de->d_name, "in"));
	closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const dests[] = { "/", "dir", "dir/new", "link/new" };
	struct userns_ids ids = { .single = true };
	struct tarin t = { .ids = &ids, .owner = TARIN_OWN };

	if (!size)
		return 0;
	if (outer < 0)
		make_top();
	t.copy = *data & 1;
	t.contents = *data & 2;
	t.dest = dests[*data >> 2 & 3];
	t.fd = memfd_create("tar", MFD_CLOEXEC);
	assert(t.fd >= 0 && write(t.fd, data + 1, size - 1) == (ssize_t)size - 1);
	lseek(t.fd, 0, SEEK_SET);
	assert(mkdirat(outer, "in", 0755) == 0);
	t.root = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(mkdirat(t.root, "dir", 0755) == 0 && symlinkat("..", t.root, "link") == 0);
	err_free(tarin_unpack(&t));
	close(t.root);
	close(t.fd);
	err_free(fd_rm_tree(outer, "in")); /* what is left would fail the check or the next mkdir */
	check_outside();
	return 0;
}
