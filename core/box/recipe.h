/* core/box/recipe.h -- what devbox knows about databases: one table entry an engine.  Pure, no I/O.
 * Sources: the official images' documentation (environment variables), the servers' protocol manuals. */
#ifndef CORE_BOX_RECIPE_H
#define CORE_BOX_RECIPE_H

#include <stdint.h>

#include "core/base/str.h"

struct recipe; /* one engine: mysql, mariadb, postgres, redis, valkey, mongo */

/* By what the image says of itself: its environment (MYSQL_VERSION, MARIADB_VERSION, PG_VERSION, REDIS_VERSION...), exposed port and command, then by
 * the last part of its name.  CMD is what will be run: a client or a shell ("mysql -h...", "bash") is no server, so NULL. */
const struct recipe *recipe_for_image(const char *repo, const struct strv *env, const struct strv *exposed,
				      const struct strv *entrypoint, const struct strv *cmd);
const struct recipe *recipe_by_name(const char *name);
const char *recipe_name(const struct recipe *r);
uint16_t recipe_port(const struct recipe *r);
/* Does ENV lack what the image's entrypoint insists on (a password)?  Then append the variable with PASSWORD. */
bool recipe_needs_password(const struct recipe *r, const struct strv *env);
void recipe_add_password(const struct recipe *r, const char *password, struct strv *env);

/* How a client connects, read from the container's final environment and command. */
struct db_access {
	char *engine; /* Django's words: "mysql", "postgresql", "redis", ... */
	char *host;
	uint16_t port;
	char *user, *password, *database; /* NULL where the engine or the settings have none */
	char *url; /* DATABASE_URL / REDIS_URL form, percent-encoded */
};
void recipe_access(const struct recipe *r, const struct strv *env, const struct strv *args, const char *host,
		   uint16_t port, struct db_access *ret);
void db_access_done(struct db_access *a);

enum env_format { ENV_SHELL, ENV_DOTENV, ENV_DJANGO, ENV_LARAVEL, ENV_JSON, ENV_FORMAT_MAX };
extern const char *const env_format_names[];
/* The settings as text: shell: export lines safe for eval; dotenv: KEY=VALUE quoted as dotenv readers take it; django: a DATABASES dict; laravel: its DB_ and
 * REDIS_ names; json.  Ends with a newline.  The caller frees it. */
char *db_access_format(const struct db_access *a, enum env_format f);

/* Readiness: speak the protocol's greeting.  probe_want() tells what to send first (may be empty), probe_feed() judges
 * the bytes received so far.  A temporary set-up server must not count as ready (it listens on no TCP port). */
enum probe_verdict { PROBE_MORE, PROBE_READY, PROBE_NOT_YET };
size_t probe_greeting(const struct recipe *r, const struct strv *env, unsigned char *buf, size_t size);
enum probe_verdict probe_feed(const struct recipe *r, const unsigned char *data, size_t len);

#endif
