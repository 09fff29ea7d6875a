/* core/branch/client.h -- an engine's own client programs, run in its container: statements, imports, dumps.  The
 * first half is pure. */
#ifndef CORE_BRANCH_CLIENT_H
#define CORE_BRANCH_CLIENT_H

#include "core/box/box.h"
#include "core/box/recipe.h"

/* A command line and the variables it needs; passwords are never in the command line. */
struct client_cmd {
	struct strv argv, env;
};
void client_cmd_done(struct client_cmd *c);
#define _cleanup_client_ _cleanup_(client_cmd_done)

/* The client that reads SQL from its input, as the administrator that the container's ENV tells of, in DATABASE
 * (NULL: the one of ENV, or none).  Errors: the engine has no SQL. */
struct err *client_sql(const struct recipe *r, const struct strv *env, const char *database,
		       struct client_cmd *ret) MUST_CHECK;
/* The program that dumps what URL names ("mysql://user:pw@host:3306/db", "postgresql://..."), of R's engine.
 * *RET_DATABASE: its database (the caller's).  Errors: another engine's URL, no host, no database, the host's own
 * loopback, which a container does not see. */
struct err *client_dump(const struct recipe *r, const char *url, struct client_cmd *ret,
			char **ret_database) MUST_CHECK;
/* NAME in the quotes of the engine's identifiers; 'TEXT' as a string literal. */
char *client_quote_name(const struct recipe *r, const char *name);
char *client_quote_text(const char *text);

/* Run the statements SQL in B; *RET_ROWS (may be NULL; the caller's) is what they answer, one row a line, columns
 * separated by tabs.  Errors: what the client says. */
struct err *client_run(struct box *b, const char *database, const char *sql, char **ret_rows) MUST_CHECK;
/* Run C in B with these streams; a status that is not 0 is an error. */
struct err *client_exec(struct box *b, const struct client_cmd *c, const int stdio[3]) MUST_CHECK;

#endif
