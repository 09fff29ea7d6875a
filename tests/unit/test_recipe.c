#include "core/box/recipe.h"

#include "tests/lib/tap.h"

/* Words of a text, separated by blanks. */
static struct strv words(const char *text)
{
	struct strv l = { 0 };

	while (text && *text) {
		size_t n = strcspn(text, " ");

		strv_take(&l, xstrndup(text, n));
		text += n + strspn(text + n, " ");
	}
	return l;
}

static const struct {
	const char *repo, *env, *exposed, *entrypoint, *cmd, *want;
} images[] = {
	/* the official images */
	{ "docker.io/library/mysql:latest", "MYSQL_MAJOR=9.1 MYSQL_VERSION=9.1.0",
	  "3306/tcp 33060/tcp", "docker-entrypoint.sh", "mysqld", "mysql" },
	{ "docker.io/library/mariadb:11", "MARIADB_VERSION=1:11.4", "3306/tcp",
	  "docker-entrypoint.sh", "mariadbd", "mariadb" },
	{ "docker.io/library/postgres:17", "PG_MAJOR=17 PG_VERSION=17.2", "5432/tcp",
	  "docker-entrypoint.sh", "postgres", "postgres" },
	{ "docker.io/library/redis:7", "REDIS_VERSION=7.4", "6379/tcp", "docker-entrypoint.sh",
	  "redis-server", "redis" },
	{ "docker.io/valkey/valkey:8", "VALKEY_VERSION=8.0", "6379/tcp", "docker-entrypoint.sh",
	  "valkey-server", "valkey" },
	{ "docker.io/library/mongo:8", "MONGO_MAJOR=8.0 MONGO_VERSION=8.0.4", "27017/tcp",
	  "docker-entrypoint.sh", "mongod", "mongo" },
	/* by name alone, with registry, port, tag and digest */
	{ "localhost:5000/x/mysql:8", "", "", "entrypoint.sh", "mysqld", "mysql" },
	{ "example.org/a/mariadb@sha256:00", "", "", "docker-entrypoint.sh", "mysqld", "mariadb" },
	{ "redis", "", "", "", "redis-server --appendonly yes", "redis" },
	{ "docker.io/percona/percona-server:8.0", "PS_VERSION=8.0", "3306", "/docker-entrypoint.sh",
	  "mysqld", "mysql" },
	{ "docker.io/postgis/postgis", "PG_MAJOR=16", "5432/tcp", "docker-entrypoint.sh",
	  "postgres", "postgres" },
	{ "bitnami/postgresql", "BITNAMI_APP_NAME=postgresql", "5432/tcp",
	  "/opt/bitnami/scripts/postgresql/entrypoint.sh", "/opt/bitnami/scripts/postgresql/run.sh",
	  "postgres" },
	/* one's own image made from an official one */
	{ "shop-db:dev", "MYSQL_VERSION=8.4", "3306/tcp", "/usr/local/bin/docker-entrypoint.sh",
	  "mysqld", "mysql" },
	/* what it says of itself beats its name */
	{ "corp/mysql", "MARIADB_VERSION=10.6 MYSQL_VERSION=x", "3306/tcp", "docker-entrypoint.sh",
	  "mariadbd", "mariadb" },
	/* flags for the server */
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh",
	  "--character-set-server=utf8mb4", "mysql" },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh", "mysqld --skip-log-bin",
	  "mysql" },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh", "/usr/sbin/mysqld", "mysql" },
	{ "redis", "REDIS_VERSION=7", "6379/tcp", "docker-entrypoint.sh", "/etc/redis.conf", "redis" },
	{ "redis", "REDIS_VERSION=7", "6379/tcp", "docker-entrypoint.sh",
	  "redis-server --requirepass x", "redis" },
	/* no server is started */
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh",
	  "mysql -h192.168.1.11 -P3306 -uroot -p", NULL },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh", "bash", NULL },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh", "mysqld --verbose --help",
	  NULL },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "docker-entrypoint.sh", "--version", NULL },
	{ "mysql", "MYSQL_VERSION=8", "3306/tcp", "bash", "-c true", NULL },
	{ "postgres", "PG_VERSION=17", "5432/tcp", "docker-entrypoint.sh", "psql -h db", NULL },
	{ "redis", "REDIS_VERSION=7", "6379/tcp", "docker-entrypoint.sh", "redis-cli -h db", NULL },
	{ "redis", "REDIS_VERSION=7", "6379/tcp", "sh", "-c redis-server", NULL },
	/* no database at all */
	{ "docker.io/library/phpmyadmin", "MYSQL_VERSION=8", "80/tcp", "/docker-entrypoint.sh",
	  "apache2-foreground", NULL },
	{ "debian", "PATH=/bin", "", "", "bash", NULL },
	{ "mysql/tools", "", "", "", "mysqldump", NULL },
	{ "example.org/mysql/app", "", "", "docker-entrypoint.sh", "", NULL },
	{ "app", "REDIS_VERSION=7", "8080/tcp", "docker-entrypoint.sh", "", NULL },
};

static void test_images(void)
{
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		_cleanup_strv_ struct strv env = words(images[i].env),
					   exposed = words(images[i].exposed);
		_cleanup_strv_ struct strv entrypoint = words(images[i].entrypoint),
					   cmd = words(images[i].cmd);
		const struct recipe *r =
			recipe_for_image(images[i].repo, &env, &exposed, &entrypoint, &cmd);

		is_str(r ? recipe_name(r) : NULL, images[i].want, "%s %s %s", images[i].repo,
		       images[i].entrypoint, images[i].cmd);
	}
}

static void test_names(void)
{
	static const struct {
		const char *name;
		uint16_t port;
	} engines[] = { { "mysql", 3306 }, { "mariadb", 3306 }, { "postgres", 5432 },
			{ "redis", 6379 }, { "valkey", 6379 },	{ "mongo", 27017 } };

	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		const struct recipe *r = recipe_by_name(engines[i].name);

		ok(r && recipe_port(r) == engines[i].port, "%s has port %d", engines[i].name,
		   engines[i].port);
	}
	ok(!recipe_by_name("oracle") && !recipe_by_name(""), "others are unknown");
}

static const struct {
	const char *recipe, *env, *adds; /* NULL: nothing is missing */
} passwords[] = {
	{ "mysql", "", "MYSQL_ROOT_PASSWORD" },
	{ "mysql", "MYSQL_DATABASE=app", "MYSQL_ROOT_PASSWORD" },
	{ "mysql", "MYSQL_ROOT_PASSWORD=", "MYSQL_ROOT_PASSWORD" }, /* the entrypoint does not take it either */
	{ "mysql", "MYSQL_USER=a MYSQL_PASSWORD=b", "MYSQL_ROOT_PASSWORD" },
	{ "mysql", "MYSQL_ROOT_PASSWORD=x", NULL },
	{ "mysql", "MYSQL_ROOT_PASSWORD_FILE=/run/secret", NULL },
	{ "mysql", "MYSQL_ALLOW_EMPTY_PASSWORD=yes", NULL },
	{ "mysql", "MYSQL_RANDOM_ROOT_PASSWORD=1", NULL },
	{ "mariadb", "", "MARIADB_ROOT_PASSWORD" },
	{ "mariadb", "MYSQL_ROOT_PASSWORD=x", NULL },
	{ "mariadb", "MARIADB_ROOT_PASSWORD_HASH=x", NULL },
	{ "mariadb", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1", NULL },
	{ "postgres", "", "POSTGRES_PASSWORD" },
	{ "postgres", "POSTGRES_PASSWORD=x", NULL },
	{ "postgres", "POSTGRES_PASSWORD_FILE=/x", NULL },
	{ "postgres", "POSTGRES_HOST_AUTH_METHOD=trust", NULL },
	{ "postgres", "POSTGRES_HOST_AUTH_METHOD=md5", "POSTGRES_PASSWORD" },
	{ "redis", "", NULL },
	{ "valkey", "", NULL },
	{ "mongo", "", NULL },
	{ "mongo", "MONGO_INITDB_ROOT_USERNAME=root", "MONGO_INITDB_ROOT_PASSWORD" },
	{ "mongo", "MONGO_INITDB_ROOT_USERNAME=root MONGO_INITDB_ROOT_PASSWORD=x", NULL },
};

static void test_passwords(void)
{
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
		_cleanup_strv_ struct strv env = words(passwords[i].env);
		const struct recipe *r = recipe_by_name(passwords[i].recipe);
		bool needs = recipe_needs_password(r, &env);

		ok(needs == (passwords[i].adds != NULL), "%s with '%s' %s a password",
		   passwords[i].recipe, passwords[i].env, passwords[i].adds ? "lacks" : "needs no");
		if (!needs)
			continue;
		recipe_add_password(r, "s3cret", &env);
		is_str(strv_env(&env, passwords[i].adds), "s3cret", "it is set");
		ok(!recipe_needs_password(r, &env), "then nothing is missing");
	}
}

int main(void)
{
	test_images();
	test_names();
	test_passwords();
	return done_testing();
}
