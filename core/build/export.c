/* Files leave the store through a tar stream: a child, root of the namespace, reads them under an overlay of the
 * target's layers; the caller writes them with his own rights. */
#include "core/build/export.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/box/tarin.h"
#include "core/box/tarout.h"
#include "core/build/worker.h"

enum output_kind { OUTPUT_LOCAL, OUTPUT_TAR, OUTPUT_IMAGE };

struct output {
	enum output_kind kind;
	char *dest, *name;
};

static void output_done(struct output *o)
{
	free(o->dest);
	free(o->name);
}

static struct err *read_fields(const char *text, struct output *o)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *one;
	bool typed = false;

	while ((one = strsep(&rest, ",")) != NULL) {
		char *value = strchr(one, '=');

		if (!value)
			return err_new(0, "--output %s: \"%s\" is not of the form key=value", text, one);
		*value++ = '\0';
		if (str_eq(one, "dest") && !o->dest) {
			o->dest = xstrdup(value);
		} else if (str_eq(one, "name") && !o->name) {
			o->name = xstrdup(value);
		} else if (str_eq(one, "type")) {
			typed = true;
			if (str_eq(value, "local"))
				o->kind = OUTPUT_LOCAL;
			else if (str_eq(value, "tar"))
				o->kind = OUTPUT_TAR;
			else if (str_eq(value, "image") || str_eq(value, "docker"))
				o->kind = OUTPUT_IMAGE;
			else
				return err_hint(
					err_new(0, "--output %s: unknown type \"%s\"", text, value),
					"local, tar, image and docker are known; 'devbox save' and "
					"'devbox push' do the rest");
		} else if (!str_starts(one, "rewrite-timestamp") &&
			   !str_starts(one, "compression") && !str_starts(one, "oci-mediatypes")) {
			return err_new(0, "--output %s: unknown key \"%s\"", text, one);
		}
	}
	if (!typed)
		return err_new(0, "--output %s: type is required", text);
	return NULL;
}

static struct err *parse(const char *text, struct output *o)
{
	struct err *e = NULL;

	*o = (struct output){ .kind = OUTPUT_LOCAL };
	if (str_eq(text, "-"))
		o->kind = OUTPUT_TAR;
	else if (!strchr(text, '='))
		o->dest = xstrdup(text);
	else
		e = read_fields(text, o);
	if (!e && o->kind == OUTPUT_LOCAL && (!o->dest || !*o->dest))
		e = err_new(0, "--output %s: dest is required for local exporter", text);
	if (!e && o->kind == OUTPUT_IMAGE && o->dest)
		e = err_hint(err_new(0, "--output %s: an image goes into the store, it has no dest", text),
			     "'devbox save -o FILE IMAGE' writes it to a file");
	return e;
}

struct err *export_check(const struct build_request *req, struct strv *refs, bool *ret_image)
{
	struct err *e = NULL;

	*ret_image = !req->outputs.n;
	for (size_t i = 0; i < req->outputs.n && !e; i++) {
		struct output o;

		e = parse(req->outputs.v[i], &o);
		if (!e && o.kind == OUTPUT_IMAGE) {
			struct image_ref ref;

			*ret_image = true;
			if (o.name) {
				e = err_wrap(image_ref_parse(o.name, &ref), "--output %s",
					     req->outputs.v[i]);
				if (!e) {
					strv_take(refs, image_ref_full(&ref));
					image_ref_done(&ref);
				}
			}
		}
		output_done(&o);
	}
	return e;
}

/* -- the stream -------------------------------------------------------------------------------------------------- */

struct writer {
	struct worker w;
	int out;
};

static struct err *write_stream(void *arg, struct str *result UNUSED)
{
	struct writer *x = arg;
	struct worker *w = &x->w;
	struct tarout t = { .fd = x->out, .latest_s = w->p->epoch_s >= 0 ? &w->p->epoch_s : NULL };
	int root = -1;
	struct err *e;

	signal(SIGPIPE, SIG_IGN);
	e = worker_begin(w);
	e = e ?: worker_mount(w, "export", &w->p->target->layers, &root);
	e = e ?: tarout_tree(&t, root, ".", "", true);
	e = e ?: tarout_end(&t);
	tarout_done(&t);
	if (root >= 0)
		close(root);
	worker_unmount(w, "export");
	worker_finish(w);
	return e;
}

static struct err *before(void *arg)
{
	struct writer *x = arg;

	return worker_before(&x->w);
}

static struct err *to_file(struct build_plan *p, int out)
{
	struct writer x = { .w = { .p = p, .s = p->target, .sock = -1 }, .out = out };

	return userns_call_from(&p->st->ids, before, write_stream, &x, NULL);
}

static struct err *to_dir(struct build_plan *p, const char *dest)
{
	struct writer x = { .w = { .p = p, .s = p->target, .sock = -1 } };
	struct tarin t = { .dest = ".", .owner = TARIN_OWN, .ids = &p->st->ids };
	_cleanup_close_ int in = -1, root = -1;
	struct userns_child child;
	struct err *e;
	int fds[2];

	e = fd_mkdir_p(AT_FDCWD, dest, 0755, NULL);
	e = e ?: fd_open(AT_FDCWD, dest, O_RDONLY | O_DIRECTORY, 0, &root);
	if (!e && pipe2(fds, O_CLOEXEC) < 0)
		e = err_new(errno, "making a pipe");
	if (e)
		return e;
	in = t.fd = fds[0];
	t.root = root;
	x.out = fds[1];
	e = userns_start(&p->st->ids, before, write_stream, &x, &child);
	close(fds[1]);
	if (e)
		return e;
	e = tarin_unpack(&t);
	close(TAKE_FD(in)); /* or a writer that is not wanted any more would wait */
	return err_also(e, userns_end(&child, NULL));
}

struct err *export_files(struct build_plan *p)
{
	struct err *e = NULL;

	for (size_t i = 0; i < p->req->outputs.n && !e; i++) {
		_cleanup_close_ int fd = -1;
		struct output o;

		e = parse(p->req->outputs.v[i], &o);
		if (!e && o.kind == OUTPUT_LOCAL)
			e = to_dir(p, o.dest);
		if (!e && o.kind == OUTPUT_TAR && o.dest && !str_eq(o.dest, "-"))
			e = fd_open(AT_FDCWD, o.dest, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd);
		if (!e && o.kind == OUTPUT_TAR)
			e = to_file(p, fd >= 0 ? fd : p->req->tar_fd);
		e = err_wrap(e, "--output %s", p->req->outputs.v[i]);
		output_done(&o);
	}
	return e;
}
