# tests/lib/fork_kill.sh -- kill -9 at random moments while a database writes on a thin volume and is forked.
#
# The test says which database, its container is "db":
#	up VOLUME		starts it on the volume, and waits until it answers
#	check COMMITTED		fails unless data and indexes agree and all up to the number COMMITTED is there
#	work ROUND		starts the writer "writer$ROUND", whose output is the numbers it has committed, a line each
#	$processes		pgrep's pattern for its processes
# and calls `prepared` when the volume "data" has what it begins with, then `kill_rounds N`.
RANDOM=${SEED:-$$}

down() { run devbox rm -f db;	expect_status 0; }
devbox_pids() { pgrep -u "$AS" -f "^devbox: $1" || true; }
# The last line that is whole, or $2
committed() { grep -E '^[0-9]+$' "$E2E_TMP/writer$1/out" 2>/dev/null | tail -n 1 | grep . || echo "$2"; }

prepared() {
	run devbox stop db;			expect_status 0
	run devbox volume fork data live;	expect_status 0
	down
}

victims() {	# WHICH
	case $1 in
	0) devbox_pids 'volume live' ;;	# who serves the volume
	1) devbox_pids 'monitor of db' ;;
	*) pgrep -f "$processes" || true; devbox_pids 'volume live' ;;
	esac
}

kill_rounds() {
	local round done=0 forked
	for ((round = 1; round <= $1; round++)); do
		up live
		check "$done"
		work "$round"
		eventually 20 test -s "$E2E_TMP/writer$round/out"
		/usr/bin/python3 -c "import time; time.sleep($((RANDOM % 400)) / 1000)"
		forked=
		if ((RANDOM % 2)); then
			forked=$(committed "$round" "$done")
			run devbox volume fork live fork;	expect_status 0
		fi
		# shellcheck disable=SC2046	# numbers
		kill -KILL $(victims $((RANDOM % 3))) 2>/dev/null || true
		down
		done=$(committed "$round" "$done")
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
}
