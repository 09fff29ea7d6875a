/* What a service mounts: volumes, tmpfs, secrets, configs, devices, volumes_from. */
#include <ctype.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/box/apisock.h"
#include "core/box/runopt.h"
#include "core/compose/request_priv.h"

static struct err *check_windows(const struct node *n, const char *source)
{
	if (!source || !isalpha((unsigned char)*source) || source[1] != ':')
		return NULL;
	return err_hint(BAD(n, "%s: a Windows path means nothing on Linux", source),
			"give the folder's path as it is here; under WSL 2 drive %c: is /mnt/%c",
			*source, *source | 0x20);
}

static struct err *bind_mount(const struct node *n, struct mount_spec *to)
{
	const struct node *more = node_get(n, "bind");
	const char *source = node_str(n, "source"), *how = node_str(more, "propagation");
	struct err *e = check_windows(n, source);

	if (e)
		return e;
	if (!source || *source != '/')
		return BAD(n, "bind mount source '%s' is not an absolute path", source ?: "");
	if (how && strcmp(how, "private") && strcmp(how, "rprivate") && strcmp(how, "rslave") &&
	    strcmp(how, "slave"))
		return BAD(n, "propagation %s cannot be had: a user's mounts stay in the container",
			   how);
	to->type = MOUNT_BIND;
	to->source = str_clean_path(source);
	to->by_mount = !node_true(more, "create_host_path");
	return NULL;
}

static void volume(const struct maker *m, const struct node *n, struct mount_spec *to)
{
	const struct node *more = node_get(n, "volume");
	const char *key = node_str(n, "source");

	to->type = MOUNT_VOLUME;
	to->anonymous = !key || !*key;
	to->source = xstrdup(to->anonymous ? "" : real_name(m->p, "volumes", key));
	to->no_copy = node_true(more, "nocopy");
	to->subpath = xstrdup(node_str(more, "subpath"));
}

static struct err *tmpfs(const struct maker *m, const struct node *n, const char *target)
{
	const struct node *more = node_get(n, "tmpfs");
	_cleanup_str_ struct str s = { 0 };
	const char *size = node_str(more, "size");
	unsigned mode = (unsigned)node_int(more, "mode", 0);

	str_addf(&s, "%s%s", target, node_true(n, "read_only") ? ":ro" : ":rw");
	if (size && *size)
		str_addf(&s, ",size=%s", size);
	if (mode)
		str_addf(&s, ",mode=%o", mode);
	return pos_wrap(&n->pos, mount_parse_tmpfs(s.s, &m->req->mounts));
}

static struct err *one_mount(const struct maker *m, const struct node *n)
{
	const char *type = node_str(n, "type"), *target = node_str(n, "target");
	struct mount_spec *to;
	struct err *e = NULL;

	if (*target != '/' || !strcmp(target, "/"))
		return err_hint(
			BAD(n, "invalid mount path: '%s' mount path must be absolute", target), "%s",
			isalpha((unsigned char)*target) && target[1] == ':'
				? "a single letter is read as a Windows drive: give the volume a longer name"
				: "it begins with /");
	if (!strcmp(type, "tmpfs"))
		return tmpfs(m, n, target);
	if (strcmp(type, "bind") && strcmp(type, "volume"))
		return BAD(n, "mount type %s is not supported: bind, volume or tmpfs", type);
	to = mounts_add(&m->req->mounts);
	to->target = str_clean_path(target);
	to->read_only = node_true(n, "read_only");
	if (!strcmp(type, "bind"))
		e = bind_mount(n, to);
	else
		volume(m, n, to);
	return e;
}

/* What the project holds as text lies in a file of the store, which only its owner may read:
 * projects/<project>/<hash of the content>.  Each project has its own, so that one's `down` leaves the others'. */
static struct err *content_file(const struct maker *m, const char *content, char **ret_path)
{
	_cleanup_free_ char *own = xasprintf(REQUEST_FILES "/%s", m->p->name);
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	_cleanup_close_ int dir = -1;
	struct err *e;

	SHA256((const unsigned char *)content, strlen(content), sum);
	str_hex(sum, sizeof(sum), hex);
	e = fd_mkdir_p(m->st->root, own, 0700, NULL);
	e = e ?: fd_open(m->st->root, own, O_RDONLY | O_DIRECTORY, 0, &dir);
	if (!e && faccessat(dir, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		e = fd_write_atomic(dir, hex, content, strlen(content), 0400, false);
	if (!e && m->st->ids.direct &&
	    fchownat(dir, hex, m->st->ids.root_uid, m->st->ids.root_gid, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_new(errno, "giving the file to the container");
	if (!e)
		*ret_path = xasprintf("%s/%s/%s", m->st->path, own, hex);
	return e;
}

static struct err *id_of(const struct node *use, const char *key, unsigned *ret)
{
	const struct node *n = node_get(use, key);
	uint64_t id = 0;
	struct err *e = n ? str_to_u64(n->text ?: "", 0, UINT32_MAX - 1, &id) : NULL;

	*ret = (unsigned)id;
	return e ? pos_wrap(&n->pos, err_wrap(e, "%s must be a number", key)) : NULL;
}

/* The text that the project itself has for what USE names; *RET NULL: it is a file. */
static struct err *file_content(const struct maker *m, const struct node *use, const char *section,
				const char **ret)
{
	const char *key = node_str(use, "source");
	const struct node *def = node_get(node_get(m->p->root, section), key);

	*ret = NULL;
	if (node_true(def, "external") || node_get(def, "driver"))
		return BAD(use, "%s %s is kept by a swarm, which is not here: give it a file",
			   section, key);
	if (node_str(def, "environment")) {
		*ret = strv_env(&m->p->env, node_str(def, "environment"));
		if (!*ret)
			return err_hint(BAD(def, "environment variable %s required by %s %s is not set",
					    node_str(def, "environment"), section, key),
					"export it before");
	} else if (node_get(def, "content")) {
		*ret = node_str(def, "content") ?: "";
	}
	return NULL;
}

/* A secret or config: a read-only file.  One with content of the project's, or an owner or mode of its own, is a copy
 * in memory; a file of the host is seen as it is. */
static struct err *file_mount(const struct maker *m, const struct node *use, const char *section)
{
	const char *key = node_str(use, "source"), *target = node_str(use, "target"), *content = NULL;
	const struct node *def = node_get(node_get(m->p->root, section), key);
	const char *mode = node_str(use, "mode");
	_cleanup_free_ char *path = NULL;
	struct mount_spec *to;
	struct err *e;

	e = file_content(m, use, section, &content);
	if (!e && !content)
		path = xstrdup(node_str(def, "file"));
	if (e)
		return e;
	e = content ? content_file(m, content, &path) : check_windows(def, path);
	if (e)
		return pos_wrap(&use->pos, e);
	to = mounts_add(&m->req->mounts);
	to->type = MOUNT_BIND;
	to->source = TAKE_PTR(path);
	to->target = !target ? xasprintf("/%s", key)
		     : *target == '/'
			     ? str_clean_path(target)
			     : xasprintf("%s/%s", strcmp(section, "secrets") ? "" : "/run/secrets",
					 target);
	to->read_only = true;
	to->by_mount = true;
	to->copied = content || mode || node_get(use, "uid") || node_get(use, "gid");
	to->mode = mode ? (unsigned)strtoul(mode, NULL, 8) & 07777 : 0444;
	e = id_of(use, "uid", &to->uid);
	return e ?: id_of(use, "gid", &to->gid);
}

/* Anonymous volumes of the container that is replaced go over to the new one, those of its image too. */
static void keep_volumes(const struct maker *m)
{
	const struct mounts *old = &m->o->replaces->spec.mounts;
	struct mounts *own = &m->req->mounts;

	for (size_t i = 0; i < old->n; i++) {
		const struct mount_spec *was = &old->v[i];
		struct mount_spec *to = NULL;
		bool taken = false;

		if (was->type != MOUNT_VOLUME || !was->anonymous)
			continue;
		for (size_t k = 0; k < own->n; k++)
			if (!strcmp(own->v[k].target, was->target)) {
				taken = own->v[k].type != MOUNT_VOLUME || !own->v[k].anonymous;
				to = &own->v[k];
			}
		if (taken)
			continue;
		if (!to) {
			to = mounts_add(own);
			to->type = MOUNT_VOLUME;
			to->target = xstrdup(was->target);
			to->anonymous = true;
		}
		free(to->source);
		to->source = xstrdup(was->source);
	}
}

struct err *request_mounts(const struct maker *m)
{
	static const char *const files[] = { "secrets", "configs" };
	const struct node *list = get(m, "volumes"), *tmp = get(m, "tmpfs"),
			  *from = get(m, "volumes_from"), *devices = get(m, "devices");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(list) && !e; i++)
		e = one_mount(m, list->m[i].value);
	for (size_t i = 0; i < node_len(tmp) && !e; i++)
		e = pos_wrap(&tmp->m[i].value->pos,
			     mount_parse_tmpfs(tmp->m[i].value->text, &m->req->mounts));
	for (size_t k = 0; k < ARRAY_LEN(files); k++) {
		const struct node *use = get(m, files[k]);

		for (size_t i = 0; i < node_len(use) && !e; i++)
			e = file_mount(m, use->m[i].value, files[k]);
	}
	for (size_t i = 0; i < node_len(devices) && !e; i++) {
		const struct node *d = devices->m[i].value;
		_cleanup_free_ char *spec = xasprintf("%s:%s:%s", node_str(d, "source") ?: "",
						      node_str(d, "target") ?: node_str(d, "source"),
						      node_str(d, "permissions") ?: "rwm");

		e = pos_wrap(&d->pos, device_parse(spec, &m->req->mounts));
	}
	for (size_t i = 0; i < node_len(from) && !e; i++) {
		const struct node *n = from->m[i].value;
		const char *other = str_after(n->text, "container:") ?: n->text,
			   *mode = strchr(other, ':');
		_cleanup_free_ char *service = xstrndup(other, strcspn(other, ":"));
		const char *name = other != n->text ? service : m->o->peer(m->o->arg, service, 1);

		if (!name)
			return BAD(n, "volumes_from: service \"%s\" has no container", service);
		strv_addf(&m->req->volumes_from, "%s%s", name, mode ?: "");
	}
	if (!e && m->o->replaces && !m->o->renew_volumes)
		keep_volumes(m);
	return e;
}

/* May the user have SOURCE, as it is or made?  An errno, or 0. */
static int cannot_have(const char *source)
{
	_cleanup_free_ char *path = xstrdup(source);
	struct stat st;
	char *slash;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) && access(path, R_OK) < 0 && access(path, X_OK) < 0 ? errno
											       : 0;
	while (errno == ENOENT && (slash = strrchr(path, '/')) && slash > path) {
		*slash = '\0';
		if (stat(path, &st) == 0)
			return access(path, W_OK | X_OK) < 0 ? errno : 0;
	}
	return errno;
}

/* A bind mount that cannot be had is told before the first image is built, with what to write instead. */
static struct err *check_bind(const struct node *n)
{
	const char *given = node_str(n, "source"), *target = node_str(n, "target"), *name;
	struct err *e = check_windows(n, given);
	_cleanup_free_ char *source = NULL;
	int errnum;

	if (e || !given || *given != '/' || !node_true(node_get(n, "bind"), "create_host_path"))
		return e;
	source = str_clean_path(given);
	name = strrchr(source, '/') + 1;
	errnum = cannot_have(source);
	if (!errnum || apisock_is_path(source))
		return NULL;
	return err_hint(pos_wrap(&n->pos, err_new(errnum, "bind source %s", source)),
			"it is not yours: use a named volume instead, %s:%s, and have %s: in the volumes of the file",
			name, target, name);
}

struct err *request_mounts_check(const struct maker *m)
{
	static const char *const files[] = { "secrets", "configs" };
	const struct node *list = get(m, "volumes");
	struct err *e = NULL;

	for (size_t k = 0; k < ARRAY_LEN(files); k++) {
		const struct node *use = get(m, files[k]);
		const char *content;

		for (size_t i = 0; i < node_len(use) && !e; i++)
			e = file_content(m, use->m[i].value, files[k], &content);
	}
	for (size_t i = 0; i < node_len(list); i++) /* all of them: who mends one wants to know of the others */
		if (str_eq(node_str(list->m[i].value, "type"), "bind"))
			e = err_also(e, check_bind(list->m[i].value));
	return e;
}
