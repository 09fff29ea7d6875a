#include "core/branch/project.h"

#include <stdlib.h>

#include "tests/lib/tap.h"

static void test_slugs(void)
{
	static const struct {
		const char *name, *slug;
	} cases[] = {
		{ "main", "main" },
		{ "Feature/Login_2", "feature-login-2" },
		{ "--a--b--", "a-b" },
		{ "@0123456789ab", "0123456789ab" },
		{ "äöü", "branch" },
		{ "x/ü/y", "x-y" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *slug = slug_make(cases[i].name);

		is_str(slug, cases[i].slug, "'%s' in a name", cases[i].name);
	}
}

static void test_addresses(void)
{
	char first[ADDRESS_MAX], again[ADDRESS_MAX], other[ADDRESS_MAX];
	unsigned bad = 0;

	address_candidate("shop\nbranch\nmain", 0, first);
	address_candidate("shop\nbranch\nmain", 0, again);
	is_str(first, again, "the same key has the same address");
	address_candidate("shop\nbranch\nmain", 1, other);
	ok(strcmp(first, other) != 0, "the next candidate is another one");
	for (unsigned n = 0; n < 20000; n++) {
		unsigned a, b, c, d;

		address_candidate("k", n, other);
		if (sscanf(other, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || a != 127 || b < 16 ||
		    b > 254 || c > 255 || d < 1 || d > 254)
			bad++;
	}
	is_int(bad, 0, "all of them can be used");
}

static void test_record(void)
{
	_cleanup_dbproject_ struct dbproject p = { 0 }, q = { 0 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct dbservice *s = dbproject_add_service(&p, "mysql");
	struct stack_fork *sf;
	struct fork *f;
	struct work_tree *t;
	size_t len;

	p.common = xstrdup("/home/u/shop/.git");
	p.dev = 1;
	p.ino = UINT64_C(1) << 40;
	s->image = xstrdup("mysql:8");
	s->image_id = xstrdup("sha256:1");
	s->recipe = xstrdup("mysql");
	strv_add(&s->env, "MYSQL_DATABASE=app");
	strv_add(&s->targets, "/var/lib/mysql");
	s->port = 3306;
	s->up = true;
	s->idle_ms = 900000;
	f = dbservice_add_fork(s, "feature/x");
	f->box = xstrdup("abc");
	f->parent = xstrdup("main");
	strv_add(&f->volumes, "db.shop.mysql.feature-x");
	f->created_ns = 5;
	stack_add_port(dbproject_ensure_stack(&p, "shop"), "web", 8080, 80);
	sf = stack_ensure_fork(dbproject_stack(&p, "shop"), "feature/x");
	sf->parent = xstrdup("main");
	sf->up = true;
	strv_add(&sf->volumes, "shop-feature-x_data");
	t = dbproject_add_tree(&p, "/home/u/shop/.git");
	snprintf(t->address, sizeof(t->address), "127.20.1.1");
	t->pinned = xstrdup("feature/x");
	text = dbproject_to_json(&p, &len);
	is_err(dbproject_from_json(text, len, &q), NULL, "a record is read again");
	again = dbproject_to_json(&q, NULL);
	is_str(again, text, "and is the same");
	ok(dbservice_fork(dbproject_service(&q, "mysql"), "feature/x") != NULL, "its fork is found");
	ok(dbservice_fork(dbproject_service(&q, "mysql"), "main") == NULL, "another one is not");
	ok(stack_is_up(dbproject_stack(&q, "shop")), "the compose project is up");
	dbproject_rename_branch(&q, "main", "trunk");
	is_str(stack_fork(dbproject_stack(&q, "shop"), "feature/x")->parent, "trunk",
	       "a parent renamed");
	is_str(dbservice_fork(dbproject_service(&q, "mysql"), "feature/x")->parent, "trunk",
	       "everywhere");
	stack_drop_fork(dbproject_stack(&q, "shop"), "feature/x");
	dbproject_drop_stack(&q, "shop");
	is_int(q.n_stacks, 0, "it can be dropped");
	dbservice_drop_fork(dbproject_service(&q, "mysql"), "feature/x");
	is_int(dbproject_service(&q, "mysql")->n_forks, 0, "it can be dropped");
	dbproject_drop_service(&q, "mysql");
	is_int(q.n_services, 0, "and the service");
}

static void test_bad_records(void)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{ "{}", "the project's record is of another version of devbox" },
		{ "[1]", "the project's record is of another version of devbox" },
		{ "{", "the project's record: *" },
		{ "{\"Version\":1,\"Services\":[{\"Name\":\"x\"},3,null],\"Branches\":[{}],\"WorkTrees\":{}}",
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_dbproject_ struct dbproject p = { 0 };

		is_err(dbproject_from_json(cases[i].text, strlen(cases[i].text), &p), cases[i].err,
		       "record %zu", i);
		is_int(p.n_services, 0, "  has no service");
	}
}

int main(void)
{
	test_slugs();
	test_addresses();
	test_record();
	test_bad_records();
	return done_testing();
}
