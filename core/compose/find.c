#include "core/compose/find.h"

#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/compose/dotenv.h"

extern char **environ;

/* Append NOTE unless it is there. */
static void PRINTF(2, 3) note_once(struct strv *notes, const char *fmt, ...)
{
	va_list ap;
	char *note;

	va_start(ap, fmt);
	note = xvasprintf(fmt, ap);
	va_end(ap);
	if (!notes || strv_has(notes, note))
		free(note);
	else
		strv_take(notes, note);
}

const char *env_lookup_get(void *arg, const char *name)
{
	const struct env_lookup *l = arg;

	return strv_env(l->env, name);
}

void env_lookup_unset(void *arg, const char *name)
{
	const struct env_lookup *l = arg;

	note_once(l->notes, "The \"%s\" variable is not set. Defaulting to a blank string.", name);
}

/* --- files of variables ----------------------------------------------------------------------- */

struct two_envs {
	const struct strv *first, *second;
	struct strv *notes;
};

static const char *two_get(void *arg, const char *name)
{
	const struct two_envs *t = arg;

	return strv_env(t->first, name) ?: strv_env(t->second, name);
}

static void two_unset(void *arg, const char *name)
{
	const struct two_envs *t = arg;
	struct env_lookup l = { t->first, t->notes };

	env_lookup_unset(&l, name);
}

struct err *find_env_files(struct project *p, const struct strv *paths, struct strv *env)
{
	_cleanup_strv_ struct strv got = { 0 };
	struct two_envs both = { env, &got, &p->notes };
	struct interp in = { .lookup = two_get, .unset = two_unset, .arg = &both };
	struct err *e = NULL;

	for (size_t i = 0; i < paths->n && !e; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, paths->v[i], DOTENV_BYTES_MAX, &text, &len);
		if (err_is(e, ENOENT)) {
			err_free(e);
			return err_new(ENOENT, "env file %s", paths->v[i]);
		}
		e = err_wrap(e, "env file %s", paths->v[i]);
		e = e ?: dotenv_parse(paths->v[i], text, len, false, &in, &got);
	}
	for (size_t i = 0; i < got.n && !e; i++) {
		_cleanup_free_ char *key = xstrndup(got.v[i], strcspn(got.v[i], "="));

		if (!strv_env(env, key))
			strv_add(env, got.v[i]);
	}
	return e;
}

/* LIST's parts between SEP. */
static void split_list(const char *list, const char *sep, struct strv *to)
{
	while (*list) {
		size_t n = strcspn(list, sep);

		if (n)
			strv_take(to, xstrndup(list, n));
		list += n + (list[n] != '\0');
	}
}

static char *absolute(const char *cwd, const char *path)
{
	_cleanup_free_ char *joined = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", cwd, path);

	return str_clean_path(joined);
}

bool project_env_true(const struct project *p, const char *name)
{
	const char *s = strv_env(&p->env, name);

	return s && (!strcmp(s, "1") || !strcasecmp(s, "true") || !strcasecmp(s, "t"));
}

static struct err *read_env_files(const struct project_opts *o, struct project *p, const char *cwd,
				  const char *dir)
{
	_cleanup_strv_ struct strv given = { 0 }, files = { 0 };
	const char *list = strv_env(&p->env, "COMPOSE_ENV_FILES");
	struct stat sb;

	strv_copy(&given, &o->env_files);
	if (!given.n && list)
		split_list(list, ",", &given);
	for (size_t i = 0; i < given.n; i++)
		strv_take(&files, absolute(cwd, given.v[i]));
	if (!files.n && !project_env_true(p, "COMPOSE_DISABLE_ENV_FILE")) {
		strv_addf(&files, "%s/.env", dir);
		if (stat(files.v[0], &sb) < 0 || S_ISDIR(sb.st_mode))
			return NULL;
	}
	return find_env_files(p, &files, &p->env);
}

/* --- files ------------------------------------------------------------------------------------ */

static const char *const names[] = { "compose.yaml", "compose.yml", "docker-compose.yml",
				     "docker-compose.yaml" };
static const char *const overrides[] = { "compose.override.yml", "compose.override.yaml",
					 "docker-compose.override.yml",
					 "docker-compose.override.yaml" };

/* The first of LIST that is in DIR. */
static char *first_in(const char *dir, const char *const *list, size_t n, struct strv *notes)
{
	char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", strcmp(dir, "/") ? dir : "", list[i]);

		if (access(path, F_OK) < 0)
			continue;
		if (found && notes)
			note_once(notes,
				  "Found multiple config files with supported names: using %s, not %s",
				  found, path);
		if (!found)
			found = TAKE_PTR(path);
	}
	return found;
}

static struct err *search(struct project *p, const char *from)
{
	_cleanup_free_ char *dir = xstrdup(from);

	for (;;) {
		char *file = first_in(dir, names, ARRAY_LEN(names), &p->notes), *slash;

		if (file) {
			strv_take(&p->files, file);
			file = first_in(dir, overrides, ARRAY_LEN(overrides), NULL);
			if (file)
				strv_take(&p->files, file);
			return NULL;
		}
		slash = strrchr(dir, '/');
		if (!slash || !strcmp(dir, "/"))
			break;
		slash[slash == dir] = '\0';
	}
	return err_hint(err_new(0, "no configuration file provided: not found"),
			"compose.yaml or docker-compose.yml is looked for here and in the directories above; "
			"-f names another");
}

static struct err *find_files(const struct project_opts *o, struct project *p, const char *cwd)
{
	_cleanup_strv_ struct strv given = { 0 };
	const char *list = strv_env(&p->env, "COMPOSE_FILE"),
		   *sep = strv_env(&p->env, "COMPOSE_PATH_SEPARATOR");
	const char *base = p->directory ?: cwd;

	strv_copy(&given, &o->files);
	if (!given.n && list)
		split_list(list, sep && *sep ? sep : ":", &given);
	else
		base = cwd;
	for (size_t i = 0; i < given.n; i++) {
		char *path = !strcmp(given.v[i], "-") ? xstrdup("-") : absolute(base, given.v[i]);

		if (strcmp(path, "-") && access(path, F_OK) < 0) {
			struct err *e = err_new(errno, "opening %s", path);

			free(path);
			return e;
		}
		strv_take(&p->files, path);
	}
	return p->files.n ? NULL : search(p, p->directory ?: cwd);
}

/* --- names ------------------------------------------------------------------------------------ */

char *project_name_from(const char *text)
{
	struct str s = { 0 };

	for (; *text; text++) {
		char c = (char)tolower((unsigned char)*text);

		if (isalnum((unsigned char)c) || (s.len && (c == '_' || c == '-')))
			str_addc(&s, c);
	}
	return str_take(&s);
}

struct err *project_name_check(const char *name)
{
	_cleanup_free_ char *plain = project_name_from(name);

	if (*name && !strcmp(plain, name))
		return NULL;
	return err_new(0,
		       "invalid project name \"%s\": must consist only of lowercase alphanumeric characters, "
		       "hyphens, and underscores as well as start with a letter or number",
		       name);
}

static void find_profiles(const struct project_opts *o, struct project *p)
{
	const char *list = strv_env(&p->env, "COMPOSE_PROFILES");

	for (size_t i = 0; i < o->profiles.n; i++)
		split_list(o->profiles.v[i], ",", &p->profiles);
	if (!p->profiles.n && list)
		split_list(list, ",", &p->profiles);
}

struct err *find_project(const struct project_opts *o, struct project *p)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0), *dir = NULL;
	struct err *e;

	if (!cwd)
		return err_new(errno, "finding the current directory");
	for (char **v = environ; *v; v++)
		if (strchr(*v, '=') > *v)
			strv_add(&p->env, *v);
	if (o->directory) {
		dir = absolute(cwd, o->directory);
		p->directory = arena_str(&p->arena, dir);
	}
	e = read_env_files(o, p, cwd, p->directory ?: cwd);
	e = e ?: find_files(o, p, cwd);
	if (e)
		return e;
	if (!p->directory) {
		const char *first = p->files.v[0], *slash = strrchr(first, '/');

		p->directory = !slash ? arena_str(&p->arena, cwd)
			       : slash == first
				       ? arena_str(&p->arena, "/")
				       : arena_strn(&p->arena, first, (size_t)(slash - first));
	}
	if (strcmp(p->directory, cwd))
		e = read_env_files(o, p, cwd, p->directory);
	find_profiles(o, p);
	p->name = arena_str(&p->arena, o->name ?: strv_env(&p->env, "COMPOSE_PROJECT_NAME"));
	if (p->name && !*p->name)
		p->name = NULL;
	return e || !p->name ? e : project_name_check(p->name);
}
