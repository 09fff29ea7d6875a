#include "registry/cred_helper.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"
#include "registry/docker_config.h"

enum {
	HELPER_MAX_BYTES = 1 << 20, /* of an answer */
	INPUT_MAX = 4096, /* what fits into any pipe */
};

#define TOKEN_USER "<token>" /* the helpers' name for the owner of an identity token */

/* docker-credential-X VERB: INPUT on its standard input, JSON or a sentence on its output. */
static struct err *run_helper(const char *prog, const char *verb, const char *input,
			      char **ret_text, size_t *ret_len, int *ret_status)
{
	char *argv[] = { (char *)(uintptr_t)prog, (char *)(uintptr_t)verb, NULL };
	_cleanup_close_ int to_read = -1, to_write = -1, from_read = -1, from_write = -1;
	posix_spawn_file_actions_t fa;
	int to[2], from[2], rc;
	struct err *e;
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	to_read = to[0];
	to_write = to[1];
	if (pipe2(from, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	from_read = from[0];
	from_write = from[1];
	/* before the start: not more than a pipe holds, and no SIGPIPE if the helper does not care */
	e = fd_write_all(to_write, prog, input, strlen(input));
	if (e)
		return e;
	close(TAKE_FD(to_write));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, to_read, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&fa, from_write, STDOUT_FILENO);
	rc = posix_spawnp(&pid, prog, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (rc)
		return err_hint(err_new(rc, "starting %s", prog),
				"config.json of docker names it; install it or remove the entry");
	close(TAKE_FD(to_read));
	close(TAKE_FD(from_write));
	e = fd_read_all(from_read, prog, HELPER_MAX_BYTES, ret_text, ret_len);
	return err_also(e, proc_wait_pid(pid, ret_status));
}

static struct err *failed(const char *prog, int status, char *said)
{
	said[strcspn(said, "\r\n")] = '\0';
	return err_new(0, "%s failed with status %d: %s", prog, status,
		       *said ? said : "no reason given");
}

struct err *cred_helper_get(const char *helper, const char *server, struct auth_creds *ret)
{
	_cleanup_free_ char *prog = xasprintf("docker-credential-%s", helper), *text = NULL;
	size_t len = 0;
	int status;
	struct err *e;

	e = run_helper(prog, "get", server, &text, &len, &status);
	if (e)
		return e;
	if (status == 0)
		return err_wrap(docker_helper_parse(text, len, ret), "%s", prog);
	if (strstr(text, "not found") || strstr(text, "no credentials"))
		return NULL; /* its way to say: anonymous */
	return failed(prog, status, text);
}

struct err *cred_helper_store(const char *helper, const char *server, const struct auth_creds *creds)
{
	_cleanup_free_ char *prog = xasprintf("docker-credential-%s", helper), *text = NULL,
			    *input = NULL;
	struct json_out o;
	size_t len = 0;
	int status;
	struct err *e;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "ServerURL", server);
	json_put_str(&o, "Username", creds->identity_token ? TOKEN_USER : creds->user ?: "");
	json_put_str(&o, "Secret", creds->identity_token ?: creds->password ?: "");
	json_close(&o, '}');
	input = json_out_take(&o, NULL);
	if (strlen(input) > INPUT_MAX)
		e = err_new(0, "the credentials for %s are too long", server);
	else
		e = run_helper(prog, "store", input, &text, &len, &status);
	explicit_bzero(input, strlen(input));
	if (!e && status)
		e = failed(prog, status, text);
	return e;
}

struct err *cred_helper_erase(const char *helper, const char *server)
{
	_cleanup_free_ char *prog = xasprintf("docker-credential-%s", helper), *text = NULL;
	size_t len = 0;
	int status;
	struct err *e = run_helper(prog, "erase", server, &text, &len, &status);

	if (!e && status && !strstr(text, "not found") && !strstr(text, "no credentials"))
		e = failed(prog, status, text);
	return e;
}
