/* cmd/db.h -- what the verbs of `devbox db` share: where the user stands, which branch and which services are
 * meant. */
#ifndef CMD_DB_H
#define CMD_DB_H

#include "cmd/verb.h"
#include "core/branch/branch.h"
#include "core/branch/stack.h"
#include "core/branch/switchboard.h"

struct db {
	struct store *st;
	struct git_repo repo; /* of the current directory; dir is NULL outside of one */
	struct git_head head;
	char *current; /* the branch that is checked out there, or NULL */
	char *id; /* project, or NULL */
	struct dbproject p; /* its record as it was; changes go through core/branch */
};
/* PROJECT: as given with --project, or NULL: the repository of the current directory. */
struct err *db_open(struct db *db, const char *project) MUST_CHECK;
/* The same; it is an error if there is no project. */
struct err *db_need(struct db *db, const char *project) MUST_CHECK;
/* Read the record again, after something has changed. */
struct err *db_reread(struct db *db) MUST_CHECK;
void db_done(struct db *db);
#define _cleanup_db_ _cleanup_(db_done)

/* The options -P and -s of most verbs. */
extern const char *opt_db_project, *opt_db_service;
#define DB_OPTS                                                                                    \
	{ 'P',	    "project",                                                                     \
	  "string", "The project, by name (default: that of the current directory)",               \
	  OPT_STR,  &opt_db_project,                                                               \
	  NULL },                                                                                  \
	{                                                                                          \
		's', "service", "string", "This database only (default: all of the project)",      \
			OPT_STR, &opt_db_service, NULL                                             \
	}

/* NAME, or the current branch.  Errors: there is none. */
struct err *db_branch(const struct db *db, const char *name, const char **ret) MUST_CHECK;
/* Call FN for every service that has a fork of BRANCH, or for the one that -s names.  Errors: none has. */
struct err *db_each_fork(struct db *db, const char *branch,
			 struct err *(*fn)(struct db *db, struct dbservice *s, struct fork *f, void *arg),
			 void *arg) MUST_CHECK;
/* Remove the data of BRANCH: its databases (of -s, if that is given), else its compose stacks, too.  FORCE: also
 * if it is protected.  Errors: it has none. */
struct err *db_remove_branch(struct db *db, const char *branch, bool force, const char *batch)
	MUST_CHECK;
/* The only service, or the one that -s names. */
struct err *db_one_service(const struct db *db, struct dbservice **ret) MUST_CHECK;
/* Tell the switchboard; its notes go to stderr. */
struct err *db_tell(struct db *db) MUST_CHECK;
/* Branches that git no longer has: asks, once for each, what becomes of their data (only on a terminal; elsewhere a
 * line tells of `db prune`). */
struct err *db_ask_gone(struct db *db) MUST_CHECK;

/* A duration of the command line, "30m", "0" or "never", in milliseconds. */
struct err *db_duration(const char *value, void *to_ms) MUST_CHECK;

#endif
