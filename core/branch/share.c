#include "core/branch/share.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/inside.h"
#include "core/box/tarout.h"
#include "core/store/fork.h"
#include "core/store/volume.h"
#include "registry/blob.h"
#include "registry/make.h"

enum { HEX = 64, INDEX_MAX = 512 << 20, DEPTH_MAX = 64, SNAP_LAYERS_MAX = 127, TAR_BLOCK = 512 };
#define LABEL_SNAPSHOT "devbox.snapshot"
#define FORMAT "1"

/* --- lines of the index ----------------------------------------------------------------------- */

void share_entry_done(struct share_entry *e)
{
	free(e->path);
	free(e->target);
	*e = (struct share_entry){ 0 };
}

void share_quote(const char *text, struct str *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c == '%' || c >= 0x7f)
			str_addf(out, "%%%02x", c);
		else
			str_addc(out, (char)c);
	}
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *unquote(const char *s)
{
	struct str out = { 0 };

	for (; *s; s++) {
		if (*s != '%') {
			str_addc(&out, *s);
		} else if (digit(s[1]) >= 0 && digit(s[2]) >= 0 && (s[1] != '0' || s[2] != '0')) {
			str_addc(&out, (char)(digit(s[1]) * 16 + digit(s[2])));
			s += 2;
		} else {
			str_done(&out);
			return NULL;
		}
	}
	return str_take(&out);
}

/* Relative, no empty part, no "." (but alone, for the top) and no "..". */
static bool path_ok(const char *p)
{
	if (!strcmp(p, "."))
		return true;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (!n || (n <= 2 && !memcmp(p, "..", n)))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

struct err *share_parse(const char *line, size_t len, struct share_entry *ret)
{
	_cleanup_free_ char *text = xstrndup(line, len), *path = NULL, *target = NULL;
	struct share_entry e = { .kind = *text };
	unsigned long long size = 0;
	long long mtime = 0;
	int at = 0;

	if (strlen(text) != len)
		return err_new(0, "the snapshot's index holds a zero byte");
	if (!strcmp(text, "-") || (len == HEX && str_is_hex(text, HEX))) {
		e.kind = 'c';
		snprintf(e.chunk, sizeof(e.chunk), "%s", len == HEX ? text : "");
		*ret = e;
		return NULL;
	}
	if (sscanf(text, "v %u%n", &e.volume, &at) == 1 && !text[at]) {
		*ret = e;
		return NULL;
	}
	at = 0;
	if ((*text == 'd' || *text == 'l') && text[1] == ' ' &&
	    sscanf(text + 2, "%o %u %u %lld %n", &e.mode, &e.uid, &e.gid, &mtime, &at) == 4 && at)
		at += 2;
	else if (*text == 'f' && text[1] == ' ' &&
		 sscanf(text + 2, "%o %u %u %lld %llu %n", &e.mode, &e.uid, &e.gid, &mtime, &size,
			&at) == 5 &&
		 at)
		at += 2;
	else
		return err_new(0, "the snapshot's index is malformed: %.60s", text);
	if (*text == 'l') {
		char *space = strchr(text + at, ' ');

		if (space) {
			*space = '\0';
			target = unquote(space + 1);
		}
	}
	path = unquote(text + at);
	if (!path || !path_ok(path) || (*text == 'l' && !target) || size > (UINT64_C(1) << 44))
		return err_new(0, "the snapshot's index is malformed: %.60s", text);
	e.mtime = mtime;
	e.size = size;
	e.mode &= 07777;
	e.path = TAKE_PTR(path);
	e.target = TAKE_PTR(target);
	*ret = e;
	return NULL;
}

/* --- the set of chunks that are known --------------------------------------------------------- */

struct set {
	char (*v)[HEX];
	size_t n, cap; /* cap is a power of two */
};

static size_t slot(const struct set *s, const char *hex)
{
	uint64_t h = 0;

	for (int i = 0; i < 15; i++)
		h = h * 16 + (uint64_t)digit(hex[i]);
	h &= s->cap - 1;
	while (s->v[h][0] && memcmp(s->v[h], hex, HEX))
		h = (h + 1) & (s->cap - 1);
	return h;
}

/* False if it was there. */
static bool set_add(struct set *s, const char *hex)
{
	size_t at;

	if (s->n * 2 >= s->cap) {
		struct set bigger = { .cap = s->cap ? s->cap * 2 : 1024 };

		bigger.v = xcalloc(bigger.cap, HEX);
		for (size_t i = 0; i < s->cap; i++)
			if (s->v[i][0])
				memcpy(bigger.v[slot(&bigger, s->v[i])], s->v[i], HEX);
		bigger.n = s->n;
		free(s->v);
		*s = bigger;
	}
	at = slot(s, hex);
	if (s->v[at][0])
		return false;
	memcpy(s->v[at], hex, HEX);
	s->n++;
	return true;
}

/* --- making ----------------------------------------------------------------------------------- */

struct maker {
	const struct strv *targets;
	int tar;
	struct set known;
	struct str index;
	char buf[SHARE_CHUNK];
};

static struct err *tar_put(struct maker *m, const char *name, const void *data, size_t len)
{
	static const char zeros[TAR_BLOCK];
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)len };
	_cleanup_str_ struct str head = { 0 };
	struct err *e;

	tarout_header(name, "", '0', &st, NULL, &head);
	e = fd_write_all(m->tar, "the layer", head.s, head.len);
	e = e ?: fd_write_all(m->tar, "the layer", data, len);
	if (!e && len % TAR_BLOCK)
		e = fd_write_all(m->tar, "the layer", zeros, TAR_BLOCK - len % TAR_BLOCK);
	return e;
}

static bool all_zero(const char *data, size_t len)
{
	return !len || (!*data && !memcmp(data, data + 1, len - 1));
}

static struct err *put_chunk(struct maker *m, const char *data, size_t len)
{
	char digest[DIGEST_LEN + 1], name[16 + HEX];
	const char *hex;

	if (all_zero(data, len)) {
		str_add(&m->index, "-\n");
		return NULL;
	}
	blob_digest(data, len, digest);
	hex = str_after(digest, "sha256:");
	str_addf(&m->index, "%s\n", hex);
	if (!set_add(&m->known, hex))
		return NULL;
	snprintf(name, sizeof(name), "chunks/%s", hex);
	return tar_put(m, name, data, len);
}

static void put_line(struct maker *m, char kind, const struct stat *st, const char *path,
		     const char *target)
{
	str_addf(&m->index, "%c %o %u %u %lld ", kind, st->st_mode & 07777, st->st_uid, st->st_gid,
		 (long long)st->st_mtime);
	if (kind == 'f')
		str_addf(&m->index, "%llu ", (unsigned long long)st->st_size);
	share_quote(path, &m->index);
	if (target) {
		str_addc(&m->index, ' ');
		share_quote(target, &m->index);
	}
	str_addc(&m->index, '\n');
}

static struct err *put_file(struct maker *m, int fd, const struct stat *st, const char *path)
{
	struct err *e = NULL;

	put_line(m, 'f', st, path, NULL);
	for (off_t at = 0; at < st->st_size && !e; at += SHARE_CHUNK) {
		size_t want = st->st_size - at < SHARE_CHUNK ? (size_t)(st->st_size - at) : SHARE_CHUNK,
		       got = 0;

		while (got < want) {
			ssize_t n = pread(fd, m->buf + got, want - got, at + (off_t)got);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return err_new(n ? errno : EIO, "reading %s", path);
			got += (size_t)n;
		}
		e = put_chunk(m, m->buf, want);
	}
	return e;
}

static struct err *put_dir(struct maker *m, int fd, const char *path, unsigned depth);

static struct err *put_entry(struct maker *m, int dir, const char *name, const char *path, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	char target[4096];
	struct stat st;
	ssize_t n;
	struct err *e;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "%s", path);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return err_new(errno, "reading the link %s", path);
		target[n] = '\0';
		put_line(m, 'l', &st, path, target);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return NULL; /* sockets, pipes: of the server's last run */
	e = fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (e)
		return e;
	if (S_ISREG(st.st_mode))
		return put_file(m, fd, &st, path);
	put_line(m, 'd', &st, path, NULL);
	return put_dir(m, TAKE_FD(fd), path, depth + 1);
}

/* Takes FD over. */
static struct err *put_dir(struct maker *m, int fd, const char *path, unsigned depth)
{
	_cleanup_close_ int dir = fd;
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e = depth > DEPTH_MAX ? err_new(ELOOP, "%s", path) : fd_list(dir, &names);

	for (size_t i = 0; i < names.n && !e; i++) {
		_cleanup_free_ char *below = strcmp(path, ".") ? xasprintf("%s/%s", path, names.v[i])
							       : xstrdup(names.v[i]);

		e = put_entry(m, dir, names.v[i], below, depth);
	}
	return e;
}

/* In a container that does not run, which has the volumes mounted: the same trees that a server sees. */
static struct err *make_inside(int root, void *arg, UNUSED struct str *result)
{
	static const char end[2 * TAR_BLOCK];
	struct maker *m = arg;
	struct err *e = NULL;

	for (size_t i = 0; i < m->targets->n && !e; i++) {
		_cleanup_close_ int top = -1;
		struct stat st;

		e = fd_open_in_root(root, m->targets->v[i], O_RDONLY | O_DIRECTORY, 0, &top);
		if (!e && fstat(top, &st) < 0)
			e = err_new(errno, "%s", m->targets->v[i]);
		if (e)
			return e;
		str_addf(&m->index, "v %zu\n", i);
		put_line(m, 'd', &st, ".", NULL);
		e = put_dir(m, TAKE_FD(top), ".", 0);
	}
	e = e ?: tar_put(m, "index", m->index.s, m->index.len);
	return e ?: fd_write_all(m->tar, "the layer", end, sizeof(end));
}

/* Open the layers' folders, the last one first. */
static struct err *open_layers(struct store *st, const struct image *img, int fds[SNAP_LAYERS_MAX],
			       size_t *ret_n)
{
	struct err *e = NULL;
	size_t n = 0;

	for (size_t i = img->diff_ids.n; i-- > 0 && !e;) {
		if (n == SNAP_LAYERS_MAX)
			return err_new(0, "the snapshot has more than %d layers", SNAP_LAYERS_MAX);
		e = fd_open(st->layers, str_after(img->diff_ids.v[i], "sha256:") ?: "?",
			    O_RDONLY | O_DIRECTORY, 0, &fds[n]);
		n += !e;
	}
	*ret_n = n;
	return e;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* The names of the chunks in the layers. */
static struct err *list_chunks(struct set *known, const int *layers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int fd = openat(layers[i], "chunks", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *de;

		if (!d && errno != ENOENT)
			return err_new(errno, "reading the snapshot's layer");
		while (d && (de = readdir(d)) != NULL)
			if (strlen(de->d_name) == HEX && str_is_hex(de->d_name, HEX))
				set_add(known, de->d_name);
	}
	return NULL;
}

/* A container that is never started, with VOLUMES at the service's places: the way into thin trees. */
static struct err *make_window(struct store *st, const struct dbservice *s,
			       const struct strv *volumes, struct box **ret)
{
	struct run_request req = { .image = s->image, .stop_timeout_s = -1, .no_init_cache = true };
	struct image *img = NULL;
	struct err *e = image_find(st, s->image_id, &img);

	strv_copy(&req.env, &s->env);
	for (size_t i = 0; i < s->targets.n; i++) {
		struct mount_spec *m = mounts_add(&req.mounts);

		m->type = MOUNT_VOLUME;
		m->source = xstrdup(volumes->v[i]);
		m->target = xstrdup(s->targets.v[i]);
		m->no_copy = true;
	}
	e = e ?: box_create(st, &req, img, ret);
	image_free(img);
	strv_done(&req.env);
	mounts_done(&req.mounts);
	return e;
}

static void temporary_names(const struct dbservice *s, struct strv *ret)
{
	_cleanup_free_ char *word = volume_make_name();

	for (size_t i = 0; i < s->targets.n; i++)
		strv_addf(ret, "db.share.%.12s.%zu", word, i);
}

bool share_is_snapshot(const struct image *img)
{
	return str_eq(strv_env(&img->labels, LABEL_SNAPSHOT), FORMAT);
}

static struct err *make_image(struct store *st, const struct dbservice *s, const struct image *base,
			      int tar, const char *ref)
{
	struct image_conf conf = { 0 };
	struct image_make m = {
		.base = base, .tar = tar, .conf = &conf, .ref = ref, .created_by = "devbox db snapshot push"
	};
	_cleanup_free_ char *id = NULL;
	struct err *e;

	strv_add(&conf.labels, LABEL_SNAPSHOT "=" FORMAT);
	strv_addf(&conf.labels, "devbox.engine=%s", s->recipe);
	strv_addf(&conf.labels, "devbox.image=%s", s->image);
	e = image_make(st, &m, &id);
	image_conf_done(&conf);
	return e;
}

struct err *share_make(struct store *st, const struct dbservice *s, const struct fork *f,
		       const struct image *base, const char *ref)
{
	_cleanup_strv_ struct strv copies = { 0 };
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int dir = -1, tar = -1;
	struct maker *m = xcalloc(1, sizeof(*m));
	struct box *window = NULL;
	int layers[SNAP_LAYERS_MAX];
	size_t n = 0;
	struct err *e = NULL;

	temporary_names(s, &copies);
	m->targets = &s->targets;
	if (base)
		e = open_layers(st, base, layers, &n) ?: list_chunks(&m->known, layers, n);
	e = e ?: store_stage(st, "share", &stage, &dir);
	e = e ?: fd_open(dir, "layer", O_RDWR | O_CREAT | O_EXCL, 0600, &tar);
	m->tar = tar;
	e = e ?: branch_copy(st, s, f, &f->volumes, &copies); /* the instant */
	e = e ?: make_window(st, s, &copies, &window);
	e = e ?: box_inside(window, INSIDE_MOUNTS, make_inside, m, NULL);
	if (window)
		e = err_also(e, box_rm(window, true, false));
	box_free(window);
	for (size_t i = 0; i < copies.n; i++)
		e = err_also(e, volume_remove(st, copies.v[i]));
	e = e ?: make_image(st, s, base, tar, ref);
	if (stage)
		err_free(store_rm_tree(st, st->tmp, stage)); /* else the next sweep does it */
	close_all(layers, n);
	free(m->known.v);
	str_done(&m->index);
	free(m);
	return err_wrap(e, "making the snapshot");
}

/* --- taking ----------------------------------------------------------------------------------- */

struct taker {
	const struct strv *targets;
	const int *layers;
	size_t n_layers;
	const char *text; /* the index */
	size_t len;
	int volume; /* the tree that is being filled */
	char buf[SHARE_CHUNK + 1];
};

static struct err *take_chunk(struct taker *t, int fd, const char *hex, size_t want)
{
	_cleanup_free_ char *name = xasprintf("chunks/%s", hex);
	_cleanup_close_ int chunk = -1;
	struct err *e = err_new(ENOENT, "chunk %.12s", hex);
	ssize_t n;

	for (size_t i = 0; i < t->n_layers && err_is(e, ENOENT); i++) {
		err_free(e);
		e = fd_open_in_root(t->layers[i], name, O_RDONLY | O_NOFOLLOW, 0, &chunk);
	}
	if (e)
		return err_wrap(e, "the snapshot is not complete");
	n = read(chunk, t->buf, sizeof(t->buf));
	if (n != (ssize_t)want)
		return err_new(n < 0 ? errno : 0, "chunk %.12s of the snapshot has not its size", hex);
	return fd_write_all(fd, "the database's files", t->buf, want);
}

static bool next_line(struct taker *t, const char **line, size_t *n)
{
	const char *end = memchr(t->text, '\n', t->len);

	if (!end)
		return false;
	*line = t->text;
	*n = (size_t)(end - t->text);
	t->text += *n + 1;
	t->len -= *n + 1;
	return true;
}

static struct err *take_content(struct taker *t, int fd, const struct share_entry *f)
{
	struct err *e = NULL;

	for (uint64_t at = 0; at < f->size && !e; at += SHARE_CHUNK) {
		size_t want = f->size - at < SHARE_CHUNK ? (size_t)(f->size - at) : SHARE_CHUNK, n;
		struct share_entry c = { 0 };
		const char *line;

		if (!next_line(t, &line, &n))
			return err_new(0, "the snapshot's index ends early");
		e = share_parse(line, n, &c);
		if (!e && c.kind != 'c')
			e = err_new(0, "%s lacks chunks in the snapshot's index", f->path);
		if (!e && !*c.chunk && lseek(fd, (off_t)want, SEEK_CUR) < 0)
			e = err_new(errno, "writing %s", f->path);
		if (!e && *c.chunk)
			e = take_chunk(t, fd, c.chunk, want);
		share_entry_done(&c);
	}
	if (!e && ftruncate(fd, (off_t)f->size) < 0)
		e = err_new(errno, "writing %s", f->path);
	return e;
}

static struct err *set_owner(int fd, const struct share_entry *x)
{
	struct timespec times[2] = { { .tv_sec = x->mtime }, { .tv_sec = x->mtime } };

	if (fchown(fd, x->uid, x->gid) < 0)
		return err_new(errno, "giving %s to %u:%u", x->path, x->uid, x->gid);
	if (fchmod(fd, x->mode) < 0)
		return err_new(errno, "setting the mode of %s", x->path);
	futimens(fd, times);
	return NULL;
}

static struct err *take_entry(struct taker *t, const struct share_entry *x)
{
	_cleanup_close_ int fd = -1, parent = -1;
	_cleanup_free_ char *dir = xstrdup(x->path);
	const char *last = strrchr(x->path, '/');
	struct err *e;

	if (!strcmp(x->path, "."))
		return fd_open(t->volume, ".", O_RDONLY | O_DIRECTORY, 0, &fd) ?: set_owner(fd, x);
	if (last)
		dir[last - x->path] = '\0';
	last = last ? last + 1 : x->path;
	e = fd_open_in_root(t->volume, strchr(x->path, '/') ? dir : ".", O_RDONLY | O_DIRECTORY, 0,
			    &parent);
	if (e)
		return e;
	if (x->kind == 'l') {
		if (symlinkat(x->target, parent, last) < 0 ||
		    fchownat(parent, last, x->uid, x->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_new(errno, "making the link %s", x->path);
		return NULL;
	}
	if (x->kind == 'd') {
		if (mkdirat(parent, last, 0700) < 0)
			return err_new(errno, "making %s", x->path);
		e = fd_open(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);
		return e ?: set_owner(fd, x);
	}
	e = fd_open(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
	e = e ?: take_content(t, fd, x);
	return e ?: set_owner(fd, x);
}

static struct err *take_inside(int root, void *arg, UNUSED struct str *result)
{
	struct taker *t = arg;
	struct err *e = NULL;
	const char *line;
	size_t n;

	while (!e && next_line(t, &line, &n)) {
		struct share_entry x = { 0 };

		e = share_parse(line, n, &x);
		if (!e && x.kind == 'v') {
			if (t->volume >= 0)
				close(TAKE_FD(t->volume));
			if (x.volume >= t->targets->n)
				e = err_new(0, "the snapshot has more volumes than the image");
			e = e
				    ?: fd_open_in_root(root, t->targets->v[x.volume],
						       O_RDONLY | O_DIRECTORY, 0, &t->volume);
		} else if (!e && (x.kind == 'c' || t->volume < 0)) {
			e = err_new(0, "the snapshot's index is out of order");
		} else {
			e = e ?: take_entry(t, &x);
		}
		share_entry_done(&x);
	}
	if (t->volume >= 0)
		close(TAKE_FD(t->volume));
	return e;
}

/* Fill new VOLUMES from IMG. */
static struct err *take_volumes(struct store *st, const struct dbservice *s,
				const struct image *img, const struct strv *volumes)
{
	struct taker *t = xcalloc(1, sizeof(*t));
	_cleanup_free_ char *index = NULL;
	struct box *window = NULL;
	int layers[SNAP_LAYERS_MAX];
	size_t n = 0;
	struct err *e = open_layers(st, img, layers, &n);

	if (!e && !n)
		e = err_new(0, "the snapshot is empty");
	e = e ?: fd_read_file(layers[0], "index", INDEX_MAX, &index, &t->len);
	for (size_t i = 0; i < volumes->n && !e; i++) {
		bool created;

		e = volume_ensure(st, volumes->v[i], false, &created);
		e = e ?: fork_prepare(st, volumes->v[i]);
	}
	t->targets = &s->targets;
	t->layers = layers;
	t->n_layers = n;
	t->text = index;
	t->volume = -1;
	e = e ?: make_window(st, s, volumes, &window);
	e = e ?: box_inside(window, INSIDE_MOUNTS, take_inside, t, NULL);
	if (window)
		e = err_also(e, box_rm(window, true, false));
	box_free(window);
	close_all(layers, n);
	free(t);
	return e;
}

struct err *share_take(struct store *st, const char *project, const char *service,
		       const char *branch, const struct image *img)
{
	_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_dbproject_ struct dbproject p = { 0 };
	_cleanup_strv_ struct strv volumes = { 0 };
	_cleanup_free_ char *origin = xasprintf("snapshot %s", img->ref ?: img->id);
	const char *engine = strv_env(&img->labels, "devbox.engine");
	struct dbservice *s;
	struct err *e = dbproject_open(st, project, false, &d, &p);

	s = e ? NULL : dbproject_service(&p, service);
	if (!e && !s)
		e = err_new(ENOENT, "database %s", service);
	if (!e && !share_is_snapshot(img))
		e = err_new(0, "%s is no snapshot of a database", img->ref ?: img->id);
	if (!e && !str_eq(engine, s->recipe))
		e = err_new(0, "%s is a snapshot of %s, not of %s", img->ref ?: img->id,
			    engine ?: "?", s->recipe);
	if (e)
		return e;
	temporary_names(s, &volumes);
	e = take_volumes(st, s, img, &volumes);
	e = e ?: branch_replace(st, project, service, branch, &volumes, origin);
	for (size_t i = 0; i < volumes.n; i++)
		e = err_also(e, volume_remove(st, volumes.v[i]));
	return e;
}
