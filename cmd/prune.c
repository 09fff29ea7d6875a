/* cmd/prune.c -- devbox prune [-a] [-f] [--volumes], container prune, image prune */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/verb.h"
#include "cmd/volume.h"
#include "cmd/ui/human.h"

static bool opt_all, opt_force, opt_volumes;

static const struct opt opts[] = {
	{ 'a', "all", NULL, "Remove all unused images not just dangling ones", OPT_BOOL, &opt_all, NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0, "volumes", NULL, "Remove anonymous volumes too", OPT_BOOL, &opt_volumes, NULL },
	{ 0 },
};

static const struct opt image_opts[] = {
	{ 'a', "all", NULL, "Remove all unused images, not just dangling ones", OPT_BOOL, &opt_all, NULL },
	{ 'f', "force", NULL, "Do not prompt for confirmation", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static const struct opt container_opts[] = {
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

/* A container that does not run any more, or never did. */
static struct err *prune_boxes(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 };
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *all = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		struct box *b = boxes[i];

		if (!state_is_up(&b->state)) {
			_cleanup_free_ char *id = xstrdup(b->spec.id);
			uint64_t bytes = tree_bytes(st, b->dir, "upper");
			struct err *e = box_rm(b, false, false);

			if (!e) {
				strv_add(&removed, id);
				*freed += bytes;
			}
			all = err_also(all, e);
		}
		box_free(b);
	}
	free(boxes);
	print_removed("Deleted Containers:", &removed);
	return all;
}

static struct err *prune_volumes(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 };
	uint64_t bytes = 0;
	struct err *e = volumes_prune(st, false, &removed, &bytes);

	*freed += bytes;
	print_removed("Deleted Volumes:", &removed);
	return e;
}

static struct err *prune_images(struct store *st, uint64_t *freed)
{
	_cleanup_strv_ struct strv removed = { 0 }, in_use = { 0 };
	uint64_t bytes = 0;
	struct err *e = images_in_use(st, &in_use);

	e = e ?: image_prune(st, opt_all, &in_use, &removed, &bytes);
	*freed += bytes;
	print_removed("Deleted Images:", &removed);
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
	uint64_t freed = 0;
	struct err *e;

	warning = xasprintf(
		":\n  - all stopped containers\n%s  - %s\n  - what interrupted commands left behind\n",
		opt_volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
		opt_all ? "all images without at least one container associated to them"
			: "all dangling images");
	if (!sure(warning))
		return NULL;
	e = store_open(&st);
	if (e)
		return e;
	store_sweep(st);
	e = prune_boxes(st, &freed);
	if (opt_volumes)
		e = err_also(e, prune_volumes(st, &freed));
	e = err_also(e, prune_images(st, &freed));
	print_total(freed);
	return e;
}

static struct err *container_prune(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	uint64_t freed = 0;
	struct err *e;

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
	struct err *e;

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
	.summary = "Remove stopped containers, unused images and leftovers",
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
