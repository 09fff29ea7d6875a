/* cmd/build.c -- devbox build [OPTIONS] PATH | URL | - */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/images.h"
#include "cmd/pull.h"
#include "cmd/ui/buildview.h"
#include "cmd/ui/human.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/build/build.h"
#include "core/build/dockerfile.h"
#include "registry/image.h"
#include "slirp/resolv.h"

static struct build_request req;
static bool opt_quiet;
static bool opt_push;
static const char *opt_progress, *opt_network, *opt_metadata;
static struct strv opt_caches;

static struct err *add_host(const char *value, void *to)
{
	char *entry;
	struct err *e = hosts_check(value, &entry);

	if (!e)
		strv_take(to, entry);
	return e;
}

static struct err *set_shm(const char *value, void *to)
{
	uint64_t n;
	struct err *e = str_to_size(value, &n);

	if (!e)
		*(int64_t *)to = (int64_t)n;
	return e;
}

static struct err *add_stages(const char *value, void *to)
{
	for (const char *s = value; *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");

		strv_take(to, xstrndup(s, n));
		s += n;
	}
	return NULL;
}

static const struct opt opts[] = {
	{ 0, "add-host", "list", "Add a custom host-to-IP mapping (format: \"host:ip\")", OPT_CALL,
	  &req.add_hosts, add_host },
	{ 0, "build-arg", "stringArray", "Set build-time variables", OPT_LIST, &req.args, NULL },
	{ 0, "build-context", "stringArray", "Additional build contexts (e.g., name=path)",
	  OPT_LIST, &req.contexts, NULL },
	{ 0, "cache-from", NULL, NULL, OPT_LIST, &opt_caches, NULL },
	{ 0, "cache-to", NULL, NULL, OPT_LIST, &opt_caches, NULL },
	{ 'f', "file", "string", "Name of the Dockerfile (default: \"PATH/Dockerfile\")", OPT_STR,
	  &req.dockerfile, NULL },
	{ 0, "iidfile", "string", "Write the image ID to the file", OPT_STR, &req.iidfile, NULL },
	{ 0, "label", "stringArray", "Set metadata for an image", OPT_LIST, &req.labels, NULL },
	{ 0, "metadata-file", "string", "Write build result metadata to a file", OPT_STR,
	  &opt_metadata, NULL },
	{ 0, "network", "string",
	  "Set the networking mode for the \"RUN\" instructions (default, none, host)", OPT_STR,
	  &opt_network, NULL },
	{ 0, "no-cache", NULL, "Do not use cache when building the image", OPT_BOOL, &req.no_cache, NULL },
	{ 0, "no-cache-filter", "stringArray", "Do not cache specified stages", OPT_CALL,
	  &req.no_cache_filter, add_stages },
	{ 'o', "output", "stringArray", "Output destination (format: \"type=local,dest=path\")",
	  OPT_LIST, &req.outputs, NULL },
	{ 0, "platform", "string", "Set target platform for build", OPT_STR, &req.platform, NULL },
	{ 0, "progress", "string", "Set type of progress output (\"auto\", \"plain\", \"tty\", \"quiet\")",
	  OPT_STR, &opt_progress, NULL },
	{ 0, "pull", NULL, "Always attempt to pull all referenced images", OPT_BOOL, &req.pull, NULL },
	{ 0, "push", NULL, "Push the image once it is built", OPT_BOOL, &opt_push, NULL },
	{ 'q', "quiet", NULL, "Suppress the build output and print image ID on success", OPT_BOOL,
	  &opt_quiet, NULL },
	{ 0, "secret", "stringArray",
	  "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")", OPT_LIST,
	  &req.secrets, NULL },
	{ 0, "shm-size", "bytes", "Size of \"/dev/shm\"", OPT_CALL, &req.shm_bytes, set_shm },
	{ 0, "ssh", "stringArray",
	  "SSH agent socket to expose to the build (format: \"default|<id>[=<socket>]\")", OPT_LIST,
	  &req.ssh, NULL },
	{ 't', "tag", "stringArray", "Image identifier (format: \"[registry/]repository[:tag]\")",
	  OPT_LIST, &req.tags, NULL },
	{ 0, "target", "string", "Set the target build stage to build", OPT_STR, &req.target, NULL },
	{ 0 },
};

struct shown {
	struct buildview view;
	bool quiet;
};

static void on_event(void *arg, const struct build_event *ev)
{
	struct shown *s = arg;

	buildview_event(&s->view, ev);
}

static struct err *on_pull(void *arg, struct store *st, const char *name, const char *platform)
{
	struct shown *s = arg;
	_cleanup_free_ char *ref = NULL;

	if (!s->quiet)
		buildview_pause(&s->view);
	return pull_shown(st, name, platform, s->quiet, STDERR_FILENO, &ref);
}

static struct err *set_network(void)
{
	if (!opt_network)
		return NULL;
	for (size_t i = 0; i < BUILD_NET_MAX; i++)
		if (str_eq(opt_network, build_net_names[i])) {
			req.net = (enum build_net)i;
			return NULL;
		}
	return err_new(0, "--network %s: a build can have default, none or host", opt_network);
}

static struct err *set_progress(struct shown *s)
{
	bool plain = str_eq(opt_progress, "plain");

	if (opt_progress && !plain && !str_eq(opt_progress, "auto") &&
	    !str_eq(opt_progress, "tty") && !str_eq(opt_progress, "quiet"))
		return err_new(0, "--progress %s: it is auto, plain, tty or quiet", opt_progress);
	s->quiet = opt_quiet || str_eq(opt_progress, "quiet");
	buildview_init(&s->view, STDERR_FILENO, plain);
	if (!s->quiet)
		req.progress = on_event;
	req.pull_shown = on_pull;
	req.tar_fd = STDOUT_FILENO;
	req.arg = s;
	return NULL;
}

/* -- standard input ---------------------------------------------------------------------------------------------- */

static bool looks_like_tar(const char *s, size_t n)
{
	return (n > 2 && !memcmp(s, "\x1f\x8b", 2)) || (n > 3 && !memcmp(s, "BZh", 3)) ||
	       (n > 6 && !memcmp(s, "\xfd\x37zXZ", 6)) ||
	       (n > 4 && !memcmp(s, "\x28\xb5\x2f\xfd", 4)) ||
	       (n > 262 && !memcmp(s + 257, "ustar", 5));
}

/* All of it in a file without a name. */
static struct err *keep_stdin(struct store *st, int *ret_fd)
{
	_cleanup_close_ int fd = openat(st->tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_free_ char *buf = xmalloc(65536);
	struct err *e = fd < 0 ? err_new(errno, "making a temporary file") : NULL;
	ssize_t n;

	while (!e && (n = read(STDIN_FILENO, buf, 65536)) != 0) {
		if (n < 0 && errno != EINTR)
			e = err_new(errno, "reading standard input");
		else if (n > 0)
			e = fd_write_all(fd, "a temporary file", buf, (size_t)n);
	}
	if (!e && lseek(fd, 0, SEEK_SET) < 0)
		e = err_new(errno, "rewinding a temporary file");
	if (!e)
		*ret_fd = TAKE_FD(fd);
	return e;
}

static struct err *read_text(int fd, char **ret)
{
	size_t len;

	return fd_read_all(fd, "the Dockerfile on standard input", DOCKERFILE_MAX, ret, &len);
}

/* `build -`: a Dockerfile, or a tar with everything. */
static struct err *context_stdin(struct store *st, char **ret_text)
{
	char head[512];
	_cleanup_close_ int fd = -1;
	struct err *e = keep_stdin(st, &fd);
	ssize_t n = e ? 0 : pread(fd, head, sizeof(head), 0);

	if (e)
		return e;
	if (n > 0 && looks_like_tar(head, (size_t)n)) {
		req.context_fd = TAKE_FD(fd);
		req.context_is_fd = true;
		return NULL;
	}
	return read_text(fd, ret_text);
}

static struct err *sources(struct store *st, const char *path, char **ret_text)
{
	struct err *e = NULL;

	if (str_eq(path, "-") && str_eq(req.dockerfile, "-"))
		return err_new(0, "invalid argument: can't use stdin for both build context and dockerfile");
	if (str_eq(path, "-"))
		e = context_stdin(st, ret_text);
	else
		req.context = path;
	if (!e && str_eq(req.dockerfile, "-")) {
		req.dockerfile = NULL;
		e = read_text(STDIN_FILENO, ret_text);
	}
	req.dockerfile_text = *ret_text;
	return e;
}

/* -- after it ------------------------------------------------------------------------------------------------------ */

/* As BuildKit names them. */
static struct err *write_metadata(struct store *st, const char *id)
{
	_cleanup_str_ struct str names = { 0 };
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct image *img = NULL;
	struct json_out o;
	size_t len;
	struct err *e = image_find(st, id, &img);

	if (e)
		return e;
	json_out_init(&o, true);
	json_open(&o, NULL, '{');
	json_put_str(&o, "containerimage.config.digest", id);
	json_put_str(&o, "containerimage.digest", img->digest);
	for (size_t i = 0; i < req.tags.n; i++)
		str_addf(&names, "%s%s", i ? "," : "", req.tags.v[i]);
	if (req.tags.n)
		json_put_str(&o, "image.name", names.s);
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	image_free(img);
	e = fd_open(AT_FDCWD, opt_metadata, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd);
	e = e ?: fd_write_all(fd, opt_metadata, text, len);
	return err_wrap(e, "--metadata-file %s", opt_metadata);
}

static struct err *push_tags(struct call *c, struct store *st)
{
	struct err *e = NULL;

	for (size_t i = 0; i < req.tags.n && !e; i++) {
		e = opt_quiet ? push_quietly(st, req.tags.v[i])
			      : verb_push.run(c, 1, (char *[]){ req.tags.v[i], NULL });
	}
	return e;
}

static struct err *check_options(void)
{
	if (opt_push && !req.tags.n)
		return err_new(0, "--push needs a name to push it by (--tag)");
	if (opt_push && req.outputs.n)
		return err_new(0, "--push and --output do not go together: files are not pushed");
	if (opt_caches.n && !opt_quiet)
		fprintf(stderr,
			"%s: --cache-from and --cache-to have no effect: the cache is this machine's own, by content\n",
			prog());
	return NULL;
}

static struct err *build(struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *text = NULL, *id = NULL;
	struct shown s = { 0 };
	struct err *e;

	e = check_options();
	e = e ?: set_network();
	e = e ?: set_progress(&s);
	e = e ?: store_open(&st);
	e = e ?: sources(st, argv[0], &text);
	e = e ?: build_run(st, &req, &id);
	if (!e && !s.quiet && id)
		buildview_image(&s.view, id, &req.tags);
	buildview_done(&s.view, !e);
	if (e)
		return err_wrap(e, "building");
	if (id && opt_metadata)
		e = write_metadata(st, id);
	if (!e && opt_push)
		e = push_tags(c, st);
	if (!e && s.quiet && id)
		puts(id);
	return e;
}

const struct verb verb_build = {
	.name = "build",
	.args = "PATH | URL | -",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.summary = "Build an image from a Dockerfile",
	.run = build,
};

/* -- builder prune ----------------------------------------------------------------------------------------------- */

static bool opt_all, opt_force;

static const struct opt prune_opts[] = {
	{ 'a', "all", NULL, "Remove cache mounts (RUN --mount=type=cache), too", OPT_BOOL, &opt_all,
	  NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

struct err *builds_prune(struct store *st, bool all, int64_t unused_since_ns, uint64_t *ret_freed_bytes)
{
	_cleanup_strv_ struct strv in_use = { 0 };
	uint64_t freed = 0, more = 0;
	struct err *e = images_in_use(st, &in_use);

	e = e ?: build_prune(st, all, unused_since_ns, &freed);
	e = e ?: image_collect(st, &in_use, &more);
	*ret_freed_bytes = freed + more;
	return e;
}

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_str_ struct str text = { 0 };
	uint64_t freed = 0;
	struct err *e;

	if (!opt_force &&
	    !confirm("WARNING! This will remove all build cache. Are you sure you want to continue?"))
		return NULL;
	e = store_open(&st);
	e = e ?: builds_prune(st, opt_all, 0, &freed);
	if (e)
		return e;
	human_size(freed, true, &text);
	printf("Total reclaimed space: %s\n", text.s);
	return NULL;
}

const struct verb verb_builder_prune = {
	.name = "prune",
	.args = "",
	.min_args = 0,
	.max_args = 0,
	.opts = prune_opts,
	.summary = "Remove the build cache",
	.run = prune,
};
