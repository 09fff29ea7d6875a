/* cmd/context.c -- devbox context ls, show, use, inspect: Docker's scripts ask which engine they talk to.  There is one
 * context, and no socket behind it. */
#include <stdio.h>

#include "cmd/list.h"
#include "cmd/verb.h"

#define NAME "default"
#define ABOUT "No daemon: containers of this user"

static const char *opt_format;
static bool opt_quiet;

static const struct opt ls_opts[] = {
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'q', "quiet", NULL, "Only show context names", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Name", "NAME" },
	{ "Description", "DESCRIPTION" },
	{ "DockerEndpoint", "DOCKER ENDPOINT" },
	{ "Error", "ERROR" },
	{ "Current", "CURRENT" },
	{ NULL, NULL },
};

static struct err *only_default(const char *name)
{
	return strcmp(name, NAME)
		       ? err_new(0, "context \"%s\": context not found: there is only \"" NAME "\"", name)
		       : NULL;
}

static struct err *ls(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_list_ struct list l = { 0 };
	struct err *e =
		list_open(&l, opt_quiet ? "{{.Name}}" : opt_format,
			  "{{.Name}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}", columns);

	if (e)
		return e;
	list_row(&l);
	list_put(&l, "Name", NAME);
	list_put(&l, "Description", ABOUT);
	list_put(&l, "DockerEndpoint", "");
	list_put(&l, "Error", "");
	list_put(&l, "Current", "true");
	e = list_end_row(&l);
	if (!e)
		list_close(&l);
	return e;
}

static struct err *show(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	puts(NAME);
	return NULL;
}

static struct err *use(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	struct err *e = only_default(argv[0]);

	if (!e)
		puts(NAME);
	return e;
}

static const struct opt inspect_opts[] = {
	{ 'f', "format", "string", "Format output using a custom template: 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0 },
};

static struct err *inspect(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_free_ char *text = NULL;
	struct err *e = argc ? only_default(argv[0]) : NULL;
	struct json_out o;
	size_t len;

	if (e)
		return e;
	json_out_init(&o, !opt_format);
	if (!opt_format)
		json_open(&o, NULL, '[');
	json_open(&o, NULL, '{');
	json_put_str(&o, "Name", NAME);
	json_open(&o, "Metadata", '{');
	json_put_str(&o, "Description", ABOUT);
	json_close(&o, '}');
	json_open(&o, "Endpoints", '{');
	json_open(&o, "docker", '{');
	json_put_str(&o, "Host", "");
	json_put_bool(&o, "SkipTLSVerify", false);
	json_close(&o, '}');
	json_close(&o, '}');
	json_close(&o, '}');
	if (!opt_format)
		json_close(&o, ']');
	text = json_out_take(&o, &len);
	if (opt_format)
		return print_formatted(opt_format, text, len);
	fputs(text, stdout);
	return NULL;
}

const struct verb verb_context_ls = {
	.name = "ls", .args = "", .opts = ls_opts, .summary = "List contexts", .run = ls
};
const struct verb verb_context_show = {
	.name = "show", .args = "", .summary = "Print the name of the current context", .run = show
};
const struct verb verb_context_use = {
	.name = "use",
	.args = "CONTEXT",
	.min_args = 1,
	.max_args = 1,
	.summary = "Set the current docker context",
	.run = use,
};
const struct verb verb_context_inspect = {
	.name = "inspect",
	.args = "[CONTEXT]",
	.max_args = 1,
	.opts = inspect_opts,
	.summary = "Display detailed information on the context",
	.run = inspect,
};
