# tests/e2e/compose_replication_words.sh -- the older words of replication, with a server that has them: CHANGE MASTER, START SLAVE
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c mysql-replication | e2e_as tar x
c() { run env BASE=mariadb:10.11 sh -c 'cd mysql-replication && exec devbox compose "$@"' sh "$@"; }
sql() { e2e_as sh -c 'cd mysql-replication && devbox compose exec -T "$0" mysql -uroot -p1234 -N db -e "$1"' "$1" "$2"; }

c up -d --wait;	expect_status 0
run sh -c 'cd mysql-replication && ./replicate.sh';	expect_status 0
expect_stdout_has 'Master_Host: 172.*Slave_IO_Running: Yes*Slave_SQL_Running: Yes'
sql db-write 'CREATE TABLE t (a INT); INSERT INTO t VALUES (1)'
reads() { [ "$(sql db-read 'SELECT GROUP_CONCAT(a ORDER BY a) FROM t' 2>/dev/null)" = "$1" ]; }
eventually 20 reads 1
expect_equal "$(sql db-read "SHOW GLOBAL VARIABLES LIKE 'read_only'")" $'read_only\tON'

# the name is as good as the address; the data comes back in a container that is a new one
sql db-read "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='db-write'; START SLAVE"
c up -d --wait --force-recreate;	expect_status 0
sql db-write 'INSERT INTO t VALUES (2)'
eventually 60 reads 1,2
c down -v;	expect_status 0
expect_no_leftovers
