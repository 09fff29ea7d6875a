/* How a layer is copied: a child that is root of the usual mapping writes it as a tar stream, whiteouts and all, into a
 * pipe; another one, root of the mapping with the kept ids, unpacks it, as it would after a pull, and puts it into its
 * place.  Neither meets an owner that it has to translate. */
#include "core/box/keepid.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/box/tarout.h"
#include "core/box/userdb.h"
#include "registry/blob.h"
#include "registry/layer.h"
#include "registry/mark.h"

enum { PIPE_READ = 256 << 10, ETC_MAX = 4 << 20 };

/* -- ids --------------------------------------------------------------------------------------------------------- */

struct err *keepid_parse(const char *text, uint32_t uid, uint32_t gid, uint32_t *ret_uid,
			 uint32_t *ret_gid)
{
	const char *rest = str_after(text, "keep-id");
	_cleanup_free_ char *copy = xstrdup(rest && *rest ? rest + 1 : "");
	char *word, *left = copy;

	if (!rest || (*rest && *rest != ':'))
		return err_new(0, "it is not supported: keep-id[:uid=UID,gid=GID] and host are");
	while (*copy && (word = strsep(&left, ",")) != NULL) {
		const char *u = str_after(word, "uid="), *g = str_after(word, "gid=");
		uint64_t id = 0;
		struct err *e = u || g ? str_to_u64(u ?: g, 0, INT32_MAX, &id)
				       : err_new(0, "keep-id takes uid=UID and gid=GID");

		if (e)
			return err_wrap(e, "%s", word);
		*(u ? &uid : &gid) = (uint32_t)id;
	}
	*ret_uid = uid;
	*ret_gid = gid;
	return NULL;
}

struct err *keepid_ids(struct store *st, const char *text, struct userns_ids *ret)
{
	uint32_t uid, gid;
	struct err *e;

	*ret = st->ids;
	if (!text)
		return NULL;
	e = keepid_parse(text, st->ids.root_uid, st->ids.root_gid, &uid, &gid);
	if (!e && st->ids.direct)
		e = err_new(0, "root's own id is never part of a container");
	if (!e && st->ids.single)
		e = err_hint(err_new(0, "root inside has to be a subordinate id, and %s",
				     st->ids.why_single),
			     "'devbox doctor' tells the mend");
	if (!e)
		userns_ids_keep(&st->ids, uid, gid, ret);
	return err_wrap(e, "--userns %s", text);
}

/* -- layers ------------------------------------------------------------------------------------------------------ */

struct shift {
	struct store *st;
	const struct userns_ids *ids;
	const char *name; /* in layers/, of the copy */
	const char *stage;
	int from, to, pipe[2];
	char *buf;
};

static struct err *pack(void *arg, struct str *result UNUSED)
{
	struct shift *s = arg;
	struct tarout t = { .fd = s->pipe[1], .layer = true };
	struct err *e;

	signal(SIGPIPE, SIG_IGN); /* who unpacks tells what is wrong */
	close(s->pipe[0]);
	e = tarout_tree(&t, s->from, ".", "", true);
	e = e ?: tarout_end(&t);
	tarout_done(&t);
	return e;
}

static struct err *read_pipe(void *arg, const void **ret_data, size_t *ret_len)
{
	struct shift *s = arg;
	ssize_t n;

	do
		n = read(s->pipe[0], s->buf, PIPE_READ);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_new(errno, "reading the layer");
	*ret_data = s->buf;
	*ret_len = (size_t)n;
	return NULL;
}

static struct err *unpack(void *arg, struct str *result)
{
	struct shift *s = arg;
	struct layer_source src = { read_pipe, s };
	struct layer_stats stats = { 0 };
	struct layer_links links = { 0 };
	struct err *e;

	umask(0);
	s->buf = xmalloc(PIPE_READ);
	e = layer_unpack(s->to, s->ids, &src, &stats, &links);
	if (!e && links.n)
		e = err_new(0, "hard link %s: there is no %s", links.v[0].path, links.v[0].target);
	if (!e && syncfs(s->to) < 0)
		e = err_new(errno, "writing it to the disk");
	/* here, because only its owner may move a directory */
	if (!e && renameat(s->st->tmp, s->stage, s->st->layers, s->name) < 0)
		e = err_new(errno, "putting it into its place");
	if (!e)
		str_addf(result, "%llu", (unsigned long long)stats.bytes);
	return e;
}

static struct err *stream(struct shift *s, uint64_t *ret_bytes)
{
	_cleanup_str_ struct str bytes = { 0 };
	struct userns_child packer;
	struct err *e, *why;

	if (pipe2(s->pipe, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	e = userns_start(&s->st->ids, NULL, pack, s, &packer);
	close(s->pipe[1]); /* or the stream would never end */
	if (e) {
		close(s->pipe[0]);
		return e;
	}
	e = userns_call(s->ids, unpack, s, &bytes);
	close(s->pipe[0]);
	why = userns_end(&packer, NULL);
	if (why && !err_is(why, EPIPE)) { /* it knows why the stream ended early */
		err_free(e);
		return why;
	}
	err_free(why);
	return e ?: str_to_u64(bytes.s, 0, UINT64_MAX, ret_bytes);
}

static struct err *copy_layer(struct store *st, const struct userns_ids *ids, const char *layer,
			      const char *copy, uint64_t *copied)
{
	_cleanup_close_ int from = -1, to = -1;
	_cleanup_free_ char *stage = NULL;
	struct shift s = { .st = st, .ids = ids, .name = blob_name(copy) };
	uint64_t bytes = 0;
	struct err *e = fd_open(st->layers, blob_name(layer), O_PATH | O_DIRECTORY, 0, &from);

	mark_remove(st, copy); /* of one that is not to be trusted */
	e = e ?: store_rm_tree(st, st->layers, s.name);
	e = e ?: store_stage(st, "layer", &stage, &to);
	if (e)
		return e;
	s.from = from;
	s.to = to;
	s.stage = stage;
	e = stream(&s, &bytes);
	e = e ?: mark_write(st, copy, bytes, true);
	if (e)
		err_free(store_rm_tree(st, st->tmp, stage)); /* best effort: the next sweep does it */
	else
		*copied += bytes;
	return e;
}

/* LAYER becomes the name of its copy. */
static struct err *use_copy(struct store *st, const struct userns_ids *ids, char **layer, uint64_t *copied)
{
	_cleanup_free_ char *copy =
		xasprintf("%s.keep-%u-%u", *layer, ids->uid[0].inside, ids->gid[0].inside);
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", blob_name(copy));
	uint64_t size;
	int lock = -1;
	struct err *e = NULL;

	if (!mark_check(st, copy, &size)) {
		e = lock_hold(st->cache, lock_name, NULL, NULL, &lock);
		if (!e && !mark_check(st, copy, &size)) /* nobody else made it meanwhile */
			e = copy_layer(st, ids, *layer, copy, copied);
		if (lock >= 0)
			lock_drop(st->cache, lock_name, lock);
	}
	if (e)
		return err_wrap(e, "copying layer %.19s for --userns keep-id", *layer);
	free(*layer);
	*layer = TAKE_PTR(copy);
	return NULL;
}

struct err *keepid_resolve(struct store *st, const struct run_request *req, struct spec *s,
			   struct userns_ids *ret_ids, uint64_t *ret_copied)
{
	_cleanup_close_ int gc = -1;
	struct err *e = keepid_ids(st, s->userns, ret_ids);

	if (e || !s->userns)
		return e;
	s->kept_name = userns_own_name();
	if (!req->user || !*req->user) {
		free(s->user);
		s->user = xasprintf("%u:%u", ret_ids->uid[0].inside, ret_ids->gid[0].inside);
	}
	e = lock_take(st->cache, "gc.lock", true, &gc); /* what is just made is nobody's yet */
	for (size_t i = 0; i < s->layers.n && !e; i++)
		e = use_copy(st, ret_ids, &s->layers.v[i], ret_copied);
	return e;
}

/* -- at a start -------------------------------------------------------------------------------------------------- */

/* Does a line of TEXT begin with NAME and a colon? */
static bool has_name(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL)
		if (!strncmp(text, name, len) && text[len] == ':')
			return true;
	return false;
}

/* Append LINE to ROOT/PATH, which holds TEXT. */
static struct err *add_line(int root, const char *path, const char *text, const char *line)
{
	_cleanup_free_ char *whole =
		xasprintf("%s%s", text[0] && !str_ends(text, "\n") ? "\n" : "", line);
	_cleanup_close_ int fd = -1;
	struct err *e = fd_open_in_root(root, path, O_WRONLY | O_APPEND | O_NONBLOCK, 0, &fd);

	return e ?: fd_write_all(fd, path, whole, strlen(whole));
}

/* NULL if it cannot be read: images without users have none. */
static char *read_text(int root, const char *path)
{
	_cleanup_close_ int fd = -1;
	char *text = NULL;
	struct err *e = fd_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0, &fd);

	e = e ?: fd_read_all(fd, path, ETC_MAX, &text, NULL);
	err_free(e);
	return text;
}

static bool is_name(const char *name)
{
	return name && *name && strlen(name) < 64 && !name[strcspn(name, ":,/ \t\n")];
}

static struct err *add_user(int root, const struct spec *s, uint32_t uid, uint32_t gid)
{
	_cleanup_free_ char *passwd = read_text(root, "etc/passwd"),
			    *group = read_text(root, "etc/group");
	_cleanup_free_ char *id = xasprintf("%u", uid);
	_cleanup_free_ char *numbered = xasprintf("user%u", uid);
	const char *name = is_name(s->kept_name) ? s->kept_name : numbered;
	struct user u = { 0 };
	struct err *e = NULL;

	if (passwd)
		e = user_resolve(passwd, group, id, &u);
	if (!e && passwd && !u.name) {
		_cleanup_free_ char *line =
			xasprintf("%s:x:%u:%u::%s:/bin/sh\n", has_name(passwd, name) ? numbered : name,
				  uid, gid, s->workdir && *s->workdir ? s->workdir : "/");

		e = add_line(root, "etc/passwd", passwd, line);
	}
	user_done(&u);
	if (!e && group) {
		_cleanup_free_ char *mark = xasprintf(":%u:", gid), *line = NULL;

		line = xasprintf("%s:x:%u:\n", has_name(group, name) ? numbered : name, gid);
		if (!strstr(group, mark))
			e = add_line(root, "etc/group", group, line);
	}
	return e;
}

struct err *keepid_settle(int root, const struct userns_ids *ids, const struct spec *s)
{
	struct stat sb;
	struct err *e;

	if (fstatat(root, "", &sb, AT_EMPTY_PATH) < 0)
		return err_new(errno, "looking at the container's root");
	/* it is the upper directory, made by the caller */
	if ((sb.st_uid || sb.st_gid) && fchownat(root, "", 0, 0, AT_EMPTY_PATH) < 0)
		return err_new(errno, "giving the container's root to its root");
	e = add_user(root, s, ids->uid[0].inside, ids->gid[0].inside);
	return err_wrap(e, "adding the user to the image's passwd");
}
