/* core/branch/envfile.h -- how the application reaches its databases: the settings of a work tree's services, as
 * text and as the file .env.devbox in the work tree (mode 0600, kept out of git by .git/info/exclude). */
#ifndef CORE_BRANCH_ENVFILE_H
#define CORE_BRANCH_ENVFILE_H

#include "core/box/recipe.h"
#include "core/branch/project.h"

#define ENVFILE_NAME ".env.devbox"

/* How a client reaches SERVICE at ADDRESS. */
void dbservice_access(const struct dbservice *s, const char *address, struct db_access *ret);
/* Write it into T's folder, if its content changes; keep it out of git. */
struct err *envfile_write(const struct dbproject *p, const struct work_tree *t, const char *branch)
	MUST_CHECK;

#endif
