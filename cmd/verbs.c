#include "cmd/verb.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/compose.h"
#include "cmd/foreign.h"
#include "core/ns/shield.h"

enum { STATUS_USAGE = 1, STATUS_FLAG = 125, STATUS_FAILED = 1, STATUS_RUN_FAILED = 125 };
enum {
	STATUS_COMPOSE_FAILED = 1
}; /* Docker's Compose has one for all that it fails in, flags included */

/* Every verb under each of its names.  GROUP: "" for `devbox ps`, "container" for `devbox container ls`. */
static const struct entry {
	const char *group, *name;
	const struct verb *verb;
} entries[] = {
	{ "", "run", &verb_run },
	{ "", "create", &verb_create },
	{ "", "start", &verb_start },
	{ "", "stop", &verb_stop },
	{ "", "restart", &verb_restart },
	{ "", "resume", &verb_resume },
	{ "", "update", &verb_update },
	{ "", "kill", &verb_kill },
	{ "", "rm", &verb_rm },
	{ "", "ps", &verb_ps },
	{ "", "exec", &verb_exec },
	{ "", "attach", &verb_attach },
	{ "", "cp", &verb_cp },
	{ "", "diff", &verb_diff },
	{ "", "commit", &verb_commit },
	{ "", "export", &verb_export },
	{ "", "import", &verb_import },
	{ "", "logs", &verb_logs },
	{ "", "top", &verb_top },
	{ "", "stats", &verb_stats },
	{ "", "pause", &verb_pause },
	{ "", "unpause", &verb_unpause },
	{ "", "rename", &verb_rename },
	{ "", "events", &verb_events },
	{ "", "wait", &verb_wait },
	{ "", "with", &verb_with },
	{ "", "port", &verb_port },
	{ "", "inspect", &verb_inspect },
	{ "", "env", &verb_env },
	{ "", "ip", &verb_ip },
	{ "", "pull", &verb_pull },
	{ "", "push", &verb_push },
	{ "", "search", &verb_search },
	{ "", "save", &verb_save },
	{ "", "load", &verb_load },
	{ "", "login", &verb_login },
	{ "", "logout", &verb_logout },
	{ "", "build", &verb_build },
	{ "", "images", &verb_images },
	{ "", "history", &verb_history },
	{ "", "tag", &verb_tag },
	{ "", "rmi", &verb_rmi },
	{ "", "undo", &verb_undo },
	{ "", "prune", &verb_prune },
	{ "", "info", &verb_info },
	{ "", "doctor", &verb_doctor },
	{ "", "version", &verb_version },

	{ "", "up", &verb_compose_up },
	{ "", "down", &verb_compose_down },

	{ "builder", "build", &verb_build },
	{ "builder", "prune", &verb_builder_prune },

	{ "buildx", "build", &verb_build },
	{ "buildx", "prune", &verb_builder_prune },

	{ "compose", "alpha", &verb_compose_alpha },
	{ "compose", "attach", &verb_compose_attach },
	{ "compose", "bridge", &verb_compose_bridge },
	{ "compose", "build", &verb_compose_build },
	{ "compose", "commit", &verb_compose_commit },
	{ "compose", "config", &verb_compose_config },
	{ "compose", "convert", &verb_compose_config },
	{ "compose", "cp", &verb_compose_cp },
	{ "compose", "create", &verb_compose_create },
	{ "compose", "down", &verb_compose_down },
	{ "compose", "events", &verb_compose_events },
	{ "compose", "exec", &verb_compose_exec },
	{ "compose", "export", &verb_compose_export },
	{ "compose", "images", &verb_compose_images },
	{ "compose", "kill", &verb_compose_kill },
	{ "compose", "logs", &verb_compose_logs },
	{ "compose", "ls", &verb_compose_ls },
	{ "compose", "pause", &verb_compose_pause },
	{ "compose", "port", &verb_compose_port },
	{ "compose", "ps", &verb_compose_ps },
	{ "compose", "publish", &verb_compose_publish },
	{ "compose", "pull", &verb_compose_pull },
	{ "compose", "push", &verb_compose_push },
	{ "compose", "restart", &verb_compose_restart },
	{ "compose", "rm", &verb_compose_rm },
	{ "compose", "run", &verb_compose_run },
	{ "compose", "scale", &verb_compose_scale },
	{ "compose", "start", &verb_compose_start },
	{ "compose", "stats", &verb_compose_stats },
	{ "compose", "stop", &verb_compose_stop },
	{ "compose", "top", &verb_compose_top },
	{ "compose", "unpause", &verb_compose_unpause },
	{ "compose", "up", &verb_compose_up },
	{ "compose", "version", &verb_compose_version },
	{ "compose", "volumes", &verb_compose_volumes },
	{ "compose", "wait", &verb_compose_wait },
	{ "compose", "watch", &verb_compose_watch },

	{ "container", "attach", &verb_attach },
	{ "container", "commit", &verb_commit },
	{ "container", "cp", &verb_cp },
	{ "container", "create", &verb_create },
	{ "container", "diff", &verb_diff },
	{ "container", "exec", &verb_exec },
	{ "container", "export", &verb_export },
	{ "container", "inspect", &verb_container_inspect },
	{ "container", "kill", &verb_kill },
	{ "container", "logs", &verb_logs },
	{ "container", "ls", &verb_ps },
	{ "container", "list", &verb_ps },
	{ "container", "ps", &verb_ps },
	{ "container", "pause", &verb_pause },
	{ "container", "port", &verb_port },
	{ "container", "prune", &verb_container_prune },
	{ "container", "rename", &verb_rename },
	{ "container", "restart", &verb_restart },
	{ "container", "rm", &verb_rm },
	{ "container", "remove", &verb_rm },
	{ "container", "run", &verb_run },
	{ "container", "start", &verb_start },
	{ "container", "stats", &verb_stats },
	{ "container", "stop", &verb_stop },
	{ "container", "top", &verb_top },
	{ "container", "unpause", &verb_unpause },
	{ "container", "update", &verb_update },
	{ "container", "wait", &verb_wait },

	{ "context", "inspect", &verb_context_inspect },
	{ "context", "ls", &verb_context_ls },
	{ "context", "list", &verb_context_ls },
	{ "context", "show", &verb_context_show },
	{ "context", "use", &verb_context_use },

	{ "db", "up", &verb_db_up },
	{ "db", "ls", &verb_db_ls },
	{ "db", "list", &verb_db_ls },
	{ "db", "switch", &verb_db_switch },
	{ "db", "reset", &verb_db_reset },
	{ "db", "rm", &verb_db_rm },
	{ "db", "remove", &verb_db_rm },
	{ "db", "prune", &verb_db_prune },
	{ "db", "url", &verb_db_url },
	{ "db", "create", &verb_db_create },
	{ "db", "import", &verb_db_import },
	{ "db", "snapshot", &verb_db_snapshot },
	{ "db", "replica", &verb_db_replica },
	{ "db", "rename", &verb_db_rename },
	{ "db", "protect", &verb_db_protect },
	{ "db", "diff-size", &verb_db_diff_size },
	{ "db", "sleep", &verb_db_sleep },
	{ "db", "stop", &verb_db_stop },
	{ "db", "hosts", &verb_db_hosts },
	{ "db", "cache", &verb_db_cache },
	{ "db", "hook", &verb_db_hook },

	{ "image", "build", &verb_build },
	{ "image", "history", &verb_history },
	{ "image", "import", &verb_import },
	{ "image", "inspect", &verb_image_inspect },
	{ "image", "load", &verb_load },
	{ "image", "ls", &verb_images },
	{ "image", "list", &verb_images },
	{ "image", "prune", &verb_image_prune },
	{ "image", "pull", &verb_pull },
	{ "image", "push", &verb_push },
	{ "image", "rm", &verb_rmi },
	{ "image", "remove", &verb_rmi },
	{ "image", "save", &verb_save },
	{ "image", "tag", &verb_tag },

	{ "manifest", "inspect", &verb_manifest_inspect },

	{ "network", "connect", &verb_network_connect },
	{ "network", "create", &verb_network_create },
	{ "network", "disconnect", &verb_network_disconnect },
	{ "network", "inspect", &verb_network_inspect },
	{ "network", "ls", &verb_network_ls },
	{ "network", "list", &verb_network_ls },
	{ "network", "prune", &verb_network_prune },
	{ "network", "rm", &verb_network_rm },
	{ "network", "remove", &verb_network_rm },

	{ "system", "df", &verb_system_df },
	{ "system", "events", &verb_events },
	{ "system", "info", &verb_info },
	{ "system", "prune", &verb_prune },
	{ "system", "service", &verb_system_service },

	{ "snapshot", "create", &verb_snapshot_create },
	{ "snapshot", "diff-size", &verb_snapshot_diff },
	{ "snapshot", "ls", &verb_snapshot_ls },
	{ "snapshot", "restore", &verb_snapshot_restore },
	{ "snapshot", "rm", &verb_snapshot_rm },

	{ "volume", "create", &verb_volume_create },
	{ "volume", "fork", &verb_volume_fork },
	{ "volume", "inspect", &verb_volume_inspect },
	{ "volume", "ls", &verb_volume_ls },
	{ "volume", "list", &verb_volume_ls },
	{ "volume", "prune", &verb_volume_prune },
	{ "volume", "rm", &verb_volume_rm },
	{ "volume", "remove", &verb_volume_rm },
	{ "volume", "snapshot", &verb_snapshot_create },
};

static const struct {
	const char *name, *summary;
	const struct opt *opts; /* between the group's name and the verb's, or NULL */
} groups[] = {
	{ "builder", "Manage builds", NULL },
	{ "buildx", "Docker's other name for builds", NULL },
	{ "compose", "Define and run multi-container applications", compose_opts },
	{ "container", "Manage containers", NULL },
	{ "context", "Tell which engine is used: always this one", NULL },
	{ "db", "Manage databases that follow git's branches", NULL },
	{ "image", "Manage images", NULL },
	{ "manifest", "Look at the manifests of images", NULL },
	{ "network", "Manage networks", NULL },
	{ "system", "Manage devbox", NULL },
	{ "snapshot", "Manage snapshots of volumes", NULL },
	{ "volume", "Manage volumes", NULL },
};

static const char *program = "devbox";

const char *prog(void)
{
	return program;
}

bool prog_is_docker(void)
{
	return !strcmp(program, "docker");
}

/* Called as docker-compose: everything is a verb of this group. */
static const char compose_program[] = "docker-compose", compose_group[] = "compose";

static void set_prog(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL, *name = slash ? slash + 1 : argv0;

	if (name && !strcmp(name, "docker"))
		program = "docker";
	if (name && !strcmp(name, compose_program))
		program = compose_program;
}

/* GROUP as it stands on the command line: "" where the program's name says it. */
static const char *shown_group(const char *group)
{
	return program == compose_program ? "" : group;
}

/* --- help ------------------------------------------------------------------------------------- */

/* "devbox stop" for a verb's entry. */
static void add_path(const struct entry *en, struct str *out)
{
	const char *group = shown_group(en->group);

	str_addf(out, "%s %s%s%s", program, group, *group ? " " : "", en->name);
}

static void add_usage(const struct verb *v, const char *path, struct str *out)
{
	str_addf(out, "Usage:  %s", path);
	if (v->opts && v->opts->name)
		str_add(out, " [OPTIONS]");
	if (*v->args)
		str_addf(out, " %s", v->args);
	str_add(out, "\n");
}

static void add_aliases(const struct verb *v, struct str *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		n += entries[i].verb == v;
	if (n < 2)
		return;
	str_add(out, "Aliases:\n  ");
	for (size_t i = 0, k = 0; i < ARRAY_LEN(entries); i++)
		if (entries[i].verb == v) {
			str_add(out, k++ ? ", " : "");
			add_path(&entries[i], out);
		}
	str_add(out, "\n\n");
}

static void verb_help(const struct verb *v, const char *path)
{
	_cleanup_str_ struct str s = { 0 };

	add_usage(v, path, &s);
	str_addf(&s, "\n%s\n\n", v->summary);
	add_aliases(v, &s);
	opt_help(v->opts, &s);
	if (v->more)
		str_addf(&s, "%s%s\n", v->opts ? "\n" : "", v->more);
	fputs(s.s, stdout);
}

/* All verbs of GROUP, one a line; further names of the same verb are left out. */
static void add_list(const char *group, struct str *out)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		const struct entry *en = &entries[i];

		if (strcmp(en->group, group) || (i && entries[i - 1].verb == en->verb))
			continue;
		str_addf(out, "  %-11s %s\n", en->name, en->verb->summary);
	}
}

static void group_help(size_t g)
{
	_cleanup_str_ struct str s = { 0 };
	const char *group = shown_group(groups[g].name), *gap = *group ? " " : "";

	str_addf(&s, "Usage:  %s%s%s %sCOMMAND\n\n%s\n\n", program, gap, group,
		 groups[g].opts ? "[OPTIONS] " : "", groups[g].summary);
	if (groups[g].opts)
		opt_help(groups[g].opts, &s);
	str_addf(&s, "%sCommands:\n", groups[g].opts ? "\n" : "");
	add_list(groups[g].name, &s);
	str_addf(&s, "\nRun '%s%s%s COMMAND --help' for more information on a command.\n", program,
		 gap, group);
	fputs(s.s, stdout);
}

static void help(void)
{
	_cleanup_str_ struct str s = { 0 };

	str_addf(&s, "Usage:  %s [OPTIONS] COMMAND\n\nContainers for development: no daemon, no root, one file\n\n",
		 program);
	str_add(&s, "Commands:\n");
	add_list("", &s);
	str_add(&s, "\nManagement Commands:\n");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		str_addf(&s, "  %-11s %s\n", groups[i].name, groups[i].summary);
	str_add(&s, "\nOptions:\n"
		    "      --help      Show this list\n"
		    "  -v, --version   Print version information and quit\n");
	str_addf(&s, "\nRun '%s COMMAND --help' for more information on a command.\n", program);
	fputs(s.s, stdout);
}

/* The README's list of verbs. */
static void help_markdown(void)
{
	puts("| verb | what it does |\n|---|---|");
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		if (!*entries[i].group)
			printf("| `devbox %s` | %s |\n", entries[i].name, entries[i].verb->summary);
	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		const char *sep = "";

		printf("| `devbox %s` ", groups[g].name);
		for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
			if (strcmp(entries[i].group, groups[g].name) ||
			    entries[i - 1].verb == entries[i].verb)
				continue;
			printf("%s`%s`", sep, entries[i].name);
			sep = " ";
		}
		printf(" | %s |\n", groups[g].summary);
	}
}

/* --- finding and running ---------------------------------------------------------------------- */

static const struct entry *find_entry(const char *group, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		if (!strcmp(entries[i].group, group) && !strcmp(entries[i].name, name))
			return &entries[i];
	return NULL;
}

static size_t find_group(const char *name)
{
	size_t g = 0;

	while (g < ARRAY_LEN(groups) && strcmp(groups[g].name, name))
		g++;
	return g;
}

static const char *nearest_verb(const char *group, const char *name)
{
	const char *names[ARRAY_LEN(entries) + ARRAY_LEN(groups) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		if (!strcmp(entries[i].group, group))
			names[n++] = entries[i].name;
	for (size_t g = 0; g < ARRAY_LEN(groups) && !*group; g++)
		names[n++] = groups[g].name;
	names[n] = NULL;
	return str_nearest(name, names);
}

static int unknown_verb(const char *group, const char *name)
{
	const char *why = *group ? NULL : foreign_verb(name);
	const char *near = why ? NULL : nearest_verb(group, name), *gap;

	group = shown_group(group);
	gap = *group ? " " : "";
	fprintf(stderr, "%s: '%s%s%s' is not a %s command.\n", program, group, gap, name, program);
	if (why)
		fprintf(stderr, "It is not supported: %s.\n", why);
	if (near)
		fprintf(stderr, "Did you mean '%s %s%s%s'?\n", program, group, gap, near);
	fprintf(stderr, "See '%s%s%s --help'\n", program, *group ? " " : "", group);
	return STATUS_USAGE;
}

/* Does EN belong to compose?  `devbox up` does, too. */
static bool of_compose(const struct entry *en)
{
	return !strcmp(en->group, compose_group) || en->verb == &verb_compose_up ||
	       en->verb == &verb_compose_down;
}

static int flag_error(struct err *e, const char *path, int status)
{
	_cleanup_free_ char *line = err_line(e);

	fprintf(stderr, "%s\nSee '%s --help'.\n", line, path);
	err_free(e);
	return status;
}

static int arity_error(const struct verb *v, const char *path)
{
	_cleanup_str_ struct str s = { 0 };
	const char *plural = v->min_args == 1 ? "" : "s";

	str_addf(&s, "\"%s\" ", path);
	if (v->max_args == 0)
		str_add(&s, "accepts no arguments");
	else if (v->min_args == v->max_args)
		str_addf(&s, "requires exactly %d argument%s", v->min_args, plural);
	else if (v->max_args < 0)
		str_addf(&s, "requires at least %d argument%s", v->min_args, plural);
	else if (v->min_args == 0)
		str_addf(&s, "requires at most %d argument%s", v->max_args, v->max_args == 1 ? "" : "s");
	else
		str_addf(&s, "requires at least %d and at most %d arguments", v->min_args, v->max_args);
	str_addf(&s, ".\nSee '%s --help'.\n\n", path);
	add_usage(v, path, &s);
	str_addf(&s, "\n%s\n", v->summary);
	fputs(s.s, stderr);
	return STATUS_USAGE;
}

/* ARGV: what stands behind the verb's name. */
static struct err *run_verb(const struct entry *en, int argc, char **argv, int *ret_status)
{
	const struct verb *v = en->verb;
	_cleanup_str_ struct str path = { 0 };
	struct call c = { .verb = v };
	struct opt_result words;
	enum opt_grammar grammar = v->grammar;
	_cleanup_free_ struct opt *opts = NULL;
	struct err *e;

	if (grammar == OPT_AFTER_OPERAND && prog_is_docker())
		grammar = OPT_FIRST;
	add_path(en, &path);
	opts = foreign_opts(v);
	e = opt_parse(opts, grammar, argc, argv, &words);
	if (e) {
		*ret_status =
			flag_error(e, path.s, of_compose(en) ? STATUS_COMPOSE_FAILED : STATUS_FLAG);
		return NULL;
	}
	*ret_status = 0;
	if (words.help) {
		verb_help(v, path.s);
		return NULL;
	}
	if (words.argc < v->min_args || (v->max_args >= 0 && words.argc > v->max_args)) {
		*ret_status = arity_error(v, path.s);
		return NULL;
	}
	c.path = path.s;
	e = v->run(&c, words.argc, argv);
	*ret_status = !e ? c.status : v->runs ? STATUS_RUN_FAILED : STATUS_FAILED;
	if (e && of_compose(en) && v != &verb_compose_exec)
		e->status = STATUS_COMPOSE_FAILED;
	return e;
}

/* `devbox help [VERB...]`, `devbox --help`. */
static int run_help(int argc, char **argv)
{
	const struct entry *en;
	size_t g;

	if (argc == 0) {
		help();
		return 0;
	}
	if (!strcmp(argv[0], "--markdown")) {
		help_markdown();
		return 0;
	}
	g = find_group(argv[0]);
	if (g < ARRAY_LEN(groups) && argc == 1) {
		group_help(g);
		return 0;
	}
	en = g < ARRAY_LEN(groups) ? find_entry(argv[0], argv[1]) : find_entry("", argv[0]);
	if (!en)
		return unknown_verb(g < ARRAY_LEN(groups) ? argv[0] : "", argv[g < ARRAY_LEN(groups)]);
	{
		_cleanup_str_ struct str path = { 0 };

		add_path(en, &path);
		verb_help(en->verb, path.s);
	}
	return 0;
}

/* Verbs that put a process of ours into a container. */
static bool enters_container(const struct entry *en)
{
	const struct verb *v = en->verb;

	return !strcmp(en->group, "db") || v == &verb_resume || v == &verb_run ||
	       v == &verb_start || v == &verb_restart || v == &verb_exec ||
	       v == &verb_compose_exec || v == &verb_compose_restart || v == &verb_compose_run ||
	       v == &verb_compose_scale || v == &verb_compose_start || v == &verb_compose_up;
}

/* WORDS: what stands behind the group's name in ARGV. */
static struct err *run_group(size_t g, int n, char **words, char **argv, int *ret_status)
{
	const char *group = groups[g].name;
	const struct entry *en;

	if (groups[g].opts && n > 0) {
		struct opt_result res;
		struct err *e = opt_parse(groups[g].opts, OPT_FIRST, n, words, &res);

		if (e) {
			*ret_status = flag_error(e, program,
						 strcmp(group, compose_group) ? STATUS_FLAG
									      : STATUS_COMPOSE_FAILED);
			return NULL;
		}
		n = res.help ? 0 : res.argc;
		if (compose_opt_version && !res.help)
			return run_verb(find_entry(compose_group, "version"), 0, words, ret_status);
	}
	if (n < 1 || !strcmp(words[0], "--help") || !strcmp(words[0], "-h") ||
	    (!strcmp(words[0], "help") && n == 1)) {
		group_help(g);
		return NULL;
	}
	en = find_entry(group, words[0]);
	if (!en) {
		*ret_status = unknown_verb(group, words[0]);
		return NULL;
	}
	if (enters_container(en))
		shield_self(argv);
	return run_verb(en, n - 1, words + 1, ret_status);
}

struct err *verbs_run(int argc, char **argv, int *ret_status)
{
	const struct entry *en;
	size_t g;

	set_prog(argc > 0 ? argv[0] : NULL);
	*ret_status = 0;
	if (program == compose_program)
		return run_group(find_group(compose_group), argc - 1, argv + 1, argv, ret_status);
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help();
		return NULL;
	}
	if (!strcmp(argv[1], "help")) {
		*ret_status = run_help(argc - 2, argv + 2);
		return NULL;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v")) {
		static char word[] = "--short", *words[] = { word, NULL };

		return run_verb(find_entry("", "version"), 1, words, ret_status);
	}
	if (argv[1][0] == '-' && strcmp(argv[1], "--") != 0) {
		_cleanup_free_ struct opt *opts = foreign_global_opts();
		struct opt_result words;
		struct err *e = opt_parse(opts, OPT_FIRST, argc - 1, argv + 1, &words);

		if (e) {
			*ret_status = flag_error(e, program, STATUS_FLAG);
			return NULL;
		}
		argc = 1 + words.argc;
		if (words.help || argc == 1) {
			help();
			return NULL;
		}
	}
	g = find_group(argv[1]);
	if (g < ARRAY_LEN(groups))
		return run_group(g, argc - 2, argv + 2, argv, ret_status);
	en = find_entry("", argv[1]);
	if (!en) {
		*ret_status = unknown_verb("", argv[1]);
		return NULL;
	}
	if (enters_container(en))
		shield_self(argv);
	return run_verb(en, argc - 2, argv + 2, ret_status);
}
