# tests/e2e/branch_data.sh -- dumps and other servers' databases go into a branch; snapshots bring back what it was
# packages: mariadb-client-core git zstd
. "$(dirname "$0")/../lib/e2e.sh"

db() { run env -C "$(home)/shop" devbox db "$@"; }
sql() {
	run mariadb --protocol=tcp -h "$stable" -uroot -psecret app -Ne "$1"
	expect_status 0
}

run git init -q -b main shop
run git -C shop -c user.email=a@example.org -c user.name=a commit -q --allow-empty -m one
db up mariadb -q -e MARIADB_ROOT_PASSWORD=secret -e MARIADB_DATABASE=app
expect_status 0;			expect_stderr ''
db url;					stable=$(sed -n 's/.*@\([0-9.]*\):3306.*/\1/p' <<<"$stdout")

# every form of a dump
run sh -c 'cd shop && mkdir dir && echo "CREATE TABLE t (n INT); INSERT INTO t VALUES (1);" >a.sql &&
	echo "INSERT INTO t VALUES (2);" | gzip >b.sql.gz && echo "INSERT INTO t VALUES (3);" | zstd -q >c.sql.zst &&
	echo "INSERT INTO t VALUES (4)" >dir/1.sql && echo ";INSERT INTO t VALUES (5);" | gzip >dir/2.sql.gz && echo x >dir/README'
db import a.sql b.sql.gz c.sql.zst dir;	expect_status 0
expect_stderr_has 'importing b.sql.gz into branch main'
run sh -c 'cd shop && echo "INSERT INTO t VALUES (6);" | devbox db import -q -'
expect_status 0
sql 'SELECT GROUP_CONCAT(n ORDER BY n) FROM t';	expect_stdout 1,2,3,4,5,6
db import -q -d other a.sql;		expect_status 0
sql 'SELECT n FROM other.t';		expect_stdout 1

# what goes wrong is told
db import nope.sql;			expect_status 1; expect_stderr_has 'nope.sql: No such file or directory'
run sh -c 'echo "SELEKT 1;" >shop/bad.sql; head -c 20 shop/b.sql.gz >shop/cut.sql.gz'
db import bad.sql;			expect_status 1; expect_stderr_has 'error in your SQL syntax*importing bad.sql'
db import cut.sql.gz;			expect_status 1; expect_stderr_has 'importing cut.sql.gz: *truncated'
db import mysql://root:pw@127.0.0.1/app
expect_status 1
expect_stderr_has "does not see this host's loopback"
[[ $stderr != *pw@* ]] || fail 'the password was shown'
db import postgres://u:pw@db.example.org/app;	expect_status 1; expect_stderr_has 'no address of a mariadb server'

# another server, through the client in the image
run devbox run -d --wait --name remote -e MARIADB_ROOT_PASSWORD='p@ss/w:rd' -e MARIADB_DATABASE=far mariadb
expect_status 0
run devbox exec remote mariadb -uroot '-pp@ss/w:rd' far -e 'CREATE TABLE far_away (n INT); INSERT INTO far_away VALUES (42)'
expect_status 0
run devbox inspect remote --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
ip=$stdout
db import -q "mysql://root:p%40ss%2Fw%3Ard@$ip:3306/far";	expect_status 0
sql 'SELECT n FROM far_away';		expect_stdout 42
db import -q "mysql://root:wrong@$ip/far";	expect_status 1; expect_stderr_has 'Access denied'
run devbox rm -fv remote;		expect_status 0

# snapshots
db snapshot create before;		expect_status 0; expect_stdout before
sql 'DROP TABLE t; CREATE TABLE later (n INT)'
db snapshot create before;		expect_status 1; expect_stderr_has 'exists already'
db snapshot restore before;		expect_status 0; expect_stderr_has 'mariadb of branch main is what it was in before'
sql 'SELECT COUNT(*) FROM t; SHOW TABLES LIKE "later"';	expect_stdout 6
db snapshot ls --format '{{.Name}} {{.Branch}}';	expect_stdout_has 'before main'
db snapshot rm before;			expect_status 0
db snapshot restore before;		expect_status 1; expect_stderr_has 'does not exist'
sql 'SELECT COUNT(*) FROM t';		expect_stdout 6
db rm --all;				expect_status 0
expect_no_leftovers
