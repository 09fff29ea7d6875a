/* cmd/query.c -- devbox search, manifest inspect: what registries have */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/filter.h"
#include "cmd/images.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "registry/query.h"

/* --- search ----------------------------------------------------------------------------------- */

enum { DESCRIPTION_WIDTH = 45, LIMIT_MAX = 100 };

static const char *opt_format;
static struct strv opt_filters;
static unsigned opt_limit = 25;
static bool opt_no_trunc;

static const struct opt search_opts[] = {
	{ 'f', "filter", "filter", "Filter output based on conditions provided", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string", "Pretty-print search using a Go template", OPT_STR, &opt_format, NULL },
	{ 0, "limit", "int", "Max number of search results (default 25)", OPT_UINT, &opt_limit, NULL },
	{ 0, "no-trunc", NULL, "Don't truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 0 },
};

static const struct column search_columns[] = {
	{ "Name", "NAME" },	      { "Description", "DESCRIPTION" }, { "StarCount", "STARS" },
	{ "IsOfficial", "OFFICIAL" }, { "IsAutomated", "AUTOMATED" },	{ NULL, NULL },
};

static const char *const known_filters[] = { "is-automated", "is-official", "stars", NULL };

static bool match_official(const char *value, const void *of)
{
	return json_bool((json *)of, "is_official", false) ==
	       (!strcmp(value, "true") || !strcmp(value, "1"));
}

static bool match_automated(const char *value, const void *of)
{
	return json_bool((json *)of, "is_automated", false) ==
	       (!strcmp(value, "true") || !strcmp(value, "1"));
}

static bool match_stars(const char *value, const void *of)
{
	return json_int((json *)of, "star_count", 0) >= strtol(value, NULL, 10); /* checked before */
}

struct err *search_filters_check(const struct strv *filters)
{
	struct err *e = filters_check(filters, known_filters);

	for (size_t i = 0; !e && i < filters->n; i++) {
		const char *stars = str_after(filters->v[i], "stars=");
		uint64_t n;

		if (!stars)
			continue;
		e = str_to_u64(stars, 0, INT32_MAX, &n);
		if (e) {
			err_free(e);
			return err_new(0, "invalid filter 'stars=%s'", stars);
		}
	}
	return e;
}

bool search_filters_pass(const struct strv *filters, json *found)
{
	return filters_pass(filters, "is-official", match_official, found) &&
	       filters_pass(filters, "is-automated", match_automated, found) &&
	       filters_pass(filters, "stars", match_stars, found);
}

/* One line, and nothing that a terminal would take for a command. */
static char *flat(const char *text)
{
	_cleanup_str_ struct str clean = { 0 }, shown = { 0 };
	char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	human_clean(copy, &clean);
	free(copy);
	if (opt_no_trunc)
		return xstrdup(clean.s ?: "");
	human_ellipsis(clean.s ?: "", DESCRIPTION_WIDTH, &shown);
	return str_take(&shown);
}

static struct err *add_result(struct list *l, json *found)
{
	_cleanup_free_ char *about = flat(json_str(found, "description") ?: "");
	_cleanup_str_ struct str name = { 0 };
	char stars[24];

	human_clean(json_str(found, "name") ?: "", &name);
	snprintf(stars, sizeof(stars), "%lld", (long long)json_int(found, "star_count", 0));
	list_row(l);
	list_put(l, "Name", name.s ?: "");
	list_put(l, "Description", about);
	list_put(l, "StarCount", stars);
	list_put(l, "IsOfficial", json_bool(found, "is_official", false) ? "[OK]" : "");
	list_put(l, "IsAutomated", json_bool(found, "is_automated", false) ? "[OK]" : "");
	return list_end_row(l);
}

static struct err *search(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_list_ struct list l = { 0 };
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct err *e = search_filters_check(&opt_filters);
	json *results;
	size_t len;

	if (!e && (opt_limit < 1 || opt_limit > LIMIT_MAX))
		e = err_new(0, "limit %u is outside the range of [1, %d]", opt_limit, LIMIT_MAX);
	e = e ?: query_search(argv[0], opt_limit, &text, &len);
	e = e ?: json_parse(text, len, "Docker Hub's answer", &j);
	e = e
		    ?: list_open(&l, opt_format,
				 "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
				 search_columns);
	results = e ? NULL : json_get(j, "results");
	for (size_t i = 0; !e && i < json_len(results) && i < opt_limit; i++) {
		json *one = json_at(results, i);

		if (search_filters_pass(&opt_filters, one))
			e = add_result(&l, one);
	}
	if (!e)
		list_close(&l);
	return err_wrap(e, "searching Docker Hub for %s", argv[0]);
}

/* --- manifest inspect --------------------------------------------------------------------------- */

static bool opt_verbose;

static const struct opt manifest_opts[] = {
	{ 'v', "verbose", NULL, "Output additional info including layers and platform", OPT_BOOL,
	  &opt_verbose, NULL },
	{ 0 },
};

static struct err *manifest_inspect(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_free_ char *text = NULL;
	struct image_ref ref;
	size_t len;
	struct err *e = image_ref_parse(argv[0], &ref);

	if (e)
		return err_wrap(e, "%s", argv[0]);
	e = query_manifest(&ref, NULL, opt_verbose, &text, &len);
	image_ref_done(&ref);
	if (!e)
		fwrite(text, 1, len, stdout);
	return e;
}

const struct verb verb_search = {
	.name = "search",
	.args = "TERM",
	.min_args = 1,
	.max_args = 1,
	.opts = search_opts,
	.summary = "Search Docker Hub for images",
	.run = search,
};
const struct verb verb_manifest_inspect = {
	.name = "inspect",
	.args = "IMAGE",
	.min_args = 1,
	.max_args = 1,
	.opts = manifest_opts,
	.summary = "Display an image manifest, or manifest list",
	.more = "It is the registry that is asked, nothing is pulled.",
	.run = manifest_inspect,
};
