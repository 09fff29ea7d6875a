/* cmd/main.c -- runs the verb, prints what went wrong, picks the exit status. */
#include <stdio.h>

#include "cmd/verb.h"

int main(int argc, char **argv)
{
	int status = 0;
	struct err *e = verbs_run(argc, argv, &status);

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
