/* Settings of a client.  What the formats promise is checked with the programs that read them: sh and python3. */
#include "core/box/recipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "tests/lib/tap.h"

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
	const char *recipe, *env, *args, *user, *password, *database, *url;
} cases[] = {
	{ "mysql", "MYSQL_ROOT_PASSWORD=pw MYSQL_DATABASE=app", "", "root", "pw", "app",
	  "mysql://root:pw@127.0.0.1:4000/app" },
	{ "mysql", "MYSQL_ROOT_PASSWORD=pw MYSQL_USER=ann MYSQL_PASSWORD=p/w", "", "ann", "p/w",
	  NULL, "mysql://ann:p%2Fw@127.0.0.1:4000/" },
	{ "mysql", "MYSQL_ROOT_PASSWORD=pw MYSQL_USER=ann", "", "root", "pw", NULL,
	  "mysql://root:pw@127.0.0.1:4000/" },
	{ "mysql", "MYSQL_ROOT_PASSWORD=pw MYSQL_USER=ann MYSQL_PASSWORD_FILE=/run/pw", "", "ann",
	  NULL, NULL, "mysql://ann@127.0.0.1:4000/" },
	{ "mysql", "MYSQL_ALLOW_EMPTY_PASSWORD=1", "", "root", NULL, NULL,
	  "mysql://root@127.0.0.1:4000/" },
	{ "mariadb", "MARIADB_ROOT_PASSWORD=new MYSQL_ROOT_PASSWORD=old MARIADB_DATABASE=d", "",
	  "root", "new", "d", "mysql://root:new@127.0.0.1:4000/d" },
	{ "postgres", "POSTGRES_PASSWORD=pw", "", "postgres", "pw", "postgres",
	  "postgresql://postgres:pw@127.0.0.1:4000/postgres" },
	{ "postgres", "POSTGRES_PASSWORD=pw POSTGRES_USER=ann", "", "ann", "pw", "ann",
	  "postgresql://ann:pw@127.0.0.1:4000/ann" },
	{ "postgres", "POSTGRES_HOST_AUTH_METHOD=trust POSTGRES_DB=d", "", "postgres", NULL, "d",
	  "postgresql://postgres@127.0.0.1:4000/d" },
	{ "redis", "REDIS_PASSWORD=unused", "redis-server", NULL, NULL, NULL, "redis://127.0.0.1:4000/0" },
	{ "redis", "", "redis-server --requirepass s@cret", NULL, "s@cret", NULL,
	  "redis://:s%40cret@127.0.0.1:4000/0" },
	{ "valkey", "", "--requirepass", NULL, NULL, NULL, "redis://127.0.0.1:4000/0" },
	{ "redis", "BITNAMI_APP_NAME=redis REDIS_PASSWORD=pw", "", NULL, "pw", NULL,
	  "redis://:pw@127.0.0.1:4000/0" },
	{ "mongo", "", "", NULL, NULL, NULL, "mongodb://127.0.0.1:4000/" },
	{ "mongo", "MONGO_INITDB_ROOT_USERNAME=root MONGO_INITDB_ROOT_PASSWORD=pw MONGO_INITDB_DATABASE=d",
	  "", "root", "pw", "d", "mongodb://root:pw@127.0.0.1:4000/d?authSource=admin" },
};

static void test_access(void)
{
	struct db_access a;
	struct strv none = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strv_ struct strv env = words(cases[i].env), args = words(cases[i].args);

		recipe_access(recipe_by_name(cases[i].recipe), &env, &args, "127.0.0.1", 4000, &a);
		is_str(a.user, cases[i].user, "%s %s: user", cases[i].recipe, cases[i].env);
		is_str(a.password, cases[i].password, "password");
		is_str(a.database, cases[i].database, "database");
		is_str(a.url, cases[i].url, "URL");
		db_access_done(&a);
	}
	recipe_access(recipe_by_name("redis"), &none, &none, "::1", 6379, &a);
	is_str(a.url, "redis://[::1]:6379/0", "an IPv6 address in a URL");
	db_access_done(&a);
}

static struct db_access access_for(const char *recipe, const char *user, const char *password)
{
	struct strv env = { 0 }, args = { 0 };
	struct db_access a;

	if (!strcmp(recipe, "postgres")) {
		strv_addf(&env, "POSTGRES_USER=%s", user);
		strv_addf(&env, "POSTGRES_PASSWORD=%s", password);
	} else if (!strcmp(recipe, "mysql")) {
		strv_addf(&env, "MYSQL_USER=%s", user);
		strv_addf(&env, "MYSQL_PASSWORD=%s", password);
		strv_add(&env, "MYSQL_DATABASE=app");
	} else {
		strv_add(&args, "--requirepass");
		strv_add(&args, password);
	}
	recipe_access(recipe_by_name(recipe), &env, &args, "127.0.0.1", 3306, &a);
	strv_done(&env);
	strv_done(&args);
	return a;
}

static void test_texts(void)
{
	static const struct {
		const char *recipe;
		enum env_format format;
		const char *want;
	} texts[] = {
		{ "mysql", ENV_SHELL,
		  "export DB_ENGINE='mysql'\nexport DB_HOST='127.0.0.1'\nexport DB_PORT='3306'\nexport DB_NAME='app'\n"
		  "export DB_USER='ann'\nexport DB_PASSWORD='pw'\n"
		  "export DATABASE_URL='mysql://ann:pw@127.0.0.1:3306/app'\n" },
		{ "mysql", ENV_DOTENV,
		  "DB_ENGINE=mysql\nDB_HOST=127.0.0.1\nDB_PORT=3306\nDB_NAME=app\nDB_USER=ann\nDB_PASSWORD=pw\n"
		  "DATABASE_URL=mysql://ann:pw@127.0.0.1:3306/app\n" },
		{ "mysql", ENV_LARAVEL,
		  "DB_CONNECTION=mysql\nDB_HOST=127.0.0.1\nDB_PORT=3306\nDB_DATABASE=app\nDB_USERNAME=ann\n"
		  "DB_PASSWORD=pw\n" },
		{ "mysql", ENV_DJANGO,
		  "DATABASES = {\n    'default': {\n        'ENGINE': 'django.db.backends.mysql',\n"
		  "        'NAME': 'app',\n"
		  "        'USER': 'ann',\n        'PASSWORD': 'pw',\n        'HOST': '127.0.0.1',\n"
		  "        'PORT': '3306',\n    },\n}\n" },
		{ "mysql", ENV_JSON,
		  "{\n    \"engine\": \"mysql\",\n    \"host\": \"127.0.0.1\",\n    \"port\": 3306,\n"
		  "    \"user\": \"ann\",\n    \"password\": \"pw\",\n    \"database\": \"app\",\n"
		  "    \"url\": \"mysql://ann:pw@127.0.0.1:3306/app\"\n}\n" },
		{ "mysql", ENV_URL, "mysql://ann:pw@127.0.0.1:3306/app\n" },
		{ "redis", ENV_DOTENV,
		  "REDIS_HOST=127.0.0.1\nREDIS_PORT=3306\nREDIS_PASSWORD=pw\n"
		  "REDIS_URL=redis://:pw@127.0.0.1:3306/0\n" },
		{ "mysql", ENV_RAILS,
		  "development:\n  adapter: mysql2\n  host: \"127.0.0.1\"\n  port: 3306\n  database: \"app\"\n"
		  "  username: \"ann\"\n  password: \"pw\"\n" },
		{ "redis", ENV_NODE,
		  "module.exports = {\n  url: \"redis://:pw@127.0.0.1:3306/0\",\n};\n" },
		{ "redis", ENV_LARAVEL, "REDIS_HOST=127.0.0.1\nREDIS_PASSWORD=pw\nREDIS_PORT=3306\n" },
		{ "redis", ENV_DJANGO,
		  "CACHES = {\n    'default': {\n        'BACKEND': 'django.core.cache.backends.redis.RedisCache',\n"
		  "        'LOCATION': 'redis://:pw@127.0.0.1:3306/0',\n    },\n}\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct db_access a = access_for(texts[i].recipe, "ann", "pw");
		_cleanup_free_ char *got = db_access_format(&a, texts[i].format);

		is_str(got, texts[i].want, "%s as %s", texts[i].recipe,
		       env_format_names[texts[i].format]);
		db_access_done(&a);
	}
}

/* Values that try to be something else. */
static const char *const hostile[] = {
	"it's",
	"a b\tc",
	"$HOME ${HOME} `id` $(id)",
	"\"quoted\" \\ back\\\\slash\\",
	"two\nlines\n\nexport X=1",
	"';touch /tmp/owned;'",
	"!history #comment =equals &and |pipe *glob? ~tilde",
	"\\",
	"\\'",
	"'",
	"''' + __import__('os').system('id') + '''",
	"a\r\nb",
	"\x01\x1b[31m\x7f",
	"p%40ss:w/rd@host?x=y#z",
	"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3",
	"latin-1 \xe4 and cut \xe2\x82",
};

/* What SCRIPT, run by sh with TEXT in the file $F, prints; NULL if it fails. */
static char *run_sh(const char *text, const char *script)
{
	char path[] = "/tmp/test_dbenv.XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	char *out = NULL;
	int ends[2], status = -1;
	struct err *e;
	pid_t pid;

	err_free(fd_write_all(fd, path, text, strlen(text)));
	setenv("F", path, 1);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(127);
	}
	close(ends[1]);
	e = fd_read_all(ends[0], "the script's output", 1 << 20, &out, NULL);
	close(ends[0]);
	waitpid(pid, &status, 0);
	unlink(path);
	if (status || e) {
		free(out);
		out = NULL;
	}
	err_free(e);
	return out;
}

static void check_sh(const char *recipe, const char *value, enum env_format format, const char *script)
{
	struct db_access a = access_for(recipe, value, value);
	_cleanup_free_ char *text = db_access_format(&a, format), *got = run_sh(text, script);

	is_str(got, value, "sh reads the %s value of %s back", env_format_names[format], recipe);
	db_access_done(&a);
}

static void check_json(const char *value)
{
	struct db_access a = access_for("mysql", value, value);
	_cleanup_free_ char *text = db_access_format(&a, ENV_JSON);
	_cleanup_json_ json *j = NULL;

	is_err(json_parse(text, strlen(text), "settings", &j), NULL, "json of a hostile value");
	if (str_is_utf8(value, strlen(value)))
		is_str(json_str(j, "password"), value, "is read back");
	db_access_done(&a);
}

static void test_hostile(void)
{
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		check_sh("mysql", hostile[i], ENV_SHELL,
			 "eval \"$(cat $F)\"; printf %s \"$DB_PASSWORD\"");
		check_sh("redis", hostile[i], ENV_SHELL,
			 "eval \"$(cat $F)\"; printf %s \"$REDIS_PASSWORD\"");
		check_sh("mysql", hostile[i], ENV_DOTENV, ". $F; printf %s \"$DB_USER\"");
		check_sh("postgres", hostile[i], ENV_LARAVEL, ". $F; printf %s \"$DB_PASSWORD\"");
		check_json(hostile[i]);
	}
	ok(access("/tmp/owned", F_OK) < 0, "nothing was executed");
}

/* All values in one run of python3, which takes its time to start: each is a Python program, and a line of hex. */
static void test_python(void)
{
	_cleanup_free_ char *there = run_sh("", "command -v python3"), *got = NULL;
	_cleanup_str_ struct str program = { 0 }, want = { 0 };

	if (!there) {
		ok(true, "# SKIP no python3 here");
		return;
	}
	str_add(&program, "import os\nfrom urllib.parse import unquote_to_bytes, urlsplit\n");
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct db_access a = access_for("mysql", hostile[i], hostile[i]);
		_cleanup_free_ char *text = db_access_format(&a, ENV_DJANGO);
		_cleanup_free_ char *hex = xmalloc(2 * strlen(hostile[i]) + 1);

		str_hex(hostile[i], strlen(hostile[i]), hex);
		str_addf(&program, "%sprint(os.fsencode(DATABASES['default']['PASSWORD']).hex())\n",
			 text);
		str_addf(&program, "print(unquote_to_bytes(urlsplit('%s').password).hex())\n", a.url);
		str_addf(&want, "%s\n%s\n", hex, hex);
		db_access_done(&a);
	}
	got = run_sh(program.s, "python3 $F");
	is_str(got, want.s, "python reads the django and URL values back");
}

int main(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	test_access();
	test_texts();
	test_hostile();
	test_python();
	return done_testing();
}
