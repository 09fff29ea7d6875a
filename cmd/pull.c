/* cmd/pull.c -- devbox pull [-a] [--platform P] [-q] IMAGE */
#include "cmd/pull.h"

#include <stdio.h>

#include "cmd/ui/progress.h"
#include "cmd/verb.h"
#include "registry/pull.h"
#include "registry/query.h"

static bool opt_all, opt_quiet;
static const char *opt_platform;

static const struct opt opts[] = {
	{ 'a', "all-tags", NULL, "Download all tagged images in the repository", OPT_BOOL, &opt_all,
	  NULL },
	{ 0, "platform", NULL, "Pull for another platform, such as linux/arm64", OPT_STR,
	  &opt_platform, NULL },
	{ 'q', "quiet", NULL, "Suppress verbose output", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static void print_start(const struct image_ref *ref, int fd)
{
	const char *repo = !strcmp(ref->host, HUB_HOST) ? ref->repo : NULL;

	if (repo)
		dprintf(fd, "%s: Pulling from %s\n", ref->digest ?: ref->tag, repo);
	else
		dprintf(fd, "%s: Pulling from %s/%s\n", ref->digest ?: ref->tag, ref->host, ref->repo);
}

struct err *pull_shown(struct store *st, const char *image, const char *platform, bool quiet,
		       int out_fd, char **ret_ref)
{
	struct pull_opts opts_pull = { .platform = platform };
	struct pull_result res = { 0 };
	struct image_ref ref;
	struct progress p;
	struct err *e;

	e = image_ref_parse(image, &ref);
	if (e)
		return e;
	/* the pulling child must find our buffers empty, or it would print them again */
	fflush(stdout);
	fflush(stderr);
	progress_init(&p, out_fd);
	if (!quiet) {
		opts_pull.progress = progress_event;
		opts_pull.arg = &p;
		print_start(&ref, out_fd);
	}
	e = pull_image(st, image, &opts_pull, &res);
	if (!e && !quiet) {
		_cleanup_free_ char *name = image_ref_familiar(&ref);

		dprintf(out_fd, "Digest: %s\nStatus: %s for %s\n", res.digest,
			res.up_to_date ? "Image is up to date" : "Downloaded newer image", name);
	}
	if (!e)
		*ret_ref = xstrdup(res.ref);
	progress_done(&p);
	pull_result_done(&res);
	image_ref_done(&ref);
	return e;
}

static bool names_tag(const char *image)
{
	const char *last = strrchr(image, '/') ?: image;

	return strchr(last, ':') || strchr(last, '@');
}

static bool is_platform(const struct image *img, const char *platform)
{
	_cleanup_free_ char *own = NULL;

	if (!platform || !img->os || !img->arch)
		return true;
	own = xasprintf("%s/%s", img->os, img->arch);
	return str_starts(platform, own) || !strcmp(platform, img->arch) || !strcmp(platform, img->os);
}

struct err *image_get_shown(struct store *st, const char *name, const char *platform,
			    const char *policy, bool quiet, struct image **ret)
{
	_cleanup_free_ char *pulled = NULL;
	struct err *e = NULL;

	if (strcmp(policy, "always")) {
		e = image_find(st, name, ret);
		if (!e && is_platform(*ret, platform))
			return NULL;
		if ((e && !err_is(e, ENOENT)) || !strcmp(policy, "never")) {
			if (e && err_is(e, ENOENT))
				e->errnum = 0; /* "No such image" says it */
			return e
				       ?: err_new(0, "image %s was pulled for %s/%s, not for %s",
						  name, (*ret)->os, (*ret)->arch, platform);
		}
		image_free(*ret);
		*ret = NULL;
	}
	if (e && !quiet) {
		struct image_ref ref;
		struct err *bad = image_ref_parse(name, &ref);

		if (bad) {
			err_free(e);
			return bad;
		}
		pulled = image_ref_familiar(&ref);
		fprintf(stderr, "Unable to find image '%s' locally\n", pulled);
		free(TAKE_PTR(pulled));
		image_ref_done(&ref);
	}
	err_free(e);
	e = pull_shown(st, name, platform, quiet, STDERR_FILENO, &pulled);
	return e ?: image_find(st, name, ret);
}

/* One that has no image for this platform does not spare the others. */
static struct err *pull_all(struct store *st, const char *name)
{
	_cleanup_strv_ struct strv tags = { 0 };
	struct image_ref ref;
	struct err *all;

	if (names_tag(name))
		return err_new(0, "tag can't be used with --all-tags/-a");
	all = image_ref_parse(name, &ref);
	if (all)
		return err_wrap(all, "%s", name);
	all = err_wrap(query_tags(&ref, NULL, &tags), "listing the tags of %s", name);
	for (size_t i = 0; i < tags.n; i++) {
		_cleanup_free_ char *one = xasprintf("%s/%s:%s", ref.host, ref.repo, tags.v[i]),
				    *full = NULL;
		struct err *e = pull_shown(st, one, opt_platform, opt_quiet, STDOUT_FILENO, &full);

		if (!e)
			puts(full);
		all = err_also(all, e);
	}
	if (!all && !tags.n)
		all = err_new(0, "%s has no tags", name);
	image_ref_done(&ref);
	return all;
}

static struct err *pull(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *ref = NULL;
	struct err *e = store_open(&st);

	if (!e && opt_all)
		return pull_all(st, argv[0]);
	if (!e && !opt_quiet && !names_tag(argv[0]))
		puts("Using default tag: latest");
	e = e ?: pull_shown(st, argv[0], opt_platform, opt_quiet, STDOUT_FILENO, &ref);
	if (!e)
		puts(ref);
	return e;
}

const struct verb verb_pull = {
	.name = "pull",
	.args = "NAME[:TAG|@DIGEST]",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.summary = "Download an image from a registry",
	.run = pull,
};
