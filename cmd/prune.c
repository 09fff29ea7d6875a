/* cmd/prune.c -- devbox prune [-a] [-f] [--volumes], container prune, image prune */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/filter.h"
#include "cmd/images.h"
#include "cmd/network.h"
#include "cmd/prune.h"
#include "cmd/verb.h"
#include "cmd/volume.h"
#include "core/build/build.h"
#include "cmd/ui/human.h"

static bool opt_all, opt_force, opt_volumes;
static struct strv opt_filters;

#define FILTER_OPT                                                                                 \
	{                                                                                          \
		0, "filter", "filter", "Provide filter values: label, label!, until", OPT_LIST,    \
			&opt_filters, NULL                                                         \
	}

static const struct opt opts[] = {
	{ 'a', "all", NULL, "Remove all unused images not just dangling ones", OPT_BOOL, &opt_all, NULL },
	FILTER_OPT,
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0, "volumes", NULL, "Remove anonymous volumes too", OPT_BOOL, &opt_volumes, NULL },
	{ 0 },
};

static const struct opt image_opts[] = {
	{ 'a', "all", NULL, "Remove all unused images, not just dangling ones", OPT_BOOL, &opt_all, NULL },
	FILTER_OPT,
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static const struct opt container_opts[] = {
	FILTER_OPT,
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static void print_removed(const char *title, const struct strv *l)
{
	if (!l->n)
		return;
	puts(title);
	for (size_t i = 0; i < l->n; i++)
		puts(l->v[i]);
	putchar('\n');
}

/* --filter until=...: what was made then or later is spared. */
static int64_t until_ns;

static struct err *check_filters(bool dangling)
{
	static const char *const known[] = { "label", "label!", "until", "dangling", NULL },
				 *const fewer[] = { "label", "label!", "until", NULL };
	struct err *e = filters_check(&opt_filters, dangling ? known : fewer);

	e = e ?: filters_check_bool(&opt_filters, "dangling");
	if (!e && opt_volumes && opt_filters.n) {
		e = filters_until(&opt_filters, &until_ns);
		if (!e && until_ns != INT64_MAX)
			e = err_new(0, "The \"until\" filter is not supported with \"--volumes\"");
	}
	opt_all |= strv_has(&opt_filters, "dangling=false") || strv_has(&opt_filters, "dangling=0");
	return e ?: filters_until(&opt_filters, &until_ns);
}

struct err *boxes_prune(struct store *st, const struct strv *filters, struct strv *removed,
			uint64_t *freed)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	struct box **boxes = NULL;
	int64_t until = INT64_MAX;
	size_t n = 0;
	struct err *all = filters_check(filters, known);

	all = all ?: filters_until(filters, &until);
	all = all ?: box_list(st, &boxes, &n);
	for (size_t i = 0; i < n; i++) {
		struct box *b = boxes[i];

		if (!state_is_up(&b->state) && !strv_env(&b->spec.labels, "devbox.branch") &&
		    b->spec.created_ns < until && filters_labels(filters, &b->spec.labels)) {
			_cleanup_free_ char *id = xstrdup(b->spec.id);
			uint64_t bytes = tree_bytes(st, b->dir, "upper");
			struct err *e = box_rm(b, false, false);

			if (!e) {
				strv_add(removed, id);
				*freed += bytes;
			}
			all = err_also(all, e);
		}
		box_free(b);
	}
	free(boxes);
	return all;
}

static struct err *prune_boxes(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 };
	struct err *e = boxes_prune(st, &opt_filters, &removed, freed);

	print_removed("Deleted Containers:", &removed);
	return e;
}

static struct err *prune_volumes(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 };
	uint64_t bytes = 0;
	struct err *e = volumes_prune(st, false, &opt_filters, &removed, &bytes);

	*freed += bytes;
	print_removed("Deleted Volumes:", &removed);
	volumes_tell_trash(st, removed.n);
	return e;
}

struct err *images_prune(struct store *st, bool all, const struct strv *filters, int64_t before_ns,
			 struct strv *removed, uint64_t *ret_freed_bytes)
{
	_cleanup_strv_ struct strv in_use = { 0 };
	struct image **list = NULL;
	size_t n = 0;
	struct err *e = images_in_use(st, &in_use);

	if (!e && filters->n) /* what is spared counts as used */
		e = image_list(st, &list, &n);
	for (size_t i = 0; i < n; i++) {
		if (list[i]->created_ns >= before_ns || !filters_labels(filters, &list[i]->labels))
			strv_add(&in_use, list[i]->id);
		image_free(list[i]);
	}
	free(list);
	return e ?: image_prune(st, all, &in_use, removed, ret_freed_bytes);
}

static struct err *prune_images(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 };
	uint64_t bytes = 0;
	struct err *e = images_prune(st, opt_all, &opt_filters, until_ns, &removed, &bytes);

	*freed += bytes;
	print_removed("Deleted Images:", &removed);
	return e;
}

static struct err *prune_networks(struct store *st)
{
	_cleanup_strv_ struct strv removed = { 0 };
	struct err *e = networks_prune(st, &opt_filters, until_ns, &removed);

	print_removed("Deleted Networks:", &removed);
	return e;
}

static void print_total(uint64_t freed)
{
	_cleanup_str_ struct str s = { 0 };

	human_size(freed, true, &s);
	printf("Total reclaimed space: %s\n", s.s);
}

static bool sure(const char *warning)
{
	if (opt_force)
		return true;
	printf("WARNING! This will remove%s\n", warning);
	return confirm("Are you sure you want to continue?");
}

static struct err *prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *warning = NULL;
	uint64_t freed = 0, cache = 0;
	struct err *e = check_filters(false);

	if (e)
		return e;
	warning = xasprintf(
		":\n  - all stopped containers\n  - all networks not used by at least one container\n"
		"%s  - %s\n%s  - what interrupted commands left behind\n",
		opt_volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
		opt_all ? "all images without at least one container associated to them"
			: "all dangling images",
		opt_all ? "  - all build cache\n" : "");
	if (!sure(warning))
		return NULL;
	e = store_open(&st);
	if (e)
		return e;
	store_sweep(st);
	e = prune_boxes(st, &freed);
	e = err_also(e, prune_networks(st));
	if (opt_volumes)
		e = err_also(e, prune_volumes(st, &freed));
	if (opt_all) /* first: its records keep layers */
		e = err_also(e, build_prune(st, true, 0, &cache));
	freed += cache;
	e = err_also(e, prune_images(st, &freed));
	print_total(freed);
	return e;
}

static struct err *container_prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	uint64_t freed = 0;
	struct err *e = check_filters(false);

	if (e)
		return e;
	if (!sure(" all stopped containers."))
		return NULL;
	e = store_open(&st);
	e = e ?: prune_boxes(st, &freed);
	print_total(freed);
	return e;
}

static struct err *image_prune_verb(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	uint64_t freed = 0;
	struct err *e = check_filters(true);

	if (e)
		return e;
	if (!sure(opt_all ? " all images without at least one container associated to them."
			  : " all dangling images."))
		return NULL;
	e = store_open(&st);
	e = e ?: prune_images(st, &freed);
	print_total(freed);
	return e;
}

const struct verb verb_prune = {
	.name = "prune",
	.args = "",
	.opts = opts,
	.summary = "Remove stopped containers, unused networks, images and leftovers",
	.run = prune,
};
const struct verb verb_container_prune = {
	.name = "prune",
	.args = "",
	.opts = container_opts,
	.summary = "Remove all stopped containers",
	.run = container_prune,
};
const struct verb verb_image_prune = {
	.name = "prune", .args = "", .opts = image_opts, .summary = "Remove unused images", .run = image_prune_verb
};
