/* cmd/main.c -- runs the verb, prints what went wrong, picks the exit status. */
#include <fcntl.h>
#include <stdio.h>

#include "cmd/verb.h"
#include "core/base/proc.h"

/* A stream the caller closed must not be taken by the first file we open.  These three pass on to programs we run. */
static void fill_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int status = 0;
	struct err *e;

	fill_streams();
	proc_title_init(argc, argv);
	e = verbs_run(argc, argv, &status);
	if (fflush(stdout) == EOF && !e)
		e = err_new(errno, "writing the output");
	for (const struct err *one = e; one; one = one->next) {
		_cleanup_free_ char *line = err_line(one);

		fprintf(stderr, "%s: %s\n", prog(), line);
	}
	if (e)
		status = e->status ?: status ?: 1;
	err_free(e);
	return status;
}
