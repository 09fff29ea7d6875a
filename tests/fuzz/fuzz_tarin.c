/* Input: a byte of options, then a tar stream of `devbox cp - CONTAINER:PATH`.  Unpacked or refused, and never a file
 * outside the root: neither by a name nor through the link that waits there.  One of the options makes the headers'
 * checksums right, which mutations hardly ever are. */
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

enum { BLOCK = 512, SUM_AT = 148, SUM_LEN = 8, MAGIC_AT = 257 };

/* tar(5): the sum of all bytes with the checksum's own as spaces, in octal. */
static void mend_headers(unsigned char *tar, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		unsigned char *h = tar + at;
		char text[SUM_LEN];
		unsigned sum = 0;

		if (memcmp(h + MAGIC_AT, "ustar", 5))
			continue;
		memset(h + SUM_AT, ' ', SUM_LEN);
		for (size_t i = 0; i < BLOCK; i++)
			sum += h[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(h + SUM_AT, text, SUM_LEN - 1);
	}
}

/* A descriptor of the stream, kept from one input to the next. */
static int stream_of(const uint8_t *data, size_t size, bool mend)
{
	static int fd = -1;
	_cleanup_free_ unsigned char *tar = xmemdup(data, size);

	if (fd < 0)
		fd = memfd_create("tar", MFD_CLOEXEC);
	if (mend)
		mend_headers(tar, size);
	assert(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, tar, size, 0) == (ssize_t)size);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
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
	t.fd = stream_of(data + 1, size - 1, *data & 0x10);
	assert(mkdirat(outer, "in", 0755) == 0);
	t.root = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(mkdirat(t.root, "dir", 0755) == 0 && symlinkat("..", t.root, "link") == 0);
	err_free(tarin_unpack(&t));
	close(t.root);
	err_free(fd_rm_tree(outer, "in")); /* what is left would fail the check or the next mkdir */
	check_outside();
	return 0;
}
