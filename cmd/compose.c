/* cmd/compose.c -- devbox compose [OPTIONS] VERB: the options in front of the verb. */
#include "cmd/compose.h"

#include <stdio.h>

struct project_opts compose_project_opts;

static const char *opt_ansi, *opt_progress;
static bool opt_compatibility;
static unsigned opt_parallel;

static struct err *set_name(const char *value, UNUSED void *to)
{
	compose_project_opts.name = value;
	return NULL;
}

const struct opt compose_opts[] = {
	{ 0, "ansi", "string", "Control when to print ANSI control characters (never|always|auto)",
	  OPT_STR, &opt_ansi, NULL },
	{ 0, "compatibility", NULL, "Name containers as version 1 did, with underscores", OPT_BOOL,
	  &opt_compatibility, NULL },
	{ 0, "env-file", "file", "Specify an alternate environment file", OPT_LIST,
	  &compose_project_opts.env_files, NULL },
	{ 'f', "file", "file", "Compose configuration files", OPT_LIST, &compose_project_opts.files,
	  NULL },
	{ 0, "parallel", "int", "Control max parallelism, 0 for no limit", OPT_UINT, &opt_parallel, NULL },
	{ 0, "profile", "name", "Specify a profile to enable", OPT_LIST,
	  &compose_project_opts.profiles, NULL },
	{ 0, "progress", "string", "Set type of progress output (auto, tty, plain, quiet)", OPT_STR,
	  &opt_progress, NULL },
	{ 0, "project-directory", "directory",
	  "Specify an alternate working directory (default: the path of the first file)", OPT_STR,
	  &compose_project_opts.directory, NULL },
	{ 'p', "project-name", "name", "Project name", OPT_CALL, NULL, set_name },
	{ 0 },
};

struct err *compose_load(struct project **ret)
{
	struct err *e = project_load(&compose_project_opts, ret);

	for (size_t i = 0; !e && i < (*ret)->notes.n; i++)
		fprintf(stderr, "%s: warning: %s\n", prog(), (*ret)->notes.v[i]);
	return e;
}
