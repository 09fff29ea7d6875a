# tests/e2e/sys_mysql.sh -- MySQL replicates over a network: the source by its name, and by its fixed address
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"

sql() { run devbox exec "$1" mysql -uroot -psecret -Ne "$2"; }	# SERVER STATEMENT
# shellcheck disable=SC2317	# eventually runs them
has() { sql "$1" "$2"; [ "$stdout" = "$3" ]; }
RUNNING='SELECT CONCAT(c.SERVICE_STATE, a.SERVICE_STATE) FROM performance_schema.replication_connection_status c,
	performance_schema.replication_applier_status a'
follow() {	# HOST
	sql replica "STOP REPLICA; RESET REPLICA ALL; CHANGE REPLICATION SOURCE TO SOURCE_HOST='$1', SOURCE_USER='repl',
		SOURCE_PASSWORD='word', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1,
		SOURCE_RETRY_COUNT=60; START REPLICA"
	expect_status 0
	eventually 20 has replica "$RUNNING" ONON
}

run devbox pull -q mysql;	expect_status 0
run devbox network create --subnet 172.28.5.0/24 net-mysql;	expect_status 0
for i in 1 2; do
	name=$([ $i = 1 ] && echo source || echo replica)
	run devbox run -d --name $name --network net-mysql --ip 172.28.5.1$i -e MYSQL_ROOT_PASSWORD=secret mysql \
		--server-id=$i --gtid-mode=ON --enforce-gtid-consistency=ON
	expect_status 0
done
for name in source replica; do run devbox wait --ready $name; expect_status 0; done
sql source "CREATE USER repl IDENTIFIED BY 'word'; GRANT REPLICATION SLAVE ON *.* TO repl; CREATE DATABASE app;
	CREATE TABLE app.t (n INT PRIMARY KEY); INSERT INTO app.t VALUES (1)"
expect_status 0
sql replica 'RESET BINARY LOGS AND GTIDS';	expect_status 0	# what it did for itself

follow source
eventually 20 has replica 'SELECT COUNT(*) FROM app.t' 1
follow 172.28.5.11
sql source 'INSERT INTO app.t VALUES (2)';	expect_status 0
eventually 20 has replica 'SELECT COUNT(*) FROM app.t' 2
# the source sees the replica under its address
sql source "SELECT SUBSTRING_INDEX(HOST, ':', 1) FROM information_schema.processlist WHERE USER = 'repl'"
expect_stdout '172.28.5.12'

# the source is started anew: same address, and the replica finds it again
run devbox restart source;	expect_status 0
run devbox inspect -f '{{(index .NetworkSettings.Networks "net-mysql").IPAddress}}' source
expect_stdout '172.28.5.11'
run devbox wait --ready source;	expect_status 0
sql source 'INSERT INTO app.t VALUES (3)';	expect_status 0
eventually 30 has replica 'SELECT COUNT(*) FROM app.t' 3

run devbox rm -f -v source replica;	expect_status 0
run devbox network rm net-mysql;	expect_status 0
expect_no_leftovers
