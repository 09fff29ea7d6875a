/* cmd/exec.c -- devbox exec [OPTIONS] CONTAINER COMMAND [ARG...] */
#include <fcntl.h>

#include "cmd/envfile.h"
#include "cmd/verb.h"
#include "core/base/fd.h"

static struct exec_request req;
static struct strv opt_env_files, opt_env;
static const char *opt_detach_keys;

static struct err *set_env(const char *value, UNUSED void *to)
{
	return env_add(value, &opt_env);
}

static const struct opt opts[] = {
	{ 'd', "detach", NULL, "Detached mode: run command in the background", OPT_BOOL,
	  &req.detach, NULL },
	{ 0, "detach-keys", "string", "Override the key sequence for detaching a container",
	  OPT_CALL, &opt_detach_keys, set_detach_keys },
	{ 'e', "env", NULL, "Set environment variables", OPT_CALL, NULL, set_env },
	{ 0, "env-file", NULL, "Read in a file of environment variables", OPT_LIST, &opt_env_files, NULL },
	{ 'i', "interactive", NULL, "Keep STDIN open even if not attached", OPT_BOOL,
	  &req.open_stdin, NULL },
	{ 0, "privileged", NULL,
	  "Give all capabilities inside the container's user namespace to the command", OPT_BOOL,
	  &req.privileged, NULL },
	{ 't', "tty", NULL, "Allocate a pseudo-TTY", OPT_BOOL, &req.tty, NULL },
	{ 'u', "user", NULL, "Username or UID (format: \"<name|uid>[:<group|gid>]\")", OPT_STR,
	  &req.user, NULL },
	{ 'w', "workdir", NULL, "Working directory inside the container", OPT_STR, &req.workdir, NULL },
	{ 0 },
};

static struct err *read_env(void)
{
	enum { ENV_FILE_MAX = 1 << 20 };
	struct err *e = NULL;

	for (size_t i = 0; !e && i < opt_env_files.n; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, opt_env_files.v[i], ENV_FILE_MAX, &text, &len);
		e = e ?: env_file_parse(text, len, opt_env_files.v[i], &req.env);
	}
	strv_copy(&req.env, &opt_env);
	return e;
}

static struct err *exec(struct call *c, int argc, char **argv)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e;

	for (int i = 1; i < argc; i++)
		strv_add(&req.argv, argv[i]);
	e = read_env();
	if (!e && req.tty && req.open_stdin && !req.detach && !isatty(STDIN_FILENO))
		e = err_status(err_new(0, "the input device is not a TTY"), 1);
	e = e ?: store_open(&st);
	e = e ?: box_find(st, argv[0], &b);
	return e ?: box_exec(b, &req, stdio, opt_detach_keys, &c->status);
}

const struct verb verb_exec = {
	.name = "exec",
	.args = "CONTAINER COMMAND [ARG...]",
	.min_args = 2,
	.max_args = -1,
	.grammar = OPT_AFTER_OPERAND,
	.opts = opts,
	.summary = "Execute a command in a running container",
	.run = exec,
};
