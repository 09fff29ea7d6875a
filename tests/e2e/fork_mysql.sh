# tests/e2e/fork_mysql.sh -- a MySQL's volume, forked: answers at once, reading copies nothing, a row costs little
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

sql() { run devbox exec "$1" mysql -uroot -ppw -Nse "$2" app; }	# CONTAINER TEXT
blocks() { du -s --block-size=1K "$(store)/volumes/$1/data/${2:-}" | cut -f1; }	# VOLUME [FILE]
mysql() {	# NAME VOLUME
	run devbox run -d --name "$1" -v "$2:/var/lib/mysql" -e MYSQL_ROOT_PASSWORD=pw -e MYSQL_DATABASE=app mysql --skip-log-bin
	expect_status 0
	run devbox wait --ready "$1";	expect_status 0
}

note 'a fork waits for a database that is only being set up'
run devbox run -d --name first -v data:/var/lib/mysql -e MYSQL_ROOT_PASSWORD=pw -e MYSQL_DATABASE=app mysql --skip-log-bin
expect_status 0
run devbox volume fork data early;	expect_status 0
mysql early early
sql early 'SELECT 1';			expect_stdout 1
run devbox rm -f early;			expect_status 0
sql first 'CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, s VARCHAR(200), KEY (v)); INSERT INTO t (v, s)
	SELECT a.help_topic_id, REPEAT("x", 150) FROM mysql.help_topic a LIMIT 600; SET @n = 0;
	INSERT INTO t (v, s) SELECT a.v, a.s FROM t a JOIN t b ON b.id <= 60'
sql first 'SELECT COUNT(*) > 0, SUM(v) FROM t';	expect_status 0
rows=$stdout
run devbox stop first;			expect_status 0
run devbox volume fork data fork;	expect_status 0;	expect_stderr 'fork: cow, * ms'

mysql second fork
sql second 'SELECT COUNT(*) > 0, SUM(v) FROM t';	expect_stdout "$rows"
note 'the table that was read is still the one below; a row that changed is a page'
before=$(blocks fork app/t.ibd)
sql second 'SELECT COUNT(*), SUM(LENGTH(s)), MAX(v) FROM t; CHECKSUM TABLE t';	expect_status 0
expect_equal "$(blocks fork app/t.ibd)" "$before"
# the server has work of its own to do behind its start: the least of three rows counts
least=1000000
for id in 777 778 779; do
	all=$(blocks fork)
	sql second "UPDATE t SET s = 'y' WHERE id = $id; FLUSH TABLES t FOR EXPORT";	expect_status 0
	took=$(($(blocks fork) - all))
	[ $took -ge $least ] || least=$took
done
[ $least -le 2048 ] || fail "a row took $least KiB"
[ $(($(blocks fork app/t.ibd) - before)) -le 256 ] || fail "a row took $(($(blocks fork app/t.ibd) - before)) KiB of its table"

note 'forked while it writes: the fork recovers, and has whole transactions'
sql second 'CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b LIKE a;

	DELIMITER //
	CREATE PROCEDURE work() BEGIN DECLARE i INT DEFAULT 0; LOOP SET i = i + 1; START TRANSACTION;
		INSERT INTO a VALUES (i, i); INSERT INTO b VALUES (i, i); COMMIT; END LOOP; END//'
expect_status 0
start writer devbox exec second mysql -uroot -ppw app -e 'CALL work()'
sql second 'SELECT COUNT(*) FROM a'
eventually 20 sh -c "'$lib/world' _as $AS devbox exec second mysql -uroot -ppw -Nse 'SELECT COUNT(*) > 20 FROM app.b' 2>/dev/null | grep -q 1"
run devbox volume fork fork live;	expect_status 0;	expect_stderr 'live: cow, * ms'
run devbox rm -f second;		expect_status 0
finish writer
mysql third live
sql third 'SELECT (SELECT COUNT(*) FROM a) = (SELECT COUNT(*) FROM b), (SELECT COUNT(*) > 20 FROM b); CHECK TABLE a, b, t'
expect_stdout $'1\t1\napp.a\tcheck\tstatus\tOK\napp.b\tcheck\tstatus\tOK\napp.t\tcheck\tstatus\tOK'
run devbox rm -f third;			expect_status 0

mysql first2 data
sql first2 'SELECT COUNT(*) > 0, SUM(v) FROM t; CHECK TABLE t';	expect_stdout "$rows
app.t*OK"
run devbox rm -f first first2;		expect_status 0
expect_no_leftovers
