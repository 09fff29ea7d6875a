/* --mount and --volumes-from: the long forms of -v.  Pure, no I/O.
 * Words and rules follow Docker's command line (opts/mount.go). */
#include "core/box/spec.h"
#include "core/store/volume.h"

struct parse {
	const char *text, *cwd;
	struct mount_spec m;
	/* the last option of each kind, for "cannot mix" */
	const char *of_bind, *of_volume, *of_tmpfs;
};

static struct err *parse_bool(const char *key, const char *value, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!value || !strcmp(value, yes[i]))
			return *ret = true, NULL;
		if (!strcmp(value, no[i]))
			return *ret = false, NULL;
	}
	return err_new(0, "invalid value for %s: %s", key, value);
}

static struct err *set_type(struct parse *p, const char *value)
{
	for (enum mount_type t = 0; t < MOUNT_TYPE_MAX; t++)
		if (!strcasecmp(value, mount_type_names[t])) {
			p->m.type = t;
			return NULL;
		}
	return err_hint(err_new(0, "mount type %s is not supported", value), "bind, volume or tmpfs");
}

static struct err *set_propagation(const char *value)
{
	static const char *const known[] = { "shared", "rshared", "slave", "rslave" };

	if (!strcmp(value, "private") || !strcmp(value, "rprivate"))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(value, known[i]))
			return err_new(0,
				       "bind-propagation=%s is not supported: mounts of a user's container "
				       "and of the host stay apart (private, rprivate)",
				       value);
	return err_new(0, "invalid propagation '%s'", value);
}

static void add_data(struct mount_spec *m, char *data)
{
	if (m->options) {
		char *both = xasprintf("%s,%s", m->options, data);

		free(m->options);
		free(data);
		data = both;
	}
	m->options = data;
}

static struct err *set_tmpfs_size(struct parse *p, const char *value)
{
	uint64_t bytes;
	struct err *e = str_to_size(value, &bytes);

	if (e) {
		err_free(e); /* Docker's words */
		return err_new(0, "invalid value for tmpfs-size: %s", value);
	}
	add_data(&p->m, xasprintf("size=%llu", (unsigned long long)bytes));
	return NULL;
}

static struct err *set_tmpfs_mode(struct parse *p, const char *value)
{
	if (!*value || value[strspn(value, "01234567")] || strlen(value) > 5)
		return err_new(0, "invalid value for tmpfs-mode: %s", value);
	add_data(&p->m, xasprintf("mode=%s", value));
	return NULL;
}

static struct err *set_subpath(struct parse *p, const char *value)
{
	_cleanup_free_ char *clean = str_clean_path(value);

	if (*clean == '/' || !strcmp(clean, "..") || str_starts(clean, "../"))
		return err_new(0, "invalid value for volume-subpath: %s: it must be a relative path within the volume",
			       value);
	free(p->m.subpath);
	p->m.subpath = TAKE_PTR(clean);
	return NULL;
}

static char **text_member(struct mount_spec *m, const char *key)
{
	if (!strcmp(key, "source") || !strcmp(key, "src"))
		return &m->source;
	if (!strcmp(key, "target") || !strcmp(key, "dst") || !strcmp(key, "destination"))
		return &m->target;
	return NULL;
}

/* VALUE is NULL for a field without "=". */
static struct err *set_field(struct parse *p, const char *key, const char *value)
{
	char **text = text_member(&p->m, key);

	if (str_starts(key, "bind-"))
		p->of_bind = key;
	if (str_starts(key, "volume-"))
		p->of_volume = key;
	if (str_starts(key, "tmpfs-"))
		p->of_tmpfs = key;
	if (!strcmp(key, "readonly") || !strcmp(key, "ro"))
		return parse_bool(key, value, &p->m.read_only);
	if (!strcmp(key, "volume-nocopy"))
		return parse_bool(key, value, &p->m.no_copy);
	if (!value)
		return err_new(0, "invalid field '%s' must be a key=value pair", key);
	if (text) {
		free(*text);
		*text = xstrdup(value);
		return NULL;
	}
	if (!strcmp(key, "type"))
		return set_type(p, value);
	if (!strcmp(key, "bind-propagation"))
		return set_propagation(value);
	if (!strcmp(key, "volume-subpath"))
		return set_subpath(p, value);
	if (!strcmp(key, "tmpfs-size"))
		return set_tmpfs_size(p, value);
	if (!strcmp(key, "tmpfs-mode"))
		return set_tmpfs_mode(p, value);
	if (!strcmp(key, "consistency"))
		return NULL; /* Docker Desktop's caches */
	if (!strcmp(key, "volume-driver") && !strcmp(value, "local"))
		return NULL;
	if (!strcmp(key, "volume-driver") || !strcmp(key, "volume-opt"))
		return err_new(0,
			       "%s=%s is not supported: volumes are directories of yours (driver local, "
			       "without options)",
			       key, value);
	return err_new(0, "unexpected key '%s' in '%s=%s'", key, key, value);
}

/* The next field of a CSV line, quotes taken off; false at the end. */
static bool next_field(const char **at, struct str *field)
{
	const char *s = *at;
	bool quoted = s && *s == '"';

	str_done(field);
	if (!s)
		return false;
	for (s += quoted; *s && (quoted || *s != ','); s++) {
		if (quoted && *s == '"') {
			if (s[1] != '"') {
				s++;
				break;
			}
			s++; /* a doubled quote is one */
		}
		str_addc(field, *s);
	}
	*at = *s == ',' ? s + 1 : NULL;
	str_add(field, "");
	return true;
}

static struct err *check_mix(const struct parse *p)
{
	static const char kinds[][8] = { "bind", "volume", "tmpfs" };
	const char *of[] = { p->of_bind, p->of_volume, p->of_tmpfs };

	for (enum mount_type t = 0; t < MOUNT_TYPE_MAX; t++)
		if (of[t] && t != p->m.type)
			return err_new(0, "cannot mix '%s-*' options with mount type '%s'",
				       kinds[t], mount_type_names[p->m.type]);
	return NULL;
}

static struct err *bad_config(const struct mount_spec *m, struct err *e)
{
	return err_wrap(e, "invalid mount config for type \"%s\"", mount_type_names[m->type]);
}

static void clean(char **path)
{
	char *c = str_clean_path(*path);

	free(*path);
	*path = c;
}

static struct err *check_source(struct parse *p)
{
	struct mount_spec *m = &p->m;

	if (m->type == MOUNT_TMPFS)
		return m->source && *m->source ? err_new(0, "source must not be specified") : NULL;
	if (m->type == MOUNT_VOLUME) {
		m->source = m->source ?: xstrdup("");
		m->anonymous = !*m->source;
		return m->anonymous ? NULL : volume_check_name(m->source);
	}
	if (!m->source || !*m->source)
		return err_new(0, "field Source must not be empty");
	if (*m->source == '.') {
		char *joined = xasprintf("%s/%s", p->cwd, m->source);

		free(m->source);
		m->source = joined;
	}
	if (*m->source != '/')
		return err_new(0, "invalid mount path: '%s' mount path must be absolute", m->source);
	clean(&m->source);
	return NULL;
}

static struct err *check(struct parse *p)
{
	struct mount_spec *m = &p->m;
	struct err *e = check_mix(p);

	if (e)
		return e;
	if (!m->target || !*m->target)
		return bad_config(m, err_new(0, "field Target must not be empty"));
	if (*m->target != '/')
		return bad_config(m, err_new(0, "invalid mount path: '%s' mount path must be absolute",
					     m->target));
	clean(&m->target);
	if (!strcmp(m->target, "/"))
		return bad_config(m, err_new(0, "invalid specification: destination can't be '/'"));
	return bad_config(m, check_source(p));
}

static struct err *parse_fields(struct parse *p)
{
	_cleanup_strv_ struct strv kept = { 0 }; /* the keys, for check_mix() */
	_cleanup_str_ struct str field = { 0 };
	const char *at = p->text;
	struct err *e = NULL;

	if (!*at)
		return err_new(0, "value is empty");
	while (!e && next_field(&at, &field)) {
		char *value = strchr(field.s, '=');

		if (value)
			*value++ = '\0';
		for (char *c = field.s; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		strv_add(&kept, field.s);
		e = set_field(p, kept.v[kept.n - 1], value);
	}
	return e ?: check(p);
}

struct err *mount_parse_mount(const char *text, const char *cwd, struct mounts *to)
{
	struct parse p = { .text = text, .cwd = cwd, .m = { .type = MOUNT_VOLUME, .by_mount = true } };
	struct err *e = parse_fields(&p);

	if (e)
		mount_done(&p.m);
	else
		*mounts_add(to) = p.m;
	return e;
}

struct err *mount_parse_from(const char *text, char **ret_name, bool *ret_read_only)
{
	static const char *const modes[] = { "ro", "rw", "z", "Z" };
	const char *colon = strchrnul(text, ':');

	if (colon == text)
		return err_new(0, "volumes-from must not be an empty string or begin with ':'");
	for (size_t i = 0; *colon && i <= ARRAY_LEN(modes); i++) {
		if (i == ARRAY_LEN(modes))
			return err_new(0, "invalid mode: %s", colon + 1);
		if (!strcmp(colon + 1, modes[i]))
			break;
	}
	*ret_read_only = !strcmp(colon, ":ro");
	*ret_name = xstrndup(text, (size_t)(colon - text));
	return NULL;
}
