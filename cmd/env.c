/* cmd/env.c -- devbox env [--format FORMAT] [--write FILE] [CONTAINER|SERVICE] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/access.h"
#include "cmd/db.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/branch/envfile.h"
#include "core/compose/actual.h"
#include "core/compose/request.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static const char *opt_format = "shell", *opt_write;

static struct err *set_laravel(UNUSED const char *value, UNUSED void *to)
{
	opt_format = env_format_names[ENV_LARAVEL];
	return NULL;
}

static const struct opt opts[] = {
	{ 'f', "format", "string",
	  "shell, dotenv, django, laravel, rails, node, json or url (default \"shell\")", OPT_STR,
	  &opt_format, NULL },
	{ 0, "laravel", NULL, "The same as --format laravel", OPT_CALL_FLAG, NULL, set_laravel },
	{ 'w', "write", "file", "Set them in the file, whose other lines stay (formats dotenv, laravel)",
	  OPT_STR, &opt_write, NULL },
	{ 0 },
};

static struct err *parse_format(enum env_format *ret)
{
	for (enum env_format f = 0; f < ENV_FORMAT_MAX; f++)
		if (!strcmp(opt_format, env_format_names[f])) {
			*ret = f;
			return opt_write && f != ENV_DOTENV && f != ENV_LARAVEL
				       ? err_hint(err_new(0, "--write needs lines of KEY=value"),
						  "-f dotenv or -f laravel")
				       : NULL;
		}
	return err_hint(err_new(0, "unknown format '%s'", opt_format),
			"shell, dotenv, django, laravel, rails, node, json or url");
}

/* Is B of the compose project that CWD is in? */
static bool is_here(const struct box *b, const char *cwd)
{
	const char *dir = box_label(b, LABEL_DIRECTORY), *rest = dir ? str_after(cwd, dir) : NULL;

	return rest && (!*rest || *rest == '/');
}

struct found {
	struct box **v;
	size_t n;
};

static void found_done(struct found *f)
{
	for (size_t i = 0; i < f->n; i++)
		box_free(f->v[i]);
	free(f->v);
	*f = (struct found){ 0 };
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct box *const *)a)->spec.name, (*(struct box *const *)b)->spec.name);
}

/* The databases that run, by name; with CWD, those of the compose project there; with SERVICE, those of that
 * service. */
static struct err *find(struct store *st, const char *cwd, const char *service, struct found *ret)
{
	struct box **boxes = NULL;
	size_t n = 0, kept = 0;
	struct err *e = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		struct box *b = boxes[i];

		if (b->spec.recipe && b->state.status == BOX_RUNNING && (!cwd || is_here(b, cwd)) &&
		    (!service || str_eq(box_label(b, LABEL_SERVICE), service)))
			boxes[kept++] = b;
		else
			box_free(b);
	}
	if (kept)
		qsort(boxes, kept, sizeof(struct box *), by_name);
	*ret = (struct found){ boxes, kept };
	return e;
}

static struct err *add_access(const struct box *b, enum env_format format, struct str *out)
{
	_cleanup_free_ char *text = NULL;
	struct db_access a = { 0 };
	struct err *e = access_find(b, &a);

	if (e)
		return e;
	text = db_access_format(&a, format);
	str_add(out, text);
	db_access_done(&a);
	return NULL;
}

/* REDIS_* and DB_* go together, two DB_HOST do not; URLs always do. */
static bool go_together(const struct found *f, enum env_format format)
{
	size_t redis = 0;

	for (size_t i = 0; i < f->n; i++) {
		enum engine engine = recipe_engine(recipe_by_name(f->v[i]->spec.recipe));

		redis += engine == ENGINE_REDIS || engine == ENGINE_VALKEY;
	}
	return f->n == 1 || (f->n && format == ENV_URL) ||
	       (f->n == 2 && redis == 1 &&
		(format == ENV_SHELL || format == ENV_DOTENV || format == ENV_LARAVEL));
}

/* Those of the compose project here, if one set of settings can name them; else the only one that runs. */
static struct err *add_running(struct store *st, const char *cwd, enum env_format format, struct str *out)
{
	_cleanup_str_ struct str names = { 0 };
	struct found f = { 0 };
	struct err *e = find(st, cwd, NULL, &f);

	if (!e && !go_together(&f, format)) {
		found_done(&f);
		e = find(st, NULL, NULL, &f);
		for (size_t i = 0; i < f.n; i++)
			str_addf(&names, "%s%s", i ? ", " : "", f.v[i]->spec.name);
		if (!e && !f.n)
			e = err_hint(err_new(0, "no database is running"), "%s run mysql -p 3306",
				     prog());
		else if (!e && f.n > 1)
			e = err_hint(err_new(0, "%zu databases are running", f.n), "name one of %s",
				     names.s);
	}
	for (size_t i = 0; i < f.n && !e; i++)
		e = add_access(f.v[i], format, out);
	found_done(&f);
	return e;
}

/* NAME is a container's, or a service's of the compose project here. */
static struct err *add_named(struct store *st, const char *cwd, const char *name,
			     enum env_format format, struct str *out)
{
	_cleanup_box_ struct box *b = NULL;
	struct found f = { 0 };
	struct err *missing = box_find(st, name, &b), *e = NULL;

	if (missing)
		e = find(st, cwd, name, &f);
	if (f.n) {
		err_free(missing);
		missing = NULL;
	}
	err_free(e); /* what was asked for is a name that is none */
	e = missing ?: add_access(f.n ? f.v[0] : b, format, out);
	found_done(&f);
	return e;
}

/* Those of the repository that the current directory is in: they lead to the branch that is checked out.
 * *RET_DONE: it has some. */
static struct err *add_project(enum env_format format, struct str *out, bool *ret_done)
{
	_cleanup_db_ struct db db = { 0 };
	const struct work_tree *t;
	struct err *e = db_open(&db, NULL);

	t = !e && db.id && db.repo.dir ? dbproject_tree(&db.p, db.repo.dir) : NULL;
	*ret_done = t && db.p.n_services;
	for (size_t i = 0; *ret_done && i < db.p.n_services; i++) {
		_cleanup_free_ char *text = NULL;
		struct db_access a;

		dbservice_access(&db.p.services[i], t->address, &a);
		text = db_access_format(&a, format);
		str_add(out, text);
		db_access_done(&a);
	}
	return e;
}

struct err *env_urls(const char *name, struct str *out)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	struct err *e = store_open(&st);

	return e
		       ?: name ? add_named(st, cwd ?: "", name, ENV_URL, out)
			       : add_running(st, cwd ?: "", ENV_URL, out);
}

/* Does LINE set KEY, the LEN bytes there? */
static bool sets(const char *line, const char *key, size_t len)
{
	line = str_after(line, "export ") ?: line;
	return !strncmp(line, key, len) && line[len] == '=';
}

/* SETTING, "KEY=value", in place of the lines of LINES that set KEY, or as one more. */
static void set_line(struct strv *lines, const char *setting)
{
	size_t len = strcspn(setting, "=");
	bool found = false;

	for (size_t i = 0; i < lines->n; i++)
		if (sets(lines->v[i], setting, len)) {
			free(lines->v[i]);
			lines->v[i] = xstrdup(setting);
			found = true;
		}
	if (!found)
		strv_add(lines, setting);
}

static void add_lines(const char *text, struct strv *lines)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		_cleanup_free_ char *line = xstrndup(text, n = strcspn(text, "\n"));

		strv_add(lines, line);
	}
}

/* The file's other lines stay as they are; a new one is for the user alone, it has a password. */
static struct err *write_settings(const char *path, const char *settings)
{
	_cleanup_strv_ struct strv lines = { 0 }, new = { 0 };
	_cleanup_free_ char *real = realpath(path, NULL), *old = NULL, *folder = NULL;
	const char *file = real ?: path, *slash = strrchr(file, '/');
	_cleanup_str_ struct str text = { 0 };
	_cleanup_close_ int dir = -1;
	struct stat st = { .st_mode = 0600 };
	struct err *e;

	folder = slash ? xstrndup(file, (size_t)(slash - file) + 1) : xstrdup(".");
	e = fd_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &dir);
	if (!e && stat(file, &st) == 0)
		e = fd_read_file(AT_FDCWD, file, FILE_BYTES_MAX, &old, NULL);
	if (e)
		return e;
	add_lines(old ?: "", &lines);
	add_lines(settings, &new);
	for (size_t i = 0; i < new.n; i++)
		set_line(&lines, new.v[i]);
	for (size_t i = 0; i < lines.n; i++)
		str_addf(&text, "%s\n", lines.v[i]);
	return fd_write_atomic(dir, slash ? slash + 1 : file, text.s, text.len, st.st_mode & 0777,
			       false);
}

static struct err *env(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	_cleanup_str_ struct str out = { 0 };
	enum env_format format = ENV_SHELL;
	bool done = false;
	struct err *e;

	e = parse_format(&format);
	if (!e && !argc)
		e = add_project(format, &out, &done);
	if (!done) {
		e = e ?: store_open(&st);
		if (!e)
			e = argc ? add_named(st, cwd ?: "", argv[0], format, &out)
				 : add_running(st, cwd ?: "", format, &out);
	}
	if (!e && opt_write)
		e = write_settings(opt_write, out.s ?: "");
	else if (!e)
		fputs(out.s ?: "", stdout);
	return e;
}

const struct verb verb_env = {
	.name = "env",
	.args = "[CONTAINER|SERVICE]",
	.max_args = 1,
	.opts = opts,
	.summary = "Print how to reach a database: DB_* settings and DATABASE_URL",
	.more = "SERVICE is one of the compose project in the current directory.  Without a name: the\n"
		"databases of this git repository (devbox db up), else those of the compose project (one for\n"
		"DB_*, one for REDIS_*), else the only one that runs.\n\n"
		"    eval \"$(devbox env)\"             in a shell\n"
		"    devbox env -f dotenv db > .env    for a project\n"
		"    devbox env -f laravel -w .env     in a file that has more in it",
	.run = env,
};
