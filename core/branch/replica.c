#include "core/branch/replica.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/inside.h"
#include "core/branch/client.h"
#include "core/store/trash.h"

enum { STEP_MS = 100, CONF_MAX = 1 << 20, SECRET_LEN = 24 };

struct replica {
	struct store *st;
	const char *project, *service, *name, *source;
	const struct recipe *r;
	struct box *from, *to; /* the two containers */
	char user[20]; /* an account of its own on the source, so that others' passwords stay */
	char password[SECRET_LEN + 1];
	uint32_t id;
	char *log, *log_pos; /* MySQL: where to go on from */
	struct strv *notes;
};

static bool is_mysql(const struct recipe *r)
{
	return recipe_engine(r) == ENGINE_MYSQL || recipe_engine(r) == ENGINE_MARIADB;
}

/* The same name has the same number each time: never 0 or 1, which sources have. */
static uint32_t number_of(const char *name)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619U;
	return (h & 0x3fffffff) | 0x40000000;
}

static struct err *open_box(struct replica *x, const char *branch, struct box **ret)
{
	struct branch_result r = { 0 };
	struct err *e = branch_up(x->st, x->project, x->service, branch, NULL, NULL, &r);

	e = e ?: box_find(x->st, r.box, ret);
	branch_result_done(&r);
	return e;
}

/* A row's column N (0...), the row being the LINE-th from the end (1: the last); NULL if there is none. */
static char *cell(const char *rows, unsigned line, unsigned n)
{
	const char *end = rows + strlen(rows), *start;

	while (end > rows && end[-1] == '\n')
		end--;
	for (;; end = start - 1) {
		start = end;
		while (start > rows && start[-1] != '\n')
			start--;
		if (--line == 0)
			break;
		if (start == rows)
			return NULL;
	}
	for (; n; n--) {
		start = memchr(start, '\t', (size_t)(end - start));
		if (!start)
			return NULL;
		start++;
	}
	return xstrndup(start, strcspn(start, "\t\n"));
}

static struct err *query(struct box *b, const char *sql, char **ret)
{
	_cleanup_free_ char *rows = NULL;
	struct err *e =
		client_run(b, is_mysql(recipe_by_name(b->spec.recipe)) ? "mysql" : NULL, sql, &rows);

	if (!e)
		*ret = cell(rows, 1, 0) ?: xstrdup("");
	return e;
}

/* Ask again and again until the answer is WANT.  WHY: a question whose answer tells what is wrong, or NULL. */
static struct err *wait_for(struct box *b, const char *sql, const char *want, const char *why)
{
	int64_t end = time_mono_ms() + REPLICA_CHECK_S * 1000;

	for (;;) {
		_cleanup_free_ char *got = NULL, *reason = NULL;
		struct err *e = query(b, sql, &got);

		if (e || !strcmp(got, want))
			return e;
		if (time_mono_ms() > end) {
			if (why)
				err_free(query(b, why, &reason)); /* then there is no reason to tell */
			return err_new(0, "it does not replicate%s%s",
				       reason && *reason ? ": " : "", reason ?: "");
		}
		poll(NULL, 0, STEP_MS); /* servers send no event about this */
	}
}

/* --- MySQL and MariaDB ------------------------------------------------------------------------ */

/* 8.0.22 renamed the statements, 8.4 took the old ones away. */
static bool new_words(struct box *b)
{
	_cleanup_free_ char *version = NULL;
	struct err *e = query(b, "SELECT VERSION()", &version);
	bool mariadb = version && strstr(version, "MariaDB");
	unsigned major = 0, minor = 0;

	err_free(e); /* the next statement says it */
	if (version)
		sscanf(version, "%u.%u", &major, &minor);
	return !mariadb && (major > 8 || (major == 8 && minor >= 4));
}

static struct err *mysql_source(struct replica *x)
{
	_cleanup_free_ char *log_bin = NULL, *sql = NULL;
	struct err *e = query(x->from, "SELECT @@log_bin", &log_bin);

	if (!e && strcmp(log_bin, "1")) {
		_cleanup_strv_ struct strv args = { 0 };

		if (recipe_engine(x->r) == ENGINE_MYSQL)
			return err_hint(err_new(0, "%s keeps no binary log", x->source),
					"start it without --skip-log-bin");
		strv_add(&args, "--log-bin=devbox-bin");
		strv_add(&args, "--server-id=1");
		e = branch_set_args(x->st, x->project, x->service, x->source, &args, NULL);
		box_free(TAKE_PTR(x->from));
		e = e ?: open_box(x, x->source, &x->from);
		strv_addf(x->notes, "%s of branch %s was started anew, with its binary log on",
			  x->service, x->source);
	}
	sql = xasprintf("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s';\n"
			"ALTER USER '%s'@'%%' IDENTIFIED BY '%s';\n"
			"GRANT REPLICATION SLAVE ON *.* TO '%s'@'%%';",
			x->user, x->password, x->user, x->password, x->user);
	return e ?: client_run(x->from, "mysql", sql, NULL);
}

static void mysql_args(const struct replica *x, struct strv *args)
{
	strv_addf(args, "--server-id=%u", x->id);
	strv_add(args, "--read-only=1");
	strv_add(args, "--relay-log=devbox-relay");
	if (recipe_engine(x->r) == ENGINE_MYSQL)
		strv_add(args, "--super-read-only=1");
	else
		strv_add(args, "--log-bin=devbox-bin");
}

/* Two servers with one identity do not talk to each other. */
static struct err *mysql_inside(int root, UNUSED void *arg, UNUSED struct str *result)
{
	_cleanup_close_ int dir = -1;
	struct err *e = fd_open_in_root(root, "/var/lib/mysql", O_RDONLY | O_DIRECTORY, 0, &dir);

	if (!e && unlinkat(dir, "auto.cnf", 0) < 0 && errno != ENOENT)
		e = err_new(errno, "removing auto.cnf");
	return e;
}

/* The server began a new binary log at its start: the one before it ends where the fork was made. */
static struct err *mysql_start(struct replica *x)
{
	_cleanup_free_ char *rows = NULL, *sql = NULL;
	bool words = new_words(x->to);
	struct err *e = client_run(x->to, "mysql", "SHOW BINARY LOGS", &rows);

	if (e)
		return e;
	x->log = cell(rows, 2, 0);
	x->log_pos = cell(rows, 2, 1);
	if (!x->log || !x->log_pos || x->log_pos[strspn(x->log_pos, "0123456789")])
		return err_new(0, "its data holds no binary log");
	if (words)
		sql = xasprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%u, SOURCE_USER='%s', "
				"SOURCE_PASSWORD='%s', SOURCE_LOG_FILE='%s', SOURCE_LOG_POS=%s, "
				"SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1;\nSTART REPLICA;",
				x->from->state.ip, recipe_port(x->r), x->user, x->password, x->log,
				x->log_pos);
	else
		sql = xasprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%u, MASTER_USER='%s', "
				"MASTER_PASSWORD='%s', MASTER_LOG_FILE='%s', MASTER_LOG_POS=%s, "
				"MASTER_CONNECT_RETRY=1%s;\nSTART SLAVE;",
				x->from->state.ip, recipe_port(x->r), x->user, x->password, x->log,
				x->log_pos,
				recipe_engine(x->r) == ENGINE_MYSQL ? ", GET_MASTER_PUBLIC_KEY=1" : "");
	return client_run(x->to, "mysql", sql, NULL);
}

/* It has executed what its source had done by now. */
static struct err *mysql_check(struct replica *x)
{
	_cleanup_free_ char *rows = NULL, *file = NULL, *pos = NULL, *sql = NULL, *got = NULL,
			    *ro = NULL, *why = NULL;
	bool words = new_words(x->from);
	struct err *e = client_run(x->from, "mysql",
				   words ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", &rows);

	file = e ? NULL : cell(rows, 1, 0);
	pos = e ? NULL : cell(rows, 1, 1);
	if (!e && (!file || !pos))
		e = err_new(0, "%s tells no place in its binary log", x->source);
	if (e)
		return e;
	sql = xasprintf("SELECT %s('%s', %s, %d)", words ? "SOURCE_POS_WAIT" : "MASTER_POS_WAIT",
			file, pos, REPLICA_CHECK_S);
	e = query(x->to, sql, &got);
	if (!e && (!strcmp(got, "NULL") || !strcmp(got, "-1"))) {
		err_free(query(x->to, "SELECT last_error_message FROM performance_schema.replication_connection_status",
			       &why)); /* MariaDB has no such table */
		e = err_new(0, "it does not replicate%s%s", why && *why ? ": " : "", why ?: "");
	}
	e = e ?: query(x->to, "SELECT @@read_only", &ro);
	if (!e && !strcmp(ro, "0"))
		e = err_new(0, "it can be written");
	return e;
}

/* --- PostgreSQL ------------------------------------------------------------------------------- */

static struct err *pg_source(struct replica *x)
{
	/* the image's pg_hba.conf lets nobody replicate from elsewhere; "all" does not mean replication */
	static const char hba[] = "f=\"${PGDATA:-/var/lib/postgresql/data}/pg_hba.conf\"; "
				  "grep -q '^host replication all all' \"$f\" || "
				  "echo 'host replication all all scram-sha-256' >>\"$f\"";
	_cleanup_client_ struct client_cmd c = { 0 };
	_cleanup_close_ int null = -1;
	_cleanup_free_ char *sql = NULL;
	struct err *e = fd_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null);
	int stdio[3] = { null, null, null };

	strv_add(&c.argv, "sh");
	strv_add(&c.argv, "-c");
	strv_add(&c.argv, hba);
	e = e ?: client_exec(x->from, &c, stdio);
	sql = xasprintf(
		"SET password_encryption = 'scram-sha-256';\nDO $$ BEGIN "
		"IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '%s') THEN CREATE ROLE %s; END IF; END $$;\n"
		"ALTER ROLE %s LOGIN REPLICATION PASSWORD '%s';\nSELECT pg_reload_conf();\nCHECKPOINT;",
		x->user, x->user, x->user, x->password);
	return e ?: client_run(x->from, NULL, sql, NULL);
}

/* standby.signal, and where to stream from, in a data directory that does not run. */
static struct err *pg_inside(int root, void *arg, UNUSED struct str *result)
{
	const struct replica *x = arg;
	const char *data = strv_env(&x->to->spec.env, "PGDATA") ?: "/var/lib/postgresql/data";
	_cleanup_free_ char *line =
		xasprintf("primary_conninfo = 'host=%s port=%u user=%s password=%s'\n",
			  x->from->state.ip, recipe_port(x->r), x->user, x->password);
	_cleanup_close_ int dir = -1, conf = -1, signal_fd = -1;
	struct stat st;
	struct err *e = fd_open_in_root(root, data, O_RDONLY | O_DIRECTORY, 0, &dir);

	e = e ?: fd_open(dir, "postgresql.auto.conf", O_WRONLY | O_APPEND | O_NOFOLLOW, 0, &conf);
	e = e ?: fd_write_all(conf, "postgresql.auto.conf", line, strlen(line));
	e = e ?: fd_open(dir, "standby.signal", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, &signal_fd);
	if (!e && (fstatat(dir, "PG_VERSION", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		   fchown(signal_fd, st.st_uid, st.st_gid) < 0))
		e = err_new(errno, "giving standby.signal to the server");
	return e;
}

static struct err *pg_check(struct replica *x)
{
	_cleanup_free_ char *lsn = NULL, *sql = NULL;
	struct err *e = wait_for(x->to, "SELECT status FROM pg_stat_wal_receiver", "streaming", NULL);

	e = e ?: query(x->from, "SELECT pg_current_wal_lsn()", &lsn);
	if (e)
		return e;
	sql = xasprintf("SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '%s'", lsn);
	return wait_for(x->to, sql, "t", NULL);
}

/* --- Redis and Valkey ------------------------------------------------------------------------- */

static struct err *redis(struct box *b, const char *const *words, char **ret)
{
	const struct recipe *r = recipe_by_name(b->spec.recipe);
	_cleanup_client_ struct client_cmd c = { 0 };
	_cleanup_close_ int null = -1;
	struct db_access a;
	int out[2] = { -1, -1 };
	struct err *e = fd_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null);

	strv_add(&c.argv, recipe_engine(r) == ENGINE_REDIS ? "redis-cli" : "valkey-cli");
	for (; *words; words++)
		strv_add(&c.argv, *words);
	recipe_access(r, &b->spec.env, &b->spec.cmd, "", 0, &a);
	if (a.password)
		strv_addf(&c.env, "REDISCLI_AUTH=%s", a.password);
	db_access_done(&a);
	if (!e && pipe2(out, O_CLOEXEC) < 0)
		e = err_new(errno, "making a pipe");
	if (e)
		return e;
	{ /* an answer is smaller than a pipe */
		int stdio[3] = { null, out[1], null };

		e = client_exec(b, &c, stdio);
	}
	close(out[1]);
	e = e ?: fd_read_all(out[0], "the answer", 65536, ret, NULL);
	close(out[0]);
	return e;
}

static void redis_args(const struct replica *x, struct strv *args)
{
	struct db_access a;

	strv_add(args, "--replicaof");
	strv_addf(args, "%s %u", x->from->state.ip, recipe_port(x->r));
	recipe_access(x->r, &x->from->spec.env, &x->from->spec.cmd, "", 0, &a);
	if (a.password) {
		strv_add(args, "--masterauth");
		strv_add(args, a.password);
	}
	db_access_done(&a);
}

static struct err *redis_check(struct replica *x)
{
	static const char *const info[] = { "INFO", "replication", NULL };
	int64_t end = time_mono_ms() + REPLICA_CHECK_S * 1000;

	for (;;) {
		_cleanup_free_ char *text = NULL;
		struct err *e = redis(x->to, info, &text);

		if (e || (strstr(text, "role:slave") && strstr(text, "master_link_status:up")))
			return e;
		if (time_mono_ms() > end)
			return err_new(0, "it does not replicate");
		poll(NULL, 0, STEP_MS); /* it sends no event about this */
	}
}

/* --- all engines ------------------------------------------------------------------------------ */

static struct err *make(struct replica *x)
{
	struct branch_result made = { 0 };
	_cleanup_strv_ struct strv args = { 0 };
	bool mysql = is_mysql(x->r), pg = recipe_engine(x->r) == ENGINE_POSTGRES;
	struct err *e = mysql ? mysql_source(x) : pg ? pg_source(x) : NULL;

	if (mysql)
		mysql_args(x, &args);
	else if (!pg && !e)
		redis_args(x, &args);
	e = e ?: branch_make_replica(x->st, x->project, x->service, x->name, x->source, &args, &made);
	e = e ?: box_find(x->st, made.box, &x->to);
	if (mysql || pg) /* before it starts for the first time */
		e = e ?: box_inside(x->to, INSIDE_MOUNTS, mysql ? mysql_inside : pg_inside, x, NULL);
	box_free(TAKE_PTR(x->to));
	e = e ?: open_box(x, x->name, &x->to);
	if (mysql)
		e = e ?: mysql_start(x) ?: mysql_check(x);
	else
		e = e ?: pg ? e ?: pg_check(x) : redis_check(x);
	if (e && made.made) {
		_cleanup_free_ char *batch = trash_batch();

		err_free(branch_remove(x->st, x->project, x->service, x->name, true,
				       batch)); /* the first failure counts */
	}
	branch_result_done(&made);
	return e;
}

struct err *replica_add(struct store *st, const char *project, const char *service,
			const char *source, const char *name, struct strv *notes)
{
	struct replica x = {
		.st = st, .project = project, .service = service, .source = source, .name = name
	};
	unsigned char random[SECRET_LEN / 2];
	struct err *e;

	x.notes = notes;
	x.id = number_of(name);
	random_bytes(random, sizeof(random));
	str_hex(random, sizeof(random), x.password);
	snprintf(x.user, sizeof(x.user), "devbox_%08x", x.id);
	e = open_box(&x, source, &x.from);
	if (!e) {
		x.r = recipe_by_name(x.from->spec.recipe);
		if (recipe_engine(x.r) == ENGINE_MONGO)
			e = err_new(0, "devbox makes no replicas of %s", recipe_name(x.r));
		else if (!x.from->state.ip)
			e = err_new(0, "%s has no address", x.from->spec.name);
	}
	e = e ?: make(&x);
	box_free(x.from);
	box_free(x.to);
	free(x.log);
	free(x.log_pos);
	return err_wrap(e, "replica %s of branch %s", name, source);
}

static struct err *stop_replicating(struct replica *x)
{
	static const char *const no_one[] = { "REPLICAOF", "NO", "ONE", NULL };
	_cleanup_free_ char *ignored = NULL;

	if (is_mysql(x->r)) {
		const char *sql = new_words(x->to) ? "STOP REPLICA; RESET REPLICA ALL;"
						   : "STOP SLAVE; RESET SLAVE ALL;";

		return client_run(x->to, "mysql", sql, NULL);
	}
	if (recipe_engine(x->r) == ENGINE_POSTGRES) {
		struct err *e = client_run(x->to, NULL, "SELECT pg_promote(true, 60);", NULL);

		e = e ?: wait_for(x->to, "SELECT pg_is_in_recovery()", "f", NULL);
		return e ?: client_run(x->to, NULL, "ALTER SYSTEM RESET primary_conninfo;", NULL);
	}
	return redis(x->to, no_one, &ignored);
}

struct err *replica_promote(struct store *st, const char *project, const char *service, const char *name)
{
	struct replica x = { .st = st, .project = project, .service = service, .name = name };
	_cleanup_strv_ struct strv none = { 0 };
	struct err *e = open_box(&x, name, &x.to);

	if (!e) {
		x.r = recipe_by_name(x.to->spec.recipe);
		e = stop_replicating(&x);
	}
	box_free(x.to);
	e = e ?: branch_set_args(st, project, service, name, &none, NULL);
	return err_wrap(e, "promoting %s", name);
}
