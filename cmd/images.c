/* cmd/images.c -- devbox images, rmi, tag */
#include "cmd/images.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/filter.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"

static bool opt_all, opt_quiet, opt_digests, opt_no_trunc;
static const char *opt_format;
static struct strv opt_filters;

static const struct opt opts[] = {
	{ 'a', "all", NULL, "Show all images (there are no intermediate ones to hide)", OPT_BOOL,
	  &opt_all, NULL },
	{ 0, "digests", NULL, "Show digests", OPT_BOOL, &opt_digests, NULL },
	{ 'f', "filter", "filter", "Filter output based on conditions provided", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0, "no-trunc", NULL, "Don't truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 'q', "quiet", NULL, "Only show image IDs", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "ID", "IMAGE ID" },
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Size", "SIZE" },
	{ NULL, NULL },
};

static const char *const known_filters[] = { "before",	  "dangling", "label", "label!",
					     "reference", "since",    "until", NULL };

struct err *imagefilter_open(struct imagefilter *f, struct store *st, const struct strv *filters)
{
	struct err *e = filters_check(filters, known_filters);

	*f = (struct imagefilter){ .filters = filters, .before_ns = INT64_MAX, .since_ns = INT64_MIN };
	e = e ?: filters_check_bool(filters, "dangling");
	e = e ?: filters_until(filters, &f->before_ns);
	for (size_t i = 0; i < filters->n && !e; i++) {
		const char *before = str_after(filters->v[i], "before="),
			   *since = str_after(filters->v[i], "since=");
		struct image *img = NULL;

		e = before || since ? image_find(st, before ?: since, &img) : NULL;
		if (img && before && img->created_ns < f->before_ns)
			f->before_ns = img->created_ns;
		if (img && since && img->created_ns > f->since_ns)
			f->since_ns = img->created_ns;
		image_free(img);
	}
	if (err_is(e, ENOENT))
		e->errnum = 0; /* "No such image" says it */
	return e;
}

/* What an image is called in the columns. */
struct names {
	char *repo, *tag, *familiar; /* "mysql", "8", "mysql:8"; "<none>" without */
};

static void names_done(struct names *n)
{
	free(n->repo);
	free(n->tag);
	free(n->familiar);
}

static void names_of(const struct image *img, struct names *ret)
{
	struct image_ref ref;
	struct err *e = img->ref ? image_ref_parse(img->ref, &ref) : NULL;

	if (!img->ref || e) {
		err_free(e); /* a record of another version: the id still names it */
		*ret = (struct names){ xstrdup("<none>"), xstrdup("<none>"), xstrdup("<none>:<none>") };
		return;
	}
	ret->repo = image_ref_familiar_repo(&ref);
	ret->tag = xstrdup(ref.digest || !ref.tag ? "<none>" : ref.tag);
	ret->familiar = image_ref_familiar(&ref);
	image_ref_done(&ref);
}

/* "mysql", "mysql:8", "my*:*" */
static bool match_reference(const char *value, const void *of)
{
	const struct names *n = of;

	return !fnmatch(value, n->familiar, FNM_PATHNAME) || !fnmatch(value, n->repo, FNM_PATHNAME);
}

static bool match_dangling(const char *value, const void *of)
{
	bool want = !strcmp(value, "true") || !strcmp(value, "1");

	return want == !((const struct image *)of)->ref;
}

static bool passes(const struct imagefilter *f, const struct image *img, const struct names *n)
{
	return filters_pass(f->filters, "reference", match_reference, n) &&
	       filters_pass(f->filters, "dangling", match_dangling, img) &&
	       filters_labels(f->filters, &img->labels) && img->created_ns < f->before_ns &&
	       img->created_ns > f->since_ns;
}

bool imagefilter_passes(const struct imagefilter *f, const struct image *img)
{
	struct names n;
	bool good;

	names_of(img, &n);
	good = passes(f, img, &n);
	names_done(&n);
	return good;
}

/* The operand of `images NAME[:TAG]` in the same form as in the columns. */
static struct err *operand_matches(const char *operand, const struct names *n, bool *ret)
{
	struct image_ref ref;
	_cleanup_free_ char *repo = NULL, *familiar = NULL;
	const char *last = strrchr(operand, '/') ?: operand;
	struct err *e;

	if (strpbrk(operand, "*?[")) {
		*ret = match_reference(operand, n);
		return NULL;
	}
	e = image_ref_parse(operand, &ref);
	if (e)
		return e;
	repo = image_ref_familiar_repo(&ref);
	familiar = image_ref_familiar(&ref);
	*ret = strpbrk(last, ":@") ? !strcmp(familiar, n->familiar) : !strcmp(repo, n->repo);
	image_ref_done(&ref);
	return NULL;
}

static struct err *add_row(struct list *l, const struct image *img, const struct names *n, int64_t now)
{
	_cleanup_str_ struct str id = { 0 }, since = { 0 }, at = { 0 }, size = { 0 };

	if (opt_no_trunc)
		str_add(&id, img->id);
	else
		human_short_id(img->id, &id);
	human_ago(img->created_ns, now, &since);
	human_time(img->created_ns, &at);
	human_size((uint64_t)img->size_bytes, false, &size);
	list_row(l);
	list_put(l, "ID", id.s);
	list_put(l, "Repository", n->repo);
	list_put(l, "Tag", n->tag);
	list_put(l, "Digest", img->repo_digest ?: "<none>");
	list_put(l, "CreatedSince", since.s);
	list_put(l, "CreatedAt", at.s ?: "");
	list_put(l, "Size", size.s);
	return list_end_row(l);
}

static struct err *print(struct image *const *images, size_t n, const struct imagefilter *f,
			 const char *operand)
{
	static const char plain[] = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
	static const char with_digests[] =
		"{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
	_cleanup_list_ struct list l = { 0 };
	_cleanup_strv_ struct strv seen = { 0 };
	int64_t now = time_now_ns();
	const char *format = opt_format;
	struct err *e;

	if (opt_quiet && (!format || !strcmp(format, "table")))
		format = "{{.ID}}";
	e = list_open(&l, format, opt_digests ? with_digests : plain, columns);
	for (size_t i = 0; !e && i < n; i++) {
		struct names names;
		bool show = true;

		names_of(images[i], &names);
		if (operand)
			e = operand_matches(operand, &names, &show);
		show = show && passes(f, images[i], &names);
		if (show && opt_quiet && !opt_format) { /* an image with several names once */
			show = !strv_has(&seen, images[i]->id);
			strv_add(&seen, images[i]->id);
		}
		if (!e && show)
			e = add_row(&l, images[i], &names, now);
		names_done(&names);
	}
	if (!e)
		list_close(&l);
	return e;
}

static struct err *images(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct image **list = NULL;
	struct imagefilter f;
	size_t n = 0;
	struct err *e = store_open(&st);

	e = e ?: imagefilter_open(&f, st, &opt_filters);
	e = e ?: image_list(st, &list, &n);
	e = e ?: print(list, n, &f, argc ? argv[0] : NULL);
	for (size_t i = 0; i < n; i++)
		image_free(list[i]);
	free(list);
	return e;
}

/* --- rmi, tag --------------------------------------------------------------------------------- */

static bool opt_force;

static const struct opt rmi_opts[] = {
	{ 'f', "force", NULL, "Force removal of the image", OPT_BOOL, &opt_force, NULL },
	{ 0 },
};

static struct err *rmi(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv in_use = { 0 };
	struct err *all = store_open(&st);

	all = all ?: images_in_use(st, &in_use);
	if (all)
		return all;
	for (int i = 0; i < argc; i++) {
		_cleanup_strv_ struct strv report = { 0 };
		struct err *e = image_remove(st, argv[i], opt_force, &in_use, &report);

		if (err_is(e, ENOENT))
			e->errnum = 0; /* "No such image" says it */
		for (size_t k = 0; k < report.n; k++)
			puts(report.v[k]);
		if (e && opt_force && str_starts(e->text, "No such image")) {
			fprintf(stderr, "%s: %s\n", prog(), e->text);
			err_free(e);
			continue;
		}
		all = err_also(all, e);
	}
	return all;
}

static struct err *tag(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *e = store_open(&st);

	e = e ?: image_tag(st, argv[0], argv[1]);
	if (err_is(e, ENOENT))
		e->errnum = 0;
	return e;
}

const struct verb verb_images = {
	.name = "images",
	.args = "[REPOSITORY[:TAG]]",
	.max_args = 1,
	.opts = opts,
	.summary = "List images",
	.run = images,
};
const struct verb verb_rmi = {
	.name = "rmi",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = -1,
	.opts = rmi_opts,
	.summary = "Remove one or more images",
	.run = rmi,
};
const struct verb verb_tag = {
	.name = "tag",
	.args = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.min_args = 2,
	.max_args = 2,
	.summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.run = tag,
};
