# tests/e2e/db_engines.sh -- MariaDB, PostgreSQL, Redis, Valkey: ready when they say so, reachable as they are told
# packages: mariadb-client-core postgresql-client redis-tools
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"

up() { # NAME RUN-ARGUMENT...
	local name=$1
	shift
	run devbox run -d --wait --name "$name" "$@"
	expect_status 0
}
setting() { run sh -c "devbox env $1 --format dotenv | sed -n 's/^$2=//p' | tr -d '\"'"; }

up maria mariadb -p 127.0.0.1:13306:3306 -e MARIADB_DATABASE=app -e MARIADB_USER=u -e MARIADB_PASSWORD=pw
run mariadb --protocol=tcp -h 127.0.0.1 -P 13306 -uu -ppw -Ne 'SHOW DATABASES LIKE "app"';	expect_stdout 'app'
setting maria DATABASE_URL;	expect_stdout 'mysql://u:pw@127.0.0.1:13306/app'
run devbox rm -f -v maria;	expect_status 0

# a made-up password works, and the database is named like the user
up pg postgres -p 5432 -e POSTGRES_USER=me
setting pg DATABASE_URL
expect_match "$stdout" 'postgres*://me:*@127.0.0.1:5432/me'
run psql "$stdout" -Atc 'SELECT current_user';	expect_stdout 'me'
# STOPSIGNAL of the image (SIGINT: a fast shutdown) is used
run devbox stop -t 30 pg;	expect_status 0
run devbox inspect -f '{{.State.ExitCode}}' pg;	expect_stdout '0'
run devbox rm -v pg;		expect_status 0

up box1 redis -p 6379
run redis-cli -h 127.0.0.1 -p 6379 SET k v;	expect_stdout 'OK'
up box2 -p 6380:6379 redis redis-server --requirepass pass
run redis-cli -h 127.0.0.1 -p 6380 GET k;	expect_stdout_has 'NOAUTH'
setting box2 REDIS_URL;		expect_stdout 'redis://:pass@127.0.0.1:6380*'
run devbox exec box1 redis-cli GET k;		expect_stdout 'v'
up vk valkey -p 6381:6379
run redis-cli -h 127.0.0.1 -p 6381 PING;	expect_stdout 'PONG'
run devbox rm -f -v box1 box2 vk;	expect_status 0

# a server that never comes up is told, not waited for
run devbox run -d --wait --name bad mysql -e MYSQL_ROOT_PASSWORD=x mysqld --no-such-option
expect_status 125
expect_stderr_has 'before it was ready'
run devbox rm -v bad;		expect_status 0
# a client container is no server
run devbox run --rm redis redis-cli --version;	expect_stdout 'redis-cli *'
run devbox run --rm mysql mysql --version;	expect_stdout_has 'mysql'
expect_no_leftovers
