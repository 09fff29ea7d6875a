#include "core/box/recipe.h"

#include <strings.h>

/* Lists are separated by blanks. */
struct recipe {
	const char *name;
	uint16_t port;
	const char *version_vars; /* any of them in the image's environment */
	const char *images; /* last part of the image's name */
	const char *servers; /* programs that are the server */
	const char *info_flags; /* with one of these it prints something and ends */
	/* one of these, not empty, satisfies the image's entrypoint; NULL: it wants none */
	const char *password_vars;
	const char *password_var; /* the one to set */
};

/* In order of recognition: MariaDB's images also carry MySQL's names, Valkey's Redis'. */
static const struct recipe recipes[ENGINE_MAX] = {
	[ENGINE_MYSQL] = {
		.name = "mysql",
		.port = 3306,
		.version_vars = "MYSQL_VERSION MYSQL_MAJOR PS_VERSION",
		.images = "mysql mysql-server community-server percona percona-server",
		.servers = "mysqld mysqld_safe",
		.info_flags = "--help -? --version -V --print-defaults",
		.password_vars = "MYSQL_ROOT_PASSWORD MYSQL_ROOT_PASSWORD_FILE MYSQL_ALLOW_EMPTY_PASSWORD "
				 "MYSQL_RANDOM_ROOT_PASSWORD ALLOW_EMPTY_PASSWORD",
		.password_var = "MYSQL_ROOT_PASSWORD",
	},
	[ENGINE_MARIADB] = {
		.name = "mariadb",
		.port = 3306,
		.version_vars = "MARIADB_VERSION MARIADB_MAJOR",
		.images = "mariadb mariadb-server",
		.servers = "mariadbd mariadbd-safe mysqld mysqld_safe",
		.info_flags = "--help -? --version -V --print-defaults",
		.password_vars = "MARIADB_ROOT_PASSWORD MARIADB_ROOT_PASSWORD_FILE MARIADB_ROOT_PASSWORD_HASH "
				 "MARIADB_ROOT_PASSWORD_HASH_FILE MARIADB_ALLOW_EMPTY_ROOT_PASSWORD "
				 "MARIADB_RANDOM_ROOT_PASSWORD MYSQL_ROOT_PASSWORD MYSQL_ROOT_PASSWORD_FILE "
				 "MYSQL_ALLOW_EMPTY_PASSWORD MYSQL_RANDOM_ROOT_PASSWORD ALLOW_EMPTY_PASSWORD",
		.password_var = "MARIADB_ROOT_PASSWORD",
	},
	[ENGINE_POSTGRES] = {
		.name = "postgres",
		.port = 5432,
		.version_vars = "PG_VERSION PG_MAJOR",
		.images = "postgres postgresql postgis pgvector timescaledb",
		.servers = "postgres postmaster",
		.info_flags = "--help -? --version -V --describe-config",
		/* POSTGRES_HOST_AUTH_METHOD=trust too, see below */
		.password_vars = "POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE POSTGRESQL_PASSWORD "
				 "POSTGRESQL_PASSWORD_FILE ALLOW_EMPTY_PASSWORD",
		.password_var = "POSTGRES_PASSWORD",
	},
	[ENGINE_REDIS] = {
		.name = "redis",
		.port = 6379,
		.version_vars = "REDIS_VERSION REDIS_DOWNLOAD_URL",
		.images = "redis redis-stack redis-stack-server",
		.servers = "redis-server redis-stack-server",
		.info_flags = "--help -h --version -v --check-system --test-memory",
	},
	[ENGINE_VALKEY] = {
		.name = "valkey",
		.port = 6379,
		.version_vars = "VALKEY_VERSION VALKEY_DOWNLOAD_URL",
		.images = "valkey",
		.servers = "valkey-server redis-server",
		.info_flags = "--help -h --version -v --check-system --test-memory",
	},
	[ENGINE_MONGO] = {
		.name = "mongo",
		.port = 27017,
		.version_vars = "MONGO_VERSION MONGO_MAJOR",
		.images = "mongo mongodb mongodb-community-server percona-server-mongodb",
		.servers = "mongod",
		.info_flags = "--help -h --version",
		/* only beside MONGO_INITDB_ROOT_USERNAME, see below */
		.password_vars = "MONGO_INITDB_ROOT_PASSWORD MONGO_INITDB_ROOT_PASSWORD_FILE",
		.password_var = "MONGO_INITDB_ROOT_PASSWORD",
	},
};
static const enum engine order[] = { ENGINE_MARIADB, ENGINE_MYSQL, ENGINE_POSTGRES,
				     ENGINE_VALKEY,  ENGINE_REDIS, ENGINE_MONGO };
_Static_assert(ARRAY_LEN(order) == ENGINE_MAX, "every engine is looked for");

static bool in_list(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !memcmp(list, word, len))
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

/* Is one of the variables of LIST in ENV, with a value? */
static bool any_set(const char *list, const struct strv *env)
{
	for (size_t i = 0; i < env->n; i++) {
		size_t len = strcspn(env->v[i], "=");

		if (env->v[i][len] && env->v[i][len + 1] && in_list(list, env->v[i], len))
			return true;
	}
	return false;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "docker.io/library/mysql:8@sha256:..." is called "mysql". */
static bool is_called(const struct recipe *r, const char *repo)
{
	size_t len = strcspn(repo, "@");
	_cleanup_free_ char *plain = xstrndup(repo, len);
	const char *last = last_part(plain);

	return in_list(r->images, last, strcspn(last, ":"));
}

static bool exposes(const struct recipe *r, const struct strv *exposed)
{
	for (size_t i = 0; i < exposed->n; i++)
		if (strtoul(exposed->v[i], NULL, 10) == r->port)
			return true;
	return false;
}

static bool is_server_program(const struct recipe *r, const char *path)
{
	const char *last = last_part(path);

	return in_list(r->servers, last, strlen(last));
}

/* Would the official images' entrypoint (and those made like it) start the server with these arguments? */
static bool entrypoint_starts_server(const struct strv *cmd)
{
	const char *first = cmd->n ? cmd->v[0] : "-";

	return *first == '-' || str_ends(first, ".conf") || str_ends(first, "/run.sh");
}

static bool runs_server(const struct recipe *r, const struct strv *entrypoint, const struct strv *cmd)
{
	const char *program = entrypoint->n ? entrypoint->v[entrypoint->n - 1] : NULL;

	for (size_t i = 0; i < cmd->n; i++)
		if (in_list(r->info_flags, cmd->v[i], strlen(cmd->v[i])))
			return false;
	if (program && is_server_program(r, program))
		return true;
	if (cmd->n && is_server_program(r, cmd->v[0]))
		return true;
	return program && strstr(last_part(program), "entrypoint") && entrypoint_starts_server(cmd);
}

const struct recipe *recipe_for_image(const char *repo, const struct strv *env,
				      const struct strv *exposed, const struct strv *entrypoint,
				      const struct strv *cmd)
{
	/* what the image says of itself first: an image called x/mysql may well hold MariaDB */
	for (size_t i = 0; i < ENGINE_MAX; i++) {
		const struct recipe *r = &recipes[order[i]];

		if (any_set(r->version_vars, env) && exposes(r, exposed) &&
		    runs_server(r, entrypoint, cmd))
			return r;
	}
	for (size_t i = 0; i < ENGINE_MAX; i++) {
		const struct recipe *r = &recipes[order[i]];

		if (is_called(r, repo) && runs_server(r, entrypoint, cmd))
			return r;
	}
	return NULL;
}

const struct recipe *recipe_by_name(const char *name)
{
	for (size_t i = 0; i < ENGINE_MAX; i++)
		if (!strcmp(recipes[i].name, name))
			return &recipes[i];
	return NULL;
}

const char *recipe_name(const struct recipe *r)
{
	return r->name;
}

enum engine recipe_engine(const struct recipe *r)
{
	return (enum engine)(r - recipes);
}

uint16_t recipe_port(const struct recipe *r)
{
	return r->port;
}

bool recipe_needs_password(const struct recipe *r, const struct strv *env)
{
	const char *method = strv_env(env, "POSTGRES_HOST_AUTH_METHOD");

	if (!r->password_vars || any_set(r->password_vars, env))
		return false;
	if (recipe_engine(r) == ENGINE_POSTGRES)
		return !method || strcasecmp(method, "trust");
	if (recipe_engine(r) == ENGINE_MONGO) /* without a user it runs without authentication */
		return any_set("MONGO_INITDB_ROOT_USERNAME MONGO_INITDB_ROOT_USERNAME_FILE", env);
	return true;
}

void recipe_add_password(const struct recipe *r, const char *password, struct strv *env)
{
	_cleanup_free_ char *entry = xasprintf("%s=%s", r->password_var, password);

	strv_env_set(env, entry); /* it may be there, empty */
}
