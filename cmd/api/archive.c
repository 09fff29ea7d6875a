/* cmd/api/archive.c -- /containers/X/archive, changes, export: a container's files */
#include <fcntl.h>
#include <stdlib.h>

#include "cmd/api/flow.h"
#include "cmd/pathtar.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/changes.h"
#include "core/box/inside.h"
#include "core/box/state.h"
#include "core/box/tarin.h"
#include "core/box/userdb.h"
#include "registry/auth.h"

/* --- what a path is --------------------------------------------------------------------------------------------- */

/* Go's os.FileMode. */
static int64_t go_mode(mode_t mode)
{
	static const struct {
		mode_t type;
		unsigned bits;
	} types[] = { { S_IFDIR, 1U << 31 }, { S_IFLNK, 1U << 27 },
		      { S_IFBLK, 1U << 26 }, { S_IFCHR, 1U << 26 | 1U << 21 },
		      { S_IFIFO, 1U << 25 }, { S_IFSOCK, 1U << 24 } };
	int64_t go = mode & 0777;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			go |= types[i].bits;
	go |= mode & S_ISUID ? 1U << 23 : 0;
	go |= mode & S_ISGID ? 1U << 22 : 0;
	return go | (mode & S_ISVTX ? 1U << 20 : 0);
}

struct look {
	const struct box *b;
	const char *path;
	bool must_dir; /* what is unpacked goes there */
};

/* In the container: the JSON that the header holds. */
static struct err *look_inside(int root, void *arg, struct str *result)
{
	const struct look *l = arg;
	const struct pathtar p = {
		.root = root, .path = l->path, .follow = l->must_dir, .container = l->b->spec.name
	};
	_cleanup_free_ char *link = NULL, *clean = str_clean_path(l->path), *text = NULL;
	const char *slash = strrchr(clean, '/');
	char time[TIME_TEXT_MAX];
	struct json_out o;
	struct stat st;
	size_t len;
	struct err *e = pathtar_stat(&p, &st, &link);

	if (e)
		return api_fail(e, strstr(e->text, "not a directory") ? 400 : 404);
	if (l->must_dir && !S_ISDIR(st.st_mode))
		return api_fail(err_new(0, "extraction point is not a directory"), 400);
	time_format(st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec, time);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "name", slash && slash[1] ? slash + 1 : clean);
	json_put_int(&o, "size", st.st_size);
	json_put_int(&o, "mode", go_mode(st.st_mode));
	json_put_str(&o, "mtime", time);
	json_put_str(&o, "linkTarget", link ?: "");
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	str_addn(result, text, len);
	return NULL;
}

/* What the client names, from the container's root. */
static struct err *asked(struct api_call *c, bool must_dir, struct box **ret_box, struct look *ret,
			 char **ret_path, struct str *stat)
{
	const char *path = api_query(c, "path");
	struct err *e = api_box(c, ret_box);

	if (!e && !*path)
		e = api_fail(err_new(0, "missing parameter: path"), 400);
	if (e)
		return e;
	*ret_path = xasprintf("%s%s", *path == '/' ? "" : "/", path);
	*ret = (struct look){ *ret_box, *ret_path, must_dir };
	return box_inside(*ret_box, INSIDE_MOUNTS, look_inside, ret, stat);
}

/* --- out of the container --------------------------------------------------------------------------------------- */

struct output {
	struct look l;
	int fd;
};

static struct err *pack_inside(int root, void *arg, UNUSED struct str *result)
{
	const struct output *out = arg;
	const struct pathtar p = { .root = root, .path = out->l.path, .container = out->l.b->spec.name };
	struct tarout t = { .fd = out->fd };
	struct err *e = pathtar_write(&p, &t);

	tarout_done(&t);
	return e;
}

static struct err *pack(void *arg, int fd)
{
	struct look *l = arg;
	struct output out = { *l, fd };
	struct box *b = NULL;
	struct err *e = box_find(l->b->st, l->b->spec.id, &b);

	e = e ?: box_inside(b, INSIDE_MOUNTS, pack_inside, &out, NULL);
	box_free(b);
	return e;
}

static struct err *get(struct api_call *c)
{
	_cleanup_str_ struct str stat = { 0 };
	_cleanup_free_ char *path = NULL, *base64 = NULL, *header = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct look l;
	struct err *e = asked(c, false, &b, &l, &path, &stat);

	if (e)
		return e;
	base64 = auth_base64_encode(stat.s, stat.len);
	header = xasprintf("X-Docker-Container-Path-Stat: %s\r\n", base64);
	if (!strcmp(c->rq->method, "HEAD"))
		return api_text_with(c, 200, "", header);
	c->headers = header;
	return api_send_output(c, "application/x-tar", pack, &l);
}

/* --- into it ---------------------------------------------------------------------------------------------------- */

struct input {
	struct look l;
	int fd;
	bool to_user; /* everything belongs to the container's user */
};

static struct err *unpack_inside(int root, void *arg, UNUSED struct str *result)
{
	const struct input *in = arg;
	const struct spec *s = &in->l.b->spec;
	struct tarin t = {
		.fd = in->fd, .root = root, .dest = in->l.path, .owner = TARIN_KEEP, .ids = &in->l.b->ids
	};
	struct user u = { 0 };
	struct err *e = NULL;

	if (in->to_user && *s->user) {
		e = user_lookup(root, s->user, &u);
		t.fixed = true;
		t.uid = u.uid;
		t.gid = u.gid;
		user_done(&u);
	}
	return e ?: tarin_unpack(&t);
}

static struct err *put(struct api_call *c)
{
	_cleanup_str_ struct str stat = { 0 };
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *path = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct input in = { .to_user = api_query_bool(c, "copyUIDGID", false) };
	struct err *e = asked(c, true, &b, &in.l, &path, &stat);

	e = e ?: api_body_fd(c, &fd);
	in.fd = fd;
	e = e ?: box_inside(b, INSIDE_MOUNTS, unpack_inside, &in, NULL);
	if (err_is(e, EROFS))
		e = api_fail(e, 403);
	return e ?: api_empty(c, 200);
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static struct err *changes(struct api_call *c)
{
	static const char kinds[] = "CAD"; /* modified, added, deleted */
	_cleanup_str_ struct str lines = { 0 };
	_cleanup_box_ struct box *b = NULL;
	struct json_out o;
	char *rest, *line;
	struct err *e = api_box(c, &b);

	e = e ?: box_changes(b, &lines);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	rest = lines.s;
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *kind = *line ? strchr(kinds, *line) : NULL;

		if (!kind || line[1] != ' ')
			continue;
		json_open(&o, NULL, '{');
		json_put_str(&o, "Path", line + 2);
		json_put_int(&o, "Kind", kind - kinds);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	return api_json(c, 200, &o);
}

static struct err *write_export(void *arg, int fd)
{
	return box_export(arg, fd);
}

static struct err *export(struct api_call *c)
{
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	e = e ?: api_send_output(c, "application/x-tar", write_export, b);
	if (!e)
		box_event(c->st, &b->spec, "export", NULL);
	return e;
}

const struct api_route api_archive_routes[] = {
	{ "GET", "/containers/*/archive", get }, /* HEAD, too */
	{ "PUT", "/containers/*/archive", put },   { "GET", "/containers/*/changes", changes },
	{ "GET", "/containers/*/export", export }, { 0 },
};
