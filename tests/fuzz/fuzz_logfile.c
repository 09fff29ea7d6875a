/* Input: a log.  Readers must survive it; a writer must leave a log that is read to its end, with its own line last. */
#include "core/box/logfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all; the last record's length, or -1 if there was none. */
static ssize_t read_all(int dir, uint64_t tail, int64_t since)
{
	struct logreader *r;
	struct log_record rec;
	ssize_t last = -1;
	bool more = true;
	struct err *e = logreader_open(dir, "log", tail, since, 0, &r);

	if (e)
		abort();
	while (more) {
		e = logreader_next(r, &rec, &more);
		if (e)
			abort();
		if (more) {
			free(xmemdup(rec.data, rec.len)); /* every byte of it can be read */
			last = (ssize_t)rec.len;
		}
	}
	logreader_free(r);
	return last;
}

static char path[4096];

static void clean_up(void)
{
	err_free(fd_rm_tree(AT_FDCWD, path)); /* best effort: it is in /tmp */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1, fd; /* one file for all inputs: it is never rotated */
	struct logfile *l;
	struct err *e;

	if (dir < 0) {
		/* TMPDIR on a tmpfs makes this ten times faster */
		snprintf(path, sizeof(path), "%s/fuzz_logfile.XXXXXX", getenv("TMPDIR") ?: "/tmp");
		if (!mkdtemp(path))
			abort();
		atexit(clean_up);
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd = openat(dir, "log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	read_all(dir, UINT64_MAX, INT64_MIN);
	for (uint64_t tail = 0; tail < 4; tail++)
		read_all(dir, tail, INT64_MIN);
	e = logfile_open(dir, "log", &(struct log_bound){ 0, 1 }, &l);
	e = e ?: logfile_write(l, LOG_STDERR, "mine\n", 5, 1);
	if (e)
		abort();
	logfile_free(l);
	if (read_all(dir, 1, INT64_MIN) != 5)
		abort();
	return 0;
}
