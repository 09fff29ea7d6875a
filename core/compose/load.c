/* project_load(): from files to one resolved tree.
 *
 * How it works, for each file (load_file):
 *  1. YAML becomes a tree (file.c); variables in its strings are replaced (interp.c)
 *  2. keys and types are checked, short forms become long ones, relative paths absolute (schema.c)
 *  3. `extends`: a service is laid over the one it names, which goes through 1-3 in its own file and directory
 *  4. `include`: whole projects with directories of their own are loaded and joined; two different things of one name
 *     are an error
 *  5. the tree is laid over that of the files before it (merge.c)
 * Then, once for the project: defaults, real names, the checks that need the whole (resolve.c). */
#include <fcntl.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/compose/file.h"
#include "core/compose/find.h"
#include "core/compose/interp.h"
#include "core/compose/merge.h"
#include "core/compose/resolve.h"

enum { NEST_MAX = 64, FILES_MAX = 500 };

/* What is being loaded: one set of files with one directory and one set of variables. */
struct loader {
	struct project *p;
	const struct project_opts *o;
	const char *directory;
	const struct strv *env;
	const struct loader *up; /* whose include this is, or NULL */
	const char *file; /* the one being read */
	struct node *root; /* merged so far */
	unsigned *n_files; /* read in all */
	bool services_only; /* for extends: no include, no merge with what else is there */
};

static struct err *load_file(struct loader *l, const char *path);

/* --- variables -------------------------------------------------------------------------------- */

static struct err *interpolate(const struct loader *l, struct node *n)
{
	struct env_lookup lookup = { l->env, &l->p->notes };
	struct interp in = { .lookup = env_lookup_get, .unset = env_lookup_unset, .arg = &lookup };
	struct err *e = NULL;

	if (n->kind == NODE_STR && interp_wanted(n->text)) {
		_cleanup_str_ struct str out = { 0 };

		e = interp_expand(&in, n->text, &out);
		if (e)
			return pos_wrap(&n->pos, e);
		n->text = arena_str(&l->p->arena, out.s);
	}
	for (size_t i = 0; i < n->n && !e; i++)
		e = interpolate(l, n->m[i].value);
	return e;
}

/* Variables that are named without a value come from the caller's; unset stays unset. */
static void resolve_nulls(const struct loader *l, struct node *dict, bool keep)
{
	for (size_t i = 0; i < node_len(dict); i++) {
		struct node *v = dict->m[i].value;
		const char *value = v->kind == NODE_NULL ? strv_env(l->env, dict->m[i].key) : NULL;

		if (value) {
			v->kind = NODE_STR;
			v->text = arena_str(&l->p->arena, value);
		} else if (v->kind == NODE_NULL && !keep) {
			node_del_at(dict, i--);
		}
	}
}

static void resolve_environment(const struct loader *l)
{
	struct node *services = node_get(l->root, "services");

	for (size_t i = 0; i < node_len(services); i++) {
		struct node *s = services->m[i].value;

		resolve_nulls(l, node_get(s, "environment"), true);
		resolve_nulls(l, node_get(node_get(s, "build"), "args"), false);
	}
}

/* --- extends ---------------------------------------------------------------------------------- */

/* The services that extend one another, to notice a circle. */
struct chain {
	const struct chain *up;
	const char *file, *service;
};

static struct err *check_circle(const struct chain *c, const struct pos *at)
{
	const struct chain *up = c->up;
	size_t depth = 0;

	while (up && (strcmp(up->file, c->file) || strcmp(up->service, c->service))) {
		up = up->up;
		depth++;
	}
	if (up)
		return pos_err(at, "services.%s: extends leads back to itself", c->service);
	return depth < NEST_MAX ? NULL : pos_err(at, "extends is nested more than %d deep", NEST_MAX);
}

static struct err *extend(struct loader *l, struct node *services, const char *name,
			  const struct chain *up);

/* The services of another file, each still with its own extends.  *RET is where they live. */
static struct err *open_extended(struct loader *l, const struct node *path, struct loader *ret)
{
	struct project *p = l->p;
	_cleanup_free_ char *joined = *path->text == '/'
					      ? xstrdup(path->text)
					      : xasprintf("%s/%s", l->directory, path->text);
	_cleanup_free_ char *clean = str_clean_path(joined);
	char *file = arena_str(&p->arena, clean), *slash = strrchr(file, '/');
	struct err *e;

	*ret = *l;
	ret->up = NULL;
	ret->root = NULL;
	ret->services_only = true;
	ret->directory = slash == file ? "/" : arena_strn(&p->arena, file, (size_t)(slash - file));
	e = load_file(ret, file);
	if (e && e->errnum == ENOENT && !ret->root)
		e = pos_wrap(&path->pos, err_wrap(e, "extends"));
	ret->file = file;
	return e;
}

static struct err *extend_from(struct loader *l, struct node *services, const char *name,
			       struct node *service, struct node *extends, const struct chain *up)
{
	const struct node *file = node_get(extends, "file"), *of = node_get(extends, "service");
	struct chain here = { up, l->file, name };
	struct loader other = *l;
	struct node *from = services, *base;
	struct err *e = NULL;

	if (!node_is(of, NODE_STR))
		return pos_err(&extends->pos, "services.%s.extends: it must name a service", name);
	if (file) {
		e = open_extended(l, file, &other);
		from = node_get(other.root, "services");
	}
	e = e ?: check_circle(&here, &extends->pos);
	if (!e && !node_get(from, of->text))
		e = pos_err(&of->pos,
			    "cannot extend service \"%s\" in %s: service \"%s\" not found in %s",
			    name, l->file, of->text, other.file);
	e = e ?: extend(&other, from, of->text, &here);
	if (e)
		return e;
	base = node_get(from, of->text);
	node_del(service, "extends");
	if (node_is(base, NODE_MAP))
		node_set(&l->p->arena, services, name, NULL,
			 merge_nodes(&l->p->arena, &schema_service, node_clone(&l->p->arena, base),
				     service));
	return NULL;
}

/* Service NAME of SERVICES without its extends. */
static struct err *extend(struct loader *l, struct node *services, const char *name,
			  const struct chain *up)
{
	struct node *service = node_get(services, name), *extends = node_get(service, "extends");

	return extends ? extend_from(l, services, name, service, extends, up) : NULL;
}

static struct err *extend_all(struct loader *l, struct node *root)
{
	struct node *services = node_get(root, "services");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(services) && !e; i++)
		e = extend(l, services, services->m[i].key, NULL);
	return e;
}

/* --- include ---------------------------------------------------------------------------------- */

static const char *join(struct loader *l, const char *path)
{
	_cleanup_free_ char *joined =
		*path == '/' ? xstrdup(path) : xasprintf("%s/%s", l->directory, path);
	_cleanup_free_ char *clean = str_clean_path(joined);

	return arena_str(&l->p->arena, clean);
}

static struct err *include_env(struct loader *l, const struct node *entry, const char *dir,
			       struct strv *env)
{
	const struct node *files = node_get(entry, "env_file");
	_cleanup_strv_ struct strv paths = { 0 };

	for (size_t i = 0; i < node_len(files); i++)
		strv_add(&paths, join(l, files->m[i].value->text));
	if (!paths.n) {
		strv_addf(&paths, "%s/.env", dir);
		if (access(paths.v[0], R_OK) < 0)
			return NULL;
	}
	return pos_wrap(&entry->pos, find_env_files(l->p, &paths, env));
}

/* Join what FROM holds with ROOT. */
static struct err *import(struct loader *l, struct node *root, struct node *from)
{
	static const char *const sections[] = { "services", "volumes", "networks",
						"secrets",  "configs", "models" };

	for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
		struct node *theirs = node_get(from, sections[s]), *ours = node_get(root, sections[s]);

		if (!theirs)
			continue;
		if (!ours) {
			node_set(&l->p->arena, root, sections[s], NULL, theirs);
			continue;
		}
		for (size_t i = 0; i < theirs->n; i++) {
			const struct member *m = &theirs->m[i], *same = node_member(ours, m->key);

			if (same && !node_equal(same->value, m->value))
				return pos_err(&same->pos,
					       "%s.%s conflicts with imported resource (%s:%u)",
					       sections[s], m->key, m->pos.file, m->pos.line);
			if (!same)
				node_set(&l->p->arena, ours, m->key, &m->pos, m->value);
		}
	}
	return NULL;
}

static struct err *include_one(struct loader *l, struct node *root, const struct node *entry)
{
	const struct node *paths = node_get(entry, "path");
	const char *dir = node_str(entry, "project_directory");
	struct strv env = { 0 };
	struct loader sub = *l;
	struct err *e = NULL;
	size_t depth = 0;

	if (!node_len(paths))
		return pos_err(&entry->pos, "include: an entry lacks its path");
	if (dir) {
		sub.directory = join(l, dir);
	} else {
		const char *first = join(l, paths->m[0].value->text), *slash = strrchr(first, '/');

		sub.directory = slash == first
					? "/"
					: arena_strn(&l->p->arena, first, (size_t)(slash - first));
	}
	for (const struct loader *up = l; up; up = up->up)
		if (!strcmp(up->file, join(l, paths->m[0].value->text)) || ++depth > NEST_MAX)
			return pos_err(&entry->pos, "include cycle detected: %s includes itself",
				       up->file);
	sub.up = l;
	sub.root = NULL;
	strv_copy(&env, l->env);
	sub.env = &env;
	e = include_env(l, entry, sub.directory, &env);
	for (size_t i = 0; i < paths->n && !e; i++) {
		const char *file = join(l, paths->m[i].value->text);

		e = load_file(&sub, file);
		if (e && e->errnum == ENOENT)
			e = pos_wrap(&paths->m[i].value->pos, err_wrap(e, "include"));
	}
	if (!e && sub.root) {
		resolve_environment(&sub);
		e = import(l, root, sub.root);
	}
	strv_done(&env);
	return e;
}

static struct err *include_all(struct loader *l, struct node *root)
{
	struct node *list = node_get(root, "include");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(list) && !e; i++)
		e = include_one(l, root, list->m[i].value);
	node_del(root, "include");
	return e;
}

/* --- one file --------------------------------------------------------------------------------- */

static bool is_version_1(const struct node *root)
{
	if (node_get(root, "services") || node_get(root, "include") || node_get(root, "version") ||
	    !root->n)
		return false;
	for (size_t i = 0; i < root->n; i++)
		if (node_get(root->m[i].value, "image") || node_get(root->m[i].value, "build"))
			return true;
	return false;
}

static struct err *document(void *arg, struct node *root)
{
	struct loader *l = arg;
	struct schema_ctx c = { .arena = &l->p->arena,
				.directory = l->o->no_path_resolution ? NULL : l->directory,
				.notes = &l->p->notes,
				.raw = l->o->no_interpolate };
	struct err *e = NULL;

	if (root->kind != NODE_MAP)
		return pos_err(&root->pos, "top-level object must be a mapping, not %s",
			       node_kind_names[root->kind]);
	if (is_version_1(root))
		return err_hint(pos_err(&root->m[0].pos,
					"this is a version 1 compose file, with services at its top"),
				"put them below a line 'services:', each two blanks further in");
	if (!l->o->no_interpolate)
		e = interpolate(l, root);
	e = e ?: schema_apply(&c, &schema_root, "", &root);
	if (e)
		return e;
	node_del(root, "version"); /* means nothing any more */
	if (!l->services_only) {
		e = extend_all(l, root);
		e = e ?: include_all(l, root);
	}
	if (!e)
		l->root = merge_nodes(&l->p->arena, &schema_root, l->root, root);
	return e;
}

static struct err *load_file(struct loader *l, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct err *e;

	if (++*l->n_files > FILES_MAX)
		return err_new(0, "%s: more than %d files", path, FILES_MAX);
	l->file = arena_str(&l->p->arena, path);
	if (!strcmp(path, "-"))
		e = fd_read_all(STDIN_FILENO, "standard input", YAML_BYTES_MAX, &text, &len);
	else
		e = fd_read_file(AT_FDCWD, path, YAML_BYTES_MAX, &text, &len);
	if (err_is(e, EFBIG)) {
		err_free(e);
		return pos_err(&(struct pos){ l->file, 1, 1 }, "it is larger than %d MB",
			       YAML_BYTES_MAX >> 20);
	}
	e = e ?: yaml_parse(&l->p->arena, l->file, text, len, document, l);
	return e;
}

/* The name that the files themselves give; the last one counts. */
static struct err *name_in(void *arg, struct node *root)
{
	struct node *name = node_get(root, "name");

	if (node_is(name, NODE_STR) && *name->text)
		*(struct node **)arg = name;
	return NULL;
}

static struct err *find_name(struct project *p, const struct project_opts *o)
{
	struct loader l = { .p = p, .o = o, .env = &p->env };
	struct node *name = NULL;
	_cleanup_free_ char *plain = NULL, *entry = NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < p->files.n && !p->name && !e; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		if (!strcmp(p->files.v[i], "-"))
			continue;
		/* what cannot be read is told when it is read in earnest */
		err_free(fd_read_file(AT_FDCWD, p->files.v[i], YAML_BYTES_MAX, &text, &len));
		if (text && memmem(text, len, "name", 4))
			err_free(yaml_parse(&p->arena, p->files.v[i], text, len, name_in, &name));
	}
	if (name && !p->name) {
		if (!o->no_interpolate)
			e = interpolate(&l, name);
		plain = project_name_from(name->text);
	} else if (!p->name) {
		plain = project_name_from(strrchr(p->directory, '/') + 1);
	}
	if (plain && *plain)
		p->name = arena_str(&p->arena, plain);
	if (!e && !p->name)
		e = err_hint(err_new(0, "project name must not be empty"),
			     "the directory's name holds no letter: give -p NAME");
	if (!e && o->suffix)
		p->name = arena_printf(&p->arena, "%s-%s", p->name, o->suffix);
	entry = xasprintf("COMPOSE_PROJECT_NAME=%s", p->name ?: "");
	strv_env_set(&p->env, entry);
	return e;
}

struct err *project_load(const struct project_opts *o, struct project **ret)
{
	struct project *p = xcalloc(1, sizeof(*p));
	unsigned n_files = 0;
	struct loader l = { .p = p, .o = o, .env = &p->env, .n_files = &n_files };
	struct err *e = find_project(o, p);

	p->raw = o->no_interpolate;
	p->suffix = o->suffix ? arena_str(&p->arena, o->suffix) : NULL;
	p->address = o->address ? arena_str(&p->arena, o->address) : NULL;
	p->all_resources = o->all_resources;
	e = e ?: find_name(p, o);
	l.directory = p->directory;
	for (size_t i = 0; i < p->files.n && !e; i++)
		e = load_file(&l, p->files.v[i]);
	if (!e && !node_len(l.root))
		e = pos_err(&(struct pos){ p->files.v[0], 0, 0 }, "empty compose file");
	if (!e) {
		resolve_environment(&l);
		p->root = l.root;
		e = resolve_project(p, o);
	}
	if (e) {
		project_free(p);
		return e;
	}
	*ret = p;
	return NULL;
}

void project_free(struct project *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_services; i++)
		free(p->services[i].depends);
	free(p->services);
	strv_done(&p->files);
	strv_done(&p->env);
	strv_done(&p->profiles);
	strv_done(&p->notes);
	arena_done(&p->arena);
	free(p);
}
