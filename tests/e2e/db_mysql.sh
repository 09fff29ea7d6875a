# tests/e2e/db_mysql.sh -- the main job: one line, typed by an ordinary user, ends with MySQL answering on 127.0.0.1:3306
# packages: mariadb-client-core
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"

client() { run mariadb --protocol=tcp -h 127.0.0.1 "$@"; }

# as typed: pulls, starts, waits, says how to connect; no password was given, so one was made
start m devbox run mysql -p 3306 -e MYSQL_DATABASE=app
eventually 120 grep -q '^DATABASE_URL=' "$m_err"
url=$(sed -n 's/^DATABASE_URL=//p' "$m_err")
expect_match "$url" 'mysql://root:*@127.0.0.1:3306/app'
password=${url#mysql://root:}
password=${password%@*}
# ready means ready: the first connection is answered, and the database is there
client -P 3306 -uroot -p"$password" -Ne 'SHOW DATABASES LIKE "app"'
expect_status 0
expect_stdout 'app'
# the server sees no loopback peer, which it would trust
client -P 3306 -uroot -p"$password" -Ne 'SELECT SUBSTRING_INDEX(HOST, ":", 1) FROM information_schema.processlist WHERE ID = CONNECTION_ID()'
expect_stdout '172.17.0.1'
run devbox ps --format '{{.Names}}'
name=$stdout
# the same again, for scripts
run sh -c "eval \"\$(devbox env $name)\"; echo \"\$DB_HOST \$DB_PORT \$DB_NAME \$DB_USER \$DB_PASSWORD\""
expect_stdout "127.0.0.1 3306 app root $password"
run devbox wait --ready "$name";	expect_status 0
run sh -c "stat -c %a \"\$HOME\"/.local/share/devbox/containers/*/config.json";	expect_stdout '600'
# Ctrl-C stops it in good order
kill -INT "$m_pid"
finish m
expect_status 0
run devbox ps -a --format '{{.Status}}';	expect_stdout 'Exited (0) *'
run devbox logs "$name"
expect_stderr_has 'Shutdown complete'

# start it again: the data is still there, and the port is the same
run devbox start "$name";		expect_status 0
run devbox wait --ready "$name";	expect_status 0
client -P 3306 -uroot -p"$password" -e 'CREATE TABLE app.t (n INT); INSERT INTO app.t VALUES (42)';	expect_status 0
run devbox restart "$name";		expect_status 0
run devbox wait --ready "$name";	expect_status 0
client -P 3306 -uroot -p"$password" -Ne 'SELECT n FROM app.t';	expect_stdout '42'
run devbox exec "$name" mysql -uroot -p"$password" -Ne 'SELECT n FROM app.t';	expect_stdout '42'
run devbox rm -f -v "$name";		expect_status 0

# the article's command, byte for byte, under the name docker
run docker run -dp 3306:3306 -e MYSQL_ROOT_PASSWORD=secret -e MYSQL_DATABASE=test mysql
expect_status 0
[[ $stdout =~ ^[0-9a-f]{64}$ ]] || fail "no id: $stdout"
id=$stdout
run devbox wait --ready "${id:0:12}";	expect_status 0
client -uroot -psecret -Ne 'SELECT 1';	expect_stdout '1'
# another version and other settings beside it; flags go to the server
run devbox run -d --name other -p 3307:3306 -e MYSQL_ROOT_PASSWORD=s2 mysql:8 --character-set-server=latin1
expect_status 0
run devbox wait --ready other;		expect_status 0
client -P 3307 -uroot -ps2 -Ne 'SELECT @@character_set_server';	expect_stdout 'latin1'
client -P 3306 -uroot -psecret -Ne 'SELECT @@character_set_server';	expect_stdout 'utf8mb4'
run devbox rm -f -v other "$id";	expect_status 0

# --rm keeps its word on Ctrl-C
start r devbox run --rm mysql -p 3306 -e MYSQL_ALLOW_EMPTY_PASSWORD=1
eventually 60 grep -q '^DATABASE_URL=' "$r_err"
kill -INT "$r_pid"
finish r
run devbox ps -aq;			expect_stdout ''
run sh -c 'ls "$HOME/.local/share/devbox/volumes"';	expect_stdout ''

# data in a named volume outlives the container
run devbox run -d --name box1 -v data:/var/lib/mysql -p 3306:3306 -e MYSQL_ROOT_PASSWORD=s mysql;	expect_status 0
run devbox wait --ready box1;		expect_status 0
client -uroot -ps -e 'CREATE DATABASE kept';	expect_status 0
run devbox stop box1;			expect_status 0
run devbox rm -v box1;			expect_status 0
run devbox run -d --name box2 -v data:/var/lib/mysql -p 3306:3306 -e MYSQL_ROOT_PASSWORD=ignored mysql;	expect_status 0
run devbox wait --ready box2;		expect_status 0
client -uroot -ps -Ne 'SHOW DATABASES LIKE "kept"';	expect_stdout 'kept'
run devbox rm -f box2;			expect_status 0
expect_no_leftovers
