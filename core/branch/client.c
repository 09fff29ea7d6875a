#include "core/branch/client.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/fd.h"

enum { OUTPUT_MAX = 1 << 20, COMPLAINT_MAX = 400 };

void client_cmd_done(struct client_cmd *c)
{
	strv_done(&c->argv);
	strv_done(&c->env);
}

/* --- command lines ---------------------------------------------------------------------------- */

static bool is_mysql(const struct recipe *r)
{
	return recipe_engine(r) == ENGINE_MYSQL || recipe_engine(r) == ENGINE_MARIADB;
}

/* Newer MariaDB images have no program called mysql, MySQL's none called mariadb. */
static void add_program(struct strv *argv, const char *mariadb, const char *mysql)
{
	strv_add(argv, "sh");
	strv_add(argv, "-c");
	strv_addf(argv, "p=%s; command -v $p >/dev/null || p=%s; exec $p \"$@\"", mariadb, mysql);
	strv_add(argv, "client");
}

static const char *first_of(const struct strv *env, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *v = strv_env(env, *keys);

		if (v && *v)
			return v;
	}
	return NULL;
}

struct err *client_sql(const struct recipe *r, const struct strv *env, const char *database,
		       struct client_cmd *ret)
{
	static const char *const root[] = { "MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD", NULL },
				 *const empty[] = { "MYSQL_ALLOW_EMPTY_PASSWORD",
						    "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", NULL };
	struct db_access a;
	const char *password = first_of(env, root);

	recipe_access(r, env, &(struct strv){ 0 }, "", 0, &a);
	database = database ?: a.database;
	if (is_mysql(r)) {
		bool as_root = password || first_of(env, empty);

		add_program(&ret->argv, "mariadb", "mysql");
		strv_addf(&ret->argv, "--user=%s", as_root ? "root" : a.user);
		strv_add(&ret->argv, "--default-character-set=utf8mb4");
		strv_add(&ret->argv, "--batch");
		strv_add(&ret->argv, "--skip-column-names");
		if (database)
			strv_addf(&ret->argv, "--database=%s", database);
		strv_addf(&ret->env, "MYSQL_PWD=%s", (as_root ? password : a.password) ?: "");
	} else if (recipe_engine(r) == ENGINE_POSTGRES) {
		strv_add(&ret->argv, "psql");
		strv_add(&ret->argv, "--no-psqlrc");
		strv_add(&ret->argv, "--quiet");
		strv_add(&ret->argv, "--tuples-only");
		strv_add(&ret->argv, "--no-align");
		strv_add(&ret->argv, "--field-separator=\t");
		strv_add(&ret->argv, "--set=ON_ERROR_STOP=1");
		strv_addf(&ret->argv, "--username=%s", a.user);
		strv_addf(&ret->argv, "--dbname=%s", database);
		strv_addf(&ret->env, "PGPASSWORD=%s", a.password ?: "");
	} else {
		db_access_done(&a);
		return err_new(0, "%s takes no SQL", recipe_name(r));
	}
	db_access_done(&a);
	return NULL;
}

char *client_quote_name(const struct recipe *r, const char *name)
{
	char q = is_mysql(r) ? '`' : '"';
	struct str s = { 0 };

	str_addc(&s, q);
	for (; *name; name++) {
		if (*name == q)
			str_addc(&s, q);
		str_addc(&s, *name);
	}
	str_addc(&s, q);
	return str_take(&s);
}

char *client_quote_text(const char *text)
{
	struct str s = { 0 };

	str_addc(&s, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			str_addc(&s, *text); /* a backslash twice: what is needed in MySQL; our texts have none */
		str_addc(&s, *text);
	}
	str_addc(&s, '\'');
	return str_take(&s);
}

/* --- URLs --- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'		    ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* LEN bytes of S with %XX undone; NULL if one is malformed or is a zero byte. */
static char *decode(const char *s, size_t len)
{
	struct str out = { 0 };

	for (size_t i = 0; i < len; i++) {
		int hi, lo;

		if (s[i] != '%') {
			str_addc(&out, s[i]);
			continue;
		}
		hi = i + 2 < len ? hex_digit(s[i + 1]) : -1;
		lo = i + 2 < len ? hex_digit(s[i + 2]) : -1;
		if (hi < 0 || lo < 0 || (!hi && !lo)) {
			str_done(&out);
			return NULL;
		}
		str_addc(&out, (char)(hi * 16 + lo));
		i += 2;
	}
	return str_take(&out);
}

struct url {
	char *user, *password, *host, *port, *database;
};

static void url_done(struct url *u)
{
	free(u->user);
	free(u->password);
	free(u->host);
	free(u->port);
	free(u->database);
}

/* What is behind "://": [user[:password]@]host[:port]/database[?...] */
static bool url_parse(const char *rest, struct url *u)
{
	size_t auth = strcspn(rest, "/?#");
	const char *at = NULL, *path = rest + auth, *host, *end;
	uint64_t port;
	struct err *e;

	for (const char *p = rest; p < path; p++) /* the last one: a password may hold it */
		at = *p == '@' ? p : at;
	host = at ? at + 1 : rest;
	if (at) {
		size_t user = strcspn(rest, ":@");

		u->user = decode(rest, user);
		if (rest[user] == ':')
			u->password = decode(rest + user + 1, (size_t)(at - rest) - user - 1);
		if (!u->user || (rest[user] == ':' && !u->password))
			return false;
	}
	if (*host == '[') {
		end = memchr(host, ']', (size_t)(path - host));
		u->host = end ? xstrndup(host + 1, (size_t)(end - host) - 1) : NULL;
		end = end ? end + 1 : path;
	} else {
		end = memchr(host, ':', (size_t)(path - host)) ?: path;
		u->host = decode(host, (size_t)(end - host));
	}
	if (end < path && *end == ':') {
		u->port = xstrndup(end + 1, (size_t)(path - end) - 1);
		e = str_to_u64(u->port, 1, 65535, &port);
		if (e) {
			err_free(e);
			return false;
		}
	}
	if (*path == '/')
		u->database = decode(path + 1, strcspn(path + 1, "?#"));
	return u->host && *u->host;
}

static bool is_loopback(const char *host)
{
	return str_starts(host, "127.") || !strcmp(host, "localhost") || !strcmp(host, "::1") ||
	       str_ends(host, ".localhost");
}

struct err *client_dump(const struct recipe *r, const char *url, struct client_cmd *ret,
			char **ret_database)
{
	static const char *const schemes[][3] = { { "mysql://", "mariadb://", NULL },
						  { "postgresql://", "postgres://", NULL } };
	bool pg = recipe_engine(r) == ENGINE_POSTGRES;
	struct url u = { 0 };
	const char *rest = NULL;
	struct err *e = NULL;

	if (!pg && !is_mysql(r))
		return err_new(0, "%s takes no SQL", recipe_name(r));
	for (size_t i = 0; schemes[pg][i] && !rest; i++)
		rest = str_after(url, schemes[pg][i]);
	if (!rest)
		return err_new(0, "%.*s is no address of a %s server", (int)strcspn(url, ":"), url,
			       recipe_name(r));
	if (!url_parse(rest, &u)) /* the text itself may hold a password */
		e = err_new(0, "the address is malformed: %sUSER:PASSWORD@HOST:PORT/DATABASE",
			    schemes[pg][0]);
	else if (!u.database || !*u.database)
		e = err_new(0, "the address names no database");
	else if (is_loopback(u.host))
		e = err_hint(err_new(0, "%s is the container's own there: it does not see this host's loopback",
				     u.host),
			     pg ? "pg_dump ... | devbox db import -"
				: "mysqldump ... | devbox db import -");
	if (!e && pg) {
		strv_add(&ret->argv, "pg_dump");
		strv_add(&ret->argv, "--no-owner");
		strv_add(&ret->argv, "--no-privileges");
		strv_addf(&ret->argv, "--host=%s", u.host);
		if (u.port)
			strv_addf(&ret->argv, "--port=%s", u.port);
		if (u.user)
			strv_addf(&ret->argv, "--username=%s", u.user);
		strv_add(&ret->argv, "--no-password");
		strv_addf(&ret->argv, "--dbname=%s", u.database);
		strv_addf(&ret->env, "PGPASSWORD=%s", u.password ?: "");
	} else if (!e) {
		add_program(&ret->argv, "mariadb-dump", "mysqldump");
		strv_addf(&ret->argv, "--host=%s", u.host);
		if (u.port)
			strv_addf(&ret->argv, "--port=%s", u.port);
		strv_addf(&ret->argv, "--user=%s", u.user ?: "root");
		strv_add(&ret->argv, "--single-transaction");
		strv_add(&ret->argv, "--quick");
		strv_add(&ret->argv, "--routines");
		strv_add(&ret->argv, "--triggers");
		strv_add(&ret->argv, "--no-tablespaces");
		strv_add(&ret->argv, u.database);
		strv_addf(&ret->env, "MYSQL_PWD=%s", u.password ?: "");
	}
	if (!e)
		*ret_database = TAKE_PTR(u.database);
	url_done(&u);
	return e;
}

/* --- running ---------------------------------------------------------------------------------- */

struct err *client_exec(struct box *b, const struct client_cmd *c, const int stdio[3])
{
	struct exec_request req = { .argv = c->argv, .env = c->env, .open_stdin = true };
	int status = 0;
	struct err *e = box_exec(b, &req, stdio, NULL, &status);

	if (!e && status)
		e = err_new(0, "its client ended with status %d", status);
	return e;
}

/* An unnamed file holding LEN bytes, at its beginning. */
static struct err *memory_file(const char *text, size_t len, int *ret)
{
	_cleanup_close_ int fd = memfd_create("client", MFD_CLOEXEC);
	struct err *e = fd < 0 ? err_new(errno, "making a temporary file") : NULL;

	if (!e && len)
		e = fd_write_all(fd, "a temporary file", text, len);
	if (!e && lseek(fd, 0, SEEK_SET) < 0)
		e = err_new(errno, "rewinding a temporary file");
	if (!e)
		*ret = TAKE_FD(fd);
	return e;
}

static struct err *read_back(int fd, char **ret)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_new(errno, "rewinding a temporary file");
	return fd_read_all(fd, "the answer", OUTPUT_MAX, ret, NULL);
}

struct err *client_run(struct box *b, const char *database, const char *sql, char **ret_rows)
{
	_cleanup_client_ struct client_cmd c = { 0 };
	_cleanup_close_ int in = -1, out = -1, err_fd = -1;
	_cleanup_free_ char *rows = NULL, *words = NULL;
	struct err *e = client_sql(recipe_by_name(b->spec.recipe), &b->spec.env, database, &c);

	e = e ?: memory_file(sql, strlen(sql), &in);
	e = e ?: memory_file("", 0, &out);
	e = e ?: memory_file("", 0, &err_fd);
	if (!e) {
		int stdio[3] = { in, out, err_fd };

		e = client_exec(b, &c, stdio);
	}
	if (e && err_fd >= 0) {
		err_free(read_back(err_fd, &words)); /* the status alone then */
		for (char *p = words; p && *p; p++)
			if (*p == '\n')
				*p = ' ';
		if (words && *words) {
			err_free(e);
			e = err_new(0, "%.*s", COMPLAINT_MAX, words);
		}
	}
	e = e ?: read_back(out, &rows);
	if (!e && ret_rows)
		*ret_rows = TAKE_PTR(rows);
	return e;
}
