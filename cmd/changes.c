/* cmd/changes.c -- devbox diff, export, import, commit: what a container changed, and images made of it */
#include "cmd/changes.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/box/changes.h"
#include "core/box/procs.h"
#include "core/box/state.h"
#include "registry/image_ref.h"
#include "registry/make.h"

enum { READ_SIZE = 256 << 10 };

/* --- diff ------------------------------------------------------------------------------------- */

static struct err *diff(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_str_ struct str out = { 0 };
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	e = e ?: box_changes(b, &out);
	if (!e && out.len)
		fwrite(out.s, 1, out.len, stdout);
	return e;
}

/* --- export ----------------------------------------------------------------------------------- */

static const char *opt_output;

const struct opt export_opts[] = {
	{ 'o', "output", "string", "Write to a file, instead of STDOUT", OPT_STR, &opt_output, NULL },
	{ 0 },
};

static struct err *export(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int fd = -1;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	if (!e && !opt_output && isatty(STDOUT_FILENO))
		e = err_new(0, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	if (!e && opt_output)
		e = fd_open(AT_FDCWD, opt_output, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);
	signal(SIGPIPE, SIG_IGN);
	e = e ?: box_export(b, opt_output ? fd : STDOUT_FILENO);
	if (!e)
		box_event(st, &b->spec, "export", NULL);
	return e;
}

/* --- commit ----------------------------------------------------------------------------------- */

static const char *opt_author, *opt_message;
static struct strv opt_changes;
static bool opt_pause = true, opt_no_pause;

const struct opt commit_opts[] = {
	{ 'a', "author", "string", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")",
	  OPT_STR, &opt_author, NULL },
	{ 'c', "change", "list", "Apply Dockerfile instruction to the created image", OPT_LIST,
	  &opt_changes, NULL },
	{ 'm', "message", "string", "Commit message", OPT_STR, &opt_message, NULL },
	{ 0, "no-pause", NULL, "Do not pause the container during commit", OPT_BOOL, &opt_no_pause, NULL },
	{ 'p', "pause", NULL, "Pause container during commit (default true)", OPT_BOOL, &opt_pause, NULL },
	{ 0 },
};

static struct err *apply_changes(struct image_conf *conf, const struct strv *changes)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < changes->n; i++)
		e = image_conf_change(conf, changes->v[i]);
	return e;
}

/* The full reference for NAME, which may be absent. */
static struct err *full_name(const char *name, char **ret)
{
	struct image_ref ref;
	struct err *e;

	if (!name)
		return NULL;
	e = image_ref_parse(name, &ref);
	if (e)
		return e;
	if (ref.digest)
		e = err_new(0, "refusing to create a tag with a digest reference");
	else
		*ret = image_ref_full(&ref);
	image_ref_done(&ref);
	return e;
}

/* Named nowhere, gone when closed. */
static struct err *scratch(struct store *st, int *ret)
{
	return fd_open(st->tmp, ".", O_TMPFILE | O_RDWR, 0600, ret);
}

/* The container's configuration, as the image's would be. */
static void conf_of(const struct box *b, const struct image *img, struct image_conf *ret)
{
	const struct spec *s = &b->spec;

	strv_copy(&ret->entrypoint, &s->entrypoint);
	strv_copy(&ret->cmd, &s->cmd);
	strv_copy(&ret->env, &s->env);
	strv_copy(&ret->exposed, &s->exposed);
	strv_copy(&ret->labels, &s->labels);
	strv_copy(&ret->volumes, &img->volumes);
	ret->workdir = s->workdir && strcmp(s->workdir, "/") ? xstrdup(s->workdir) : NULL;
	ret->user = s->user && *s->user ? xstrdup(s->user) : NULL;
	ret->stop_signal = xstrdup(img->stop_signal);
}

static void put_over(struct strv *to, const struct strv *over)
{
	if (!over->n)
		return;
	strv_done(to);
	strv_copy(to, over);
}

static void add_over(struct strv *to, const struct strv *over)
{
	for (size_t i = 0; i < over->n; i++)
		strv_env_set(to, over->v[i]);
}

static void text_over(char **to, const char *over)
{
	if (!over)
		return;
	free(*to);
	*to = xstrdup(over);
}

/* What OVER has wins; settings, labels, ports and volumes come to those that are there. */
static void conf_over(struct image_conf *c, const struct image_conf *over)
{
	put_over(&c->entrypoint, &over->entrypoint);
	put_over(&c->cmd, &over->cmd);
	add_over(&c->env, &over->env);
	add_over(&c->labels, &over->labels);
	add_over(&c->exposed, &over->exposed);
	add_over(&c->volumes, &over->volumes);
	text_over(&c->workdir, over->workdir);
	text_over(&c->user, over->user);
	text_over(&c->stop_signal, over->stop_signal);
}

static struct err *save_layer(struct box *b, bool may_pause, int tar)
{
	struct box_held held = { 0 };
	struct err *e = NULL;

	if (may_pause && b->state.status == BOX_RUNNING && !box_is_paused(b))
		e = box_hold(b, &held);
	e = e ?: box_layer(b, tar);
	return err_also(e, box_let_go(&held));
}

struct err *commit_box(struct box *b, const struct commit_request *rq, char **ret_id)
{
	_cleanup_image_ struct image *base = NULL;
	_cleanup_free_ char *ref = NULL, *id = NULL;
	_cleanup_(image_conf_done) struct image_conf conf = { 0 };
	_cleanup_close_ int tar = -1;
	struct image_make m = { .author = rq->author, .comment = rq->message, .conf = &conf };
	_cleanup_str_ struct str line = { 0 };
	struct err *e = full_name(rq->name, &ref);

	e = e ?: err_wrap(image_find(b->st, b->spec.image_id, &base), "the container's image");
	if (e)
		return e;
	conf_of(b, base, &conf);
	if (rq->over)
		conf_over(&conf, rq->over);
	e = apply_changes(&conf, rq->changes);
	e = e ?: scratch(b->st, &tar);
	e = e ?: save_layer(b, rq->pause, tar);
	for (size_t i = 0; i < b->spec.cmd.n; i++)
		str_addf(&line, "%s%s", i ? " " : "", b->spec.cmd.v[i]);
	m.created_by = line.s;
	m.base = base;
	m.tar = tar;
	m.ref = ref;
	e = e ?: image_make(b->st, &m, &id);
	if (!e) {
		_cleanup_free_ char *of = xasprintf("imageID=%s", id);

		box_event(b->st, &b->spec, "commit", of);
		*ret_id = TAKE_PTR(id);
	}
	return e;
}

static struct err *commit(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_free_ char *id = NULL;
	struct commit_request rq = { .name = argc > 1 ? argv[1] : NULL,
				     .author = opt_author,
				     .message = opt_message,
				     .changes = &opt_changes,
				     .pause = opt_pause && !opt_no_pause };
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	e = e ?: commit_box(b, &rq, &id);
	if (!e)
		puts(id);
	return e;
}

/* --- import ----------------------------------------------------------------------------------- */

static const char *opt_import_message;

static const struct opt import_opts[] = {
	{ 'c', "change", "list", "Apply Dockerfile instruction to the created image", OPT_LIST,
	  &opt_changes, NULL },
	{ 'm', "message", "string", "Set commit message for imported image", OPT_STR,
	  &opt_import_message, NULL },
	{ 0 },
};

/* Whatever it is compressed with, TO gets the tar itself. */
static struct err *unpack_input(int from, int to)
{
	_cleanup_free_ char *buf = xmalloc(READ_SIZE);
	struct archive *a = archive_read_new();
	struct archive_entry *ae;
	struct err *e = NULL;
	la_ssize_t n = 0;

	if (!a)
		abort();
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_fd(a, from, READ_SIZE) != ARCHIVE_OK ||
	    archive_read_next_header(a, &ae) != ARCHIVE_OK)
		e = err_new(0, "reading the archive: %s", archive_error_string(a) ?: "it is empty");
	while (!e && (n = archive_read_data(a, buf, READ_SIZE)) > 0)
		e = fd_write_all(to, "a temporary file", buf, (size_t)n);
	if (!e && n < 0)
		e = err_new(0, "reading the archive: %s", archive_error_string(a) ?: "no reason given");
	archive_read_free(a);
	return e;
}

struct err *import_image(struct store *st, int fd, const struct import_request *rq, char **ret_id)
{
	_cleanup_free_ char *ref = NULL, *id = NULL, *comment = NULL;
	_cleanup_(image_conf_done) struct image_conf conf = { 0 };
	_cleanup_close_ int tar = -1;
	struct image_make m = { .conf = &conf };
	struct err *e = full_name(rq->name, &ref);

	e = e ?: apply_changes(&conf, rq->changes);
	e = e ?: scratch(st, &tar);
	e = e ?: unpack_input(fd, tar);
	comment = rq->message ? xstrdup(rq->message) : xasprintf("Imported from %s", rq->from);
	m.comment = comment;
	m.tar = tar;
	m.ref = ref;
	e = e ?: image_make(st, &m, &id);
	if (!e) {
		image_event(st, "import", id, ref ?: id);
		*ret_id = TAKE_PTR(id);
	}
	return e;
}

static struct err *import(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_close_ int file = -1;
	_cleanup_free_ char *id = NULL;
	struct import_request rq = { .name = argc > 1 ? argv[1] : NULL,
				     .from = argv[0],
				     .message = opt_import_message,
				     .changes = &opt_changes };
	struct err *e;

	if (strstr(argv[0], "://"))
		return err_hint(err_new(0, "import from a URL is not supported"),
				"curl -fL URL | %s import -", prog());
	e = store_open(&st);
	if (!e && strcmp(argv[0], "-"))
		e = fd_open(AT_FDCWD, argv[0], O_RDONLY, 0, &file);
	e = e ?: import_image(st, file >= 0 ? file : STDIN_FILENO, &rq, &id);
	if (!e)
		puts(id);
	return e;
}

const struct verb verb_diff = {
	.name = "diff",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "Inspect changes to files or directories on a container's filesystem",
	.run = diff,
};
const struct verb verb_export = {
	.name = "export",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.opts = export_opts,
	.summary = "Export a container's filesystem as a tar archive",
	.run = export,
};
const struct verb verb_commit = {
	.name = "commit",
	.args = "CONTAINER [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.opts = commit_opts,
	.summary = "Create a new image from a container's changes",
	.run = commit,
};
const struct verb verb_import = {
	.name = "import",
	.args = "FILE|- [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.opts = import_opts,
	.summary = "Import the contents from a tarball to create a filesystem image",
	.run = import,
};
