/* cmd/service.c -- devbox system service [--time SECONDS] [unix://PATH] */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cmd/api/serve.h"
#include "cmd/verb.h"
#include "core/base/fd.h"

static unsigned opt_idle_s;
static int opt_connection = -1;

static const struct opt opts[] = {
	{ 't', "time", "seconds", "End after so many seconds without a connection (0: never)",
	  OPT_UINT, &opt_idle_s, NULL },
	{ 0, "connection", NULL, NULL, OPT_INT, &opt_connection, NULL }, /* of core/box/monitor_api.c */
	{ 0 },
};

/* Does somebody listen on A?  What a killed service has left behind is in nobody's way. */
static struct err *make_way(const struct sockaddr_un *a, const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(a->sun_path, &st) < 0)
		return NULL;
	if (!S_ISSOCK(st.st_mode))
		return err_new(0, "%s is there and is no socket", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno != ECONNREFUSED)
		return err_hint(err_new(0, "%s is being served already", path),
				"give another one: unix:///PATH");
	return unlink(a->sun_path) < 0 ? err_new(errno, "removing %s", path) : NULL;
}

/* *RET_DIR is what A's path goes through, to be kept open. */
static struct err *address(const char *where, struct sockaddr_un *a, char **ret_path, int *ret_dir)
{
	_cleanup_store_ struct store *st = NULL;
	const char *path = where ? str_after(where, "unix://") : NULL, *base;
	_cleanup_free_ char *dir = NULL;
	struct err *e;

	if (where && (!path || *path != '/'))
		return err_new(0, "%s: only unix:///PATH can be listened on", where);
	if (!where) {
		e = store_open(&st);
		if (e)
			return e;
		*ret_dir = fcntl(st->root, F_DUPFD_CLOEXEC, 0);
		*ret_path = xasprintf("%s/docker.sock", st->path);
		fd_sun(*ret_dir, "docker.sock", a);
		return NULL;
	}
	base = strrchr(path, '/');
	dir = xstrndup(path, base == path ? 1 : (size_t)(base - path));
	e = fd_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, ret_dir);
	if (!e && (!base[1] || strlen(base + 1) > 60))
		e = err_new(0, "%s is no name for a socket", path);
	if (e)
		return e;
	*ret_path = xstrdup(path);
	fd_sun(*ret_dir, base + 1, a);
	return NULL;
}

static struct sockaddr_un served;

static void on_end(int sig)
{
	unlink(served.sun_path);
	signal(sig, SIG_DFL);
	raise(sig);
}

static struct err *service(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_close_ int dir = -1, listener = -1;
	_cleanup_free_ char *path = NULL;
	struct err *e;

	if (opt_connection >= 0)
		return api_connection(opt_connection);
	e = address(argc ? argv[0] : NULL, &served, &path, &dir);
	e = e ?: make_way(&served, path);
	e = e ?: fd_listen(dir, strrchr(path, '/') + 1, path, &listener);
	if (e)
		return e;
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGHUP, on_end);
	fprintf(stderr, "%s: Docker's API is served; for its clients: export DOCKER_HOST=unix://%s\n",
		prog(), path);
	e = api_serve(listener, opt_idle_s);
	unlink(served.sun_path);
	return e;
}

const struct verb verb_system_service = {
	.name = "service",
	.args = "[unix://PATH]",
	.max_args = 1,
	.opts = opts,
	.summary = "Serve Docker's API for other programs",
	.more = "Without PATH, the socket is docker.sock in devbox's storage.  It is open to this user only,\n"
		"and whoever reaches it can do all that the user can.",
	.run = service,
};
