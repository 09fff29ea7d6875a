# tests/slow/fork_kill_mysql.sh -- kill -9 at random moments while a MySQL on a thin volume writes and is forked: InnoDB
# recovers in volume and fork, CHECK TABLE finds nothing, nothing that was committed is lost.  KILLS (1000) rounds: hours
# timeout: 86400
. "$(dirname "$0")/../lib/e2e.sh"
kills=${KILLS:-1000}
RANDOM=${SEED:-$$}

up() {	# VOLUME
	run devbox run -d --name db -v "$1:/var/lib/mysql" -e MYSQL_ROOT_PASSWORD=pw -e MYSQL_DATABASE=app mysql \
		--skip-log-bin --innodb-buffer-pool-size=32M --performance-schema=OFF
	expect_status 0
	run devbox wait --ready db;	expect_status 0
}
down() { run devbox rm -f db;	expect_status 0; }
sql() { run devbox exec db mysql -uroot -ppw -Nse "$1" app; }
# Two tables that change in one transaction agree, with each other and with their indexes; no page is damaged.
check() {	# ACKNOWLEDGED
	sql 'SELECT (SELECT SUM(v) FROM a) = (SELECT SUM(v) FROM b), (SELECT MAX(id) FROM a) = (SELECT MAX(id) FROM b)'
	expect_status 0
	expect_stdout $'1\t1'
	sql 'CHECK TABLE a, b EXTENDED'
	expect_stdout $'app.a\tcheck\tstatus\tOK\napp.b\tcheck\tstatus\tOK'
	sql 'SELECT MAX(id) FROM a'
	[ "$stdout" -ge "$1" ] || fail "committed up to $1, found $stdout"
}
server() { devbox_pids "devbox: volume $1"; }
devbox_pids() { pgrep -u "$AS" -f "^$1" || true; }
# The client shows each transaction's number when it is committed.
acknowledged() { grep -E '^[0-9]+$' "$E2E_TMP/writer$1/out" 2>/dev/null | tail -n 1 | grep . || echo "$2"; }

up data
sql 'CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, v INT, t VARCHAR(300), KEY (v));
	CREATE TABLE b (id INT PRIMARY KEY, v INT); SET SESSION cte_max_recursion_depth = 10000;
	INSERT INTO a (v, t) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
		SELECT i, REPEAT(SHA2(i, 256), 4) FROM n;
	INSERT INTO b SELECT id, v FROM a'
expect_status 0
run devbox stop db;			expect_status 0
run devbox volume fork data live;	expect_status 0
down

work='SET @r = FLOOR(RAND() * 5000); START TRANSACTION; INSERT INTO a (v, t) VALUES (@r, REPEAT(SHA2(@r, 256), 4));
	SET @n = LAST_INSERT_ID(); INSERT INTO b VALUES (@n, @r); UPDATE a SET v = v + 1 WHERE id = @r + 1;
	UPDATE b SET v = v + 1 WHERE id = @r + 1; COMMIT; SELECT @n;'
acked=0
for ((round = 1; round <= kills; round++)); do
	up live
	check "$acked"
	start "writer$round" sh -c "yes \"\$0\" | devbox exec -i db mysql -uroot -ppw -N --unbuffered app" "${work//$'\n'/ }"
	eventually 20 test -s "$E2E_TMP/writer$round/out"
	/usr/bin/python3 -c "import time; time.sleep($((RANDOM % 400)) / 1000)"
	forked=
	if ((RANDOM % 2)); then
		seen=$(acknowledged "$round" "$acked")
		run devbox volume fork live fork;	expect_status 0
		forked=$seen
	fi
	case $((RANDOM % 3)) in
	0) victims=$(server live) ;;			# who serves the volume
	1) victims=$(devbox_pids 'devbox: monitor of db') ;;
	2) victims=$(pgrep -f '^mysqld' || true; server live) ;;
	esac
	# shellcheck disable=SC2086	# numbers
	kill -KILL $victims 2>/dev/null || true
	down
	acked=$(acknowledged "$round" "$acked")
	if [ -n "$forked" ]; then
		up fork
		check "$forked"
		down
		run devbox volume rm fork;	expect_status 0
		[ $((round % 5)) != 0 ] || { run devbox undo empty;	expect_status 0; }
	fi
	finish "writer$round"
	rm -r "$E2E_TMP/writer$round"
	[ $((round % 20)) != 0 ] || note "$round kills"
done
note 'the volume it all came from is as it was'
up data
check 5000
sql 'SELECT MAX(id), COUNT(*) FROM a';	expect_stdout $'5000\t5000'
down
expect_no_leftovers
