/* cmd/with.c -- devbox with [OPTIONS] COMMAND [ARG...]
 *
 * How it works
 *
 *	devbox with --fork--> service: api_serve() on a socket of its own, in a session of its own
 *	            --fork--> COMMAND, with DOCKER_HOST
 *
 * The socket is in a staging directory of the store, tmp/with.<random>, which is locked for as long as we live.  The
 * service's environment has that name as DEVBOX_WITH: what is made through it gets it as the label LABEL_WITH
 * (api_mark()), and so does what is made through such a container's own socket: its monitor goes by the label.  When
 * COMMAND has ended, the service and its requests are ended, and what has the label is removed: containers, networks,
 * volumes; images stay.  What one that was killed has left is removed by the next: nobody holds its lock. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/un.h>

#include "cmd/api/serve.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/store/network.h"
#include "core/store/volume.h"

static bool opt_keep;

static const struct opt opts[] = {
	{ 0, "keep", NULL, "Leave what COMMAND has made through the socket", OPT_BOOL, &opt_keep, NULL },
	{ 0 },
};

/* --- what was made ---------------------------------------------------------------------------------------------- */

/* Does anybody hold the lock of tmp/LABEL? */
static bool is_over(struct store *st, const char *label)
{
	_cleanup_close_ int dir = -1;

	if (!str_starts(label, "with.") || strchr(label, '/'))
		return false; /* none of ours */
	dir = openat(st->tmp, label, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? errno == ENOENT : flock(dir, LOCK_EX | LOCK_NB) == 0;
}

/* MINE: the label of what was made by this one. */
static bool is_to_go(struct store *st, const struct strv *labels, const char *mine)
{
	const char *label = strv_env(labels, LABEL_WITH);

	return label && (str_eq(label, mine) || is_over(st, label));
}

static struct err *remove_boxes(struct store *st, const char *mine)
{
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		if (is_to_go(st, &boxes[i]->spec.labels, mine)) {
			struct err *one = box_rm(boxes[i], true, false);

			e = err_also(e, err_wrap(one, "removing container %s", boxes[i]->spec.name));
		}
		box_free(boxes[i]);
	}
	free(boxes);
	return e;
}

static struct err *remove_networks(struct store *st, const char *mine)
{
	struct network *nets = NULL;
	size_t n = 0;
	struct err *e = network_list(st, &nets, &n);

	for (size_t i = 0; i < n; i++) {
		if (is_to_go(st, &nets[i].labels, mine))
			e = err_also(e, err_wrap(network_remove(st, &nets[i]),
						 "removing network %s", nets[i].name));
		network_done(&nets[i]);
	}
	free(nets);
	return e;
}

static struct err *remove_volumes(struct store *st, const char *mine)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = volume_list(st, &names);

	for (size_t i = 0; i < names.n; i++) {
		_cleanup_strv_ struct strv labels = { 0 };

		volume_labels(st, names.v[i], &labels);
		if (is_to_go(st, &labels, mine) && !box_uses_volume(st, names.v[i]))
			e = err_also(e, err_wrap(volume_remove(st, names.v[i]),
						 "removing volume %s", names.v[i]));
	}
	return e;
}

static struct err *remove_made(struct store *st, const char *mine)
{
	struct err *e = remove_boxes(st, mine);

	e = err_also(e, remove_networks(st, mine));
	return err_also(e, remove_volumes(st, mine));
}

/* --- the service ------------------------------------------------------------------------------------------------ */

static struct err *start_service(int dir, const char *mark, pid_t *ret)
{
	_cleanup_close_ int listener = -1, null = -1;
	pid_t parent = getpid();
	struct err *e = fd_listen(dir, "docker.sock", "docker.sock", &listener);

	if (e)
		return e;
	*ret = fork();
	if (*ret < 0)
		return err_new(errno, "forking");
	if (*ret > 0)
		return NULL;
	setsid(); /* Ctrl-C is for COMMAND; and all of it can be ended at once */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	close(dir); /* the lock is not ours */
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO); /* so is what COMMAND reads */
	if (mark)
		setenv("DEVBOX_WITH", mark, 1);
	else
		unsetenv("DEVBOX_WITH");
	err_free(api_serve(listener, 0));
	_exit(1);
}

/* --- the command ------------------------------------------------------------------------------------------------ */

static pid_t command;

static void pass_on(int sig)
{
	kill(command, sig);
}

/* Its connections, its place, and for Testcontainers: where containers find the socket, where ports are published, and
 * that nobody need clean up behind it. */
static void set_environment(const char *path)
{
	_cleanup_free_ char *url = xasprintf("unix://%s", path);

	setenv("DOCKER_HOST", url, 1);
	unsetenv("DOCKER_CONTEXT");
	unsetenv("DOCKER_TLS_VERIFY");
	unsetenv("DOCKER_CERT_PATH");
	setenv("DOCKER_BUILDKIT", "0", 0); /* the builder that is sent a tar archive */
	setenv("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", path, 1);
	setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1", 0);
	if (!opt_keep)
		setenv("TESTCONTAINERS_RYUK_DISABLED", "true", 0);
}

static struct err *run_command(char **argv, const char *path, int *ret_status)
{
	char buf[ERR_WIRE_MAX];
	struct err *e = NULL;
	int failed[2];
	ssize_t n;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	command = fork();
	if (command == 0) {
		set_environment(path);
		execvp(argv[0], argv);
		e = err_status(err_new(errno, "executing %s", argv[0]), errno == ENOENT ? 127 : 126);
		err_send(failed[1], e);
		_exit(127);
	}
	close(failed[1]);
	if (command < 0) {
		close(failed[0]);
		return err_new(errno, "forking");
	}
	signal(SIGINT, SIG_IGN); /* the terminal sends them to COMMAND, too, which knows what to do */
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);
	do
		n = read(failed[0], buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	close(failed[0]);
	e = proc_wait_pid(command, ret_status);
	signal(SIGTERM, SIG_IGN); /* what follows must not be cut short */
	signal(SIGHUP, SIG_IGN);
	return n > 0 ? err_also(err_recv(buf, (size_t)n), e) : e;
}

static struct err *with(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *stage = NULL, *path = NULL;
	_cleanup_close_ int dir = -1;
	struct sockaddr_un longest;
	pid_t service = -1;
	struct err *e = store_open(&st);

	if (!e)
		err_free(remove_made(st, NULL)); /* best effort: what earlier ones have left */
	e = e ?: store_stage(st, "with", &stage, &dir);
	if (e)
		return e;
	path = xasprintf("%s/tmp/%s/docker.sock", st->path, stage);
	if (strlen(path) >= sizeof(longest.sun_path))
		e = err_hint(err_new(0, "%s is too long for a socket's path", path),
			     "have devbox's storage in a folder with a shorter name: XDG_DATA_HOME");
	e = e ?: start_service(dir, opt_keep ? NULL : stage, &service);
	e = e ?: run_command(argv, path, &c->status);
	if (service > 0) {
		kill(-service, SIGTERM); /* with its requests */
		proc_kill_and_reap(service);
	}
	if (!opt_keep)
		e = err_also(e, remove_made(st, stage));
	return err_also(e, store_rm_tree(st, st->tmp, stage));
}

const struct verb verb_with = {
	.name = "with",
	.args = "COMMAND [ARG...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_FIRST,
	.opts = opts,
	.runs = true,
	.summary = "Run a command of the host that uses Docker's API, and clean up behind it",
	.more = "While COMMAND runs, Docker's API is served on a socket of its own, and DOCKER_HOST names that.\n"
		"Containers, networks and volumes that were made through it are removed at the end; images stay.\n\n"
		"    devbox with -- pytest            # Testcontainers and docker-py find the API\n"
		"    devbox with -- docker compose up\n\n"
		"It ends as COMMAND does; 125 is devbox's own failure.",
	.run = with,
};
