# tests/e2e/fork_kill.sh -- kill -9 at random moments while a database on a thin volume writes and is forked: neither the
# volume nor a fork is ever damaged, and nothing that was committed is lost.  KILLS (4) rounds; ./build.sh torture: many.
# timeout: 110
. "$(dirname "$0")/../lib/e2e.sh"
kills=${KILLS:-4}
RANDOM=${SEED:-$$}

sql() { run devbox exec "$1" psql -qAtU postgres -c "$2"; }	# CONTAINER TEXT
# Two tables that change in one transaction have the same sum, their indexes agree with them, and no page is damaged.
check() {	# CONTAINER ACKNOWLEDGED
	sql "$1" 'SELECT (SELECT sum(v) FROM a) = (SELECT sum(v) FROM b), (SELECT max(id) FROM a) = (SELECT max(id) FROM b)'
	expect_status 0
	expect_stdout 't|t'
	sql "$1" "SELECT count(bt_index_check(c.oid, true)) > 1 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'btree' AND c.relpersistence = 'p'"
	expect_status 0
	expect_stdout t
	sql "$1" "SELECT count(*) FROM verify_heapam('a') UNION ALL SELECT count(*) FROM verify_heapam('b')"
	expect_stdout $'0\n0'
	sql "$1" 'SELECT max(id) FROM a'
	[ "$stdout" -ge "$2" ] || fail "committed up to $2, found $stdout"
}
server() { devbox_pids "devbox: volume $1"; }
devbox_pids() { pgrep -u "$AS" -f "^$1" || true; }
acknowledged() { tail -n 1 "$E2E_TMP/writer$1/out" 2>/dev/null | grep -E '^[0-9]+$' || echo "${2:-0}"; }

run devbox run -d --name db -v data:/var/lib/postgresql/data -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
run devbox wait --ready db;	expect_status 0
sql db 'CREATE EXTENSION amcheck; CREATE TABLE a (id serial PRIMARY KEY, v int, t text); CREATE INDEX ON a (v);
	CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO a (v, t) SELECT i, repeat(md5(i::text), 9) FROM
	generate_series(1, 20000) i; INSERT INTO b SELECT id, v FROM a;
	CREATE PROCEDURE work() AS $$ DECLARE n int; r int; BEGIN LOOP r := random() * 20000;
		INSERT INTO a (v, t) VALUES (r, repeat(md5(r::text), 9)) RETURNING id INTO n; INSERT INTO b VALUES (n, r);
		UPDATE a SET v = v + 1 WHERE id = r + 1; UPDATE b SET v = v + 1 WHERE id = r + 1; COMMIT;
		RAISE NOTICE USING MESSAGE = n; END LOOP; END $$ LANGUAGE plpgsql'
expect_status 0
run devbox stop db;	expect_status 0
run devbox volume fork data live;	expect_status 0
run devbox rm db;	expect_status 0

acked=0
for ((round = 1; round <= kills; round++)); do
	run devbox run -d --name db -v live:/var/lib/postgresql/data -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
	run devbox wait --ready db;	expect_status 0
	check db "$acked"
	start "writer$round" sh -c "devbox exec db psql -qU postgres -c 'CALL work()' 2>&1 | sed -un 's/^NOTICE:  //p'"
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
	2) victims=$(pgrep -f '^postgres|/postgres ' || true; server live) ;;
	esac
	# shellcheck disable=SC2086	# numbers
	kill -KILL $victims 2>/dev/null || true
	run devbox rm -f db;	expect_status 0
	acked=$(acknowledged "$round" "$acked")
	if [ -n "$forked" ]; then
		run devbox run -d --name db -v fork:/var/lib/postgresql/data -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
		run devbox wait --ready db;	expect_status 0
		check db "$forked"
		run devbox rm -f db;	expect_status 0
		run devbox volume rm fork;	expect_status 0
		[ $((round % 5)) != 0 ] || { run devbox undo empty;	expect_status 0; }
	fi
	finish "writer$round"
	[ $((round % 20)) != 0 ] || note "$round kills"
done
note 'the volume it all came from is as it was'
run devbox run -d --name db -v data:/var/lib/postgresql/data -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
run devbox wait --ready db;	expect_status 0
check db 20000
sql db 'SELECT max(id), count(*) FROM a';	expect_stdout '20000|20000'
run devbox rm -f db;	expect_status 0
expect_no_leftovers
