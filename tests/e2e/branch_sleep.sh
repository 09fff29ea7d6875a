# tests/e2e/branch_sleep.sh -- idle branches sleep and wake; redis and postgres are forked while they run
# packages: postgresql-client git redis-tools
. "$(dirname "$0")/../lib/e2e.sh"

repo() { run git -C shop -c user.email=a@example.org -c user.name=a "$@"; expect_status 0; }
db() { run env -C "$(home)/shop" devbox db "$@"; expect_status 0; }
address() { sed -n 's/.*@\?\(127[0-9.]*\):.*/\1/p' <<<"$stdout"; }
state() { run env -C "$(home)/shop" devbox db ls --format '{{.Branch}} {{.Service}} {{.State}}'; grep -q "$1" <<<"$stdout"; }
sql() { run env PGPASSWORD=secret psql -h "$1" -U postgres -Atc "$2"; expect_status 0; }

run git init -q -b main shop
repo commit -q --allow-empty -m one
db up postgres -e POSTGRES_PASSWORD=secret
db up redis --idle 1s
db url -s postgres;			pg=$(address)
db url -s redis;			red=$(address)
expect_equal "$pg" "$red"
sql "$pg" 'CREATE TABLE t (n INT); INSERT INTO t VALUES (1)'
run redis-cli -h "$red" set who main;	expect_stdout OK

# a short idle time: asleep, and a connection wakes it with its data
eventually 20 state 'main redis asleep'
run redis-cli -h "$red" get who;	expect_stdout main
eventually 20 state 'main redis asleep'

# both services of the branch, forked together while they run
repo switch -q -c feature
run redis-cli -h "$red" get who;	expect_stdout main
run redis-cli -h "$red" set who feature;	expect_stdout OK
sql "$pg" 'INSERT INTO t VALUES (2); SELECT COUNT(*) FROM t';	expect_match "$stdout" '*2'
repo switch -q main
run redis-cli -h "$red" get who;	expect_stdout main
sql "$pg" 'SELECT COUNT(*) FROM t';	expect_stdout 1

# who is connected keeps it awake
start held env PGPASSWORD=secret psql -h "$pg" -U postgres -Atc 'SELECT pg_sleep(3)'
db up --idle 1s -q
finish held;				expect_status 0
eventually 20 state 'main postgres asleep'
db sleep feature;			state 'feature postgres asleep' || fail 'feature is awake'
sql "$pg" 'SELECT COUNT(*) FROM t';	expect_stdout 1

# the switchboard is killed: the next verb brings it back
run sh -c 'kill -9 $(pgrep -f "[s]witchboard of shop")'
db up -q
sql "$pg" 'SELECT COUNT(*) FROM t';	expect_stdout 1

# stop frees the addresses, up brings them back
db stop
run env PGPASSWORD=secret psql -h "$pg" -U postgres -Atc 'SELECT 1'
expect_status 2
db up -q
sql "$pg" 'SELECT COUNT(*) FROM t';	expect_stdout 1
db rm --all
expect_no_leftovers
