# tests/slow/fork_kill_mysql.sh -- kill -9 at random moments while a MySQL on a thin volume writes and is forked: InnoDB
# recovers in volume and fork, CHECK TABLE finds nothing, nothing that was committed is lost.  KILLS (1000) rounds: hours
# timeout: 86400
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/../lib/fork_kill.sh"

up() {	# VOLUME
	run devbox run -d --name db -v "$1:/var/lib/mysql" -e MYSQL_ROOT_PASSWORD=pw -e MYSQL_DATABASE=app mysql \
		--skip-log-bin --innodb-buffer-pool-size=32M --performance-schema=OFF
	expect_status 0
	run devbox wait --ready db;	expect_status 0
}
sql() { run devbox exec db mysql -uroot -ppw -Nse "$1" app; }
# Two tables that change in one transaction agree, with each other and with their indexes; no page is damaged.
check() {	# COMMITTED
	sql 'SELECT (SELECT SUM(v) FROM a) = (SELECT SUM(v) FROM b), (SELECT MAX(id) FROM a) = (SELECT MAX(id) FROM b)'
	expect_status 0
	expect_stdout $'1\t1'
	sql 'CHECK TABLE a, b EXTENDED'
	expect_stdout $'app.a\tcheck\tstatus\tOK\napp.b\tcheck\tstatus\tOK'
	sql 'SELECT MAX(id) FROM a'
	[ "$stdout" -ge "$1" ] || fail "committed up to $1, found $stdout"
}
work() {	# ROUND
	start "writer$1" sh -c "yes \"\$0\" | devbox exec -i db mysql -uroot -ppw -N --unbuffered app" "${transaction//$'\n'/ }"
}
# The client shows each transaction's number when it is committed.
transaction='SET @r = FLOOR(RAND() * 5000); START TRANSACTION; INSERT INTO a (v, t) VALUES (@r, REPEAT(SHA2(@r, 256), 4));
	SET @n = LAST_INSERT_ID(); INSERT INTO b VALUES (@n, @r); UPDATE a SET v = v + 1 WHERE id = @r + 1;
	UPDATE b SET v = v + 1 WHERE id = @r + 1; COMMIT; SELECT @n;'
processes='^mysqld'

up data
sql 'CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, v INT, t VARCHAR(300), KEY (v));
	CREATE TABLE b (id INT PRIMARY KEY, v INT); SET SESSION cte_max_recursion_depth = 10000;
	INSERT INTO a (v, t) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
		SELECT i, REPEAT(SHA2(i, 256), 4) FROM n;
	INSERT INTO b SELECT id, v FROM a'
expect_status 0
prepared
kill_rounds "${KILLS:-1000}"
check 5000
sql 'SELECT MAX(id), COUNT(*) FROM a';	expect_stdout $'5000\t5000'
down
expect_no_leftovers
