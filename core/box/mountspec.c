#include <ctype.h>

#include "core/box/spec.h"
#include "core/store/volume.h"

const char *const mount_type_names[] = { "bind", "volume", "tmpfs" };
_Static_assert(ARRAY_LEN(mount_type_names) == MOUNT_TYPE_MAX, "a name for every type");

struct mount_spec *mounts_add(struct mounts *m)
{
	m->v = xgrow(m->v, m->n, &m->cap, sizeof(*m->v));
	m->v[m->n] = (struct mount_spec){ 0 };
	return &m->v[m->n++];
}

void mounts_copy(struct mounts *to, const struct mounts *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct mount_spec *m = mounts_add(to);

		*m = from->v[i];
		m->source = xstrdup(m->source);
		m->target = xstrdup(m->target);
		m->subpath = xstrdup(m->subpath);
		m->options = xstrdup(m->options);
	}
}

void mount_done(struct mount_spec *m)
{
	free(m->source);
	free(m->target);
	free(m->subpath);
	free(m->options);
	*m = (struct mount_spec){ 0 };
}

void mounts_done(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		mount_done(&m->v[i]);
	free(m->v);
	*m = (struct mounts){ 0 };
}

static struct err *bad(const char *text, const char *reason)
{
	return err_new(0, "invalid volume specification: '%s': %s", text, reason);
}

/* "D:/data" or "D:\data"; no volume has a name of one letter. */
static bool is_windows_path(const char *s)
{
	return isalpha((unsigned char)s[0]) && s[1] == ':' && (s[2] == '/' || s[2] == '\\');
}

static struct err *set_target(struct mount_spec *m, const char *text, const char *target)
{
	if (*target != '/')
		return err_new(0,
			       "invalid volume specification: '%s': "
			       "invalid mount path: '%s' mount path must be absolute",
			       text, target);
	m->target = str_clean_path(target);
	if (!strcmp(m->target, "/"))
		return bad(text, "destination can't be '/'");
	return NULL;
}

static struct err *set_source(struct mount_spec *m, const char *source, const char *cwd)
{
	_cleanup_free_ char *joined = NULL;
	bool relative = *source == '.';
	struct err *e;

	m->type = *source == '/' || relative ? MOUNT_BIND : MOUNT_VOLUME;
	if (m->type == MOUNT_VOLUME) {
		e = volume_check_name(source);
		if (!e)
			m->source = xstrdup(source);
		return e;
	}
	joined = relative ? xasprintf("%s/%s", cwd, source) : xstrdup(source);
	m->source = str_clean_path(joined);
	return NULL;
}

/* Calls SET for every comma-separated option of OPTIONS. */
static struct err *each_option(struct mount_spec *m, const char *options,
			       bool (*set)(struct mount_spec *m, const char *option))
{
	_cleanup_free_ char *copy = xstrdup(options);
	char *rest = copy, *option;

	while ((option = strsep(&rest, ",")) != NULL)
		if (!set(m, option))
			return err_new(0, "invalid mode: '%s'%s%s", option, *option ? " in " : "",
				       *option ? options : "");
	return NULL;
}

static bool set_volume_option(struct mount_spec *m, const char *option)
{
	/* SELinux labels, Docker Desktop's caches, and what a mount namespace of its own gives anyway */
	static const char *const no_effect[] = { "rw",	      "z",	    "Z",       "cached",
						 "delegated", "consistent", "private", "rprivate" };

	if (!strcmp(option, "ro")) {
		m->read_only = true;
		return true;
	}
	if (!strcmp(option, "U")) {
		m->chown = true;
		return true;
	}
	if (!strcmp(option, "nocopy") && m->type == MOUNT_VOLUME) {
		m->no_copy = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(no_effect); i++)
		if (!strcmp(option, no_effect[i]))
			return true;
	return false;
}

static struct err *parse_volume(struct mount_spec *m, const char *text, const char *cwd)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *part[3] = { NULL };
	struct err *e = NULL;
	size_t n = 0;

	if (is_windows_path(text))
		return err_hint(bad(text, "a Windows path means nothing on Linux"),
				"give the folder's path as it is here; under WSL 2 drive %c: is /mnt/%c",
				toupper((unsigned char)*text), tolower((unsigned char)*text));
	for (; rest && n < ARRAY_LEN(part); n++) {
		part[n] = strsep(&rest, ":");
		if (!*part[n])
			return bad(text, "empty section between colons");
	}
	if (rest)
		return bad(text, "too many colons");
	if (n == 1) {
		m->type = MOUNT_VOLUME;
		m->source = xstrdup("");
		m->anonymous = true;
		return set_target(m, text, part[0]);
	}
	e = set_target(m, text, part[1]);
	e = e ?: set_source(m, part[0], cwd);
	if (!e && part[2])
		e = each_option(m, part[2], set_volume_option);
	return e;
}

static bool is_number(const char *s, const char *digits)
{
	return *s && !s[strspn(s, digits)];
}

/* "size=64MB" as the kernel reads it: "size=67108864". */
static char *in_bytes(const char *option)
{
	const char *value = strchr(option, '=') + 1;
	uint64_t bytes;
	struct err *e = str_to_size(value, &bytes);

	if (e) {
		err_free(e); /* the caller words it */
		return NULL;
	}
	return xasprintf("%.*s%llu", (int)(value - option), option, (unsigned long long)bytes);
}

/* What tmpfs(5) lets its mounter choose, as data for mount(2); NULL for anything else. */
static char *tmpfs_data(const char *option)
{
	const char *v;

	if ((v = str_after(option, "size=")) != NULL && *v && !strcmp(v + strspn(v, "0123456789"), "%"))
		return *v != '%' ? xstrdup(option) : NULL; /* of the memory */
	if (str_starts(option, "size=") || str_starts(option, "nr_inodes=") ||
	    str_starts(option, "nr_blocks="))
		return in_bytes(option);
	if ((v = str_after(option, "mode=")) != NULL)
		return is_number(v, "01234567") && strlen(v) <= 5 ? xstrdup(option) : NULL;
	if ((v = str_after(option, "uid=")) != NULL || (v = str_after(option, "gid=")) != NULL)
		return is_number(v, "0123456789") && strlen(v) <= 9 ? xstrdup(option) : NULL;
	return NULL;
}

static bool set_tmpfs_option(struct mount_spec *m, const char *option)
{
	/* always so, or without effect on memory */
	static const char *const no_effect[] = { "nodev",   "relatime", "norelatime",
						 "noatime", "async",	"defaults" };
	_cleanup_free_ char *data = NULL;

	if (!strcmp(option, "ro") || !strcmp(option, "rw")) {
		m->read_only = option[1] == 'o';
		return true;
	}
	if (!strcmp(option, "exec") || !strcmp(option, "noexec")) {
		m->exec = *option == 'e';
		return true;
	}
	if (!strcmp(option, "suid") || !strcmp(option, "nosuid")) {
		m->suid = *option == 's';
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(no_effect); i++)
		if (!strcmp(option, no_effect[i]))
			return true;
	data = tmpfs_data(option);
	if (!data)
		return false;
	if (m->options) {
		char *both = xasprintf("%s,%s", m->options, data);

		free(m->options);
		m->options = both;
	} else {
		m->options = TAKE_PTR(data);
	}
	return true;
}

static struct err *parse_tmpfs(struct mount_spec *m, const char *text)
{
	const char *colon = strchrnul(text, ':');
	_cleanup_free_ char *target = xstrndup(text, (size_t)(colon - text));
	struct err *e;

	m->type = MOUNT_TMPFS;
	e = set_target(m, text, target);
	if (!e && *colon)
		e = each_option(m, colon + 1, set_tmpfs_option);
	return e;
}

/* Keep the mount that was begun, or take it back. */
static struct err *finish(struct mounts *to, struct err *e)
{
	if (e)
		mount_done(&to->v[--to->n]);
	return e;
}

struct err *mount_parse_volume(const char *text, const char *cwd, struct mounts *to)
{
	return finish(to, parse_volume(mounts_add(to), text, cwd));
}

struct err *mount_parse_tmpfs(const char *text, struct mounts *to)
{
	return finish(to, parse_tmpfs(mounts_add(to), text));
}
