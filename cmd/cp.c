/* cmd/cp.c -- devbox cp CONTAINER:SRC DEST|-,  devbox cp SRC|- CONTAINER:DEST
 *
 * How it works: two processes and a pipe with a tar stream between them.  One is inside the container's root
 * (core/box/inside.h), the other works on the host's files, or is the other end of our own standard input or
 * output. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cmd/pathtar.h"
#include "cmd/ui/human.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/inside.h"
#include "core/box/tarin.h"

static bool opt_archive, opt_follow, opt_quiet;

const struct opt cp_opts[] = {
	{ 'a', "archive", NULL, "Archive mode (copy all uid/gid information)", OPT_BOOL,
	  &opt_archive, NULL },
	{ 'L', "follow-link", NULL, "Always follow symbol link in SRC_PATH", OPT_BOOL, &opt_follow, NULL },
	{ 'q', "quiet", NULL, "Suppress progress output during copy (default when no terminal is attached)",
	  OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

/* One copy, seen by both processes. */
struct copy {
	struct box *b;
	const char *src, *dest; /* "-": a stream */
	int in, out; /* of the pipe, or of the stream */
	uint64_t *bytes; /* shared */
};

/* --- one side packs ----------------------------------------------------------------------------- */

/* ROOT: the container's, or -1 for the host.  IDS: see struct tarout. */
static struct err *pack(struct copy *c, int root, const struct userns_ids *ids)
{
	const struct pathtar p = {
		.root = root, .path = c->src, .follow = opt_follow, .container = c->b->spec.name
	};
	struct tarout t = { .fd = c->out, .ids = ids };
	struct err *e = pathtar_write(&p, &t);

	*c->bytes = t.bytes;
	tarout_done(&t);
	return e;
}

/* --- the other unpacks -------------------------------------------------------------------------- */

static struct err *unpack(struct copy *c, int root, enum tarin_owner owner)
{
	bool stream = str_eq(c->src, "-");
	struct tarin t = {
		.fd = c->in,
		.root = root,
		.dest = c->dest,
		.copy = !stream,
		.contents = str_ends(c->src, "/.") || str_eq(c->src, "."),
		.owner = owner,
		.ids = &c->b->ids,
	};
	struct err *e;

	e = tarin_unpack(&t);
	*c->bytes = t.bytes;
	return e;
}

static struct err *pack_inside(int root, void *arg, UNUSED struct str *result)
{
	struct copy *c = arg;

	if (c->in >= 0)
		close(TAKE_FD(c->in)); /* or we would not see that the reader is gone */
	return pack(c, root, NULL);
}

static struct err *unpack_inside(int root, void *arg, UNUSED struct str *result)
{
	struct copy *c = arg;
	bool keep = opt_archive || str_eq(c->src, "-");

	if (c->out >= 0)
		close(TAKE_FD(c->out)); /* or the stream would never end */
	return unpack(c, root, keep ? TARIN_KEEP : TARIN_OWN);
}

/* On the host a path may lead anywhere its owner may go; "/" is the root of the resolution. */
static struct err *unpack_on_host(struct copy *c, enum tarin_owner owner)
{
	_cleanup_close_ int root = -1;
	_cleanup_free_ char *cwd = NULL, *full = NULL;
	struct err *e;

	if (*c->dest != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_new(errno, "finding the working directory");
		full = xasprintf("%s/%s", cwd, c->dest);
		c->dest = full;
	}
	e = fd_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, &root);
	return e ?: unpack(c, root, owner);
}

static struct err *unpack_mapped(void *arg, UNUSED struct str *result)
{
	return unpack_on_host(arg, TARIN_KEEP);
}

static struct err *pack_mapped(void *arg, UNUSED struct str *result)
{
	return pack(arg, -1, NULL);
}

/* With -a the user's side works with all the user's ids: it may read what belongs to the subordinate ones. */
static struct err *host_side(struct copy *c, bool unpacks)
{
	const struct userns_ids *ids = &c->b->ids;

	if (!unpacks && opt_archive && !ids->direct)
		return userns_call(ids, pack_mapped, c, NULL);
	if (!unpacks)
		return pack(c, -1, ids);
	umask(022);
	if (!opt_archive)
		return unpack_on_host(c, TARIN_OWN);
	if (ids->direct)
		return unpack_on_host(c, TARIN_OUTSIDE);
	return userns_call(ids, unpack_mapped, c, NULL);
}

/* --- both --------------------------------------------------------------------------------------- */

static struct err *both_sides(struct copy *c, bool from_container)
{
	_cleanup_close_ int error_in = -1;
	int fds[2], errs[2], status;
	char buf[ERR_WIRE_MAX];
	struct err *e, *host, *packer, *unpacker;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	c->in = fds[0];
	c->out = fds[1];
	error_in = errs[0];
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking");
	if (pid == 0) {
		close(from_container ? c->out : c->in);
		e = host_side(c, from_container);
		if (e)
			err_send(errs[1], e);
		_exit(0);
	}
	close(errs[1]);
	close(from_container ? TAKE_FD(c->in) : TAKE_FD(c->out));
	e = box_inside(c->b, INSIDE_MOUNTS, from_container ? pack_inside : unpack_inside, c, NULL);
	close(from_container ? c->out : c->in);
	do
		n = read(error_in, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	err_free(proc_wait_pid(pid, &status));
	host = n > 0 ? err_recv(buf, (size_t)n) : NULL;
	/* who packs knows why there is nothing; but not why nobody reads any more */
	packer = from_container ? e : host;
	unpacker = from_container ? host : e;
	if (packer && (!unpacker || !err_is(packer, EPIPE))) {
		err_free(unpacker);
		return packer;
	}
	err_free(packer);
	return unpacker;
}

/* "container:path" -> both; a path of the host otherwise. */
static const char *split_arg(const char *arg, char **ret_container)
{
	const char *colon = strchr(arg, ':');

	*ret_container = NULL;
	if (*arg == '/' || *arg == '.' || !colon)
		return arg;
	*ret_container = xstrndup(arg, (size_t)(colon - arg));
	return colon + 1;
}

static struct err *copy(struct copy *c, bool from_container)
{
	if (str_eq(c->dest, "-") && from_container) {
		c->out = STDOUT_FILENO;
		if (isatty(STDOUT_FILENO))
			return err_new(0, "refusing to write a tar stream to the terminal");
		return box_inside(c->b, INSIDE_MOUNTS, pack_inside, c, NULL);
	}
	if (str_eq(c->src, "-") && !from_container) {
		c->in = STDIN_FILENO;
		return box_inside(c->b, INSIDE_MOUNTS, unpack_inside, c, NULL);
	}
	return both_sides(c, from_container);
}

static struct err *cp(UNUSED struct call *call, UNUSED int argc, char **argv)
{
	_cleanup_free_ char *from = NULL, *to = NULL, *rooted = NULL;
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct copy c = { .in = -1, .out = -1 };
	const char **inside;
	struct err *e;

	c.src = split_arg(argv[0], &from);
	c.dest = split_arg(argv[1], &to);
	if (from && to)
		return err_new(0, "copying between containers is not supported");
	if (!from && !to)
		return err_new(0, "must specify at least one container source");
	if (!*c.src || !*c.dest)
		return err_new(0, "%s can not be empty", *c.src ? "destination" : "source");
	inside = from ? &c.src : &c.dest;
	if (**inside != '/') /* relative to the container's root, as Docker has it */
		*inside = rooted = xasprintf("/%s", *inside);
	e = store_open(&st);
	e = e ?: box_find(st, from ?: to, &b);
	if (e)
		return e;
	c.b = b;
	c.bytes = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (c.bytes == MAP_FAILED)
		return err_new(errno, "sharing a counter");
	signal(SIGPIPE, SIG_IGN);
	e = copy(&c, from != NULL);
	if (!e && !opt_quiet && isatty(STDERR_FILENO) && !str_eq(c.dest, "-")) {
		_cleanup_str_ struct str size = { 0 };

		human_size(*c.bytes, true, &size);
		fprintf(stderr, "Successfully copied %s to %s\n", size.s, argv[1]);
	}
	return e;
}

const struct verb verb_cp = {
	.name = "cp",
	.args = "CONTAINER:SRC_PATH DEST_PATH|-  or  SRC_PATH|- CONTAINER:DEST_PATH",
	.min_args = 2,
	.max_args = 2,
	.opts = cp_opts,
	.summary = "Copy files/folders between a container and the local filesystem",
	.more = "Use '-' as the source to read a tar archive from stdin and extract it to a directory\n"
		"destination in a container, and as the destination to stream a tar archive of a\n"
		"container source to stdout.  Files belong to the container's root, or to you, unless -a\n"
		"keeps their owners (ids that are not mapped become root's).",
	.run = cp,
};
