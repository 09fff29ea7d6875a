/* An archive of images as it comes: names, links, lengths.  Files go to a directory in memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "registry/spool.h"

static void forget(int dir, const struct spool *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", s->files[i].number);
		unlinkat(dir, name, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/fuzz_spool.XXXXXX";
	int fd = memfd_create("archive", MFD_CLOEXEC), dir = -1;
	struct spool s = { 0 };
	struct err *e;

	if (fd < 0 || write(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0 || !mkdtemp(path))
		abort();
	e = fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: spool_read(fd, dir, NULL, NULL, &s);
	if (!e) {
		spool_find(&s, "manifest.json");
		forget(dir, &s);
		spool_done(&s);
	}
	err_free(e);
	close(fd);
	close(dir);
	err_free(fd_rm_tree(AT_FDCWD, path));
	return 0;
}
