# tests/e2e/fork_kill.sh -- kill -9 at random moments while a database on a thin volume writes and is forked: neither the
# volume nor a fork is ever damaged, and nothing that was committed is lost.  KILLS (4) rounds; ./build.sh torture: many.
# timeout: 110
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/../lib/fork_kill.sh"

up() {	# VOLUME
	run devbox run -d --name db -v "$1:/var/lib/postgresql/data" -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
	run devbox wait --ready db;	expect_status 0
}
sql() { run devbox exec db psql -qAtU postgres -c "$1"; }
# Two tables that change in one transaction have the same sum, their indexes agree with them, and no page is damaged.
check() {	# COMMITTED
	sql 'SELECT (SELECT sum(v) FROM a) = (SELECT sum(v) FROM b), (SELECT max(id) FROM a) = (SELECT max(id) FROM b)'
	expect_status 0
	expect_stdout 't|t'
	sql "SELECT count(bt_index_check(c.oid, true)) > 1 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'btree' AND c.relpersistence = 'p'"
	expect_status 0
	expect_stdout t
	sql "SELECT count(*) FROM verify_heapam('a') UNION ALL SELECT count(*) FROM verify_heapam('b')"
	expect_stdout $'0\n0'
	sql 'SELECT max(id) FROM a'
	[ "$stdout" -ge "$1" ] || fail "committed up to $1, found $stdout"
}
work() {	# ROUND
	start "writer$1" sh -c "devbox exec db psql -qU postgres -c 'CALL work()' 2>&1 | sed -un 's/^NOTICE:  //p'"
}
processes='^postgres|/postgres '

up data
sql 'CREATE EXTENSION amcheck; CREATE TABLE a (id serial PRIMARY KEY, v int, t text); CREATE INDEX ON a (v);
	CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO a (v, t) SELECT i, repeat(md5(i::text), 9) FROM
	generate_series(1, 20000) i; INSERT INTO b SELECT id, v FROM a;
	CREATE PROCEDURE work() AS $$ DECLARE n int; r int; BEGIN LOOP r := random() * 20000;
		INSERT INTO a (v, t) VALUES (r, repeat(md5(r::text), 9)) RETURNING id INTO n; INSERT INTO b VALUES (n, r);
		UPDATE a SET v = v + 1 WHERE id = r + 1; UPDATE b SET v = v + 1 WHERE id = r + 1; COMMIT;
		RAISE NOTICE USING MESSAGE = n; END LOOP; END $$ LANGUAGE plpgsql'
expect_status 0
prepared
kill_rounds "${KILLS:-4}"
check 20000
sql 'SELECT max(id), count(*) FROM a';	expect_stdout '20000|20000'
down
expect_no_leftovers
