/* cmd/inspect.c -- devbox inspect [--format F] [--type container|image|volume] [-s] NAME... */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/describe.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "core/store/network.h"

static const char *opt_format, *opt_type;
static bool opt_size;

/* The verbs of one type have those behind --type, those of others than containers those behind --size. */
static const struct opt opts[] = {
	{ 0, "type", NULL, "Only inspect objects of this type: container, image or volume", OPT_STR,
	  &opt_type, NULL },
	{ 's', "size", NULL, "Display total file sizes if the type is container", OPT_BOOL,
	  &opt_size, NULL },
	{ 'f', "format", NULL, "Format output using a custom template: 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0 },
};

static struct err *inspect_box(struct store *st, const char *name, struct json_out *o)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = box_find(st, name, &b);

	if (!e)
		describe_box(b, opt_size, o);
	return e;
}

static struct err *inspect_image(struct store *st, const char *name, struct json_out *o)
{
	_cleanup_image_ struct image *img = NULL;
	struct image **all = NULL;
	size_t n = 0;
	struct err *e = image_find(st, name, &img);

	if (err_is(e, ENOENT))
		e->errnum = 0; /* "No such image" says it */
	e = e ?: image_list(st, &all, &n);
	if (!e)
		describe_image(img, all, n, o);
	for (size_t i = 0; i < n; i++)
		image_free(all[i]);
	free(all);
	return e;
}

static struct err *inspect_volume(struct store *st, const char *name, struct json_out *o)
{
	if (strchr(name, '/') || faccessat(st->volumes, name, F_OK, 0) < 0)
		return err_new(0, "get %s: no such volume", name);
	return describe_volume(st, name, NULL, o);
}

static struct err *inspect_network(struct store *st, const char *name, struct json_out *o)
{
	_cleanup_network_ struct network n = { 0 };
	struct err *e = network_get(st, name, &n);

	return e ?: describe_network(st, &n, o);
}

static bool is_absent(const struct err *e)
{
	return e && (str_ends(e->text, " not found") || str_starts(e->text, "No such") ||
		     str_starts(e->text, "invalid reference"));
}

/* Containers win over images, images over networks, those over volumes. */
static struct err *inspect_any(struct store *st, const char *name, struct json_out *o)
{
	struct err *e = inspect_box(st, name, o);

	if (is_absent(e)) {
		err_free(e);
		e = inspect_image(st, name, o);
	}
	if (is_absent(e)) {
		err_free(e);
		e = inspect_network(st, name, o);
	}
	if (is_absent(e)) {
		err_free(e);
		e = inspect_volume(st, name, o);
	}
	if (e && str_starts(e->text, "get ")) {
		err_free(e);
		e = err_new(0, "No such object: %s", name);
	}
	return e;
}

static struct err *pick(struct err *(**ret)(struct store *, const char *, struct json_out *))
{
	*ret = !opt_type			? inspect_any
	       : !strcmp(opt_type, "container") ? inspect_box
	       : !strcmp(opt_type, "image")	? inspect_image
	       : !strcmp(opt_type, "network")	? inspect_network
	       : !strcmp(opt_type, "volume")	? inspect_volume
						: NULL;
	if (!*ret)
		return err_hint(err_new(0, "\"%s\" is not a valid value for --type", opt_type),
				"container, image, network or volume");
	return NULL;
}

/* One array of all that was found; with --format one line each. */
static struct err *inspect(UNUSED struct call *c, int argc, char **argv)
{
	struct err *(*one)(struct store *, const char *, struct json_out *) = NULL;
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *text = NULL;
	struct json_out whole;
	bool found = false;
	struct err *all = pick(&one);

	all = all ?: store_open(&st);
	if (all)
		return all;
	json_out_init(&whole, true);
	json_open(&whole, NULL, '[');
	for (int i = 0; i < argc; i++) {
		struct json_out single = { 0 };
		_cleanup_free_ char *object = NULL;
		size_t len;
		struct err *e;

		if (!opt_format) {
			e = one(st, argv[i], &whole);
			found |= !e;
			all = err_also(all, e);
			continue;
		}
		json_out_init(&single, false);
		e = one(st, argv[i], &single);
		object = json_out_take(&single, &len);
		all = err_also(all, e ?: print_formatted(opt_format, object, len));
	}
	json_close(&whole, ']');
	text = json_out_take(&whole, NULL);
	if (!opt_format)
		fputs(found ? text : "[]\n", stdout);
	return all;
}

static struct err *container_inspect(struct call *c, int argc, char **argv)
{
	opt_type = "container";
	return inspect(c, argc, argv);
}

static struct err *image_inspect(struct call *c, int argc, char **argv)
{
	opt_type = "image";
	return inspect(c, argc, argv);
}

static struct err *network_inspect(struct call *c, int argc, char **argv)
{
	opt_type = "network";
	return inspect(c, argc, argv);
}

static struct err *volume_inspect(struct call *c, int argc, char **argv)
{
	opt_type = "volume";
	return inspect(c, argc, argv);
}

const struct verb verb_inspect = {
	.name = "inspect",
	.args = "NAME|ID [NAME|ID...]",
	.min_args = 1,
	.max_args = -1,
	.opts = opts,
	.summary = "Return low-level information on containers, images, networks and volumes",
	.run = inspect,
};
const struct verb verb_container_inspect = {
	.name = "inspect",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = -1,
	.opts = &opts[1],
	.summary = "Display detailed information on containers",
	.run = container_inspect,
};
const struct verb verb_image_inspect = {
	.name = "inspect",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = -1,
	.opts = &opts[2],
	.summary = "Display detailed information on images",
	.run = image_inspect,
};
const struct verb verb_network_inspect = {
	.name = "inspect",
	.args = "NETWORK [NETWORK...]",
	.min_args = 1,
	.max_args = -1,
	.opts = &opts[2],
	.summary = "Display detailed information on networks",
	.run = network_inspect,
};
const struct verb verb_volume_inspect = {
	.name = "inspect",
	.args = "VOLUME [VOLUME...]",
	.min_args = 1,
	.max_args = -1,
	.opts = &opts[2],
	.summary = "Display detailed information on volumes",
	.run = volume_inspect,
};
