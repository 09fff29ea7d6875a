/* The project's record: its parts, and as JSON.  Pure. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/branch/project.h"

enum { RECORD_VERSION = 1 };

/* --- parts ------------------------------------------------------------------------------------ */

void dbfork_done(struct fork *f)
{
	free(f->branch);
	free(f->parent);
	free(f->box);
	free(f->origin);
	free(f->replica_of);
	free(f->error);
	strv_done(&f->volumes);
	strv_done(&f->args);
	*f = (struct fork){ 0 };
}

static void service_done(struct dbservice *s)
{
	free(s->name);
	free(s->image);
	free(s->image_id);
	free(s->recipe);
	free(s->shared);
	strv_done(&s->env);
	strv_done(&s->args);
	strv_done(&s->binds);
	strv_done(&s->targets);
	for (size_t i = 0; i < s->n_forks; i++)
		dbfork_done(&s->forks[i]);
	free(s->forks);
	*s = (struct dbservice){ 0 };
}

void stack_drop_ports(struct stack *s)
{
	for (size_t i = 0; i < s->n_ports; i++)
		free(s->ports[i].service);
	free(s->ports);
	s->ports = NULL;
	s->n_ports = 0;
}

static void stack_fork_done(struct stack_fork *f)
{
	free(f->branch);
	free(f->parent);
	strv_done(&f->volumes);
	strv_done(&f->filling);
}

static void stack_done(struct stack *s)
{
	free(s->name);
	stack_drop_ports(s);
	for (size_t i = 0; i < s->n_forks; i++)
		stack_fork_done(&s->forks[i]);
	free(s->forks);
}

static void branch_done(struct branch *b)
{
	free(b->name);
	free(b->slug);
	*b = (struct branch){ 0 };
}

static void tree_done(struct work_tree *t)
{
	free(t->dir);
	free(t->path);
	free(t->pinned);
	*t = (struct work_tree){ 0 };
}

void dbproject_done(struct dbproject *p)
{
	for (size_t i = 0; i < p->n_branches; i++)
		branch_done(&p->branches[i]);
	for (size_t i = 0; i < p->n_services; i++)
		service_done(&p->services[i]);
	for (size_t i = 0; i < p->n_trees; i++)
		tree_done(&p->trees[i]);
	for (size_t i = 0; i < p->n_stacks; i++)
		stack_done(&p->stacks[i]);
	free(p->branches);
	free(p->services);
	free(p->stacks);
	free(p->trees);
	free(p->id);
	free(p->common);
	free(p->error);
	*p = (struct dbproject){ 0 };
}

struct branch *dbproject_branch(const struct dbproject *p, const char *name)
{
	for (size_t i = 0; name && i < p->n_branches; i++)
		if (!strcmp(p->branches[i].name, name))
			return &p->branches[i];
	return NULL;
}

struct dbservice *dbproject_service(const struct dbproject *p, const char *name)
{
	for (size_t i = 0; name && i < p->n_services; i++)
		if (!strcmp(p->services[i].name, name))
			return &p->services[i];
	return NULL;
}

struct work_tree *dbproject_tree(const struct dbproject *p, const char *dir)
{
	for (size_t i = 0; dir && i < p->n_trees; i++)
		if (!strcmp(p->trees[i].dir, dir))
			return &p->trees[i];
	return NULL;
}

struct fork *dbservice_fork(const struct dbservice *s, const char *branch)
{
	for (size_t i = 0; branch && i < s->n_forks; i++)
		if (!strcmp(s->forks[i].branch, branch))
			return &s->forks[i];
	return NULL;
}

/* Make room for one more of SIZE bytes behind N, zeroed. */
static void *append(void *list, size_t n, size_t size)
{
	char *v = xrealloc(list, (n + 1) * size);

	memset(v + n * size, 0, size);
	return v;
}

struct fork *dbservice_add_fork(struct dbservice *s, const char *branch)
{
	s->forks = append(s->forks, s->n_forks, sizeof(*s->forks));
	s->forks[s->n_forks].branch = xstrdup(branch);
	return &s->forks[s->n_forks++];
}

bool dbservice_take_fork(struct dbservice *s, const char *branch, struct fork *ret)
{
	struct fork *f = dbservice_fork(s, branch);

	if (!f)
		return false;
	*ret = *f;
	s->n_forks--;
	memmove(f, f + 1, (size_t)(s->forks + s->n_forks - f) * sizeof(*f));
	return true;
}

void dbservice_drop_fork(struct dbservice *s, const char *branch)
{
	struct fork f;

	if (dbservice_take_fork(s, branch, &f))
		dbfork_done(&f);
}

struct dbservice *dbproject_add_service(struct dbproject *p, const char *name)
{
	p->services = append(p->services, p->n_services, sizeof(*p->services));
	p->services[p->n_services].name = xstrdup(name);
	return &p->services[p->n_services++];
}

void dbproject_drop_service(struct dbproject *p, const char *name)
{
	struct dbservice *s = dbproject_service(p, name);

	if (!s)
		return;
	service_done(s);
	p->n_services--;
	memmove(s, s + 1, (size_t)(p->services + p->n_services - s) * sizeof(*s));
}

struct work_tree *dbproject_add_tree(struct dbproject *p, const char *dir)
{
	p->trees = append(p->trees, p->n_trees, sizeof(*p->trees));
	p->trees[p->n_trees].dir = xstrdup(dir);
	return &p->trees[p->n_trees++];
}

struct stack *dbproject_stack(const struct dbproject *p, const char *name)
{
	for (size_t i = 0; name && i < p->n_stacks; i++)
		if (!strcmp(p->stacks[i].name, name))
			return &p->stacks[i];
	return NULL;
}

struct stack *dbproject_ensure_stack(struct dbproject *p, const char *name)
{
	struct stack *s = dbproject_stack(p, name);

	if (s)
		return s;
	p->stacks = append(p->stacks, p->n_stacks, sizeof(*p->stacks));
	p->stacks[p->n_stacks].name = xstrdup(name);
	return &p->stacks[p->n_stacks++];
}

struct stack_fork *stack_fork(const struct stack *s, const char *branch)
{
	for (size_t i = 0; branch && i < s->n_forks; i++)
		if (!strcmp(s->forks[i].branch, branch))
			return &s->forks[i];
	return NULL;
}

struct stack_fork *stack_ensure_fork(struct stack *s, const char *branch)
{
	struct stack_fork *f = stack_fork(s, branch);

	if (f)
		return f;
	s->forks = append(s->forks, s->n_forks, sizeof(*s->forks));
	s->forks[s->n_forks].branch = xstrdup(branch);
	return &s->forks[s->n_forks++];
}

void stack_drop_fork(struct stack *s, const char *branch)
{
	struct stack_fork *f = stack_fork(s, branch);

	if (!f)
		return;
	stack_fork_done(f);
	s->n_forks--;
	memmove(f, f + 1, (size_t)(s->forks + s->n_forks - f) * sizeof(*f));
}

void dbproject_drop_stack(struct dbproject *p, const char *name)
{
	struct stack *s = dbproject_stack(p, name);

	if (!s)
		return;
	stack_done(s);
	p->n_stacks--;
	memmove(s, s + 1, (size_t)(p->stacks + p->n_stacks - s) * sizeof(*s));
}

void stack_add_port(struct stack *s, const char *service, uint16_t host, uint16_t container)
{
	s->ports = append(s->ports, s->n_ports, sizeof(*s->ports));
	s->ports[s->n_ports++] =
		(struct stack_port){ .service = xstrdup(service), .host = host, .container = container };
}

bool stack_is_up(const struct stack *s)
{
	for (size_t i = 0; i < s->n_forks; i++)
		if (s->forks[i].up)
			return true;
	return false;
}

bool dbproject_is_up(const struct dbproject *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].up)
			return true;
	for (size_t i = 0; i < p->n_stacks; i++)
		if (stack_is_up(&p->stacks[i]))
			return true;
	return false;
}

static void rename_in(char **name, const char *from, const char *to)
{
	if (!str_eq(*name, from))
		return;
	free(*name);
	*name = xstrdup(to);
}

void dbproject_rename_branch(struct dbproject *p, const char *from, const char *to)
{
	for (size_t i = 0; i < p->n_services; i++)
		for (size_t k = 0; k < p->services[i].n_forks; k++) {
			struct fork *f = &p->services[i].forks[k];

			rename_in(&f->branch, from, to);
			rename_in(&f->parent, from, to);
			rename_in(&f->replica_of, from, to);
		}
	for (size_t i = 0; i < p->n_stacks; i++)
		for (size_t k = 0; k < p->stacks[i].n_forks; k++) {
			rename_in(&p->stacks[i].forks[k].branch, from, to);
			rename_in(&p->stacks[i].forks[k].parent, from, to);
		}
	for (size_t i = 0; i < p->n_trees; i++)
		rename_in(&p->trees[i].pinned, from, to);
}

static struct branch *add_branch(struct dbproject *p, const char *name)
{
	p->branches = append(p->branches, p->n_branches, sizeof(*p->branches));
	p->branches[p->n_branches] = (struct branch){ .name = xstrdup(name), .ttl_ms = -1 };
	return &p->branches[p->n_branches++];
}

void dbproject_drop_branch(struct dbproject *p, const char *name)
{
	struct branch *b = dbproject_branch(p, name);

	for (size_t i = 0; i < p->n_services; i++)
		if (dbservice_fork(&p->services[i], name))
			return;
	for (size_t i = 0; i < p->n_stacks; i++)
		if (stack_fork(&p->stacks[i], name))
			return;
	if (!b)
		return;
	branch_done(b);
	p->n_branches--;
	memmove(b, b + 1, (size_t)(p->branches + p->n_branches - b) * sizeof(*b));
}

/* --- names and addresses ---------------------------------------------------------------------- */

char *slug_make(const char *name)
{
	struct str s = { 0 };

	for (; *name && s.len < SLUG_MAX; name++) {
		unsigned char c = (unsigned char)*name;

		if (isalnum(c) && c < 0x80)
			str_addc(&s, (char)tolower(c));
		else if (s.len && s.s[s.len - 1] != '-')
			str_addc(&s, '-');
	}
	while (s.len && s.s[s.len - 1] == '-')
		s.s[--s.len] = '\0';
	if (!s.len)
		str_add(&s, "branch");
	return str_take(&s);
}

void address_candidate(const char *key, unsigned n, char ret[ADDRESS_MAX])
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	h ^= h >> 29;
	h = (h + n) * UINT64_C(0x9e3779b97f4a7c15); /* its upper bits depend on all lower ones */
	snprintf(ret, ADDRESS_MAX, "127.%u.%u.%u", (unsigned)(16 + (h >> 48) % 239),
		 (unsigned)((h >> 40) & 255), (unsigned)(1 + (h >> 32) % 254));
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_fork(struct json_out *o, const struct fork *f)
{
	json_open(o, NULL, '{');
	json_put_str(o, "Branch", f->branch);
	json_put_str_if(o, "Parent", f->parent);
	json_put_str(o, "Container", f->box);
	json_put_strv(o, "Volumes", &f->volumes);
	json_put_strv(o, "Args", &f->args);
	json_put_str_if(o, "Origin", f->origin);
	json_put_str_if(o, "ReplicaOf", f->replica_of);
	json_put_str_if(o, "Error", f->error);
	json_put_int(o, "Created", f->created_ns);
	json_put_int(o, "Used", f->used_ns);
	json_close(o, '}');
}

static void put_service(struct json_out *o, const struct dbservice *s)
{
	json_open(o, NULL, '{');
	json_put_str(o, "Name", s->name);
	json_put_str(o, "Image", s->image);
	json_put_str(o, "ImageId", s->image_id);
	json_put_str(o, "Engine", s->recipe);
	json_put_str_if(o, "Shared", s->shared);
	json_put_strv(o, "Env", &s->env);
	json_put_strv(o, "Args", &s->args);
	json_put_strv(o, "Binds", &s->binds);
	json_put_strv(o, "Targets", &s->targets);
	json_put_bool(o, "MadePassword", s->made_password);
	json_put_bool(o, "Up", s->up);
	json_put_int(o, "Port", s->port);
	json_put_int(o, "IdleMs", s->idle_ms);
	json_put_int(o, "TtlMs", s->ttl_ms);
	json_open(o, "Forks", '[');
	for (size_t i = 0; i < s->n_forks; i++)
		put_fork(o, &s->forks[i]);
	json_close(o, ']');
	json_close(o, '}');
}

static void put_stack(struct json_out *o, const struct stack *s)
{
	json_open(o, NULL, '{');
	json_put_str(o, "Name", s->name);
	json_open(o, "Ports", '[');
	for (size_t i = 0; i < s->n_ports; i++) {
		json_open(o, NULL, '{');
		json_put_str(o, "Service", s->ports[i].service);
		json_put_int(o, "Host", s->ports[i].host);
		json_put_int(o, "Container", s->ports[i].container);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_open(o, "Forks", '[');
	for (size_t i = 0; i < s->n_forks; i++) {
		const struct stack_fork *f = &s->forks[i];

		json_open(o, NULL, '{');
		json_put_str(o, "Branch", f->branch);
		json_put_str_if(o, "Parent", f->parent);
		json_put_strv(o, "Volumes", &f->volumes);
		json_put_strv(o, "Filling", &f->filling);
		json_put_bool(o, "Up", f->up);
		json_put_int(o, "Created", f->created_ns);
		json_put_int(o, "Used", f->used_ns);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

char *dbproject_to_json(const struct dbproject *p, size_t *ret_len)
{
	struct json_out o;

	json_out_init(&o, true);
	json_open(&o, NULL, '{');
	json_put_int(&o, "Version", RECORD_VERSION);
	json_put_str_if(&o, "GitDir", p->common);
	json_put_int(&o, "Dev", (int64_t)p->dev);
	json_put_int(&o, "Ino", (int64_t)p->ino);
	json_put_str_if(&o, "Error", p->error);
	json_open(&o, "Branches", '[');
	for (size_t i = 0; i < p->n_branches; i++) {
		const struct branch *b = &p->branches[i];

		json_open(&o, NULL, '{');
		json_put_str(&o, "Name", b->name);
		json_put_str(&o, "Slug", b->slug);
		json_put_str(&o, "Address", b->address);
		json_put_bool(&o, "Protected", b->protected);
		json_put_bool(&o, "Keep", b->keep);
		json_put_int(&o, "TtlMs", b->ttl_ms);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	json_open(&o, "Services", '[');
	for (size_t i = 0; i < p->n_services; i++)
		put_service(&o, &p->services[i]);
	json_close(&o, ']');
	json_open(&o, "Stacks", '[');
	for (size_t i = 0; i < p->n_stacks; i++)
		put_stack(&o, &p->stacks[i]);
	json_close(&o, ']');
	json_open(&o, "WorkTrees", '[');
	for (size_t i = 0; i < p->n_trees; i++) {
		const struct work_tree *t = &p->trees[i];

		json_open(&o, NULL, '{');
		json_put_str(&o, "GitDir", t->dir);
		json_put_str_if(&o, "Path", t->path);
		json_put_str(&o, "Address", t->address);
		json_put_str_if(&o, "Pinned", t->pinned);
		json_put_bool(&o, "EnvFile", t->env_file);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

static char *get(json *j, const char *key)
{
	return xstrdup(json_str(j, key));
}

static void get_address(json *j, char ret[ADDRESS_MAX])
{
	snprintf(ret, ADDRESS_MAX, "%s", json_str(j, "Address") ?: "");
}

static void get_fork(json *j, struct dbservice *s)
{
	struct fork *f;

	if (!json_str(j, "Branch") || !json_str(j, "Container"))
		return;
	f = dbservice_add_fork(s, json_str(j, "Branch"));
	f->parent = get(j, "Parent");
	f->box = get(j, "Container");
	json_strv(j, "Volumes", &f->volumes);
	json_strv(j, "Args", &f->args);
	f->origin = get(j, "Origin");
	f->replica_of = get(j, "ReplicaOf");
	f->error = get(j, "Error");
	f->created_ns = json_int(j, "Created", 0);
	f->used_ns = json_int(j, "Used", 0);
}

static void get_service(json *j, struct dbproject *p)
{
	json *forks = json_get(j, "Forks");
	struct dbservice *s;

	if (!json_str(j, "Name") || !json_str(j, "Engine") || !json_str(j, "Image"))
		return;
	s = dbproject_add_service(p, json_str(j, "Name"));
	s->image = get(j, "Image");
	s->image_id = xstrdup(json_str(j, "ImageId") ?: s->image);
	s->recipe = get(j, "Engine");
	s->shared = get(j, "Shared");
	json_strv(j, "Env", &s->env);
	json_strv(j, "Args", &s->args);
	json_strv(j, "Binds", &s->binds);
	json_strv(j, "Targets", &s->targets);
	s->made_password = json_bool(j, "MadePassword", false);
	s->up = json_bool(j, "Up", false);
	s->port = (uint16_t)json_int(j, "Port", 0);
	s->idle_ms = json_int(j, "IdleMs", 0);
	s->ttl_ms = json_int(j, "TtlMs", 0);
	for (size_t i = 0; i < json_len(forks); i++)
		get_fork(json_at(forks, i), s);
}

static void get_stack_fork(json *j, struct stack *s)
{
	struct stack_fork *f;

	if (!json_str(j, "Branch"))
		return;
	f = stack_ensure_fork(s, json_str(j, "Branch"));
	free(f->parent);
	f->parent = get(j, "Parent");
	json_strv(j, "Volumes", &f->volumes);
	json_strv(j, "Filling", &f->filling);
	f->up = json_bool(j, "Up", false);
	f->created_ns = json_int(j, "Created", 0);
	f->used_ns = json_int(j, "Used", 0);
}

static void get_stack(json *j, struct dbproject *p)
{
	json *ports = json_get(j, "Ports"), *forks = json_get(j, "Forks");
	struct stack *s;

	if (!json_str(j, "Name"))
		return;
	s = dbproject_ensure_stack(p, json_str(j, "Name"));
	for (size_t i = 0; i < json_len(ports); i++) {
		json *port = json_at(ports, i);

		if (json_str(port, "Service"))
			stack_add_port(s, json_str(port, "Service"),
				       (uint16_t)json_int(port, "Host", 0),
				       (uint16_t)json_int(port, "Container", 0));
	}
	for (size_t i = 0; i < json_len(forks); i++)
		get_stack_fork(json_at(forks, i), s);
}

static void get_branch(json *j, struct dbproject *p)
{
	struct branch *b;

	if (!json_str(j, "Name"))
		return;
	b = add_branch(p, json_str(j, "Name"));
	b->slug = json_str(j, "Slug") ? get(j, "Slug") : slug_make(b->name);
	get_address(j, b->address);
	b->protected = json_bool(j, "Protected", false);
	b->keep = json_bool(j, "Keep", false);
	b->ttl_ms = json_int(j, "TtlMs", -1);
}

struct err *dbproject_from_json(const char *text, size_t len, struct dbproject *ret)
{
	_cleanup_json_ json *j = NULL;
	struct dbproject p = { 0 };
	json *list;
	struct err *e = json_parse(text, len, "the project's record", &j);

	if (e)
		return e;
	if (json_int(j, "Version", 0) != RECORD_VERSION)
		return err_new(0, "the project's record is of another version of devbox");
	p.common = get(j, "GitDir");
	p.dev = (uint64_t)json_int(j, "Dev", 0);
	p.ino = (uint64_t)json_int(j, "Ino", 0);
	p.error = get(j, "Error");
	list = json_get(j, "Branches");
	for (size_t i = 0; i < json_len(list); i++)
		get_branch(json_at(list, i), &p);
	list = json_get(j, "Services");
	for (size_t i = 0; i < json_len(list); i++)
		get_service(json_at(list, i), &p);
	list = json_get(j, "Stacks");
	for (size_t i = 0; i < json_len(list); i++)
		get_stack(json_at(list, i), &p);
	list = json_get(j, "WorkTrees");
	for (size_t i = 0; i < json_len(list); i++) {
		json *t = json_at(list, i);
		struct work_tree *to;

		if (!json_str(t, "GitDir"))
			continue;
		to = dbproject_add_tree(&p, json_str(t, "GitDir"));
		get_address(t, to->address);
		to->path = get(t, "Path");
		to->pinned = get(t, "Pinned");
		to->env_file = json_bool(t, "EnvFile", false);
	}
	*ret = p;
	return NULL;
}
