/* core/box/recipe.h -- what devbox knows about databases: one table entry an engine.  Pure, no I/O.
 * Three files: recipe.c (which images, which variables), dbenv.c (settings of a client), probe.c (readiness).
 * Sources: the official images' documentation (environment variables), the servers' protocol manuals. */
#ifndef CORE_BOX_RECIPE_H
#define CORE_BOX_RECIPE_H

#include <stdint.h>

#include "core/base/str.h"

struct recipe;

enum engine {
	ENGINE_MYSQL,
	ENGINE_MARIADB,
	ENGINE_POSTGRES,
	ENGINE_REDIS,
	ENGINE_VALKEY,
	ENGINE_MONGO,
	ENGINE_MAX,
};

/* By what the image says of itself: a variable like PG_VERSION together with the engine's exposed port; or by the last
 * part of its name ("docker.io/library/mysql:8", "example.org/x/mysql").  ENTRYPOINT and CMD are what will be run: a
 * client or a shell ("mysql -h...", "bash", "mysqld --verbose --help") is no server, so NULL. */
const struct recipe *recipe_for_image(const char *repo, const struct strv *env,
				      const struct strv *exposed, const struct strv *entrypoint,
				      const struct strv *cmd);
const struct recipe *recipe_by_name(const char *name);
const char *recipe_name(const struct recipe *r);
enum engine recipe_engine(const struct recipe *r);
uint16_t recipe_port(const struct recipe *r);
/* Does ENV lack what the image's entrypoint insists on (a password)?  Then append the variable with PASSWORD. */
bool recipe_needs_password(const struct recipe *r, const struct strv *env);
void recipe_add_password(const struct recipe *r, const char *password, struct strv *env);

/* How a client connects, read from the container's final environment and command. */
struct db_access {
	char *engine; /* Django's words: "mysql" (MariaDB too), "postgresql", "redis" (Valkey too), "mongodb" */
	char *host;
	uint16_t port;
	/* NULL where the engine or the settings have none, or only a file inside the container (*_FILE) tells */
	char *user, *password, *database;
	char *url; /* "mysql://root:secret@127.0.0.1:3306/app", percent-encoded */
};
void recipe_access(const struct recipe *r, const struct strv *env, const struct strv *args,
		   const char *host, uint16_t port, struct db_access *ret);
void db_access_done(struct db_access *a);

enum env_format {
	ENV_SHELL,
	ENV_DOTENV,
	ENV_DJANGO,
	ENV_LARAVEL,
	ENV_RAILS,
	ENV_NODE,
	ENV_JSON,
	ENV_URL, /* the URL alone, for clients that take one */
	ENV_FORMAT_MAX
};
extern const char *const env_format_names[];
/* The settings as text that ends with a newline; whatever a value holds, it stays one value.
 *	shell    export lines for eval: DB_ENGINE DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DATABASE_URL
 *	         (REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_URL; MongoDB: DB_* and MONGO_URL)
 *	dotenv   the same as KEY=VALUE.  A value that is no plain word is in single quotes, which all readers take
 *	         literally; one with a quote in it is in double quotes with \ before \ " $ `
 *	laravel  Laravel's names (DB_CONNECTION, DB_DATABASE, DB_USERNAME, ...) as dotenv
 *	rails    config/database.yml (config/cable.yml for Redis, config/mongoid.yml for MongoDB)
 *	node     a CommonJS module with the settings as Knex, Sequelize's dialects and node-redis call them
 *	django   a DATABASES assignment (CACHES for Redis), Python
 *	json     one object
 * The caller frees it. */
char *db_access_format(const struct db_access *a, enum env_format f);

/* Readiness: a connection to the server's port, from inside the container's network, to its own address.
 *   1 connect; refused: not ready yet.  The official images' set-up server listens on no TCP port (MongoDB's on
 *     127.0.0.1 alone), so that whoever answers is the final one.
 *   2 send probe_greeting(), which may be empty
 *   3 give all bytes received so far to probe_feed() until it says something else than PROBE_MORE; end of file
 *     before that: not ready yet */
enum probe_verdict { PROBE_MORE, PROBE_READY, PROBE_NOT_YET };
/* Writes at most SIZE bytes (PROBE_GREETING_MAX is enough); ENV tells PostgreSQL's user and database. */
enum { PROBE_GREETING_MAX = 512 };
size_t probe_greeting(const struct recipe *r, const struct strv *env, unsigned char *buf, size_t size);
/* A server that answers with a refusal (too many connections, host not allowed, password wanted) is up: ready.  One
 * that says it starts, stops or loads is not. */
enum probe_verdict probe_feed(const struct recipe *r, const unsigned char *data, size_t len);

#endif
