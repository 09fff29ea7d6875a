#include "core/branch/client.h"

#include <stdlib.h>

#include "tests/lib/tap.h"

/* The dump's command line without the shell's part, in one line. */
static char *words(const struct client_cmd *c)
{
	struct str s = { 0 };

	for (size_t i = 0; i < c->argv.n; i++)
		if (i == 0 || i > 3 || strcmp(c->argv.v[0], "sh"))
			str_addf(&s, "%s%s", s.len ? " " : "", c->argv.v[i]);
	return str_take(&s);
}

static void test_dumps(void)
{
	static const struct {
		const char *engine, *url, *want, *env, *err;
	} cases[] = {
		{ "mysql", "mysql://me:p%40w@db.example.org:3307/shop?x=1",
		  "sh --host=db.example.org --port=3307 --user=me --single-transaction --quick --routines --triggers "
		  "--no-tablespaces shop",
		  "MYSQL_PWD=p@w", NULL },
		{ "mariadb", "mariadb://[2001:db8::1]/shop",
		  "sh --host=2001:db8::1 --user=root --single-transaction --quick --routines --triggers "
		  "--no-tablespaces shop",
		  "MYSQL_PWD=", NULL },
		{ "postgres", "postgres://u@h/d",
		  "pg_dump --no-owner --no-privileges --host=h --username=u --no-password --dbname=d",
		  "PGPASSWORD=", NULL },
		{ "postgres", "mysql://u@h/d", NULL, NULL, "mysql is no address of a postgres server" },
		{ "mysql", "mysql://u:p@h/", NULL, NULL, "the address names no database" },
		{ "mysql", "mysql://u:p@h", NULL, NULL, "the address names no database" },
		{ "mysql", "mysql://u:p@/d", NULL, NULL, "the address is malformed*" },
		{ "mysql", "mysql://u:%4@h/d", NULL, NULL, "the address is malformed*" },
		{ "mysql", "mysql://u:%00@h/d", NULL, NULL, "the address is malformed*" },
		{ "mysql", "mysql://u@h:0/d", NULL, NULL, "the address is malformed*" },
		{ "mysql", "mysql://u@h:99999/d", NULL, NULL, "the address is malformed*" },
		{ "mysql", "mysql://u@localhost/d", NULL, NULL,
		  "localhost is the container's own there*" },
		{ "redis", "redis://h/0", NULL, NULL, "redis takes no SQL" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_client_ struct client_cmd c = { 0 };
		_cleanup_free_ char *db = NULL, *got = NULL;

		is_err(client_dump(recipe_by_name(cases[i].engine), cases[i].url, &c, &db),
		       cases[i].err, "%s", cases[i].url);
		if (cases[i].err)
			continue;
		got = words(&c);
		is_str(got, cases[i].want, "  its command");
		is_str(c.env.v[0], cases[i].env, "  its password");
	}
}

static void test_sql(void)
{
	_cleanup_strv_ struct strv root = { 0 }, user = { 0 };
	_cleanup_client_ struct client_cmd a = { 0 }, b = { 0 }, c = { 0 };

	strv_add(&root, "MYSQL_ROOT_PASSWORD=r");
	strv_add(&root, "MYSQL_USER=u");
	strv_add(&root, "MYSQL_PASSWORD=p");
	strv_add(&root, "MYSQL_DATABASE=app");
	is_err(client_sql(recipe_by_name("mysql"), &root, NULL, &a), NULL,
	       "the administrator, if the password is known");
	ok(strv_has(&a.argv, "--user=root") && strv_has(&a.env, "MYSQL_PWD=r") &&
		   strv_has(&a.argv, "--database=app"),
	   "  is root");
	strv_add(&user, "MYSQL_USER=u");
	strv_add(&user, "MYSQL_PASSWORD=p");
	is_err(client_sql(recipe_by_name("mysql"), &user, "other", &b), NULL, "else the user");
	ok(strv_has(&b.argv, "--user=u") && strv_has(&b.env, "MYSQL_PWD=p") &&
		   strv_has(&b.argv, "--database=other"),
	   "  as the container has it");
	is_err(client_sql(recipe_by_name("redis"), &user, NULL, &c), "redis takes no SQL",
	       "no SQL for redis");
}

static void test_quotes(void)
{
	_cleanup_free_ char *a = client_quote_name(recipe_by_name("mysql"), "a`b"),
			    *b = client_quote_name(recipe_by_name("postgres"), "a\"b"),
			    *c = client_quote_text("it's");

	is_str(a, "`a``b`", "MySQL's names");
	is_str(b, "\"a\"\"b\"", "PostgreSQL's names");
	is_str(c, "'it''s'", "texts");
}

int main(void)
{
	test_dumps();
	test_sql();
	test_quotes();
	return done_testing();
}
