/* tests/lib/project.h -- a compose project out of a text, for unit tests.
 * The file lies in DIR for the moment of reading; project_free() ends the project. */
#ifndef TESTS_LIB_PROJECT_H
#define TESTS_LIB_PROJECT_H

#include <fcntl.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/fd.h"
#include "core/compose/model.h"
#include "tests/lib/tap.h"

static inline struct project *project_from_text(const char *dir, const char *text)
{
	struct project_opts o = { 0 };
	struct project *p = NULL;
	_cleanup_free_ char *path = xasprintf("%s/compose.yaml", dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	strv_add(&o.files, path);
	is_err(fd_write_all(fd, path, text, strlen(text)), NULL, "a file is written");
	is_err(project_load(&o, &p), NULL, "the project is read");
	strv_done(&o.files);
	unlink(path);
	return p;
}

#endif
