# tests/e2e/db_initcache.sh -- the first start of a database image is remembered, and only what it depends on counts
# packages: mariadb-client-core
. "$(dirname "$0")/../lib/e2e.sh"

entries() { run devbox db cache ls -q; expect_status 0; }
db() { run devbox run -d --wait --name one -p 3306 "$@"; expect_status 0; }
sql() { run mariadb --protocol=tcp -h 127.0.0.1 -uroot -p"$1" -Ne "$2"; expect_status 0; }
gone() { run devbox rm -fv one; expect_status 0; }

# a miss is kept, a hit is told
db -e MARIADB_ROOT_PASSWORD=secret mariadb
entries;				expect_match "$stdout" '????????????'
sql secret 'CREATE DATABASE mine';	gone
db -e MARIADB_ROOT_PASSWORD=secret mariadb
expect_stderr_has 'mariadb starts from the init cache'
sql secret 'SHOW DATABASES LIKE "mine"';	expect_stdout ''
run devbox logs one;			[[ $stdout$stderr != *'Initializing database'* ]] || fail 'it was set up again'
gone

# another password, script or argument is another database
db -e MARIADB_ROOT_PASSWORD=other mariadb
[[ $stderr != *cache* ]] || fail 'another password started from the cache'
sql other 'SELECT 1';			gone
run sh -c 'mkdir init; echo "CREATE DATABASE scripted" > init/a.sql'
db -e MARIADB_ROOT_PASSWORD=secret -v ./init:/docker-entrypoint-initdb.d mariadb
[[ $stderr != *cache* ]] || fail 'a script more started from the cache'
gone
db -e MARIADB_ROOT_PASSWORD=secret -v ./init:/docker-entrypoint-initdb.d mariadb
expect_stderr_has 'starts from the init cache'
sql secret 'SHOW DATABASES LIKE "scripted"';	expect_stdout scripted
gone
run sh -c 'echo "CREATE DATABASE changed" > init/a.sql'
run devbox create --name one -p 3306 -e MARIADB_ROOT_PASSWORD=secret -v ./init:/docker-entrypoint-initdb.d mariadb
expect_stderr '';			gone

# a password that was made up belongs to the data: two containers have the same one
db mariadb
run devbox env one -f dotenv;		first=$(sed -n 's/^DB_PASSWORD=//p' <<<"$stdout")
gone
db mariadb
expect_stderr_has 'starts from the init cache'
run devbox env one -f dotenv;		second=$(sed -n 's/^DB_PASSWORD=//p' <<<"$stdout")
expect_equal "$second" "$first"
sql "$second" 'SELECT 1';		gone
run sh -c 'stat -c %a ~/.local/share/devbox/cache/init/*/password';	expect_stdout 600

# one that only the log tells is not remembered; neither is anything with the cache turned off
entries;				before=$stdout
run devbox run -d --wait --name one -e MARIADB_RANDOM_ROOT_PASSWORD=yes mariadb;	expect_status 0
gone
run env DEVBOX_INIT_CACHE=0 devbox run -d --wait --name one -e MARIADB_ROOT_PASSWORD=third mariadb
expect_status 0;			gone
run devbox create --name one --no-init-cache -e MARIADB_ROOT_PASSWORD=secret mariadb
expect_status 0;			gone
entries;				expect_equal "$stdout" "$before"
run devbox db cache rm --all;		expect_status 0
entries;				expect_stdout ''
expect_no_leftovers
