/* How a client reaches a database, and that as settings in the words of shells, frameworks and programs. */
#include "core/base/json.h"
#include "core/box/recipe.h"

const char *const env_format_names[] = { "shell", "dotenv", "django", "laravel",
					 "rails", "node",   "json",   "url" };
_Static_assert(ARRAY_LEN(env_format_names) == ENV_FORMAT_MAX, "a name for every format");

/* --- what the container was told --- */

/* The first of the NULL-ended list of variables that has a value; NULL if none has. */
static const char *first_set(const struct strv *env, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *v = strv_env(env, *keys);

		if (v && *v)
			return v;
	}
	return NULL;
}
#define FIRST_SET(env, ...) first_set(env, (const char *const[]){ __VA_ARGS__, NULL })

static void mysql_access(const struct strv *env, struct db_access *a)
{
	const char *user = FIRST_SET(env, "MARIADB_USER", "MYSQL_USER");
	const char *user_file = FIRST_SET(env, "MARIADB_PASSWORD_FILE", "MYSQL_PASSWORD_FILE");
	const char *password = FIRST_SET(env, "MARIADB_PASSWORD", "MYSQL_PASSWORD");

	/* the images make the user only if both are given */
	if (!user || (!password && !user_file)) {
		user = "root";
		password = FIRST_SET(env, "MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD");
	}
	a->user = xstrdup(user);
	a->password = xstrdup(password);
	a->database = xstrdup(FIRST_SET(env, "MARIADB_DATABASE", "MYSQL_DATABASE"));
}

static void postgres_access(const struct strv *env, struct db_access *a)
{
	const char *user = FIRST_SET(env, "POSTGRES_USER", "POSTGRESQL_USERNAME") ?: "postgres";

	a->user = xstrdup(user);
	a->password = xstrdup(FIRST_SET(env, "POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"));
	a->database = xstrdup(FIRST_SET(env, "POSTGRES_DB", "POSTGRESQL_DATABASE") ?: user);
}

static void redis_access(const struct strv *env, const struct strv *args, struct db_access *a)
{
	const char *password = NULL;

	/* the official images know no variable for it */
	if (strv_env(env, "BITNAMI_APP_NAME"))
		password = FIRST_SET(env, "REDIS_PASSWORD", "VALKEY_PASSWORD");
	for (size_t i = 0; i + 1 < args->n; i++)
		if (!strcmp(args->v[i], "--requirepass"))
			password = *args->v[i + 1] ? args->v[i + 1] : NULL;
	a->password = xstrdup(password);
}

static void mongo_access(const struct strv *env, struct db_access *a)
{
	a->user = xstrdup(FIRST_SET(env, "MONGO_INITDB_ROOT_USERNAME"));
	if (a->user)
		a->password = xstrdup(FIRST_SET(env, "MONGO_INITDB_ROOT_PASSWORD"));
	a->database = xstrdup(FIRST_SET(env, "MONGO_INITDB_DATABASE"));
}

/* Everything but RFC 3986's unreserved characters. */
static void add_encoded(struct str *out, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s; s++) {
		if (strchr(plain, *s))
			str_addc(out, *s);
		else
			str_addf(out, "%%%02X", (unsigned char)*s);
	}
}

static char *make_url(const struct db_access *a)
{
	struct str u = { 0 };

	str_addf(&u, "%s://", a->engine);
	if (a->user)
		add_encoded(&u, a->user);
	if (a->password) {
		str_addc(&u, ':');
		add_encoded(&u, a->password);
	}
	if (a->user || a->password)
		str_addc(&u, '@');
	str_addf(&u, strchr(a->host, ':') ? "[%s]:%u/" : "%s:%u/", a->host, a->port);
	if (!strcmp(a->engine, "redis"))
		str_addc(&u, '0');
	else if (a->database)
		add_encoded(&u, a->database);
	if (!strcmp(a->engine, "mongodb") && a->user)
		str_add(&u, "?authSource=admin"); /* where the image makes its root */
	return str_take(&u);
}

void recipe_access(const struct recipe *r, const struct strv *env, const struct strv *args,
		   const char *host, uint16_t port, struct db_access *ret)
{
	static const char *const engines[] = {
		[ENGINE_MYSQL] = "mysql",	  [ENGINE_MARIADB] = "mysql",
		[ENGINE_POSTGRES] = "postgresql", [ENGINE_REDIS] = "redis",
		[ENGINE_VALKEY] = "redis",	  [ENGINE_MONGO] = "mongodb",
	};
	struct db_access a = { .engine = xstrdup(engines[recipe_engine(r)]),
			       .host = xstrdup(host),
			       .port = port };

	switch (recipe_engine(r)) {
	case ENGINE_MYSQL:
	case ENGINE_MARIADB:
		mysql_access(env, &a);
		break;
	case ENGINE_POSTGRES:
		postgres_access(env, &a);
		break;
	case ENGINE_REDIS:
	case ENGINE_VALKEY:
		redis_access(env, args, &a);
		break;
	case ENGINE_MONGO:
	case ENGINE_MAX:
		mongo_access(env, &a);
		break;
	}
	a.url = make_url(&a);
	*ret = a;
}

void db_access_done(struct db_access *a)
{
	free(a->engine);
	free(a->host);
	free(a->user);
	free(a->password);
	free(a->database);
	free(a->url);
	*a = (struct db_access){ 0 };
}

/* --- as text --- */

static bool is_plain(const char *s)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:@%+,=?";

	return *s && !s[strspn(s, plain)];
}

/* Inside single quotes a POSIX shell takes everything literally. */
static void add_shell(struct str *out, const char *key, const char *value)
{
	str_addf(out, "export %s='", key);
	for (; *value; value++) {
		if (*value == '\'')
			str_add(out, "'\\''");
		else
			str_addc(out, *value);
	}
	str_add(out, "'\n");
}

/* Readers differ.  All take single quotes literally, except that some undo \' and \\ in them. */
static void add_dotenv(struct str *out, const char *key, const char *value)
{
	str_addf(out, "%s=", key);
	if (is_plain(value) || !*value) {
		str_addf(out, "%s\n", value);
	} else if (!strchr(value, '\'') && !strstr(value, "\\\\") && !str_ends(value, "\\")) {
		str_addf(out, "'%s'\n", value);
	} else {
		str_addc(out, '"');
		for (; *value; value++) {
			if (strchr("\\\"$`", *value))
				str_addc(out, '\\');
			str_addc(out, *value);
		}
		str_add(out, "\"\n");
	}
}

/* Python source: what is no UTF-8 becomes what os.environ would hold for it (PEP 383). */
static void add_python(struct str *out, const char *s)
{
	size_t len = strlen(s);

	str_addc(out, '\'');
	while (len) {
		size_t n = str_utf8_len(s, len);
		unsigned char c = (unsigned char)*s;

		if (!n)
			str_addf(out, "\\udc%02x", c);
		else if (c < ' ' || c == 0x7f)
			str_addf(out, "\\x%02x", c);
		else if (c == '\'' || c == '\\')
			str_addf(out, "\\%c", c);
		else
			str_addn(out, s, n);
		s += n ? n : 1;
		len -= n ? n : 1;
	}
	str_addc(out, '\'');
}

static void add_python_item(struct str *out, const char *key, const char *value)
{
	str_addf(out, "        '%s': ", key);
	add_python(out, value ? value : "");
	str_add(out, ",\n");
}

typedef void add_setting(struct str *out, const char *key, const char *value);

static void add_named(struct str *out, const struct db_access *a, add_setting *add)
{
	_cleanup_free_ char *port = xasprintf("%u", a->port);

	if (!strcmp(a->engine, "redis")) {
		add(out, "REDIS_HOST", a->host);
		add(out, "REDIS_PORT", port);
		add(out, "REDIS_PASSWORD", a->password ? a->password : "");
		add(out, "REDIS_URL", a->url);
		return;
	}
	add(out, "DB_ENGINE", a->engine);
	add(out, "DB_HOST", a->host);
	add(out, "DB_PORT", port);
	add(out, "DB_NAME", a->database ? a->database : "");
	add(out, "DB_USER", a->user ? a->user : "");
	add(out, "DB_PASSWORD", a->password ? a->password : "");
	add(out, strcmp(a->engine, "mongodb") ? "DATABASE_URL" : "MONGO_URL", a->url);
}

static void add_laravel(struct str *out, const struct db_access *a)
{
	_cleanup_free_ char *port = xasprintf("%u", a->port);

	if (!strcmp(a->engine, "redis")) {
		add_dotenv(out, "REDIS_HOST", a->host);
		add_dotenv(out, "REDIS_PASSWORD", a->password ? a->password : "null");
		add_dotenv(out, "REDIS_PORT", port);
		return;
	}
	add_dotenv(out, "DB_CONNECTION", strcmp(a->engine, "postgresql") ? a->engine : "pgsql");
	add_dotenv(out, "DB_HOST", a->host);
	add_dotenv(out, "DB_PORT", port);
	add_dotenv(out, "DB_DATABASE", a->database ? a->database : "");
	add_dotenv(out, "DB_USERNAME", a->user ? a->user : "");
	add_dotenv(out, "DB_PASSWORD", a->password ? a->password : "");
	if (!strcmp(a->engine, "mongodb"))
		add_dotenv(out, "MONGODB_URI", a->url);
}

static void add_django(struct str *out, const struct db_access *a)
{
	_cleanup_free_ char *port = xasprintf("%u", a->port), *backend = NULL;

	if (!strcmp(a->engine, "redis")) {
		str_add(out, "CACHES = {\n    'default': {\n");
		add_python_item(out, "BACKEND", "django.core.cache.backends.redis.RedisCache");
		add_python_item(out, "LOCATION", a->url);
	} else if (!strcmp(a->engine, "mongodb")) {
		str_add(out, "DATABASES = {\n    'default': {\n");
		add_python_item(out, "ENGINE", "django_mongodb_backend");
		add_python_item(out, "NAME", a->database);
		add_python_item(out, "HOST", a->url);
	} else {
		backend = xasprintf("django.db.backends.%s", a->engine);
		str_add(out, "DATABASES = {\n    'default': {\n");
		add_python_item(out, "ENGINE", backend);
		add_python_item(out, "NAME", a->database);
		add_python_item(out, "USER", a->user);
		add_python_item(out, "PASSWORD", a->password);
		add_python_item(out, "HOST", a->host);
		add_python_item(out, "PORT", port);
	}
	str_add(out, "    },\n}\n");
}

/* A string of JSON, which is one of YAML and of JavaScript too; "<" is escaped for ERB, which reads the file first. */
static void add_quoted(struct str *out, const char *s)
{
	size_t len = strlen(s);

	str_addc(out, '"');
	while (len) {
		size_t n = str_utf8_len(s, len);
		unsigned char c = (unsigned char)*s;

		if (!n)
			str_add(out, "\\ufffd");
		else if (c < ' ' || c == 0x7f || c == '<')
			str_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			str_addf(out, "\\%c", c);
		else if (!strncmp(s, "\xe2\x80\xa8", 3) ||
			 !strncmp(s, "\xe2\x80\xa9", 3)) /* line ends to JavaScript */
			str_addf(out, "\\u20%s", s[2] == '\xa8' ? "28" : "29");
		else
			str_addn(out, s, n);
		s += n ? n : 1;
		len -= n ? n : 1;
	}
	str_addc(out, '"');
}

static void add_item(struct str *out, const char *indent, const char *key, const char *value,
		     const char *end)
{
	if (!value)
		return;
	str_addf(out, "%s%s: ", indent, key);
	add_quoted(out, value);
	str_add(out, end);
}

static void add_rails(struct str *out, const struct db_access *a)
{
	str_add(out, "development:\n");
	if (!strcmp(a->engine, "redis")) {
		str_add(out, "  adapter: redis\n");
		add_item(out, "  ", "url", a->url, "\n");
	} else if (!strcmp(a->engine, "mongodb")) {
		str_add(out, "  clients:\n    default:\n");
		add_item(out, "      ", "uri", a->url, "\n");
	} else {
		str_addf(out, "  adapter: %s\n", strcmp(a->engine, "mysql") ? a->engine : "mysql2");
		add_item(out, "  ", "host", a->host, "\n");
		str_addf(out, "  port: %u\n", a->port);
		add_item(out, "  ", "database", a->database, "\n");
		add_item(out, "  ", "username", a->user, "\n");
		add_item(out, "  ", "password", a->password, "\n");
	}
}

static void add_node(struct str *out, const struct db_access *a)
{
	str_add(out, "module.exports = {\n");
	if (!strcmp(a->engine, "redis") || !strcmp(a->engine, "mongodb")) {
		add_item(out, "  ", "url", a->url, ",\n");
	} else {
		str_addf(out, "  client: \"%s\",\n  connection: {\n",
			 strcmp(a->engine, "mysql") ? "pg" : "mysql2");
		add_item(out, "    ", "host", a->host, ",\n");
		str_addf(out, "    port: %u,\n", a->port);
		add_item(out, "    ", "user", a->user, ",\n");
		add_item(out, "    ", "password", a->password, ",\n");
		add_item(out, "    ", "database", a->database, ",\n");
		str_add(out, "  },\n");
	}
	str_add(out, "};\n");
}

static char *as_json(const struct db_access *a)
{
	struct json_out o;

	json_out_init(&o, true);
	json_open(&o, NULL, '{');
	json_put_str(&o, "engine", a->engine);
	json_put_str(&o, "host", a->host);
	json_put_int(&o, "port", a->port);
	json_put_str(&o, "user", a->user);
	json_put_str(&o, "password", a->password);
	json_put_str(&o, "database", a->database);
	json_put_str(&o, "url", a->url);
	json_close(&o, '}');
	return json_out_take(&o, NULL);
}

char *db_access_format(const struct db_access *a, enum env_format f)
{
	struct str out = { 0 };

	switch (f) {
	case ENV_SHELL:
		add_named(&out, a, add_shell);
		break;
	case ENV_DOTENV:
		add_named(&out, a, add_dotenv);
		break;
	case ENV_DJANGO:
		add_django(&out, a);
		break;
	case ENV_LARAVEL:
		add_laravel(&out, a);
		break;
	case ENV_RAILS:
		add_rails(&out, a);
		break;
	case ENV_NODE:
		add_node(&out, a);
		break;
	case ENV_URL:
		str_addf(&out, "%s\n", a->url);
		break;
	case ENV_JSON:
	case ENV_FORMAT_MAX:
		return as_json(a);
	}
	return str_take(&out);
}
