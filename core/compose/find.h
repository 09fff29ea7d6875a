/* core/compose/find.h -- which files make up a project, where it lives, what it is called, the variables it sees. */
#ifndef CORE_COMPOSE_FIND_H
#define CORE_COMPOSE_FIND_H

#include "core/compose/model.h"

/* Fills directory, files, env and profiles of P, and its name if a flag or a variable gives one.
 *  - files: -f, else COMPOSE_FILE, else compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml in the
 *    current directory or the nearest one above that has one, with the override file beside it
 *  - directory: --project-directory, else that of the first file
 *  - variables: the process's, then --env-file (COMPOSE_ENV_FILES), else .env in the current and the project's
 *    directory; COMPOSE_* may stand in .env too
 *  - profiles: --profile and COMPOSE_PROFILES */
struct err *find_project(const struct project_opts *opts, struct project *p) MUST_CHECK;

/* Read the N files of variables PATHS, later ones above earlier ones, into ENV: what is there already stays. */
struct err *find_env_files(struct project *p, const struct strv *paths, struct strv *env) MUST_CHECK;

/* Lower case, without what a name may not hold: "My App" -> "myapp".  The caller frees it. */
char *project_name_from(const char *text);
struct err *project_name_check(const char *name) MUST_CHECK;

/* Variables of a strv of KEY=VALUE, for interp.h; notes what is not set. */
struct env_lookup {
	const struct strv *env;
	struct strv *notes; /* or NULL */
};
const char *env_lookup_get(void *arg, const char *name);
void env_lookup_unset(void *arg, const char *name);

#endif
