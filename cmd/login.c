/* cmd/login.c -- devbox login, logout: credentials for registries, kept where Docker keeps them */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>

#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "registry/docker_config.h"
#include "registry/image_ref.h"
#include "registry/login.h"

enum { SECRET_MAX = 64 << 10 };

static const char *opt_user, *opt_password;
static bool opt_stdin;

static const struct opt opts[] = {
	{ 'p', "password", "string", "Password or Personal Access Token (PAT)", OPT_STR,
	  &opt_password, NULL },
	{ 0, "password-stdin", NULL, "Take the Password or Personal Access Token (PAT) from stdin",
	  OPT_BOOL, &opt_stdin, NULL },
	{ 'u', "username", "string", "Username", OPT_STR, &opt_user, NULL },
	{ 0 },
};

/* One line of standard input, without its end. */
static struct err *read_line(char **ret)
{
	size_t cap = 0;
	char *line = NULL;
	ssize_t n = getline(&line, &cap, stdin);

	if (n < 0) {
		free(line);
		return err_new(0, "no answer");
	}
	line[strcspn(line, "\r\n")] = '\0';
	*ret = line;
	return NULL;
}

static struct err *ask_user(const char *known, char **ret)
{
	struct err *e;

	if (known)
		fprintf(stderr, "Username (%s): ", known);
	else
		fputs("Username: ", stderr);
	e = read_line(ret);
	if (!e && !**ret && known) {
		free(*ret);
		*ret = xstrdup(known);
	}
	if (!e && !**ret)
		e = err_new(0, "username is empty");
	return e;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	interrupted = sig;
}

/* Not shown as it is typed.  The terminal gets its echo back also when the user gives up. */
static struct err *ask_password(char **ret)
{
	struct sigaction act = { .sa_handler = on_interrupt }, old_act; /* read(2) is to end with EINTR */
	struct termios old, quiet;
	struct err *e;
	bool set;

	sigaction(SIGINT, &act, &old_act);
	set = tcgetattr(STDIN_FILENO, &old) == 0;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	set = set && tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
	fputs("Password: ", stderr); /* only now: what is typed at its sight is neither shown nor flushed */
	e = read_line(ret);
	if (set)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	sigaction(SIGINT, &old_act, NULL);
	if (interrupted)
		raise(SIGINT);
	if (!e && !**ret)
		e = err_new(0, "password required");
	return e;
}

static struct err *check_options(void)
{
	if (opt_password && opt_stdin)
		return err_new(0, "--password and --password-stdin are mutually exclusive");
	if (opt_stdin && !opt_user)
		return err_new(0, "Must provide --username with --password-stdin");
	if (opt_password && !*opt_password)
		return err_new(0, "password is empty");
	if (opt_user && !*opt_user)
		return err_new(0, "username is empty");
	return NULL;
}

/* The whole of standard input, but for the end of its last line. */
static struct err *password_from_stdin(char **ret)
{
	size_t len;
	struct err *e = fd_read_all(STDIN_FILENO, "standard input", SECRET_MAX, ret, &len);

	if (e)
		return e;
	while (len && ((*ret)[len - 1] == '\n' || (*ret)[len - 1] == '\r'))
		(*ret)[--len] = '\0';
	return len ? NULL : err_new(0, "password is empty");
}

/* What was not given is asked for.  KNOWN: what is kept so far. */
static struct err *gather(const struct auth_creds *known, struct auth_creds *ret)
{
	struct err *e = NULL;

	if (opt_stdin)
		e = password_from_stdin(&ret->password);
	else
		ret->password = xstrdup(opt_password);
	ret->user = xstrdup(opt_user);
	if (!e && (!ret->user || !ret->password) && !isatty(STDIN_FILENO))
		return err_hint(err_new(0, "Cannot perform an interactive login from a non TTY device"),
				"-u NAME --password-stdin reads the password");
	if (!e && !ret->user)
		e = ask_user(known->user, &ret->user);
	if (!e && !ret->password)
		e = ask_password(&ret->password);
	return e;
}

/* Nothing given, and something kept: perhaps that will do. */
static bool existing_do(const char *host, struct auth_creds *known)
{
	struct err *e;

	if (opt_user || opt_password || (!known->identity_token && !(known->user && known->password)))
		return false;
	puts("Authenticating with existing credentials...");
	e = login_check(host, known);
	if (!e)
		return true;
	fprintf(stderr, "Login did not succeed, error: %s\n", e->text);
	err_free(e); /* told; others are asked for */
	return false;
}

static struct err *login_new(const char *host, const struct auth_creds *known)
{
	struct auth_creds creds = { 0 };
	_cleanup_free_ char *plain = NULL;
	struct err *e = gather(known, &creds);

	e = e ?: login_check(host, &creds);
	e = e ?: login_save(host, &creds, &plain);
	auth_creds_done(&creds);
	if (!e && plain)
		fprintf(stderr,
			"WARNING! Your credentials are stored unencrypted in '%s'.\n"
			"Configure a credential helper to remove this warning. See\n"
			"https://docs.docker.com/go/credential-store/\n\n",
			plain);
	return e;
}

static struct err *login(UNUSED struct call *c, int argc, char **argv)
{
	struct auth_creds known = { 0 };
	_cleanup_free_ char *host = NULL, *password = NULL, *user = xstrdup(opt_user);
	struct err *e = check_options();

	e = e ?: login_host(argc ? argv[0] : NULL, &host);
	if (e)
		return e;
	if (opt_password)
		fputs("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n",
		      stderr);
	/* ps(1) shows everybody our arguments: they are copied, and wiped */
	password = xstrdup(opt_password);
	opt_password = password;
	opt_user = user;
	proc_title_set("%s login %s", prog(), host);
	e = login_load(host, &known);
	if (!e && !existing_do(host, &known))
		e = login_new(host, &known);
	auth_creds_done(&known);
	if (!e)
		puts("Login Succeeded");
	return err_wrap(e, "logging in to %s", host);
}

static struct err *logout(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_free_ char *host = NULL;
	bool found = false;
	struct err *e = login_host(argc ? argv[0] : NULL, &host);

	e = e ?: login_erase(host, &found);
	if (!e)
		printf("%s %s\n", found ? "Removing login credentials for" : "Not logged in to",
		       docker_config_server(host));
	return e;
}

const struct verb verb_login = {
	.name = "login",
	.args = "[SERVER]",
	.max_args = 1,
	.opts = opts,
	.summary = "Authenticate to a registry",
	.more = "Without SERVER it is Docker Hub.  Credentials are kept by the credential helper that\n"
		"~/.docker/config.json names, else in that file.",
	.run = login,
};
const struct verb verb_logout = {
	.name = "logout",
	.args = "[SERVER]",
	.max_args = 1,
	.summary = "Log out from a registry",
	.run = logout,
};
