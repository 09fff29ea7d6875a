# tests/e2e/compose_replication.sh -- MySQL's writes on one service are read on another, also after restarts
# timeout: 200
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c mysql-replication | e2e_as tar x
c() { run sh -c 'cd mysql-replication && exec devbox compose "$@"' sh "$@"; }
sql() { e2e_as sh -c 'cd mysql-replication && devbox compose exec -T "$0" mysql -uroot -p1234 -N db -e "$1"' "$1" "$2" 2>/dev/null; }

c up -d --wait;	expect_status 0
run sh -c 'cd mysql-replication && ./replicate.sh';	expect_status 0
expect_stdout_has 'Source_Host: 172.*IO_Running: Yes*SQL_Running: Yes'
sql db-write 'CREATE TABLE t (a INT); INSERT INTO t VALUES (1)'
reads() { [ "$(sql db-read 'SELECT GROUP_CONCAT(a ORDER BY a) FROM t')" = "$1" ]; }
eventually 20 reads 1
expect_equal "$(sql db-read 'SELECT @@read_only')" 1
expect_equal "$(sql db-read 'SELECT COUNT(*) FROM performance_schema.replication_applier_status WHERE SERVICE_STATE = "ON"')" 1
expect_equal "$(sql db-write 'SELECT @@binlog_format')" ROW

# one volume at two places
c exec -T db-write sh -c 'touch /var/lib/mysql-files/mark && ls /var/lib/mysql/mark';	expect_status 0

# the address stays, so either may be restarted, or killed
address() { e2e_as devbox inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' mysql-replication-db-write-1; }
was=$(address)
c restart db-write;	expect_status 0
run devbox wait --ready mysql-replication-db-write-1;	expect_status 0
expect_equal "$(address)" "$was"
sql db-write 'INSERT INTO t VALUES (2)'
eventually 70 reads 1,2
kill -KILL "$(e2e_as devbox inspect -f '{{.State.Pid}}' mysql-replication-db-read-1)"
again() { [ "$(e2e_as devbox inspect -f '{{.State.Running}} {{.RestartCount}}' mysql-replication-db-read-1)" = 'true 1' ]; }
eventually 60 again
run devbox wait --ready mysql-replication-db-read-1;	expect_status 0
sql db-write 'INSERT INTO t VALUES (3)'
eventually 60 reads 1,2,3

# nothing is built a second time
c build;	expect_status 0; expect_stderr_has 'CACHED [[]2/2] ADD ./master/my.cnf /etc/mysql/my.cnf'
c down -v;	expect_status 0
expect_no_leftovers
