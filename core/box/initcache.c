#include "core/box/initcache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/inside.h"
#include "core/box/procs.h"
#include "core/box/recipe.h"
#include "registry/blob.h"

enum {
	FORMAT = 1, /* of entries; another one means other keys */
	RECORD_MAX = 65536,
	PASSWORD_MAX = 4096,
	SALT_LEN = 32,
	TREE_MAX = 5000, /* files of a bind mount that are looked at */
	DEPTH_MAX = 16,
	OTHER_BIND_MAX = 16 << 20, /* bytes outside the init scripts */
	PORT_STATE_LINE = 512,
};

/* --- the key ---------------------------------------------------------------------------------- */

struct hasher {
	struct sha256 *h;
	uint64_t left; /* bytes that may still be read */
	unsigned files;
	bool refused;
};

/* With its length, so that no two lists are the same bytes. */
static void add_text(struct hasher *h, const char *s)
{
	uint64_t len = s ? strlen(s) : UINT64_MAX;

	sha256_add(h->h, &len, sizeof(len));
	if (s)
		sha256_add(h->h, s, (size_t)len);
}

static void add_list(struct hasher *h, const struct strv *l)
{
	uint64_t n = l->n;

	sha256_add(h->h, &n, sizeof(n));
	for (size_t i = 0; i < l->n; i++)
		add_text(h, l->v[i]);
}

static void add_file(struct hasher *h, int fd)
{
	char buf[65536];
	ssize_t n;

	while (!h->refused && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (uint64_t)n > h->left) {
			h->refused = true;
			break;
		}
		h->left -= (uint64_t)n;
		sha256_add(h->h, buf, (size_t)n);
	}
	add_text(h, "end");
}

static void add_entry(struct hasher *h, int dir, const char *name, unsigned depth);

static void add_dir(struct hasher *h, int fd, unsigned depth)
{
	_cleanup_dir_ DIR *d = fdopendir(fd);
	_cleanup_strv_ struct strv names = { 0 };
	struct dirent *de;

	if (!d || depth > DEPTH_MAX) {
		h->refused = true;
		if (!d)
			close(fd);
		return;
	}
	while ((de = readdir(d)) != NULL && names.n < TREE_MAX)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			strv_add(&names, de->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n && !h->refused; i++)
		add_entry(h, dirfd(d), names.v[i], depth + 1);
	add_text(h, "up");
}

/* Name, kind, mode and content.  The top of a bind mount may be a link of the host's. */
static void add_entry(struct hasher *h, int dir, const char *name, unsigned depth)
{
	int fd = openat(dir, name,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (depth ? O_NOFOLLOW : 0));
	char link[4096], kind[32];
	struct stat st;
	ssize_t n;

	add_text(h, depth ? name : "");
	if (fd < 0 && errno == ELOOP && (n = readlinkat(dir, name, link, sizeof(link) - 1)) >= 0) {
		link[n] = '\0';
		add_text(h, link);
		return;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || ++h->files > TREE_MAX ||
	    (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))) {
		h->refused = true; /* a socket, a device, or not ours to read: what it does is not known */
		if (fd >= 0)
			close(fd);
		return;
	}
	snprintf(kind, sizeof(kind), "%o", st.st_mode);
	add_text(h, kind);
	if (S_ISDIR(st.st_mode)) {
		add_dir(h, fd, depth);
		return;
	}
	add_file(h, fd);
	close(fd);
}

/* Is PATH in DIR, or DIR itself? */
static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && (!*rest || *rest == '/');
}

static void add_mounts(struct hasher *h, const struct spec *s)
{
	for (size_t i = 0; i < s->mounts.n && !h->refused; i++) {
		const struct mount_spec *m = &s->mounts.v[i];

		add_text(h, mount_type_names[m->type]);
		add_text(h, m->target);
		add_text(h, m->options);
		sha256_add(h->h, &m->read_only, sizeof(m->read_only));
		if (m->type == MOUNT_VOLUME && (m->subpath || m->chown || m->no_copy || m->read_only))
			h->refused = true;
		if (m->type != MOUNT_BIND)
			continue;
		for (size_t k = 0; k < s->mounts.n; k++) /* data that is the host's */
			if (s->mounts.v[k].type == MOUNT_VOLUME &&
			    is_below(m->target, s->mounts.v[k].target))
				h->refused = true;
		h->left = is_below(m->target, "/docker-entrypoint-initdb.d") ? INITCACHE_BIND_MAX
									     : OTHER_BIND_MAX;
		if (!h->refused)
			add_entry(h, AT_FDCWD, m->source, 0);
	}
}

/* The environment but for the password that was made up, which is another one each time. */
static void add_env(struct hasher *h, const struct spec *s)
{
	const struct recipe *r = recipe_by_name(s->recipe);
	_cleanup_strv_ struct strv env = { 0 };

	strv_copy(&env, &s->env);
	if (s->made_password)
		recipe_add_password(r, "made up", &env);
	add_list(h, &env);
}

/* Wanted at all, and how many bytes may be kept? */
static uint64_t budget(void)
{
	const char *text = getenv("DEVBOX_INIT_CACHE");
	uint64_t bytes = INITCACHE_BYTES;
	struct err *e = text && *text ? str_to_size(text, &bytes) : NULL;

	if (e && (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false")))
		bytes = 0;
	err_free(e); /* what is no size is the default */
	return bytes;
}

static bool can_be_kept(const struct spec *s)
{
	static const char *const random_vars[] = { "MYSQL_RANDOM_ROOT_PASSWORD",
						   "MARIADB_RANDOM_ROOT_PASSWORD" };
	const struct recipe *r = s->recipe ? recipe_by_name(s->recipe) : NULL;
	bool volume = false;

	if (!r || !budget() || s->userns) /* what it keeps has the usual owners */
		return false;
	switch (recipe_engine(r)) {
	case ENGINE_MYSQL:
	case ENGINE_MARIADB:
	case ENGINE_POSTGRES:
	case ENGINE_MONGO:
		break;
	case ENGINE_REDIS:
	case ENGINE_VALKEY: /* they set up nothing */
	case ENGINE_MAX:
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(random_vars); i++) {
		const char *v = strv_env(&s->env, random_vars[i]);

		if (v && *v)
			return false;
	}
	for (size_t i = 0; i < s->mounts.n; i++)
		volume |= s->mounts.v[i].type == MOUNT_VOLUME;
	return volume;
}

static struct err *open_cache(struct store *st, int *ret)
{
	if (mkdirat(st->cache, "init", 0700) < 0 && errno != EEXIST)
		return err_new(errno, "making the init cache");
	if (st->ids.direct &&
	    fchownat(st->cache, "init", st->ids.root_uid, st->ids.root_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "giving the init cache to uid %u", st->ids.root_uid);
	return fd_open(st->cache, "init", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret);
}

static struct err *read_salt(struct store *st, unsigned char salt[SALT_LEN])
{
	_cleanup_close_ int dir = -1, fd = -1;
	struct err *e = open_cache(st, &dir);

	if (e)
		return e;
	e = fd_open(dir, "salt", O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (!e && read(fd, salt, SALT_LEN) == SALT_LEN)
		return NULL;
	err_free(e); /* first use */
	random_bytes(salt, SALT_LEN);
	return fd_write_atomic(dir, "salt", salt, SALT_LEN, 0600, false);
}

struct err *initcache_key(struct store *st, const struct spec *s, char **ret_key)
{
	struct hasher h = { 0 };
	unsigned char salt[SALT_LEN];
	char digest[DIGEST_LEN + 1], ids[64];
	struct err *e;

	*ret_key = NULL;
	if (!can_be_kept(s))
		return NULL;
	e = read_salt(st, salt);
	if (e)
		return e;
	h.h = sha256_new();
	sha256_add(h.h, salt, sizeof(salt));
	snprintf(ids, sizeof(ids), "%d %d %u %u", FORMAT, st->ids.single, st->ids.root_uid,
		 st->ids.root_gid);
	add_text(&h, ids);
	add_text(&h, s->image_id);
	add_text(&h, s->recipe);
	add_text(&h, s->user);
	add_text(&h, s->workdir);
	add_list(&h, &s->entrypoint);
	add_list(&h, &s->cmd);
	add_env(&h, s);
	add_mounts(&h, s);
	sha256_text(h.h, digest);
	sha256_free(h.h);
	if (!h.refused)
		*ret_key = xstrdup(str_after(digest, "sha256:"));
	return NULL;
}

/* --- filling ---------------------------------------------------------------------------------- */

struct copy {
	int src, dst;
};

static struct err *copy_one(void *arg, UNUSED struct str *result)
{
	const struct copy *c = arg;

	return copy_tree(c->src, c->dst);
}

static struct err *fill_volume(struct store *st, int entry, size_t n, const char *volume)
{
	_cleanup_free_ char *from = xasprintf("v%zu", n), *to = xasprintf("%s/data", volume);
	struct copy c = { -1, -1 };
	struct err *e = fd_open(entry, from, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &c.src);

	e = e ?: fd_open(st->volumes, to, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &c.dst);
	e = e ?: userns_call(&st->ids, copy_one, &c, NULL);
	if (c.src >= 0)
		close(c.src);
	if (c.dst >= 0)
		close(c.dst);
	return e;
}

struct err *initcache_fill(struct store *st, const char *key, struct spec *s, bool *ret_filled)
{
	_cleanup_close_ int dir = -1, entry = -1;
	_cleanup_free_ char *password = NULL;
	size_t n = 0;
	struct err *e = open_cache(st, &dir);

	*ret_filled = false;
	e = e ?: fd_open(dir, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &entry);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	if (!e && s->made_password)
		e = fd_read_file(entry, "password", PASSWORD_MAX, &password, NULL);
	for (size_t i = 0; i < s->mounts.n && !e; i++)
		if (s->mounts.v[i].type == MOUNT_VOLUME)
			e = fill_volume(st, entry, n++, s->mounts.v[i].source);
	if (e)
		return err_hint(err_wrap(e, "starting from the init cache"),
				"devbox db cache rm --all, or --no-init-cache");
	if (password)
		recipe_add_password(recipe_by_name(s->recipe), password, &s->env);
	futimens(entry, NULL); /* best effort: what is used last stays longest */
	*ret_filled = true;
	return NULL;
}

/* --- keeping ---------------------------------------------------------------------------------- */

struct keep {
	const struct spec *s;
	int stage;
	struct err *e;
};

/* In the container: its volumes are what it sees, however they are mounted. */
static struct err *copy_volumes(int root, void *arg, UNUSED struct str *result)
{
	const struct keep *k = arg;
	struct err *e = NULL;
	size_t n = 0;

	for (size_t i = 0; i < k->s->mounts.n && !e; i++) {
		const struct mount_spec *m = &k->s->mounts.v[i];
		_cleanup_close_ int src = -1, dst = -1;
		char name[24];

		if (m->type != MOUNT_VOLUME)
			continue;
		snprintf(name, sizeof(name), "v%zu", n++);
		if (mkdirat(k->stage, name, 0700) < 0)
			return err_new(errno, "making %s", name);
		e = fd_open_in_root(root, m->target, O_RDONLY | O_DIRECTORY, 0, &src);
		e = e ?: fd_open(k->stage, name, O_RDONLY | O_DIRECTORY, 0, &dst);
		e = e ?: copy_tree(src, dst);
	}
	return e;
}

static struct err *write_entry(struct box *b, int stage)
{
	const struct spec *s = &b->spec;
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	struct db_access a;
	size_t len;
	struct err *e;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "Image", s->image);
	json_put_str(&o, "ImageId", s->image_id);
	json_put_str(&o, "Engine", s->recipe);
	json_put_int(&o, "Created", time_now_ns());
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	e = fd_write_atomic(stage, "entry.json", text, len, 0600, false);
	if (e || !s->made_password)
		return e;
	recipe_access(recipe_by_name(s->recipe), &s->env, &s->cmd, "", 0, &a);
	if (a.password)
		e = fd_write_atomic(stage, "password", a.password, strlen(a.password), 0600, false);
	db_access_done(&a);
	return e;
}

/* The oldest go until what is left fits. */
static struct err *make_room(struct store *st)
{
	struct initcache_list l = { 0 };
	uint64_t bytes = 0;
	struct err *e = initcache_list(st, &l);

	for (size_t i = 0; i < l.n && !e; i++) {
		bytes += l.v[i].bytes;
		if (i && (i >= INITCACHE_ENTRIES || bytes > budget()))
			e = initcache_remove(st, l.v[i].key);
	}
	initcache_list_done(&l);
	return e;
}

struct err *initcache_keep(struct box *b, uint16_t port)
{
	struct store *st = b->st;
	_cleanup_free_ char *stage = NULL;
	_cleanup_close_ int dir = -1, cache = -1;
	struct keep k = { .s = &b->spec };
	const char *key = b->spec.init_key;
	struct err *e = open_cache(st, &cache);

	if (e || faccessat(cache, key, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return e;
	e = store_stage(st, "init", &stage, &dir);
	if (e)
		return e;
	k.stage = dir;
	e = box_pause(b);
	if (!e) {
		bool busy = box_is_busy(b, port);

		if (!busy)
			e = box_inside(b, INSIDE_MOUNTS, copy_volumes, &k, NULL);
		e = err_also(e, box_unpause(b));
		if (busy && !e)
			return store_rm_tree(st, st->tmp, stage); /* what they change is not the image's doing */
	}
	e = e ?: write_entry(b, dir);
	if (!e && renameat2(st->tmp, stage, cache, key, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		e = err_new(errno, "putting the entry into place");
	if (e || faccessat(st->tmp, stage, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		e = err_also(e, store_rm_tree(st, st->tmp, stage));
	return e ?: make_room(st);
}

/* --- the entries ------------------------------------------------------------------------------ */

void initcache_list_done(struct initcache_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].key);
		free(l->v[i].image);
		free(l->v[i].engine);
	}
	free(l->v);
	*l = (struct initcache_list){ 0 };
}

struct measured {
	int dir;
	const char *name;
};

static struct err *measure(void *arg, struct str *result)
{
	const struct measured *m = arg;

	str_addf(result, "%llu", (unsigned long long)fd_tree_size(m->dir, m->name));
	return NULL;
}

static int last_used_first(const void *a, const void *b)
{
	int64_t x = ((const struct initcache_entry *)a)->used_ns,
		y = ((const struct initcache_entry *)b)->used_ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

static struct err *read_entry(struct store *st, int cache, const char *key, struct initcache_entry *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/entry.json", key), *text = NULL;
	_cleanup_json_ json *j = NULL;
	_cleanup_str_ struct str size = { 0 };
	struct measured m = { cache, key };
	struct stat sb;
	size_t len;
	struct err *e = fd_read_file(cache, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, path, &j);
	if (!e && fstatat(cache, key, &sb, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "%s", key);
	e = e ?: userns_call(&st->ids, measure, &m, &size);
	if (e)
		return e;
	*ret = (struct initcache_entry){
		.key = xstrdup(key),
		.image = xstrdup(json_str(j, "Image") ?: ""),
		.engine = xstrdup(json_str(j, "Engine") ?: ""),
		.created_ns = json_int(j, "Created", 0),
		.used_ns = sb.st_mtim.tv_sec * INT64_C(1000000000) + sb.st_mtim.tv_nsec,
	};
	return str_to_u64(size.s ?: "0", 0, UINT64_MAX, &ret->bytes);
}

struct err *initcache_list(struct store *st, struct initcache_list *ret)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_close_ int cache = -1;
	struct dirent *de;
	struct err *e = open_cache(st, &cache);

	if (e)
		return e;
	d = fd_opendir(cache);
	while (d && (de = readdir(d)) != NULL) {
		struct initcache_entry one = { 0 };

		if (strlen(de->d_name) != 64 || !str_is_hex(de->d_name, 64))
			continue;
		e = read_entry(st, cache, de->d_name, &one);
		if (e) { /* removed meanwhile */
			err_free(e);
			free(one.key);
			free(one.image);
			free(one.engine);
			continue;
		}
		ret->v = xgrow(ret->v, ret->n, &ret->cap, sizeof(one));
		ret->v[ret->n++] = one;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), last_used_first);
	return NULL;
}

struct err *initcache_remove(struct store *st, const char *key)
{
	_cleanup_free_ char *gone = xasprintf("init-rm.%s", key);
	_cleanup_close_ int cache = -1;
	struct err *e = open_cache(st, &cache);

	if (e)
		return e;
	/* out of sight in one step, then taken apart */
	if (renameat(cache, key, st->tmp, gone) < 0)
		return errno == ENOENT ? NULL
				       : err_new(errno, "removing %.12s from the init cache", key);
	return store_rm_tree(st, st->tmp, gone);
}

/* --- who is connected ------------------------------------------------------------------------- */

/* A line of /proc/net/tcp: "sl: LOCAL:PORT REMOTE:PORT ST ..."; ST 01 is an established connection. */
static bool tcp_busy(const char *path, uint16_t port)
{
	FILE *f = fopen(path, "re");
	char line[PORT_STATE_LINE];
	bool busy = false;

	while (f && !busy && fgets(line, sizeof(line), f)) {
		unsigned local, state;

		if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local, &state) == 2)
			busy = local == port && state == 1;
	}
	if (f)
		fclose(f);
	return busy;
}

/* /proc/net/unix: "Num: RefCount Protocol Flags Type St Inode Path"; type 0001 with St 03 and a path is the server's
 * end of a connection. */
static bool unix_busy(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[PORT_STATE_LINE];
	bool busy = false;

	while (f && !busy && fgets(line, sizeof(line), f)) {
		unsigned type, state;
		int at = 0;

		if (sscanf(line, "%*s %*s %*s %*s %x %x %*s %n", &type, &state, &at) == 2)
			busy = type == 1 && state == 3 && at && line[at];
	}
	if (f)
		fclose(f);
	return busy;
}

bool box_is_busy(const struct box *b, uint16_t port)
{
	char path[64];

	if (b->state.status != BOX_RUNNING)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/net/tcp", b->state.pid);
	if (access(path, R_OK) < 0 || tcp_busy(path, port))
		return true; /* not to be seen counts as yes */
	snprintf(path, sizeof(path), "/proc/%d/net/tcp6", b->state.pid);
	if (tcp_busy(path, port))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/net/unix", b->state.pid);
	return unix_busy(path);
}
