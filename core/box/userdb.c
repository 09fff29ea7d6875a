#include "core/box/userdb.h"

#include <fcntl.h>

#include "core/base/fd.h"

enum {
	ID_MAX = 0x7fffffff, /* as Docker: ids above are refused, not wrapped */
	FILE_MAX = 8 << 20,
	GROUPS_MAX = 65536, /* NGROUPS_MAX of the kernel */
};

/* Part of a text; not NUL-ended. */
struct span {
	const char *s;
	size_t len;
};

static bool span_is(struct span f, const char *text, size_t len)
{
	return f.len == len && !memcmp(f.s, text, len);
}

/* Up to the next SEP or the end of *REST; false when nothing is left. */
static bool span_next(struct span *rest, char sep, struct span *ret)
{
	const char *end;

	if (!rest->s)
		return false;
	end = memchr(rest->s, sep, rest->len);
	*ret = (struct span){ rest->s, end ? (size_t)(end - rest->s) : rest->len };
	if (end)
		*rest = (struct span){ end + 1, rest->len - ret->len - 1 };
	else
		rest->s = NULL;
	return true;
}

/* The first N fields of the next line that has at least MIN; the missing ones are empty. */
static bool next_entry(struct span *text, size_t min, size_t n, struct span *f)
{
	struct span line;

	while (span_next(text, '\n', &line)) {
		size_t i = 0;

		if (line.len && line.s[line.len - 1] == '\r')
			line.len--;
		while (i < n && span_next(&line, ':', &f[i]))
			i++;
		if (i < min || !f[0].len)
			continue;
		for (; i < n; i++)
			f[i] = (struct span){ "", 0 };
		return true;
	}
	return false;
}

/* Digits alone, at most ID_MAX. */
static bool span_id(struct span f, uint32_t *ret)
{
	uint64_t v = 0;

	if (!f.len || f.len > 10)
		return false;
	for (size_t i = 0; i < f.len; i++) {
		if (f.s[i] < '0' || f.s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(f.s[i] - '0');
	}
	if (v > ID_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Is F written as a number at all?  "-1" and "99999999999" are, though they are no usable id. */
static bool span_is_number(struct span f)
{
	size_t sign = f.len && (*f.s == '-' || *f.s == '+');

	for (size_t i = sign; i < f.len; i++)
		if (f.s[i] < '0' || f.s[i] > '9')
			return false;
	return f.len > sign;
}

static struct err *parse_id(struct span f, uint32_t *ret)
{
	if (span_id(f, ret))
		return NULL;
	return err_new(0, "id %.*s: uids and gids must be in range 0-%d",
		       (int)(f.len > 40 ? 40 : f.len), f.s, ID_MAX);
}

/* name:password:uid:gid:gecos:home:shell */
static struct err *resolve_user(const char *passwd, struct span want, struct user *u)
{
	struct span text = { passwd, passwd ? strlen(passwd) : 0 }, f[6];
	bool by_id = !want.len || span_is_number(want);
	uint32_t uid = 0, entry_uid, entry_gid;
	struct err *e;

	if (want.len && by_id) {
		e = parse_id(want, &uid);
		if (e)
			return e;
	}
	while (next_entry(&text, 4, ARRAY_LEN(f), f)) {
		if (!span_id(f[2], &entry_uid) || !span_id(f[3], &entry_gid))
			continue; /* never guess an id: the nearest guess is 0 */
		if (by_id ? entry_uid != uid : !span_is(f[0], want.s, want.len))
			continue;
		u->uid = entry_uid;
		u->gid = entry_gid;
		u->name = xstrndup(f[0].s, f[0].len);
		u->home = f[5].len ? xstrndup(f[5].s, f[5].len) : xstrdup("/");
		return NULL;
	}
	if (!by_id)
		return err_new(0, "unable to find user %.*s: no matching entries in passwd file",
			       (int)want.len, want.s);
	u->uid = uid;
	u->home = xstrdup("/");
	return NULL;
}

static bool lists_user(struct span members, const char *name)
{
	struct span m;

	while (span_next(&members, ',', &m))
		if (span_is(m, name, strlen(name)))
			return true;
	return false;
}

/* name:password:gid:members */
static struct err *resolve_group(const char *group, struct span want, struct user *u)
{
	struct span text = { group, group ? strlen(group) : 0 }, f[3];
	uint32_t gid;

	if (span_is_number(want))
		return parse_id(want, &u->gid);
	while (next_entry(&text, 3, 3, f))
		if (span_is(f[0], want.s, want.len) && span_id(f[2], &gid)) {
			u->gid = gid;
			return NULL;
		}
	return err_new(0, "unable to find group %.*s: no matching entries in group file",
		       (int)want.len, want.s);
}

static void add_group(struct user *u, gid_t gid, size_t *cap)
{
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] == gid)
			return;
	if (u->n_groups == GROUPS_MAX)
		return;
	u->groups = xgrow(u->groups, u->n_groups, cap, sizeof(*u->groups));
	u->groups[u->n_groups++] = gid;
}

static void add_member_groups(const char *group, struct user *u, size_t *cap)
{
	struct span text = { group, group ? strlen(group) : 0 }, f[4];
	uint32_t gid;

	while (next_entry(&text, 4, ARRAY_LEN(f), f))
		if (span_id(f[2], &gid) && lists_user(f[3], u->name))
			add_group(u, gid, cap);
}

struct err *user_resolve(const char *passwd, const char *group, const char *text, struct user *ret)
{
	struct span rest = { text, strlen(text) }, user, grp = { NULL, 0 };
	struct user u = { 0 };
	size_t cap = 0;
	struct err *e;

	span_next(&rest, ':', &user);
	span_next(&rest, ':', &grp);
	e = resolve_user(passwd, user, &u);
	if (!e && grp.len)
		e = resolve_group(group, grp, &u);
	if (e) {
		user_done(&u);
		return e;
	}
	add_group(&u, u.gid, &cap);
	if (!grp.len && u.name) /* a group asked for by name takes the place of all others */
		add_member_groups(group, &u, &cap);
	*ret = u;
	return NULL;
}

/* NULL text if the file is absent. */
static struct err *read_db(int root, const char *path, char **ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	struct err *e;

	/* NONBLOCK: an image may hold a FIFO under this name */
	if (root < 0)
		e = fd_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd);
	else
		e = fd_open_in_root(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd);
	if (err_is(e, ENOENT) || err_is(e, ENOTDIR)) {
		err_free(e); /* an image from scratch has none */
		*ret = NULL;
		return NULL;
	}
	if (e)
		return e;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_new(0, "%s of the image is not a file", path);
	return fd_read_all(fd, path, FILE_MAX, ret, NULL);
}

struct err *user_lookup(int root, const char *text, struct user *ret)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL;
	struct err *e;

	e = read_db(root, "/etc/passwd", &passwd);
	e = e ?: read_db(root, "/etc/group", &group);
	return e ?: user_resolve(passwd, group, text, ret);
}

void user_done(struct user *u)
{
	free(u->groups);
	free(u->home);
	free(u->name);
	*u = (struct user){ 0 };
}
