/* cmd/access.h -- how to reach a container's database from the host. */
#ifndef CMD_ACCESS_H
#define CMD_ACCESS_H

#include "core/box/box.h"
#include "core/box/recipe.h"

/* For a running container with a recipe.  Errors say what is missing: no database, not running, port not published.
 * The caller ends *ret with db_access_done(). */
struct err *access_find(const struct box *b, struct db_access *ret) MUST_CHECK;
/* Append the URL of the database that NAME (a container, a service of the compose project here) is; NULL: of all that
 * run in that project, else of the only one that runs.  A line each. */
struct err *env_urls(const char *name, struct str *out) MUST_CHECK;
/* Append what `run` says about it: HEAD, the settings one a line, how to get them again. */
void access_text(const struct box *b, const struct db_access *a, const char *head, struct str *out);

#endif
