/* cmd/push.c -- devbox push [-a] [-q] NAME[:TAG] */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/pull.h"
#include "cmd/verb.h"
#include "cmd/ui/progress.h"
#include "registry/push.h"

static bool opt_all, opt_quiet;

static const struct opt opts[] = {
	{ 'a', "all-tags", NULL, "Push all tags of an image to the repository", OPT_BOOL, &opt_all, NULL },
	{ 'q', "quiet", NULL, "Suppress verbose output", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

struct err *push_shown(struct store *st, const char *ref, bool quiet, int out_fd, char **ret_digest,
		       int64_t *ret_size)
{
	struct push_opts po = { 0 };
	struct progress p;
	struct err *e;

	fflush(stdout); /* the pushing child must find our buffers empty, or it would print them again */
	progress_init(&p, out_fd);
	if (!quiet) {
		po.progress = progress_event;
		po.arg = &p;
	}
	e = push_image(st, ref, &po, ret_digest, ret_size);
	progress_done(&p);
	return e;
}

struct err *push_quietly(struct store *st, const char *image)
{
	_cleanup_free_ char *full = NULL, *digest = NULL;
	struct image_ref ref;
	int64_t size;
	struct err *e = image_ref_parse(image, &ref);

	if (e)
		return e;
	full = image_ref_full(&ref);
	image_ref_done(&ref);
	return push_shown(st, full, true, STDERR_FILENO, &digest, &size);
}

static struct err *push_one(struct store *st, const char *full, const char *tag)
{
	_cleanup_free_ char *digest = NULL;
	int64_t size = 0;
	struct err *e = push_shown(st, full, opt_quiet, STDOUT_FILENO, &digest, &size);

	if (!e && opt_quiet)
		puts(full);
	else if (!e)
		printf("%s: digest: %s size: %lld\n", tag, digest, (long long)size);
	return e;
}

/* Every tag that REPO ("docker.io/me/app") has here. */
static struct err *tags_of(struct store *st, const char *repo, struct strv *ret)
{
	struct image **list = NULL;
	size_t n = 0;
	struct err *e = image_list(st, &list, &n);

	for (size_t i = 0; i < n; i++) {
		const char *rest = list[i]->ref ? str_after(list[i]->ref, repo) : NULL;

		if (rest && *rest == ':')
			strv_add(ret, rest + 1);
		image_free(list[i]);
	}
	free(list);
	if (!e && !ret->n)
		e = err_new(0, "An image does not exist locally with the tag: %s", repo);
	return e;
}

static struct err *push_all(struct store *st, const char *repo, const struct image_ref *ref)
{
	_cleanup_strv_ struct strv tags = { 0 };
	struct err *e;

	if (!opt_all)
		strv_add(&tags, ref->tag);
	e = opt_all ? tags_of(st, repo, &tags) : NULL;
	for (size_t i = 0; !e && i < tags.n; i++) {
		_cleanup_free_ char *full = xasprintf("%s:%s", repo, tags.v[i]);

		e = push_one(st, full, tags.v[i]);
	}
	return e;
}

static struct err *push(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	const char *last = strrchr(argv[0], '/') ?: argv[0];
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *repo = NULL;
	struct image_ref ref;
	struct err *e = image_ref_parse(argv[0], &ref);

	if (e)
		return err_wrap(e, "%s", argv[0]);
	if (opt_all && strpbrk(last, ":@"))
		e = err_new(0, "tag can't be used with --all-tags/-a");
	else if (ref.digest)
		e = err_new(0, "cannot push a digest reference");
	repo = xasprintf("%s/%s", ref.host, ref.repo);
	e = e ?: store_open(&st);
	if (!e && !opt_all && !opt_quiet && !strchr(last, ':'))
		puts("Using default tag: latest");
	if (!e && !opt_quiet)
		printf("The push refers to repository [%s]\n", repo);
	e = e ?: push_all(st, repo, &ref);
	image_ref_done(&ref);
	return e;
}

const struct verb verb_push = {
	.name = "push",
	.args = "NAME[:TAG]",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.summary = "Upload an image to a registry",
	.run = push,
};
